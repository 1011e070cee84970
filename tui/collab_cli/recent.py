"""The rooms that this account joined last, newest first: one target a line, as one would type it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from collab_cli.paths import make_folder
from collab_protocol.errors import CollabError

_KEPT: Final = 50


def recent_rooms(file: Path) -> list[str]:
    """Return what was joined, newest first; nothing if there is no such file or it cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in lines if line.strip()]


def remember_room(file: Path, target: str) -> None:
    """Put `target` first. A list that cannot be written is no reason to keep anybody from a room."""
    rooms = [target, *(each for each in recent_rooms(file) if each != target)][:_KEPT]
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    with contextlib.suppress(OSError, CollabError):
        make_folder(file.parent)
        draft.write_text("\n".join(rooms) + "\n", encoding="utf-8")
        draft.replace(file)
