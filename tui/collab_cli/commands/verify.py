"""`collab verify`: whether all of a store, or of a backup, can be read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collab_cli.exits import CommandError, ExitCode, UsageError
from collab_cli.humane import counted, size
from collab_cli.paths import find_folders, full_path
from collab_cli.settings.serving import find_data_dir
from collab_cli.tables import write

if TYPE_CHECKING:
    from collab_server.store.verifying import FileFound, RoomFound


def run(what: Sequence[str], *, data_dir: Path | None, as_json: bool) -> int:
    """Read a store through; returns the exit code, 3 when something is wrong in it.

    Raises:
        CollabError: it cannot be read at all.
    """
    from collab_server.store.verifying import verify

    file, rooms = _file_and_rooms(what, data_dir)
    found = verify(file, rooms, on_room=_ignore if as_json else _print_faults)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(file, found)) + "\n")
    else:
        _print(file, found)
    return ExitCode.OK if found.is_right else ExitCode.REFUSED


def _file_and_rooms(what: Sequence[str], data_dir: Path | None) -> tuple[Path, Sequence[str]]:
    """Raises: CommandError."""
    from collab_server.store.verifying import STORE, store_in

    if what and ("/" in what[0] or what[0].endswith(".sqlite3")) and data_dir is None:
        try:
            file = full_path(Path(what[0]))
        except ValueError as error:
            raise UsageError(f"{what[0]!r} is not {error}") from error
        return store_in(file), what[1:]
    folder = find_data_dir(data_dir, find_folders(os.environ))
    try:
        (folder / STORE).stat()
    except FileNotFoundError as error:
        raise CommandError(f"no server has kept anything in {folder} yet", ExitCode.REFUSED) from error
    except OSError:
        pass  # it is told when it is opened
    return folder / STORE, what


def _ignore(_: RoomFound) -> None:
    """Say it all at the end."""


def _print_faults(room: RoomFound) -> None:
    for line in room.wrong:
        write(f"{room.room}: {line}")


def _print(file: Path, found: FileFound) -> None:
    for line in (*found.wrong, *found.altered):
        write(line)
    wrong = sum(bool(room.wrong) for room in found.rooms)
    texts = size(sum(room.text_bytes for room in found.rooms))
    rows = counted(sum(room.rows for room in found.rooms), "row")
    summary = f"{file}: {counted(len(found.rooms), 'room')} read, {texts} of text, {rows} of history: "
    if found.is_right:
        write(f"{summary}all of it is right")
    elif wrong:
        write(f"{summary}{counted(wrong, 'room')} {'is' if wrong == 1 else 'are'} wrong")
    else:
        write(f"{summary}the file is wrong")


def _as_json(file: Path, found: FileFound) -> dict[str, object]:
    return {
        "file": str(file),
        "format": found.version,
        "right": found.is_right,
        "wrong": [*found.wrong, *found.altered],
        "rooms": [
            {
                "room": room.room,
                "seq": room.seq,
                "rows": room.rows,
                "row_bytes": room.row_bytes,
                "snapshots": room.snapshots,
                "text_bytes": room.text_bytes,
                "wrong": room.wrong,
            }
            for room in found.rooms
        ],
    }
