"""The terminal we were started in: whether it will do, and how it is given back whatever happens."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Final

from collab_cli.exits import SIGNAL, UsageError

_log = logging.getLogger(__name__)

COLUMNS: Final = 40
ROWS: Final = 10

_ENTER: Final = "\x1b[?1049h"
_LEAVE: Final = "\x1b[?1049l"

RESET: Final = (
    "\x1b[<u"  # kitty keyboard protocol off
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # mouse off
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l\x1b[?2026l"  # focus, bracketed paste, size reports, held output off
    "\x1b[?7h\x1b[0m\x1b[?25h" + _LEAVE  # wrap on, plain colours, cursor on
)
"""Undoes what Textual's driver turns on (textual.drivers.linux_driver.start_application_mode)."""

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
"""Would end us on the spot, whatever state the terminal is in."""

_RESET_S: Final = 0.5
"""How long a terminal may make us wait before what it has not taken is dropped for `RESET`."""

HANGUP_S: Final = 1.6
"""How long after a hang-up the process may take to end by itself; 2 s are promised."""

_STOP_S: Final = 5.0
"""The same after another signal."""

_KEEP_S: Final = 5.0
"""How much longer it may take to bring to disk what was typed: a disk may be slow."""

_LOOK_S: Final = 0.02


def check_terminal(environ: Mapping[str, str]) -> None:
    """Make sure that there is a terminal to draw on, and that it is large enough.

    Raises:
        UsageError: there is none, or it is too small.
    """
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError("join needs a terminal for its input and output: run it in one, without pipes")
    if environ.get("TERM", "") in ("", "dumb"):
        raise UsageError("this terminal cannot place text (TERM is empty or dumb): use another, or set TERM")
    try:
        size = os.get_terminal_size(1)
    except OSError as error:
        raise UsageError("the terminal is gone") from error
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

    When the terminal is gone (its window was closed, the line was cut), the process gets SIGHUP, once, also
    where nobody sent one or it came ignored; and if that does not end it in time, it is ended by force. What
    is drawn from then on goes nowhere: Textual's writer would die of the error, and the app wait for it for
    ever.
    """

    def __init__(self) -> None:
        """Raises: termios.error: the terminal is gone already."""
        self.is_keeping: Callable[[], bool] = lambda: False
        """Whether something is on its way to the disk, which force waits for."""
        self._modes = termios.tcgetattr(0)
        self._is_taken = False
        self._is_gone = False
        self._is_over = False
        super().__init__(
            io.BufferedWriter(io.FileIO(os.dup(1), "w")),
            encoding=sys.stdout.encoding,
            errors="replace",
        )

    @property
    def is_gone(self) -> bool:
        """Whether the terminal is gone."""
        return self._is_gone

    def speak_utf8(self) -> None:
        """Write UTF-8 from here on, whatever the locale says."""
        self.reconfigure(encoding="utf-8", errors="replace")

    def write(self, text: str, /) -> int:
        if _ENTER in text:
            self._is_taken = True
        if not self._is_gone:
            try:
                return super().write(text)
            except OSError:
                self.lose()
        return len(text)

    def flush(self) -> None:
        if not self._is_gone:
            try:
                super().flush()
            except OSError:
                self.lose()

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
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            self.lose()

    def lose(self) -> None:
        """Take note that the terminal is gone; any thread may find that out."""
        if not self._is_gone:
            self._is_gone = True
            self.end_by_force(signal.SIGHUP)
            if not self._is_over:
                os.kill(os.getpid(), signal.SIGHUP)

    def end_by_force(self, number: int) -> None:
        """Have the process end as by signal `number`, the terminal given back, if it does not in time."""
        threading.Thread(target=self._wait_for_end, args=(number,), name="force", daemon=True).start()

    def _wait_for_end(self, number: int) -> None:
        after_s = HANGUP_S if number == signal.SIGHUP else _STOP_S
        time.sleep(after_s)
        ends_at = time.monotonic() + _KEEP_S
        while self.is_keeping() and time.monotonic() < ends_at:
            time.sleep(_LOOK_S)
        if not self._is_gone:  # else a log that hangs would keep us
            _log.error("did not end within %.1f s: ending by force", after_s)
        self.restore()
        os._exit(SIGNAL + number)

    def restore(self) -> None:
        """Give the terminal back; a terminal that is gone is let go.

        Whoever took it may have done so before, but not all of it reaches a terminal that is behind.
        """
        self._is_over = True
        self.give_keys()
        if self._is_taken:
            self._is_taken = False
            with contextlib.suppress(termios.error, OSError, ValueError):
                _reset(self.fileno())


def _reset(fd: int) -> None:
    """Write `RESET` to the terminal `fd`, without blocking; if need be, what it has not taken is dropped.

    Raises: OSError, termios.error: the terminal is gone, or another thread is stuck writing to it.
    """
    try:
        own = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # it may not be opened anew, as after `su`; then a write may block
        own = os.dup(fd)
    try:
        if not _put(own, RESET.encode()):
            termios.tcflush(own, termios.TCOFLUSH)
            _put(own, RESET.encode())
    finally:
        os.close(own)


def _put(fd: int, data: bytes) -> bool:
    """Write `data`, and return whether the terminal took all of it in time."""
    while data and select.select([], [fd], [], _RESET_S)[1]:
        data = data[os.write(fd, data) :]
    return not data


@contextlib.contextmanager
def take_screen(log_file: Path) -> Iterator[Screen]:
    """Let the app draw on the terminal, and everything that is written to fd 2 go to `log_file`.

    Textual draws on `sys.__stderr__`, and so would a panic of native code or a stray warning on fd 2:
    inside, `sys.__stderr__` is the Screen and fd 2 is the log. Afterwards all is as it was, also when a
    signal ended the process that nobody inside handles.
    """
    try:
        screen = Screen()
    except termios.error as error:
        raise SystemExit(SIGNAL + signal.SIGHUP) from error

    def end(number: int, _: FrameType | None) -> None:
        screen.end_by_force(number)  # what is raised here is lost when it meets a callback of the collector
        raise SystemExit(SIGNAL + number)

    kept_signals = {number: signal.getsignal(number) for number in _ENDING}
    if kept_signals[signal.SIGTERM] is not signal.SIG_DFL:
        del kept_signals[signal.SIGTERM]
    for number in kept_signals:
        signal.signal(number, end)
    sys.stderr.flush()
    kept_stderr = os.dup(2)
    log = os.open(log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(log, 2)
    os.close(log)
    kept_name = sys.__stderr__
    sys.__stderr__ = screen  # type: ignore[misc]  # "Final" to typeshed, a plain name to Python
    try:
        screen.watch()
        with contextlib.suppress(termios.error):  # the terminal is gone: that has been seen
            screen.take_keys()
        yield screen
    finally:
        for number in kept_signals:
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
        for number, handler in kept_signals.items():
            signal.signal(number, handler)
