"""Soft wrap: where segments begin, and which visual row is which."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_client import clusters
from collab_client.lines import Lines, Position
from collab_tui import cells, wrap
from collab_tui.cells import Layout, Layouts, cell_at, cells_of
from collab_tui.wrap import WrapIndex

_ASCII = st.text("ab   -\t", max_size=40)
_ANY = st.lists(
    st.sampled_from("ab  \té漢字。（각🙂\u102c\u1100\u0600\u200d\x1b")
    | st.sampled_from(["e\u0301", " \u0301", "👨‍👩‍👧", "🇩🇪", "नि"]),
    max_size=30,
).map("".join)
_lines = _ASCII | _ANY
_texts = st.lists(_lines, min_size=1, max_size=8).map("\n".join)
_widths = st.integers(4, 9)


@pytest.fixture(autouse=True, scope="module", params=["small", "as it is"])
def _sizes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run everything with tiny blocks and pieces too, so that short texts have many."""
    if request.param != "small":
        yield
        return
    with (
        patch.multiple(wrap, _BLOCK_ROWS=2, _BLOCK_MOST=4, _BLOCK_LEAST=1, _WRAPPED_MOST=4, _LONG=0),
        patch.multiple(cells, _LONG=6, _MARGIN=2, _LAYOUTS_MOST=3),
    ):
        yield


def wrapped(line: str, width: int) -> list[str]:
    index = WrapIndex(Lines(line), width)
    return [line[slice(*index.bounds(0, segment))] for segment in range(index.height(0))]


def everything(index: WrapIndex, rows: int) -> list[tuple[list[int], int]]:
    return [(list(index.starts(row)), index.height(row)) for row in range(rows)]


def check_rows(index: WrapIndex, rows: int) -> None:
    """Compare everything about visual rows with the slow way."""
    visual = [(row, segment) for row in range(rows) for segment in range(index.height(row))]
    assert [index.at(at) for at in range(len(visual))] == visual
    assert index.at(-1) == visual[0]
    assert index.at(len(visual)) == visual[-1]
    assert index.total == len(visual)
    for row in range(rows):
        assert index.visual_row(row) == visual.index((row, 0))


@given(_lines, _widths)
def test_segments_fit_and_tile_the_line_at_edges_of_clusters(line: str, width: int) -> None:
    starts = list(WrapIndex(Lines(line), width).starts(0))
    assert starts[0] == 0
    layout = Layout(line)
    for start, end in pairwise([*starts, len(line)]):
        assert start < end or not line
        assert clusters.previous_boundary(line, start + 1) == start or not line
        assert layout.is_edge(start)
        shown = len(line[:end].rstrip(" \t")) if end else 0
        assert cell_at(line, max(start, shown)) - cell_at(line, start) <= width


@given(st.text("ab   \té漢字", max_size=40), _widths)
def test_a_segment_takes_what_has_room(line: str, width: int) -> None:
    starts = list(WrapIndex(Lines(line), width).starts(0))
    for start, following, end in zip(starts, starts[1:], [*starts[2:], len(line)], strict=False):
        assert cells_of(line[:end]) - cell_at(line, start) > width
        assert line[following] not in " \t"


