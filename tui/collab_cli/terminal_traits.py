"""What the terminal can do: from the environment and, for its background, from asking it.

    ESC ] 11 ; ? ST     which background? Answered with ESC ] 11 ; rgb:RRRR/GGGG/BBBB, or not at all
    ESC [ c             what are you? (DA1) Every terminal answers this one, so its answer ends the waiting

The answers come where keys come from. What is typed meanwhile is handed on in `Traits.typed`, and so is the
beginning of an answer that had not come whole in time: the app's parser must see those bytes before it reads
on. An answer that comes later still is the parser's to drop; Textual's takes it for typed text.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from collab_cli.settings.flags import Theme

_QUERY: Final = b"\x1b]11;?\x1b\\\x1b[c"

_LOCAL_S: Final = 0.1
_REMOTE_S: Final = 0.3
"""From asking on; twice a slow round trip. What loads in the meantime counts as waiting."""

_READ_BYTES: Final = 4096

_ANSWER: Final = re.compile(rb"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_FENCE: Final = re.compile(rb"\x1b\[\?[0-9;]*c")

_RGB: Final = re.compile(
    rb"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})(?:/[0-9a-fA-F]{1,4})?"
)
"""XParseColor(3): one to four hexadecimal digits each, as a share of the most these can say."""

_MANY_COLOURS: Final = ("256color", "direct", "kitty", "ghostty", "alacritty", "foot", "wezterm", "contour")
"""In TERM: 256 colours or more, though COLORTERM may be lost on the way (sudo and SSH drop it)."""

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

    def __enter__(self) -> Self:
        if self._theme is None:
            try:
                self._modes = termios.tcgetattr(self._fd_in)
                termios.tcsetattr(self._fd_in, termios.TCSANOW, _listening(self._modes))
                self._is_asked = _write(self._fd_out, _QUERY)
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
        """Return what the terminal can do; waits for its answer, at most 0.1 s from asking (SSH: 0.3 s)."""
        theme, typed = self._theme, b""
        if self._is_asked:
            came = self._read_answers()
            theme = _theme_of_answer(came)
            typed = _FENCE.sub(b"", _ANSWER.sub(b"", came))
        environ = self._environ
        is_linux_console = _is_linux_console(environ)
        return Traits(
            theme=theme or _theme_of_colorfgbg(environ) or Theme.DARK,
            is_ascii=is_linux_console or not self._can_draw_unicode,
            is_remote=_is_remote(environ),
            is_linux_console=is_linux_console,
            multiplexer=_multiplexer(environ),
            has_osc9=_has_osc9(environ),
            typed=typed,
        )

    def _read_answers(self) -> bytes:
        """Return all that came until the answer to the last question, or until it is too late."""
        ends_at = self._asked_at + (_REMOTE_S if _is_remote(self._environ) else _LOCAL_S)
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


def _theme_of_colorfgbg(environ: Mapping[str, str]) -> Theme | None:
    """Return what rxvt and Konsole say in COLORFGBG: "15;0" or "15;default;0", the background last."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    if not re.fullmatch("[0-9]|1[0-5]", background, re.ASCII):
        return None
    return Theme.LIGHT if background == "7" or int(background) > 8 else Theme.DARK
