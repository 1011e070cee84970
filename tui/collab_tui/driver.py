"""The terminal's driver: Textual's own, with a shorter way for keys and pastes.

    Textual    thread: read, parse ─ queue ─▶ app's task ─ queue ─▶ widget's task ─▶ on_key
    here       loop: read, parse ─▶ `app.typed(event)`

Measured with a key a line of 100: half of a key's time was that way. A paste is taken whole instead of
character by character (10,000 lines: 580 ms). Mouse and all else go Textual's way; a key that comes
behind one of those goes the same way, so that nothing overtakes.

This needs Textual 8.2's `LinuxDriver._key_thread`, `_run_input_thread`, `_in_band_window_resize` and
`_get_terminal_size`, and the parser's `feed` and `tick`.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import contextvars
import os
import re
import signal
import termios
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol, cast

from textual import constants, events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.keys import _character_to_key
from textual.message import Message

from collab_tui.terminal_output import TerminalOutput

_READ_BYTES: Final = 65_536
_TICK_S: Final = 0.05
"""How often the parser is asked whether a lone ESC has waited long enough to be the key."""

_DRAIN_S: Final = 0.5
"""How long leaving waits for a terminal that is behind."""

_LATE_ANSWER: Final = re.compile(
    "\x1b(?:\\](?:10|11|4);|P[01]?\\$r)[^\x07\x1b]*(?:\x07|\x1b\\\\)|\x1b\\[\\?[0-9;]*c"
)
_LATE_ANSWER_BEGUN: Final = re.compile(
    "\x1b(?:\\](?:1(?:[01](?:;[^\x07\x1b]{0,40}\x1b?)?)?)?"
    "|P[01]?(?:\\$(?:r[^\x07\x1b]{0,40}\x1b?)?)?|\\[(?:\\?[0-9;]{0,40})?)?\\Z"
)
"""What the terminal says of its colours and of itself, too late: nobody has typed that."""

_KEY_MOST: Final = 3
_ANSWERS_S: Final = 3.0
"""How long after the start such answers may come; Alt-] waits a moment longer meanwhile."""

_ESCAPE_S: Final = constants.ESCAPE_DELAY
"""How long Textual waits for what may follow ESC."""

_SHIFT_F3: Final = re.compile(r"\x1b\[1;([2-8])R")
"""F3 with modifiers, as xterm has it: the same as a cursor position report, which nobody here asks for."""

_F15: Final = "\x1b[28~"
_SHIFT_F3_SENT: Final = "\x1b[13;2~"
"""Shift-F3 as the Linux console has it, which Textual takes for Ctrl-\\; and as Textual knows it."""

_SHIFT_F3_BEGUN: Final = re.compile(r"\x1b\[1(?:;[2-8]?)?\Z")


_ALT: Final = re.compile("\x1b([^\x00-\x1f\x7fOPX\\[\\]^_\\\\])")
"""ESC and a character that begins no sequence by itself (ECMA-48, 5.3 and 5.6)."""

_SEQUENCE_STARTS: Final = frozenset(sequence[:2] for sequence in ANSI_SEQUENCES_KEYS)
"""What Textual knows as a key, or as the beginning of one."""

_GOES_ON: Final = "\x1bO["


class TakesKeys(Protocol):
    """The app, as this driver needs it."""

    @property
    def typed_before(self) -> bytes:
        """What was typed before the app had the terminal."""
        ...

    def typed(self, event: events.Key | events.Paste) -> bool:
        """Take what was typed; False to have it go Textual's way."""
        ...

    def after_input(self, call: Callable[[], None]) -> None:
        """Call `call` when the focused widget has done all that was sent to it so far."""
        ...


