"""Where carets go by line, paragraph and bracket, and what is a word."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from collab_client.clusters import is_word
from collab_client.lines import Lines, Position
from collab_client.motions import (
    matching_bracket,
    paragraph_above,
    paragraph_below,
    smart_line_start,
    word_at,
)

PAIRS = {"(": ")", "[": "]", "{": "}"}
FAMILY = "👨‍👩‍👧‍👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


def test_home_goes_to_the_text_and_then_to_the_line() -> None:
    lines = Lines("  \tword\n\n   ")
    assert smart_line_start(lines, Position(0, 5)) == (0, 3)
    assert smart_line_start(lines, Position(0, 3)) == (0, 0)
    assert smart_line_start(lines, Position(0, 0)) == (0, 3)
    assert smart_line_start(lines, Position(1, 0)) == (1, 0)
    assert smart_line_start(lines, Position(2, 1)) == (2, 3)


# Paragraphs


def test_paragraphs_end_at_blank_lines() -> None:
    lines = Lines("one\ntwo\n\n \nthree\nfour\n\nfive")
    below, place = [], Position(0, 2)
    for _ in range(4):
        place = paragraph_below(lines, place)
        below.append(tuple(place))
    assert below == [(2, 0), (6, 0), (7, 4), (7, 4)]
    above = []
    for _ in range(4):
        place = paragraph_above(lines, place)
        above.append(tuple(place))
    assert above == [(6, 0), (3, 0), (0, 0), (0, 0)]


def test_from_the_last_line_of_a_paragraph_it_is_the_blank_line_next_to_it() -> None:
    lines = Lines("one\n\ntwo\n\nthree")
    assert paragraph_below(lines, Position(0, 1)) == (1, 0)
    assert paragraph_above(lines, Position(4, 1)) == (3, 0)


runs_of_lines = st.lists(
    st.tuples(st.sampled_from(["", " ", "\t", "text", "  x "]), st.sampled_from([1, 2, 255, 256, 600])),
    min_size=1,
    max_size=5,
)


@given(runs_of_lines, st.data())
def test_paragraphs_are_found_across_blocks(runs: list[tuple[str, int]], data: st.DataObject) -> None:
    text = [line for line, times in runs for _ in range(times)]
    row = data.draw(st.integers(0, len(text) - 1))
    lines = Lines("\n".join(text))
    below = blank_behind_text(text[row:])
    assert paragraph_below(lines, Position(row, 0)) == (lines.end if below is None else (row + below, 0))
    above = blank_behind_text(text[row::-1])
    assert paragraph_above(lines, Position(row, 0)) == ((0, 0) if above is None else (row - above, 0))


def blank_behind_text(text: list[str]) -> int | None:
    first = next((row for row, line in enumerate(text) if line.strip()), len(text))
    return next((row for row, line in enumerate(text) if row > first and not line.strip()), None)


# Brackets


@pytest.mark.parametrize(
    ("at", "partner"),
    [
        ((0, 1), (2, 0)),
        ((2, 0), (0, 1)),
        ((0, 2), (2, 0)),
        ((1, 3), (1, 10)),
        ((1, 10), (1, 3)),
        ((1, 11), (1, 3)),
        ((1, 5), (1, 6)),
        ((1, 7), (1, 4)),
        ((1, 8), (1, 3)),
    ],
)
def test_a_bracket_finds_its_partner(at: tuple[int, int], partner: tuple[int, int]) -> None:
    lines = Lines("f{ x\n  a[(i), j]\n}")
    assert matching_bracket(lines, Position(*at)) == partner


def test_between_brackets_it_goes_to_the_one_that_opens() -> None:
    assert matching_bracket(Lines("f(a, bc)"), Position(0, 5)) == (0, 1)
    assert matching_bracket(Lines("{[x] y (z) q"), Position(0, 6)) == (0, 0)
    assert matching_bracket(Lines("no brackets"), Position(0, 5)) is None
    assert matching_bracket(Lines("(open"), Position(0, 0)) is None
    assert matching_bracket(Lines("closed) x"), Position(0, 8)) is None


def test_only_brackets_of_its_kind_are_partners() -> None:
    lines = Lines('print("]", x[0])')
    assert matching_bracket(lines, Position(0, 5)) == (0, 15)
    assert matching_bracket(lines, Position(0, 15)) == (0, 5)


def test_the_column_counts_in_its_own_line_alone() -> None:
    for opening, closing in (("x" * 50 + "(", ")"), ("(", ")" + "x" * 50)):
        lines = Lines("\n".join(["x"] * 255 + [opening, closing] + ["x"] * 600))
        places = Position(255, len(opening) - 1), Position(256, 0)
        assert matching_bracket(lines, places[0]) == places[1]
        assert matching_bracket(lines, places[1]) == places[0]


texts_of_brackets = st.lists(
    st.one_of(st.text(alphabet="()[]{}aé ", max_size=8), st.just("x\n" * 300)), min_size=1, max_size=6
).map("\n".join)


@given(texts_of_brackets, st.data())
def test_brackets_are_those_that_counting_finds(text: str, data: st.DataObject) -> None:
    lines = Lines(text)
    at = data.draw(st.integers(0, len(text)))
    here = Position(text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1)
    found = matching_bracket(lines, here)
    expected = partner_in(text, at)
    assert found == (None if expected is None else lines.position(len(text[:expected].encode())))
    if found is not None and text[at : at + 1] in {*PAIRS, *PAIRS.values()}:
        assert matching_bracket(lines, found) == here


def partner_in(text: str, at: int) -> int | None:
    """Find the partner the plain way: by what is open, character for character."""
    stops = [
        place
        for place in (at, at - 1)
        if 0 <= place < len(text) and text[place] in "()[]{}" and "\n" not in text[place:at]
    ]
    if not stops:
        depths = dict.fromkeys(PAIRS, 0)
        for place in range(at - 1, -1, -1):
            for opening, closing in PAIRS.items():
                depths[opening] += (text[place] == opening) - (text[place] == closing)
            if text[place] in PAIRS and depths[text[place]] == 1:
                return place
        return None
    is_opening = text[stops[0]] in PAIRS
    own = text[stops[0]]
    other = PAIRS[own] if is_opening else next(key for key, value in PAIRS.items() if value == own)
    depth = 0
    for place in range(stops[0], len(text) if is_opening else -1, 1 if is_opening else -1):
        depth += (text[place] == own) - (text[place] == other)
        if not depth:
            return place
    return None


@pytest.mark.parametrize(
    ("between", "is_found"),
    [
        ("x" * 299_999, True),
        ("x" * 300_000, False),
        ("x\n" * 149_999, True),
        ("x\n" * 160_000, False),
        ("()" * 3_999, True),
        ("()" * 4_000, False),
        ("[]" * 8_000, True),
    ],
)
def test_a_partner_is_looked_for_so_far_and_no_farther(between: str, is_found: bool) -> None:
    lines = Lines(f"({between})")
    closing = Position(lines.row_count - 1, lines.end.column - 1)
    assert matching_bracket(lines, Position(0, 0)) == (closing if is_found else None)
    assert matching_bracket(lines, closing) == (Position(0, 0) if is_found else None)


# Words


@pytest.mark.parametrize(
    ("line", "column", "word"),
    [
        ("two words", 5, "words"),
        ("two words", 9, "words"),
        ("two  words", 3, "  "),
        ("a+=b", 1, "+"),
        ("e\u0301te\u0301 x", 2, "e\u0301te\u0301"),
        (f"a {FAMILY} b", 4, FAMILY),
        (f"a {ENGLAND}x b", 4, ENGLAND + "x"),
        ("a -\u0301 b", 3, "-\u0301"),
        ("می\u200cخواهم x", 1, "می\u200cخواهم"),
        ("snake_case9!", 0, "snake_case9"),
        ("漢字 かな", 1, "漢字"),
        ("", 0, ""),
    ],
)
def test_words(line: str, column: int, word: str) -> None:
    start, end = word_at(line, column)
    assert line[start:end] == word


@given(st.text(alphabet="ab _-\t\u0301\u200d\u200c漢👨👩🇩🇪e", max_size=20), st.data())
def test_words_are_runs_of_clusters_of_a_kind(line: str, data: st.DataObject) -> None:
    def kind(numbered: tuple[int, str]) -> object:
        number, cluster = numbered
        is_sign = not is_word(cluster[0]) and not cluster[0].isspace()
        return number if is_sign else is_word(cluster[0])

    words = [
        (key, "".join(cluster for _, cluster in run))
        for key, run in groupby(enumerate(iter_graphemes(line), 2), key=kind)
    ]
    column = data.draw(st.integers(0, len(line)))
    edges = [0]
    for _, word in words:
        edges.append(edges[-1] + len(word))
    start = max((edge for edge in edges[:-1] if edge <= column), default=0)
    assert word_at(line, column) == (start, edges[edges.index(start) + 1] if line else 0)


@pytest.mark.parametrize("cluster", ["a", "漢", "e\u0301", "🇩🇪"])
def test_a_word_of_any_length_is_cut_at_a_cluster(cluster: str) -> None:
    line = cluster * 10_000
    start, end = word_at(line, 5_001)
    assert 3_001 - len(cluster) < start <= 3_001 and 7_001 < end <= 7_001 + len(cluster)
    assert start % len(cluster) == end % len(cluster) == 0
