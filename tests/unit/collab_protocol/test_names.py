from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.errors import NameRefused
from collab_protocol.names import check_room_name, clean_line, clean_person_name


@pytest.mark.parametrize("name", ["notes", "a", "0", "main.py", "a-b_c.d", "x" * 64])
def test_room_names_that_are_allowed(name: str) -> None:
    assert check_room_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "-a", "_a", "a..b", "a/b", "a b", "é", "x" * 65, "notes\n", "a\x00"]
)
def test_room_names_that_are_not(name: str) -> None:
    with pytest.raises(NameRefused, match="cannot name a room"):
        check_room_name(name)


@given(st.text(max_size=60))
def test_a_persons_name_is_printable_short_and_never_empty(name: str) -> None:
    cleaned = clean_person_name(name)
    assert cleaned
    assert cleaned.isprintable()
    assert len(cleaned) <= 32
    assert clean_person_name(cleaned) == cleaned


def test_escapes_and_space_go() -> None:
    assert clean_person_name("  ana\x1b[31m \u202e  b ") == "ana[31m b"
    assert clean_person_name("\x00\x1b") == "guest"
    assert clean_person_name("e\u0301") == "é"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("  hello  ", "hello"),
        ("one\ntwo\r\nthree", "one two  three"),
        ("a\tb\x00c\x1b[31m", "a b c [31m"),
        ("a\x85b\u2028c\u2029d", "a b c d"),
        ("日本語 🙂 é", "日本語 🙂 é"),
        ("\n\x07 \t", ""),
    ],
)
def test_a_line_of_chat_is_one_line_without_control_characters(typed: str, line: str) -> None:
    assert clean_line(typed) == line
