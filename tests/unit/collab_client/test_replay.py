from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collab_client import replay as replay_module
from collab_client.journal_file import Contents, Entry, JournalDamaged, Origin
from collab_client.replay import Replayed, fold, place, replay
from collab_protocol import limits
from collab_protocol.gate import Gate
from collab_protocol.text import Replica, merge_rows, utf8_length

ORIGIN = Origin("ws://host", "notes", b"d" * 32)
DOCUMENTS = 500
ALPHABET = "ab é日🙂\n"


class Person:
    """Somebody who edits a copy of the text, and the rows made by it."""

    def __init__(self, client_id: int) -> None:
        self.replica = Replica(client_id, has_undo=True)
        self.rows: list[bytes] = []
        self.replica.on_update = self.rows.append

    def edit(self, dice: random.Random) -> None:
        if dice.random() < 0.1 and self.replica.undo():
            return
        text = self.replica.text()
        begin, end = sorted((dice.randint(0, len(text)), dice.randint(0, len(text))))
        end = min(end, begin + 3) if dice.random() < 0.4 else begin
        inserted = "".join(dice.choices(ALPHABET, k=dice.randint(0 if end > begin else 1, 4)))
        self.replica.end_undo_group()
        self.replica.edit(utf8_length(text[:begin]), utf8_length(text[begin:end]), inserted)

    def type(self, text: str) -> None:
        for character in text:
            self.replica.edit(self.replica.size_utf8, 0, character)


@contextmanager
def people(*client_ids: int) -> Iterator[list[Person]]:
    found = [Person(client_id) for client_id in client_ids]
    try:
        yield found
    finally:
        for person in found:
            person.replica.close()


def finish(contents: Contents) -> tuple[Replayed, int]:
    """Replay; return it with the number of slices."""
    slices = 0
    replaying = replay(contents, Replica(9))
    while True:
        try:
            next(replaying)
            slices += 1
        except StopIteration as done:
            return done.value, slices


def text_of(base: bytes | None, entries: list[Entry]) -> tuple[str, list[Entry]]:
    """Return the text of a journal, and the rows that have no place in it."""
    replayed, _ = finish(Contents(ORIGIN, base=base, entries=tuple(entries)))
    text = replayed.replica.text()
    replayed.replica.close()
    return text, replayed.unplaced


def text_in(update: bytes | None) -> str:
    assert update is not None
    copy = Replica(8)
    copy.apply(update)
    text = copy.text()
    copy.close()
    return text


def history(dice: random.Random, me: Person, other: Person) -> list[Entry]:
    """Let both edit and hear of each other now and then; return my journal of it."""
    entries: list[Entry] = []
    told_me = told_other = 0
    for _ in range(dice.randint(2, 60)):
        match dice.random():
            case chance if chance < 0.4:
                me.edit(dice)
                entries += [
                    Entry(5, n + 1, me.rows[n]) for n in range(len(entries_of(entries)), len(me.rows))
                ]
            case chance if chance < 0.7:
                other.edit(dice)
            case chance if chance < 0.85 and told_me < len(other.rows):
                # Rows are squashed on their way, and some come twice.
                begin = max(0, told_me - dice.randint(0, 1))
                batch = merge_rows(other.rows[begin:], b"\x00")
                me.replica.apply(batch)
                entries.append(Entry(None, 0, batch))
                told_me = len(other.rows)
            case _ if told_other < len(me.rows):
                other.replica.apply(*me.rows[told_other:])
                told_other = len(me.rows)
            case _:
                pass
    return entries


def entries_of(entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.client_id is not None]


