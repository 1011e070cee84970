"""Lines laid out in cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from collab_client import clusters
from collab_tui.cells import cell_at, cells_of, cluster_end, column_at, runs

_lines = st.text(
    st.sampled_from("ab \té漢か\u3099각👨‍👩🚀🏽🇩🇪e\u0301\x1b\u202e\u200d\ufe0f1\u20e3नि")
    | st.characters(exclude_characters="\n", codec="utf-8")
)


@given(_lines)
def test_runs_cover_the_line_without_gaps(line: str) -> None:
    column = cell = 0
    for run in runs(line):
        assert (run.column, run.cell) == (column, cell)
        assert run.columns > 0
        assert run.cells > 0
        if run.unit:
            assert len(run.text) == run.columns
            assert run.cells == run.columns * run.unit
        column += run.columns
        cell += run.cells
    assert column == len(line)
    assert cell == cells_of(line)


@given(_lines)
def test_runs_are_as_wide_as_the_terminal_library_says(line: str) -> None:
    for run in runs(line):
        assert cell_len(run.text) == run.cells or len(run.text) == 32


@given(_lines, st.integers(0, 40))
def test_a_cell_leads_back_to_the_column_it_came_from(line: str, at: int) -> None:
    starts = [run.column for run in runs(line)]
    if starts:
        column = starts[at % len(starts)]
        assert column_at(line, cell_at(line, column)) == column


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("", 0),
        ("abc", 3),
        ("漢字", 4),
        ("e\u0301x", 2),
        ("👨‍👩‍👧", 2),
        ("🇩🇪🇫🇷", 4),
        ("a\tb", 5),
        ("\t\t", 8),
        ("漢\tb", 5),
        ("\x1b[1m", 4),
        ("\u0301", 1),
    ],
)
def test_widths(line: str, cells: int) -> None:
    assert cells_of(line) == cells


@pytest.mark.parametrize(
    "line", ["plain text", "naïve café", "漢字かな交じり", "a\tb\tc", "e\u0301x", "👨‍👩‍👧 fam", "🇩🇪x", "각x"]
)
def test_the_buffer_counts_the_same_cells(line: str) -> None:
    for run in runs(line):
        assert clusters.cells_before(line, run.column) == run.cell


def test_clicks_go_to_the_nearer_side_of_a_wide_character() -> None:
    assert [column_at("漢字", cell) for cell in range(6)] == [0, 1, 1, 2, 2, 2]
    assert [column_at("ab", cell) for cell in (-3, 0, 1, 2, 9)] == [0, 0, 1, 2, 2]
    assert [column_at("\tx", cell) for cell in range(6)] == [0, 0, 1, 1, 1, 2]


def test_a_caret_covers_the_whole_cluster() -> None:
    assert cluster_end("e\u0301x", 0) == 2
    assert cluster_end("👨‍👩‍👧x", 0) == 5
    assert cluster_end("🇩🇪", 0) == 2
    assert cluster_end("abc", 1) == 2
    assert cluster_end("abc", 3) == 4
    assert cluster_end("漢字", 0) == 1


def test_a_cluster_of_very_many_marks_is_drawn_in_part() -> None:
    (run,) = runs("e" + "\u0301" * 1000)
    assert run.columns == 1001
    assert len(run.text) == 32
