from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import author_runs, who_wrote
from collab_client.author_runs import AuthorRuns
from collab_client.authorship import Authorship
from collab_client.buffer import Buffer
from collab_client.lines import Position
from collab_client.who_wrote import NoOrder, finding_authors
from collab_protocol import limits
from collab_protocol.lib0 import finish
from collab_protocol.messages import Authors, pack_ids
from collab_protocol.presence import Author
from collab_protocol.text import Replica, utf8_length

ME = Author("unix:0", "me", 0)
PEOPLE = tuple(Author(f"unix:{number}", f"person {number}", number) for number in range(1, 5))
ALPHABETS = ("aé漢🙂", "bèḅ🚀", "cç漣🎈", "dδ字🐍", "xü漫🦉")
"""Of these people, and at last of me: no one but them types these characters."""


def author_of_character(character: str) -> int:
    """Return 0 for me, else the session."""
    return next(n for n, alphabet in enumerate((ALPHABETS[-1], *ALPHABETS[:-1])) if character in alphabet)


class Desk:
    """A buffer whose text several people write; their client ids are 100 times their session."""

    def __init__(self) -> None:
        self.people = [Replica(100 * session) for session in range(1, 5)]
        self.buffer = Buffer(Replica(9, has_undo=True))
        self.buffer.set_roster((), 7, 0, 0.0)
        self.authorship = Authorship(
            self.buffer, ME, lambda session: PEOPLE[session - 1] if session < 5 else None
        )
        self.changed = 0
        self.authorship.on_changed = self._count
        self.mine: list[bytes] = []
        self.buffer.on_local_update = self.mine.append

    def _count(self) -> None:
        self.changed += 1

    def close(self) -> None:
        self.authorship.close()
        self.buffer.close()
        for replica in self.people:
            replica.close()

    def edits(self, session: int, offset: int, deleted: int, text: str) -> bytes:
        """Let somebody edit what stands here, in their own copy; returns the row."""
        replica = self.people[session - 1]
        self.catch_up(replica)
        rows: list[bytes] = []
        replica.on_update = rows.append
        replica.edit(offset, deleted, text)
        return rows[0]

    def catch_up(self, replica: Replica) -> None:
        replica.apply(self.buffer.replica.update_since(replica.state_vector()))

    def told(self, session: int, offset: int, deleted: int, text: str) -> None:
        """The same, and it comes here as theirs."""
        self.buffer.apply_remote(self.edits(session, offset, deleted, text), session, 1)

    def sync(self) -> None:
        """Bring all copies together; here it comes as by nobody."""
        for replica in self.people:
            self.buffer.apply_sync(replica.update_since(self.buffer.replica.state_vector()), 1)
        for replica in self.people:
            self.catch_up(replica)

    def answer(self) -> Authors:
        return Authors(None, PEOPLE, pack_ids((100 * number, number - 1) for number in range(1, 5)))

    def learn(self) -> None:
        for _ in self.authorship.learning(self.answer()):
            pass

    def names(self, row: int = 0) -> list[tuple[str, str]]:
        line = self.buffer.lines.line(row)
        people = self.authorship.people
        return [
            (line[begin:end], people[author].name if author >= 0 else "?")
            for begin, end, author in self.authorship.of_row(row)
        ]


@contextmanager
def desk() -> Iterator[Desk]:
    made = Desk()
    try:
        yield made
    finally:
        made.close()


def test_ids_that_are_not_of_this_text_are_passed_over_a_slice_at_a_time() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        strangers = pack_ids((10_000 + number, 1) for number in range(100_000))
        answer = Authors(None, PEOPLE, strangers + d.answer().ids)
        slices = sum([1 for _ in d.authorship.learning(answer)])
        assert slices >= 10
        assert d.names() == [("one", "person 1")]


def test_of_more_people_than_can_be_told_apart_the_last_are_unknown() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        for begin in range(0, 60 * limits.AUTHORS, limits.AUTHORS):
            people = tuple(Author(f"unix:x{begin + n}", "x", 0) for n in range(limits.AUTHORS))
            for _ in d.authorship.learning(Authors(None, people, pack_ids([(100, 0)]))):
                pass
        assert d.names() == [("one", "?")]
        d.learn()
        d.told(2, 3, 0, "two")
        assert len(d.authorship.people) < 60 * limits.AUTHORS


def test_nothing_is_known_until_it_was_learned() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        assert not d.authorship.is_ready
        assert d.authorship.needs_learning
        assert d.authorship.of_row(0) == ()
        assert d.authorship.main_of_row(0) is None
        d.learn()
        assert d.authorship.is_ready
        assert not d.authorship.needs_learning
        assert d.names() == [("one", "person 1")]
        assert d.changed == 1


