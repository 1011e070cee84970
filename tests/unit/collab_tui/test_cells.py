"""Lines laid out in cells."""

from __future__ import annotations

from collections.abc import Iterable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from collab_client import clusters
from collab_tui import cells as module
from collab_tui.cells import (
    CLUSTER_CELLS,
    Layout,
    Layouts,
    Run,
    cell_at,
    cells_of,
    cluster_end,
    column_at,
    is_cells,
    is_narrow,
    runs,
    shared_ends,
)

_lines = st.text(
    st.sampled_from("ab \té漢か\u3099각👨‍👩🚀🏽🇩🇪e\u0301\x1b\u202e\u200d\ufe0f1\u20e3नि")
    | st.characters(exclude_characters="\n", codec="utf-8")
)

CLUSTERS = [
    "a",
    " ",
    "\t",
    "é",
    "ж",
    "–",
    "e\u0301",
    "e\u0301\u0302",
    " \u0301",
    "漢",
    "か\u3099",
    "각",
    "각\u11a8",
    "\u1100\u1161\u11a8",
    "ก็",
    "🙂",
    "👨‍👩‍👧‍👦",
    "👍🏽",
    "❤\ufe0f",
    "1\ufe0f\u20e3",
    "🇩🇪",
    "🇫🇷",
    "🏳\ufe0f‍🌈",
]
"""What people write, one cluster each."""


def _placed(runs: Iterable[Run]) -> list[tuple[int, int, str]]:
    """Return (column, cell, drawn) of each cluster, however the runs are cut."""
    placed = []
    for run in runs:
        if run.unit:
            placed += [(run.column + i, run.cell + i * run.unit, c) for i, c in enumerate(run.text)]
        else:
            placed.append((run.column, run.cell, run.text))
    return placed


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


@given(st.lists(st.sampled_from(CLUSTERS)))
def test_what_is_drawn_as_one_is_one_to_the_caret_and_as_wide(parts: list[str]) -> None:
    line = "".join(parts)
    column = 0
    edges = []
    for part in parts:
        edges.append((column, clusters.cells_before(line, column)))
        assert cluster_end(line, column) == column + len(part)
        column += len(part)
    assert [(column, cell) for column, cell, _ in _placed(runs(line))] == edges
    assert cells_of(line) == clusters.cells_before(line, len(line))


@given(_lines | st.text("\u1100\uac00\u0d4ea漢\u0600\u0938\u094d\u102c\u1031\u1000\u11a8🇩🙂 \t"))
def test_nothing_is_drawn_across_the_edge_of_a_cluster(line: str) -> None:
    for column, _, _ in _placed(runs(line)):
        assert clusters.previous_boundary(line, column + 1) == column


@given(_lines, st.integers(-2, 60), st.none() | st.integers(-2, 60))
def test_a_part_of_a_line_has_the_runs_that_touch_it(line: str, left: int, right: int | None) -> None:
    placed = _placed(runs(line))
    edges = [(column, cell, drawn) for column, cell, drawn in placed if right is None or cell < right]
    ends = [cell for _, cell, _ in placed[1:]] + [cells_of(line)]
    wanted = [one for one, end in zip(edges, ends, strict=False) if end > left]
    visible = _placed(runs(line, left, right))
    assert [one for one in visible if one in wanted] == wanted
    for run in runs(line, left, right):
        assert run.cell + run.cells > left
        assert right is None or run.cell < right


@given(_lines, st.data())
def test_a_line_in_pieces_is_laid_out_like_a_whole_one(line: str, data: st.DataObject) -> None:
    layouts = Layouts()
    for _ in range(data.draw(st.integers(1, 6))):
        wanted, placed = Layout(line), _placed(runs(line))
        cells = cells_of(line)
        with patch.multiple(module, _LONG=6, _LAYOUTS_MOST=2, _MARGIN=2):
            assert _placed(layouts.runs(line)) == placed
            assert layouts.cells_of(line) == cells
            for column in range(len(line) + 1):
                assert layouts.cell_at(line, column) == wanted.cell_at(column)
            layout = layouts.of(line)
            for cell in range(cells + 2):
                assert layouts.column_at(line, cell) == wanted.column_at(cell)
                assert layout.cut_at(cell) == wanted.cut_at(cell)
        a, b = sorted(data.draw(st.tuples(*[st.integers(0, len(line))] * 2)))
        line = line[:a] + data.draw(_lines) + line[b:]


@given(st.text("ab", max_size=30), st.text("ab", max_size=30), st.text("ab", max_size=60))
def test_shared_ends_are_as_long_as_they_can_be_and_do_not_overlap(a: str, b: str, other: str) -> None:
    for old, new in ((a + b, a + other + b), (a + other + b, a + b), (a, other)):
        before, behind = shared_ends(old, new)
        assert before + behind <= min(len(old), len(new))
        assert old[:before] == new[:before]
        assert old[len(old) - behind :] == new[len(new) - behind :]
        rest_old, rest_new = old[before : len(old) - behind], new[before : len(new) - behind]
        assert not rest_old or not rest_new or (rest_old[0] != rest_new[0] and rest_old[-1] != rest_new[-1])


@given(_lines)
def test_where_columns_are_cells_they_are(line: str) -> None:
    assert is_narrow(line) or not is_cells(line)
    if is_narrow(line):
        assert [cell_at(line, column) for column in range(len(line) + 1)] == list(range(len(line) + 1))


def test_a_remembered_line_is_not_measured_again() -> None:
    line = "dólör sit\t" * 1000
    layouts = Layouts()
    before = layouts.of(line)
    assert layouts.of(line) is before
    with patch.object(module, "_measure", wraps=module._measure) as measure:
        edited = line[:5000] + "x" + line[5000:]
        cells = layouts.cells_of(edited)
        assert measure.call_count < 4
        assert Layout(edited).cell_at(len(edited)) == cells
        assert measure.call_count > 8
    layouts.of("other " + line)
    assert layouts.of(line) is before


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


def test_a_vowel_sign_without_width_is_drawn_on_its_consonant() -> None:
    (run,) = runs("\u1000\u102c")
    assert (run.columns, run.text) == (2, "\u1000\u102c")


def test_a_cluster_that_is_very_wide_is_drawn_in_part() -> None:
    flag_of_england = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    run, after = runs(flag_of_england + "x")
    assert (run.columns, run.cells) == (7, CLUSTER_CELLS)
    assert run.text == "🏴⨯⨯"
    assert (after.column, after.cell) == (7, CLUSTER_CELLS)


def test_a_cluster_of_very_many_marks_is_drawn_in_part() -> None:
    (run,) = runs("e" + "\u0301" * 1000)
    assert run.columns == 1001
    assert len(run.text) == 32
