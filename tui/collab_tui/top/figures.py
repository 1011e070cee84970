"""What a server says of itself, as values: its answers to "figures" and "who", checked.

It may be a server of another version, or no friend: what has another shape is refused as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from collab_protocol.errors import CollabError

_ROOMS_MOST: Final = 500
_PEOPLE_MOST: Final = 10_000
_TEXT_MOST: Final = 400
_NUMBER_MOST: Final = 10**18


class FiguresError(CollabError):
    """The server's answer is none that is known here."""

    def __init__(self) -> None:
        super().__init__("the server's figures make no sense: upgrade collab, here or there")


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in seconds; None: there was none of it."""

    p50: float | None = None
    p99: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class RoomFigures:
    """One room that is loaded. `updates` and `bytes_in` are counted since it was."""

    room: str
    id: str
    people: int
    connections: int
    lagging: int
    seq: int
    text_bytes: int
    updates: int
    bytes_in: int
    oldest_unsettled_s: float
    """How long the oldest update waits for the disk."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a server is. `counters` only grow, from its start on."""

    version: str
    pid: int
    started: float
    now: float
    up_s: float
    """For how long it has been running, whatever became of its clock."""
    memory_bytes: int
    cpu_s: float
    connections: int
    people: int
    rooms_loaded: int
    rooms_stored: int | None
    trouble: str
    is_ready: bool
    counters: Mapping[str, float]
    receipt: Spread
    commit: Spread
    stall: Spread
    store_bytes: int | None
    free_bytes: int | None
    rooms: tuple[RoomFigures, ...]

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> Self:
        """Return the answer to "figures" as values. Raises: FiguresError."""
        try:
            return cls(
                version=_text(answer["version"]),
                pid=_count(answer["pid"]),
                started=_number(answer["started"]),
                now=_number(answer["now"]),
                up_s=_number(answer["up_s"]),
                memory_bytes=_count(answer["memory_bytes"]),
                cpu_s=_number(answer["cpu_s"]),
                connections=_count(answer["connections"]),
                people=_count(answer["people"]),
                rooms_loaded=_count(answer["rooms_loaded"]),
                rooms_stored=_count_if_any(answer["rooms_stored"]),
                trouble=_text(answer["trouble"]),
                is_ready=answer["ready"] is True,
                counters={_text(name): _number(value) for name, value in answer["counters"].items()},
                receipt=_spread(answer["receipt_s"]),
                commit=_spread(answer["commit_s"]),
                stall=_spread(answer["stall_s"]),
                store_bytes=_count_if_any(answer["store_bytes"]),
                free_bytes=_count_if_any(answer["free_bytes"]),
                rooms=tuple(map(_room, answer["rooms"][:_ROOMS_MOST])),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FiguresError from error


@dataclass(frozen=True, slots=True)
class PersonFigures:
    """One window of somebody in a room; what is not known of it is "" or None."""

    name: str
    principal: str
    role: str
    since: float
    activity: str
    round_trip_s: float | None
    address: str
    """Where it came from; empty for this machine."""


def parse_people(answer: Mapping[str, Any]) -> tuple[PersonFigures, ...]:
    """Return the answer to "who" as values. Raises: FiguresError."""
    try:
        return tuple(map(_person, answer["people"][:_PEOPLE_MOST]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FiguresError from error


def _person(said: Mapping[str, Any]) -> PersonFigures:
    round_trip_ms = _number_if_any(said["round_trip_ms"])
    return PersonFigures(
        name=_text(said["name"]),
        principal=_text(said["principal"]),
        role=_text(said["role"]),
        since=_number(said["since"]),
        activity=_text(said["activity"] or ""),
        round_trip_s=None if round_trip_ms is None else round_trip_ms / 1000,
        address=_text(said["address"] or ""),
    )


def _room(said: Mapping[str, Any]) -> RoomFigures:
    return RoomFigures(
        room=_text(said["room"]),
        id=_text(said["id"]),
        people=_count(said["people"]),
        connections=_count(said["connections"]),
        lagging=_count(said["lagging"]),
        seq=_count(said["seq"]),
        text_bytes=_count(said["text_bytes"]),
        updates=_count(said["updates"]),
        bytes_in=_count(said["bytes_in"]),
        oldest_unsettled_s=_number(said["oldest_unsettled_s"]),
    )


def _spread(said: Mapping[str, Any] | None) -> Spread:
    if said is None:
        return Spread()
    return Spread(*(_number_if_any(said.get(name)) for name in ("p50", "p99", "max")))


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError
    return said[:_TEXT_MOST]


def _number(said: object) -> float:
    """Return a number that is not below 0. Raises: TypeError, ValueError."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TypeError
    if not 0 <= said < math.inf:
        raise ValueError
    return float(min(said, _NUMBER_MOST))  # of whole ones there are some that are too large for a float


def _count(said: object) -> int:
    return int(_number(said))


def _number_if_any(said: object) -> float | None:
    return None if said is None else _number(said)


def _count_if_any(said: object) -> int | None:
    return None if said is None else _count(said)
