"""Frames, and what is checked of what they hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_syntax.checking import checked_stretches, checked_symbols, is_rows, place_pair
from collab_syntax.frames import MOST_FRAME_BYTES, FrameError, Frames, frame
from collab_syntax.kinds import Kind, Run

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=5), st.lists(st.integers(1, 30), max_size=20))
def test_values_come_out_as_they_went_in_however_cut(values: list[Any], cuts: list[int]) -> None:
    stream = b"".join(map(frame, values))
    frames = Frames()
    found = []
    for cut in [*cuts, len(stream)]:
        found += frames.feed(stream[:cut])
        stream = stream[cut:]
    assert found == values


@given(st.binary(max_size=200))
def test_any_bytes_are_values_or_refused(received: bytes) -> None:
    try:
        values = Frames().feed(received)
    except FrameError:
        return
    assert isinstance(values, list)


def test_a_frame_too_large_is_refused_before_it_came() -> None:
    with pytest.raises(FrameError):
        Frames().feed((MOST_FRAME_BYTES + 1).to_bytes(4, "big"))


def checked(flat: list[Any]) -> list[list[Run]] | None:
    """Return the rows of one stretch that pass."""
    found = checked_stretches([[0, flat]])
    return None if found is None else found[0][1]


@given(st.lists(VALUES, max_size=6) | st.lists(st.lists(st.integers(-1, 40), max_size=9), max_size=6))
def test_rows_that_pass_are_well_formed(flat: list[Any]) -> None:
    rows = checked(flat)
    if rows is None:
        return
    assert [[number for run in row for number in run] for row in rows] == flat
    for row in rows:
        at = 0
        for start, end, kind in row:
            assert at <= start < end
            assert Kind(kind) is not Kind.NONE
            at = end


def test_well_formed_rows_pass() -> None:
    assert checked([[0, 1, 1, 1, 4, 27], []]) == [[(0, 1, 1), (1, 4, 27)], []]
    assert checked([[0, 1, 1] for _ in range(501)]) is None
    assert checked([[number for at in range(12_001) for number in (at, at + 1, 1)]]) is None
    assert checked([[True, 2, 1]]) is None


@given(VALUES)
def test_other_answers_pass_or_are_nothing(value: Any) -> None:
    assert all(0 <= number < 1 << 31 for symbol in checked_symbols(value) for number in symbol[2:])
    pair = place_pair(value)
    assert pair is None or pair[0] < pair[1]
    assert is_rows(value) in (True, False)


def test_well_formed_answers_pass() -> None:
    assert [tuple(symbol) for symbol in checked_symbols([["a", "class", 1, 2, 0]])] == [
        ("a", "class", 1, 2, 0)
    ]
    assert checked_symbols([["a", "class", 1, 2, 0], ["a", "class", 1, 2, -1]]) == []
    assert checked_symbols([["a" * 201, "class", 1, 2, 0]]) == []
    assert checked_symbols([["a", "a\x1b[2J", 1, 2, 0]]) == []
    assert place_pair([[0, 1], [0, 2]]) == ((0, 1), (0, 2))
    assert place_pair([[0, 2], [0, 2]]) is None
    assert is_rows([1, 2])
    assert not is_rows([2, 2])
