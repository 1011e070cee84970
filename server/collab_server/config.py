"""A server's settings, as values; `collab_cli.settings` reads them from flags, environment and file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from collab_protocol.limits import RoomLimits


@dataclass(frozen=True, slots=True)
class Caps:
    """How much of everything a server takes on; what is refused beyond says which of these it was.

    Per second and per day are rates of a token bucket. `connections_per_address` is for TCP;
    `messages_per_s` and `bytes_per_s` are of one connection, which is read no faster than that;
    `reassembly_bytes` are of messages in Parts, of all connections together, and `large_bytes` of texts that
    wait for them; `rooms_per_day` are new ones
    of one principal.
    """

    connections: int = 10_000
    connections_per_address: int = 64
    connections_per_room: int = 256
    accepts_per_s: float = 200.0
    rooms: int = 100_000
    loaded_rooms: int = 10_000
    rooms_per_day: int = 100
    messages_per_s: int = 5_000
    bytes_per_s: int = 4 * 1024 * 1024
    reassembly_bytes: int = 256 * 1024 * 1024
    large_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HistoryLimits:
    """How much of a room's log is kept beside its text: what is older or beyond may go. None: nothing may."""

    age_s: float | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a server listens, who may come in, and what it keeps.

    Its Unix socket is always offered, to its own account and to those of `unix_group` (a gid). TCP is added
    by `port` (0 draws one) and wants `auth` (a token of whoever comes) or `insecure`, and beyond loopback
    TLS by `tls_cert` and `tls_key`, or `trusted_proxies` (addresses or networks) that have it. `origins`:
    web pages that may connect. `url`: what invite links begin with, as in wss://example.org. `memory`:
    nothing is stored. `idle_exit_s`: end when nobody has been connected for so long. `monitor`: address and
    port of health checks and metrics; None for none.
    """

    data_dir: Path
    unix_path: Path
    host: str | None
    port: int | None
    insecure: bool
    memory: bool
    idle_exit_s: float | None
    version: str
    auth: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    url: str | None = None
    room_idle_s: float = 60.0
    room_limits: RoomLimits = field(default_factory=RoomLimits)
    caps: Caps = field(default_factory=Caps)
    monitor: tuple[str, int] | None = None
    history: HistoryLimits = field(default_factory=HistoryLimits)
    unix_group: int | None = None

    @property
    def limits(self) -> RoomLimits:
        """What is allowed in one room."""
        people = min(self.caps.connections_per_room, self.room_limits.people)
        return replace(self.room_limits, people=people)

    @property
    def keys_file(self) -> Path:
        """Where the secrets are that tokens are signed with."""
        return self.data_dir / "keys"
