"""What is written to the terminal: at once while it takes it, and never waited for.

Textual hands its output to a thread, which has to get hold of the interpreter first: a quarter of a key's
time. Here the event loop writes, to a descriptor of its own that does not block (the shell shares the other
one). What the terminal does not take waits; when it stays behind for long, as over a stalled SSH link, what
would be drawn meanwhile is left out, and all is drawn anew once it has caught up.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from collections.abc import Callable
from typing import Final, TextIO

_BACKLOG_BYTES: Final = 262_144
"""Some ten full screens."""

_SWITCH: Final = "\x1b[?1049"
"""Begins what takes the screen and gives it back; who owns the terminal must see that pass."""


_KEPT: Final = ("\x1b]52;", "\x1bP")
"""Begins what is for the clipboard: it cannot be drawn anew."""


class TerminalOutput:
    """Writes to the terminal that `file` writes to. `on_caught_up()` is to draw everything anew."""

    def __init__(
        self, file: TextIO, loop: asyncio.AbstractEventLoop, on_caught_up: Callable[[], None]
    ) -> None:
        """Raises: OSError: `file` is no terminal, or one that may not be opened (as after `su`)."""
        self._fd = os.open(os.ttyname(file.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        self._file = file
        self._encoding = file.encoding or "utf-8"
        self._loop = loop
        self._on_caught_up = on_caught_up
        self._backlog = bytearray()
        self._is_stale = False
        self._is_finishing = False

    def write(self, text: str) -> None:
        """Write `text`, now or as soon as the terminal takes it."""
        if _SWITCH in text and not self._is_finishing:
            self.drain(1.0)
            self._file.write(text)
            self._file.flush()
            return
        data = text.encode(self._encoding, "replace")
        if self._is_stale and not text.startswith(_KEPT):
            return
        if self._backlog:
            if not text.startswith(_KEPT) and len(self._backlog) + len(data) > _BACKLOG_BYTES:
                self._is_stale = True
            else:
                self._backlog += data
            return
        written = self._put(data)
        if written < len(data):
            self._backlog += memoryview(data)[written:]
            self._loop.add_writer(self._fd, self._go_on)

    def drain(self, timeout_s: float) -> None:
        """Wait until the terminal has taken what waits, at most so long; the rest is let go."""
        ends_at = time.monotonic() + timeout_s
        while self._backlog and (left_s := ends_at - time.monotonic()) > 0:
            if select.select([], [self._fd], [], left_s)[1]:
                del self._backlog[: self._put(self._backlog)]
        self._backlog.clear()
        self._is_stale = False
        self._loop.remove_writer(self._fd)

    def finish(self, timeout_s: float) -> None:
        """Drop what is still to be drawn after `timeout_s`; what is written from here on gives things back.

        That is never left out, nor waited for by way of the owner: a stalled terminal would keep us.
        """
        self.drain(timeout_s)
        self._is_finishing = True

    def close(self) -> None:
        """Let the terminal go."""
        self._loop.remove_writer(self._fd)
        os.close(self._fd)

    def _go_on(self) -> None:
        del self._backlog[: self._put(self._backlog)]
        if not self._backlog:
            self._loop.remove_writer(self._fd)
            if self._is_stale:
                self._is_stale = False
                self._on_caught_up()

    def _put(self, data: bytes | bytearray) -> int:
        """Return how many bytes the terminal took; one that is gone takes all."""
        try:
            return os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:  # whoever owns the terminal finds out by the same error
            self._file.write("\x1b[0m")
            self._file.flush()
            return len(data)
