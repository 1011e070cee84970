"""What a text is indented with, and what Tab inserts."""

from __future__ import annotations

import pytest

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
    ],
)
def test_it_is_found_in_the_text(text: str, unit: str) -> None:
    assert detect(Lines(text)).unit == unit


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
