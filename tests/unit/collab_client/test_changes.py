from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import stretches as stretches_module
from collab_client.buffer import Buffer, Change
from collab_client.changes import Changes, Mark, Outcome, Region
from collab_client.lines import Edit, Lines, Position
from collab_protocol.text import Replica


class Desk:
    """A buffer, somebody else who edits the same text, and what is known of the changes."""

    def __init__(self, text: str) -> None:
        self.other = Replica(5)
        self.other.edit(0, 0, text)
        replica = Replica(6, has_undo=True)
        replica.apply(self.other.update_since())
        self.buffer = Buffer(replica)
        self.changes = Changes(self.buffer)
        self._rows: list[bytes] = []
        self.other.on_update = self._rows.append
        self._mine: list[bytes] = []
        self.buffer.on_local_update = self._mine.append

    def close(self) -> None:
        self.buffer.close()
        self.other.close()

    def theirs(self, start: Position, end: Position, text: str) -> None:
        """Somebody else edits, in their copy: `sync` brings both together."""
        lines = Lines(self.other.text())
        at = lines.offset(start)
        self.other.edit(at, lines.offset(end) - at, text)

    def mine(self, start: Position, end: Position, text: str) -> None:
        self.buffer.replace(start, end, text)

    def sync(self) -> None:
        update = self.other.update_since(self.buffer.replica.state_vector())
        self.buffer.apply_sync(update, 1)
        for row in self._mine:
            self.other.apply(row)
        self._mine.clear()
        assert self.other.text() == self.buffer.lines.text()

    def regions(self) -> list[tuple[int, int, int]]:
        return [(each.first_row, each.end_row, each.was) for each in self.changes.regions]


@contextmanager
def desk(text: str = "a\nb\nc\nd\ne") -> Iterator[Desk]:
    made = Desk(text)
    try:
        yield made
    finally:
        made.close()


def at(row: int, column: int = 0) -> Position:
    return Position(row, column)


def test_nobody_listens_while_there_is_nothing_to_follow() -> None:
    with desk() as d:
        assert d.buffer.listeners == []
        d.changes.begin()
        d.theirs(at(1), at(1), "x")
        d.sync()
        d.changes.end(keep=True)
        assert len(d.buffer.listeners) == 1
        d.changes.clear()
        assert d.buffer.listeners == []
        assert not d.changes.marks(range(5))


def test_typing_in_one_line_is_one_changed_line() -> None:
    with desk() as d:
        d.changes.begin()
        for column in range(20):
            d.theirs(at(1, column), at(1, column), "x")
            d.sync()
        assert d.changes.end(keep=True) == Outcome(added=1, removed=1, both=0)
        assert d.regions() == [(1, 2, 1)]
        assert d.changes.marks(range(5)) == {1: Mark.CHANGED}


@pytest.mark.parametrize(
    ("start", "end", "text", "regions", "counts"),
    [
        (at(1, 1), at(1, 1), "\nnew", [(2, 3, 0)], (1, 0)),
        (at(2), at(2), "new\n", [(2, 3, 0)], (1, 0)),
        (at(1), at(2), "", [(1, 1, 1)], (0, 1)),
        (at(1, 1), at(2, 1), "", [(2, 2, 1)], (0, 1)),
        (at(0), at(1), "", [(0, 0, 1)], (0, 1)),
        (at(3, 1), at(4, 1), "", [(4, 4, 1)], (0, 1)),
        (at(4, 1), at(4, 1), "\nf", [(5, 6, 0)], (1, 0)),
        (at(1), at(3, 1), "b\nx\nd", [(2, 3, 1)], (1, 1)),
        (at(0), at(4, 1), "", [(0, 1, 5)], (0, 5)),
        (at(0), at(4, 1), "a\nb\nc\nd\ne", [], None),
    ],
)
def test_a_region_is_what_differs(
    start: Position,
    end: Position,
    text: str,
    regions: list[tuple[int, int, int]],
    counts: tuple[int, int] | None,
) -> None:
    with desk() as d:
        d.changes.begin()
        d.theirs(start, end, text)
        d.sync()
        assert d.changes.end(keep=True) == (None if counts is None else Outcome(*counts, 0))
        assert d.regions() == regions


