"""Every setting: its key, what it takes, what it is without being set, and what to say about it.

`collab config show` and the template of `collab config edit` are made from this table.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from collab_cli.exits import UsageError
from collab_cli.flags import COLOURS, DEFAULT_HOST, DEFAULT_PORT, Theme
from collab_cli.paths import full_path
from collab_cli.targets import parse_server

T = TypeVar("T")

DEFAULT_RULER: Final = 80
"""For `ruler = true`."""

_MOST_RULER: Final = 1000
_MOST_INDENT: Final = 16
_MOST_PORT: Final = 65535
_MOST_SHOWN_BITS: Final = 128
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One setting; `parse` raises ValueError with what would be right, as in "a whole number"."""

    key: str
    """As in "name" or "serve.port"."""
    parse: Callable[[object], T]
    default: T | None
    example: str
    """A value as TOML, for the template."""
    about: str
    is_needed_right: bool = False
    """A wrong value in the file ends the command that needs it, which else would do another thing than meant:
    open a room of that name on this machine, or serve at another place."""

    @property
    def name(self) -> str:
        """The key without its table."""
        return self.key.rpartition(".")[2]

    @property
    def table(self) -> str:
        return self.key.rpartition(".")[0]

    @property
    def variable(self) -> str:
        return f"COLLAB_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


class _ShortRepr(reprlib.Repr):
    """Like repr, with little of what is long or nested deeply: an int of 5,000 digits has no repr at all."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 100

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= _MOST_SHOWN_BITS else "a very long number"


def short_repr(value: object) -> str:
    """Return how a value is shown in a message, whatever it is; a path as its text."""
    return _ShortRepr().repr(str(value) if isinstance(value, Path) else value)


def _text(value: object) -> str:
    if isinstance(value, (str, Path)) and str(value).strip():
        return str(value)
    raise ValueError("a text")


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return int(value)
    raise ValueError("a whole number")


def _within(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = _number(value)
        if not least <= number <= most:
            raise ValueError(f"one of {least} to {most}")
        return number

    return parse


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise ValueError("a number of seconds")


def _is_on(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise ValueError("true or false")


def _theme(value: object) -> Theme:
    try:
        return Theme(_text(value).replace("color", "colour"))
    except ValueError as error:
        raise ValueError(f"one of {', '.join(Theme)}") from error


def _name(value: object) -> str:
    name = _text(value)
    if not any(c.isprintable() and not c.isspace() for c in name):
        raise ValueError("a name that others can read")
    return name


def _server(value: object) -> str:
    server = _text(value)
    try:
        parsed = parse_server(server, is_insecure=True)  # if it is too open is for the command to say
        if parsed.unix_path is not None:
            full_path(parsed.unix_path)
    except (UsageError, ValueError) as error:
        raise ValueError(f"a server: {error}") from error
    return server


def _ruler(value: object) -> int:
    try:
        return _within(0, _MOST_RULER)(value)
    except ValueError as error:
        try:
            return DEFAULT_RULER if _is_on(value) else 0
        except ValueError:
            raise ValueError(f"a column from 1 to {_MOST_RULER}, true or false") from error


def _indent(value: object) -> str:
    if value in ("auto", "tabs"):
        return str(value)
    try:
        return str(_within(1, _MOST_INDENT)(value))
    except ValueError as error:
        raise ValueError(f'"auto", "tabs" or 1 to {_MOST_INDENT}') from error


def _path(value: object) -> Path:
    return full_path(Path(_text(value)))


NAME: Final = Setting("name", _name, None, '"ana"', "The name that others see; without it, your account's.")
COLOUR: Final = Setting(
    "colour", _within(1, COLOURS), None, "3", f"Your colour, 1 to {COLOURS}; given to you if it is free."
)
SERVER: Final = Setting(
    "server",
    _server,
    None,
    '"wss://example.org"',
    "Where `collab join ROOM` looks, instead of this machine.",
    is_needed_right=True,
)
THEME: Final = Setting(
    "theme",
    _theme,
    Theme.AUTO,
    '"auto"',
    f"{', '.join(Theme)}. auto asks the terminal for its background.",
)
ASCII: Final = Setting("ascii", _is_on, False, "true", "Draw with ASCII signs only.")
WRAP: Final = Setting("wrap", _is_on, True, "false", "Show long lines on several rows.")
WHITESPACE: Final = Setting("whitespace", _is_on, False, "true", "Show blanks and tabs.")
LINE_NUMBERS: Final = Setting("line_numbers", _is_on, True, "false", "Number the lines.")
HINTS: Final = Setting("hints", _is_on, True, "false", "Show the most used keys in the last row.")
RULER: Final = Setting(
    "ruler", _ruler, 0, "true", f"A line at this column, true for {DEFAULT_RULER}; 0 or false for none."
)
INDENT: Final = Setting(
    "indent",
    _indent,
    "auto",
    "4",
    'What Tab inserts: "tabs", a number of blanks, or "auto", what the text has.',
)

AUTO_CLOSE: Final = Setting(
    "auto_close", _is_on, True, "false", "Whether brackets and quotes close themselves in code."
)

JOIN_MESSAGES: Final = Setting("join_messages", _is_on, True, "false", "Tell who comes and goes.")
BELL: Final = Setting(
    "bell", _is_on, False, "true", "Ring the terminal's bell when somebody asks you to look."
)

HOST: Final = Setting(
    "serve.host",
    _text,
    None,
    f'"{DEFAULT_HOST}"',
    "Serve TCP on this loopback address; needs --insecure.",
    is_needed_right=True,
)
PORT: Final = Setting(
    "serve.port",
    _within(0, _MOST_PORT),
    None,
    str(DEFAULT_PORT),
    "Serve TCP on this port; 0 takes a free one. Needs --insecure.",
    is_needed_right=True,
)
UNIX: Final = Setting(
    "serve.unix", _path, None, '"/run/collab.sock"', "Where the Unix socket is.", is_needed_right=True
)

IDLE_EXIT_S: Final = Setting("serve.idle_exit_s", _seconds, None, "", "")
"""How long a private server stays alone: COLLAB_IDLE_EXIT_S, and not in the file."""

JOIN_SETTINGS: Final[tuple[Setting[Any], ...]] = (
    NAME,
    COLOUR,
    SERVER,
    THEME,
    ASCII,
    WRAP,
    WHITESPACE,
    LINE_NUMBERS,
    HINTS,
    RULER,
    INDENT,
    AUTO_CLOSE,
    JOIN_MESSAGES,
    BELL,
)
SERVE_SETTINGS: Final[tuple[Setting[Any], ...]] = (HOST, PORT, UNIX)
SETTINGS: Final[tuple[Setting[Any], ...]] = (*JOIN_SETTINGS, *SERVE_SETTINGS)
"""In the order in which they are shown."""
