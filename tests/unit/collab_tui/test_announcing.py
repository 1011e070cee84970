"""What is announced, and how often."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from collab_client import status as say
from collab_client.chat import Line
from collab_client.lines import Position
from collab_client.people import Doing, News, Someone
from collab_client.status import Status
from collab_protocol.presence import Author, Role
from collab_tui.announcing import Announcing


class Time:
    """A clock, and timers that ring when it is set on."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), call))

    def pass_s(self, seconds: float) -> None:
        ends_at = self.now + seconds
        while self._due and self._due[0][0] <= ends_at:
            self.now, _, call = heapq.heappop(self._due)
            call()
        self.now = ends_at

    @property
    def is_idle(self) -> bool:
        return not self._due


class Room:
    """People in it, and what is announced of them."""

    def __init__(self) -> None:
        self.time = Time()
        self.said: list[str] = []
        self.people: dict[str, Someone] = {}
        self.announcing = Announcing(
            [self.said.append], everybody=self.people.values, later=self.time.later, clock=self.time
        )

    def does(
        self, name: str, doing: Doing, row: int | None = None, *, is_me: bool = False, tells: bool = True
    ) -> None:
        head = None if row is None else Position(row, 0)
        self.people[name] = Someone(
            f"account:{name}", name, 0, Role.WRITE, doing, (3,), head, is_me, False, None
        )
        if tells:
            self.announcing.people_changed()

    def status(self, *states: Status, kept: int = 0) -> None:
        for status in states:
            self.announcing.status_changed(status, kept)


@pytest.fixture
def room() -> Room:
    return Room()


def test_who_came_and_went(room: Room) -> None:
    room.announcing.came_or_went(News(("ana", "b\x1b[2Jo"), ("cy",)))
    assert room.said == ["ana joined", "b␛[2Jo joined", "cy left"]


def test_who_types_where(room: Room) -> None:
    room.does("ana", Doing.TYPING, 41)
    room.does("bo", Doing.SELECTING, 3)
    room.does("bo", Doing.TYPING)
    room.does("me", Doing.TYPING, 3, is_me=True)
    assert room.said == [], "their carets may still be on the way"
    room.time.pass_s(0.5)
    assert room.said == ["ana typing at line 42", "bo typing"]


def test_the_same_line_is_said_every_five_seconds_and_another_after_two(room: Room) -> None:
    room.does("ana", Doing.TYPING, 41)
    room.time.pass_s(0.4)
    assert room.said == ["ana typing at line 42"]
    room.time.pass_s(4.8)
    assert room.said == ["ana typing at line 42"]
    room.time.pass_s(0.2)
    assert room.said == ["ana typing at line 42"] * 2
    room.does("ana", Doing.TYPING, 99, tells=False)
    room.time.pass_s(1)
    assert len(room.said) == 2
    room.time.pass_s(1)
    assert room.said[2:] == ["ana typing at line 100"]
    room.does("ana", Doing.HERE, 99)
    room.time.pass_s(60)
    assert len(room.said) == 3
    assert room.time.is_idle, "while nobody types nothing wakes up"


def test_typing_that_goes_on_and_off_is_not_said_each_time(room: Room) -> None:
    for _ in range(5):
        room.does("ana", Doing.TYPING, 41)
        room.time.pass_s(0.5)
        room.does("ana", Doing.HERE, 41)
        room.time.pass_s(0.4)
    assert room.said == ["ana typing at line 42"]


def test_saved_is_said_when_typing_has_paused(room: Room) -> None:
    saved = say.saved(is_durable=True)
    for _ in range(20):
        room.status(say.saving(1), saved)
        room.time.pass_s(0.2)
    assert room.said == []
    room.time.pass_s(2)
    assert room.said == ["saved"]
    room.status(saved)
    room.time.pass_s(60)
    assert room.said == ["saved"]
    room.status(say.saving(1), saved)
    room.time.pass_s(2)
    assert room.said == ["saved", "saved"]
    for _ in range(20):  # each receipt comes before it is shown that one is lacking
        room.announcing.typed()
        room.time.pass_s(0.2)
    assert room.said == ["saved", "saved"]
    room.time.pass_s(2)
    assert room.said == ["saved", "saved", "saved"]


def test_offline_is_said_with_what_is_kept_and_not_each_second(room: Room) -> None:
    room.status(say.saved(is_durable=True))
    room.time.pass_s(2)
    for seconds in range(9, 0, -1):
        room.status(say.offline(0, seconds))
        room.time.pass_s(1)
    assert room.said == ["saved", "offline"]
    room.status(say.offline(4, 3, 3), kept=3)
    room.status(say.offline(4, 3, 4), kept=4)
    room.time.pass_s(2)
    room.status(say.offline(2, 3), kept=0)
    room.time.pass_s(2)
    room.status(say.offline(3, 3, 1), kept=1)
    room.time.pass_s(2)
    assert room.said[2:] == [
        "offline, 4 changes kept on this machine",
        "offline, 2 changes only in this window",
        "offline, 3 changes, 2 of them only in this window",
    ]
    room.status(say.connecting(), say.loading(), say.saved(is_durable=True))
    room.time.pass_s(2)
    assert room.said[-1] == "saved"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (say.saved(is_durable=False), "shared, not stored"),
        (say.busy(1, 3, 1), "server busy, 1 change kept on this machine"),
        (say.refused(0, "the room was removed"), "the room was removed"),
        (say.connecting(), None),
    ],
)
def test_other_states(status: Status, words: str | None, room: Room) -> None:
    room.status(status, kept=status.unsaved)
    room.time.pass_s(2)
    assert room.said == ([] if words is None else [words])


def test_chat_and_who_asks_to_look(room: Room) -> None:
    author = Author("account:ana", "ana", 0)
    room.announcing.chatted(Line(1, 0.0, author, "look\nthere \u202e now", is_mine=False))
    room.announcing.asked_to_look("ana", 2)
    room.announcing.asked_to_look("ana", None)
    assert room.said == [
        "chat from ana: look there ⨯ now",
        "ana asks you to look at line 3",
        "ana asks you to look where they are",
    ]