def test_an_empty_text_has_no_lines() -> None:
    with desk("") as d:
        d.changes.begin()
        d.theirs(at(0), at(0), "x\ny")
        d.sync()
        assert d.changes.end(keep=True) == Outcome(added=2, removed=0, both=0)
        assert d.changes.marks(range(2)) == {0: Mark.CHANGED, 1: Mark.CHANGED}


def test_lines_that_went_are_marked_at_the_row_below_or_at_the_last() -> None:
    with desk() as d:
        d.changes.begin()
        d.theirs(at(3, 1), at(4, 1), "")
        d.theirs(at(0), at(1), "")
        d.sync()
        d.changes.end(keep=True)
        assert d.buffer.lines.text() == "b\nc\nd"
        assert d.changes.marks(range(3)) == {0: Mark.REMOVED, 2: Mark.REMOVED}
        assert d.changes.seen(2, 3)
        assert d.changes.marks(range(3)) == {0: Mark.REMOVED}


def test_a_change_that_is_taken_back_is_none() -> None:
    with desk() as d:
        d.changes.begin()
        d.theirs(at(1), at(2), "")
        d.sync()
        d.theirs(at(1), at(1), "b\n")
        d.sync()
        assert d.changes.end(keep=True) is None
        assert d.regions() == []


def test_a_period_that_is_not_kept_leaves_the_marks_of_the_one_before() -> None:
    with desk() as d:
        d.changes.begin()
        d.theirs(at(3), at(3), "x")
        d.sync()
        d.changes.end(keep=True)
        d.changes.begin()
        d.theirs(at(0), at(0), "new\n")
        d.sync()
        assert d.changes.end(keep=False) is None
        assert d.regions() == [(4, 5, 1)]


def test_changes_of_several_periods_are_marked_together() -> None:
    with desk() as d:
        for row in (3, 1, 3):
            d.changes.begin()
            d.theirs(at(row), at(row), "x")
            d.sync()
            d.changes.end(keep=True)
        assert [region[:2] for region in d.regions()] == [(1, 2), (3, 4)]


def test_lines_that_both_changed_while_apart_are_told_apart() -> None:
    with desk() as d:
        d.changes.begin()
        d.mine(at(0), at(0), "m")
        d.mine(at(2, 1), at(2, 1), "m")
        d.theirs(at(2), at(2), "t")
        d.theirs(at(3), at(3), "t")
        d.sync()
        outcome = d.changes.end(keep=True)
        assert outcome is not None
        assert outcome.both == 1
        assert d.changes.marks(range(5)) == {2: Mark.BOTH, 3: Mark.CHANGED}


def test_what_one_changed_alone_is_not_marked() -> None:
    with desk() as d:
        d.changes.begin()
        d.mine(at(1), at(2), "")
        d.mine(at(2), at(2), "m\nn")
        assert d.changes.end(keep=True) is None
        assert d.regions() == []


def test_rows_changed_before_the_period_count_as_mine() -> None:
    with desk() as d:
        d.changes.begin()
        d.changes.note_mine([(3, 4), (1, 2)])
        d.theirs(at(1), at(1), "t")
        d.theirs(at(0), at(0), "new\n")
        d.sync()
        outcome = d.changes.end(keep=True)
        assert outcome is not None
        assert outcome.both == 1
        assert d.changes.marks(range(6)) == {0: Mark.CHANGED, 2: Mark.BOTH}


def test_marks_follow_the_text_and_its_undo() -> None:
    with desk() as d:
        d.changes.begin()
        d.theirs(at(3), at(3), "x")
        d.sync()
        d.changes.end(keep=True)
        d.mine(at(0), at(0), "1\n2\n")
        assert d.regions() == [(5, 6, 1)]
        d.mine(at(5, 1), at(5, 1), "\n")
        assert d.regions() == [(5, 7, 1)]
        d.mine(at(0), d.buffer.lines.end, "")
        assert d.regions() == [(0, 1, 1)]
        d.buffer.undo()
        assert [region.was for region in d.changes.regions] == [1]


