"""Finding by a few letters."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_tui.fuzzy import _worth, find

FEW = st.text("ab -", max_size=7)


@given(st.text("abAB -", max_size=4), FEW)
def test_the_best_of_all_ways_is_found(query: str, text: str) -> None:
    ways = [
        columns
        for columns in combinations(range(len(text)), len(query))
        if all(text[c] == letter for c, letter in zip(columns, query.lower(), strict=True))
    ]
    scores = [
        sum(_worth(before, place, text) for before, place in zip((-1, *way), way, strict=False))
        for way in ways
    ]
    hit = find(query, text)
    if not ways:
        assert hit is None
    else:
        assert hit is not None
        assert hit.score == max(scores)
        assert hit.columns in ways


@given(st.text(max_size=5), st.text(max_size=20))
def test_any_text_is_found_in_itself_and_columns_rise(query: str, text: str) -> None:
    assert find(text, text) is not None or text.lower() != "".join(c.lower() for c in text)
    hit = find(query, text)
    assert hit is None or sorted(set(hit.columns)) == list(hit.columns)


@pytest.mark.parametrize(
    ("query", "better", "worse"),
    [
        ("fn", "Find next", "Define"),
        ("sel", "Select all", "Sort by letters"),
        ("line", "Delete lines", "Left in a note"),
        ("f3", "F3", "Ctrl-Left 3"),
    ],
)
def test_words_and_rows_of_letters_come_first(query: str, better: str, worse: str) -> None:
    first, second = find(query, better), find(query, worse)
    assert first is not None
    assert second is None or first.score > second.score


def test_case_does_not_matter_and_order_does() -> None:
    assert find("CTRL", "ctrl-k") == find("ctrl", "Ctrl-K")
    assert find("ba", "ab") is None
    assert find("aa", "a") is None


def test_no_letter_counts_twice() -> None:
    hit = find("aa", "aab")
    assert hit is not None
    assert hit.columns == (0, 1)
