"""What a text is indented with, and what Tab inserts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_client.clusters import cells_before
from collab_client.indentation import Indentation, detect, parse
from collab_client.lines import Lines


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", "    "),
        ("plain\ntext", "    "),
        ("def f():\n    if x:\n        y\n", "    "),
        ("a:\n  b:\n    c: 1\n  d:\n\n    e", "  "),
        ("a {\n\tb {\n\t\tc\n", "\t"),
        ("a\n   one\na\n   two\na\n  odd", "   "),
        (" * comment\n * goes on\n", "    "),
        ("x\n\ta\nx\n\tb\nx\n  c", "\t"),
        ("x\n\ta\n    b\n\tc\n    d\nx\n  e", "\t"),
        ("x\n    a\nx\n  b", "  "),
        ("x\n  a\n\n    b\n    c\n\n    d\n\n    e", "  "),
    ],
)
def test_it_is_found_in_the_text(text: str, unit: str) -> None:
    assert detect(Lines(text)).unit == unit


@given(st.integers(2, 8), st.lists(st.integers(-3, 1), min_size=1, max_size=30))
def test_any_width_is_found_where_lines_go_deeper(size: int, steps: list[int]) -> None:
    depth, text = 1, ["x", " " * size + "x"]
    for step in steps:
        depth = max(0, depth + step)
        text += [" " * size * depth + "x", ""]
    assert detect(Lines("\n".join(text))).unit == " " * size


def test_only_the_first_2000_lines_are_looked_at() -> None:
    for plain, unit in ((1998, "  "), (1999, "    ")):
        assert detect(Lines("\n".join(["x"] * plain + ["a", "  b"]))).unit == unit


def test_what_the_setting_says() -> None:
    assert parse("auto") is None
    assert parse("tabs") == Indentation("\t")
    assert parse("2") == Indentation("  ")


def test_tab_goes_to_the_next_step() -> None:
    four = Indentation("    ")
    assert four.tab_text("", 0) == "    "
    assert four.tab_text("ab", 2) == "  "
    assert four.tab_text("漢字", 2) == "    "
    assert four.tab_text("漢", 1) == "  "
    assert Indentation("\t").tab_text("ab", 2) == "\t"


@given(st.text(alphabet="a é\u0301漢\t🙂", max_size=12), st.integers(1, 8))
def test_tab_ends_on_a_step_and_is_one_at_most(line: str, size: int) -> None:
    text = Indentation(" " * size).tab_text(line, len(line))
    assert 1 <= len(text) <= size
    assert (cells_before(line, len(line)) + len(text)) % size == 0
