"""Markdown: what Enter does in lists, boxes that are ticked, headings, and where links lead.

In the examples ^ is the caret and ‹ the selection's other end.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collab_client.carets import Span
from collab_client.indentation import Indentation
from collab_client.lines import Edit, Lines, Position
from collab_client.markdown_edits import (
    Heading,
    Link,
    heading_target,
    headings,
    is_in_fence,
    link_at,
    newline,
    next_heading,
    previous_heading,
    renumber,
    toggle_checkbox,
)

TWO = Indentation("  ")

HANG_MS = 500
"""What hangs takes far more, and what does not far less, on any machine."""

HOSTILE = [
    *(
        "![x]",
        "[",
        "]",
        "[x",
        "![",
        "[![",
        "\\",
        "\\[",
        "`",
        "`` ",
        "``a`",
        "[a](",
        "[a](b ",
        "[a](b '",
        "[a](<",
    ),
    *(
        "(",
        "[a]((",
        "[a](()",
        "[a](\\(",
        "[[",
        "[[a",
        "]]",
        "<a:",
        "<a1:",
        "http://",
        "https://a)(",
        "&#",
        "&a;",
    ),
    *(
        "- ",
        "-- ",
        "* ",
        "> ",
        ">",
        " ",
        "\t",
        "1. ",
        "#",
        "# ",
        " #",
        "=",
        "~",
        "[a]: ",
        "|",
        "_",
        "_ ",
        "_a",
        "a_",
    ),
    *(
        "[][",
        '"',
        "'",
        '[a](b "',
        "a",
        "[](",
        "!",
        "[a]:",
        "1",
        "([",
        "- [ ] ",
        "[]()",
        "![](",
        "[x](\\) ",
        "[\\]",
    ),
]
"""What is repeated in the lines that may not keep anybody waiting."""


def parsed(marked: str) -> tuple[Lines, Span]:
    head = _place(marked.replace("‹", ""), "^")
    anchor = _place(marked.replace("^", ""), "‹") if "‹" in marked else head
    return Lines(marked.replace("^", "").replace("‹", "")), Span(head, anchor)


def _place(text: str, sign: str) -> Position:
    before = text[: text.index(sign)]
    return Position(before.count("\n"), len(before) - before.rfind("\n") - 1)


def entered(marked: str) -> str | None:
    lines, span = parsed(marked)
    replacement = newline(lines, span, TWO)
    if replacement is None:
        return None
    start, end, text, head, anchor = replacement
    assert anchor is None
    lines.replace(start, end, text[:head] + "^" + text[head:])
    return lines.text()


def applied(text: str, edits: list[Edit]) -> str:
    places = [place for edit in edits for place in (edit.start, edit.end)]
    assert places == sorted(places)
    lines = Lines(text)
    for edit in reversed(edits):
        lines.replace(*edit)
    return lines.text()


# Lists


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- a^", "- a\n- ^"),
        ("* a^", "* a\n* ^"),
        ("+ a^", "+ a\n+ ^"),
        ("- a^ b", "- a\n- ^b"),
        ("- ^a", "- \n- ^a"),
        ("1. a^", "1. a\n2. ^"),
        ("9) a^", "9) a\n10) ^"),
        ("007. a^", "007. a\n008. ^"),
        ("999999999. a^", "999999999. a\n999999999. ^"),
        ("1. a\n1. b^", "1. a\n1. b\n1. ^"),
        ("1. a^\n1. b", "1. a\n1. ^\n1. b"),
        ("1. a^\n2. b", "1. a\n2. ^\n2. b"),
        ("- [ ] a^", "- [ ] a\n- [ ] ^"),
        ("- [x] a^", "- [x] a\n- [ ] ^"),
        ("1. [X] a^", "1. [X] a\n2. [ ] ^"),
        ("- [x](y)^", "- [x](y)\n- ^"),
        ("> a^", "> a\n> ^"),
        (">a^", ">a\n> ^"),
        ("> > a^", "> > a\n> > ^"),
        ("> - a^", "> - a\n> - ^"),
        ("  - a^", "  - a\n  - ^"),
        ("\t- a^", "\t- a\n\t- ^"),
        ("-   a^", "-   a\n-   ^"),
        ("-      code^", "-      code\n- ^"),
        ("- a‹b\nc^d", "- a\n- ^d"),
        ("- a\n- ^", "- a\n^"),
        ("- [ ] ^", "^"),
        ("- [ ]^", "^"),
        ("1. ^", "^"),
        ("  - ^  ", "^"),
        ("> ^", "^"),
        ("> > ^", "> ^"),
        ("> - ^", "> ^"),
        ("- a \u0301^", "- a \u0301\n- ^"),
    ],
)
def test_enter_goes_on_with_a_list(before: str, after: str) -> None:
    assert entered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        "a^",
        "^- a",
        "-^ a",
        "- [^ ] a",
        "-^",
        "-a^",
        "1.a^",
        "- - -^",
        "* * *^",
        "```\n- a^\n```",
        "```sh\n- a\n~~~\n- b^",
        "- ```\n  - a^",
        "> ```\n> - a^",
    ],
)
def test_enter_is_a_plain_one_elsewhere(before: str) -> None:
    assert entered(before) is None


def test_a_list_goes_on_behind_a_fence() -> None:
    assert entered("```\n- a\n```\n- b^") == "```\n- a\n```\n- b\n- ^"
    assert entered("````\n```\n````\n- b^") == "````\n```\n````\n- b\n- ^"
    assert entered("```a```\n- b^") == "```a```\n- b\n- ^"


def test_a_fence_is_looked_for_2000_rows_above() -> None:
    for rows, is_fenced in ((2000, True), (2001, False)):
        lines = Lines("```" + "\n" * rows)
        assert is_in_fence(lines, rows) is is_fenced


@pytest.mark.parametrize(
    ("before", "row", "after"),
    [
        ("1. a\n2. new\n2. b\n3. c", 1, "1. a\n2. new\n3. b\n4. c"),
        ("1. a\n2. new\n2. b\n\n3. c\n\n\n4. d", 1, "1. a\n2. new\n3. b\n\n4. c\n\n\n4. d"),
        ("1. a\n2. new\n   text\n   - x\n   1. y\n2. b", 1, "1. a\n2. new\n   text\n   - x\n   1. y\n3. b"),
        ("1. a\n2. new\n2. b\n7. c", 1, "1. a\n2. new\n3. b\n7. c"),
        ("1. a\n2. new\n2) b", 1, "1. a\n2. new\n2) b"),
        ("1. a\n2. new\n- b\n2. c", 1, "1. a\n2. new\n- b\n2. c"),
        ("> 1. a\n> 2. new\n> 2. b", 1, "> 1. a\n> 2. new\n> 3. b"),
        ("8. a\n9. new\n9. b\n10. c", 1, "8. a\n9. new\n10. b\n11. c"),
        ("1. a\n1. b\n1. c", 1, "1. a\n1. b\n1. c"),
        ("- a\n- b", 0, "- a\n- b"),
        ("1. a\n2. b\n3. c", 0, "1. a\n2. b\n3. c"),
    ],
)
def test_what_follows_a_new_item_counts_on(before: str, row: int, after: str) -> None:
    assert applied(before, renumber(Lines(before), row)) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- [ ] a", "- [x] a"),
        ("- [x] a", "- [ ] a"),
        ("1. [X] a", "1. [ ] a"),
        ("- [ ]", "- [x]"),
        ("- a", "- [ ] a"),
        ("  2) a", "  2) [ ] a"),
        ("a", "- [ ] a"),
        ("  a", "  - [ ] a"),
        ("> a", "> - [ ] a"),
        ("> - a", "> - [ ] a"),
        ("", "- [ ] "),
        ("a\n\n- [ ] b", "- [ ] a\n\n- [x] b"),
        ("- [link](x)", "- [ ] [link](x)"),
        ("\r", "- [ ] \r"),
        ("a\r\n\r", "- [ ] a\r\n\r"),
        ("- [ ]\r", "- [x]\r"),
        ("---", "- [ ] ---"),
    ],
)
def test_a_box_is_ticked_and_cleared(before: str, after: str) -> None:
    lines = Lines(before)
    assert applied(before, toggle_checkbox(lines, range(lines.row_count))) == after


@pytest.mark.parametrize(
    "line", ["", "  ", "- ", "-", "  *", "1.", "12)  ", ">", "> ", "> -", "-\t", "- \r", "-\r"]
)
def test_where_no_text_is_a_box_comes_at_the_end_of_the_line(line: str) -> None:
    (edit,) = toggle_checkbox(Lines(line), [0])
    assert edit.start == edit.end == Position(0, len(line.rstrip("\r")))
    after = applied(line, [edit])
    assert after.rstrip("\r").endswith("[ ] ")
    assert applied(after, toggle_checkbox(Lines(after), [0])) == after.replace("[ ]", "[x]")


@given(st.text("ab []x-*1.>\t)", max_size=12))
@example("- -")
@example("> - 1.")
def test_a_line_comes_to_have_a_box_that_goes_back_and_forth(line: str) -> None:
    with_box = applied(line, toggle_checkbox(Lines(line), [0]))
    other = applied(with_box, toggle_checkbox(Lines(with_box), [0]))
    assert other != with_box
    assert len(other) == len(with_box)
    again = applied(other, toggle_checkbox(Lines(other), [0]))
    assert again.replace("[X]", "[x]") == with_box.replace("[X]", "[x]")


@given(st.text("ab []x-*1.>\t)\u0301`", max_size=12), st.integers(0, 12))
def test_enter_keeps_every_word(line: str, column: int) -> None:
    place = Position(0, min(column, len(line)))
    lines = Lines(line)
    replacement = newline(lines, Span(place, place), TWO)
    if replacement is not None:
        assert replacement.start.row == replacement.end.row == 0
        gone = lines.slice(replacement.start, replacement.end)
        assert not set(gone) & {"a", "b", "`"}
        assert replacement.text[replacement.head :] == ""


# Headings

PAGE = """\
---
title: no heading
# nor this
---
# One
text
## Two ##
```
# not this
```
Under
lined
===

