from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from collab_client.away import AWAY_LEAST_S, Away, Digest
from collab_client.buffer import Buffer
from collab_client.changes import Mark
from collab_client.lines import Position
from collab_protocol.presence import Author
from collab_protocol.text import Replica

ANA, BO = Author("unix:1", "ana", 1), Author("unix:2", "bo", 2)


class Desk:
    def __init__(self) -> None:
        self.other = Replica(5)
        self.other.edit(0, 0, "a\nb\nc\nd")
        replica = Replica(6)
        replica.apply(self.other.update_since())
        self.buffer = Buffer(replica)
        self.away = Away(self.buffer)

    def sync(self, offset: int, deleted: int, text: str) -> None:
        """Somebody edits, and the text here gets it."""
        self.other.edit(offset, deleted, text)
        self.buffer.apply_sync(self.other.update_since(self.buffer.replica.state_vector()), 1)


@contextmanager
def desk() -> Iterator[Desk]:
    made = Desk()
    try:
        yield made
    finally:
        made.buffer.close()
        made.other.close()


def test_what_others_did_meanwhile_is_told_once_it_is_known_by_whom() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.sync(2, 2, "x\ny\nz\n")
        assert d.away.back(100.0 + AWAY_LEAST_S, 9) == 7
        assert d.away.changes.marks(range(6)) == dict.fromkeys((1, 2, 3), Mark.CHANGED)
        assert d.away.authors((ANA, BO)) == Digest(3, 1, (ANA, BO), 0, AWAY_LEAST_S)
        assert d.away.authors((ANA,)) is None
        assert d.away.back(500.0, 9) is None


def test_a_short_absence_leaves_no_mark() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.sync(2, 0, "x")
        assert d.away.back(100.0 + AWAY_LEAST_S - 1, 8) is None
        assert d.away.changes.regions == ()
        assert d.away.authors(()) is None
        assert d.buffer.listeners == []


def test_a_sync_that_changed_nothing_makes_no_digest() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.sync(2, 1, "b")
        assert d.away.back(200.0, 8) is None
        assert d.away.authors((ANA,)) is None


def test_the_first_leaving_counts() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.away.left(200.0, 8)
        d.sync(2, 0, "x")
        assert d.away.back(210.0, 9) == 7
        digest = d.away.authors(())
        assert digest is not None
        assert digest.away_s == 110.0


def test_while_the_authors_are_not_known_absences_are_told_of_together() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.sync(2, 0, "x")
        assert d.away.back(140.0, 8) == 7
        d.away.left(150.0, 9)
        assert d.away.back(151.0, 9) == 7
        d.away.left(200.0, 9)
        d.sync(0, 0, "new\n")
        assert d.away.back(250.0, 10) == 7
        assert d.away.authors((BO,)) == Digest(2, 1, (BO,), 0, 90.0)


def test_own_edits_while_apart_count_where_others_were_too() -> None:
    with desk() as d:
        d.away.left(100.0, 7)
        d.buffer.replace(Position(1, 1), Position(1, 1), "m")
        d.buffer.replace(Position(3, 1), Position(3, 1), "m")
        d.sync(2, 0, "x")
        d.away.back(200.0, 8)
        digest = d.away.authors((ANA,))
        assert digest is not None
        assert (digest.added, digest.removed, digest.both) == (1, 1, 1)
        assert d.away.changes.marks(range(4)) == {1: Mark.BOTH}


def test_rows_without_a_receipt_of_before_count_as_own_edits() -> None:
    with desk() as d:
        d.away.unsent([(1, 2)])
        assert d.buffer.listeners == []
        d.away.left(100.0, 7)
        d.away.unsent([(1, 2)])
        d.sync(2, 0, "x")
        d.away.back(200.0, 8)
        digest = d.away.authors((ANA,))
        assert digest is not None
        assert digest.both == 1
