"""What `serve` tells the door: one JSON line on its stdin, which stays open as long as `serve` lives."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

READY: Final = "ready"
"""The first word that the door says on its stdout, before the fingerprint of its key."""

WRONG: Final = "wrong"
"""The same, before what keeps it from opening."""


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """Where the door listens (descriptors that it inherits), whom it lets in, and for how long."""

    listeners: tuple[int, ...]
    data_dir: str
    unix_path: str
    come_again: str
    """What guests type, with ROOM in the place of the room."""
    has_auth: bool
    guests: int
    idle_s: int
    session_s: int
    log_level: str
    log_format: str
    log_key: str
    """What the log's ids of rooms are made with, in hex: they are those of `serve`."""

    @property
    def folder(self) -> Path:
        """Where the host key, the keys of guests and their folders are."""
        return ssh_folder(Path(self.data_dir))

    @property
    def guests_folder(self) -> Path:
        return self.folder / "guests"

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        fields = json.loads(line)
        return cls(**{**fields, "listeners": tuple(fields["listeners"])})


def ssh_folder(data_dir: Path) -> Path:
    """Return where a server keeps what belongs to its guests over SSH."""
    return data_dir / "ssh"


def keys_file(data_dir: Path) -> Path:
    """Return where the keys of guests are listed."""
    return ssh_folder(data_dir) / "authorized_keys"