@pytest.mark.parametrize(
    ("line", "width", "segments"),
    [
        ("", 4, [""]),
        ("abcd", 4, ["abcd"]),
        ("the quick brown fox", 10, ["the quick ", "brown fox"]),
        ("the quick  brown", 9, ["the quick  ", "brown"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("ab cdefghij", 4, ["ab ", "cdef", "ghij"]),
        ("abcd        ", 4, ["abcd        "]),
        ("            ", 4, ["            "]),
        ("  abcdef gh", 6, ["  abcd", "ef gh"]),
        ("      ab cd", 4, ["      ", "ab ", "cd"]),
        ("  e\u0301bcdef gh", 6, ["  e\u0301bcd", "ef gh"]),
        ("a\tbc de", 6, ["a\tbc ", "de"]),
        ("abcde\tf", 6, ["abcde\t", "f"]),
        ("ab\t\tcd", 4, ["ab\t\t", "cd"]),
        ("né ÿ abc", 5, ["né ÿ ", "abc"]),
        ("漢字漢字漢", 5, ["漢字", "漢字", "漢"]),
        ("ab漢字cd", 6, ["ab漢字", "cd"]),
        ("abc 漢字", 6, ["abc 漢", "字"]),
        ("漢字、漢字", 4, ["漢", "字、", "漢字"]),
        ("漢（字）漢", 4, ["漢", "（字", "）漢"]),
        ("e\u0301e\u0301e\u0301e\u0301e\u0301", 4, ["e\u0301e\u0301e\u0301e\u0301", "e\u0301"]),
        ("🙂 🙂 🙂", 6, ["🙂 🙂 ", "🙂"]),
        ("👨‍👩‍👧👨‍👩‍👧👨‍👩‍👧", 5, ["👨‍👩‍👧👨‍👩‍👧", "👨‍👩‍👧"]),
        ("ab  \u0301cdef", 5, ["ab ", " \u0301cdef"]),
        ("abcdefgh", 1, ["abcd", "efgh"]),
    ],
)
def test_where_a_line_is_broken(line: str, width: int, segments: list[str]) -> None:
    assert wrapped(line, width) == segments


@given(_lines, _widths)
def test_a_caret_between_two_segments_is_in_the_later_one(line: str, width: int) -> None:
    index = WrapIndex(Lines(line), width)
    for column in range(len(line) + 1):
        segment = index.segment_of(0, column)
        start, end = index.bounds(0, segment)
        assert start <= column < end or (column == end == len(line) and segment == index.height(0) - 1)


@settings(max_examples=200)
@given(_texts, _widths, st.data())
def test_after_any_edits_it_is_like_a_fresh_one(text: str, width: int, data: st.DataObject) -> None:
    lines = Lines(text)
    index = WrapIndex(lines, width)
    for _ in range(data.draw(st.integers(1, 6))):
        start, end = sorted(
            lines.clamp(Position(data.draw(st.integers(0, 9)), data.draw(st.integers(0, 30)))) for _ in "ab"
        )
        inserted = data.draw(_texts)
        new_end = lines.replace(start, end, inserted)
        index.splice(start.row, end.row, new_end.row)
        match data.draw(st.integers(0, 4)):
            case 0:
                index.measure_some(data.draw(st.integers(0, 5)))
            case 1:
                index.resize(width := data.draw(_widths))
            case 2:
                row = data.draw(st.integers(0, lines.row_count - 1))
                assert index.at(index.visual_row(row)) == (row, 0)
            case 3:
                assert everything(index, lines.row_count) == everything(
                    WrapIndex(lines, width), lines.row_count
                )
    rows = lines.row_count
    assert everything(index, rows) == everything(WrapIndex(lines, width), rows)
    while not index.measure_some(3):
        pass
    assert everything(index, rows) == everything(WrapIndex(lines, width), rows)
    check_rows(index, rows)


@settings(max_examples=300)
@given(st.text("aab  \té漢", min_size=20, max_size=90), _widths, st.data())
def test_edits_within_a_line_wrap_it_like_a_fresh_one(line: str, width: int, data: st.DataObject) -> None:
    lines = Lines(line)
    index = WrapIndex(lines, width)
    index.starts(0)
    for _ in range(3):
        start = data.draw(st.integers(0, len(lines.line(0))))
        end = data.draw(st.sampled_from([start, start + 1, start + 5]))
        inserted = data.draw(st.text("a \té漢", max_size=6))
        lines.replace(Position(0, start), lines.clamp(Position(0, end)), inserted)
        index.splice(0, 0, 0)
        assert list(index.starts(0)) == list(WrapIndex(lines, width).starts(0))


@given(_texts, _widths, st.integers(0, 200), st.integers(-50, 50), st.booleans())
def test_walking_is_counting_visual_rows(
    text: str, width: int, at: int, delta: int, is_measured: bool
) -> None:
    lines = Lines(text)
    index = WrapIndex(lines, width)
    visual = [(row, segment) for row in range(lines.row_count) for segment in range(index.height(row))]
    if is_measured:
        while not index.measure_some(2):
            pass
    at %= len(visual)
    assert index.walk(*visual[at], delta) == visual[max(0, min(at + delta, len(visual) - 1))]


@given(_texts, _widths)
def test_looking_at_visual_rows_measures_what_it_must(text: str, width: int) -> None:
    lines = Lines(text)
    index = WrapIndex(lines, width)
    for row in range(lines.row_count):
        assert index.at(index.visual_row(row)) == (row, 0)
    check_rows(index, lines.row_count)


def test_without_wrap_rows_are_visual_rows() -> None:
    lines = Lines("abcdefgh\nb\n\td" + " x" * 9)
    index = WrapIndex(lines, None)
    assert index.width is None
    check_rows(index, 3)
    assert [list(index.starts(row)) for row in range(3)] == [[0], [0], [0]]
    assert index.measure_some(1)
    lines.replace(Position(0, 0), Position(0, 0), "\n")
    index.splice(0, 0, 1)
    check_rows(index, 4)
    assert index.walk(1, 0, 9) == (3, 0)
    assert index.walk(1, 0, -9) == (0, 0)
    assert index.segment_of(1, 8) == 0


def test_a_new_width_counts_at_once_and_none_is_too_small() -> None:
    lines = Lines("abcdefgh\nabcd")
    index = WrapIndex(lines, 8)
    check_rows(index, 2)
    index.resize(5)
    assert index.height(0) == 2
    check_rows(index, 2)
    index.resize(0)
    assert index.width == 4
    index.resize(None)
    assert index.total == 2


def test_what_is_not_measured_counts_by_the_mean() -> None:
    rows = 5000
    index = WrapIndex(Lines("\n".join(["abcdefgh"] * rows)), 4)
    assert index.total == rows
    assert not index.measure_some(rows // 2)
    assert index.total == 2 * rows
    while not index.measure_some(rows):
        pass
    assert index.total == 2 * rows


def test_an_edit_of_a_long_line_wraps_little_anew() -> None:
    line = "".join(f"wörd{number} " for number in range(2000))
    lines = Lines(line)
    index = WrapIndex(lines, 40)
    assert index.height(0) > 300
    place = Position(0, len(line) // 2)
    lines.replace(place, place, "x")
    with patch.object(wrap, "_cut", wraps=wrap._cut) as cut:
        index.splice(0, 0, 0)
        starts = index.starts(0)
    assert cut.call_count < 100
    assert list(starts) == list(WrapIndex(Lines(lines.line(0)), 40).starts(0))


def test_a_row_that_does_not_exist() -> None:
    index = WrapIndex(Lines("a"), 4)
    with pytest.raises(IndexError):
        index.height(1)


@pytest.mark.parametrize("piece", ["x", "é", "漢", "a\tb", "👨‍👩‍👧"])
def test_an_edit_in_a_very_long_line_wraps_what_is_near_and_fits_all_the_same(piece: str) -> None:
    lines = Lines("top\n" + piece * (30_000 // len(piece)) + "\nend")
    index = WrapIndex(lines, 20)
    while not index.measure_some(10_000):
        pass
    before = list(index.starts(1))
    for _ in range(3):
        lines.replace(Position(1, 0), Position(1, 0), "éy")
        index.splice(1, 1, 1)
    after = list(index.starts(1))
    line = lines.line(1)
    assert len(after) < len(before) + 9
    assert after[-50:] == [column + 6 for column in before[-50:]]
    layouts = Layouts()
    cells = [layouts.cell_at(line, column) for column in (*after[:200], *after[-50:])]
    assert all(0 < b - a <= 20 for a, b in pairwise(cells[:200]))
    assert index.height(1) == len(after) == index.total - 2
    for _ in range(400):  # many other lines come and go: it is not forgotten
        lines.replace(Position(0, 0), Position(0, 0), "some words " * 9 + "\n")
        index.splice(0, 0, 1)
        index.starts(0)
    assert index.height(401) == len(index.starts(401)) == len(after)