class KeyParser(XTermParser):
    """Textual's parser, that takes a paste whole and knows Shift-F3."""

    def __init__(self) -> None:
        super().__init__()
        self._pasted: list[str] | None = None
        self._held = ""
        self._held_at = 0.0
        self._answers_until = time.monotonic() + _ANSWERS_S

    @property
    def is_waiting(self) -> bool:
        """Whether `tick` has something to decide."""
        return bool(self._held and self._pasted is None) or self._timeout_time is not None

    def feed(self, data: str) -> Iterable[Message]:
        data = self._held + data
        self._held = ""
        while data:
            if self._pasted is not None:
                data = self._take_paste(data)
                if self._pasted is None:
                    yield self._paste
                continue
            begin = data.find(BRACKETED_PASTE_START)
            if begin < 0:
                typed, rest = self._hold(_LATE_ANSWER.sub("", data)), ""
            else:
                self._pasted = []
                typed, rest = _LATE_ANSWER.sub("", data[:begin]), data[begin + len(BRACKETED_PASTE_START) :]
            if typed:
                yield from self._feed_keys(_SHIFT_F3.sub("\x1b[13;\\1~", typed.replace(_F15, _SHIFT_F3_SENT)))
            data = rest

    def _feed_keys(self, typed: str) -> Iterable[Message]:
        """Take keys. Alt and a character is one at once: Textual waits for more of it, whatever follows."""
        if self._timeout_time is not None and typed[0] not in _GOES_ON:
            self._timeout_time = 0.0  # the ESC before it was a key
            yield from super().tick()
        at = 0
        for match in _ALT.finditer(typed):
            if match[0] in _SEQUENCE_STARTS:
                continue
            if at < match.start():
                yield from super().feed(typed[at : match.start()])
            name = _character_to_key(match[1])
            yield events.Key(f"alt+shift+{name.lower()}" if name.isupper() else f"alt+{name}", None)
            at = match.end()
        if at < len(typed):
            yield from super().feed(typed[at:])

    def _hold(self, data: str) -> str:
        """Hold back what at the end of `data` may go on with the next read, and return what is before."""
        f3 = _SHIFT_F3_BEGUN.search(data)
        self._held = self._late_answer(data) or _begun(data, BRACKETED_PASTE_START) or (f3[0] if f3 else "")
        self._held_at = time.monotonic()
        return data[: len(data) - len(self._held)]

    @property
    def _is_answer_under_way(self) -> bool:
        """Whether what is held is no key: the rest of it may be a packet behind."""
        is_answer = len(self._held) >= _KEY_MOST and _LATE_ANSWER_BEGUN.fullmatch(self._held) is not None
        return is_answer and time.monotonic() < self._answers_until

    def _late_answer(self, data: str) -> str:
        """Return what at the end of `data` may begin an answer; ESC ] may as well be a key."""
        begun = _LATE_ANSWER_BEGUN.search(data)
        may_be_key = begun is not None and len(begun[0]) < _KEY_MOST
        return "" if begun is None or (may_be_key and time.monotonic() > self._answers_until) else begun[0]

    def tick(self) -> Iterable[Message]:
        if self._held and self._pasted is None and not self._is_answer_under_way:
            held, self._held = self._held, ""
            yield from super().feed(held)
            if len(held) < _KEY_MOST and self._timeout_time is not None:
                self._timeout_time = self._held_at + _ESCAPE_S  # the wait so far counts
        yield from super().tick()

    def _take_paste(self, data: str) -> str:
        """Take what belongs to the paste under way, and return the rest."""
        pasted = self._pasted or []
        end = data.find(BRACKETED_PASTE_END)
        if end < 0:
            self._held = _begun(data, BRACKETED_PASTE_END)
            self._pasted = [*pasted, data[: len(data) - len(self._held)]]
            return ""
        text = "".join([*pasted, data[:end]])
        self._pasted = None
        self._paste = events.Paste(text.replace("\x00", ""))
        return data[end + len(BRACKETED_PASTE_END) :]


def _begun(data: str, marker: str) -> str:
    """Return the end of `data` that may be the beginning of `marker`; ESC and ESC [ may be keys as well."""
    for size in range(len(marker) - 1, 0, -1):
        if data.endswith(marker[:size]):
            return marker[:size]
    return ""


