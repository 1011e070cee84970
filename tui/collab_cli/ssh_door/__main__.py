"""The door's process: forks the fork server, then opens the door. `serve` starts it; people do not."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import Final

from collab_cli.logs import log_server
from collab_cli.settings.flags import LogFormat, LogLevel
from collab_cli.ssh_door.plan import WRONG, DoorPlan
from collab_protocol.errors import CollabError
from collab_server.log_fields import set_key

_log = logging.getLogger("collab_cli.ssh_door.door")

_LINE_BYTES: Final = 64 * 1024
_STDERR: Final = 2
_MOST_DESCRIPTORS: Final = 65_536
"""LimitNOFILE of deploy/collab.service; one call on Linux, whatever the number."""


def main() -> int:
    """Be the door until stdin ends; returns the exit code."""
    # ^C in the terminal of `serve` is for `serve`, which then tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plan = DoorPlan.decode(_read_line(0))
    os.umask(0o077)
    log_server(None, LogLevel(plan.log_level), LogFormat(plan.log_format))
    logging.getLogger("asyncssh").setLevel(logging.ERROR)  # it names rooms, as users
    set_key(bytes.fromhex(plan.log_key))
    ours, theirs = socket.socketpair()
    forker = os.fork()
    if forker == 0:
        ours.close()
        _be_fork_server(theirs)
    theirs.close()
    try:
        return asyncio.run(_open(plan, ours))
    finally:
        ours.close()
        os.waitpid(forker, 0)


def _be_fork_server(link: socket.socket) -> None:
    """Fork guests until the door is gone; never returns."""
    code = 1
    try:
        # Also what this process was started with; uvloop leaves copies of stdin and stdout behind.
        os.closerange(_STDERR + 1, link.fileno())
        os.closerange(link.fileno() + 1, _MOST_DESCRIPTORS)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1):
            os.dup2(nothing, number)
        os.close(nothing)
        _keep_log_apart()
        from collab_cli.ssh_door.fork_server import serve_forks

        serve_forks(link)
        code = 0
    except BaseException:
        _log.critical("what starts the guests failed", exc_info=True)
    finally:
        os._exit(code)


def _keep_log_apart() -> None:
    """Have the log stay where it goes when a guest's terminal takes the place of stderr."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace"))


async def _open(plan: DoorPlan, link: socket.socket) -> int:
    from collab_cli.ssh_door.door import Door

    try:
        door = Door(plan, link)
    except CollabError as error:
        print(WRONG, error, flush=True)
        return 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(0, _read_end, stop)
    lost = asyncio.create_task(door.is_lost.wait(), name="lost")
    lost.add_done_callback(lambda _: stop.set())
    await door.run(stop)
    if door.is_lost.is_set():
        _log.error("what starts the guests is gone")
        return 1
    lost.cancel()
    return 0


def _read_end(stop: asyncio.Event) -> None:
    if not os.read(0, _LINE_BYTES):
        asyncio.get_running_loop().remove_reader(0)
        stop.set()


def _read_line(fd: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(fd, _LINE_BYTES)
        if not piece:
            raise SystemExit(1)
        line += piece
    return line


if __name__ == "__main__":
    sys.exit(main())