def test_splices_are_followed_and_undo_is_mine() -> None:
    with desk() as d:
        d.told(1, 0, 0, "aaaa\nbb")
        d.learn()
        d.told(1, 2, 0, "A")
        d.buffer.replace(Position(0, 1), Position(0, 3), "mé")
        assert d.names() == [("a", "person 1"), ("mé", "me"), ("aa", "person 1")]
        assert d.authorship.main_of_row(0) == 1
        d.buffer.undo()
        assert d.names() == [("a", "person 1"), ("aA", "me"), ("aa", "person 1")]
        d.buffer.redo()
        assert d.names() == [("a", "person 1"), ("mé", "me"), ("aa", "person 1")]
        assert d.names(1) == [("bb", "person 1")]
        before = [d.names(row) for row in range(2)]
        d.learn()
        assert [d.names(row) for row in range(2)] == before


def test_who_joins_later_is_one_of_the_people_and_numbers_stay() -> None:
    with desk() as d:
        d.authorship = Authorship(d.buffer, ME, lambda session: PEOPLE[session - 1])
        for _ in d.authorship.learning(Authors(None, (PEOPLE[1],), b"")):
            pass
        assert d.authorship.people == [ME, PEOPLE[1]]
        d.told(3, 0, 0, "c")
        assert d.authorship.people == [ME, PEOPLE[1], PEOPLE[2]]
        d.learn()
        assert d.authorship.people == [ME, PEOPLE[1], PEOPLE[2], PEOPLE[0], PEOPLE[3]]
        assert d.names() == [("c", "person 3")]


def test_a_sync_and_an_unknown_session_have_to_be_learned() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        d.learn()
        d.buffer.apply_sync(d.edits(1, 3, 0, "two"), 1)
        assert d.authorship.needs_learning
        assert d.changed == 2
        assert d.names() == [("one", "person 1"), ("two", "?")]
        assert d.authorship.main_of_row(0) == 1
        d.learn()
        assert d.names() == [("onetwo", "person 1")]
        d.buffer.apply_remote(d.edits(1, 0, 0, "x"), 5, 1)
        assert d.authorship.needs_learning
        assert d.names() == [("x", "?"), ("onetwo", "person 1")]


def test_a_sync_that_only_deletes_has_not_to_be_learned() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        d.learn()
        d.buffer.apply_sync(d.edits(1, 0, 1, ""), 1)
        assert not d.authorship.needs_learning
        assert d.names() == [("ne", "person 1")]


def test_an_id_that_the_server_does_not_name_is_unknown() -> None:
    with desk() as d:
        d.told(2, 0, 0, "two")
        for _ in d.authorship.learning(Authors(None, PEOPLE[:1], pack_ids([(100, 0), (200, 7)]))):
            pass
        assert d.names() == [("two", "?")]
        assert d.authorship.main_of_row(0) is None
        assert d.authorship.of_row(5) == ()


def test_what_is_edited_while_it_learns_comes_right() -> None:
    with desk() as d, patch.multiple(who_wrote, _SLICE_COST=1):
        for place in range(20):
            d.told(1 + place % 2, place, 0, "ab"[place % 2])
        learning = d.authorship.learning(d.answer())
        for place in range(5):
            next(learning)
            d.buffer.replace(Position(0, place), Position(0, place + 1), "xx")
            d.buffer.apply_sync(d.edits(3, 0, 0, "c"), 1)
        for _ in learning:
            pass
        runs = d.names()
        assert "".join(text for text, _ in runs) == d.buffer.lines.text()
        expected = {"a": "person 1", "b": "person 2", "c": "?", "x": "me"}
        assert [(character, name) for text, name in runs for character in text] == [
            (character, expected[character]) for character in d.buffer.lines.text()
        ]
        assert d.authorship.needs_learning


def test_learning_again_lets_the_earlier_run_come_to_nothing() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        earlier = d.authorship.learning(Authors(None, (), b""))
        next(earlier)
        d.learn()
        for _ in earlier:
            pass
        assert d.names() == [("one", "person 1")]
        assert d.changed == 1


def test_after_closing_nothing_is_followed() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        learning = d.authorship.learning(d.answer())
        next(learning)
        d.authorship.close()
        d.authorship.close()
        for _ in learning:
            pass
        assert d.buffer.splice_listeners == []
        assert not d.authorship.is_ready
        assert d.changed == 0


def test_a_text_that_begins_again_has_to_be_learned() -> None:
    with desk() as d:
        d.told(1, 0, 0, "one")
        d.learn()
        replica = Replica(10, has_undo=True)
        replica.edit(0, 0, "onward")
        d.buffer.restart(replica)
        assert d.names() == [("on", "person 1"), ("ward", "?")]
        assert d.authorship.needs_learning


