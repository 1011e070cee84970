"""Bytes between a guest's PTY and whatever carries them on: neither side can make the other's pile up."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Callable
from typing import Final

_READ_BYTES: Final = 64 * 1024
"""In one turn of the loop; a PTY gives some 4 KB at a time, and each would be a packet."""

_TYPED_BYTES: Final = 64 * 1024
"""What waits for a guest that takes nothing, before no more of it is read."""

_MOST_CELLS: Final = 2000


def open_pty(columns: int, rows: int) -> tuple[int, int]:
    """Return both ends of a new PTY: ours, which never blocks, and the guest's.

    Nothing that is typed before the guest has it is echoed, or is a signal. Raises: OSError.
    """
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    modes[0] &= ~(termios.IXON | termios.ICRNL)
    modes[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    set_size(ours, columns, rows)
    os.set_blocking(ours, False)
    return ours, theirs


def set_size(fd: int, columns: int, rows: int) -> None:
    """Tell a PTY its size; whoever runs on it gets SIGWINCH. Raises: OSError."""
    columns, rows = min(max(columns, 0), _MOST_CELLS), min(max(rows, 0), _MOST_CELLS)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Pump:
    """Our end of one PTY, which it closes; lives on the event loop."""

    def __init__(
        self,
        fd: int,
        *,
        on_output: Callable[[bytes], None],
        on_full: Callable[[bool], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_full` says whether what is typed has to wait; `on_end` comes once, behind the last output."""
        self._loop = asyncio.get_running_loop()
        self._fd = fd
        self._on_output = on_output
        self._on_full = on_full
        self._on_end = on_end
        self._typed = bytearray()
        self._is_full = False
        self._is_reading = False
        self._has_ended = False
        self.resume()

    def type(self, data: bytes) -> None:
        """Hand on what was typed."""
        if self._fd < 0:
            return
        if not self._typed:
            self._loop.add_writer(self._fd, self._write)
        self._typed += data
        self._note_full(len(self._typed) > _TYPED_BYTES)

    def resize(self, columns: int, rows: int) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # its other end is gone: seen by reading
                set_size(self._fd, columns, rows)

    def pause(self) -> None:
        """Read no more: the guest's program then waits, or leaves out what is no news any more."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def resume(self) -> None:
        if not self._is_reading and self._fd >= 0 and not self._has_ended:
            self._is_reading = True
            self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Hang up on the program, if it still runs."""
        if self._fd < 0:
            return
        self.pause()
        self._loop.remove_writer(self._fd)
        os.close(self._fd)
        self._fd = -1

    def _read(self) -> None:
        pieces, size = [], 0
        while size < _READ_BYTES:
            try:
                piece = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                break
            except OSError:  # nobody has its other end any more
                piece = b""
            if not piece:
                self._has_ended = True
                self.pause()
                break
            pieces.append(piece)
            size += len(piece)
        if pieces:
            self._on_output(b"".join(pieces))
        if self._has_ended:
            self._on_end()

    def _write(self) -> None:
        try:
            del self._typed[: os.write(self._fd, self._typed)]
        except BlockingIOError:
            return
        except OSError:  # seen by reading
            self._typed.clear()
        if not self._typed:
            self._loop.remove_writer(self._fd)
        if len(self._typed) <= _TYPED_BYTES // 2:
            self._note_full(False)

    def _note_full(self, is_full: bool) -> None:
        if is_full != self._is_full:
            self._is_full = is_full
            self._on_full(is_full)
