"""Tables of Markdown come into columns, their texts stay, and Tab walks through them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client.clusters import cells_before
from collab_client.lines import Edit, Lines
from collab_client.markdown_tables import _table_at, align_table
from tests.unit.collab_client.test_markdown_edits import HANG_MS, HOSTILE, took_ms


def applied(text: str, edits: list[Edit]) -> str:
    places = [place for edit in edits for place in (edit.start, edit.end)]
    assert places == sorted(places)
    lines = Lines(text)
    for edit in reversed(edits):
        lines.replace(*edit)
    return lines.text()


def aligned(text: str, row: int = 0) -> str:
    return applied(text, align_table(Lines(text), row))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("|a|b|\n|-|-|\n|long|c|", "| a    | b   |\n| ---- | --- |\n| long | c   |"),
        ("a|b\n-|-\nc|d", "| a   | b   |\n| --- | --- |\n| c   | d   |"),
        ("| a |\n|---|\n| b |", "| a   |\n| --- |\n| b   |"),
        (
            "|a|\n|-|\n|漢字|\n|👩‍👩‍👧|\n|e\u0301|",
            "| a    |\n| ---- |\n| 漢字 |\n| 👩‍👩‍👧   |\n| e\u0301    |",
        ),
        (
            "|left|right|mid|\n|:-|-:|:-:|\n|a|b|c|",
            "| left | right | mid |\n| :--- | ----: | :-: |\n| a    |     b |  c  |",
        ),
        (
            "|a|b\n|-|-|\n|c|\n|d|e|f|",
            "| a   | b   |     |\n| --- | --- | --- |\n| c   |     |     |\n| d   | e   | f   |",
        ),
        ("|a|\n|:-:|\n|long|\n||\n|b|", "|  a   |\n| :--: |\n| long |\n|      |\n|  b   |"),
        ("|a|\n|-|\n|x \\| y|", "| a      |\n| ------ |\n| x \\| y |"),
        ("|a|\n|-|\n|`x | y`|", "| a       |\n| ------- |\n| `x | y` |"),
        ("|a|b|\n|-|-|\n|`` ` | ``|`c|", "| a         | b   |\n| --------- | --- |\n| `` ` | `` | `c  |"),
        ("> |a|b|\n> |-|-|\n> |c|d|", "> | a   | b   |\n> | --- | --- |\n> | c   | d   |"),
        ("- |a|b|\n  |-|-|\n  |c|d|", "- | a   | b   |\n  | --- | --- |\n  | c   | d   |"),
        ("|a|\r\n|-|\r\n|b|\r", "| a   |\r\n| --- |\r\n| b   |\r"),
        ("|a|   \n|-|\n|b|\t", "| a   |\n| --- |\n| b   |"),
        ("|a|\n|---|\n|---|", "| a   |\n| --- |\n| --- |"),
    ],
)
def test_cells_are_padded_to_the_width_of_their_column(before: str, after: str) -> None:
    assert aligned(before) == after
    assert align_table(Lines(after), 0) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "a | b",
        "a | b\nc | d",
        "|a|b|\n\n|-|-|",
        "|a|\n|=|",
        "a \\| b\n---",
        "|a|\n|:|",
        "|" + "x" * 2000 + "|\n|-|",
        "|a|\n|-|\n" + "|b|\n" * 2000,
        "|" * 102 + "\n" + "|-" * 101 + "|",
    ],
)
def test_what_is_no_table_or_too_large_is_left_alone(text: str) -> None:
    assert align_table(Lines(text), 0) == []


def test_bounds_are_met_exactly() -> None:
    rows = "|a|\n|-|\n" + "|b|\n" * 1998
    assert aligned(rows, 1999).splitlines()[1999] == "| b   |"
    assert aligned("|" * 101 + "\n" + "|-" * 100 + "|") != ""


def test_it_is_found_from_any_of_its_rows_and_ends_with_them() -> None:
    text = "before | it\n|a|b|\n|-|-|\n|c|d|\n\nafter | it\n|-|"
    expected = "before | it\n| a   | b   |\n| --- | --- |\n| c   | d   |\n\nafter | it\n|-|"
    assert [aligned(text, row) for row in (1, 2, 3)] == [expected] * 3
    assert [align_table(Lines(text), row) for row in (0, 4)] == [[], []]


def test_a_cells_text_is_in_no_edit() -> None:
    text = "|name|amount|\n|:-|-:|\n|ana|1|\n|bo|22|"
    for edit in align_table(Lines(text), 0):
        assert set(edit.text + Lines(text).slice(edit.start, edit.end)) <= set("|-: ")


def test_only_lines_that_change_are_edited() -> None:
    text = "| name | b   |\n| ---- | --- |\n| ana | x |\n| bo   | y   |"
    assert {edit.start.row for edit in align_table(Lines(text), 0)} == {2}


def test_a_large_table_has_one_edit_a_line() -> None:
    text = "|a|b|c|\n|-|-|-|\n" + "|x|y|z|\n" * 300
    edits = align_table(Lines(text), 5)
    assert len(edits) == 302
    assert applied(text, edits).splitlines()[301] == "| x   | y   | z   |"


CELL = st.text(st.sampled_from("ab \\|`漢é\u0301👩\u200d:-\t>1."), max_size=8)
TABLES = st.builds(
    lambda columns, rows: "\n".join([rows[0], "|" + "-|" * columns, *rows[1:]]),
    st.integers(1, 4),
    st.lists(st.lists(CELL, max_size=5).map(lambda cells: "|" + "|".join(cells)), min_size=1, max_size=5),
)


def texts(text: str) -> list[list[str]]:
    """Return the cells of the table in row 1, the delimiter's left out."""
    table = _table_at(Lines(text), 1)
    return [] if table is None else [row.texts() for at, row in enumerate(table.rows) if at != 1]


@given(TABLES)
def test_aligning_is_idempotent_and_keeps_every_text(text: str) -> None:
    once = aligned(text, 1)
    assert align_table(Lines(once), 1) == []
    before, after = texts(text), texts(once)
    assert [[cell for cell in row if cell] for row in before] == [
        [cell for cell in row if cell] for row in after
    ]
    for old, new in zip(before, after, strict=True):
        assert new[: len(old)] == old
    assert len({len(row) for row in after}) <= 1


@given(st.lists(st.lists(st.text("ab漢👩🏽é", max_size=5), min_size=2, max_size=2), min_size=1, max_size=5))
def test_every_line_is_equally_wide(cells: list[list[str]]) -> None:
    text = "|a|b|\n|-|:-:|\n" + "\n".join("|" + "|".join(row) + "|" for row in cells)
    assert len({cells_before(line, len(line)) for line in aligned(text).split("\n")}) == 1


@pytest.mark.parametrize(
    "piece", [*HOSTILE, "\\|", "| -", "`|", "``|`", ":-", ":-:", "-:-", "` `` ``` ```` "]
)
def test_no_line_keeps_anybody_waiting(piece: str) -> None:
    line = (piece * 2000)[:1990]
    for text in (f"|a|\n|-|\n|{line}|", f"|a|\n|{line}|\n|b|", f"{line}|\n|-|\n"):
        lines = Lines(text)
        assert took_ms(lambda: align_table(lines, 1)) < HANG_MS  # noqa: B023 - called at once
