"""A program on a real pseudo-terminal, with us as its terminal: its queries answered, its screen read back.

    send() ─▶ PTY ─▶ program ─▶ PTY ─▶ pump(): raw bytes, time-stamped; queries answered at once
                                          └─▶ screen: parsed only when somebody looks

Parsing waits until it is asked for, so that a benchmark measures the program and not pyte. Waiting is
for bytes on the descriptor, with a deadline; a wait that fails shows the screen.
"""

from __future__ import annotations

import base64
import bisect
import contextlib
import errno
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

from tests.e2e.screen import Screen, strings_in

DEADLINE_S: Final = 15.0
_CHUNK_BYTES: Final = 1 << 16
_LONGEST_QUERY: Final = 64

_QUERY: Final = re.compile(
    rb"\x1b\[(?P<da1>0?c)|\x1b\[(?P<da2>>0?c)|\x1b\[(?P<dsr>[56])n|\x1b\[\?(?P<decrqm>\d+)\$p"
    rb"|\x1b\](?P<colour>1[012]);\?(?:\x07|\x1b\\)|\x1bP\+q(?P<capability>[0-9A-Fa-f;]*)\x1b\\"
    rb"|\x1bP\$q(?P<setting>[^\x1b]{1,2})\x1b\\"
)
"""What programs ask (xterm's ctlseqs): DA1, DA2, DSR, DECRQM, OSC 10 to 12, XTGETTCAP, DECRQSS. Kitty's
`?u` is left unanswered, which is how a terminal without that protocol says so."""

_HINT: Final = "F1 Help"
"""Begins the hint bar, which is not there in low windows."""

_SYNCHRONIZED_OUTPUT: Final = 2026
_RGB: Final = re.compile(rb"\x1b\[([34]8:2::\d+:\d+:\d+)m")
_OSC_52: Final = re.compile(rb"\x1b\]52;[a-z]*;(?P<payload>[A-Za-z0-9+/=]*)(?:\x07|\x1b\\)")
_LEFT, _MOVING, _WHEEL_UP, _WHEEL_DOWN = 0, 32, 64, 65
"""Codes of the mouse (xterm's ctlseqs, "Mouse Tracking")."""


class TerminalFailure(AssertionError):
    """A wait ended without what it waited for; the text holds the screen."""


