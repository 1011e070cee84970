"""The chat's bar: lines in rows, a field below them, scrolling, what cannot be sent."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from collab_client.chat import Line
from collab_protocol import limits
from collab_protocol.presence import Author
from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.chat_bar import ChatBar, wrapped
from tests.unit.collab_tui.keyed import HOSTILE, KEYMAP, Shown, paste, press, rows

PALETTE = palette_of(Theme.DARK)
AT = 1_700_000_000.0
CLOCK = time.strftime("%H:%M", time.localtime(AT))


def line(n: int, text: str, name: str = "ana", *, at: float = AT) -> Line:
    return Line(n, at, Author(f"account:{name}", name, 3), text, is_mine=False)


def numbered(count: int) -> list[Line]:
    return [line(n, f"number {n}") for n in range(1, count + 1)]


class Told:
    """What a bar called back."""

    def __init__(self, bar: ChatBar) -> None:
        self.calls: list[str] = []
        bar.on_send = lambda text: self.calls.append(f"send {text}")
        bar.on_seen = lambda: self.calls.append("seen")
        bar.on_close = lambda: self.calls.append("close")


def shown(bar: ChatBar) -> list[str]:
    return [row.rstrip() for row in rows(bar)]


async def drawn(lines: Sequence[Line], width: int, height: int = 40, *, is_ascii: bool = False) -> list[str]:
    bar = ChatBar(PALETTE, KEYMAP, is_ascii=is_ascii)
    async with Shown(bar).run_test(size=(width, height)) as pilot:
        bar.open(lines)
        await pilot.pause()
        return shown(bar)


async def test_lines_stand_over_the_field() -> None:
    told = await drawn([line(1, "shall we cut it? " * 4), line(2, "yes", "bo")], 60)
    assert told[3:6] == [
        f" {CLOCK}  ana  shall we cut it? shall we cut it? shall we cut",
        "             it? shall we cut it?",
        f" {CLOCK}  bo  yes",
    ]
    assert told[6].startswith(" Chat ")
    assert told[6].endswith("Enter sends")


async def test_a_narrow_bar_leaves_the_times_out() -> None:
    assert await drawn([line(1, "one two three four five")], 24) == [
        *[""] * 4,
        "  ana  one two three",
        "       four five",
        " Chat",
    ]


@pytest.mark.parametrize(("height", "said"), [(40, 6), (25, 6), (24, 3), (13, 3), (12, 1)])
async def test_a_low_screen_has_room_for_fewer_rows(height: int, said: int) -> None:
    assert len(await drawn(numbered(9), 80, height)) == said + 1


async def test_nothing_said_is_said() -> None:
    assert "nothing has been said here yet" in (await drawn([], 40))[-2]


async def test_names_have_their_colour() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    async with Shown(bar).run_test(size=(60, 30)) as pilot:
        bar.open([line(1, "hello")])
        await pilot.pause()
        [name] = [s for s in bar.render_line(5) if s.text == " ana "]
        assert name.style is not None
        assert name.style.bgcolor is not None
        assert name.style.bgcolor.name == PALETTE.people[3]


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_nothing_that_a_terminal_obeys_is_drawn(is_ascii: bool) -> None:
    told = await drawn([line(1, HOSTILE, name=HOSTILE), line(2, "\ta\nb", at=1e30)], 70, is_ascii=is_ascii)
    assert "--:--" in told[5]
    assert told[5].endswith("a b")


@pytest.mark.parametrize("width", range(8, 26))
async def test_beside_a_name_with_no_room_left_nothing_is_lost(width: int) -> None:
    told = await drawn([line(1, "Every word of it", "bartholomew the 3")], width)
    assert "Everywordofit" in "".join(told).replace(" ", "")


async def test_one_can_look_back_and_stays_there_while_others_speak() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    told = Told(bar)
    async with Shown(bar).run_test(size=(60, 30)) as pilot:
        bar.open(numbered(20))
        await pilot.pause()
        assert "number 20" in shown(bar)[5]
        press(bar, "pageup")
        assert "number 15" in shown(bar)[5]
        assert "↓ 5 more rows" in shown(bar)[6]
        bar.show(numbered(22)[2:])
        assert "number 15" in shown(bar)[5]
        assert not bar.is_at_end
        press(bar, *["pageup"] * 9)
        assert "number 3" in shown(bar)[0]
        assert told.calls == []
        press(bar, *["pagedown"] * 9)
        assert "number 22" in shown(bar)[5]
        assert told.calls == ["seen"]


async def test_what_is_oldest_goes_and_the_rest_stays_in_view() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    async with Shown(bar).run_test(size=(60, 30)) as pilot:
        bar.open(numbered(20))
        await pilot.pause()
        press(bar, *["pageup"] * 9)
        bar.show(numbered(20)[-2:])
        assert [row.split()[-1] for row in shown(bar)[4:6]] == ["19", "20"]


async def test_who_has_scrolled_back_sees_the_same_line_on_a_screen_of_another_size() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    said = [line(n, f"{n}: " + "word " * 20) for n in range(1, 21)]
    async with Shown(bar).run_test(size=(30, 30)) as pilot:
        bar.open(said)
        await pilot.pause()
        press(bar, *["pageup"] * 9)
        seen = next(int(row.split()[1][:-1]) for row in reversed(shown(bar)) if "ana" in row)
        await pilot.resize_terminal(120, 30)
        await pilot.pause()
        assert f"{seen}: word" in shown(bar)[5]
        assert shown(bar)[0]
        await pilot.resize_terminal(30, 30)
        await pilot.pause()
        assert any(f"{seen}: word" in row for row in shown(bar))


async def test_all_is_seen_when_there_is_room_for_all() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    told = Told(bar)
    async with Shown(bar).run_test(size=(30, 30)) as pilot:
        bar.open([line(1, "word " * 40)])
        await pilot.pause()
        press(bar, "pageup")
        assert not bar.is_at_end
        await pilot.resize_terminal(120, 30)
        await pilot.pause()
        assert "word word" in shown(bar)[5]
        assert bar.is_at_end
        assert told.calls == ["seen"]


async def test_enter_sends_and_the_field_is_the_owners_to_empty() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    told = Told(bar)
    async with Shown(bar).run_test(size=(60, 30)) as pilot:
        bar.open([])
        await pilot.pause()
        press(bar, "enter", *"hi ", "enter")
        assert told.calls == ["send hi"]
        assert bar.draft == "hi "
        bar.refuse("readers may not chat here")
        assert "readers may not chat here" in shown(bar)[6]
        press(bar, "x")
        assert "readers may not" not in shown(bar)[6]
        bar.put_draft("")
        press(bar, "up")
        assert bar.draft.startswith("hi"), "what was sent can be had again"


async def test_what_is_too_long_is_said_and_not_sent() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    told = Told(bar)
    async with Shown(bar).run_test(size=(60, 30)) as pilot:
        bar.open([])
        await pilot.pause()
        paste(bar, "x" * (limits.CHAT_CHARACTERS + 2))
        press(bar, "enter")
        assert told.calls == []
        assert "too long by 2" in shown(bar)[6]
        press(bar, "backspace", "backspace", "enter")
        assert told.calls == [f"send {'x' * limits.CHAT_CHARACTERS}"]


@pytest.mark.parametrize("key", ["escape", "f2", "alt+c"])
async def test_the_draft_stays_when_the_bar_is_closed(key: str) -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    told = Told(bar)
    async with Shown(bar).run_test(size=(60, 30)):
        bar.open([])
        press(bar, *"half", key)
        assert told.calls == ["close"]
        assert not bar.is_open
        bar.open([])
        assert bar.draft == "half"


async def test_what_would_change_the_text_does_nothing_and_the_rest_goes_on() -> None:
    bar = ChatBar(PALETTE, KEYMAP)
    async with Shown(bar).run_test(size=(60, 30)):
        bar.open([])
        assert press(bar, "ctrl+d")
        assert not press(bar, "ctrl+q")
        assert not press(bar, "f9")


@given(
    st.text(st.sampled_from("ab 漢👍🏽é")),
    st.integers(2, 30),
    st.integers(2, 30),
)
def test_rows_fit_and_have_all_of_the_text(text: str, first: int, others: int) -> None:
    text = " ".join(text.split())
    found = wrapped(text, first, others)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(row) <= (others if at else first) for at, row in enumerate(found))
