"""What happened between two answers of a server, by the second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from collab_tui.top.figures import Figures, RoomFigures


class Measure(StrEnum):
    """What is drawn as a curve."""

    UPDATES = "updates"
    RECEIPTS = "receipts"
    BYTES_IN = "in"
    BYTES_OUT = "out"
    REFUSED = "refused"
    HOSTILE = "hostile"
    RECEIPT_P99 = "receipt"
    COMMIT_P99 = "commit"
    STALL = "stalls"
    LAGGING = "lagging"


COUNTERS: Final[Mapping[Measure, str]] = {
    Measure.UPDATES: "collab_updates_total",
    Measure.RECEIPTS: "collab_receipts_total",
    Measure.BYTES_IN: "collab_received_bytes_total",
    Measure.BYTES_OUT: "collab_sent_bytes_total",
    Measure.REFUSED: "collab_refusals_total",
    Measure.HOSTILE: "collab_hostile_messages_total",
}
"""As the server's metrics are called."""


@dataclass(frozen=True, slots=True)
class RoomRates:
    """What came into one room, by the second."""

    updates: float | None = None
    bytes_in: float | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened on a server, by the second; what is not known is None, or not there."""

    measures: Mapping[Measure, float | None] = field(default_factory=dict)
    cpu: float | None = None
    """Of one core."""
    rooms: Mapping[str, RoomRates] = field(default_factory=dict)

    def of(self, measure: Measure) -> float | None:
        return self.measures.get(measure)

    def of_room(self, room: str) -> RoomRates:
        return self.rooms.get(room, _NOTHING_KNOWN)


_NOTHING_KNOWN: Final = RoomRates()


def rates_between(before: Figures | None, after: Figures, seconds: float) -> Rates:
    """Return what happened in the `seconds` between two answers.

    Of a server that was started anew meanwhile nothing is known but how it is.
    """
    is_same = before is not None and (before.pid, before.started) == (after.pid, after.started)
    measures: dict[Measure, float | None] = {
        Measure.RECEIPT_P99: after.receipt.p99,
        Measure.COMMIT_P99: after.commit.p99,
        Measure.STALL: after.stall.p99 if after.stall.most is None else after.stall.most,
        Measure.LAGGING: sum(room.lagging for room in after.rooms),
    }
    if before is None or not is_same or seconds <= 0:
        return Rates(measures)
    for measure, name in COUNTERS.items():
        measures[measure] = _rate(before.counters.get(name), after.counters.get(name), seconds)
    rooms_before = {room.room: room for room in before.rooms}
    are_all_told = len(before.rooms) == before.rooms_loaded
    return Rates(
        measures,
        _rate(before.cpu_s, after.cpu_s, seconds),
        {
            room.room: _room_rates(rooms_before.get(room.room), room, seconds)
            for room in after.rooms
            if are_all_told or room.room in rooms_before
        },
    )


def _room_rates(before: RoomFigures | None, after: RoomFigures, seconds: float) -> RoomRates:
    """Return its rates; a room that was loaded meanwhile counts from 0, and one that was loaded anew too."""
    updates, bytes_in = (0, 0) if before is None else (before.updates, before.bytes_in)
    if after.updates < updates or after.bytes_in < bytes_in:
        updates = bytes_in = 0
    return RoomRates((after.updates - updates) / seconds, (after.bytes_in - bytes_in) / seconds)


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    if before is None or after is None or after < before:
        return None
    return (after - before) / seconds
