"""`collab status`: rooms with changes on this machine that no server has yet."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from collab_cli.durations import local_time
from collab_cli.exits import ExitCode, say
from collab_cli.paths import Folders, find_folders
from collab_client.journal import unsent_journals
from collab_client.journal_steps import Unsent


def run(*, as_json: bool) -> int:
    """Print the list, as lines or as JSON; what cannot be read is said on stderr. Returns the exit code."""
    folders = find_folders(os.environ)
    found, complaints = unsent_journals(folders.journals)
    for complaint in complaints:
        say(complaint)
    if as_json:
        sys.stdout.write(json.dumps([_as_json(folders, path, unsent) for path, unsent in found]) + "\n")
    else:
        sys.stdout.write("".join(f"{_as_line(folders, unsent)}\n" for _, unsent in found))
        if not found and not complaints:
            sys.stdout.write("everything that was typed on this machine is on a server\n")
    return ExitCode.INTERNAL if complaints else ExitCode.OK


def _as_line(folders: Folders, unsent: Unsent) -> str:
    changes = "1 change" if unsent.rows == 1 else f"{unsent.rows} changes"
    since = "" if unsent.since is None else f" since {local_time(unsent.since)}"
    return f"{unsent.origin.room}: {changes} not saved{since}; to send: {_command(folders, unsent)}"


def _as_json(folders: Folders, path: Path, unsent: Unsent) -> dict[str, object]:
    since = None if unsent.since is None else datetime.fromtimestamp(unsent.since, UTC).isoformat()
    return {
        "room": unsent.origin.room,
        "server": None if _is_local(folders, unsent) else unsent.origin.server,
        "changes": unsent.rows,
        "since": since,
        "journal": str(path),
    }


def _command(folders: Folders, unsent: Unsent) -> str:
    room, server = unsent.origin.room, unsent.origin.server
    there = [] if _is_local(folders, unsent) else ["--server", server]
    return shlex.join(["collab", "join", room, *there])


def _is_local(folders: Folders, unsent: Unsent) -> bool:
    return unsent.origin.server == str(folders.data)
