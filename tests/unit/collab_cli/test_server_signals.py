"""Tests of `collab_cli.server_signals`: SIGHUP reads again, unless it is the terminal that went away."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Terminal

DEADLINE_S = 20.0

PROGRAM = """
import asyncio, signal, sys
from collab_cli.server_signals import ServerSignals

async def main(words, say):
    if "nohup" in words:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = ServerSignals(asyncio.get_running_loop(), may_reload="private" not in words)
    say("ready")
    while not signals.stop.is_set():
        waits = [asyncio.create_task(each.wait()) for each in (signals.stop, signals.reload)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if signals.reload.is_set():
            signals.reload.clear()
            say("reload")
    say(signals.stopped_by.name)

with open(sys.argv[1], "w") as heard:
    asyncio.run(main(sys.argv[2:], lambda word: print(word, file=heard, flush=True)))
"""


class Heard:
    """What the program says, a word a line, through a FIFO."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._bytes = b""

    def word(self) -> str:
        """Return the next word."""
        while b"\n" not in self._bytes:
            assert select.select([self._file], [], [], DEADLINE_S)[0], "the program says nothing"
            if not (more := os.read(self._file, 1000)):
                select.select([], [], [], 0.01)  # nobody has opened it yet
            self._bytes += more
        word, _, self._bytes = self._bytes.partition(b"\n")
        return word.decode()

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    made = Heard(tmp_path / "heard")
    yield made
    made.close()


def command(heard: Heard, *words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(heard.path), *words]


@pytest.mark.parametrize(
    ("words", "sent", "said"),
    [
        ([], [signal.SIGTERM], ["SIGTERM"]),
        ([], [signal.SIGINT], ["SIGINT"]),
        ([], [signal.SIGHUP, signal.SIGHUP, signal.SIGTERM], ["reload", "reload", "SIGTERM"]),
        (["private"], [signal.SIGHUP], ["SIGHUP"]),
    ],
)
def test_without_a_terminal(
    heard: Heard, words: list[str], sent: list[signal.Signals], said: list[str]
) -> None:
    with subprocess.Popen(command(heard, *words), start_new_session=True) as program:
        try:
            assert heard.word() == "ready"
            for number, word in zip(sent, said, strict=True):
                program.send_signal(number)
                assert heard.word() == word
        finally:
            program.kill()


def test_with_a_terminal_it_ends_only_once_that_is_gone(heard: Heard) -> None:
    with Terminal(command(heard), env=dict(os.environ)) as terminal:
        assert heard.word() == "ready"
        terminal.signal(signal.SIGHUP)
        assert heard.word() == "reload"
        terminal.hang_up()
        assert heard.word() == "SIGHUP"


def test_what_is_to_survive_its_terminal_does(heard: Heard) -> None:
    with Terminal(command(heard, "nohup"), env=dict(os.environ)) as terminal:
        assert heard.word() == "ready"
        terminal.hang_up()
        assert heard.word() == "reload"
        os.kill(terminal.pid, signal.SIGTERM)
        assert heard.word() == "SIGTERM"