def test_seen_rows_lose_their_marks_and_no_others() -> None:
    with desk("\n".join("abcdefghij")) as d:
        d.changes.begin()
        d.theirs(at(2), at(8), "1\n2\n3\n4\n5\n6\n")
        d.sync()
        d.changes.end(keep=True)
        assert d.regions() == [(2, 8, 6)]
        assert not d.changes.seen(0, 2)
        assert not d.changes.seen(8, 10)
        assert d.changes.seen(4, 5)
        assert d.regions() == [(2, 4, 2), (5, 8, 3)]
        assert d.changes.seen(0, 10)
        assert d.regions() == []
        assert d.buffer.listeners == []


def test_next_goes_around_the_end() -> None:
    with desk() as d:
        assert d.changes.next(0, back=False) is None
        d.changes.begin()
        d.theirs(at(3, 1), at(4, 1), "")
        d.theirs(at(1), at(1), "x")
        d.sync()
        d.changes.end(keep=True)
        one, last = Region(1, 2, 1, is_both=False), Region(4, 4, 1, is_both=False)
        assert d.changes.regions == (one, last)
        assert d.changes.next(0, back=False) == one
        assert d.changes.next(1, back=False) == last
        assert d.changes.next(3, back=False) == one
        assert d.changes.next(3, back=True) == one
        assert d.changes.next(1, back=True) == last
        assert d.changes.next(2, back=True) == one


def test_a_text_that_begins_again_counts_as_changed_by_others() -> None:
    with desk() as d:
        d.changes.begin()
        replica = Replica(7, has_undo=True)
        replica.edit(0, 0, "a\nb\nnew\nd\ne")
        d.buffer.restart(replica)
        assert d.changes.end(keep=True) == Outcome(1, 1, 0)


def test_of_a_text_that_begins_again_only_lines_that_differ_count() -> None:
    with desk("a\nb\nc\nd\ne") as d:
        d.changes.begin()
        replica = Replica(7, has_undo=True)
        replica.edit(0, 0, "a\nx\nc\nd\ny\ne")
        d.buffer.restart(replica)
        assert d.changes.end(keep=True) == Outcome(2, 1, 0)
        assert d.changes.marks(range(6)) == {1: Mark.CHANGED, 4: Mark.CHANGED}


