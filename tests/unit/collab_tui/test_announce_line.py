"""The row that says what has happened last."""

from __future__ import annotations

import pytest

from collab_tui.palette import Styles, Theme, palette_of
from collab_tui.widgets.announce_line import AnnounceLine
from tests.unit.collab_tui.keyed import HOSTILE, Shown, rows

CSS = "AnnounceLine { height: 1; }"


async def test_the_newest_line_stands_there() -> None:
    line = AnnounceLine(palette_of(Theme.DARK))
    async with Shown(line, CSS).run_test(size=(20, 3)):
        assert rows(line) == [" " * 20]
        line.show("ana joined")
        line.show("bo joined")
        assert rows(line) == [" bo joined          "]
        line.show("chat from ana: 漢字漢字漢字")
        assert rows(line) == [" chat from ana: 漢… "]


@pytest.mark.parametrize("theme", Theme)
async def test_it_does_not_look_like_a_row_of_the_text(theme: Theme) -> None:
    palette = palette_of(theme)
    line = AnnounceLine(palette)
    async with Shown(line, CSS).run_test(size=(20, 3)):
        line.show("ana joined")
        [segment] = line.render_line(0)
        assert segment.style != Styles()[palette.text]


async def test_the_same_line_is_not_drawn_again() -> None:
    line = AnnounceLine(palette_of(Theme.DARK))
    async with Shown(line, CSS).run_test(size=(20, 3)) as pilot:
        line.show("saved")
        await pilot.pause()
        before = line._strip(0)
        line.show("saved")
        assert line._strip(0) is before
        line.show("ana left")
        assert line._strip(0) is not before


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_nothing_that_a_terminal_obeys_is_drawn(is_ascii: bool) -> None:
    line = AnnounceLine(palette_of(Theme.MONO), is_ascii=is_ascii)
    async with Shown(line, CSS).run_test(size=(60, 3)):
        line.show(HOSTILE)
        [row] = rows(line)
        assert row.isascii() == is_ascii
