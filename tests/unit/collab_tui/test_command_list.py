"""The list of commands and the help: what is found, what is chosen, how it is drawn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from collab_tui.actions import ACTIONS, Keymap, shown_key
from collab_tui.palette import Palette, Styles, Theme, palette_of
from collab_tui.widgets.command_list import CommandList, Entry, _fitting, _ranked
from tests.unit.collab_tui.keyed import HOSTILE, KEYMAP, Shown, paste, press, rows

PALETTE: Palette = palette_of(Theme.DARK)
CSS = """
Screen { align: center top; }
CommandList { width: 100%; max-width: 64; height: 100%; max-height: 20; }
CommandList.-help { max-width: 100; max-height: 100%; }
"""

FEW = (
    Entry("save", "What is saved where", "Ctrl-S", "Room"),
    Entry("quit", "Leave", "Ctrl-Q, F10", "Room"),
    Entry("word_left", "Word left", "Ctrl-Left, Alt-Left", "Move"),
    Entry("select_line", "Select line", "", "Select"),
    Entry("find", "Find …", "Ctrl-F", "Find"),
    Entry("find_next", "Find next", "F3", "Find"),
)
ALL = tuple(Entry(a.id, a.title, ", ".join(map(shown_key, KEYMAP.keys(a.id))), a.group) for a in ACTIONS)
INTRO = ("Everybody types in one text at once, and undo takes back your own changes.", "saved = on disk")


class Told:
    """What a list called back."""

    def __init__(self, commands: CommandList) -> None:
        self.calls: list[str] = []
        commands.on_choose = self.calls.append
        commands.on_close = lambda: self.calls.append("close")


@pytest.fixture
def commands() -> CommandList:
    return CommandList(PALETTE, KEYMAP)


def chosen(commands: CommandList) -> str:
    """Return the row that has the ink of what is chosen; empty if there is none."""
    ink = PALETTE.panel_choice.over(PALETTE.panel)
    found = ""
    for y in range(1, commands.size.height):
        for segment in commands.render_line(y):
            if segment.style is not None and segment.style.bgcolor == Styles()[ink].bgcolor:
                found += segment.text
    return found.strip()


@pytest.mark.parametrize(
    ("size", "width", "height"), [((40, 10), 40, 10), ((80, 24), 64, 20), ((120, 40), 64, 20)]
)
async def test_the_commands(commands: CommandList, size: tuple[int, int], width: int, height: int) -> None:
    async with Shown(commands, CSS).run_test(size=size) as pilot:
        commands.open(FEW, title="Commands", is_help=False)
        await pilot.pause()
        room = width - 40
        assert rows(commands) == [
            " Commands          " + " " * room + "          Esc closes ",
            " What is saved where  Room" + " " * room + "      Ctrl-S  ",
            " Leave  Room" + " " * room + "               Ctrl-Q, F10  ",
            " Word left  Move" + " " * room + "   Ctrl-Left, Alt-Left  ",
            " Select line  Select" + " " * room + "                    ",
            " Find …  Find" + " " * room + "                   Ctrl-F  ",
            " Find next  Find" + " " * room + "                    F3  ",
            *[" " * width] * (height - 7),
        ]


@pytest.mark.parametrize(("size", "width"), [((80, 24), 80), ((120, 40), 100)])
async def test_the_help(commands: CommandList, size: tuple[int, int], width: int) -> None:
    async with Shown(commands, CSS).run_test(size=size) as pilot:
        commands.open(FEW, title="Help", is_help=True, intro=INTRO)
        await pilot.pause()
        room = width - 80
        assert [row.rstrip() for row in rows(commands)[:16]] == [
            " Help" + " " * (room + 64) + "Esc closes",
            " Everybody types in one text at once, and undo takes back your own changes.",
            "",
            " saved = on disk",
            "",
            " Room",
            " What is saved where" + " " * (room + 52) + "Ctrl-S",
            " Leave" + " " * (room + 61) + "Ctrl-Q, F10",
            "",
            " Move",
            " Word left" + " " * (room + 49) + "Ctrl-Left, Alt-Left",
            "",
            " Select",
            " Select line",
            "",
            " Find",
        ]
        assert commands.size == (width, size[1])


async def test_the_help_in_few_rows_is_scrolled_through(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(40, 10)) as pilot:
        commands.open(ALL, title="Help", is_help=True, intro=INTRO)
        await pilot.pause()
        assert [row.rstrip() for row in rows(commands)[1:]] == [
            " Everybody types in one text at once,",
            " and undo takes back your own changes.",
            "",
            " saved = on disk",
            "",
            " Room",
            " What is saved where            Ctrl-S",
            " Leave                     Ctrl-Q, F10",
            " Try to connect now          F5, Alt-R",
        ]
        assert chosen(commands) == ""
        press(commands, "pagedown")
        assert rows(commands)[1].strip() == "Try to connect now          F5, Alt-R"
        assert chosen(commands) == ""
        press(commands, "down")
        assert chosen(commands).startswith("Try to connect now")
        press(commands, "up")
        assert chosen(commands).startswith("Leave")
        press(commands, "ctrl+home")
        assert rows(commands)[1].strip() == "Everybody types in one text at once,"


async def test_every_row_of_the_help_can_be_seen_with_down_alone(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(40, 10)) as pilot:
        commands.open(ALL, title="Help", is_help=True, intro=[f"line {n} of it" for n in range(20)])
        await pilot.pause()
        seen = set(rows(commands)[1:])
        choices = [chosen(commands)]
        for _ in range(len(ALL) * 2):
            press(commands, "down")
            seen |= set(rows(commands)[1:])
            if chosen(commands) != choices[-1]:
                choices.append(chosen(commands))
        assert all(any(row.startswith(f" {entry.title[:12]}") for row in seen) for entry in ALL)
        assert {row.strip() for row in seen} >= {"Room", "Move", "Clipboard"}
        assert {row.strip() for row in seen} >= {f"line {n} of it" for n in range(20)}
        assert len([choice for choice in choices if choice]) == len(ALL)


async def test_upwards_a_heading_comes_into_view_with_its_first_entry(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(40, 10)) as pilot:
        commands.open(ALL, title="Help", is_help=True)
        await pilot.pause()
        press(commands, "ctrl+end")
        while not chosen(commands).startswith("Find …"):
            press(commands, "up")
        assert rows(commands)[1].strip() == "Find"


async def test_what_fits_the_filter_the_best_first(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(FEW, title="Commands", is_help=False)
        await pilot.pause()
        press(commands, *"fn")
        assert [row.split("  ")[0].strip() for row in rows(commands)[1:3]] == ["Find next", "Find …"]
        assert rows(commands)[0].endswith(" 2 of 6 ")
        assert chosen(commands).startswith("Find next")
        press(commands, *"xyz")
        assert rows(commands)[1].strip() == "nothing has these letters"
        press(commands, "ctrl+u")
        assert rows(commands)[0].endswith(" Esc closes ")


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("f10", "quit"),
        ("ctrl-s", "save"),
        ("next find", "find_next"),
        ("move", "word_left"),
        ("quit", "quit"),
        ("SAVED", "save"),
    ],
)
def test_titles_keys_groups_and_ids_are_looked_through(query: str, first: str) -> None:
    assert _ranked(FEW, query.split())[0].entry.id == first


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_first_for_its_title(action: Entry) -> None:
    assert _ranked(ALL, action.title.split())[0].entry.title == action.title


async def test_what_was_matched_stands_out(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(FEW, title="Commands", is_help=False)
        press(commands, *"fn f3")
        await pilot.pause()
        marked = [s.text for s in commands.render_line(1) if s.style is not None and s.style.underline]
        assert "".join(marked) == "FnF3"


async def test_enter_runs_what_is_chosen(commands: CommandList) -> None:
    told = Told(commands)
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(FEW, title="Commands", is_help=False)
        await pilot.pause()
        press(commands, "down", "down", "up", "enter")
        assert told.calls == ["quit"]
        assert not commands.is_open


async def test_what_was_run_last_comes_first(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        for query in ("find next", "leave", "find next", "select line"):
            commands.open(FEW, title="Commands", is_help=False)
            await pilot.pause()
            press(commands, *query, "enter")
        commands.open(FEW, title="Commands", is_help=False)
        titles = [row.split("  ")[0].strip() for row in rows(commands)[1:7]]
        assert titles == ["Select line", "Find next", "Leave", "What is saved where", "Word left", "Find …"]
        commands.open(FEW, title="Help", is_help=True)
        assert rows(commands)[2].strip().startswith("What is saved where")


@pytest.mark.parametrize(
    ("is_help", "key"), [(False, "escape"), (True, "escape"), (False, "ctrl+p"), (True, "f1")]
)
async def test_keys_that_close(commands: CommandList, is_help: bool, key: str) -> None:
    told = Told(commands)
    async with Shown(commands, CSS).run_test(size=(80, 24)):
        commands.open(FEW, title="Commands", is_help=is_help)
        assert press(commands, key)
        assert told.calls == ["close"]
        assert not commands.is_open


async def test_what_moves_or_changes_the_text_does_not_get_through(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)):
        commands.open(FEW, title="Commands", is_help=False)
        kept = ("ctrl+d", "ctrl+up", "tab", "ctrl+k", "shift+down", "ctrl+right_square_bracket")
        assert all(press(commands, key) for key in kept)
        assert not any(press(commands, key) for key in ("ctrl+q", "ctrl+s", "f1", "ctrl+f", "ctrl+g"))


async def test_ends_and_pages(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(ALL, title="Commands", is_help=False)
        await pilot.pause()
        press(commands, "pagedown")
        assert chosen(commands).startswith(ALL[18].title)
        press(commands, "ctrl+end")
        assert chosen(commands).startswith(ALL[-1].title)
        press(commands, "down", "pagedown")
        assert chosen(commands).startswith(ALL[-1].title)
        press(commands, "ctrl+home")
        assert chosen(commands).startswith(ALL[0].title)
        press(commands, "up", "pageup")
        assert chosen(commands).startswith(ALL[0].title)


async def test_mouse(commands: CommandList) -> None:
    told = Told(commands)
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(ALL, title="Commands", is_help=False)
        await pilot.pause()
        wheel(commands)
        assert chosen(commands) == ""
        assert press(commands, "enter")  # nobody runs what they do not see
        assert told.calls == []
        assert chosen(commands).startswith(ALL[0].title)
        wheel(commands)
        await pilot.click(commands, offset=(5, 2))
        assert told.calls == [ALL[4].id]


def wheel(commands: CommandList) -> None:
    """Turn the wheel down by one notch."""
    commands.on_mouse_scroll_down(events.MouseScrollDown(commands, 1, 1, 0, 1, 0, False, False, False))


async def test_from_where_one_has_scrolled_to_down_goes_on(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(ALL, title="Commands", is_help=False)
        await pilot.pause()
        for _ in range(3):
            wheel(commands)
        press(commands, "down")
        assert chosen(commands).startswith(ALL[9].title)


async def test_what_is_drawn_before_the_size_is_told_is_laid_out_for_it(
    commands: CommandList, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        with monkeypatch.context() as patch:
            patch.setattr(CommandList, "on_resize", lambda _: None)
            commands.open(ALL, title="Help", is_help=True, intro=("one word and another " * 6,))
            await pilot.pause()
        assert len(commands.render_line(1).text.rstrip()) > 60


async def test_the_mark_of_the_scroll_position(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(ALL, title="Commands", is_help=False)
        await pilot.pause()
        thumb = Styles()[PALETTE.scroll_thumb]

        def marked() -> list[int]:
            return [y for y in range(1, 20) if list(commands.render_line(y))[-1].style == thumb]

        at_start = marked()
        assert at_start[0] == 1
        assert len(at_start) == 19 * 19 // len(ALL)
        press(commands, "ctrl+end")
        assert marked()[-1] == 19
        press(commands, *"save")
        assert marked() == []


@pytest.mark.parametrize(
    ("is_ascii", "edge", "bottom"), [(False, "│", "└" + "─" * 62 + "┘"), (True, "|", "+" + "-" * 62 + "+")]
)
async def test_without_colours_a_frame_tells_it_from_the_text(is_ascii: bool, edge: str, bottom: str) -> None:
    commands = CommandList(palette_of(Theme.MONO), KEYMAP, is_ascii=is_ascii)
    async with Shown(commands, CSS).run_test(size=(80, 24)) as pilot:
        commands.open(FEW, title="Commands", is_help=False)
        await pilot.pause()
        drawn = rows(commands)
        assert all(row.startswith(edge) and row.endswith(edge) for row in drawn[:-1])
        assert drawn[-1] == bottom
        commands.open(ALL, title="Commands", is_help=False)
        press(commands, "ctrl+end")
        assert rows(commands)[-2].startswith(f"{edge}{ALL[-1].title}")
        await pilot.resize_terminal(64, 24)
        await pilot.pause()
        assert edge not in "".join(rows(commands))  # there is no text beside it


@pytest.mark.parametrize("width", range(8, 24))
async def test_keys_for_which_there_is_no_room_are_left_out(width: int, commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(width, 8)) as pilot:
        commands.open([Entry("move", "Move line", "Alt-Shift-Down", "")], title="Commands", is_help=False)
        await pilot.pause()
        assert rows(commands)[1].strip(" │▐").startswith("Mo")


async def test_it_fits_a_screen_that_changes(commands: CommandList) -> None:
    async with Shown(commands, CSS).run_test(size=(120, 40)) as pilot:
        commands.open(ALL, title="Help", is_help=True, intro=INTRO)
        await pilot.pause()
        press(commands, "ctrl+end")
        last = chosen(commands)
        for size in ((40, 10), (20, 5), (100, 30)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            rows(commands)
            assert last.startswith(chosen(commands)[:7])
            assert chosen(commands) != ""


@given(st.text("Ctrl-F, ", max_size=40), st.integers(0, 40))
def test_keys_are_left_out_whole(keys: str, cells: int) -> None:
    fitting = _fitting(keys, cells)
    assert keys.startswith(fitting)
    assert len(fitting) <= cells or ", " not in fitting
    assert fitting == keys or keys[len(fitting) :].startswith(", ")


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_hostile_words_are_made_safe(is_ascii: bool) -> None:
    commands = CommandList(PALETTE, Keymap(), is_ascii=is_ascii)
    entries = [*ALL, Entry("x", HOSTILE, HOSTILE, HOSTILE)]
    async with Shown(commands, CSS).run_test(size=(100, 100)) as pilot:
        for is_help in (True, False):
            commands.open(entries, title=HOSTILE, is_help=is_help, intro=[HOSTILE])
            await pilot.pause()
            drawn = rows(commands)
            paste(commands, HOSTILE)
            drawn += rows(commands)
            assert "".join(drawn).isascii() == is_ascii
