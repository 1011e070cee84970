"""A server's settings, as values; `collab_cli.config` reads them from flags, environment and file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from collab_protocol.limits import RoomLimits


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a server listens and what it keeps.

    Its Unix socket is always offered; TCP is added by `port` (0 draws one), on loopback and with
    `insecure` only while there are no tokens. `memory`: nothing is stored. `idle_exit_s`: end when
    nobody has been connected for so long.
    """

    data_dir: Path
    unix_path: Path
    host: str | None
    port: int | None
    insecure: bool
    memory: bool
    idle_exit_s: float | None
    version: str
    room_idle_s: float = 60.0
    room_limits: RoomLimits = field(default_factory=RoomLimits)