@pytest.mark.parametrize("block", range(10))
def test_any_history_replays_to_the_text_that_was_there(block: int) -> None:
    for seed in range(block * DOCUMENTS // 10, (block + 1) * DOCUMENTS // 10):
        dice = random.Random(seed)
        with people(5, 7) as (me, other):
            entries = history(dice, me, other)
            live = me.replica.text()
            assert text_of(None, entries) == (live, []), f"seed {seed}"
            assert text_in(fold(None, [entry.data for entry in entries])) == live, f"seed {seed}"
            # Folded at any time, own rows staying behind: nothing is doubled.
            cut = dice.randint(0, len(entries))
            base = fold(None, [entry.data for entry in entries[:cut]])
            stayed = [entry for entry in entries_of(entries[:cut]) if dice.random() < 0.5]
            assert text_of(base, stayed + entries[cut:]) == (live, []), f"seed {seed}"
            again = fold(base, [entry.data for entry in stayed + entries[cut:]])
            assert text_in(again) == live, f"seed {seed}"


@pytest.mark.parametrize("group", [1, 2, 7])
def test_wherever_the_slices_fall(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MERGED_ROWS", group)
    for seed in range(1000, 1040):
        with people(5, 7) as (me, other):
            entries = history(random.Random(seed), me, other)
            assert text_of(None, entries) == (me.replica.text(), []), f"seed {seed}"
            folded = fold(None, [entry.data for entry in entries])
            assert text_in(folded) == me.replica.text(), f"seed {seed}"


def test_own_rows_without_their_ground_are_left_over_in_order() -> None:
    with people(5, 7, 6) as (me, other, third):
        other.type("ground ")
        me.replica.apply(*other.rows)
        me.type("ab")
        third.type("free")
        rows = [Entry(5, 1, me.rows[0]), Entry(6, 1, third.rows[0]), Entry(5, 2, me.rows[1])]
        text, unplaced = text_of(None, rows)
        assert text == "f"
        assert unplaced == [rows[0], rows[2]]
        assert fold(None, [row.data for row in rows]) is None


@pytest.mark.parametrize("between", [0, 1, limits.MERGED_ROWS, 2 * limits.MERGED_ROWS])
def test_rows_find_their_place_when_the_ground_is_further_back(between: int) -> None:
    """So it is after a server came back with less: own rows stay where they were, its text comes after."""
    with people(5, 7) as (me, other):
        other.type("ground ")
        me.replica.apply(*other.rows)
        me.type("x" * (between + 1))
        entries = [Entry(5, n + 1, row) for n, row in enumerate(me.rows)]
        entries.append(Entry(None, 0, merge_rows(other.rows, b"\x00")))
        assert text_of(None, entries) == (me.replica.text(), [])
        assert text_in(fold(None, [entry.data for entry in entries])) == me.replica.text()


def test_what_came_from_the_server_and_has_no_ground_is_let_go() -> None:
    with people(5, 7) as (me, other):
        other.type("ab")
        me.type("x")
        entries = [Entry(None, 0, other.rows[1]), Entry(5, 1, me.rows[0])]
        assert text_of(None, entries) == ("x", [])


def test_a_row_that_is_half_here_is_placed() -> None:
    with people(7) as (other,):
        other.type("abc")
        base = merge_rows(other.rows[:2], b"\x00")
        assert text_of(base, [Entry(None, 0, merge_rows(other.rows[1:], b"\x00"))]) == ("abc", [])


def test_placing_tells_the_gate_what_is_here_now() -> None:
    with people(5) as (me,):
        me.type("abc")
        rows = [Entry(5, n + 1, row) for n, row in enumerate(me.rows)]
        copy = Replica(9)
        gate = Gate(copy)
        assert place(copy, gate, [rows[2], rows[0], rows[1]]) == [rows[2]]
        assert place(copy, gate, [rows[2]]) == []
        assert place(copy, gate, rows) == []
        assert copy.text() == "abc"
        copy.close()


def test_an_empty_journal_is_an_empty_text() -> None:
    assert text_of(None, []) == ("", [])
    assert text_in(fold(None, [])) == ""


def test_many_rows_are_replayed_in_slices_of_a_merge_each() -> None:
    count = 30_000
    with people(5) as (me,):
        for n in range(count):
            me.replica.edit(n, 0, "x")
        entries = tuple(Entry(5, n + 1, row) for n, row in enumerate(me.rows))
    replayed, slices = finish(Contents(ORIGIN, entries=entries))
    assert slices == 1 + count // limits.MERGED_ROWS
    assert replayed.replica.text() == "x" * count
    assert replayed.unplaced == []
    replayed.replica.close()


@pytest.mark.parametrize("data", [b"no update", b"", b"\x01\x01\x07"])
def test_what_is_no_text_is_damage(data: bytes) -> None:
    for contents in (
        Contents(ORIGIN, entries=(Entry(5, 1, data),)),
        Contents(ORIGIN, base=data),
    ):
        replica = Replica(9)
        with pytest.raises(JournalDamaged):
            for _ in replay(contents, replica):
                pass
        replica.close()
    assert fold(None, [data]) is None
    assert fold(data, []) is None


def test_a_folded_text_that_does_not_read_back_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(Replica):
        def update_since(self, state_vector: bytes = b"\x00") -> bytes:
            return b"\x00\x00"

    monkeypatch.setattr(replay_module, "Replica", Forgetful)
    with people(5) as (me,):
        me.type("a")
        assert fold(None, me.rows) is None
