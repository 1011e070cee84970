from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import lines as module
from collab_client.lines import START, Lines, Position

ALPHABET = "ab \n\n\té漢🙂\u0301\u200d\u200b\r\u2028\x0b\x0c\x85\x1b\x00"
texts = st.text(ALPHABET, max_size=40)


@pytest.fixture(autouse=True, scope="module", params=[2, 256])
def _block_lines(request: pytest.FixtureRequest) -> Iterator[None]:
    lines = request.param
    with patch.multiple(module, _BLOCK_LINES=lines, _BLOCK_MOST=2 * lines, _BLOCK_LEAST=lines // 2):
        yield


def place(text: str, at: int) -> Position:
    """The position of character `at` the slow way."""
    return Position(text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1))


def check(lines: Lines, text: str) -> None:
    assert lines.text() == text
    rows = text.split("\n")
    assert lines.row_count == len(rows)
    assert [lines.line(row) for row in range(len(rows))] == rows
    assert lines.size_utf8 == len(text.encode())
    assert lines.end == place(text, len(text))


@given(texts)
def test_every_character_boundary_goes_to_an_offset_and_back(text: str) -> None:
    lines = Lines(text)
    check(lines, text)
    for at in range(len(text) + 1):
        offset = len(text[:at].encode())
        assert lines.position(offset) == place(text, at)
        assert lines.offset(place(text, at)) == offset


@given(texts, st.integers(0, 200))
def test_an_offset_inside_a_character_is_the_position_before_it(text: str, offset: int) -> None:
    size = len(text.encode())
    offset = min(offset, size)
    whole = text.encode()[:offset].decode(errors="ignore")
    assert Lines(text).position(offset) == place(text, len(whole))


@settings(max_examples=300)
@given(texts, st.data())
def test_random_replaces_do_what_they_do_to_a_string(text: str, data: st.DataObject) -> None:
    lines = Lines(text)
    for _ in range(data.draw(st.integers(1, 12))):
        a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        inserted = data.draw(texts)
        assert lines.slice(place(text, a), place(text, b)) == text[a:b]
        end = lines.replace(place(text, a), place(text, b), inserted)
        text = text[:a] + inserted + text[b:]
        assert end == place(text, a + len(inserted))
        # One look-up, and not all of `check`, so that the totals are right wherever they are looked at.
        at = data.draw(st.integers(0, len(text)))
        if data.draw(st.booleans()):
            assert lines.position(len(text[:at].encode())) == place(text, at)
        if data.draw(st.booleans()):
            assert lines.offset(place(text, at)) == len(text[:at].encode())
    check(lines, text)


@given(texts, st.integers(-3, 50), st.integers(-3, 50))
def test_clamp_gives_a_position_that_exists(text: str, row: int, column: int) -> None:
    lines = Lines(text)
    there = lines.clamp(Position(row, column))
    assert lines.position(lines.offset(there)) == there
    assert lines.clamp(there) == there


def test_what_is_not_in_the_text_raises() -> None:
    lines = Lines("ab\nc")
    for row in (-1, 2):
        with pytest.raises(IndexError):
            lines.line(row)
    for position in (Position(0, 3), Position(1, -1), Position(2, 0)):
        with pytest.raises(IndexError):
            lines.offset(position)
    for offset in (-1, 5):
        with pytest.raises(IndexError):
            lines.position(offset)
    with pytest.raises(IndexError):
        lines.replace(START, Position(2, 0), "x")
    assert lines.text() == "ab\nc"
    assert (lines.nearest(-5), lines.nearest(50)) == (START, Position(1, 1))


def test_a_lone_surrogate_changes_nothing() -> None:
    for text in ("\ud800", "\n\ud800"):
        lines = Lines("ab\nc")
        with pytest.raises(UnicodeEncodeError):
            lines.replace(START, START, text)
        check(lines, "ab\nc")


def test_blocks_stay_of_a_size_while_lines_come_and_go() -> None:
    lines = Lines()
    text = "".join(f"{i}\n" for i in range(3000))
    lines.replace(START, START, text)
    check(lines, text)
    while lines.row_count > 3:
        lines.replace(Position(1, 0), Position(2, 0), "")
    check(lines, "0\n2999\n")
    assert len(lines._blocks) <= 2


@given(texts, st.data())
def test_many_offsets_and_positions_are_found_as_each_alone(text: str, data: st.DataObject) -> None:
    lines = Lines(text)
    offsets = sorted(data.draw(st.lists(st.integers(0, lines.size_utf8))))
    alone = [lines.position(offset) for offset in offsets]
    assert lines.positions(offsets) == alone
    mark, mark_utf8 = START, 0
    for place in alone:
        mark, mark_utf8 = place, lines.offset_from(place, mark, mark_utf8)
        assert mark_utf8 == lines.offset(place)
    with pytest.raises(IndexError):
        lines.positions([*offsets, lines.size_utf8 + 1])
