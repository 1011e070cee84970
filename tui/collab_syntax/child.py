"""A child process at the other end of a socket pair: the event loop speaks to it and never waits."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

from collab_syntax.frames import FrameError, Frames

_READ_BYTES: Final = 262_144
_WRITE_BYTES: Final = 262_144
"""In one turn of the loop."""

_GRACE_S: Final = 1.0
"""From closing the socket to the kill."""


class Child:
    """One process and what is on its way to it. A thread of its own starts it and waits for its end."""

    def __init__(
        self, command: Sequence[str], *, on_message: Callable[[Any], None], on_end: Callable[[], None]
    ) -> None:
        """Start `command` with the number of its socket put behind.

        Returns at once; what is sent before it runs waits in the socket. `on_end` is called once, when it
        ended or sent what is no frame, unless it was closed before.

        Raises:
            OSError: there is no descriptor to be had. RuntimeError: there is no thread to be had.
        """
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_end = on_end
        self._frames = Frames()
        self._outgoing: deque[tuple[Iterator[bytes], int]] = deque()
        self._chunk = memoryview(b"")
        self._is_writing = False
        self._is_closed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._link, far = socket.socketpair()
        self._link.setblocking(False)
        self._loop.add_reader(self._link.fileno(), self._readable)
        try:
            Thread(target=self._live, args=(list(command), far), name="parser", daemon=True).start()
        except RuntimeError:
            self._loop.remove_reader(self._link.fileno())
            self._link.close()
            far.close()
            raise

    @property
    def pid(self) -> int | None:
        """The process's id, None until it is started."""
        return None if self._process is None else self._process.pid

    @property
    def waiting_size(self) -> int:
        """The sum of the sizes that were given for what waits."""
        return sum(size for _, size in self._outgoing)

    def send(self, frames: Iterator[bytes], size: int = 0) -> None:
        """Send frames, each made when its turn comes."""
        if self._is_closed:
            return
        self._outgoing.append((frames, size))
        if not self._is_writing:
            self._is_writing = True
            self._loop.add_writer(self._link.fileno(), self._writable)

    def drop_unsent(self) -> None:
        """Forget what waits, but for the frame that is half sent."""
        self._outgoing.clear()

    def close(self) -> None:
        """Close the socket, which ends the process; kill it if it doesn't end."""
        if self._is_closed:
            return
        self._is_closed = True
        self._outgoing.clear()
        self._loop.remove_reader(self._link.fileno())
        self._loop.remove_writer(self._link.fileno())
        self._link.close()
        self._loop.call_later(_GRACE_S, self._kill)

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def _live(self, command: list[str], far: socket.socket) -> None:
        """Start the process and wait for its end: runs on its own thread."""
        with far:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    [*command, str(far.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[far.fileno()],
                    start_new_session=True,
                    cwd="/",
                    env=_environment(),
                )
            except OSError:
                return  # with `far` closed, the reader sees the end
        self._process.wait()

    def _readable(self) -> None:
        try:
            received = self._link.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        try:
            messages = self._frames.feed(received)
        except FrameError:
            received = b""
            messages = []
        for message in messages:
            if not self._is_closed:
                self._on_message(message)
        if not received and not self._is_closed:
            self.close()
            self._on_end()

    def _writable(self) -> None:
        sent = 0
        with suppress(BlockingIOError, OSError):  # a broken socket is the reader's to see
            while sent < _WRITE_BYTES:
                if not self._chunk:
                    chunk = self._next()
                    if chunk is None:
                        self._is_writing = False
                        self._loop.remove_writer(self._link.fileno())
                        return
                    self._chunk = memoryview(chunk)
                count = self._link.send(self._chunk)
                self._chunk = self._chunk[count:]
                sent += count

    def _next(self) -> bytes | None:
        while self._outgoing:
            chunk = next(self._outgoing[0][0], None)
            if chunk is not None:
                return chunk
            self._outgoing.popleft()
        return None


def _environment() -> dict[str, str]:
    """Return an environment in which the child finds this very package, wherever it was imported from."""
    package = str(Path(__file__).resolve().parent.parent)
    known = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{package}{os.pathsep}{known}" if known else package}
