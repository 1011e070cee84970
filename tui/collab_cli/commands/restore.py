"""`collab restore`: a backup in the place of a server's rooms."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path

from collab_cli.asking import make_sure
from collab_cli.durations import local_time, utc_time
from collab_cli.exits import ExitCode, say
from collab_cli.humane import counted
from collab_cli.paths import find_folders
from collab_cli.settings.serving import find_data_dir
from collab_cli.tables import write


def run(backup: Path, *, may_be_damaged: bool, is_sure: bool, data_dir: Path | None, as_json: bool) -> int:
    """Restore `backup`; returns the exit code.

    Raises:
        CollabError: nothing was restored, and the folder is as it was; the text says why.
    """
    from collab_server.store.restoring import check_may_restore, restore

    os.umask(0o077)
    folder = find_data_dir(data_dir, find_folders(os.environ))
    note = check_may_restore(backup, folder)
    made = "" if note is None else f" of {local_time(note.made_at)}"
    make_sure(
        f"put {backup}{made} in the place of what is in {folder}?",
        is_sure,
        "nothing was restored",
        warning="What is there is set aside.",
    )
    done = restore(backup, folder, now=time.time(), may_be_damaged=may_be_damaged)
    for line in done.found.altered:
        say(line)
    for room in done.found.rooms:
        for line in room.wrong:
            say(f"{room.room}: {line}")
    if as_json:
        told = {
            "data_dir": str(folder),
            "made_at": None if done.note is None else utc_time(done.note.made_at),
            "format": done.found.version,
            "rooms": len(done.found.rooms),
            "keys": done.keys,
            "aside": None if done.aside is None else str(done.aside),
            "wrong": {room.room: room.wrong for room in done.found.rooms if room.wrong},
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return ExitCode.OK
    write(f"restored {counted(len(done.found.rooms), 'room')} to {folder}; start the server again")
    if done.aside is not None:
        back = ["collab", "restore", str(done.aside), *(["--data-dir", str(folder)] if data_dir else [])]
        write(f"what was there is in {done.aside}; to go back: {shlex.join(back)}")
    say("whoever was in a room brings back what they wrote since, of their last ten minutes")
    say(
        "what was revoked, banned, closed, deleted or forgotten since the backup is not any more: see"
        " `collab invites`, `collab rooms` and `collab admin bans`"
    )
    return ExitCode.OK
