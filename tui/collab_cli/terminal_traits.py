"""What the terminal can do: from the environment and, where that leaves it open, from asking, all at once.

    ESC ] 11 ; ? ST         which background? Answered with ESC ] 11 ; rgb:RRRR/GGGG/BBBB, or not at all
    ESC [ 48:2::1:2:3 m     a background as RGB, and
    ESC P $ q m ST          how is text drawn now? (DECRQSS) Who has RGB says so, though SSH loses COLORTERM
    ESC [ 6 n é ESC [ 6 n   where is the cursor, before and after two bytes of UTF-8? One cell on if that is
                            spoken here, else two: over SSH the locale may be another machine's
    ESC [ c                 what are you? (DA1) Every terminal answers this one, which ends the waiting

What a terminal does not know, it may show: that is asked between ESC 7 and ESC 8, and the row is cleared
from there on. The answers come where keys come from. What is typed meanwhile is handed on in `Traits.typed`,
and so is the beginning of an answer that had not come whole in time: the app's parser must see those bytes
before it reads on. An answer that comes later still is the parser's to drop; Textual's takes it for typed
text.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from collab_cli.settings.flags import Theme

_ASK_BACKGROUND: Final = b"\x1b]11;?\x1b\\"
_ASK_RGB: Final = b"\x1b[48:2::1:2:3m\x1bP$qm\x1b\\\x1b[0m"
_ASK_WIDTH: Final = b"\x1b[6n\xc3\xa9\x1b[6n"
_ASK_WHAT: Final = b"\x1b[c"

_CELLS_OF_BYTES: Final = 2
"""What `_ASK_WIDTH` moves the cursor where each byte is a letter, and in EUC, where both are a wide one."""

_LOCAL_S: Final = 0.1
_REMOTE_S: Final = 0.3
"""From asking on; twice a slow round trip. What loads in the meantime counts as waiting."""

_ENCODING_S: Final = 1.0
"""The same where the encoding is in question: all letters hang on it, and few locales are not UTF-8."""

_READ_BYTES: Final = 4096

_ANSWER: Final = re.compile(rb"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_FENCE: Final = re.compile(rb"\x1b\[\?[0-9;]*c")
_SETTING: Final = re.compile(rb"\x1bP[01]?\$r([^\x07\x1b]*)(?:\x07|\x1b\\)")
_PLACES: Final = re.compile(rb"\x1b\[(\d+);(\d+)R")

_RGB_KEPT: Final = re.compile(rb"(?:^|[;:m])48[:;]2(?:[:;]\d*)?[:;]1[:;]2[:;]3(?:[;m]|$)")
"""The colour as it was set: with a colour space or without, by colons (ISO 8613-6) or semicolons (xterm)."""

_RGB: Final = re.compile(
    rb"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})(?:/[0-9a-fA-F]{1,4})?"
)
"""XParseColor(3): one to four hexadecimal digits each, as a share of the most these can say."""

_MANY_COLOURS: Final = ("256color", "direct", "kitty", "ghostty", "alacritty", "foot", "wezterm", "contour")
"""In TERM: 256 colours or more, though COLORTERM may be lost on the way (sudo and SSH drop it)."""

_ALL_COLOURS: Final = ("direct", "kitty", "ghostty", "alacritty", "foot", "wezterm", "contour", "tmux")
"""In TERM: RGB, as their documentation says. tmux (from 2.2) makes of it what its own terminal has."""

_FEW_COLOURS: Final = (Theme.SIXTEEN, Theme.MONO)

_OSC_9: Final = ("iterm", "wezterm", "ghostty", "kitty")
"""In TERM_PROGRAM or TERM: who shows notifications so (their documentation on escape sequences)."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the terminal can do. `theme` is one of the values of `Theme` and never "auto"."""

    theme: str
    is_ascii: bool
    """Signs beyond ASCII would not be drawn: no UTF-8, or the Linux console, whose font has 512."""
    is_remote: bool
    is_linux_console: bool
    multiplexer: str
    """"tmux", "screen" or empty."""
    has_osc9: bool
    """It makes a notification of the desktop of ESC ] 9 ; text BEL."""
    typed: bytes
    """Came from the terminal while it was asked and is no answer: to be read before all else."""
    is_utf8: bool = True
    """It speaks UTF-8, whatever the locale says, or does not tell; False: it speaks what the locale says."""
    has_all_colours: bool = False
    """It shows RGB; False also where that does not matter, with the themes of few colours or none."""