def test_very_many_regions_become_fewer_and_the_count_stays() -> None:
    rows = 400
    with patch.object(stretches_module, "MOST", 100), desk("\n".join(["line"] * rows)) as d:
        d.changes.begin()
        for row in range(0, rows, 2):
            d.theirs(at(row), at(row), "x")
        d.sync()
        assert d.changes.end(keep=True) == Outcome(rows // 2, rows // 2, 0)
        assert len(d.changes.regions) <= 100
        assert set(range(0, rows, 2)) <= set(d.changes.marks(range(rows)))


# Against a model in which each line has a tag of its own


class Step(NamedTuple):
    start: float
    end: float
    text: str
    is_local: bool


steps = st.builds(
    Step,
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(["", "x", "\n", "x\n", "\nx", "x\ny\nz", "a\nb\n"]),
    st.booleans(),
)


class Tagged:
    """The lines of a text: each that no Change has touched has its row of before, and others have none."""

    def __init__(self, lines: Lines) -> None:
        self.before = lines.text().split("\n")
        self.tags: list[int | None] = list(range(lines.row_count))

    def change(self, change: Change) -> None:
        rows = change.new_last_row + 1 - change.first_row
        gone = slice(change.first_row, change.old_last_row + 1)
        self.tags[gone] = [None] * rows


def place(lines: Lines, share: float) -> Position:
    return lines.position(round(share * lines.size_utf8))


def make(d: Desk, step: Step) -> None:
    lines = d.buffer.lines if step.is_local else Lines(d.other.text())
    start, end = sorted((place(lines, step.start), place(lines, step.end)))
    (d.mine if step.is_local else d.theirs)(start, end, step.text)


texts = st.text("ab\n\n", max_size=30)


@settings(max_examples=300)
@given(texts, st.lists(st.tuples(steps, st.booleans()), max_size=12))
def test_regions_cover_what_others_touched_and_differs(text: str, script: list[tuple[Step, bool]]) -> None:
    with desk(text) as d:
        d.changes.begin()
        tagged = Tagged(d.buffer.lines)
        d.buffer.listeners.append(tagged.change)
        for step, syncs in script:
            make(d, step)
            if syncs:
                d.sync()
        d.sync()
        outcome = d.changes.end(keep=True)
        regions = d.changes.regions
        after = d.buffer.lines.text().split("\n")
        behind = 0
        for region in regions:
            assert behind <= region.first_row <= region.end_row <= len(after)
            assert region.end_row > region.first_row or region.was > 0
            behind = region.end_row
        marked = {row for region in regions for row in range(region.first_row, region.end_row)}
        for row in marked:
            assert tagged.tags[row] is None
        assert (outcome is None) == (not regions)
        if not any(step.is_local for step, _ in script):
            # What lies outside is what it was, line by line: so the regions are a diff.
            rebuilt, old = [], 0
            at_row = 0
            for region in regions:
                rebuilt += after[at_row : region.first_row]
                old += region.first_row - at_row
                rebuilt += tagged.before[old : old + region.was]
                old += region.was
                at_row = region.end_row
            rebuilt += after[at_row:]
            assert rebuilt == tagged.before
            assert not any(region.is_both for region in regions)
            if outcome is not None and "" not in (text, d.buffer.lines.text()):
                assert outcome.added - outcome.removed == len(after) - len(tagged.before)
        elif not any(not step.is_local for step, _ in script):
            assert not regions


@settings(max_examples=200)
@given(texts, st.lists(steps, min_size=1, max_size=5), st.lists(steps, max_size=10))
def test_marks_stay_within_the_text_whatever_is_done(
    text: str, before: list[Step], after: list[Step]
) -> None:
    with desk(text) as d:
        d.changes.begin()
        for step in before:
            make(d, step._replace(is_local=False))
        d.sync()
        d.changes.end(keep=True)
        for number, step in enumerate(after):
            make(d, step)
            if number % 3 == 1:
                d.buffer.undo()
            d.sync()
            behind = 0
            for region in d.changes.regions:
                assert behind <= region.first_row <= region.end_row <= d.buffer.lines.row_count
                behind = region.end_row
            rows = range(d.buffer.lines.row_count)
            expected = {row: Mark.CHANGED for each in d.changes.regions for row in _rows_of(each)}
            found = d.changes.marks(rows)
            assert {row: mark for row, mark in found.items() if mark is Mark.CHANGED} == expected
        d.changes.seen(0, d.buffer.lines.row_count)
        assert not d.changes.regions


@settings(max_examples=100)
@given(texts, st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=20))
def test_lines_of_others_are_marked_wherever_they_come(text: str, places: list[tuple[float, bool]]) -> None:
    with desk(text + "\n" * 5) as d:
        d.changes.begin()
        for share, is_local in places:
            lines = d.buffer.lines
            row = round(share * (lines.row_count - 1))
            (d.mine if is_local else d.theirs)(at(row), at(row), "me\n" if is_local else "they\n")
            d.sync()
        d.changes.end(keep=True)
        theirs = [row for row in range(d.buffer.lines.row_count) if d.buffer.lines.line(row) == "they"]
        mine = [row for row in range(d.buffer.lines.row_count) if d.buffer.lines.line(row) == "me"]
        found = d.changes.marks(range(d.buffer.lines.row_count))
        assert set(theirs) <= set(found)
        assert not {row for row in mine if found.get(row) is Mark.CHANGED}


def _rows_of(region: Region) -> range:
    return range(region.first_row, region.end_row)


def test_an_edit_at_several_places_is_followed_place_by_place() -> None:
    with desk("a\nb\nc\nd\ne\nf") as d:
        d.changes.begin()
        d.theirs(at(1), at(1), "x")
        d.theirs(at(4), at(4), "x")
        d.sync()
        d.changes.end(keep=True)
        d.buffer.edit_all([Edit(at(0), at(0), "1\n"), Edit(at(3), at(3), "2\n"), Edit(at(5), at(5, 1), "")])
        assert [d.buffer.lines.line(region.first_row) for region in d.changes.regions] == ["xb", "xe"]
