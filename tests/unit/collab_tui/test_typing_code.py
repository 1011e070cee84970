"""Keys that write, at one caret and at several, in code, in Markdown and in plain text."""

from __future__ import annotations

from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.code_edits import CodeStyle
from collab_client.indentation import Indentation
from collab_client.lines import Position
from collab_tui.widgets import typing_code
from tests.unit.collab_tui.stage import World

PYTHON = CodeStyle(line_comment="#", pairs=("()", '""'), indent_after=r":\s*$")
MARKDOWN = CodeStyle(is_markdown=True)


def unit() -> Indentation:
    return Indentation("    ")


def buffer(text: str, *carets: tuple[int, int]) -> Buffer:
    made = World(text).buffer
    made.set_spans([Span(Position(*at), Position(*at)) for at in carets])
    return made


def heads(made: Buffer) -> list[tuple[int, int]]:
    return [tuple(span.head) for span in made.spans]


def test_each_caret_is_indented_by_its_own_line() -> None:
    made = buffer("if a:\n  b\nc", (0, 5), (1, 3), (2, 1))
    typing_code.newline(made, PYTHON, unit)
    assert made.lines.text() == "if a:\n    \n  b\n  \nc\n"
    assert heads(made) == [(1, 4), (3, 2), (5, 0)]
    made.undo()
    assert made.lines.text() == "if a:\n  b\nc"


def test_a_bracket_closes_where_it_may_and_is_typed_plainly_elsewhere() -> None:
    made = buffer("a\nb c", (0, 1), (1, 2))
    rows: list[bytes] = []
    made.on_local_update = rows.append
    typing_code.type_text(made, "(", PYTHON, unit)
    assert made.lines.text() == "a()\nb (c"
    assert heads(made) == [(0, 2), (1, 3)]
    assert len(rows) == 1
    typing_code.type_text(made, ")", PYTHON, unit)
    assert made.lines.text() == "a()\nb ()c"
    assert heads(made) == [(0, 3), (1, 4)]


def test_backspace_takes_pairs_steps_and_characters() -> None:
    made = buffer("a()\n        b\nc", (0, 2), (1, 8), (2, 1))
    typing_code.backspace(made, PYTHON, unit)
    assert made.lines.text() == "a\n    b\n"
    made = buffer("👨‍👩‍👧", (0, 5))
    typing_code.backspace(made, PYTHON, unit)
    assert made.lines.text() == ""


def test_plain_text_is_typed_as_it_is() -> None:
    made = buffer("don", (0, 3))
    for key in "'t (":
        typing_code.type_text(made, key, typing_code.PLAIN, unit)
    typing_code.newline(made, typing_code.PLAIN, unit)
    assert made.lines.text() == "don't (\n"


def test_items_behind_a_new_one_count_on_in_the_same_step_of_undo() -> None:
    text = "1. one\n2. two\n3. three"
    made = buffer(text, (0, 6))
    typing_code.newline(made, MARKDOWN, unit)
    assert made.lines.text() == "1. one\n2. \n3. two\n4. three"
    assert heads(made) == [(1, 3)]
    made.undo()
    assert made.lines.text() == text
    assert heads(made) == [(0, 6)]


def test_enter_begins_a_step_of_undo_in_code_as_in_plain_text() -> None:
    made = buffer("  ", (0, 2))
    for character in "ab":
        typing_code.type_text(made, character, PYTHON, unit)
    typing_code.newline(made, PYTHON, unit)
    typing_code.type_text(made, " ", PYTHON, unit)
    assert made.lines.text() == "  ab\n   "
    made.undo()
    assert made.lines.text() == "  ab"


def test_what_backspace_takes_in_code_is_a_step_of_deleting() -> None:
    made = buffer("        ", (0, 8))
    typing_code.type_text(made, "x", PYTHON, unit)
    for _ in range(2):
        typing_code.backspace(made, PYTHON, unit)
    assert made.lines.text() == "    "
    typing_code.type_text(made, "y", PYTHON, unit)
    made.undo()
    assert made.lines.text() == "    "
    made.undo()
    assert made.lines.text() == "        x"
