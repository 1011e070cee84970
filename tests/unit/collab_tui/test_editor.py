"""The editor on a screen: keys, mouse, paste, others' edits and carets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.geometry import Offset
from textual.pilot import Pilot

from collab_protocol.presence import Activity
from collab_tui.marks import NAME_SHOWN_S
from collab_tui.options import Options
from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.stage import Clock, Stage, until

GUTTER = 5
ROWS = "\n".join(f"row {n}" for n in range(100))


@asynccontextmanager
async def playing(stage: Stage, size: tuple[int, int] = (60, 12)) -> AsyncIterator[Pilot[object]]:
    async with stage.app.run_test(size=size) as pilot:
        await until(lambda: editor(stage)._inbox.is_open)
        await pilot.pause()
        yield pilot


def editor(stage: Stage) -> Editor:
    return stage.app.query_one(Editor)


def text_of(stage: Stage, row: int) -> str:
    return stage.rows()[row][GUTTER:].rstrip()


async def test_typing_shows_at_once() -> None:
    stage = Stage("world")
    async with playing(stage) as pilot:
        await pilot.press("h", "i", "space", "漢")
        assert stage.world.text == "hi 漢world"
        assert text_of(stage, 0) == "hi 漢world"


async def test_the_caret_is_seen_and_input_methods_are_told() -> None:
    stage = Stage("漢字\n\tx")
    caret = palette_of(Theme.DARK).caret.bg
    async with playing(stage) as pilot:
        await pilot.press("right")
        assert stage.app.cursor_position == Offset(GUTTER + 2, 0)
        assert [c for c, colour in stage.styles(0) if colour == caret] == ["字"]
        await pilot.press("down", "end")
        assert stage.app.cursor_position == Offset(GUTTER + 5, 1)
        assert [c for c, colour in stage.styles(1) if colour == caret] == [" "]


async def test_keys_in_a_burst_are_done_in_order() -> None:
    stage = Stage("")
    async with playing(stage) as pilot:
        for key, character in [("a", "a"), ("left", None), ("b", "b"), ("end", None), ("c", "c")]:
            stage.app.post_message(events.Key(key, character))
        await pilot.pause()
        assert stage.world.text == "bac"


async def test_editing_keys() -> None:
    stage = Stage("")
    async with playing(stage) as pilot:
        await pilot.press("a", "b", "enter", "c", "backspace", "x", "home", "up", "end", "delete")
        assert stage.world.text == "abx"


async def test_selecting_cutting_copying_pasting() -> None:
    stage = Stage("hello world")
    async with playing(stage) as pilot:
        await pilot.press("ctrl+shift+right", "ctrl+x")
        assert stage.world.text == " world"
        assert stage.clipboard.text == "hello"
        await pilot.press("ctrl+v")
        await until(lambda: stage.world.text == "hello world")
        await pilot.press("shift+home", "ctrl+c", "end", "ctrl+v")
        await until(lambda: stage.world.text == "hello worldhello")
        await pilot.press("ctrl+a", "x")
        assert stage.world.text == "x"
        assert stage.app.is_running


async def test_what_became_of_a_copy_is_told_and_it_can_be_pasted_anyway() -> None:
    stage = Stage("hello")
    async with playing(stage) as pilot:
        stage.clipboard.notice = "copied here only"
        await pilot.press("ctrl+a", "ctrl+c")
        await pilot.pause()
        assert "copied here only" in stage.rows()[-1]
        stage.clipboard.text = None
        await pilot.press("end", "ctrl+v")
        await until(lambda: stage.world.text == "hellohello")


async def test_what_is_typed_behind_a_paste_comes_behind_it() -> None:
    stage = Stage("")
    async with playing(stage):
        stage.clipboard.text = "pasted"
        for key in ("ctrl+v", "x"):
            editor(stage).typed(events.Key(key, "x" if key == "x" else None))
        await until(lambda: stage.world.text)
        assert stage.world.text == "pastedx"


async def test_lines_cut_one_after_the_other_are_pasted_together() -> None:
    stage = Stage("one\ntwo\nthree\nfour")
    async with playing(stage) as pilot:
        await pilot.press("ctrl+k", "ctrl+k")
        assert (stage.world.text, stage.clipboard.text) == ("three\nfour", "one\ntwo\n")
        await pilot.press("down", "ctrl+k")
        assert stage.clipboard.text == "four\n"


async def test_a_selection_is_drawn_and_escape_ends_it() -> None:
    stage = Stage("hello")
    selection = palette_of(Theme.DARK).selection.bg
    async with playing(stage) as pilot:
        await pilot.press("shift+right", "shift+right", "shift+right")
        assert "".join(c for c, colour in stage.styles(0) if colour == selection) == "hel"
        await pilot.press("escape")
        assert not [c for c, colour in stage.styles(0) if colour == selection]


async def test_undo_and_redo_are_ones_own() -> None:
    stage = Stage("abc")
    async with playing(stage) as pilot:
        await pilot.press("x")
        stage.world.edit_elsewhere(4, 0, "!")
        await pilot.press("ctrl+z")
        assert stage.world.text == "abc!"
        await pilot.press("ctrl+y")
        assert stage.world.text == "xabc!"


async def test_undo_scrolls_to_the_change() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        await pilot.press("x", "ctrl+end", "ctrl+z")
        assert text_of(stage, 0) == "row 0"


async def test_a_paste_is_one_edit_with_newlines() -> None:
    stage = Stage("")
    async with playing(stage) as pilot:
        stage.app.post_message(events.Paste("one\rtwo\r\nthree"))
        await pilot.pause()
        assert stage.world.text == "one\ntwo\nthree"
        await pilot.press("ctrl+z")
        assert stage.world.text == ""


async def test_what_is_typed_before_the_buffer_comes_is_kept() -> None:
    stage = Stage("!")
    stage.gate.clear()
    async with stage.app.run_test(size=(60, 12)) as pilot:
        assert "loading" in stage.rows()[0]
        await pilot.press("h", "i", "enter", "left")
        stage.app.post_message(events.Paste("x"))
        await pilot.pause()
        stage.gate.set()
        await until(lambda: editor(stage)._inbox.is_open)
        assert stage.world.text == "hix\n!"


async def test_a_refused_edit_says_why() -> None:
    stage = Stage("abc", is_read_only=True)
    stage.world.buffer.read_only = True
    async with playing(stage) as pilot:
        await pilot.press("x")
        await pilot.pause()
        assert stage.world.text == "abc"
        assert "read-only" in stage.rows()[-1]


async def test_the_view_follows_the_caret() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        await pilot.press("ctrl+end")
        assert text_of(stage, 10) == "row 99"
        await pilot.press("pageup")
        assert text_of(stage, 0) == "row 79"
        await pilot.press("ctrl+home")
        assert text_of(stage, 0) == "row 0"


async def test_long_lines_are_wrapped() -> None:
    stage = Stage("word " * 25 + "end\nnext")
    async with playing(stage) as pilot:
        assert [text_of(stage, row) for row in range(4)] == [
            " ".join(["word"] * 11),
            " ".join(["word"] * 11),
            " ".join(["word"] * 3) + " end",
            "next",
        ]
        assert stage.rows()[1].startswith("  ↪  word")
        await pilot.press("down", "x")
        assert text_of(stage, 1).startswith("xword")
        await pilot.press("home", "alt+z")
        assert text_of(stage, 1) == "next"
        assert len(text_of(stage, 0)) == 54


async def test_without_wrap_long_lines_scroll_sideways() -> None:
    stage = Stage("0123456789" * 20, options=Options(wrap=False, hints=False))
    async with playing(stage) as pilot:
        await pilot.press("end")
        assert text_of(stage, 0).endswith("789")
        assert len(text_of(stage, 0)) < 60
        await pilot.press("home")
        assert text_of(stage, 0).startswith("0123")


async def test_clicking_and_dragging() -> None:
    stage = Stage("hello world\n漢字かな\nlast")
    async with playing(stage) as pilot:
        await pilot.click(Editor, offset=(GUTTER + 6, 0))
        assert stage.world.head == (0, 6)
        await pilot.click(Editor, offset=(GUTTER + 4, 1))
        assert stage.world.head == (1, 2)
        await pilot.click(Editor, offset=(GUTTER + 30, 2))
        assert stage.world.head == (2, 4)
        await pilot.click(Editor, offset=(1, 9))
        assert stage.world.head == (2, 0)
        await pilot.mouse_down(Editor, offset=(GUTTER + 6, 0))
        await pilot.hover(Editor, offset=(GUTTER + 2, 1))
        await pilot.mouse_up(Editor, offset=(GUTTER + 2, 1))
        assert stage.world.buffer.selected_text == "world\n漢"
        await pilot.hover(Editor, offset=(GUTTER, 0))
        assert stage.world.buffer.selected_text == "world\n漢"


async def test_clicks_with_alt_or_ctrl_add_carets_and_take_them_away() -> None:
    stage = Stage("one two\nthree\nfour")
    async with stage.app.run_test(size=(60, 10)) as pilot:
        await until(lambda: stage.app.query_one(Editor).view is not None)
        buffer = stage.world.buffer
        await pilot.click(Editor, offset=(GUTTER + 3, 1), meta=True)
        await pilot.click(Editor, offset=(GUTTER + 1, 2), control=True)
        assert [tuple(span.head) for span in buffer.spans] == [(0, 0), (1, 3), (2, 1)]
        await pilot.press("x")
        assert buffer.lines.text() == "xone two\nthrxee\nfxour"
        await pilot.click(Editor, offset=(GUTTER + 4, 1), meta=True)
        assert [tuple(span.head) for span in buffer.spans] == [(0, 1), (2, 2)]
        await pilot.click(Editor, offset=(GUTTER + 2, 0))
        assert [tuple(span.head) for span in buffer.spans] == [(0, 2)]
        await pilot.click(Editor, offset=(GUTTER + 2, 0), meta=True)
        assert [tuple(span.head) for span in buffer.spans] == [(0, 2)]


async def test_double_and_triple_clicks_select_words_and_lines() -> None:
    clock = Clock()
    stage = Stage("hello world\nnext", clock=clock)
    async with playing(stage) as pilot:
        await pilot.click(Editor, offset=(GUTTER + 7, 0), times=2)
        assert stage.world.buffer.selected_text == "world"
        clock.now += 1
        await pilot.click(Editor, offset=(GUTTER + 7, 0), times=3)
        assert stage.world.buffer.selected_text == "hello world\n"


async def test_the_wheel_scrolls_without_moving_the_caret() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        target = editor(stage)
        target.post_message(events.MouseScrollDown(target, 5, 5, 0, 0, 0, False, False, False))
        await pilot.pause()
        assert text_of(stage, 0) == "row 3"
        assert stage.world.head == (0, 0)
        await pilot.press("x")
        assert text_of(stage, 0) == "xrow 0"


async def test_edits_above_the_view_do_not_make_it_jump() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        await pilot.press("ctrl+end", "pageup")
        before = [text_of(stage, row) for row in range(11)]
        head = stage.world.head
        stage.world.edit_elsewhere(0, 0, "one\ntwo\n")
        await pilot.pause()
        assert [text_of(stage, row) for row in range(11)] == before
        assert stage.world.head == (head[0] + 2, head[1])
        stage.world.edit_elsewhere(0, 8, "")
        await pilot.pause()
        assert [text_of(stage, row) for row in range(11)] == before


async def test_a_caret_in_view_stays_in_view_whatever_others_put_above_it() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        await pilot.press("ctrl+home")
        stage.world.edit_elsewhere(0, 0, "new\n" * 40)
        await pilot.pause()
        assert stage.world.head == (0, 0)
        assert text_of(stage, 0) == "new"
        await pilot.press("down", "down", "down")
        stage.world.edit_elsewhere(4, 0, "more\n" * 40)
        await pilot.pause()
        assert text_of(stage, 10) == "new", "the caret's row is the last one in view"


async def test_edits_of_others_in_view_are_shown() -> None:
    stage = Stage("one\ntwo\nthree")
    async with playing(stage) as pilot:
        stage.world.edit_elsewhere(3, 0, "\nnew")
        await pilot.pause()
        assert [text_of(stage, row) for row in range(5)] == ["one", "new", "two", "three", ""]
        stage.world.edit_elsewhere(3, 4, "")
        await pilot.pause()
        assert [text_of(stage, row) for row in range(4)] == ["one", "two", "three", ""]


async def test_people_are_drawn_with_names_that_go() -> None:
    clock = Clock()
    stage = Stage("one\ntwo\nthree", clock=clock)
    ana = palette_of(Theme.DARK).people[4]
    async with playing(stage) as pilot:
        stage.world.place("ana", (2, 1), (2, 4), colour=4)
        await pilot.pause()
        assert "".join(c for c, colour in stage.styles(2) if colour == ana) == "Ah ana "
        assert " ana " in stage.rows()[2]
        assert "A  ana" in stage.rows()[-1]
        clock.now += NAME_SHOWN_S
        stage.world.place("bo", (0, 3), session=8)
        await pilot.pause()
        assert " ana " not in stage.rows()[2]
        assert " bo " in stage.rows()[0]
        stage.world.place("ana", (2, 1), colour=4, activity=Activity.GONE)
        await pilot.pause()
        assert not [c for c, colour in stage.styles(2) if colour == ana]
        assert "ana" not in stage.rows()[-1]


async def test_the_name_goes_by_itself() -> None:
    stage = Stage("one\ntwo\nthree")
    async with playing(stage):
        stage.world.place("ana", (1, 3))
        await until(lambda: " ana " in stage.rows()[0] + stage.rows()[1])
        await until(lambda: " ana " not in stage.rows()[0] + stage.rows()[1])


async def test_only_rows_that_changed_are_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        painted: list[int] = []
        original = Editor.render_line

        def watched(self: Editor, y: int) -> object:
            painted.append(y)
            return original(self, y)

        monkeypatch.setattr(Editor, "render_line", watched)
        await pilot.press("x")
        assert set(painted) == {0}
        painted.clear()
        await pilot.press("down")
        assert set(painted) == {0, 1}
        painted.clear()
        stage.world.edit_elsewhere(30, 0, "y")
        await pilot.pause()
        assert len(set(painted)) == 1
        painted.clear()
        stage.world.edit_elsewhere(500, 0, "y")
        await pilot.pause()
        assert painted == []


async def test_rows_are_never_drawn_with_marks_of_an_older_text() -> None:
    stage = Stage("one\ntwo\nthree")
    caret = palette_of(Theme.DARK).caret.bg
    async with playing(stage) as pilot:
        await pilot.press("down")
        stage.world.edit_elsewhere(0, 0, "new\n")
        assert [row for row in range(4) if caret in {colour for _, colour in stage.styles(row)}] == [2]


async def test_the_gutter_grows_with_the_text() -> None:
    stage = Stage("\n".join(["x"] * 999))
    async with playing(stage) as pilot:
        assert stage.rows()[0].startswith("  1  x")
        await pilot.press("enter")
        assert stage.rows()[1].startswith("   2  x")


@pytest.mark.parametrize("size", [(20, 3), (8, 2), (250, 60)])
async def test_any_size_will_do(size: tuple[int, int]) -> None:
    stage = Stage(ROWS)
    async with playing(stage, size) as pilot:
        stage.world.place("ana", (50, 1))
        await pilot.press("x", "ctrl+end", "y")
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert len(stage.rows()) == 10


async def test_a_drag_holds_on_to_its_text_while_others_edit() -> None:
    clock = Clock()
    stage = Stage("\n".join(f"word{n} and more" for n in range(30)), clock=clock)
    async with playing(stage) as pilot:
        await pilot.mouse_down(Editor, offset=(GUTTER, 3))
        await pilot.hover(Editor, offset=(GUTTER + 3, 3))
        offset = stage.world.buffer.lines.offset(stage.world.buffer.head._replace(column=0))
        stage.world.edit_elsewhere(offset, 0, "INSERTED ")
        await pilot.hover(Editor, offset=(GUTTER + 14, 3))
        assert stage.world.buffer.selected_text == "word3"
        await pilot.press("z", "q")
        assert stage.world.buffer.lines.line(3) == "INSERTED zq and more"
        await pilot.mouse_up(Editor)
        clock.now += 1
        await pilot.click(Editor, offset=(GUTTER + 1, 8))
        await pilot.mouse_down(Editor, offset=(GUTTER + 1, 8))
        assert stage.world.buffer.selected_text == "word8"
        stage.world.edit_elsewhere(0, len(stage.world.text.encode()), "one")
        await pilot.hover(Editor, offset=(GUTTER + 1, 9))
        await pilot.mouse_up(Editor)
        assert stage.app.is_running


async def test_typing_above_in_the_same_wrapped_line_does_not_make_it_jump() -> None:
    stage = Stage(" ".join(f"w{n}" for n in range(1000)))
    async with playing(stage) as pilot:
        await pilot.press("ctrl+end")
        first = text_of(stage, 0).split()[0]
        stage.world.edit_elsewhere(0, 0, "many new words " * 40)
        await pilot.pause()
        assert first in text_of(stage, 0).split() + text_of(stage, 1).split()


async def test_a_caret_in_view_stays_so_though_textual_draws_in_between() -> None:
    stage = Stage(ROWS)
    async with playing(stage) as pilot:
        await pilot.press("down", "down", "down")
        stage.world.edit_elsewhere(0, 0, "new\n" * 40)
        editor(stage).render_lines(editor(stage).region)
        await pilot.pause()
        row = stage.world.head[0]
        assert any(shown.row == row for shown in editor(stage)._shown)
