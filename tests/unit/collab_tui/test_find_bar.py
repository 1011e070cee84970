"""The find bar: what it asks for, and how it is drawn."""

from __future__ import annotations

import pytest

from collab_client.matching import Query
from collab_tui.palette import Styles, Theme, palette_of
from collab_tui.widgets.find_bar import FindBar
from tests.unit.collab_tui.keyed import HOSTILE, KEYMAP, Shown, paste, press, rows

PALETTE = palette_of(Theme.DARK)


class Told:
    """What a bar called back."""

    def __init__(self, bar: FindBar) -> None:
        self.calls: list[str] = []
        bar.on_query = lambda: self.calls.append(f"query {bar.asked.text}")
        bar.on_step = lambda back: self.calls.append("back" if back else "on")
        bar.on_replace = lambda: self.calls.append(f"replace {bar.replacement}")
        bar.on_replace_all = lambda: self.calls.append(f"all {bar.replacement}")
        bar.on_close = lambda: self.calls.append("close")

    def take(self) -> list[str]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def bar() -> FindBar:
    return FindBar(PALETTE, KEYMAP)


@pytest.mark.parametrize(
    ("width", "drawn"),
    [
        (120, " Find needle" + " " * 51 + "[Aa] Alt-C [W] Alt-W [.*] Alt-X [Sel] Alt-S      3 of 17 "),
        (80, " Find needle" + " " * 35 + "[Aa] [W] [.*] [Sel]      3 of 17 "),
        (60, " Find needle" + " " * 15 + "[Aa] [W] [.*] [Sel]      3 of 17 "),
        (40, " Find needle       Aa W .* Sel  3 of 17 "),
        (24, " Find needle    3 of 17 "),
    ],
)
async def test_find(bar: FindBar, width: int, drawn: str) -> None:
    async with Shown(bar).run_test(size=(width, 4)) as pilot:
        bar.open("needle", with_replace=False)
        bar.show(count="3 of 17")
        await pilot.pause()
        assert rows(bar) == [drawn]


@pytest.mark.parametrize(
    ("width", "first", "second"),
    [
        (
            80,
            " Find    needle" + " " * 32 + "[Aa] [W] [.*] [Sel]     no match ",
            " Replace thread" + " " * 39 + "[This] Enter  [All] Alt-A ",
        ),
        (
            40,
            " Find    needle    Aa W .* Sel no match ",
            " Replace thread            [This] [All] ",
        ),
    ],
)
async def test_replace(bar: FindBar, width: int, first: str, second: str) -> None:
    async with Shown(bar).run_test(size=(width, 4)) as pilot:
        bar.open("needle", with_replace=True)
        bar.show(count="no match")
        press(bar, "tab", *"thread")
        await pilot.pause()
        assert rows(bar) == [first, second]


@pytest.mark.parametrize(
    ("width", "drawn"),
    [
        (80, " Find a(" + " " * 20 + "Aa W .* Sel missing ) at character 3 of the pattern "),
        (40, " Find a(       missing ) at character … "),
    ],
)
async def test_an_error_stands_in_the_counts_place(bar: FindBar, width: int, drawn: str) -> None:
    async with Shown(bar).run_test(size=(width, 4)) as pilot:
        bar.open("a(", with_replace=False)
        await pilot.pause()
        bar.show(error="missing ) at character 3 of the pattern")
        assert rows(bar) == [drawn]
        bar.show(count="2 of 3")
        assert rows(bar)[0].endswith("2 of 3 ")


async def test_an_empty_field_says_which_keys_there_are(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)) as pilot:
        bar.open("", with_replace=True)
        await pilot.pause()
        assert rows(bar)[0].startswith(" Find    Alt-C case · Alt-W word · Alt-X regex [Aa]")
        press(bar, "x")
        assert rows(bar)[0].startswith(" Find    x   ")


