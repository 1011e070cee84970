"""Every setting: its key, what it takes, what it is without being set, and what to say about it.

`collab config show` and the template of `collab config edit` are made from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from collab_cli import setting_values as values
from collab_cli.flags import (
    COLOURS,
    DEFAULT_ACCEPT_RATE,
    DEFAULT_CONNECTIONS,
    DEFAULT_CONNECTIONS_PER_ADDRESS,
    DEFAULT_CONNECTIONS_PER_ROOM,
    DEFAULT_HOST,
    DEFAULT_PORT,
    DEFAULT_ROOMS,
    Theme,
)
from collab_cli.setting_values import DEFAULT_RULER

T = TypeVar("T")

_MOST_CAP: Final = 10_000_000


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


def _cap(name: str, default: int, about: str) -> Setting[int]:
    return Setting(
        f"serve.{name}", values.within(1, _MOST_CAP), default, str(default), about, is_needed_right=True
    )


NAME: Final = Setting(
    "name", values.person_name, None, '"ana"', "The name that others see; without it, your account's."
)
COLOUR: Final = Setting(
    "colour",
    values.within(1, COLOURS),
    None,
    "3",
    f"Your colour, 1 to {COLOURS}; given to you if it is free.",
)
SERVER: Final = Setting(
    "server",
    values.server,
    None,
    '"wss://example.org"',
    "Where `collab join ROOM` looks, instead of this machine.",
    is_needed_right=True,
)
THEME: Final = Setting(
    "theme",
    values.theme,
    Theme.AUTO,
    '"auto"',
    f"{', '.join(Theme)}. auto asks the terminal for its background.",
)
ASCII: Final = Setting("ascii", values.is_on, False, "true", "Draw with ASCII signs only.")
WRAP: Final = Setting("wrap", values.is_on, True, "false", "Show long lines on several rows.")
WHITESPACE: Final = Setting("whitespace", values.is_on, False, "true", "Show blanks and tabs.")
LINE_NUMBERS: Final = Setting("line_numbers", values.is_on, True, "false", "Number the lines.")
HINTS: Final = Setting("hints", values.is_on, True, "false", "Show the most used keys in the last row.")
RULER: Final = Setting(
    "ruler", values.ruler, 0, "true", f"A line at this column, true for {DEFAULT_RULER}; 0 or false for none."
)
INDENT: Final = Setting(
    "indent",
    values.indent,
    "auto",
    "4",
    'What Tab inserts: "tabs", a number of blanks, or "auto", what the text has.',
)

AUTO_CLOSE: Final = Setting(
    "auto_close", values.is_on, True, "false", "Whether brackets and quotes close themselves in code."
)

JOIN_MESSAGES: Final = Setting("join_messages", values.is_on, True, "false", "Tell who comes and goes.")
BELL: Final = Setting(
    "bell", values.is_on, False, "true", "Ring the terminal's bell when somebody asks you to look."
)

HOST: Final = Setting(
    "serve.host",
    values.text,
    None,
    f'"{DEFAULT_HOST}"',
    "Serve TCP on this address; needs auth, and beyond loopback a certificate or trusted_proxy.",
    is_needed_right=True,
)
PORT: Final = Setting(
    "serve.port",
    values.within(0, values.MOST_PORT),
    None,
    str(DEFAULT_PORT),
    "Serve TCP on this port; 0 takes a free one. Needs auth, or --insecure.",
    is_needed_right=True,
)
UNIX: Final = Setting(
    "serve.unix", values.path, None, '"/run/collab.sock"', "Where the Unix socket is.", is_needed_right=True
)

AUTH: Final = Setting(
    "serve.auth",
    values.is_on,
    False,
    "true",
    "Whoever comes over TCP needs a token: `collab invite` makes links.",
    is_needed_right=True,
)
TLS_CERT: Final = Setting(
    "serve.tls_cert",
    values.path,
    None,
    '"/etc/collab/fullchain.pem"',
    "The certificate and those that it rests on, in PEM: TCP is encrypted.",
    is_needed_right=True,
)
TLS_KEY: Final = Setting(
    "serve.tls_key",
    values.path,
    None,
    '"/etc/collab/privkey.pem"',
    "Its key, when it is not in the same file.",
    is_needed_right=True,
)
TRUSTED_PROXY: Final = Setting(
    "serve.trusted_proxy",
    values.networks,
    None,
    '["127.0.0.1"]',
    "Addresses or networks of proxies that have the certificate: TCP is for them alone.",
    is_needed_right=True,
)
ORIGIN: Final = Setting(
    "serve.origin",
    values.origins,
    None,
    '["https://example.org"]',
    "Web pages that may connect; without it none.",
    is_needed_right=True,
)
URL: Final = Setting(
    "serve.url",
    values.url,
    None,
    '"wss://example.org"',
    "How people reach this server: invite links begin with it.",
    is_needed_right=True,
)
CONNECTIONS: Final = _cap("connections", DEFAULT_CONNECTIONS, "How many may be connected.")
CONNECTIONS_PER_ADDRESS: Final = _cap(
    "connections_per_address", DEFAULT_CONNECTIONS_PER_ADDRESS, "How many of them from one address, over TCP."
)
CONNECTIONS_PER_ROOM: Final = _cap(
    "connections_per_room", DEFAULT_CONNECTIONS_PER_ROOM, "How many of them in one room."
)
ACCEPT_RATE: Final = _cap(
    "accept_rate", DEFAULT_ACCEPT_RATE, "How many may come in a second; the rest is told when to come back."
)
ROOMS: Final = _cap("rooms", DEFAULT_ROOMS, "How many rooms are kept.")

IDLE_EXIT_S: Final = Setting("serve.idle_exit_s", values.seconds, None, "", "")
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
SERVE_SETTINGS: Final[tuple[Setting[Any], ...]] = (
    HOST,
    PORT,
    UNIX,
    AUTH,
    TLS_CERT,
    TLS_KEY,
    TRUSTED_PROXY,
    ORIGIN,
    URL,
    CONNECTIONS,
    CONNECTIONS_PER_ADDRESS,
    CONNECTIONS_PER_ROOM,
    ACCEPT_RATE,
    ROOMS,
)
SETTINGS: Final[tuple[Setting[Any], ...]] = (*JOIN_SETTINGS, *SERVE_SETTINGS)
"""In the order in which they are shown."""
