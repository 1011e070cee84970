"""Find and replace on a screen: as one types, with others editing, and taken back by one undo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events

from collab_tui.widgets.editor import Editor
from collab_tui.widgets.find_bar import FindBar
from tests.unit.collab_tui.stage import Stage, until

TEXT = "one two\nTwo three\n\nfour two\n"


@asynccontextmanager
async def playing(text: str = TEXT, size: tuple[int, int] = (80, 16)) -> AsyncIterator[Stage]:
    stage = Stage(text)
    async with stage.app.run_test(size=size) as pilot:
        await until(lambda: stage.app.query_one(Editor)._inbox.is_open)
        await pilot.pause()
        yield stage


def press(stage: Stage, *keys: str) -> None:
    for key in keys:
        stage.app.typed(events.Key("plus" if key == "+" else key, key if len(key) == 1 else None))


def bar(stage: Stage) -> str:
    found = stage.app.query_one(FindBar)
    return "\n".join(stage.rows()[found.region.y : found.region.bottom])


async def said(stage: Stage, text: str) -> None:
    await until(lambda: text in bar(stage))


async def test_it_goes_to_the_first_match_while_one_types() -> None:
    async with playing() as stage:
        press(stage, "down", "ctrl+f", "t")
        assert stage.world.buffer.selected_text == "T"
        press(stage, "h")
        assert (stage.world.buffer.selected_text, stage.world.head) == ("th", (1, 6))
        press(stage, "backspace", "w", "o")
        assert stage.world.head == (1, 3)
        await said(stage, "2 of 3")


async def test_next_and_previous_go_round() -> None:
    async with playing() as stage:
        press(stage, "ctrl+f", *"two")
        heads = []
        for key in ("f3", "f3", "f3", "shift+f3", "enter"):
            heads.append(stage.world.head)
            press(stage, key)
        assert heads == [(0, 7), (1, 3), (3, 8), (0, 7), (3, 8)]
        press(stage, "escape", "f3")
        assert stage.world.head == (1, 3), "the bar is closed, the query is not forgotten"
        press(stage, "x")
        assert stage.world.text == "one two\nx three\n\nfour two\n"


async def test_what_is_selected_is_looked_for() -> None:
    async with playing() as stage:
        press(stage, "ctrl+right", "ctrl+right", "ctrl+shift+left", "ctrl+f")
        await said(stage, "Find two")
        await said(stage, "1 of 3")


async def test_a_selection_of_lines_is_where_is_looked() -> None:
    async with playing() as stage:
        press(stage, "down", "shift+down", "shift+down", "ctrl+f", *"two")
        await said(stage, "1 of 1")
        press(stage, "alt+s")
        await said(stage, "of 3")


async def test_replacing_all_is_one_step_of_undo() -> None:
    async with playing() as stage:
        press(stage, "ctrl+r", *"two", "alt+c", "tab", *"2", "alt+a")
        assert stage.world.text == "one 2\nTwo three\n\nfour 2\n"
        await until(lambda: "replaced 2" in stage.rows()[-1])
        press(stage, "escape", "ctrl+z")
        assert stage.world.text == TEXT


async def test_replacing_one_by_one_passes_over_what_one_leaves() -> None:
    async with playing() as stage:
        press(stage, "ctrl+r", *"two", "tab", *"two!", "enter", "f3", "enter")
        assert stage.world.text == "one two!\nTwo three\n\nfour two!\n"


async def test_a_regular_expression_with_groups() -> None:
    async with playing() as stage:
        press(stage, "ctrl+r", *r"(\w+) (t\w+)", "alt+x", "tab", *r"\2 \1", "alt+a")
        assert stage.world.text == "two one\nthree Two\n\ntwo four\n"


async def test_a_wrong_pattern_says_what_is_wrong_and_typing_goes_on() -> None:
    async with playing() as stage:
        press(stage, "ctrl+f", "alt+x", *"two(")
        await said(stage, "missing )")
        press(stage, "backspace")
        await said(stage, "of 3")


async def test_a_pattern_without_end_is_given_up() -> None:
    async with playing("a" * 40 + "!\n" + TEXT) as stage:
        press(stage, "ctrl+f", "alt+x", *"(a|aa)+$")
        await said(stage, "too slow")
        press(stage, "escape", "x")
        assert stage.world.text.startswith("x")


async def test_matches_follow_what_others_type() -> None:
    async with playing() as stage:
        press(stage, "ctrl+f", *"two")
        await said(stage, "1 of 3")
        stage.world.edit_elsewhere(0, 0, "two two\n")
        await said(stage, "3 of 5")
        assert stage.world.buffer.selected_text == "two"
        press(stage, "alt+a")
        assert stage.world.buffer.selected_text == "two"


async def test_nothing_found_says_so() -> None:
    async with playing() as stage:
        press(stage, "ctrl+f", *"zwei")
        await said(stage, "no match")
        assert stage.world.buffer.selection is None
        press(stage, "escape", "f3")
        await until(lambda: "not found: zwei" in stage.rows()[-1])


@pytest.mark.parametrize("key", ["f1", "ctrl+p", "ctrl+g"])
async def test_another_bar_takes_its_place(key: str) -> None:
    async with playing() as stage:
        press(stage, "ctrl+f", *"two", key)
        assert not stage.app.query_one(FindBar).is_open
        press(stage, "escape", "y")
        assert "y" in stage.world.text


async def test_quitting_asks_over_it_and_gives_it_the_keys_back() -> None:
    from collab_client import status as say

    async with playing() as stage:
        stage.session.say(say.offline(1, 7))
        press(stage, "ctrl+f", *"tw", "ctrl+q")
        await until(lambda: "Quit with 1 unsaved change?" in "".join(stage.rows()))
        press(stage, "n", "o")
        await said(stage, "Find two")
        assert stage.world.text == TEXT


async def test_where_is_looked_moves_with_the_text_and_goes_with_it() -> None:
    rows = "\n".join(f"x{n}" for n in range(40))
    async with playing(rows) as stage:
        press(stage, "ctrl+g", *"11", "enter", "shift+down", "shift+down", "ctrl+f")
        stage.world.edit_elsewhere(0, 0, "new\n" * 5)
        press(stage, "ctrl+r", "x", "tab", "y", "alt+a")
        assert [row for row in stage.world.text.split("\n") if "y" in row] == ["y10", "y11"]
        press(stage, "escape", "ctrl+z", "ctrl+f")
        stage.world.edit_elsewhere(0, len(stage.world.text.encode()), "gone")
        press(stage, *"ne")
        await said(stage, "1 of 1")


async def test_a_refused_replacement_is_not_called_done() -> None:
    async with playing() as stage:
        stage.world.buffer.max_text_bytes = stage.world.buffer.replica.size_utf8
        press(stage, "ctrl+r", *"two", "tab", *"longer", "alt+a")
        assert stage.world.text == TEXT
        await until(lambda: "not done" in stage.rows()[-1])


async def test_many_matches_in_one_line_are_replaced_without_looking_at_it_each_time() -> None:
    async with playing("a," * 3000) as stage:
        press(stage, "ctrl+r", "a", "tab", "b", "alt+a")
        assert stage.world.text == "b," * 3000
        searched = []
        search = stage.app._finding._search
        original = search._search_anew

        def watched(*arguments: int) -> None:
            searched.append(arguments)
            original(*arguments)

        search._search_anew = watched
        press(stage, "ctrl+z")
        await said(stage, "of 3,000")
        assert len(searched) < 10


@pytest.mark.parametrize("template", [r"\U00110000", r"\ud800", r"\9"])
async def test_a_replacement_that_is_none_is_told(template: str) -> None:
    async with playing() as stage:
        press(stage, "ctrl+r", "o", "alt+x", "tab", *template, "alt+a", "enter")
        assert stage.world.text == TEXT
        assert stage.app.is_running
        press(stage, "escape", "x")
        assert "x" in stage.world.text