async def test_what_is_typed_is_looked_for(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("old", with_replace=False)
        assert told.take() == []
        press(bar, "n", "e", "left", "backspace")
        paste(bar, "w\nline")
        assert told.take() == ["query n", "query ne", "query e", "query we"]
        press(bar, "enter", "f3", "shift+enter", "shift+f3", "ctrl+j")
        assert told.take() == ["on", "on", "back", "back", "on"]


async def test_toggles(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("a", with_replace=False, in_selection=True)
        assert bar.in_selection
        assert press(bar, "alt+c", "alt+w", "alt+x", "alt+s")
        assert told.take() == ["query a"] * 4
        assert bar.asked == Query("a", match_case=True, whole_word=True, is_regex=True)
        assert not bar.in_selection
        press(bar, "alt+c")
        assert bar.asked == Query("a", match_case=False, whole_word=True, is_regex=True)
        press(bar, "alt+s")
        bar.open("b", with_replace=False)
        assert not bar.in_selection  # what was selected is another matter now
        assert bar.asked == Query("b", match_case=False, whole_word=True, is_regex=True)


async def test_a_toggle_that_is_on_has_another_ink(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)) as pilot:
        bar.open("a", with_replace=False)
        press(bar, "alt+w")
        await pilot.pause()
        on = Styles()[PALETTE.panel_choice.over(PALETTE.panel)]
        assert [segment.text for segment in bar.render_line(0) if segment.style == on] == ["[W]"]


@pytest.mark.parametrize(
    ("width", "sign", "name"),
    [
        (80, "[Aa]", "match_case"),
        (80, "[W]", "whole_word"),
        (80, "[.*]", "is_regex"),
        (40, "Aa", "match_case"),
        (40, ".*", "is_regex"),
    ],
)
async def test_a_click_turns_a_toggle_on_and_off(bar: FindBar, width: int, sign: str, name: str) -> None:
    async with Shown(bar).run_test(size=(width, 4)) as pilot:
        bar.open("a", with_replace=False)
        await pilot.pause()
        at = rows(bar)[0].index(sign)
        for is_on in (True, False):
            await pilot.click(bar, offset=(at + len(sign) - 1, 0))
            assert getattr(bar.asked, name) is is_on


async def test_clicks_in_the_row_to_replace(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(40, 4)) as pilot:
        bar.open("a", with_replace=True)
        await pilot.pause()
        await pilot.click(bar, offset=(12, 1))
        press(bar, "b")
        assert bar.replacement == "b"
        await pilot.click(bar, offset=(rows(bar)[1].index("[This]"), 1))
        await pilot.click(bar, offset=(rows(bar)[1].index("[All]"), 1))
        assert told.take() == ["replace b", "all b"]
        await pilot.click(bar, offset=(12, 0))
        press(bar, "b")
        assert told.take() == ["query ab"]


async def test_keys_in_the_field_to_replace(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("a", with_replace=True)
        press(bar, "tab", "b", "enter", "shift+enter", "f3", "alt+a", "ctrl+enter")
        assert told.take() == ["replace b", "back", "on", "all b", "all b"]
        press(bar, "shift+tab", "enter")
        assert told.take() == ["on"]


async def test_nothing_is_replaced_without_the_row_for_it(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("a", with_replace=False)
        assert not press(bar, "alt+a")
        assert not press(bar, "ctrl+enter")
        assert press(bar, "tab")
        press(bar, "b")
        assert told.take() == ["query b"]


async def test_find_and_replace_while_it_is_open(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)) as pilot:
        bar.open("ab", with_replace=False)
        press(bar, "end")
        assert press(bar, "ctrl+f")
        assert bar.active_field.selected_text == "ab"
        assert press(bar, "ctrl+r")
        await pilot.pause()
        assert bar.size.height == 2
        press(bar, "x")
        assert (bar.asked.text, bar.replacement) == ("ab", "x")
        press(bar, "ctrl+f", "y")
        assert bar.asked.text == "y"
        press(bar, "backspace", "ctrl+r", "z")
        assert bar.asked.text == "z"  # there is nothing to replace yet


async def test_queries_come_again(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("one", with_replace=False)
        press(bar, "enter")
        bar.open("two", with_replace=False)
        press(bar, "escape")
        bar.open("", with_replace=False)
        told.take()
        press(bar, "up", "up", "up", "down", "down")
        assert told.take() == ["query two", "query one", "query two", "query "]


async def test_undo_takes_back_what_was_replaced_until_something_is_typed(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("a", with_replace=True)
        press(bar, "b")
        assert press(bar, "ctrl+z")
        assert bar.asked.text == "a"
        press(bar, "alt+a")
        assert not press(bar, "ctrl+z")
        assert not press(bar, "ctrl+y")
        press(bar, "c")
        assert press(bar, "ctrl+z")


async def test_escape_closes(bar: FindBar) -> None:
    told = Told(bar)
    async with Shown(bar).run_test(size=(80, 4)):
        assert not bar.is_open
        bar.open("a", with_replace=True)
        press(bar, "tab", "escape")
        assert not bar.is_open
        assert told.take() == ["close"]


async def test_what_changes_the_text_does_not_get_through_and_the_rest_does(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)):
        bar.open("a", with_replace=False)
        assert all(press(bar, key) for key in ("ctrl+d", "ctrl+k", "alt+up", "shift+down", "ctrl+z", "alt+j"))
        assert not any(press(bar, key) for key in ("ctrl+q", "ctrl+s", "f1", "pagedown", "ctrl+g", "alt+q"))


async def test_the_field_keeps_its_width_while_matches_are_counted(bar: FindBar) -> None:
    async with Shown(bar).run_test(size=(80, 4)) as pilot:
        bar.open("a", with_replace=False)
        await pilot.pause()
        places = set()
        for count in ("", "1+", "3 of 1,712", "12 of 12,345"):
            bar.show(count=count)
            places.add(rows(bar)[0].index("[Aa]"))
        assert len(places) == 1


async def test_the_cursor_of_the_terminal_follows_the_caret(bar: FindBar) -> None:
    app = Shown(bar, "FindBar { dock: bottom; }")
    async with app.run_test(size=(80, 6)) as pilot:
        bar.open("ab", with_replace=True)
        await pilot.pause()
        assert app.cursor_position == (11, 4)
        press(bar, "tab", "x")
        assert app.cursor_position == (10, 5)


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_hostile_words_are_made_safe(is_ascii: bool) -> None:
    bar = FindBar(PALETTE, KEYMAP, is_ascii=is_ascii)
    async with Shown(bar).run_test(size=(120, 4)) as pilot:
        bar.open(HOSTILE, with_replace=True)
        press(bar, "tab")
        paste(bar, HOSTILE)
        await pilot.pause()
        for said in ({"count": HOSTILE}, {"error": HOSTILE * 9}):
            bar.show(**said)
            drawn = "".join(rows(bar))
            assert drawn.isprintable()
            assert drawn.isascii() == is_ascii
        bar.open("", with_replace=True)
        assert "".join(rows(bar)).isascii() == is_ascii
