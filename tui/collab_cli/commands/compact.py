"""`collab admin compact`: history that goes, shown first."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from collab_cli.asking import make_sure
from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.humane import counted, size
from collab_cli.office.office import ask
from collab_cli.settings.flags import OperatorFlags
from collab_cli.settings.values import short_repr, size_bytes
from collab_cli.tables import print_table, write
from collab_cli.targets import room_name


def run(
    rooms: Sequence[str],
    *,
    older: str | None,
    larger: str | None,
    is_dry: bool,
    is_sure: bool,
    flags: OperatorFlags,
    as_json: bool,
) -> int:
    """Show what history would go, ask, and remove it; returns the exit code: 3 when some had to stay.

    Raises:
        CollabError: it cannot be done; the text says why.
    """
    if as_json and not (is_dry or is_sure):
        raise UsageError("--json asks nobody: add --dry-run, or --yes")
    older_s, larger_bytes = _limits(older, larger, flags)
    request: dict[str, Any] = {
        "do": "compact",
        "rooms": [room_name(room) for room in rooms] or None,
        "older_s": older_s,
        "larger_bytes": larger_bytes,
    }
    if not (as_json and is_sure and not is_dry):
        would = ask(flags, request | {"dry_run": True})
        if as_json:
            _print_json(would)
            return ExitCode.OK
        if not would["rooms"]:
            say(f"no history is {_beyond(would)}")
            return ExitCode.OK
        _print(would)
        if is_dry:
            return ExitCode.OK
        make_sure("remove it? Texts stay, and who wrote what.", is_sure, "nothing was removed")
    done = ask(flags, request)
    if as_json:
        _print_json(done)
    else:
        _tell(done)
    kept = [each for each in done["rooms"] if each["why"]]
    for each in kept:
        say(f"not all of {each['room']} went: {each['why']}")
    return ExitCode.REFUSED if kept else ExitCode.OK


def _limits(older: str | None, larger: str | None, flags: OperatorFlags) -> tuple[int | None, int | None]:
    """Return what was typed; else None for a server that runs to say, or what it would say if it did not.

    Raises:
        UsageError: it is no time, or no size.
    """
    if older is not None or larger is not None:
        older_s = None if older is None else parse_duration_s(older, "--older")
        try:
            return older_s, None if larger is None else size_bytes(larger)
        except ValueError as error:
            raise UsageError(f"--larger: {short_repr(larger)} is not {error}") from error
    if flags.server is not None:
        return None, None
    from collab_cli.local_server import read_endpoints
    from collab_cli.paths import find_folders
    from collab_cli.settings.serving import find_data_dir, find_history

    folders = find_folders(os.environ)
    if read_endpoints(find_data_dir(flags.data_dir, folders)) is not None:
        return None, None
    return find_history(folders, os.environ)


def _beyond(said: Mapping[str, Any]) -> str:
    limits = []
    if said["older_s"] is not None:
        limits.append(f"older than {said['older_s'] / 86_400:g} days")
    if said["larger_bytes"] is not None:
        limits.append(f"beyond {size(said['larger_bytes'])} of a room")
    return " or ".join(limits)


def _print(would: Mapping[str, Any]) -> None:
    write(f"history {_beyond(would)}:")
    rows = [
        (
            each["room"],
            str(each["rows"]),
            size(each["bytes"]),
            local_time(each["from"]),
            local_time(each["to"]),
            f"{counted(each['kept_rows'], 'row')}, {size(each['kept_bytes'])}",
        )
        for each in would["rooms"]
    ]
    print_table([("room", "rows", "size", "from", "to", "stays"), *rows])


def _tell(done: Mapping[str, Any]) -> None:
    rows, gone = sum(each["rows"] for each in done["rooms"]), sum(each["bytes"] for each in done["rooms"])
    before, after, free = done["file_bytes_before"], done["file_bytes"], done["free_bytes"]
    write(
        f"removed {counted(rows, 'row')} of history, {size(gone)}; the file had {size(before)}"
        f" and has {size(after)}"
    )
    if after >= before and free > after // 10:
        say(
            f"{size(free)} of it are free for what comes next; the disk gets them back when you do"
            " this with no server running"
        )


def _print_json(said: Mapping[str, Any]) -> None:
    rooms = [each | {"from": utc_time(each["from"]), "to": utc_time(each["to"])} for each in said["rooms"]]
    sys.stdout.write(json.dumps(dict(said) | {"rooms": rooms}) + "\n")
