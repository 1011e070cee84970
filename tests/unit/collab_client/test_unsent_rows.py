from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collab_client import unsent_rows
from collab_client.lines import Lines
from collab_client.unsent_rows import places_of
from collab_protocol.text import Replica, utf8_length


@contextmanager
def typed(text: str) -> Iterator[tuple[Replica, list[bytes]]]:
    """A replica with `text` by somebody else, and the rows that are made from then on."""
    other = Replica(5)
    other.edit(0, 0, text)
    replica = Replica(6, has_undo=True)
    replica.apply(other.update_since())
    rows: list[bytes] = []
    replica.on_update = rows.append
    yield replica, rows
    replica.close()
    other.close()


def rows_of(updates: list[bytes], replica: Replica) -> set[int]:
    places = places_of(updates, replica, Lines(replica.text()))
    return {row for first, end in places for row in range(first, end)}


def test_rows_that_were_typed_in_or_deleted_from_are_found() -> None:
    with typed("é\nb\nc🙂\nd\ne") as (replica, rows):
        replica.edit(utf8_length("é\nb\nc🙂"), 0, "x")
        replica.edit(utf8_length("é\nb\nc🙂x\nd\n"), 1, "")
        assert rows_of(rows, replica) == {2, 4}


def test_a_text_of_several_lines_is_found_whole_wherever_it_went() -> None:
    with typed("a\nb") as (replica, rows):
        for place, character in enumerate("1\n2\n3"):
            replica.edit(1 + place, 0, character)
        mine = list(rows)
        replica.edit(0, 0, "new\n")
        assert rows_of(mine, replica) == {1, 2, 3}


def test_a_line_that_went_is_where_it_stood() -> None:
    with typed("a\nb\nc\nd") as (replica, rows):
        replica.edit(2, 2, "")
        assert rows_of(rows, replica) == {1}


def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent_rows, "_LOOKED_UP_MOST", 3)
    with typed("\n" * 20) as (replica, rows):
        for row in range(18, 0, -2):
            replica.edit(row, 0, "x")
        assert len(places_of(rows, replica, Lines(replica.text()))) == 3
        assert places_of([], replica, Lines(replica.text())) == []


def test_what_was_typed_key_by_key_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsent_rows, "_LOOKED_UP_MOST", 2)
    with typed("a\nb\nc\nd") as (replica, rows):
        for place, character in enumerate("so\nlong"):
            replica.edit(1 + place, 0, character)
        replica.edit(replica.size_utf8, 0, "x")
        assert rows_of(rows, replica) == {0, 1, 4}
