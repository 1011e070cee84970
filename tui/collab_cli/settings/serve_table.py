"""The settings of `collab serve`: where and whom it serves, how much, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from collab_cli.settings import values
from collab_cli.settings.flags import (
    DEFAULT_ACCEPT_RATE,
    DEFAULT_BYTES_PER_SECOND,
    DEFAULT_CONNECTIONS,
    DEFAULT_CONNECTIONS_PER_ADDRESS,
    DEFAULT_CONNECTIONS_PER_ROOM,
    DEFAULT_HOST,
    DEFAULT_LOADED_ROOMS,
    DEFAULT_MESSAGES_PER_SECOND,
    DEFAULT_PORT,
    DEFAULT_ROOMS,
    DEFAULT_ROOMS_PER_DAY,
    DEFAULT_SSH_GUESTS,
    DEFAULT_SSH_IDLE_S,
    DEFAULT_SSH_SESSION_S,
    LogFormat,
    LogLevel,
)
from collab_cli.settings.setting import Setting
from collab_protocol.limits import TEXT_BYTES

_MOST_CAP: Final = 10_000_000
_LEAST_RATE_BYTES: Final = 64 * 1024
"""Two Parts of a large message a second: with less nobody could join."""

_MOST_RATE_BYTES: Final = 1024**3
_LEAST_ROOM_BYTES: Final = 1024
_MOST_ROOM_BYTES: Final = 32 * 1024**2
"""Half of what its encoding may take (collab_protocol.limits.ENCODED_BYTES), which keeps what was deleted."""


def _cap(name: str, default: int, about: str) -> Setting[int]:
    return Setting(
        f"serve.{name}", values.within(1, _MOST_CAP), default, str(default), about, is_needed_right=True
    )


def _size(
    name: str, parse: Callable[[object], int], default: int | None, example: str, about: str
) -> Setting[int]:
    return Setting(
        f"serve.{name}", parse, default, f'"{example}"', about, is_needed_right=True, shown=values.shown_size
    )


DATA_DIR: Final = Setting(
    "serve.data_dir",
    values.path,
    None,
    '"/var/lib/collab"',
    "Where rooms are kept, instead of this account's folder; `collab admin` and the like look there too.",
    is_needed_right=True,
)
MEMORY: Final = Setting(
    "serve.memory",
    values.is_on,
    False,
    "true",
    "Keep nothing on disk: all is gone when the server stops.",
    is_needed_right=True,
    has_variable=False,
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
GROUP: Final = Setting(
    "serve.group",
    values.group,
    None,
    '"pair"',
    "Accounts of this group may open that socket, too; without it only your own.",
    is_needed_right=True,
)

SERVE_SSH: Final = Setting(
    "serve.ssh",
    values.ssh,
    None,
    '":2222"',
    "Let in guests who have an ssh client and nothing else, on this address; needs collab-editor[ssh].",
    is_needed_right=True,
    has_variable=False,  # COLLAB_SSH is the command that `collab join ssh://…` runs
)
SSH_GUESTS: Final = _cap("ssh_guests", DEFAULT_SSH_GUESTS, "How many of them at a time.")
SSH_IDLE: Final = Setting(
    "serve.ssh_idle",
    values.duration_s,
    DEFAULT_SSH_IDLE_S,
    '"1h"',
    "How long a guest over SSH may type nothing.",
    is_needed_right=True,
    shown=values.shown_duration,
)
SSH_SESSION: Final = Setting(
    "serve.ssh_session",
    values.duration_s,
    DEFAULT_SSH_SESSION_S,
    '"12h"',
    "How long a guest over SSH may stay.",
    is_needed_right=True,
    shown=values.shown_duration,
)

AUTH: Final = Setting(
    "serve.auth",
    values.is_on,
    False,
    "true",
    "Whoever comes over TCP needs a token: `collab invite` makes links.",
    is_needed_right=True,
)
INSECURE: Final = Setting(
    "serve.insecure",
    values.is_on,
    False,
    "true",
    "Serve TCP, and let in whoever comes. `collab join` takes it from the command line alone.",
    is_needed_right=True,
    has_variable=False,
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
LOADED_ROOMS: Final = _cap(
    "loaded_rooms", DEFAULT_LOADED_ROOMS, "How many of them may be in memory at a time."
)
ROOMS_PER_DAY: Final = _cap(
    "rooms_per_day", DEFAULT_ROOMS_PER_DAY, "How many new ones a person may make in a day."
)
MESSAGES_PER_SECOND: Final = _cap(
    "messages_per_second",
    DEFAULT_MESSAGES_PER_SECOND,
    "How many messages a second are taken from one connection.",
)
BYTES_PER_SECOND: Final = _size(
    "bytes_per_second",
    values.size_within(_LEAST_RATE_BYTES, _MOST_RATE_BYTES),
    DEFAULT_BYTES_PER_SECOND,
    values.shown_size(DEFAULT_BYTES_PER_SECOND),
    "How many bytes a second are taken from one connection.",
)
ROOM_BYTES: Final = _size(
    "room_bytes",
    values.size_within(_LEAST_ROOM_BYTES, _MOST_ROOM_BYTES),
    TEXT_BYTES,
    values.shown_size(TEXT_BYTES),
    "How long the text of a room may be, in UTF-8.",
)
MONITOR: Final = Setting(
    "serve.monitor",
    values.monitor,
    None,
    '"127.0.0.1:9100"',
    "Serve /healthz, /readyz and /metrics there; a port alone is for this machine.",
    is_needed_right=True,
)
LOG_LEVEL: Final = Setting(
    "serve.log_level",
    values.log_level,
    LogLevel.INFO,
    '"warning"',
    f"What is written into the log: {', '.join(LogLevel)}, and all that is graver.",
    is_needed_right=True,
)
LOG_FORMAT: Final = Setting(
    "serve.log_format",
    values.log_format,
    LogFormat.TEXT,
    '"json"',
    "How the log is written: text, or json, an object a line.",
    is_needed_right=True,
)
HISTORY_AGE: Final = Setting(
    "serve.history_age",
    values.duration_s,
    None,
    '"90d"',
    "How long the history of a room is kept; its text stays. Without it: for ever.",
    is_needed_right=True,
    shown=values.shown_duration,
)
HISTORY_SIZE: Final = _size(
    "history_size",
    values.size_bytes,
    None,
    "100M",
    "How much history is kept of each room; its text stays. Without it: all.",
)

IDLE_EXIT_S: Final = Setting("serve.idle_exit_s", values.seconds, None, "", "")
"""How long a private server stays alone: COLLAB_IDLE_EXIT_S, and not in the file."""

SERVE_SETTINGS: Final[tuple[Setting[Any], ...]] = (
    DATA_DIR,
    MEMORY,
    HOST,
    PORT,
    UNIX,
    GROUP,
    SERVE_SSH,
    SSH_GUESTS,
    SSH_IDLE,
    SSH_SESSION,
    AUTH,
    INSECURE,
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
    LOADED_ROOMS,
    ROOMS_PER_DAY,
    MESSAGES_PER_SECOND,
    BYTES_PER_SECOND,
    ROOM_BYTES,
    MONITOR,
    LOG_LEVEL,
    LOG_FORMAT,
    HISTORY_AGE,
    HISTORY_SIZE,
)
"""In the order in which they are shown."""
