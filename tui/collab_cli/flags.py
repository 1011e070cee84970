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
"""As in `collab_server.config.Caps`, which takes long to load."""

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


@dataclass(frozen=True, slots=True)
class JoinFlags:
    """What was typed after `collab join`."""

    target: str | None = None
    server: str | None = None
    name: str | None = None
    colour: int | None = None
    theme: str | None = None
    read_only: bool = False
    ascii: bool = False
    insecure: bool = False
    offline: bool = False
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
    insecure: bool = False
    auth: bool = False
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
    memory: bool = False
    private: bool = False
    idle_exit_s: float | None = None


@dataclass(frozen=True, slots=True)
class InviteFlags:
    """What was typed after `collab invite`."""

    room: str
    role: str = "write"
    expires: str | None = None
    reusable: bool = False
    name: str | None = None
    url: str | None = None
    data_dir: Path | None = None
    json: bool = False