def tell_textual(traits: Traits, environ: MutableMapping[str, str]) -> None:
    """Have Textual see the terminal as we do: it reads the environment when an app is made."""
    # It has been heeded; Textual would have a filter of its own, and take an empty one for set.
    environ.pop("NO_COLOR", None)
    if traits.has_all_colours:
        environ["COLORTERM"] = "truecolor"


class TerminalQuery:
    """Asks the terminal on `__enter__`, and gives it back as it was on `__exit__`.

    What is loaded between asking and `traits` costs no time. Nothing is asked where the answer would not
    matter. While it lasts, the terminal does not echo, and Ctrl-C is a signal as before.
    """

    def __init__(
        self,
        theme: Theme,
        environ: Mapping[str, str],
        *,
        can_draw_unicode: bool,
        fd_in: int = 0,
        fd_out: int = 1,
    ) -> None:
        self._theme = _theme_without_asking(theme, environ)
        self._environ = environ
        self._can_draw_unicode = can_draw_unicode
        self._fd_in = fd_in
        self._fd_out = fd_out
        self._modes: list[Any] | None = None
        self._asked_at = 0.0
        self._is_asked = False
        self._needs_rgb = self._theme not in _FEW_COLOURS and not has_all_colours(environ)
        self._needs_width = not can_draw_unicode and not _is_linux_console(environ)

    def __enter__(self) -> Self:
        if query := self._query():
            try:
                self._modes = termios.tcgetattr(self._fd_in)
                termios.tcgetattr(self._fd_out)
                termios.tcsetattr(self._fd_in, termios.TCSANOW, _listening(self._modes))
                self._is_asked = _write(self._fd_out, query)
            except (termios.error, OSError):  # no terminal, or it is gone: found out by whoever draws on it
                self._is_asked = False
            self._asked_at = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._modes is not None:
            with contextlib.suppress(termios.error, OSError):
                # Not TCSAFLUSH: it would throw away what is typed and not yet read.
                termios.tcsetattr(self._fd_in, termios.TCSANOW, self._modes)

    def traits(self) -> Traits:
        """Return what the terminal can do; waits for its answer, at most 0.1 s from asking (SSH: 0.3 s).

        Where the encoding is in question, at most 1 s.
        """
        theme, typed, came = self._theme, b"", b""
        if self._is_asked:
            came = self._read_answers()
            theme = theme or _theme_of_answer(came)
            typed = self._without_answers(came)
        environ = self._environ
        is_linux_console = _is_linux_console(environ)
        cells = _cells_moved(came) if self._needs_width else 0
        has_all_colours = not self._needs_rgb or _has_kept_rgb(came)
        return Traits(
            theme=theme or _theme_of_colorfgbg(environ) or Theme.DARK,
            is_ascii=is_linux_console or not (self._can_draw_unicode or cells == 1),
            is_remote=_is_remote(environ),
            is_linux_console=is_linux_console,
            multiplexer=_multiplexer(environ),
            has_osc9=_has_osc9(environ),
            typed=typed,
            is_utf8=self._can_draw_unicode or cells != _CELLS_OF_BYTES,
            has_all_colours=has_all_colours and self._theme not in _FEW_COLOURS,
        )

    def _query(self) -> bytes:
        """Return what to ask; empty for nothing."""
        asked = b"" if self._theme is not None else _ASK_BACKGROUND
        shown = (_ASK_RGB if self._needs_rgb else b"") + (_ASK_WIDTH if self._needs_width else b"")
        if shown:
            asked += b"\x1b7" + shown + b"\x1b8\x1b[0m\x1b[K"
        return asked and asked + _ASK_WHAT

    def _without_answers(self, came: bytes) -> bytes:
        """Return what was typed, of all that came."""
        typed = _SETTING.sub(b"", _FENCE.sub(b"", _ANSWER.sub(b"", came)))
        # Without the question it is F3 with a modifier.
        return _PLACES.sub(b"", typed, count=2) if self._needs_width else typed

    def _read_answers(self) -> bytes:
        """Return all that came until the answer to the last question, or until it is too late."""
        wait_s = _REMOTE_S if _is_remote(self._environ) else _LOCAL_S
        ends_at = self._asked_at + (_ENCODING_S if self._needs_width else wait_s)
        came = b""
        while _FENCE.search(came) is None:
            # What has come by now is read even when loading took longer than that.
            left_s = max(0.0, ends_at - time.monotonic())
            try:
                if not select.select([self._fd_in], [], [], left_s)[0]:
                    break
                data = os.read(self._fd_in, _READ_BYTES)
            except OSError:
                break
            if not data:
                break
            came += data
        return came


