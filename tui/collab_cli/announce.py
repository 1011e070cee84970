"""Where `join --announce` writes: lines for whoever cannot see the screen, to a file or into a FIFO.

Lines are put on disk by a thread of their own, because a file may be on a slow one, and a FIFO is never
waited for: without a reader, or with one that does not keep up, its lines are lost.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError, printable
from collab_cli.paths import full_path

REGION: Final = "region"
"""In the place of a path: a row of the screen."""

_HELD_MOST: Final = 256
"""Lines that wait for a slow disk; the newest stay."""

_LINE_CHARACTERS: Final = 1000
"""Of one line: with its break it fits in PIPE_BUF (4,096 on Linux), so that no reader sees half of one."""

_CLOSE_S: Final = 0.5

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Announcements:
    """Takes lines, in order, and makes nobody wait. `on_trouble(text)` is called once at the most."""

    def __init__(self, path: Path) -> None:
        """Open `path`, which is made if need be, for this account alone.

        Raises:
            UsageError: it cannot be written.
        """
        self.on_trouble: Callable[[str], None] = lambda _: None
        self._path = path
        self._file: int | None = None
        self._held: deque[str] = deque(maxlen=_HELD_MOST)
        self._is_closing = False
        self._trouble = ""
        self._has_told = False
        self._news = threading.Condition()
        try:
            self._open(os.O_CREAT)
        except OSError as error:
            raise UsageError(f"cannot announce to {path}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._write_all, name="announce", daemon=True)
        self._thread.start()

    def __call__(self, line: str) -> None:
        """Write `line`, one line whatever is in it, as soon as may be."""
        with self._news:
            self._held.append(printable(" ".join(line.split()))[:_LINE_CHARACTERS])
            self._news.notify()
        if self._trouble and not self._has_told:
            self._has_told = True
            self.on_trouble(f"cannot announce to {self._path}: {self._trouble}")

    def close(self) -> None:
        """Write what is held, if that takes no more than a moment."""
        with self._news:
            self._is_closing = True
            self._news.notify()
        self._thread.join(_CLOSE_S)

    def _write_all(self) -> None:
        while True:
            with self._news:
                while not self._held and not self._is_closing:
                    self._news.wait()
                if not self._held:
                    break
                line = self._held.popleft()
            try:
                self._write(f"{line}\n".encode(errors="replace"))
            except OSError as error:
                self._trouble = error.strerror or str(error)
        self._close_file()

    def _write(self, data: bytes) -> None:
        """Write one line. Raises: OSError: something is wrong, other than that nobody reads a FIFO."""
        if self._file is None:
            self._open()
        while self._file is not None and data:
            try:
                data = data[os.write(self._file, data) :]
            except BlockingIOError:  # a FIFO's reader does not keep up: others are not made to wait for it
                return
            except BrokenPipeError:  # its reader has gone; the next one begins with the next line
                self._close_file()
                return

    def _open(self, flags: int = 0) -> None:
        """Open the path; a FIFO without a reader stays closed. Raises: OSError.

        One that has vanished is not made: a file in its place would be in the way of the next FIFO.
        """
        try:
            self._file = os.open(self._path, _FLAGS | flags, 0o600)
        except OSError as error:
            is_unread = error.errno == errno.ENXIO and self._path.is_fifo()
            if not is_unread:
                raise

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_announcements(wanted: str) -> Announcements | None:
    """Return where `wanted` (the value of --announce) has lines written; None for nowhere but the screen.

    Raises:
        UsageError: that cannot be written.
    """
    if wanted in ("", REGION):
        return None
    if wanted == "-":
        raise UsageError("--announce: the screen takes no lines but in its region: name a file or a FIFO")
    try:
        path = full_path(Path(wanted))
    except ValueError as error:
        raise UsageError(f"--announce: {wanted!r} is not {error}") from error
    if _is_own_terminal(path):
        raise UsageError(f"--announce: {path} is this screen: name a file, a FIFO, or {REGION}")
    return Announcements(path)


def _is_own_terminal(path: Path) -> bool:
    """Return whether what is written to `path` would land between what is drawn."""
    with contextlib.suppress(OSError):
        found = path.stat()
        own = [Path("/dev/tty").stat(), *(os.fstat(fd) for fd in (0, 1, 2) if os.isatty(fd))]
        return stat.S_ISCHR(found.st_mode) and found.st_rdev in {each.st_rdev for each in own}
    return False
