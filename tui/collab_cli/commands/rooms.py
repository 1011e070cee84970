"""`collab rooms`: the rooms that a server keeps, who is there, how much is kept, when they changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from collab_cli.durations import utc_time
from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.humane import ago, counted, size
from collab_cli.office.office import asker
from collab_cli.settings.flags import OperatorFlags
from collab_cli.tables import print_json, print_table, write

_Room = dict[str, Any]

_ORDERS: Final[dict[str, Callable[[_Room], Any]]] = {
    "changed": lambda room: (-room["people"], -room["changed"], room["room"]),
    "name": lambda room: room["room"],
    "people": lambda room: (-room["people"], -room["connections"], room["room"]),
    "rows": lambda room: (-room["rows"], room["room"]),
    "size": lambda room: (-room["bytes"], room["room"]),
}


def run(place: OperatorFlags, *, sort: str, as_json: bool) -> int:
    """Print all rooms, as a table or as JSON; returns the exit code. Raises: CollabError."""
    order = _ORDERS.get(sort)
    if order is None:
        raise UsageError(f"--sort: {sort!r} is not one of {', '.join(_ORDERS)}")
    rooms = sorted(_all(place), key=order)
    if as_json:
        for each in rooms:
            each["created"], each["changed"] = utc_time(each["created"]), utc_time(each["changed"])
        print_json(rooms)
    elif rooms:
        now = time.time()
        heads = ("room", "id", "people", "rows", "size", "changed", "")
        print_table([heads, *(_row(each, now) for each in rooms)], right=(2, 3, 4))
        kept = sum(each["bytes"] for each in rooms)
        people = sum(each["people"] for each in rooms)
        write("")
        there = f"{people} {'person' if people == 1 else 'people'}"
        write(f"{counted(len(rooms), 'room')}, {size(kept)}; {there} in them")
    else:
        say("there are no rooms yet: whoever joins one makes it")
    return ExitCode.OK


def _all(place: OperatorFlags) -> list[_Room]:
    """A server tells some hundreds at a time."""
    ask = asker(place)
    rooms: list[_Room] = []
    while True:
        said = ask({"do": "rooms", "after": rooms[-1]["room"] if rooms else ""})
        rooms += said["rooms"]
        if not said["more"] or not said["rooms"]:
            return rooms


def _row(room: _Room, now: float) -> tuple[str, ...]:
    people = str(room["people"])
    if room["connections"] > room["people"]:
        people = f"{people} ({room['connections']})"
    return (
        room["room"],
        room["id"],
        people if room["connections"] else "-",
        str(room["rows"]),
        size(room["bytes"]),
        ago(room["changed"], now),
        "closed" if room["closed"] else "",
    )
