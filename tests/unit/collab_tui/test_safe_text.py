"""The allow-list: nothing that a terminal obeys or a reader cannot see gets through."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from collab_tui.safe_text import crop_cells, safe_name, safe_text

_anything = st.text(st.characters(codec=None))
_nasty = st.text(
    st.sampled_from("ab1#\t\n\x1b\x07\x7f\x9b\u200d\u200b\u202e\ufe0f\u20e3\ufeff\u2028❤👩🚀🏽🏳🌈e\u0301漢")
)


def is_allowed(text: str, at: int) -> bool:
    category = unicodedata.category(text[at])
    if text[at] == "\u200d":
        return 0 < at < len(text) - 1 and text[at + 1] > "\u00a8"
    return category not in ("Cc", "Cf", "Zl", "Zp", "Cs")


@given(_anything | _nasty)
def test_nothing_that_is_not_allowed_comes_out(text: str) -> None:
    drawn = safe_text(text)
    assert all(is_allowed(drawn, at) for at in range(len(drawn)))


@given(_anything | _nasty)
def test_columns_stay_what_they_were(text: str) -> None:
    assert len(safe_text(text)) == len(text)


@given(_anything | _nasty)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    drawn = safe_text(text)
    assert safe_text(drawn) == drawn


def test_every_code_point_alone_is_harmless_and_its_mark_is_one_cell() -> None:
    for code in range(0x110000):
        character = chr(code)
        drawn = safe_text(character)
        assert is_allowed(drawn, 0), hex(code)
        assert drawn == character or cell_len(drawn) == 1, hex(code)


@pytest.mark.parametrize(
    "text", ["plain", "naïve", "漢字", "👨‍👩‍👧", "❤️", "1️⃣", "🏳️‍🌈", "👩🏽‍🚀", "🇩🇪", "e\u0301", "नमस्ते"]
)
def test_writing_and_emoji_are_let_through(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("\x1b[31m", "␛[31m"),
        ("a\x00\x07\x7f", "a␀␇␡"),
        ("\x9b31m", "�31m"),
        ("a\u202eb", "a⨯b"),
        ("a\u200db", "a⨯b"),
        ("a\ufe0f", "a⨯"),
        ("1\ufe0f", "1⨯"),
        ("a\ufe0f\u200d🚀", "a⨯⨯🚀"),
        ("\U000e0041", "⨯"),
        ("\u3164", "⨯"),
    ],
)
def test_marks_stand_for_what_is_not_allowed(text: str, drawn: str) -> None:
    assert safe_text(text) == drawn


def test_marks_are_ascii_where_the_terminal_has_no_others() -> None:
    assert safe_text("a\x1b\u202eb", ascii_marks=True) == "a??b"


@given(_anything | _nasty)
def test_names_are_short_and_one_line(name: str) -> None:
    drawn = safe_name(name)
    assert drawn
    assert cell_len(drawn) <= 32
    assert safe_text(drawn) == drawn


def test_names_are_normalised_and_never_empty() -> None:
    assert safe_name("  a\u0301na \n x ") == "ána x"
    assert safe_name(" \t ") == "guest"
    assert safe_name("[bold]ana[/]") == "[bold]ana[/]"


def test_cropping_never_cuts_a_character() -> None:
    assert crop_cells("漢字", 3) == "漢"
    assert crop_cells("e\u0301e\u0301", 1) == "e\u0301"
    assert crop_cells("👨‍👩‍👧x", 2) == "👨‍👩‍👧"
    assert crop_cells("abc", 0) == ""
