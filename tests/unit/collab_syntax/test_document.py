"""Documents: colours of every language, and that after edits they are those of a fresh parse."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab_syntax.document import Document, Interrupted
from collab_syntax.grammars import grammar_names
from collab_syntax.kinds import Kind, Run
from collab_syntax.languages import LANGUAGES, PLAIN
from tests.unit.collab_syntax.samples import SAMPLES, colours, kind_of, open_document


@pytest.mark.parametrize("language", SAMPLES)
def test_words_are_what_they_are(language: str) -> None:
    text, expected = SAMPLES[language]
    rows = colours(language, text)
    found = [(word, kind_of(rows, text, word)) for word, _ in expected]
    assert found == expected


def test_every_language_is_sampled() -> None:
    assert {language.id for language in LANGUAGES} - {PLAIN.id} == set(SAMPLES)
    assert grammar_names() - {"markdown_inline"} <= set(SAMPLES)


TEXTS = st.text(st.sampled_from(list("ab(){}[]<>\"'`#*/\\-+=:;,.!@$ \n\t01é€😀\u0301")), max_size=12)


@pytest.mark.parametrize("language", SAMPLES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_after_any_edits_the_colours_are_those_of_a_fresh_parse(language: str, data: st.DataObject) -> None:
    text = SAMPLES[language][0] * data.draw(st.integers(1, 3))
    document = open_document(language, text)
    if isinstance(document, Document):
        document._afresh_s = 1.0  # as if it were large: parse from the tree before
    for _ in range(data.draw(st.integers(1, 6))):
        lines = text.split("\n")
        first = data.draw(st.integers(0, len(lines) - 1))
        last = data.draw(st.integers(first, min(first + 2, len(lines) - 1)))
        old = "\n".join(lines[first : last + 1])
        start = data.draw(st.integers(0, len(old)))
        end = data.draw(st.integers(start, min(start + 8, len(old))))
        new = old[:start] + data.draw(TEXTS) + old[end:]
        document.edit(first, last, new.encode())
        document.parse()
        if isinstance(document, Document) and not document.is_settled:
            document._afresh_s = 1.0
        text = "\n".join([*lines[:first], new, *lines[last + 1 :]])
        document.colours((0, 499))[0][1]
    document.settle()
    rows = document.colours((0, 499))[0][1]
    assert rows == colours(language, text)
    assert_well_formed(rows, text)


def assert_well_formed(rows: list[list[Run]], text: str) -> None:
    """In order, not overlapping, within their line, of kinds that exist, without NONE."""
    for runs, line in zip(rows, text.split("\n"), strict=True):
        at = 0
        for start, end, kind in runs:
            assert at <= start < end <= len(line)
            assert Kind(kind) is not Kind.NONE
            at = end


@pytest.mark.parametrize("language", ["python", "rust", "json", "css", "toml", "go"])
def test_typing_well_formed_text_needs_no_settling(language: str) -> None:
    """Letter by letter at the end of a word: incremental and fresh parses agree at once."""
    text = SAMPLES[language][0] * 2
    document = open_document(language, text)
    assert isinstance(document, Document)
    lines = text.split("\n")
    row = next(row for row, line in enumerate(lines) if "name" in line or "self" in line or "e" in line)
    for letter in "xyz":
        document._afresh_s = 1.0
        column = lines[row].index("e") + 1
        lines[row] = lines[row][:column] + letter + lines[row][column:]
        document.edit(row, row, lines[row].encode())
        document.parse()
        assert not document.is_settled
        assert document.colours((0, 499))[0][1] == colours(language, "\n".join(lines))


def test_what_lies_out_of_an_edits_reach_keeps_its_colours() -> None:
    text = "def f():\n    return 1\n\n" * 200
    document = open_document("python", text)
    before = document.colours((300, 400))[0][1]
    document.edit(0, 0, b"def g(x):")
    document.parse()
    assert document.colours((300, 400))[0][1] == before


@pytest.mark.parametrize("seed", range(5))
def test_any_part_of_a_text_has_the_colours_of_the_whole(seed: int) -> None:
    dice = random.Random(seed)
    for language, (sample, _) in SAMPLES.items():
        text = sample * 3
        document = open_document(language, text)
        whole = document.colours((0, 499))[0][1]
        first = dice.randrange(len(whole))
        last = dice.randrange(first, len(whole))
        assert document.colours((first, last))[0][1] == whole[first : last + 1], (language, first, last)


def test_a_line_too_long_has_no_colours_and_its_neighbours_have_theirs() -> None:
    text = "x = 1\n[" + "1," * 60_000 + "]\ny = 'é'\n"
    rows = colours("python", text)
    assert rows[1] == []
    assert kind_of(rows, text, "=") is Kind.OPERATOR
    assert kind_of(rows, text, "'é'") is Kind.STRING


def test_rows_that_are_not_there_are_left_out() -> None:
    for language, (text, _) in SAMPLES.items():
        document = open_document(language, text)
        assert document.colours((1_000, 2_000))[0][1] == []
        assert len(document.colours((0, 2_000))[0][1]) == text.count("\n") + 1
        assert len(open_document(language, "\n" * 3_000).colours((10, 2_000))[0][1]) == 500


def test_settling_stops_for_what_is_urgent_and_leaves_the_tree_good() -> None:
    text = "def f(a):\n    return a + 1\n\n" * 3_000
    document = open_document("python", text)
    document.edit(1, 1, b"    return 'b'")
    document.parse()
    if document.is_settled:
        pytest.skip("this machine parses it in no time")
    with pytest.raises(Interrupted):
        document.settle(lambda: True)
    assert document.colours((1, 1))[0][1][0][-1][2] == Kind.STRING
    document.settle()
    assert document.is_settled
    assert document.colours((1, 1))[0][1][0][-1][2] == Kind.STRING


def test_a_text_that_grows_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab_syntax.encoded_text.MOST_BYTES", 100)
    document = open_document("python", "x = 1")
    with pytest.raises(ValueError, match="too large"):
        document.edit(0, 0, b"y" * 101)
    with pytest.raises(IndexError):
        document.edit(0, 1, b"")


def test_a_text_that_takes_long_is_never_settled() -> None:
    document = open_document("python", "a = 1")
    assert isinstance(document, Document)
    document._afresh_s = 2.0
    document.edit(0, 0, b"a = ''")
    assert not document.is_settled
    document.parse()
    assert document.is_settled
