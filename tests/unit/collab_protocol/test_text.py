from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from collab_protocol.errors import EditError, UpdateError
from collab_protocol.text import (
    EMPTY_STATE_VECTOR,
    ROOT,
    Replica,
    Splice,
    check_offset_unit,
    merge_rows,
    utf8_length,
)

characters = st.text(alphabet=st.sampled_from("ab\n\té日🙂\u0301\u200d\r\u2028\x1b"), max_size=6)


def pair() -> tuple[Replica, Replica]:
    """Two replicas; what the first one does arrives at the second at once."""
    first, second = Replica(11, has_undo=True), Replica(12, has_undo=True)
    first.on_update = second.apply
    return first, second


def splice(text: bytes, splices: list[Splice]) -> bytes:
    for step in splices:
        end = step.offset_utf8 + step.deleted_utf8
        text = text[: step.offset_utf8] + step.inserted.encode() + text[end:]
    return text


def test_the_unit_is_utf8_bytes() -> None:
    check_offset_unit()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), characters), max_size=12))
def test_edits_equal_those_of_a_plain_string_and_reach_the_other_side(
    edits: list[tuple[float, float, str]],
) -> None:
    first, second = pair()
    seen: list[bytes] = [b""]
    second.on_splices = lambda splices: seen.append(splice(seen[-1], splices))
    plain = ""
    for at, until, inserted in edits:
        begin, end = sorted((round(at * len(plain)), round(until * len(plain))))
        first.edit(utf8_length(plain[:begin]), utf8_length(plain[begin:end]), inserted)
        plain = plain[:begin] + inserted + plain[end:]
        assert first.text() == second.text() == plain
        assert first.size_utf8 == second.size_utf8 == utf8_length(plain)
    assert seen[-1] == plain.encode()


@pytest.mark.parametrize(("offset", "deleted"), [(-1, 0), (6, 0), (0, 6), (3, 3), (0, -1)])
def test_an_edit_outside_the_text_changes_nothing(offset: int, deleted: int) -> None:
    replica = Replica(11)
    replica.edit(0, 0, "hello")
    with pytest.raises(EditError):
        replica.edit(offset, deleted, "x")
    assert replica.text() == "hello"


def test_lone_surrogates_change_nothing() -> None:
    replica = Replica(11)
    replica.edit(0, 0, "hello")
    with pytest.raises(EditError):
        replica.edit(0, 5, "\ud800")
    assert replica.text() == "hello"


def test_bytes_that_are_no_update_are_refused() -> None:
    replica = Replica(11)
    with pytest.raises(UpdateError):
        replica.apply(b"\xff\xff")
    with pytest.raises(UpdateError):
        replica.update_since(b"\xff")
    with pytest.raises(UpdateError):
        merge_rows([b"\xff"], EMPTY_STATE_VECTOR)


@pytest.mark.parametrize(
    "update",
    [
        # Found by mutation: it decodes, and then a parent is no text.
        "0103630004010a636f64656d6972726f720261624463690004f09f998244630102c3a900",
    ],
)
def test_an_update_that_decodes_and_cannot_be_applied_is_refused(update: str) -> None:
    with pytest.raises(UpdateError):
        Replica(11).apply(bytes.fromhex(update))


def test_an_embed_is_refused_and_offsets_stay_right() -> None:
    doc: Doc[Text] = Doc(client_id=12)
    doc.get(ROOT, type=Text).insert_embed(0, 5)
    replica = Replica(11)
    replica.edit(0, 0, "text")
    with pytest.raises(UpdateError):
        replica.apply(doc.get_update())
    assert replica.size_utf8 == 5


def test_applying_what_is_known_returns_nothing() -> None:
    first, second = Replica(11), Replica(12)
    rows: list[bytes] = []
    first.on_update = rows.append
    first.edit(0, 0, "hello")
    first.edit(0, 2, "")
    assert second.apply(*rows) is not None
    assert second.apply(*rows) is None
    assert second.text() == "llo"


def test_what_is_squashed_is_all_that_others_need() -> None:
    author, server, reader = Replica(11), Replica(12), Replica(13)
    rows: list[bytes] = []
    author.on_update = rows.append
    for character in "hello":
        author.edit(author.size_utf8, 0, character)
    squashed = server.apply(*rows)
    assert squashed is not None
    reader.apply(squashed)
    assert reader.text() == "hello"
    assert len(squashed) < sum(map(len, rows))


def test_undo_takes_back_own_edits_only_and_is_sent() -> None:
    first, second = pair()
    second.on_update = first.apply
    first.edit(0, 0, "mine")
    second.edit(2, 0, "theirs")
    assert first.undo()
    assert first.text() == second.text() == "theirs"
    assert first.redo()
    assert sorted(first.text()) == sorted("minetheirs")
    assert first.text() == second.text()
    assert not second.undo() or "theirs" not in second.text()


def test_a_group_ends_when_told() -> None:
    replica = Replica(11, has_undo=True)
    replica.edit(0, 0, "a")
    replica.edit(1, 0, "b")
    assert replica.undo_depth == 1
    replica.end_undo_group()
    replica.edit(2, 0, "c")
    replica.end_undo_group()
    replica.end_undo_group()
    replica.edit(3, 0, "d")
    depths = [replica.undo_depth]
    while replica.undo():
        depths.append(replica.undo_depth)
    assert depths == [3, 2, 1, 0]
    assert all(a - b == 1 for a, b in pairwise(depths))
    assert replica.redo_depth == 3


def test_a_replica_is_made_with_undo_or_without() -> None:
    replica = Replica(11)
    replica.edit(0, 0, "a")
    assert not replica.undo()
    assert not replica.redo()
    assert (replica.undo_depth, replica.redo_depth) == (0, 0)


@given(st.lists(characters.filter(bool), min_size=1, max_size=8), st.data())
def test_merged_rows_are_trimmed_to_what_is_missing(pieces: list[str], data: st.DataObject) -> None:
    author, server = Replica(11), Replica(12)
    rows: list[bytes] = []
    author.on_update = rows.append
    for piece in pieces:
        author.edit(author.size_utf8, 0, piece)
    known = data.draw(st.integers(0, len(rows)))
    server.apply(*rows[:known])
    server.apply(merge_rows(rows, server.state_vector()))
    assert server.text() == author.text()


def test_a_closed_replica_is_freed() -> None:
    replica = Replica(11, has_undo=True)
    replica.edit(0, 0, "hello")
    alive = weakref.ref(replica)
    replica.close()
    del replica
    gc.collect()
    assert alive() is None


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 5), st.sampled_from(["", "x", "é🙂", "long text"]))
    ),
    st.sampled_from([1, 30, 10**6]),
)
def test_many_splices_at_once_are_what_one_after_the_other_is(
    steps: list[tuple[int, int, str]], split_bytes: int
) -> None:
    splices: list[Splice] = []
    at = 0
    for gap, deleted, inserted in steps:
        splices.insert(0, Splice(at + gap, deleted, inserted))
        at += gap + deleted
    text = "abcdefghij" * (at // 10 + 1)
    one, all_ = Replica(11, has_undo=True), Replica(12, has_undo=True)
    for replica in (one, all_):
        replica.edit(0, 0, text)
        replica.end_undo_group()
    updates: list[bytes] = []
    all_.on_update = updates.append
    all_.edit_all(splices)
    for splice in splices:
        one.edit(*splice)
    assert all_.text() == one.text()
    assert all_.size_utf8 == len(all_.text().encode())
    assert len(updates) <= 1
    if all_.text() != text:
        assert all_.undo()
    assert all_.text() == text
