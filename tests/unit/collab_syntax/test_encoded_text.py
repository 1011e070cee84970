"""A text in bytes under edits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_syntax.encoded_text import EncodedText

TEXTS = st.text(st.sampled_from("abé€😀𝄞\n"), max_size=20)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3), TEXTS), max_size=6))
def test_rows_are_replaced_and_the_change_is_the_least(text: str, edits: list[tuple[int, int, str]]) -> None:
    encoded = EncodedText(text.encode())
    for row, more, new in edits:
        lines = text.split("\n")
        first = min(row, len(lines) - 1)
        last = min(first + more, len(lines) - 1)
        before = bytes(encoded.content)
        old = "\n".join(lines[first : last + 1])
        change = encoded.replace_rows(first, last, new.encode())
        text = "\n".join([*lines[:first], new, *lines[last + 1 :]])
        after = text.encode()
        assert bytes(encoded.content) == after
        assert encoded.row_count == text.count("\n") + 1
        assert (change is None) == (old == new)
        if change is None:
            continue
        start, old_end, new_end = change[:3]
        assert before[:start] + after[start:new_end] + before[old_end:] == after
        before[:start].decode(), before[old_end:].decode(), after[start:new_end].decode()  # whole characters
        for point, content, at in zip(change[3:], (before, before, after), change[:3], strict=True):
            assert point == (content.count(b"\n", 0, at), at - content.rfind(b"\n", 0, at) - 1)


@given(TEXTS, st.integers(0, 25), st.integers(0, 25))
def test_places_and_bytes_are_each_others_inverse(text: str, row: int, column: int) -> None:
    encoded = EncodedText(text.encode())
    lines = text.split("\n")
    at = encoded.byte_of(row, column)
    if row >= len(lines):
        assert at == len(text.encode())
        return
    column = min(column, len(lines[row]))
    assert at == len("\n".join([*lines[:row], lines[row][:column]]).encode())
    assert encoded.place_of((row, at - encoded.row_start(row))) == (row, column)


def test_rows_that_are_not_there_cannot_be_replaced() -> None:
    encoded = EncodedText(b"a\nb")
    for first, last in ((-1, 0), (1, 0), (0, 2), (2, 2)):
        with pytest.raises(IndexError):
            encoded.replace_rows(first, last, b"")
    assert bytes(encoded.content) == b"a\nb"


def test_a_letter_in_a_long_line_is_a_change_of_a_letter() -> None:
    line = b"x" * 90_000
    encoded = EncodedText(b"a\n" + line)
    change = encoded.replace_rows(1, 1, line[:50] + b"y" + line[50:])
    assert change == (52, 52, 53, (1, 50), (1, 50), (1, 51))