class DirectDriver(LinuxDriver):
    """Reads the terminal on the event loop, and hands keys and pastes to the app at once.

    The mouse is reported while a button is held, not at every move: that is all the editor needs, and
    over SSH each report is a packet.
    """

    _context: contextvars.Context | None = None
    """In which Textual knows which app is running; a signal's handler does not."""

    _output: TerminalOutput | None = None
    _modes: list[int | list[bytes | int]] | None = None
    _ticker: asyncio.TimerHandle | None = None
    _under_way = 0
    _has_begun = False
    _is_suspended = False

    @property
    def _owner(self) -> TakesKeys:
        return cast(TakesKeys, self._app)

    def start_application_mode(self) -> None:
        if self._context is None:
            self._context = contextvars.copy_context()
        if self._file is not None:
            with contextlib.suppress(OSError):  # then Textual's thread writes
                self._output = TerminalOutput(self._file, self._loop, self._draw_anew)
        super().start_application_mode()  # type: ignore[no-untyped-call]
        # Textual's own handler reads the size where the signal comes. One that comes meanwhile runs inside
        # the first, and what that one then posts is older: the screen would keep a size that is not so.
        self._loop.add_signal_handler(signal.SIGWINCH, self._post_size)
        self._post_size()
        with contextlib.suppress(termios.error):
            self._modes = termios.tcgetattr(self.fileno)

    def suspend_application_mode(self) -> None:
        """Give the terminal to the shell, with its own modes if the terminal's owner has kept them."""
        if self._is_suspended:
            return
        super().suspend_application_mode()
        self._is_suspended = True
        if (give_keys := getattr(self._file, "give_keys", None)) is not None:
            give_keys()

    def resume_application_mode(self) -> None:
        if (take_keys := getattr(self._file, "take_keys", None)) is not None:
            with contextlib.suppress(termios.error):
                take_keys()
        self._is_suspended = False
        super().resume_application_mode()

    def _sigcont_application(self, *_: object) -> None:
        if self._context is not None:
            self._loop.call_soon_threadsafe(self._go_on, context=self._context)

    def _go_on(self) -> None:
        """Take the terminal again after SIGCONT, and draw; after SIGSTOP it was never given away."""
        if getattr(self._file, "is_gone", False):  # who is stopped is sent SIGCONT together with SIGHUP
            return
        if self._is_suspended:
            if not self._auto_restart:  # the app has given it away, and takes it again itself
                return
            self.resume_application_mode()
        elif self._modes is not None:  # the shell may have set its own
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self.fileno, termios.TCSANOW, self._modes)
        self._draw_anew()

    def stop_application_mode(self) -> None:
        if self._output is not None:
            self._output.finish(_DRAIN_S)
        super().stop_application_mode()
        self._modes = None
        if self._output is not None:
            self._output.drain(_DRAIN_S)

    def close(self) -> None:
        super().close()
        if self._output is not None:
            self._output.close()
            self._output = None

    def write(self, data: str) -> None:
        if self._output is not None:
            self._output.write(data)
        elif not self._is_suspended:  # else the shell has the terminal
            super().write(data)

    def _run_input_thread(self) -> None:
        # Textual runs this in a thread of its own; here the loop does it all instead.
        self._loop.call_soon_threadsafe(self._begin_input, context=self._context)

    def _begin_input(self) -> None:
        self._parser = KeyParser()
        encoding = getattr(self._file, "encoding", "utf-8")  # keys come as what is drawn goes
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        if not self.exit_event.is_set():
            if not self._has_begun:
                self._has_begun = True
                self._feed(self._owner.typed_before)
            self._loop.add_reader(self.fileno, self._read)

    def disable_input(self) -> None:
        self._loop.remove_reader(self.fileno)
        self._loop.remove_signal_handler(signal.SIGWINCH)
        super().disable_input()

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000h\x1b[?1002h\x1b[?1006h")

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            self.write("\x1b[?1000l\x1b[?1002l\x1b[?1006l")

    def _draw_anew(self) -> None:
        self._app.refresh()

    def _post_size(self) -> None:
        if not self._in_band_window_resize:
            size = Size(*self._get_terminal_size())
            asyncio.run_coroutine_threadsafe(self._app._post_message(events.Resize(size, size)), self._loop)

    def _read(self) -> None:
        try:
            data = os.read(self.fileno, _READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            self._loop.remove_reader(self.fileno)
            if (lose := getattr(self._file, "lose", None)) is not None:
                lose()
            return
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        self._take(self._parser.feed(self._decoder.decode(data)))
        if self._ticker is None and self._parser.is_waiting:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def _tick(self) -> None:
        self._ticker = None
        self._take(self._parser.tick())
        if self._parser.is_waiting:
            self._ticker = self._loop.call_later(_TICK_S, self._tick)

    def _take(self, found: Iterable[Message]) -> None:
        for message in found:
            if isinstance(message, (events.Key, events.Paste)) and not self._under_way:
                message.set_sender(self._app)
                if self._owner.typed(message):
                    continue
            self.process_message(message)

    def send_message(self, message: Message) -> None:
        self._app.post_message(message)
        if isinstance(message, events.InputEvent):
            self._under_way += 1
            self._app.call_later(self._owner.after_input, self._arrived)

    def _arrived(self) -> None:
        self._under_way -= 1
