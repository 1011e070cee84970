"""The columns of the table of rooms: what stands in them, how wide they are, and how they sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from collab_tui.top import units
from collab_tui.top.figures import RoomFigures
from collab_tui.top.rates import Rates, RoomRates

GAP: Final = 2
_NAME_LEAST: Final = 14
_NAME_MOST: Final = 48


class Sort(StrEnum):
    """What the table is sorted by; the value is the key that says so."""

    UPDATES = "u"
    PEOPLE = "p"
    LAGGING = "l"
    SIZE = "m"
    BYTES = "b"
    WAIT = "w"
    NAME = "n"


@dataclass(frozen=True, slots=True)
class Column:
    """One column beside the name. `draw(room, rates)` is what stands there, to the right."""

    title: str
    cells: int
    draw: Callable[[RoomFigures, RoomRates], str]
    sort: Sort | None = None
    is_alarming: Callable[[RoomFigures], bool] = lambda _: False


_WAIT_ALARMS_S: Final = 1.0

PEOPLE: Final = Column("people", 7, lambda room, _: units.count(room.people), Sort.PEOPLE)
CONNECTIONS: Final = Column("conns", 6, lambda room, _: units.count(room.connections))
UPDATES: Final = Column("upd/s", 6, lambda _, rates: units.rate(rates.updates), Sort.UPDATES)
BYTES: Final = Column("in/s", 8, lambda _, rates: units.size(rates.bytes_in), Sort.BYTES)
LAGGING: Final = Column(
    "lag", 4, lambda room, _: units.count(room.lagging), Sort.LAGGING, lambda room: room.lagging > 0
)
WAIT: Final = Column(
    "waits",
    7,
    lambda room, _: units.latency(room.oldest_unsettled_s) if room.oldest_unsettled_s else "-",
    Sort.WAIT,
    lambda room: room.oldest_unsettled_s >= _WAIT_ALARMS_S,
)
SIZE: Final = Column("text", 8, lambda room, _: units.size(room.text_bytes), Sort.SIZE)
SEQ: Final = Column("seq", 8, lambda room, _: units.count(room.seq))
ID: Final = Column("id", 8, lambda room, _: room.id)

ALL: Final = (ID, PEOPLE, CONNECTIONS, UPDATES, BYTES, LAGGING, WAIT, SIZE, SEQ)
_BY_IMPORTANCE: Final = (PEOPLE, UPDATES, LAGGING, BYTES, SIZE, WAIT, CONNECTIONS, ID, SEQ)


def fitting(width: int) -> tuple[int, list[Column]]:
    """Return how wide names are in `width` cells, and the columns that there is room for beside them."""
    left = width - _NAME_LEAST
    chosen: set[str] = set()
    for column in _BY_IMPORTANCE:
        left -= GAP + column.cells
        if left < 0:
            break
        chosen.add(column.title)
    columns = [column for column in ALL if column.title in chosen]
    name = width - sum(GAP + column.cells for column in columns)
    return max(1, min(name, _NAME_MOST)), columns


def in_order(
    rooms: Iterable[RoomFigures], rates: Rates, sort: Sort, *, is_reversed: bool
) -> list[RoomFigures]:
    """Return `rooms`, the largest first, or in the order of the alphabet; equal ones by name."""
    by_name = sorted(rooms, key=lambda room: (room.room.casefold(), room.room))
    if sort is Sort.NAME:
        return by_name[::-1] if is_reversed else by_name
    value = _VALUES[sort]
    return sorted(by_name, key=lambda room: value(room, rates.of_room(room.room)), reverse=not is_reversed)


_VALUES: Final[dict[Sort, Callable[[RoomFigures, RoomRates], float]]] = {
    Sort.UPDATES: lambda room, rates: rates.updates or 0.0,
    Sort.PEOPLE: lambda room, _: room.people,
    Sort.LAGGING: lambda room, _: room.lagging,
    Sort.SIZE: lambda room, _: room.text_bytes,
    Sort.BYTES: lambda room, rates: rates.bytes_in or 0.0,
    Sort.WAIT: lambda room, _: room.oldest_unsettled_s,
}
