"""The hint bar: which keys it names, and what it leaves out."""

from __future__ import annotations

import pytest

from collab_tui.actions import Keymap, action_ids
from collab_tui.palette import Styles, Theme, palette_of
from collab_tui.widgets.hint_bar import HintBar
from tests.unit.collab_tui.keyed import KEYMAP, Shown, rows

PALETTE = palette_of(Theme.DARK)
ITEMS = ("help", "commands", "find", "save", "quit")
CSS = "HintBar { height: 1; }"


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, " F1 Help  Ctrl-P Commands  Ctrl-F Find  Ctrl-S Saved?  Ctrl-Q Leave"),
        (60, " F1 Help  Ctrl-P Commands  Ctrl-F Find  Ctrl-S Saved?"),
        (40, " F1 Help  Ctrl-P Commands  Ctrl-F Find"),
        (8, " F1 Help"),
        (7, ""),
    ],
)
async def test_what_does_not_fit_is_left_out_from_the_right(width: int, row: str) -> None:
    bar = HintBar(PALETTE, KEYMAP)
    bar.show(ITEMS)
    async with Shown(bar, CSS).run_test(size=(width, 3)):
        assert rows(bar) == [row.ljust(width)]


async def test_keys_are_those_of_the_keymap() -> None:
    bar = HintBar(PALETTE, Keymap({"help": "", "find": "f7"}))
    bar.show(ITEMS)
    async with Shown(bar, CSS).run_test(size=(80, 3)):
        assert rows(bar)[0].startswith(" Ctrl-P Commands  F7 Find  Ctrl-S")


async def test_keys_stand_out() -> None:
    bar = HintBar(PALETTE, KEYMAP)
    bar.show(["find"])
    async with Shown(bar, CSS).run_test(size=(80, 3)):
        key = Styles()[PALETTE.hint_key.over(PALETTE.hint)]
        assert [segment.text for segment in bar.render_line(0) if segment.style == key] == ["Ctrl-F"]


async def test_other_items_at_once() -> None:
    bar = HintBar(PALETTE, KEYMAP)
    async with Shown(bar, CSS).run_test(size=(40, 3)) as pilot:
        assert rows(bar)[0].strip() == ""
        bar.show(["find_next", "unselect"])
        await pilot.pause()
        assert bar.render_lines(bar.size.region)[0].text.rstrip() == " F3 Next  Esc Close"


async def test_every_action_can_be_shown_in_ascii() -> None:
    for item in action_ids():
        bar = HintBar(PALETTE, Keymap({item: "f8"}), is_ascii=True)
        bar.show([item])
        async with Shown(bar, CSS).run_test(size=(80, 3)):
            assert rows(bar)[0].isascii()
            assert rows(bar)[0].startswith(" F8 ")
