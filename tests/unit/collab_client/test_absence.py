from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from collab_client.absence import Absence
from collab_client.away import Away, Digest
from collab_client.listeners import Listeners
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import AskAuthors, Authors, Sync, Welcome
from collab_protocol.presence import Author, Role
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE

ANA, ME = Author("unix:ana", "ana", 3), Author("unix:me", "me", 0)


class Notes:
    """Writes down what an `Away` is told, and has changes to tell of when `asks`."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.asks: int | None = None
        self.unsent_rows: list[tuple[int, int]] = []

    def left(self, now: float, seq: int) -> None:
        self.told.append(("left", now, seq))

    def back(self, now: float, seq: int) -> int | None:
        self.told.append(("back", now, seq))
        return self.asks

    def unsent(self, rows: Iterable[tuple[int, int]]) -> None:
        self.unsent_rows += rows

    def authors(self, people: tuple[Author, ...]) -> Digest:
        return Digest(1, 0, people, 0, 60.0)


class Stage:
    """An absence with a server that is played by the test."""

    def __init__(
        self, *, last_here: float | None = None, version: int = 3, lineage: bytes | None = b"l" * 16
    ) -> None:
        self.now = 1000.0
        self.seq = 0
        self.notes = Notes()
        self.digests: list[Digest] = []
        listeners = Listeners()
        listeners.on_away = self.digests.append
        self._version = version
        self._sync = ClientSync(
            Identity(b"n" * 16, b"d" * 32, "me"),
            client_id=5,
            state_vector=lambda: EMPTY_STATE_VECTOR,
            lineage=lineage,
            seq=7,
        )
        self.absence = Absence(
            cast(Away, self.notes),
            self._sync,
            listeners,
            unsent=lambda: [(2, 5)],
            utc=lambda: self.now,
            last_here=last_here,
        )

    def connect(self, seq: int) -> None:
        """Begin a link that brings the text to `seq`."""
        self._sync.connected()
        allowed = RoomLimits()
        vector = EMPTY_STATE_VECTOR
        self._sync.receive(
            Welcome(
                self._version, 1, b"l" * 16, b"e" * 16, seq, Role.WRITE, allowed, True, False, (), (), vector
            )
        )
        self._sync.receive(Sync(seq, vector, EMPTY_UPDATE))
        self._sync.to_send()
        self.absence.synced()

    def lose_link(self) -> None:
        self._sync.disconnected()
        self.absence.link_ended()

    def asked(self) -> list[int | None]:
        """Return what was asked since the last call."""
        return [message.since for message in self._sync.to_send() if isinstance(message, AskAuthors)]

    def answer(self, since: int, *people: Author) -> None:
        self.absence.answered(Authors(since, people, b""), "unix:me")

    def told(self) -> list[object]:
        told, self.notes.told = self.notes.told, []
        return told


def test_who_enters_for_the_first_time_was_not_away() -> None:
    stage = Stage()
    stage.connect(7)
    assert stage.told() == []
    assert stage.asked() == []


def test_a_link_that_ended_is_an_absence_whose_authors_are_asked_for() -> None:
    stage = Stage()
    stage.connect(7)
    stage.lose_link()
    stage.now = 1060.0
    stage.notes.asks = 7
    stage.connect(9)
    assert stage.told() == [("left", 1000.0, 7), ("back", 1060.0, 9)]
    assert stage.notes.unsent_rows == [(2, 5)]
    assert stage.asked() == [7]
    assert stage.digests == []
    stage.answer(7, ME, ANA)
    assert [digest.authors for digest in stage.digests] == [(ANA,)]
    stage.answer(7, ANA)
    assert len(stage.digests) == 1


def test_a_short_absence_asks_nothing() -> None:
    stage = Stage()
    stage.connect(7)
    stage.lose_link()
    stage.connect(9)
    assert stage.asked() == []


def test_the_program_was_closed_before() -> None:
    stage = Stage(last_here=400.0)
    assert stage.told() == [("left", 400.0, 7)]
    assert stage.notes.unsent_rows == [(2, 5)]
    stage.notes.asks = 7
    stage.connect(9)
    assert stage.asked() == [7]


def test_a_text_that_was_never_here_cannot_be_missed() -> None:
    stage = Stage(last_here=400.0, lineage=None)
    stage.connect(7)
    assert stage.told() == []
    stage.lose_link()
    assert stage.told() == [("left", 1000.0, 7)]


def test_who_was_not_at_it_when_the_text_first_came_is_away_from_then_on() -> None:
    stage = Stage(lineage=None)
    stage.absence.attends(False)
    stage.now = 1500.0
    stage.connect(9)
    stage.now = 1600.0
    stage.notes.asks = 9
    stage.absence.attends(True)
    assert stage.told() == [("left", 1500.0, 9), ("back", 1600.0, 9)]
    assert stage.notes.unsent_rows == []
    assert stage.asked() == [9]


def test_who_touches_nothing_is_away_until_they_do() -> None:
    stage = Stage()
    stage.connect(7)
    stage.absence.attends(True)
    assert stage.told() == []
    stage.absence.attends(False)
    stage.absence.attends(False)
    stage.now = 1100.0
    stage.notes.asks = 7
    stage.absence.attends(True)
    assert stage.told() == [("left", 1000.0, 7), ("back", 1100.0, 7)]
    assert stage.notes.unsent_rows == []
    assert stage.asked() == [7]
    stage.absence.attends(True)
    assert stage.asked() == []


def test_one_is_back_with_the_link_and_at_it() -> None:
    stage = Stage()
    stage.connect(7)
    stage.absence.attends(False)
    stage.lose_link()
    stage.notes.asks = 7
    stage.connect(9)
    assert stage.told() == [("left", 1000.0, 7)]
    assert stage.asked() == []
    stage.absence.attends(True)
    assert stage.told() == [("back", 1000.0, 9)]
    assert stage.asked() == [7]
    stage.lose_link()
    stage.absence.attends(False)
    stage.absence.attends(True)
    assert stage.told() == [("left", 1000.0, 9)]


def test_a_link_lost_while_waiting_has_it_asked_again() -> None:
    stage = Stage(last_here=400.0)
    stage.notes.asks = 7
    stage.connect(9)
    assert stage.asked() == [7]
    stage.lose_link()
    stage.notes.asks = None
    stage.connect(9)
    assert stage.asked() == [7]
    stage.answer(7, ANA)
    assert len(stage.digests) == 1


def test_who_was_away_without_any_link_is_told_once_there_is_one() -> None:
    stage = Stage()
    stage.notes.asks = 7
    stage.absence.attends(False)
    stage.absence.attends(True)
    assert stage.digests == []
    stage.connect(9)
    assert stage.asked() == [7]


def test_an_older_server_does_not_know_who() -> None:
    stage = Stage(last_here=400.0, version=2)
    stage.notes.asks = 7
    stage.connect(9)
    assert stage.asked() == []
    assert [digest.authors for digest in stage.digests] == [()]


def test_an_answer_to_something_else_is_no_digest() -> None:
    stage = Stage(last_here=400.0)
    stage.notes.asks = 7
    stage.connect(9)
    stage.answer(6, ANA)
    assert stage.digests == []