Sub
---
- item
---
####### seven
#none

    # code
    code
---
   ### `Three` #
#
"""


def test_headings_of_either_form() -> None:
    assert headings(Lines(PAGE)) == [
        Heading(4, 1, "One"),
        Heading(6, 2, "Two"),
        Heading(10, 1, "Under lined"),
        Heading(14, 2, "Sub"),
        Heading(24, 3, "`Three`"),
        Heading(25, 1, ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---",
        "a\n\n---",
        "- a\n  b\n---",
        "> a\n---",
        "***\n---",
        "~~~\n# a",
        "\\# a",
        "a\n= =",
        "1. a\n===",
    ],
)
def test_what_is_no_heading(text: str) -> None:
    assert headings(Lines(text)) == []


def test_no_more_than_5000_in_200_000_rows() -> None:
    assert len(headings(Lines("# a\n" * 5001))) == 5000
    assert headings(Lines("\n" * 199_999 + "# a")) == [Heading(199_999, 1, "a")]
    assert headings(Lines("\n" * 200_000 + "# a")) == []


def test_a_paragraph_of_2000_lines_may_be_a_heading() -> None:
    for rows, found in ((2000, 1), (2001, 0)):
        assert len(headings(Lines("a\n" * rows + "===\n"))) == found


def test_from_heading_to_heading() -> None:
    lines = Lines("a\n# b\nc\n# d")
    assert [next_heading(lines, row) for row in range(4)] == [(1, 0), (3, 0), (3, 0), None]
    assert [previous_heading(lines, row) for row in range(4)] == [None, None, (1, 0), (1, 0)]


@pytest.mark.parametrize(
    ("target", "row"),
    [
        ("#plain-title", 0),
        ("plain-title", 0),
        ("#Plain-Title", 0),
        ("#plain-title-1", 1),
        ("#plain-title-2", 3),
        ("#plain-title-1-1", 2),
        ("#whats-new-in-v12--co", 4),
        ("#über-漢字", 5),
        ("#%C3%BCber-%E6%BC%A2%E5%AD%97", 5),
        ("#a-link-snake_case-and-emphasis", 6),
        ("#none", None),
        ("#", None),
    ],
)
def test_a_slug_names_a_heading(target: str, row: int | None) -> None:
    lines = Lines(
        "# Plain title\n# Plain *title*\n# Plain title-1\n## Plain `title`!\n# What's new in v1.2 & Co.?\n"
        "# Über 漢字\n# A [link](x), snake_case and _emphasis_"
    )
    assert heading_target(lines, target) == (None if row is None else (row, 0))


# Links


@pytest.mark.parametrize(
    ("marked", "link"),
    [
        ("see [the ^docs](a/b.md) now", Link("a/b.md", "the docs")),
        ("^[a](b)", Link("b", "a")),
        ("[a](b)^", Link("b", "a")),
        ("[a](b)^[c](d)", Link("d", "c")),
        ("[a](b) ^ [c](d)", None),
        ("[a](#^b 'title')", Link("#b", "a")),
        ('[a](b "x (y)")^', Link("b", "a")),
        ("[a](<b c>)^", Link("b c", "a")),
        ("[a](b_(c))^", Link("b_(c)", "a")),
        ("[a [b] c](d)^", Link("d", "a [b] c")),
        ("[![alt](i.png)^](d)", Link("d", "![alt](i.png)")),
        ("![alt](i.png)^", Link("i.png", "alt")),
        ("[a](b\\_c&amp;d&copy=1)^", Link("b_c&d&copy=1", "a")),
        ("\\[a](b)^", None),
        ("`[a](^b)`", None),
        ("`x` [a](^b) `y`", Link("b", "a")),
        ("<https://x.org/^>", Link("https://x.org/", "https://x.org/")),
        ("<mailto:ana@x.org>^", Link("mailto:ana@x.org", "mailto:ana@x.org")),
        ("(see https://x.org/a_(b)^).", Link("https://x.org/a_(b)", "https://x.org/a_(b)")),
        ("https://x.org.^", None),
        ("https://x.org^, and", Link("https://x.org", "https://x.org")),
        ("http^s://x.org?a=1&b=2", Link("https://x.org?a=1&b=2", "https://x.org?a=1&b=2")),
        ("httpx://x.org^", None),
        ("[a][b^]\n\n[B]: c", Link("c", "a")),
        ("[a][^]\n\n[a]: <c d> 'title'", Link("c d", "a")),
        ("[a  b^]\n\n[A b]: c\n[a b]: d", Link("c", "a  b")),
        ("[a^][b]", None),
        ("[a^][b]\n```\n[b]: c\n```", None),
        ("[ ^] a", None),
        ("[b^]: c", Link("c", "b")),
        ("[b]: c^ d", Link("c", "b")),
        ("[b]: c ^d", None),
        ("[[Some ^heading]]", Link("#some-heading", "Some heading")),
        ("[[#Some ^heading|there]]", Link("#some-heading", "there")),
        ("[[page#it^]]", Link("page#it", "page#it")),
        ("no link^", None),
        ("^", None),
    ],
)
def test_where_a_link_leads(marked: str, link: Link | None) -> None:
    lines, span = parsed(marked)
    assert link_at(lines, span.head) == link


def test_a_link_is_found_in_the_middle_of_a_long_line() -> None:
    line = "x `y " * 100_000 + "\\` [a](b) " + "z ` " * 100_000
    assert link_at(Lines(line), Position(0, 500_005)) == Link("b", "a")


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize(
    ("before", "behind"), [("", "x"), ("[", "!"), ("[a](", " x"), ("- `", "x"), ("# ", "x")]
)
def test_no_line_keeps_anybody_waiting(piece: str, before: str, behind: str) -> None:
    for size in (24 * len(piece), 4000):  # the short one first: what is exponential shall fail, not hang
        line = before + piece * (size // len(piece)) + behind
        lines = Lines(f"a\n{line}\n===\n[x]: y\n")
        place = Position(1, len(line))
        for column in (0, size // 2, len(line)):
            assert took_ms(partial(link_at, lines, Position(1, column))) < HANG_MS
        assert took_ms(partial(newline, lines, Span(place, place), TWO)) < HANG_MS
        assert took_ms(partial(renumber, lines, 1)) < HANG_MS
        assert took_ms(partial(toggle_checkbox, lines, [1])) < HANG_MS
        assert took_ms(partial(is_in_fence, lines, 3)) < HANG_MS
        assert took_ms(partial(heading_target, lines, "#none")) < HANG_MS


def took_ms(call: Callable[[], object]) -> float:
    """Return the least of three times, of this process alone."""
    times = []
    for _ in range(3):
        start = process_time()
        call()
        times.append(process_time() - start)
        if times[-1] > 1:
            break
    return 1000 * min(times)


def test_what_closes_a_heading_is_not_part_of_it() -> None:
    for line, title in (
        ("# a #", "a"),
        ("# a ##  ", "a"),
        ("# a# #", "a#"),
        ("# a#", "a#"),
        ("# #", ""),
        ("#  ", ""),
        ("# a \t#\r", "a"),
        ("# C# \\#", "C# \\#"),
    ):
        assert headings(Lines(line)) == [Heading(0, 1, title)]


@given(st.text("[]()<>`!\\ab:#|\"' \nhttps://x", max_size=40), st.integers(0, 40))
def test_any_text_has_a_link_or_none(text: str, column: int) -> None:
    lines = Lines(text)
    link = link_at(lines, lines.clamp(Position(0, column)))
    assert link is None or isinstance(link.target, str)
