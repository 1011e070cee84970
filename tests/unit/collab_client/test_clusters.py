from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client import clusters
from collab_client.lines import Lines, Position

FAMILY = "👨‍👩‍👧‍👦"
CLUSTERS = [
    "a",
    " ",
    "\t",
    "é",
    "e\u0301",
    "漢",
    "각",
    "\u1100\u1161\u11a8",
    "🙂",
    FAMILY,
    "👍🏽",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "🇩🇪",
]
lines_of_clusters = st.lists(st.sampled_from(CLUSTERS), max_size=12)


def widths(parts: list[str]) -> list[int]:
    cells: list[int] = []
    for part in parts:
        wide = 2 if part in CLUSTERS[5:] else 1
        cells.append(4 - sum(cells) % 4 if part == "\t" else wide)
    return cells


@given(lines_of_clusters)
def test_the_cursor_steps_over_whole_clusters_both_ways(parts: list[str]) -> None:
    line = "".join(parts)
    bounds = [sum(map(len, parts[:i])) for i in range(len(parts) + 1)]
    for here, there in pairwise(bounds):
        assert clusters.next_boundary(line, here) == there
        assert clusters.previous_boundary(line, there) == here
    assert clusters.next_boundary(line, len(line)) == len(line)
    assert clusters.previous_boundary(line, 0) == 0


@given(lines_of_clusters)
def test_cells_are_counted_by_cluster_and_found_again(parts: list[str]) -> None:
    line = "".join(parts)
    column = cells = 0
    for part, width in zip(parts, widths(parts), strict=True):
        assert clusters.cells_before(line, column) == cells
        for cell in range(cells, cells + width):
            assert clusters.column_at(line, cell) == column
        column, cells = column + len(part), cells + width
    assert clusters.cells_before(line, len(line)) == cells
    assert clusters.column_at(line, cells) == clusters.column_at(line, cells + 9) == len(line)


@given(st.text("a_ .é\u0301漢🙂\u200d\u200b🇩\r\u2028\x1b\x00\ufe0f", max_size=20), st.data())
def test_every_step_gets_on_and_stays_in_the_line(line: str, data: st.DataObject) -> None:
    column = data.draw(st.integers(0, len(line)))
    for step in (clusters.next_boundary, clusters.next_word):
        there = step(line, column)
        assert column < there <= len(line) or there == column == len(line)
    for step in (clusters.previous_boundary, clusters.previous_word):
        there = step(line, column)
        assert 0 <= there < column or there == column == 0
    assert 0 <= clusters.column_at(line, clusters.cells_before(line, column)) <= len(line)


def test_marks_without_width_take_a_cell() -> None:
    assert clusters.cells_before("\u200b\x1b\u2028\u0301", 4) == 4


@pytest.mark.parametrize(
    ("line", "right", "left"),
    [
        ("foo bar_1  (baz)", [3, 9, 15, 16], [12, 4, 0]),
        ("naïve 漢字。e\u0301a", [5, 8, 12], [9, 6, 0]),
        (f"{FAMILY} x", [7, 9], [8, 0]),
        ("...", [3], [0]),
    ],
)
def test_words(line: str, right: list[int], left: list[int]) -> None:
    column, seen = 0, []
    while column < len(line):
        column = clusters.next_word(line, column)
        seen.append(column)
    assert seen == right
    seen = []
    while column > 0:
        column = clusters.previous_word(line, column)
        seen.append(column)
    assert seen == left


def test_steps_go_over_line_breaks() -> None:
    lines = Lines("ab\n\ncd ef")
    assert clusters.right_of(lines, Position(0, 2)) == clusters.word_right_of(lines, Position(0, 2)) == (1, 0)
    assert clusters.left_of(lines, Position(2, 0)) == clusters.word_left_of(lines, Position(2, 0)) == (1, 0)
    assert clusters.left_of(lines, Position(1, 0)) == (0, 2)
    assert clusters.left_of(lines, Position(0, 0)) == (0, 0)
    assert clusters.right_of(lines, Position(2, 5)) == (2, 5)
    assert clusters.word_right_of(lines, Position(2, 0)) == (2, 2)
    assert clusters.word_left_of(lines, Position(2, 5)) == (2, 3)


def test_rows_beyond_the_text_are_its_ends() -> None:
    lines = Lines("abcdef\n漢字\nx")
    assert clusters.rows_from(lines, 0, 1, 3) == (1, 1)
    assert clusters.rows_from(lines, 0, 9, 3) == (2, 1)
    assert clusters.rows_from(lines, 2, 1, 0) == (2, 1)
    assert clusters.rows_from(lines, 0, -1, 3) == (0, 0)
    assert clusters.rows_from(lines, 1, -9, 3) == (0, 3)


def test_a_move_by_a_word_ends_somewhere_in_a_line_without_blanks() -> None:
    line = "x" * 10_000
    assert 1000 < clusters.next_word(line, 10) < 3000
    assert 7000 < clusters.previous_word(line, 9990) < 9000
    family = "👨‍👩‍👧" * 1000
    assert clusters.next_word(family, 0) % len("👨‍👩‍👧") == 0
