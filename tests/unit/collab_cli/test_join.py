"""Tests of `collab join` on a real terminal: what it leaves behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.local_server import read_endpoints
from collab_cli.recent import recent_rooms
from tests.unit.collab_cli.terminal import Terminal

JOIN = [sys.executable, "-m", "collab_cli", "join"]
CTRL_Q = "\x11"

BROKEN = """
import asyncio, os, sys
import collab_cli.window as window

class Panic(BaseException): ...

async def start(*arguments):
    os.write(2, b"native panic")
    if {where!r} == "start":
        raise RuntimeError("broken on purpose")
    buffer, session = await original(*arguments)
    def break_(*_):
        raise {error}("broken on purpose")
    from collab_tui.widgets.editor import Editor
    Editor._on_key = Editor.on_key = break_
    return buffer, session

original, window.start_session = window.start_session, start
sys.argv = ["collab", "join", "notes"]
from collab_cli.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment of its own; the private server that was started in it is ended."""
    yield {
        **os.environ,
        "COLLAB_HOME": str(tmp_path),
        "COLLAB_IDLE_EXIT_S": "60",
        "TERM": "xterm-256color",
        "PYTHONIOENCODING": "utf-8",
    }
    if (running := read_endpoints(tmp_path / "data")) is not None:
        os.kill(running.pid, signal.SIGTERM)


def is_given_back(terminal: Terminal) -> bool:
    """Tell whether the modes are as before and the last switch of screens was back to the normal one."""
    switches = re.findall(rb"\x1b\[\?1049([hl])", terminal.output)
    return terminal.modes == terminal.modes_before and (not switches or switches[-1] == b"l")


def said(terminal: Terminal) -> str:
    """Return what was said once the terminal was given back."""
    return re.split(rb"\x1b\[\?[0-9]+l", terminal.output)[-1].decode().strip()


def test_quitting_leaves_the_terminal_and_remembers_the_room(environ: dict[str, str], tmp_path: Path) -> None:
    with Terminal([*JOIN, "notes"], environ) as terminal:
        terminal.wait_for("saved")
        terminal.type(CTRL_Q)
        assert terminal.wait_for_exit() == 0
        assert is_given_back(terminal)
        assert said(terminal) == ""
    assert recent_rooms(tmp_path / "state" / "recent-rooms") == ["notes"]
    for path in (tmp_path / "state", tmp_path / "data", tmp_path / "run", tmp_path / "state" / "logs"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (*(tmp_path / "state" / "logs").iterdir(), tmp_path / "state" / "device"):
        assert path.stat().st_mode & 0o777 == 0o600
    with Terminal(JOIN, environ) as terminal:
        terminal.wait_for("notes.*saved")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(environ: dict[str, str], number: signal.Signals) -> None:
    with Terminal([*JOIN, "notes"], environ) as terminal:
        terminal.wait_for("saved")
        terminal.program.send_signal(number)
        assert terminal.wait_for_exit() == 128 + number
        assert is_given_back(terminal)
        assert said(terminal).startswith(f"collab: ended by {number.name}; the log is ")


def test_a_window_that_is_closed_ends_it(environ: dict[str, str]) -> None:
    with Terminal([*JOIN, "notes"], environ) as terminal:
        terminal.wait_for("saved")
        terminal.close()
        assert terminal.wait_for_exit() == 128 + signal.SIGHUP


@pytest.mark.parametrize(
    ("where", "error"), [("start", "RuntimeError"), ("key", "RuntimeError"), ("key", "Panic")]
)
def test_a_crash_gives_the_terminal_back_and_names_the_log(
    environ: dict[str, str], tmp_path: Path, where: str, error: str
) -> None:
    with Terminal([sys.executable, "-c", BROKEN.format(where=where, error=error)], environ) as terminal:
        if where == "key":
            terminal.wait_for("saved")
            terminal.type("x")
        assert terminal.wait_for_exit() == 1
        assert is_given_back(terminal)
        log = tmp_path / "state" / "logs" / "client.log"
        assert said(terminal) == f"collab: collab broke; the log is {log}"
        assert b"native panic" not in terminal.output
    assert "native panic" in log.read_text()
    assert "broken on purpose" in log.read_text()


def test_a_server_that_is_not_there_is_said(environ: dict[str, str]) -> None:
    with Terminal([*JOIN, "unix:///nonexistent/x.sock?room=notes"], environ) as terminal:
        assert terminal.wait_for_exit() == 4
        assert is_given_back(terminal)
        assert said(terminal).startswith("collab: nothing answers at unix:///nonexistent/x.sock?room=notes")


def test_a_small_window_is_said(environ: dict[str, str]) -> None:
    with Terminal([*JOIN, "notes"], environ, columns=39) as terminal:
        assert terminal.wait_for_exit() == 2
        assert b"39 by 24 cells" in terminal.output


def test_unknown_keys_are_said_and_do_not_keep_anybody_out(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text('\nnmae = "ana"\n')
    with Terminal([*JOIN, "notes"], environ) as terminal:
        terminal.wait_for(r"config\.toml:2: .*'nmae'.*saved")


def test_rooms_are_listed_when_none_was_joined_here(environ: dict[str, str], tmp_path: Path) -> None:
    for room in ("notes", "agenda"):
        with Terminal([*JOIN, room], environ) as terminal:
            terminal.wait_for("saved")
            terminal.type(CTRL_Q)
            assert terminal.wait_for_exit() == 0
    (tmp_path / "state" / "recent-rooms").unlink()
    done = subprocess.run(
        JOIN, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert done.stdout == "collab join agenda\ncollab join notes\n"
