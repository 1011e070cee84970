"""One's own key is painted before anything else runs; and where Textual has changed, a moment later.

These are the guards of the private names that `widgets.rows` uses. When one fails after an upgrade of
Textual, the editor still works: look for the new names there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pyte
import pytest
from textual import events
from textual.app import App
from textual.screen import Screen

from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.stage import RecordingDriver, Stage, until


@asynccontextmanager
async def on_a_terminal(stage: Stage, size: tuple[int, int] = (60, 12)) -> AsyncIterator[RecordingDriver]:
    """Run the app as on a real terminal; what it writes is kept."""
    stage.app.driver_class = RecordingDriver
    running = asyncio.create_task(stage.app.run_async(size=size))
    try:
        await until(lambda: stage.app._driver is not None and stage.app.is_running)
        driver = stage.app._driver
        assert isinstance(driver, RecordingDriver)
        editor = await _editor(stage)
        await until(lambda: editor._inbox.is_open)
        await until(lambda: "saved" in "".join(driver.written))
        yield driver
    finally:
        stage.app.exit()
        await running


async def _editor(stage: Stage) -> Editor:
    await until(lambda: stage.app.screen_stack and stage.app.query(Editor))
    return stage.app.query_one(Editor)


def test_textual_has_the_names() -> None:
    assert hasattr(Screen(), "_layout_required")
    assert hasattr(App(), "_driver")
    assert hasattr(App(), "_batch_count")
    assert hasattr(App(), "_sync_available")


async def test_a_key_is_on_the_terminal_before_its_handler_returns() -> None:
    stage = Stage("hello")
    async with on_a_terminal(stage) as driver:
        driver.written.clear()
        stage.app.query_one(Editor).on_key(events.Key("é", "é"))
        written = "".join(driver.written)
        assert "é" in written
        assert "ello" in written
        assert "saved" not in written


async def test_others_edits_are_not_held_up_by_it() -> None:
    stage = Stage("hello\nworld")
    async with on_a_terminal(stage) as driver:
        stage.world.edit_elsewhere(6, 0, "Ω")
        stage.app.query_one(Editor).on_key(events.Key("é", "é"))
        await until(lambda: "Ωworld" in "".join(driver.written))


async def test_the_status_line_is_not_lost_when_a_key_is_painted_meanwhile() -> None:
    stage = Stage("hello")
    async with on_a_terminal(stage) as driver:
        driver.written.clear()
        stage.app.tell("something")
        stage.app.query_one(Editor).on_key(events.Key("é", "é"))
        await until(lambda: "something" in "".join(driver.written))


async def test_where_it_may_not_write_textual_paints(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("hello")
    async with on_a_terminal(stage) as driver:
        editor = stage.app.query_one(Editor)
        editor.is_covered = True
        driver.written.clear()
        editor.on_key(events.Key("é", "é"))
        assert not driver.written
        await until(lambda: "é" in "".join(driver.written))


async def test_what_it_writes_is_what_textual_would_have_painted() -> None:
    stage = Stage("hello\nworld\n漢字 👨‍👩‍👧 é\n")
    async with on_a_terminal(stage) as driver:
        editor = stage.app.query_one(Editor)
        screen = pyte.Screen(60, 12)
        stream = pyte.Stream(screen)
        stage.app.refresh()
        await until(lambda: editor._shown)
        for key in ("ctrl+end", "x", "up", "é", "enter", "ctrl+home", "delete", "ctrl+a", "right"):
            editor.on_key(events.Key(key, key if len(key) == 1 else None))
        await until(lambda: not editor._touched)
        direct = len(driver.written)
        stage.app.refresh()
        await until(lambda: len(driver.written) > direct)
        stream.feed("".join(driver.written[:direct]))
        before = list(screen.display)[:-1]  # where the caret is, is said a moment later
        stream.feed("".join(driver.written[direct:]))
        assert before == list(screen.display)[:-1]


async def test_nothing_of_a_hostile_text_is_obeyed_by_the_terminal() -> None:
    hostile = (
        "esc \x1b[31mred\x1b]0;title\x07 csi \x9b2J osc \x9d0;x\x9c\n"
        "bidi \u202eabc\u202c \u2066x\u2069 \u200e zero\u200bwidth\ufeff tags \U000e0041\U000e007f\n"
        "nul \x00 del \x7f bs \x08 cr \r ff \x0c so \x0e ls \u2028 ps \u2029 nel \x85 shy\u00ad\n"
        "\x1b[6n\x1b[c\x1bP+q544e\x1b\\ 漢\x1b[5m字 e\u0301\x1b 👨‍👩‍👧\x1b[1m"
    )
    stage = Stage(hostile, room="ro\x1b[31mom\u202e")
    async with on_a_terminal(stage, (100, 12)) as driver:
        stage.world.place("a\x1b[32mna\u202e\x07\x9b", (1, 3))
        stage.app.tell("notice \x1b[33m\u202e\x9b")
        editor = stage.app.query_one(Editor)
        for key in ("ctrl+a", "right", "up", "end"):
            editor.on_key(events.Key(key, None))
        await until(lambda: "notice" in "".join(driver.written))
        stage.app._line.show(question="question \x1b[34m\u202e\x9b")
        await until(lambda: "question" in "".join(driver.written))
        written = "".join(driver.written)
    assert "esc ␛[31mred␛]0;title␇ csi �2J osc �0;x�" in _without_sgr(written)
    obeyed = re.compile(r"\x1b\[(?:3[1-4]|5|1)m|\x1b\]0|\x1b\[2J|\x1b\[6n|\x1bP")
    assert not obeyed.search(written)
    harmless = _without_sgr(written).replace("\r\n", "").replace("\u200d", "")
    assert harmless.isprintable(), [c for c in harmless if not c.isprintable()]


def _without_sgr(written: str) -> str:
    """What was written without the sequences that Textual and we ourselves send."""
    return re.sub(r"\x1b\[(?:[\d;]*[mHG]|\?\d+[hl])|\x1b\]22;[a-z]+\x07|\n", "", written)
