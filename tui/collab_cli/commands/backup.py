"""`collab backup`: all rooms and keys of a server in one file."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from collab_cli import __version__
from collab_cli.durations import utc_time
from collab_cli.exits import ExitCode, say
from collab_cli.humane import counted, size
from collab_cli.paths import find_folders
from collab_cli.settings.serving import find_data_dir
from collab_cli.tables import write


def run(dest: Path, *, keep: int | None, data_dir: Path | None, as_json: bool) -> int:
    """Back up to `dest`; returns the exit code: 3 when the backup is there, and shows a fault of the store.

    Raises:
        CollabError: there is no backup; the text says why.
    """
    from collab_server.store.backup import back_up

    os.umask(0o077)
    folder = find_data_dir(data_dir, find_folders(os.environ))
    made = back_up(folder, dest, now=time.time(), version=__version__, keep=keep)
    rooms = made.found.rooms
    if as_json:
        note = {
            "file": str(made.path.absolute()),
            "bytes": made.size_bytes,
            "made_at": utc_time(made.note.made_at),
            "data_dir": made.note.data_dir,
            "format": made.found.version,
            "rooms": len(rooms),
            "rows": sum(room.rows for room in rooms),
            "keys": made.keys,
            "wrong": {room.room: room.wrong for room in rooms if room.wrong},
            "removed": [str(path.absolute()) for path in made.removed],
        }
        sys.stdout.write(json.dumps(note) + "\n")
    else:
        write(
            f"backed up {folder} to {made.path}: {counted(len(rooms), 'room')},"
            f" {size(made.size_bytes)}, read back"
        )
        for path in made.removed:
            write(f"removed {path}")
    wrong = [room for room in rooms if room.wrong]
    for room in wrong:
        say(f"room {room.room} was copied as it is, and is wrong: {room.wrong[0]}")
    if not wrong:
        return ExitCode.OK
    older = " and keep an older backup; none was removed" if keep is not None else " and keep an older backup"
    say(f"the server's own file has these faults: look at it with `collab verify`,{older}")
    return ExitCode.REFUSED
