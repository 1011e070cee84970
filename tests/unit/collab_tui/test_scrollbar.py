"""The scrollbar: its thumb, the marks beside it, and dragging."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from collab_tui.palette import Ink, Theme, palette_of
from collab_tui.widgets.scrollbar import MarkKind, ScrollBar, ScrollMark

PALETTE = palette_of(Theme.DARK)


class Shown(App[None]):
    CSS = "ScrollBar { width: 1; height: 10; }"

    def compose(self) -> ComposeResult:
        self.bar = ScrollBar(PALETTE)
        self.shares: list[float] = []
        self.bar.on_scroll = self.shares.append
        yield self.bar


def thumb(bar: ScrollBar) -> list[int]:
    strips = [bar.render_line(y) for y in range(10)]
    found = [next(iter(strip)).style for strip in strips]
    return [
        y
        for y, style in enumerate(found)
        if style and style.bgcolor and style.bgcolor.name == PALETTE.scroll_thumb.bg
    ]


@pytest.mark.parametrize(
    ("total", "top", "rows"),
    [
        (10, 0, []),
        (20, 0, [0, 1, 2, 3, 4]),
        (20, 10, [5, 6, 7, 8, 9]),
        (10**6, 0, [0]),
        (10**6, 10**6 - 10, [9]),
    ],
)
async def test_the_thumb_says_where_one_is(total: int, top: int, rows: list[int]) -> None:
    app = Shown()
    async with app.run_test(size=(20, 10)):
        app.bar.show(total, top, {})
        assert thumb(app.bar) == rows


async def test_people_and_matches_are_marked() -> None:
    app = Shown()
    async with app.run_test(size=(20, 10)):
        marks = {
            1: ScrollMark(MarkKind.MATCH, PALETTE.scroll_match),
            4: ScrollMark(MarkKind.CHANGE, PALETTE.scroll_match),
            7: ScrollMark(MarkKind.PERSON, Ink("#000000", "#ff0000")),
        }
        app.bar.show(20, 0, marks)
        signs = [app.bar.render_line(y).text for y in range(10)]
        assert signs == [" ", "▬", " ", " ", "▎", " ", " ", "◆", " ", " "]
        style = next(iter(app.bar.render_line(7))).style
        assert style is not None
        assert style.color is not None
        assert style.color.name == "#ff0000"


async def test_a_border_leaves_marks_and_thumb_to_be_seen() -> None:
    app = Shown()
    async with app.run_test(size=(20, 10)):
        app.bar.show(20, 0, {7: ScrollMark(MarkKind.MATCH, PALETTE.scroll_match)})
        app.bar.frame(Ink("#ff0000"))
        assert [app.bar.render_line(y).text for y in range(10)] == [*"▐" * 7, "▬", *"▐" * 2]
        assert thumb(app.bar) == [0, 1, 2, 3, 4]
        app.bar.frame(None)
        assert app.bar.render_line(0).text == " "


async def test_dragging_scrolls_as_far_as_the_thumb_goes() -> None:
    app = Shown()
    async with app.run_test(size=(20, 10)) as pilot:
        app.bar.show(20, 0, {})
        await drag(pilot, 2, 9)
        assert app.shares[0] == 0
        assert app.shares[-1] == 1
        app.shares.clear()
        await pilot.click(ScrollBar, offset=(0, 7))
        assert app.shares == [1]


async def drag(pilot: Pilot[None], start: int, end: int) -> None:
    await pilot.mouse_down(ScrollBar, offset=(0, start))
    await pilot.hover(ScrollBar, offset=(0, end))
    await pilot.mouse_up(ScrollBar, offset=(0, end))
