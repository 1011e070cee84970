"""What was typed after a command, as values, and the numbers and choices that help texts name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 8765
DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_CONNECTIONS: Final = 10_000
DEFAULT_CONNECTIONS_PER_ADDRESS: Final = 64
DEFAULT_CONNECTIONS_PER_ROOM: Final = 256
DEFAULT_ACCEPT_RATE: Final = 200
DEFAULT_ROOMS: Final = 100_000
DEFAULT_LOADED_ROOMS: Final = 10_000
DEFAULT_ROOMS_PER_DAY: Final = 100
DEFAULT_MESSAGES_PER_SECOND: Final = 5_000
DEFAULT_BYTES_PER_SECOND: Final = 4 * 1024 * 1024
"""As in `collab_server.config.Caps`, which takes long to load."""

DEFAULT_MONITOR_HOST: Final = "127.0.0.1"
DEFAULT_SSH_GUESTS: Final = 32
"""Each of them is a process of some 20 MB."""

DEFAULT_SSH_IDLE_S: Final = 8 * 3600
DEFAULT_SSH_SESSION_S: Final = 24 * 3600

COLOURS: Final = 12
"""Colours that a room hands out (collab_server.room) and a screen draws (collab_tui.palette)."""


class Theme(StrEnum):
    """How the screen is coloured; AUTO is what suits the terminal."""

    AUTO = "auto"
    DARK = "dark"
    LIGHT = "light"
    HIGH_CONTRAST = "high-contrast"
    SIXTEEN = "16-colour"
    MONO = "mono"


class LogLevel(StrEnum):
    """What of its doings a server writes into its log: this, and all that is graver."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a server writes its log: lines for people, or JSON, an object a line."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class JoinFlags:
    """What was typed after `collab join`."""

    target: str | None = None
    server: str | None = None
    name: str | None = None
    colour: int | None = None
    theme: str | None = None
    read_only: bool | None = None
    ascii: bool | None = None
    insecure: bool = False
    offline: bool | None = None
    follow: str | None = None
    announce: str | None = None
    token_file: str | None = None


@dataclass(frozen=True, slots=True)
class ServeFlags:
    """What was typed after `collab serve`."""

    data_dir: Path | None = None
    host: str | None = None
    port: int | None = None
    unix: Path | None = None
    group: str | None = None
    ssh: str | None = None
    ssh_guests: int | None = None
    ssh_idle: str | None = None
    ssh_session: str | None = None
    insecure: bool | None = None
    auth: bool | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    url: str | None = None
    accept_rate: int | None = None
    connections: int | None = None
    connections_per_address: int | None = None
    connections_per_room: int | None = None
    rooms: int | None = None
    loaded_rooms: int | None = None
    rooms_per_day: int | None = None
    messages_per_second: int | None = None
    bytes_per_second: str | None = None
    room_bytes: str | None = None
    monitor: str | None = None
    log_level: str | None = None
    log_format: str | None = None
    history_age: str | None = None
    history_size: str | None = None
    memory: bool | None = None
    config: Path | None = None
    private: bool = False
    idle_exit_s: float | None = None


@dataclass(frozen=True, slots=True)
class OperatorFlags:
    """Which server a command of its operator is for: one of this machine, or `server`, by a token."""

    data_dir: Path | None = None
    server: str | None = None
    token_file: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class InviteFlags:
    """What was typed after `collab invite`."""

    room: str
    role: str = "write"
    expires: str | None = None
    reusable: bool = False
    name: str | None = None
    url: str | None = None
    place: OperatorFlags = OperatorFlags()
    json: bool = False
    ssh_key: str | None = None
