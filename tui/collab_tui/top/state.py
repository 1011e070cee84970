"""What `collab top` knows and how it is looked at; no drawing, no asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from collab_tui.top.columns import Sort, in_order
from collab_tui.top.curves import History
from collab_tui.top.figures import Figures, PersonFigures, RoomFigures
from collab_tui.top.rates import Rates, rates_between

INTERVALS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)

_LATE_S: Final = 2.5
"""So long after the next answer was due, figures are old."""

_WHY_MOST: Final = 400
"""A server may say anything."""


class Page(Enum):
    """What the lower part of the screen shows."""

    ROOMS = auto()
    PEOPLE = auto()
    HELP = auto()


@dataclass(frozen=True, slots=True)
class Look:
    """One answer of the server, and what it says together with those before. `at` is seconds, monotonic."""

    figures: Figures
    rates: Rates
    at: float
    clock: str
    """When it came, as a clock shows it."""


class TopState:
    """Changes with each answer and each key. Times are monotonic seconds of one clock."""

    def __init__(self, *, interval_s: float = 1.0) -> None:
        self.interval_s = interval_s
        self.latest: Look | None = None
        self.held: Look | None = None
        """What is shown while it is paused."""
        self.history = History()
        self.trouble = ""
        """Why the last question was not answered; empty when it was."""
        self.page = Page.ROOMS
        self.sort = Sort.UPDATES
        self.is_reversed = False
        self.filter = ""
        self.chosen: str | None = None
        """The room that the person went to; None for the first one, whichever that is."""
        self.room = ""
        """Whose people are shown."""
        self.people: Sequence[PersonFigures] | None = None
        """None before they are known."""
        self.top = 0
        """The first row of the table that is in view."""
        self.help_top = self.people_top = 0

    # -- what the server says

    def heard(self, figures: Figures, at: float, clock: str) -> None:
        """Take an answer that came at `at`."""
        before = self.latest
        rates = rates_between(
            None if before is None else before.figures, figures, 0.0 if before is None else at - before.at
        )
        self.latest = Look(figures, rates, at, clock)
        self.trouble = ""
        self.history.add(at, rates)

    def heard_people(self, room: str, people: Sequence[PersonFigures]) -> None:
        """Take who is in `room`, if that is still asked for."""
        if room == self.room:
            self.people = sorted(people, key=lambda one: (one.name.casefold(), one.since))

    def failed(self, why: str) -> None:
        """Take note that the server did not answer."""
        self.trouble = why[:_WHY_MOST]

    # -- what is seen

    @property
    def is_paused(self) -> bool:
        return self.held is not None

    @property
    def shown(self) -> Look | None:
        """The figures on the screen."""
        return self.held or self.latest

    def is_old(self, now: float) -> bool:
        """Tell whether the figures are not those of now, though they should be."""
        return bool(self.trouble) or (
            self.latest is not None and now - self.latest.at > self.interval_s + _LATE_S
        )

    def rooms(self) -> list[RoomFigures]:
        """Return the rooms that the filter lets through, in order."""
        if self.shown is None:
            return []
        sought = self.filter.casefold()
        rooms = [
            room
            for room in self.shown.figures.rooms
            if sought in room.room.casefold() or room.id.startswith(sought)
        ]
        return in_order(rooms, self.shown.rates, self.sort, is_reversed=self.is_reversed)

    def chosen_at(self, rooms: Sequence[RoomFigures]) -> int:
        """Return which of `rooms` is chosen."""
        return next((at for at, room in enumerate(rooms) if room.room == self.chosen), 0)

    # -- what a person does

    def sort_by(self, sort: Sort) -> None:
        """Sort by it; the other way round when it is so already."""
        self.is_reversed = sort is self.sort and not self.is_reversed
        self.sort = sort

    def choose(self, at: int) -> None:
        """Go to one of the rooms that are listed."""
        rooms = self.rooms()
        if rooms:
            at = max(0, min(at, len(rooms) - 1))
            self.chosen = rooms[at].room if at else None

    def move(self, step: int) -> None:
        """Go `step` rooms on."""
        self.choose(self.chosen_at(self.rooms()) + step)

    def open_room(self) -> bool:
        """Show who is in the room that is chosen; returns whether there is one."""
        rooms = self.rooms()
        if not rooms:
            return False
        self.room = rooms[self.chosen_at(rooms)].room
        self.chosen = self.room
        self.people, self.people_top = None, 0
        self.page = Page.PEOPLE
        return True

    def toggle_pause(self) -> None:
        """Hold what is shown, or go on."""
        self.held = None if self.is_paused else self.latest

    def change_interval(self, step: int) -> None:
        """Ask more seldom, or more often."""
        at = min(range(len(INTERVALS_S)), key=lambda n: abs(INTERVALS_S[n] - self.interval_s))
        self.interval_s = INTERVALS_S[max(0, min(at + step, len(INTERVALS_S) - 1))]
