"""What the app does for code, with the real parser: language, folds, nodes, symbols, comments, Markdown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from collab_client.carets import Span
from collab_client.lines import Position
from collab_client.room_settings import INDENT, LANGUAGE, TAB_WIDTH
from collab_tui.folding import Fold, Folds
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.snapshots import press
from tests.unit.collab_tui.stage import Stage, until

_PARSED_S = 30.0

PYTHON = """\
class Greeter:
    def greet(self, name):
        if name:
            return [name, (1, 2)]
        return None


def main():
    print("hello")
"""


@asynccontextmanager
async def playing(text: str, room: str = "code.py", size: tuple[int, int] = (80, 24)) -> AsyncIterator[Stage]:
    stage = Stage(text, room=room)
    async with stage.app.run_test(size=size):
        await until(lambda: stage.app.query_one(Editor).view is not None)
        yield stage


async def coloured(stage: Stage, row: int = 0) -> None:
    syntax = stage.app.query_one(Editor).syntax
    assert syntax is not None
    await until(lambda: syntax.of(row), deadline_s=_PARSED_S)


def notice(stage: Stage) -> str:
    return stage.rows()[-1]


def gutter(stage: Stage) -> list[str]:
    """Return the line numbers that are shown."""
    return [row[:4].strip() for row in stage.rows() if row[:4].strip().isdigit()]


async def test_the_room_speaks_the_language_of_its_name_until_somebody_sets_another() -> None:
    async with playing("def f(): pass\n") as stage:
        await coloured(stage)
        syntax = stage.app.query_one(Editor).syntax
        assert syntax is not None
        python = list(syntax.of(0))
        stage.session.settings.changed(LANGUAGE, "markdown")
        await until(lambda: list(syntax.of(0)) != python, deadline_s=_PARSED_S)
        stage.session.settings.changed(LANGUAGE, "no such \x1b[31m language")
        await until(lambda: list(syntax.of(0)) == python, deadline_s=_PARSED_S)
        stage.session.settings.changed(LANGUAGE, "text")
        await until(lambda: list(syntax.of(0)) == [])
        press(stage, "ctrl+p", *"Language", "enter")
        press(stage, *"rust", "enter")
        assert stage.session.settings.to_send() == [(LANGUAGE, "rust")]
        await coloured(stage)


async def test_a_modeline_that_is_typed_counts() -> None:
    async with playing("", room="notes") as stage:
        press(stage, *"# vim: ft=python sw=3 et", "enter", *"if x:")
        await coloured(stage, 1)
        press(stage, "end", "enter", "z")
        assert stage.world.buffer.lines.line(2) == "   z"


@pytest.mark.parametrize(
    ("key", "value"), [(INDENT, "tabs"), (INDENT, "9" * 400), (TAB_WIDTH, "0"), (TAB_WIDTH, "８")]
)
async def test_settings_of_others_are_heeded_or_passed_over(key: str, value: str) -> None:
    async with playing("if x:\n\ty = 1\n") as stage:
        coding = stage.app._coding
        assert coding is not None
        before = coding._decided_at
        stage.session.settings.changed(key, value)
        await until(lambda: coding._decided_at != before)
        press(stage, "ctrl+home", "down", "end", "enter", "tab", "z")
        assert stage.world.buffer.lines.line(2) == "\t\tz"
        assert "y = 1" in stage.rows()[1]


async def test_tabs_are_as_wide_as_the_room_says() -> None:
    async with playing("\tx") as stage:
        assert stage.rows()[0][5:].startswith("    x")
        stage.session.settings.changed(TAB_WIDTH, "7")
        await until(lambda: stage.rows()[0][5:].startswith("       x"))


async def test_tabs_get_another_width_while_one_is_in_the_middle_of_a_wrapped_line() -> None:
    async with playing("word\t" * 2000, room="notes") as stage:
        press(stage, "ctrl+end")
        view = stage.app.query_one(Editor).view
        assert view is not None
        assert view.top[1] > 0
        stage.session.settings.changed(TAB_WIDTH, "8")
        await until(lambda: view.wrap.starts(0)[1] == 10 * len("word\t") - 5)
        press(stage, "x")
        assert stage.world.buffer.lines.line(0).endswith("x")


async def test_a_list_that_comes_late_takes_nothing_from_what_was_opened_meanwhile() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        press(stage, "ctrl+o", "ctrl+f", *"main")
        parser = stage.app.query_one(Editor).syntax
        assert parser is not None
        assert parser.parser is not None
        await parser.parser.symbols()  # answers come in order
        await until(lambda: " of " in "".join(stage.rows()))
        assert "Symbols" not in "".join(stage.rows())


async def test_a_parser_that_failed_is_tried_again_and_told_of_once() -> None:
    async with playing("def f(): pass\n") as stage:
        await coloured(stage)
        coding, syntax = stage.app._coding, stage.app.query_one(Editor).syntax
        assert coding is not None
        assert syntax is not None
        said: list[str] = []
        later: list[Callable[[], None]] = []
        coding._tell, coding._later = said.append, lambda _, call: later.append(call)
        for _ in range(2):
            syntax._failed("it died")
            assert list(syntax.of(0)) == []
            later.pop()()
            await coloured(stage)
        assert said == ["no colours for Python: it died"]
        assert coding._retry_s == 120.0


async def test_a_node_is_folded_opened_and_opened_by_going_in() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        press(stage, "down", "f6")
        await until(lambda: "3 lines" in stage.rows()[1], deadline_s=_PARSED_S)
        assert gutter(stage)[:4] == ["1", "2", "6", "7"]
        press(stage, "down", "x")
        assert stage.world.buffer.lines.line(5).startswith("x")
        press(stage, "up", "f6")
        await until(lambda: gutter(stage)[:4] == ["1", "2", "3", "4"])
        press(stage, "f6")
        await until(lambda: "3 lines" in stage.rows()[1], deadline_s=_PARSED_S)
        press(stage, "end", "right")
        assert gutter(stage)[:4] == ["1", "2", "3", "4"]


@asynccontextmanager
async def folding(*folds: Fold, text: str = PYTHON) -> AsyncIterator[tuple[Stage, Folds]]:
    async with playing(text, room="notes") as stage:
        view = stage.app.query_one(Editor).view
        assert view is not None
        view.folds.add(folds)
        yield stage, view.folds


async def test_what_is_selected_or_typed_in_a_fold_is_seen() -> None:
    async with folding(Fold(1, 3), text="x = 1\nif x:\n    x = 2\n    y\nz") as (stage, folds):
        press(stage, "alt+n")
        assert not folds
        assert len(stage.world.buffer.spans) == 3


async def test_carets_that_a_fold_hides_go() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        buffer = stage.world.buffer
        places = [Position(row, 4) for row in (0, 2, 3, 8)]
        buffer.set_spans([Span(place, place) for place in places], 2)
        stage.app._act("fold_all")
        await until(lambda: len(gutter(stage)) < 8, deadline_s=_PARSED_S)
        assert [tuple(span.head) for span in buffer.spans] == [(0, 4)]
        press(stage, "x")
        assert buffer.lines.text() == PYTHON.replace("class", "clasxs")


@pytest.mark.parametrize(
    "keys", [("ctrl+k",), ("alt+down",), ("up", "alt+down"), ("ctrl+d",), ("end", "delete")]
)
async def test_a_fold_is_opened_before_its_lines_are_moved_or_taken(keys: tuple[str, ...]) -> None:
    async with folding(Fold(1, 4)) as (stage, folds):
        press(stage, "down")
        assert folds
        press(stage, *keys)
        assert not folds


async def test_a_fold_at_the_end_of_the_text_stays_when_one_goes_down() -> None:
    async with folding(Fold(7, 9)) as (stage, folds):
        press(stage, *["down"] * 12)
        assert folds
        assert stage.world.buffer.head == (7, len("def main():"))


async def test_lines_that_come_above_while_the_list_is_open_are_counted() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        press(stage, "ctrl+o")
        await until(lambda: "Symbols" in stage.rows()[0], deadline_s=_PARSED_S)
        stage.world.edit_elsewhere(0, 0, "\n\n\n")
        press(stage, *"main", "enter")
        assert stage.world.buffer.head.row == 10


async def test_a_box_on_an_empty_line_has_the_caret_behind_it() -> None:
    async with playing("", room="notes.md") as stage:
        press(stage, "alt+x", *"milk")
        assert stage.world.buffer.lines.text() == "- [ ] milk"


async def test_all_is_folded_and_the_caret_stands_where_it_is_seen() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        press(stage, "down", "down", "down")
        stage.app._act("fold_all")
        await until(lambda: len(gutter(stage)) < 8, deadline_s=_PARSED_S)
        assert stage.world.buffer.head.row == 0
        stage.app._act("unfold_all")
        assert len(gutter(stage)) == 10


async def test_a_selection_grows_by_nodes_and_shrinks_back() -> None:
    async with playing(PYTHON) as stage:
        buffer = stage.world.buffer
        await coloured(stage)
        buffer.move_to(Position(3, 27))
        texts = []
        for _ in range(4):
            before = buffer.selected_text
            press(stage, "alt+o")
            await until(lambda before=before: buffer.selected_text != before, deadline_s=_PARSED_S)  # type: ignore[misc]
            texts.append(buffer.selected_text)
        assert texts == ["1", "(1, 2)", "[name, (1, 2)]", "return [name, (1, 2)]"]
        press(stage, "alt+i", "alt+i", "alt+i")
        assert buffer.selected_text == "1"
        press(stage, "alt+i")
        assert buffer.selection is None
        assert buffer.head == (3, 27)


async def test_a_symbol_is_gone_to() -> None:
    async with playing(PYTHON) as stage:
        await coloured(stage)
        press(stage, "ctrl+o")
        await until(lambda: "Symbols" in stage.rows()[0], deadline_s=_PARSED_S)
        press(stage, *"main", "enter")
        assert stage.world.buffer.head.row == 7


async def test_without_a_tree_it_is_said() -> None:
    async with playing("plain", room="notes") as stage:
        press(stage, "ctrl+o")
        await until(lambda: "has no tree" in notice(stage))
        press(stage, "ctrl+slash")
        await until(lambda: "has no comments" in notice(stage))


async def test_lines_are_commented_and_back_as_one_step() -> None:
    async with playing(PYTHON) as stage:
        buffer = stage.world.buffer
        press(stage, "down", "shift+down", "shift+down", "ctrl+underscore")
        assert buffer.lines.line(1) == "    # def greet(self, name):"
        assert buffer.lines.line(2) == "    #     if name:"
        press(stage, "ctrl+underscore")
        assert buffer.lines.text() == PYTHON
        press(stage, "ctrl+z")
        assert buffer.lines.line(2) == "    #     if name:"


async def test_markdown_boxes_tables_links_and_headings() -> None:
    text = "# One\n- [ ] a\n\n|a|b|\n|-|-|\n|cc|d|\n\n[go](#two-three)\n\n## Two three\n"
    async with playing(text, room="notes.md") as stage:
        buffer = stage.world.buffer
        press(stage, "down", "alt+x")
        assert buffer.lines.line(1) == "- [x] a"
        press(stage, "down", "down")
        stage.app._act("align_table")
        assert buffer.lines.line(3) == "| a   | b   |"
        press(stage, "alt+pagedown")
        assert buffer.head.row == 9
        press(stage, "alt+pageup")
        assert buffer.head.row == 0
        buffer.move_to(Position(7, 2))
        press(stage, "alt+enter")
        assert buffer.head.row == 9


async def test_one_who_may_not_write_does_not_set_the_language() -> None:
    async with playing("x = 1\n") as stage:
        stage.world.buffer.read_only = True
        press(stage, "ctrl+p", *"Language", "enter", *"rust", "enter")
        assert stage.session.settings.to_send() == []
        await until(lambda: "read-only" in notice(stage))