def test_a_history_that_is_not_the_texts_is_not_believed() -> None:
    replica = Replica(5)
    replica.edit(0, 0, "text")
    update = replica.update_since()
    with pytest.raises(NoOrder):
        finish(finding_authors(update, [("tex",)], {5: 0}))
    with pytest.raises(NoOrder):
        finish(finding_authors(update[:-3], [("text",)], {5: 0}))
    before = replica.state_vector()
    replica.edit(2, 0, "x")
    with pytest.raises(NoOrder):
        finish(finding_authors(replica.update_since(before), [("x",)], {5: 0}))
    replica.close()


def test_long_texts_are_written_in_pieces() -> None:
    replica = Replica(5)
    replica.edit(0, 0, "é🙂\nab" * 50)
    other = Replica(6)
    other.apply(replica.update_since())
    other.edit(utf8_length("é🙂\n"), 0, "x")
    text = other.text()
    with patch.multiple(who_wrote, _PIECE_UNITS=7, _SLICE_COST=2):
        runs = finish(finding_authors(other.update_since(), [tuple(text.split("\n"))], {5: 3, 6: 4}))
    assert runs.between(0, runs.size_utf8) == [(7, 3), (1, 4), (utf8_length(text) - 8, 3)]
    replica.close()
    other.close()


people_steps = st.lists(
    st.tuples(st.integers(0, 4), st.floats(0, 1), st.integers(0, 3), st.integers(0, 4), st.booleans()),
    max_size=40,
)


@settings(max_examples=200)
@given(people_steps, st.integers(0, 2**32), st.integers(1, 30))
def test_every_character_is_by_who_types_it(
    script: list[tuple[int, float, int, int, bool]], seed: int, slice_cost: int
) -> None:
    dice = random.Random(seed)
    with desk() as d, patch.multiple(who_wrote, _SLICE_COST=slice_cost, _PIECE_UNITS=3):
        learning = iter(())
        learn_at = dice.randrange(len(script) + 1)
        for number, (who, share, deleted, added, syncs) in enumerate(script):
            if number == learn_at:
                d.sync()
                learning = d.authorship.learning(d.answer())  # type: ignore[assignment]
            next(learning, None)
            replica = d.people[who - 1] if who else d.buffer.replica
            if who and number >= learn_at:
                d.catch_up(replica)
            text = replica.text()
            begin = round(share * len(text))
            gone = text[begin : begin + deleted]
            new = "".join(dice.choice(ALPHABETS[who - 1] + "\n") for _ in range(added))
            at = utf8_length(text[:begin])
            if not gone and not new:
                continue
            if who == 0:
                lines = d.buffer.lines
                d.buffer.replace(lines.position(at), lines.position(at + utf8_length(gone)), new)
            elif number < learn_at:
                d.people[who - 1].edit(at, utf8_length(gone), new)
            else:
                d.told(who, at, utf8_length(gone), new)
            if syncs and number < learn_at:
                d.sync()
        if learn_at >= len(script):
            d.sync()
            d.learn()
        for _ in learning:
            pass
        check_every_character(d)
        d.sync()
        d.learn()
        check_every_character(d)


def check_every_character(d: Desk) -> None:
    lines = d.buffer.lines
    for row in range(lines.row_count):
        line = lines.line(row)
        found = [author for begin, end, author in d.authorship.of_row(row) for _ in range(begin, end)]
        people = [d.authorship.people[author].principal for author in found]
        assert people == [f"unix:{author_of_character(character)}" for character in line]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 40), st.integers(0, 9), st.integers(-1, 3)), max_size=60
    ),
    st.lists(st.integers(-1, 3), max_size=40),
)
def test_runs_are_what_a_list_of_authors_would_be(
    splices: list[tuple[float, int, int, int]], appended: list[int]
) -> None:
    with patch.multiple(author_runs, _CHUNK_RUNS=4, _CHUNK_MOST=8, _CHUNK_LEAST=2):
        runs = AuthorRuns()
        model: list[int] = []
        for author in appended:
            runs.append(2, author)
            model += [author, author]
        for share, wish, added, author in splices:
            at = round(share * len(model))
            deleted = min(wish, len(model) - at)
            runs.splice(at, deleted, added, author)
            model[at : at + deleted] = [author] * added
            assert runs.size_utf8 == len(model)
        found = runs.between(0, len(model))
        assert [author for length, author in found for _ in range(length)] == model
        assert all(one[1] != other[1] for one, other in pairwise(found))
        for at in range(0, len(model), 5):
            part = runs.between(at, at + 7)
            assert [author for length, author in part for _ in range(length)] == model[at : at + 7]
