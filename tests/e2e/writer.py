"""A person without a screen: the client of `collab join` in a process of its own, typing numbered lines.

    python -m tests.e2e.writer URL --name ana --lines 100 --rate 50

Its folder is COLLAB_HOME. On stdout, one line an event, each written at once:

    typed I          line I is in the text of this window
    kept I           all lines up to I are in the journal on this machine's disk
    saved I          all lines up to I are on the server's disk
    status WORDS     what the status line says
    done             it types no more, and all is saved; it stays in the room until it is ended

It may be killed at any moment, and started again on its folder with `--first I`. SIGUSR1: type no more.
SIGTERM: leave.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from typing import Final

from collab_cli.identity import load_device
from collab_cli.logs import log_to_file
from collab_cli.settings.flags import JoinFlags
from collab_cli.settings.joining import join_settings
from collab_cli.starting import start_session
from collab_cli.targets import parse_target
from collab_client.buffer import Buffer
from collab_client.session import Session
from collab_client.status import Status, StatusKind

_LOOK_EVERY_S: Final = 0.001
"""How often the counts are looked at: they have no callback that is sure to be called. Often, so that what
is said too early is said long enough before it is true for a kill to come between."""

_WAITING: Final = (StatusKind.OFFLINE, StatusKind.BUSY)


class _Writer:
    """One run of one person."""

    def __init__(self, asked: argparse.Namespace, buffer: Buffer, session: Session) -> None:
        self._asked = asked
        self._buffer = buffer
        self._session = session
        self._typed: int = asked.first - 1
        self._last: int = self._typed + asked.lines
        self._kept = self._saved = self._typed
        self._is_waiting = False
        session.on_status = self._status_changed

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._session.leave)
        loop.add_signal_handler(signal.SIGUSR1, self._type_no_more)
        # Typed before the first try, so that no server is a reason to wait and not to give up.
        self._type()
        async with asyncio.TaskGroup() as tasks:
            online = tasks.create_task(self._session.run())
            told = [tasks.create_task(part) for part in (self._type_all(), self._look(), self._retry())]
            await online
            for task in told:
                task.cancel()

    def _type_no_more(self) -> None:
        self._last = self._typed

    def _type(self) -> None:
        before = self._session.unsaved
        self._buffer.type_text(f"{self._asked.name}:{self._typed + 1}\n")
        if self._session.unsaved != before + 1:
            raise AssertionError("a line is not one row: what is said to be kept would be wrong")
        self._typed += 1
        _say(f"typed {self._typed}")

    async def _type_all(self) -> None:
        loop = asyncio.get_running_loop()
        due_at = loop.time()
        while self._typed < self._last:
            for _ in range(min(self._asked.burst, self._last - self._typed)):
                self._type()
            # By the clock, so that a slow machine does not type less.
            due_at += self._asked.burst / self._asked.rate
            await asyncio.sleep(max(0.0, due_at - loop.time()))
        while self._saved < self._typed:
            await asyncio.sleep(_LOOK_EVERY_S)
        _say("done")

    async def _look(self) -> None:
        while True:
            unsaved = self._session.unsaved
            # Rows are kept in the order they are typed, before and after those of an earlier run.
            kept = self._typed - max(0, unsaved - self._session.kept)
            if kept > self._kept:
                self._kept = kept
                _say(f"kept {kept}")
            if unsaved == 0 and self._saved < self._typed:
                self._saved = self._typed
                _say(f"saved {self._saved}")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _retry(self) -> None:
        """Press "retry now" again and again: a campaign has no time for the back-off."""
        while self._asked.retry_every is not None:
            await asyncio.sleep(self._asked.retry_every)
            if self._is_waiting:
                self._session.retry_now()

    def _status_changed(self, status: Status) -> None:
        self._is_waiting = status.kind in _WAITING
        _say(f"status {status.text}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


async def _write(asked: argparse.Namespace) -> None:
    flags = JoinFlags(target=asked.url, name=asked.name)
    settings = join_settings(flags, os.environ)
    log_to_file(settings.folders.logs / "client.log")
    device = load_device(settings.folders.device_file)
    buffer, session = await start_session(parse_target(asked.url), settings, device)
    await _Writer(asked, buffer, session).run()


def main() -> int:
    """Write as the command line says, until ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.writer")
    parser.add_argument("url")
    parser.add_argument("--name", required=True)
    parser.add_argument("--first", type=int, default=1, help="the first line's number")
    parser.add_argument("--lines", type=int, default=10**9, help="how many lines")
    parser.add_argument("--rate", type=float, default=50.0, help="lines a second")
    parser.add_argument("--burst", type=int, default=1, help="lines typed in one go")
    parser.add_argument("--retry-every", type=float, metavar="SECONDS", help='press "retry now" so often')
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_write(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
