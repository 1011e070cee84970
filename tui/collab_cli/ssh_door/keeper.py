"""`serve`'s end of the door: binds its port, starts its process, starts it again should it die, and stops it.

bind ──▶ running ──▶ opened (once people can join) ──▶ stop: guests leave first, then the rooms close
                        ╰─ the process dies ─▶ started again, later each time
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from collab_cli.exits import CommandError, ExitCode
from collab_cli.settings.values import Address
from collab_cli.ssh_door.plan import READY, WRONG, DoorPlan

_log = logging.getLogger(__name__)

_BACKLOG: Final = 128
_READY_S: Final = 30.0
_GUESTS_LEAVE_S: Final = 3.0
"""How long guests have the rooms to themselves after a signal; `serve` ends within 10 s."""

_LEAVE_S: Final = 7.0
"""How long the door's process gets after that, until it is killed."""

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


def bind(address: Address) -> list[socket.socket]:
    """Return sockets that listen at `address`; without a host, on every address of this machine.

    Raises:
        CommandError: they cannot.
    """
    found: list[socket.socket] = []
    try:
        if not address.host:
            is_dual = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if is_dual else socket.AF_INET
            return [
                socket.create_server(
                    ("", address.port), family=family, dualstack_ipv6=is_dual, backlog=_BACKLOG
                )
            ]
        port = address.port
        places = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM)
        for family, _, _, _, place in dict.fromkeys(places):
            found.append(socket.create_server((str(place[0]), port), family=family, backlog=_BACKLOG))
            port = found[0].getsockname()[1]
    except OSError as error:
        for each in found:
            each.close()
        number = error.errno or 0  # negative for a name; else the text has the call of `create_server` in it
        why = os.strerror(number) if number > 0 else error.strerror or error
        raise CommandError(
            f"cannot listen for SSH on {address}: {why}; choose another with --ssh", ExitCode.REFUSED
        ) from error
    return found


class DoorKeeper:
    """Keeps one door open. Use `running` around all that serves."""

    def __init__(self, sockets: Sequence[socket.socket], plan: Callable[[tuple[int, ...]], DoorPlan]) -> None:
        """`sockets` listen, and are closed here; `plan` is made for each process, of their descriptors."""
        self._sockets = sockets
        self._plan = plan
        self._trouble: CommandError | None = None
        self._may_open = asyncio.Event()
        self._was_open = False
        self._on_open: Callable[[str], None] = lambda _: None

    def open(self, on_open: Callable[[str], None]) -> None:
        """Let guests in from now on; `on_open` gets the fingerprint of the host key, once."""
        self._on_open = on_open
        self._may_open.set()

    @contextlib.asynccontextmanager
    async def running(self, stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        """Keep the door until `stop` is set; gives what is set behind, when the guests have left.

        Raises:
            CommandError: the door cannot be opened at all.
        """
        rooms_close = asyncio.Event()
        keeping = asyncio.create_task(self._keep(stop, rooms_close), name="ssh door")
        try:
            yield rooms_close
        finally:
            stop.set()
            await keeping
            for each in self._sockets:
                each.close()
        if self._trouble is not None:
            raise self._trouble

    async def _keep(self, stop: asyncio.Event, rooms_close: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        try:
            await _first(self._may_open.wait(), stop.wait())
            pause_s = _FIRST_PAUSE_S
            while not stop.is_set():
                began_at = loop.time()
                try:
                    await self._keep_one(stop, rooms_close)
                except CommandError as error:
                    if not self._was_open:
                        self._trouble = error
                        break
                    _log.error("the SSH door does not open: %s", error)
                except Exception:  # the rooms go on, whatever it is
                    _log.exception("the SSH door failed")
                if stop.is_set():
                    break
                if loop.time() - began_at > _LONGEST_PAUSE_S:
                    pause_s = _FIRST_PAUSE_S
                _log.error("nobody can come over SSH: the door opens again in %.1f s", pause_s)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await stop.wait()
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            rooms_close.set()

    async def _keep_one(self, stop: asyncio.Event, rooms_close: asyncio.Event) -> None:
        """Start the door's process, and return when it has ended. Raises: CommandError: it cannot open."""
        numbers = tuple(each.fileno() for each in self._sockets)
        process = await asyncio.create_subprocess_exec(
            *_command(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=numbers,
            start_new_session=True,
            env=_environment(),
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the door's process has no pipes")
        ended = asyncio.create_task(process.wait(), name="ssh door's end")
        try:
            process.stdin.write(self._plan(numbers).encode())
            if await self._has_opened(process.stdout):
                await _first(stop.wait(), asyncio.shield(ended))
        finally:
            process.stdin.close()  # which is the word to end
            await asyncio.wait([ended], timeout=_GUESTS_LEAVE_S)
            if stop.is_set():
                rooms_close.set()
            await asyncio.wait([ended], timeout=_LEAVE_S)
            if not ended.done():
                _log.error("the SSH door does not close: it is killed")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what forks guests, should that hang
            await ended

    async def _has_opened(self, stdout: asyncio.StreamReader) -> bool:
        """Wait for the door to open. Raises: CommandError: it never will."""
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_S):
                line = await stdout.readline()
        word, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
        if word == WRONG:
            raise CommandError(rest, ExitCode.REFUSED)
        if word == READY:
            if not self._was_open:
                self._on_open(rest)
            self._was_open = True
        return word == READY


def _command() -> tuple[str, ...]:
    """-P: a folder called collab_cli in the current directory must not be taken for this package."""
    return (sys.executable, "-P", "-X", "utf8", "-m", "collab_cli.ssh_door")


def _environment() -> dict[str, str]:
    """Return what the door's process needs of ours; what else there is, is for nobody who comes over SSH."""
    kept = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LANG": "C.UTF-8"}


async def _first(*waits: Awaitable[object]) -> None:
    """Wait until one of them is done; the others are given up."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
