"""`collab admin`: who is in the rooms of this server, sending people away, closing rooms, new keys."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import CommandError, ExitCode, say
from collab_cli.office import ask_office
from collab_cli.paths import find_folders
from collab_cli.serving import find_data_dir
from collab_cli.tables import print_table, write
from collab_cli.targets import room_name


def kick(room: str, who: str, *, ban_for: str | None, data_dir: Path | None) -> int:
    """Send somebody away, and keep them out for as long as `ban_for` says; returns the exit code.

    Raises:
        CollabError: nobody was; the text says why.
    """
    ban_s = 0 if ban_for is None else parse_duration_s(ban_for, "--for")
    done = _ask(data_dir, {"do": "kick", "room": room_name(room), "who": who, "ban_s": ban_s})
    if not done["ended"]:
        raise CommandError(f"nobody called {who} is in {room}", ExitCode.REFUSED)
    windows = "" if done["ended"] == 1 else f" ({done['ended']} sessions)"
    out = "" if ban_for is None else f", and may not come back for {ban_for.strip()}"
    write(f"{who} was sent away from {room}{windows}{out}")
    return ExitCode.OK


def bans(room: str | None, *, data_dir: Path | None, as_json: bool) -> int:
    """Print who may not come in for a time; returns the exit code. Raises: CollabError."""
    if room is not None:
        room_name(room)
    found: list[dict[str, Any]] = _ask(data_dir, {"do": "bans", "room": room})["bans"]
    found = [each for each in found if room in (None, each["room"])]
    if as_json:
        sys.stdout.write(json.dumps([each | {"until": utc_time(each["until"])} for each in found]) + "\n")
    elif found:
        rows = [(each["room"], each["name"], local_time(each["until"]), each["who"]) for each in found]
        print_table([("room", "name", "until", "who"), *rows])
    else:
        say(f"nobody is banned{'' if room is None else f' from {room}'}")
    return ExitCode.OK


def unban(room: str, who: str, *, data_dir: Path | None) -> int:
    """Let somebody in again; returns the exit code. Raises: CollabError."""
    _ask(data_dir, {"do": "unban", "room": room_name(room), "who": who})
    write(f"{who} may come into {room} again")
    return ExitCode.OK


def set_closed(room: str, *, is_closed: bool, data_dir: Path | None) -> int:
    """Close a room to all but admins, or open it again; returns the exit code. Raises: CollabError."""
    _ask(data_dir, {"do": "close" if is_closed else "open", "room": room_name(room)})
    write(f"{room} is {'closed to all but admins' if is_closed else 'open'}")
    return ExitCode.OK


def sessions(room: str | None, *, data_dir: Path | None, as_json: bool) -> int:
    """Print who is connected; returns the exit code. Raises: CollabError."""
    if room is not None:
        room_name(room)
    found: list[dict[str, Any]] = _ask(data_dir, {"do": "sessions", "room": room})["sessions"]
    if as_json:
        for each in found:
            each["since"], each["expires"] = utc_time(each["since"]), utc_time(each["expires"])
        sys.stdout.write(json.dumps(found) + "\n")
    elif found:
        print_table([("session", "room", "name", "who", "role", "since", "ends"), *map(_row, found)])
    else:
        say(f"nobody is connected{'' if room is None else f' to {room}'}")
    return ExitCode.OK


def rotate_keys(*, data_dir: Path | None) -> int:
    """Sign with a new key from now on; returns the exit code. Raises: CollabError."""
    kid = _ask(data_dir, {"do": "rotate-keys"})["kid"]
    write(f"tokens are signed with key {kid} from now on; the key before stays good until you do this again")
    return ExitCode.OK


def _ask(data_dir: Path | None, request: Mapping[str, Any]) -> dict[str, Any]:
    folders = find_folders(os.environ)
    return ask_office(folders, find_data_dir(data_dir, folders), request)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    ends = each["expires"]
    return (
        str(each["session"]),
        each["room"],
        each["name"],
        each["principal"],
        each["role"],
        local_time(each["since"]),
        "-" if ends is None else local_time(ends),
    )
