"""`collab who`: who is in a room, what they do there, and how far away they are."""

from __future__ import annotations

import time
from typing import Any

from collab_cli.durations import utc_time
from collab_cli.exits import ExitCode, say
from collab_cli.humane import ago
from collab_cli.office.office import ask
from collab_cli.settings.flags import OperatorFlags
from collab_cli.tables import print_json, print_table
from collab_cli.targets import room_name


def run(place: OperatorFlags, room: str, *, as_json: bool) -> int:
    """Print who is in `room`, as a table or as JSON; returns the exit code. Raises: CollabError."""
    people: list[dict[str, Any]] = ask(place, {"do": "who", "room": room_name(room)})["people"]
    if as_json:
        for each in people:
            each["since"], each["expires"] = utc_time(each["since"]), utc_time(each["expires"])
        print_json(people)
    elif people:
        now = time.time()
        heads = ("name", "role", "session", "doing", "round trip", "came", "from", "who")
        print_table([heads, *(_row(each, now) for each in people)], right=(2, 4))
    else:
        say(f"nobody is in {room}")
    return ExitCode.OK


def _row(each: dict[str, Any], now: float) -> tuple[str, ...]:
    round_trip_ms = each["round_trip_ms"]
    # An admin of a room is not told addresses; "" is the Unix socket.
    way = "?" if each["address"] is None else each["address"] or "this machine"
    return (
        each["name"],
        each["role"],
        str(each["session"]),
        each["activity"] or "-",
        "-" if round_trip_ms is None else f"{round_trip_ms} ms",
        ago(each["since"], now),
        way,
        each["principal"],
    )
