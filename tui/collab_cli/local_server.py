"""This machine's own server: found by its data folder, started when there is none.

    reach ─▶ server.json? ─yes─▶ open its socket ─▶ the link
      ▲            │ no, or nobody answers there
      └── wait ◀── start a private server: of two that start at once, one gets the folder's lock and
                   the other ends with exit code 3; both joins then find the same server.json

A private server lives in a session of its own, so that it outlives the terminal, and ends by itself
when nobody has been connected for a while. A server that somebody runs by hand is not replaced when
it stops under its clients: whoever runs it would find the folder taken.

A private server that an older collab started is asked once to hand over: it ends if nobody else is
connected, and one of this version takes its place. One that goes on is used as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from collab_cli import __version__
from collab_cli.exits import CommandError, ExitCode
from collab_cli.paths import make_folder
from collab_protocol.errors import LinkError
from collab_protocol.versions import VERSIONS
from collab_server.lock import HAND_OVER_PATH, VERSION_HEADER, Endpoints, is_older

_log = logging.getLogger(__name__)

_START_DEADLINE_S: Final = 15.0
_POLL_S: Final = 0.02
_TRY_AGAIN_S: Final = 0.5
"""How long after a lost race for the lock the next server is started: its holder may be leaving."""

_ANSWER_S: Final = 2.0
"""How long a server gets to answer whether it hands over; one that says nothing goes on."""

_LEAVE_S: Final = 12.0
"""How long one that hands over gets to be gone: its own drain takes 8 s at most."""

_OUTPUT_BYTES: Final = 1024 * 1024

L = TypeVar("L")


def read_endpoints(data: Path) -> Endpoints | None:
    """Return what `data`/server.json says, of a server that runs or one that was killed; None without one."""
    try:
        note = json.loads((data / "server.json").read_bytes())
        if not (isinstance(note["unix"], str) and isinstance(note["version"], str)):
            return None
        return Endpoints(**{**note, "protocol": tuple(note["protocol"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def private_command(data: Path) -> tuple[str, ...]:
    """Return the command that starts a private server for `data`.

    -P: a folder called collab_cli in the current directory must not be taken for this package.
    """
    return (sys.executable, "-P", "-m", "collab_cli", "serve", "--private", str(data))


class LocalServer:
    """The server of one data folder, as one client sees it over its life."""

    def __init__(
        self,
        data: Path,
        *,
        private_socket: Path,
        output_file: Path,
        command: Sequence[str] | None = None,
        version: str = __version__,
    ) -> None:
        """`output_file` gets what a started server prints, which is little: it has a log of its own.

        `version` is what `command` starts; a private server that is older is asked to hand over.
        """
        self._data = data
        self._private_socket = private_socket
        self._output_file = output_file
        self._command = private_command(data) if command is None else tuple(command)
        self._output_from = 0
        self._child: int | None = None
        self._start_at = 0.0
        self._may_start = True
        self._version = version
        self._has_asked = False

    async def reach(self, open_socket: Callable[[Path], Awaitable[L]]) -> L:
        """Return what `open_socket` makes of the server's socket; starts a server if there is none.

        Raises:
            LinkError: there is none and none could be started, or it does not want us; final where it
                speaks another version.
        """
        loop = asyncio.get_running_loop()
        await self._take_over()
        deadline = loop.time() + _START_DEADLINE_S
        self._child_exit_code()  # one that has served, and died since, is no failure to start
        while True:
            running = await asyncio.to_thread(read_endpoints, self._data)
            if running is not None:
                try:
                    link = await open_socket(Path(running.unix))
                except LinkError as error:
                    if not is_nobody_there(error):
                        _check_version(self._data, running)
                        raise
                else:
                    self._may_start = Path(running.unix) == self._private_socket
                    return link
            if not self._may_start:
                raise LinkError(f"the server of {self._data} has stopped")
            if loop.time() > deadline:
                raise LinkError(
                    f"the private server did not start within {_START_DEADLINE_S:.0f} s; {self._see}"
                )
            await self._keep_starting(loop.time())
            await asyncio.sleep(_POLL_S)

    async def _take_over(self) -> None:
        """Ask a private server that is older to hand over, once in our life; return when it is gone."""
        running = await asyncio.to_thread(read_endpoints, self._data)
        if self._has_asked or running is None or Path(running.unix) != self._private_socket:
            return
        if not is_older(running.version, self._version):
            return
        self._has_asked = True
        if not await _agrees_to_hand_over(self._private_socket, self._version):
            _log.info("the private server of collab %s goes on", running.version)
            return
        _log.info("the private server of collab %s hands over", running.version)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                # It removes its note just before its lock goes; another note is its successor's.
                while await asyncio.to_thread(read_endpoints, self._data) == running:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_S)

    async def _keep_starting(self, now: float) -> None:
        """Start a server, unless one that we started may still become it."""
        if self._child is not None:
            code = self._child_exit_code()
            if code is None:
                return
            if code == ExitCode.REFUSED:
                self._start_at = now + _TRY_AGAIN_S
            elif code != ExitCode.OK:
                reason = self._last_words() or f"it ended with exit code {code}"
                raise LinkError(f"cannot start a private server: {reason}; {self._see}")
        if now >= self._start_at:
            self._child = await asyncio.to_thread(self._spawn)
            _log.info("started a private server for %s, pid %d", self._data, self._child)

    def _child_exit_code(self) -> int | None:
        """Return how the server that we started ended, once; None while it runs or if there is none."""
        if self._child is None:
            return None
        pid, status = os.waitpid(self._child, os.WNOHANG)
        if pid == 0:
            return None
        self._child = None
        return os.waitstatus_to_exitcode(status)

    def _spawn(self) -> int:
        """Start the command in a session of its own; returns its pid.

        Not by `subprocess`, whose objects want their process to end before they do.
        """
        try:
            make_folder(self._output_file.parent)
        except CommandError as error:
            raise LinkError(f"cannot start a private server: {error}") from error
        appended = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        try:
            self._output_file.touch(mode=0o600)
            if self._output_file.stat().st_size > _OUTPUT_BYTES:
                os.truncate(self._output_file, 0)
            self._output_from = self._output_file.stat().st_size
            return os.posix_spawn(
                self._command[0],
                self._command,
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self._output_file), appended, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            raise LinkError(f"cannot start a private server: {error.strerror or error}") from error

    def _last_words(self) -> str:
        """Return what the server said last: the reason, when it could not start."""
        try:
            output = self._output_file.read_bytes()[self._output_from :]
        except OSError:
            return ""
        lines = output.decode("utf-8", "replace").splitlines()
        return lines[-1].removeprefix("collab: ") if lines else ""

    @property
    def _see(self) -> str:
        return f"its log is {self._output_file.with_suffix('.log')}"


async def _agrees_to_hand_over(path: Path, version: str) -> bool:
    """Ask the server behind a Unix socket whether it ends for a newer one; whatever goes wrong is a no."""
    request = f"GET {HAND_OVER_PATH} HTTP/1.1\r\nHost: localhost\r\n{VERSION_HEADER}: {version}\r\n\r\n"
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, ValueError):  # TimeoutError is an OSError; ValueError: the answer has no end
        return False
    return status.split()[1:2] == [b"200"]


def _check_version(data: Path, running: Endpoints) -> None:
    if set(running.protocol) & set(VERSIONS):
        return
    who = "this collab" if min(running.protocol, default=0) > max(VERSIONS) else "that server"
    raise LinkError(
        f"the server of {data} (pid {running.pid}, collab {running.version}) speaks another version: "
        f"upgrade {who}, or stop it with: kill {running.pid}",
        is_final=True,
    )


def is_nobody_there(error: LinkError) -> bool:
    """Tell whether the socket had nobody behind it, or somebody who was leaving."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (FileNotFoundError, ConnectionError, EOFError)):
            return True
        cause = cause.__cause__
    return False