def _listening(modes: list[Any]) -> list[Any]:
    """Return `modes` without echo, waiting for Enter, and flow control; what a key sends comes as it is."""
    listening = list(modes)
    listening[0] &= ~(termios.IXON | termios.ICRNL)
    listening[3] &= ~(termios.ECHO | termios.ICANON)
    return listening


def _write(fd: int, data: bytes) -> bool:
    """Write `data` if the terminal takes it at once: one that is stopped by Ctrl-S would hold us."""
    return bool(select.select([], [fd], [], 0)[1]) and os.write(fd, data) == len(data)


def _theme_without_asking(theme: Theme, environ: Mapping[str, str]) -> Theme | None:
    """Return the theme as far as the settings and the environment say; None if the background decides."""
    if theme is not Theme.AUTO:
        return theme
    if environ.get("NO_COLOR"):  # https://no-color.org: present and not empty
        return Theme.MONO
    if _is_linux_console(environ) or not has_many_colours(environ):
        return Theme.SIXTEEN
    return None


def has_many_colours(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment promises 256 colours or more."""
    term = environ.get("TERM", "")
    return bool(environ.get("COLORTERM")) or any(name in term for name in _MANY_COLOURS)


def has_all_colours(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment promises RGB."""
    term = environ.get("TERM", "")
    return environ.get("COLORTERM") in ("truecolor", "24bit") or any(name in term for name in _ALL_COLOURS)


def _is_linux_console(environ: Mapping[str, str]) -> bool:
    return environ.get("TERM", "").split("-")[0] == "linux"


def _multiplexer(environ: Mapping[str, str]) -> str:
    return "tmux" if environ.get("TMUX") else "screen" if environ.get("STY") else ""


def _has_osc9(environ: Mapping[str, str]) -> bool:
    """Return whether the terminal is one of those that document OSC 9; multiplexers keep it to themselves."""
    named = environ.get("TERM_PROGRAM", "").casefold(), environ.get("TERM", "")
    return not _multiplexer(environ) and any(name in each for name in _OSC_9 for each in named)


def _is_remote(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def _theme_of_answer(came: bytes) -> Theme | None:
    answer = _ANSWER.search(came)
    colour = answer and _RGB.fullmatch(answer[1])
    if not colour:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in colour.groups())
    # Rec. 601, and the half: as Neovim decides it (runtime/lua/vim/_defaults.lua).
    return Theme.LIGHT if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else Theme.DARK


def _has_kept_rgb(came: bytes) -> bool:
    return any(_RGB_KEPT.search(answer[1]) for answer in _SETTING.finditer(came))


def _cells_moved(came: bytes) -> int:
    """Return how far two bytes of UTF-8 moved the cursor; 0 when nobody says so."""
    columns = [int(column) for _, column in _PLACES.findall(came)]
    # At the right edge it stays where it is, or goes to the next row: that tells nothing.
    return max(0, columns[1] - columns[0]) if len(columns) > 1 else 0


def _theme_of_colorfgbg(environ: Mapping[str, str]) -> Theme | None:
    """Return what rxvt and Konsole say in COLORFGBG: "15;0" or "15;default;0", the background last."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not re.fullmatch("[0-9]|1[0-5]", background, re.ASCII):
        return None
    return Theme.LIGHT if background == "7" or int(background) > 8 else Theme.DARK
