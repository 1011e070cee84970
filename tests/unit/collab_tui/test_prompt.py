"""The prompt: one question, one line."""

from __future__ import annotations

import pytest

from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.prompt import Prompt
from tests.unit.collab_tui.keyed import HOSTILE, KEYMAP, Shown, paste, press, rows

PALETTE = palette_of(Theme.DARK)
HINT = "1 to 100,000, or line:column"


class Told:
    """What a prompt called back."""

    def __init__(self, prompt: Prompt) -> None:
        self.calls: list[str] = []
        prompt.on_accept = lambda text: self.calls.append(f"accept {text}")
        prompt.on_change = lambda text: self.calls.append(f"change {text}")
        prompt.on_close = lambda: self.calls.append("close")


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, " Go to line 120                                    1 to 100,000, or line:column "),
        (40, " Go to line 120        1 to 100,000, o… "),
        (25, " Go to line 120        … "),
    ],
)
async def test_label_field_and_hint(width: int, row: str) -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    async with Shown(prompt).run_test(size=(width, 3)) as pilot:
        prompt.open("Go to line", hint=HINT)
        press(prompt, *"120")
        await pilot.pause()
        assert rows(prompt) == [row]


async def test_enter_accepts_and_stays_open() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    told = Told(prompt)
    async with Shown(prompt).run_test(size=(40, 3)):
        prompt.open("Go to line", text="7")
        press(prompt, "1", "2", "left", "backspace", "enter")
        assert told.calls == ["change 1", "change 12", "change 2", "accept 2"]
        assert prompt.is_open


async def test_escape_closes() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    told = Told(prompt)
    async with Shown(prompt).run_test(size=(40, 3)):
        assert not prompt.is_open
        prompt.open("Go to line")
        assert prompt.is_open
        assert press(prompt, "escape")
        assert not prompt.is_open
        assert told.calls == ["close"]


async def test_an_error_stands_in_the_hints_place() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    async with Shown(prompt).run_test(size=(80, 3)) as pilot:
        prompt.open("Go to line", hint=HINT)
        await pilot.pause()
        prompt.show("a line, please")
        assert rows(prompt)[0].endswith("  a line, please ")
        prompt.show("")
        assert rows(prompt)[0].endswith(f" {HINT} ")
        prompt.show("again")
        prompt.open("Go to line", hint=HINT)
        assert rows(prompt)[0].endswith(f" {HINT} ")


async def test_what_was_answered_can_be_had_again() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    told = Told(prompt)
    async with Shown(prompt).run_test(size=(40, 3)):
        prompt.open("Go to line")
        press(prompt, *"12", "enter")
        prompt.open("Go to line")
        press(prompt, "up", "enter")
        assert told.calls[-2:] == ["change 12", "accept 12"]


async def test_what_changes_the_text_does_not_get_through_and_the_rest_does() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    async with Shown(prompt).run_test(size=(40, 3)):
        prompt.open("Go to line")
        assert all(
            press(prompt, key) for key in ("tab", "ctrl+d", "ctrl+k", "alt+up", "shift+down", "ctrl+z")
        )
        assert not any(press(prompt, key) for key in ("ctrl+q", "ctrl+s", "f1", "pageup", "ctrl+f", "alt+q"))


async def test_the_cursor_of_the_terminal_stands_on_the_caret() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    app = Shown(prompt, "Prompt { dock: bottom; }")
    async with app.run_test(size=(40, 5)) as pilot:
        prompt.open("Go to line", hint=HINT)
        await pilot.pause()
        assert app.cursor_position == (12, 4)
        press(prompt, *"12")
        assert app.cursor_position == (14, 4)
        prompt.close()
        await pilot.pause()
        prompt.open("To", hint=HINT)
        await pilot.pause()
        assert app.cursor_position == (4, 4)
        await pilot.resize_terminal(30, 8)
        await pilot.pause()
        assert app.cursor_position == (4, 7)


async def test_a_click_places_the_caret() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    async with Shown(prompt).run_test(size=(40, 3)) as pilot:
        prompt.open("Go to line", text="12345")
        await pilot.pause()
        await pilot.click(prompt, offset=(14, 0))
        press(prompt, "x")
        assert prompt.active_field.text == "12x345"


async def test_the_clipboard_is_its_own_until_it_is_given_another() -> None:
    prompt = Prompt(PALETTE, KEYMAP)
    async with Shown(prompt).run_test(size=(40, 3)):
        prompt.open("Go to line", text="12")
        press(prompt, "ctrl+c", "end", "ctrl+v")
        assert prompt.active_field.text == "1212"
        copied: list[str] = []
        prompt.on_copy = copied.append
        told = Told(prompt)
        prompt.on_paste = lambda put: put("3\n4")
        press(prompt, "ctrl+a", "ctrl+x", "ctrl+v")
        assert copied == ["1212"]
        assert prompt.active_field.text == "3"
        assert told.calls == ["change ", "change 3"]


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_hostile_words_are_made_safe(is_ascii: bool) -> None:
    prompt = Prompt(PALETTE, KEYMAP, is_ascii=is_ascii)
    async with Shown(prompt).run_test(size=(120, 3)) as pilot:
        prompt.open(HOSTILE, hint=HOSTILE)
        paste(prompt, HOSTILE)
        await pilot.pause()
        assert rows(prompt)[0].isprintable()
        prompt.show(HOSTILE)
        assert rows(prompt)[0].isprintable()
        assert rows(prompt)[0].isascii() == is_ascii
