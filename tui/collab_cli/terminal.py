"""The terminal we were started in: whether it will do, and how it is given back whatever happens."""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Final

from collab_cli.exits import SIGNAL, UsageError

COLUMNS: Final = 40
ROWS: Final = 10

_ENTER: Final = "\x1b[?1049h"
_LEAVE: Final = "\x1b[?1049l"

_RESET: Final = (
    "\x1b[<u"  # kitty keyboard protocol off
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse off
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?2026l"  # focus, bracketed paste, size reports, held output off
    "\x1b[?7h\x1b[0m\x1b[?25h" + _LEAVE  # wrap on, plain colours, cursor on
)
"""Undoes what Textual's driver turns on (textual.drivers.linux_driver.start_application_mode)."""

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Would end us on the spot, whatever state the terminal is in."""

_RESET_S: Final = 0.5
"""How long a terminal may make us wait before what it has not taken is dropped for `_RESET`."""


def check_terminal(environ: Mapping[str, str]) -> None:
    """Make sure that there is a terminal to draw on, and that it is large enough.

    Raises:
        UsageError: there is none, or it is too small.
    """
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError("join needs a terminal for its input and output: run it in one, without pipes")
    if environ.get("TERM", "") in ("", "dumb"):
        raise UsageError("this terminal cannot place text (TERM is empty or dumb): use another, or set TERM")
    size = os.get_terminal_size(1)
    # A terminal that does not say how large it is (0 by 0, over some serial lines) is taken as it comes.
    if 0 < size.columns < COLUMNS or 0 < size.lines < ROWS:
        raise UsageError(
            f"the window is {size.columns} by {size.lines} cells: make it at least {COLUMNS} by {ROWS}"
        )


def can_draw_unicode() -> bool:
    """Tell whether stdout takes more than ASCII and Latin."""
    return (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")


class Screen(io.TextIOWrapper):
    """What the app draws on: a copy of the real terminal, that knows whether it was given back.

    When the terminal is gone (its window was closed, the line was cut), `on_gone` is called once, in a
    thread of its own or the one that writes, and what is drawn from then on goes nowhere: Textual's
    writer would die of the error, and the app wait for it for ever. Not everybody is sent SIGHUP.
    """

    def __init__(self) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._modes = termios.tcgetattr(0)
        self._is_taken = False
        self._is_gone = False
        super().__init__(
            io.BufferedWriter(io.FileIO(os.dup(1), "w")),
            encoding=sys.stdout.encoding,
            errors="replace",
        )

    def write(self, text: str, /) -> int:
        if _ENTER in text:
            self._is_taken = True
        if not self._is_gone:
            try:
                return super().write(text)
            except OSError:
                self._lose()
        return len(text)

    def flush(self) -> None:
        if not self._is_gone:
            try:
                super().flush()
            except OSError:
                self._lose()

    def take_keys(self) -> None:
        """Keep what is typed from here on for the app: no echo, no waiting for Enter, no flow control.

        Until the app has the terminal, Ctrl-Q would be eaten as "go on", and Ctrl-S would stop the output.
        """
        modes = termios.tcgetattr(0)
        modes[0] &= ~(termios.IXON | termios.ICRNL)
        modes[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, modes)

    def give_keys(self) -> None:
        """Give the shell its own modes, as long as the app is suspended."""
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSANOW, self._modes)

    def watch(self) -> None:
        """Look out for the end of the terminal, which its reader would take for silence."""
        threading.Thread(target=self._wait_for_hangup, name="hangup", daemon=True).start()

    def _wait_for_hangup(self) -> None:
        poll = select.poll()
        poll.register(0, 0)  # a hangup is told without being asked for
        if any(event & select.POLLHUP for _, event in poll.poll()):
            self._lose()

    def _lose(self) -> None:
        if not self._is_gone:
            self._is_gone = True
            if self.on_gone is not None:
                self.on_gone()

    def restore(self) -> None:
        """Give the terminal back; a terminal that is gone is let go.

        Whoever took it may have done so before, but not all of it reaches a terminal that is behind.
        """
        self.give_keys()
        if self._is_taken:
            self._is_taken = False
            with contextlib.suppress(termios.error, OSError, ValueError):
                _reset(self.fileno())


def _reset(fd: int) -> None:
    """Write `_RESET` to the terminal `fd`, without blocking; if need be, what it has not taken is dropped.

    Raises: OSError, termios.error: the terminal is gone, or another thread is stuck writing to it.
    """
    try:
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # it may not be opened anew, as after `su`; then a write may block
        own = os.dup(fd)
    try:
        if not _put(own, _RESET.encode()):
            termios.tcflush(own, termios.TCOFLUSH)
            _put(own, _RESET.encode())
    finally:
        os.close(own)


def _put(fd: int, data: bytes) -> bool:
    """Write `data`, and return whether the terminal took all of it in time."""
    while data and select.select([], [fd], [], _RESET_S)[1]:
        data = data[os.write(fd, data) :]
    return not data


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(SIGNAL + number)


@contextlib.contextmanager
def take_screen(log_file: Path) -> Iterator[Screen]:
    """Let the app draw on the terminal, and everything that is written to fd 2 go to `log_file`.

    Textual draws on `sys.__stderr__`, and so would a panic of native code or a stray warning on fd 2:
    inside, `sys.__stderr__` is the Screen and fd 2 is the log. Afterwards all is as it was, also when a
    signal ended the process that nobody inside handles.
    """
    ending = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ending:
        signal.signal(number, _end)
    screen = Screen()
    sys.stderr.flush()
    kept_stderr = os.dup(2)
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    os.close(log)
    kept_name = sys.__stderr__
    sys.__stderr__ = screen  # type: ignore[misc]  # "Final" to typeshed, a plain name to Python
    try:
        screen.take_keys()
        yield screen
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError, ValueError):
            screen.flush()
        screen.restore()
        sys.__stderr__ = kept_name  # type: ignore[misc]
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(kept_stderr, 2)
        os.close(kept_stderr)
        with contextlib.suppress(OSError, ValueError):
            screen.close()
        for number in ending:
            signal.signal(number, signal.SIG_DFL)