class Terminal:
    """One program in one terminal window; close it, or use it in a `with`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        columns: int = 100,
        rows: int = 24,
        has_rgb: bool = True,
    ) -> None:
        """Start `argv` with exactly `env` as its environment, as leader of its own session.

        `has_rgb`: a colour that was set as RGB is told as such.
        """
        self.raw = bytearray()
        """Everything the program ever wrote."""
        self._name = " ".join(argv)
        self._stamps: list[tuple[int, float]] = []
        self._answered = 0
        self._has_rgb = has_rgb
        self._fed = 0
        self._exit_code: int | None = None
        self._is_open = True
        self._screen = Screen(columns, rows)
        self._master, slave = pty.openpty()
        try:
            self._set_size(columns, rows)
            self.initial_attributes = termios.tcgetattr(slave)
            path = os.ttyname(slave)
            self.started_at = time.perf_counter()
            # A leader of a new session that opens a terminal gets it as its controlling one.
            self.pid = os.posix_spawnp(
                argv[0],
                list(argv),
                dict(env),
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, path, os.O_RDWR, 0),
                    (os.POSIX_SPAWN_DUP2, 0, 1),
                    (os.POSIX_SPAWN_DUP2, 0, 2),
                ],
                setsid=True,
                setsigdef=[signal.SIGPIPE, signal.SIGHUP],
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What is on it

    @property
    def screen(self) -> Screen:
        """The window, after all that was read so far."""
        self._screen.feed(bytes(self.raw[self._fed :]))
        self._fed = len(self.raw)
        return self._screen

    @property
    def lines(self) -> list[str]:
        """The rows of the window, without the blanks at their ends."""
        return self.screen.lines

    @property
    def text(self) -> str:
        """The whole window."""
        return "\n".join(self.lines)

    @property
    def status(self) -> str:
        """The last row; the one above it where the last is the hint bar."""
        *_, above, last = self.lines
        return above if _HINT in last else last

    @property
    def clipboard(self) -> str | None:
        """What the program last put on the terminal's clipboard (OSC 52); None if it never did."""
        copied = [_OSC_52.fullmatch(string) for string in strings_in(bytes(self.raw))]
        payloads = [match["payload"] for match in copied if match]
        return base64.b64decode(payloads[-1], validate=True).decode() if payloads else None

    # Talking to it

    def send(self, keys: str | bytes) -> float:
        """Type `keys`, reading meanwhile so that neither side blocks; returns the perf_counter before."""
        view = memoryview(keys.encode() if isinstance(keys, str) else keys)
        began_at = time.perf_counter()
        while view:
            try:
                view = view[os.write(self._master, view[:4096]) :]
            except BlockingIOError:
                readable, _, _ = select.select([self._master], [self._master], [], DEADLINE_S)
                if readable:
                    self.pump(0)
        return began_at

    def paste(self, text: str) -> float:
        """Paste `text` as terminals do (bracketed, lines ended by CR)."""
        return self.send("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def mouse(self, code: int, row: int, column: int, *, is_up: bool = False) -> None:
        """Send one report of the mouse (xterm's mode 1006); row and column are cells, from 0."""
        self.send(f"\x1b[<{code};{column + 1};{row + 1}{'m' if is_up else 'M'}")

    def click(self, row: int, column: int) -> None:
        """Press and release the left button."""
        self.mouse(_LEFT, row, column)
        self.mouse(_LEFT, row, column, is_up=True)

    def drag(self, row: int, column: int, to_row: int, to_column: int) -> None:
        """Press the left button, move and release it, with two reports on the way."""
        self.mouse(_LEFT, row, column)
        self.mouse(_LEFT + _MOVING, (row + to_row) // 2, (column + to_column) // 2)
        self.mouse(_LEFT + _MOVING, to_row, to_column)
        self.mouse(_LEFT, to_row, to_column, is_up=True)

    def wheel(self, notches: int, row: int = 1, column: int = 10) -> None:
        """Turn the wheel, down when `notches` is positive."""
        for _ in range(abs(notches)):
            self.mouse(_WHEEL_DOWN if notches > 0 else _WHEEL_UP, row, column)

    def find(self, text: str) -> tuple[int, int]:
        """Return row and column of `text` on the window. Raises: TerminalFailure: it is not there."""
        for row, line in enumerate(self.lines):
            if (column := line.find(text)) >= 0:
                return row, column
        raise TerminalFailure(f"{text!r} is not on the window\n{self.text}")

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size; the program gets SIGWINCH."""
        self.screen.resize(columns, rows)
        self._set_size(columns, rows)

    def signal(self, number: int) -> None:
        """Send the program a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    # Waiting for it

    def pump(self, timeout_s: float) -> bool:
        """Take what the program writes within `timeout_s`; returns whether there was anything."""
        return pump([self], timeout_s)

    def wait_for(self, what: str | Callable[[Terminal], bool], deadline_s: float = DEADLINE_S) -> None:
        """Wait until `what` is on the window, or true. Raises: TerminalFailure."""
        if isinstance(what, str):
            wait_until([self], lambda: what in self.text, f"{what!r} to be shown", deadline_s)
        else:
            wait_until([self], lambda: what(self), getattr(what, "__name__", "it"), deadline_s)

    def wait_raw(self, needle: bytes, start: int, deadline_s: float = DEADLINE_S) -> float:
        """Return when the read came in that completed `needle` in `raw[start:]` (perf_counter).

        Raises:
            TerminalFailure: it did not come.
        """
        wait_until([self], lambda: self.raw.find(needle, start) >= 0, f"bytes {needle!r}", deadline_s)
        return self.stamp(self.raw.find(needle, start) + len(needle))

    def stamp(self, end: int) -> float:
        """Return when the first `end` bytes of `raw` had been read."""
        return self._stamps[bisect.bisect_left(self._stamps, (end, 0.0))][1]

    def drain(self, quiet_s: float, deadline_s: float = DEADLINE_S) -> None:
        """Read until the program has written nothing for `quiet_s`."""
        ends_at = time.perf_counter() + deadline_s
        while self.pump(quiet_s) and time.perf_counter() < ends_at:
            pass

    def read(self, for_s: float) -> None:
        """Take what the program writes for so long, whether it rests or not."""
        ends_at = time.perf_counter() + for_s
        while (left_s := ends_at - time.perf_counter()) > 0 and self._is_open:
            self.pump(left_s)

    def wait_exit(self, deadline_s: float = DEADLINE_S) -> int:
        """Return the program's exit code (minus the number of a signal). Raises: TerminalFailure."""
        ends_at = time.perf_counter() + deadline_s
        while self.poll() is None and (left_s := ends_at - time.perf_counter()) > 0:
            # A program that ends hangs up, which ends this wait; without a terminal there is nothing to hear.
            if not self.pump(min(left_s, 0.25)):
                select.select([], [], [], 0.01)
        if self._exit_code is None:
            raise TerminalFailure(
                f"waited for the end of {self._name}; {deadline_s:.0f} s passed\n{self.text}"
            )
        while self.pump(0):
            pass
        return self._exit_code

    def hang_up(self) -> None:
        """Close the window, as a person does, with the program still in it."""
        self._is_open = False
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def poll(self) -> int | None:
        """Return the exit code, or None while the program runs."""
        if self._exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def attributes(self) -> list[object]:
        """Return the line discipline's settings, to compare with `initial_attributes`."""
        return termios.tcgetattr(self._master)

    def close(self) -> None:
        """End the program, whatever state it is in, and reap it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self._exit_code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.hang_up()

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        try:
            data = os.read(self._master, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            self._is_open = False
            return
        self.raw += data
        self._stamps.append((len(self.raw), time.perf_counter()))
        for query in _QUERY.finditer(self.raw, self._answered):
            self._answered = query.end()
            with contextlib.suppress(OSError):
                os.write(self._master, self._answer(query))
        self._answered = max(self._answered, len(self.raw) - _LONGEST_QUERY)

    def _answer(self, query: re.Match[bytes]) -> bytes:
        match query.lastgroup:
            case "da1":
                return b"\x1b[?62;22c"
            case "da2":
                return b"\x1b[>41;354;0c"
            case "dsr":
                return b"\x1b[0n" if query["dsr"] == b"5" else self._place(query.end())
            case "decrqm":
                mode = int(query["decrqm"])
                return b"\x1b[?%d;%d$y" % (mode, 2 if mode == _SYNCHRONIZED_OUTPUT else 0)
            case "colour":
                shade = b"1e1e" if query["colour"] == b"11" else b"d4d4"
                return b"\x1b]%s;rgb:%s/%s/%s\x1b\\" % (query["colour"], shade, shade, shade)
            case "setting":
                colours = _RGB.findall(self.raw, 0, query.start())
                if query["setting"] != b"m":
                    return b"\x1bP0$r\x1b\\"
                return b"\x1bP1$r0%sm\x1b\\" % (b";" + colours[-1] if self._has_rgb and colours else b"")
            case _:
                return b"\x1bP0+r%s\x1b\\" % query["capability"]

    def _place(self, end: int) -> bytes:
        """Return where the cursor is after the first `end` bytes, as the answer to DSR 6."""
        self._screen.feed(bytes(self.raw[self._fed : end]))
        self._fed = max(self._fed, end)
        row, column = self._screen.cursor
        return b"\x1b[%d;%dR" % (row + 1, column + 1)


def pump(terminals: Sequence[Terminal], timeout_s: float) -> bool:
    """Take what any of the programs writes within `timeout_s`; returns whether there was anything."""
    by_descriptor = {t._master: t for t in terminals if t._is_open}
    if not by_descriptor:
        return False
    readable, _, _ = select.select(list(by_descriptor), [], [], max(0.0, timeout_s))
    for descriptor in readable:
        by_descriptor[descriptor]._read()
    return bool(readable)


def wait_until(
    terminals: Sequence[Terminal],
    is_true: Callable[[], bool],
    what: str,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Read from all `terminals` until `is_true`. Raises: TerminalFailure: it has not become true in time."""
    ends_at = time.perf_counter() + deadline_s
    while not is_true():
        left_s = ends_at - time.perf_counter()
        is_anybody_there = any(t._is_open for t in terminals)
        if left_s <= 0 or not is_anybody_there:
            why = f"{deadline_s:.0f} s passed" if is_anybody_there else "the program ended"
            shown = "\n".join(f"--- {t._name} (exit code {t.poll()})\n{t.text.rstrip()}" for t in terminals)
            raise TerminalFailure(f"waited for {what}; {why}\n{shown}")
        pump(terminals, min(left_s, 0.25))
