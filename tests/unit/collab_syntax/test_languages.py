"""What keys do in each language: its patterns, as typing has them; and that no line keeps anybody waiting."""

from __future__ import annotations

from time import process_time

import pytest

from collab_client.carets import Span
from collab_client.code_edits import CodeStyle, newline, type_text
from collab_client.indentation import Indentation
from collab_client.lines import Lines, Position
from collab_syntax.languages import LANGUAGES, Language, by_id

FOUR = Indentation("    ")


def style(language: Language) -> CodeStyle:
    return CodeStyle(
        line_comment=language.line_comment,
        block_comment=language.block_comment,
        pairs=language.pairs,
        indent_after=language.indent_after,
        dedent_at=language.dedent_at,
    )


@pytest.mark.parametrize(
    ("language", "line", "is_deeper"),
    [
        ("python", "def f():", True),
        ("python", "def f():  # why", True),
        ("python", "    # Note:", False),
        ("python", "x = 1  # Note:", False),
        ("python", "f('# ', x, [", True),
        ("javascript", "if (a) {", True),
        ("javascript", "if (a) { // why", True),
        ("javascript", "if (a) { /* why */ ", True),
        ("javascript", "if (a) { /* why */ b", False),
        ("javascript", "    case 'a':", True),
        ("javascript", "    // case a:", False),
        ("javascript", "f(x =>", True),
        ("javascript", "see('http://x', {", True),
        ("typescript", "switch (a) { case 1: ", True),
        ("tsx", "x => ", True),
        ("go", "    case a, b:", True),
        ("go", "default:", True),
        ("go", "x := a", False),
        ("c", "int main() {", True),
        ("html", "<div class='a'>", True),
        ("html", "<br>", False),
        ("css", "a { /* b */", True),
        ("yaml", "a: # why", True),
        ("yaml", "- a: |", True),
        ("yaml", "- b: 1", False),
        ("yaml", "# a:", False),
        ("bash", "if a; then", True),
        ("bash", "elif b; then # why", True),
        ("bash", "case ${#a} in", True),
        ("bash", "while [ $# -gt 0 ]; do", True),
        ("bash", "# what to do", False),
        ("sql", "create table a ( -- why", True),
        ("sql", "-- what (", False),
        ("dockerfile", "RUN a \\", True),
    ],
)
def test_where_a_new_line_is_deeper(language: str, line: str, *, is_deeper: bool) -> None:
    place = Position(0, len(line))
    replacement = newline(Lines(line), Span(place, place), style(by_id[language]), FOUR)
    indent = len(line) - len(line.lstrip())
    text = "" if replacement is None else replacement.text.removeprefix("\n")
    assert len(text) == indent + 4 * is_deeper


@pytest.mark.parametrize(
    ("language", "before", "sign", "is_shallower"),
    [
        ("python", "else", ":", True),
        ("python", "else", " ", False),
        ("python", "else c", ":", False),
        ("python", "finally", ":", True),
        ("python", "elif", " ", True),
        ("python", "elif", "s", False),
        ("python", "except", ":", True),
        ("python", "except", "*", True),
        ("bash", "fi", ";", True),
        ("bash", "done", " ", True),
        ("bash", "else", " ", True),
        ("javascript", "", "}", True),
        ("html", "<", "/", True),
        ("json", "", "]", True),
    ],
)
def test_what_makes_a_line_shallower(language: str, before: str, sign: str, *, is_shallower: bool) -> None:
    lines = Lines("a\n    b\n    " + before)
    place = Position(2, 4 + len(before))
    replacement = type_text(lines, Span(place, place), sign, style(by_id[language]), FOUR)
    has_moved = replacement is not None and replacement.start == (2, 0)
    assert has_moved == is_shallower


HANG_MS = 500
"""What hangs takes far more, and what does not far less, on any machine."""

PIECES = [
    *(
        "(",
        "( ",
        "{/*",
        "{/* */",
        "(//",
        "=> ",
        "=>",
        "case",
        "case:",
        "case :",
        "case a: ",
        "default :",
        "<a ",
        "<a",
        "</",
    ),
    *(
        "elif;",
        "elif; then",
        "then ",
        "do",
        "in #",
        ": # ",
        ":",
        ": ",
        "- |",
        ": >-1 ",
        "# ",
        "#",
        " # :",
        "\\",
        "\\ ",
    ),
    *(
        " ",
        "\t",
        "'",
        '"',
        '"""',
        "`",
        "a",
        "a:",
        "/",
        "//",
        " //",
        "*/",
        "/*",
        "--",
        "( --",
        "else",
        "else ",
        "1",
        "é",
    ),
]


@pytest.mark.parametrize("language", [known for known in LANGUAGES if known.indent_after or known.dedent_at])
def test_no_line_keeps_anybody_waiting(language: Language) -> None:
    """Within the bound of 10 ms in which a pattern is given up, too."""
    typing = style(language)
    for piece in PIECES:
        for before, behind in (("", ""), ("", "x"), ("  {", " */x"), ("case", ":x")):
            line = before + (piece * 4000)[:2100] + behind
            lines, place = Lines(f"a\n{line}"), Position(1, len(line))
            span = Span(place, place)
            for call in (
                lambda: newline(lines, span, typing, FOUR),  # noqa: B023 - called at once
                lambda: type_text(lines, span, ":", typing, FOUR),  # noqa: B023
                lambda: type_text(lines, span, "'", typing, FOUR),  # noqa: B023
            ):
                times = []
                for _ in range(3):
                    start = process_time()
                    call()
                    times.append(1000 * (process_time() - start))
                    if times[-1] < 5:
                        break
                assert min(times) < HANG_MS, (piece, before, behind)
