"""The list of who is here: columns, keys, and what stays chosen while people come and go."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.people_panel import PeoplePanel, PersonRow
from tests.unit.collab_tui.keyed import HOSTILE, KEYMAP, Shown, press, rows

LEAST = (8, 9, 0, 6, 7)
CSS = "Screen { align: center top; }"


def person(
    key: str, name: str = "", *, line: str = "line 42", follows: str = "", trip: str = "12 ms"
) -> PersonRow:
    name = name or key
    return PersonRow(key, name[0].upper(), 0, False, name, (line, "typing", follows, "writer", trip))


PEOPLE = [person("", "dee"), person("ana"), person("bo", line="line 7", follows="follows you"), person("cy")]


class Played:
    """A panel in an app, and what it asked for."""

    def __init__(self, theme: Theme = Theme.DARK, *, is_ascii: bool = False) -> None:
        self.panel = PeoplePanel(palette_of(theme), KEYMAP, is_ascii=is_ascii)
        self.asked: list[str] = []
        self.panel.on_go = lambda key: self.asked.append(f"go {key}")
        self.panel.on_follow = lambda key: self.asked.append(f"follow {key}")
        self.panel.on_send_away = lambda key: self.asked.append(f"send away {key}")
        self.panel.on_close = lambda: self.asked.append("close")
        self.app = Shown(self.panel, CSS)

    def open(
        self, people: list[PersonRow] = PEOPLE, note: str = "", chosen: str = "ana", **may: bool
    ) -> None:
        self.panel.open(people, note, LEAST, chosen, **may)


def chosen(panel: Widget) -> str:
    """Return the row that is drawn as the chosen one."""
    ink = palette_of(Theme.DARK).panel_choice.bg
    for y in range(panel.size.height):
        strip = panel.render_line(y)
        last = list(strip)[-1].style
        if last is not None and last.bgcolor is not None and last.bgcolor.name == ink:
            return strip.text.strip()
    return ""


async def test_all_is_told_where_there_is_room() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        drawn = rows(played.panel)
        assert drawn[0].split("  ")[0].strip() == "Who is here"
        assert "Enter goes there  F9 follows  Esc closes" in drawn[0]
        assert " ".join(drawn[3].split()) == "B bo line 7 typing follows you writer 12 ms"
        assert len(drawn) == 5


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (80, ["line 42", "typing", "follows you", "writer", "12 ms"]),
        (60, ["line 42", "typing", "follows you", "writer"]),
        (54, ["line 42", "typing", "follows you"]),
        (40, ["line 42", "typing"]),
        (30, ["line 42"]),
    ],
)
async def test_columns_give_way_from_the_right(width: int, words: list[str]) -> None:
    people = [person("ana", "Maximiliane von und zu Hohenstein", follows="follows you")]
    played = Played()
    async with played.app.run_test(size=(width, 10)) as pilot:
        played.open(people)
        await pilot.pause()
        row = rows(played.panel)[1]
        assert [
            word for word in ("line 42", "typing", "follows you", "writer", "12 ms") if word in row
        ] == words
        assert "Maximilian" in row


@pytest.mark.parametrize("theme", Theme)
@pytest.mark.parametrize("size", [(80, 24), (40, 10), (12, 4), (1, 1)])
async def test_any_size_will_do(theme: Theme, size: tuple[int, int]) -> None:
    played = Played(theme)
    async with played.app.run_test(size=size) as pilot:
        played.open([*PEOPLE, *(person(f"p{n}") for n in range(60))], "Nobody else is here.")
        await pilot.pause()
        press(played.panel, "end", "pagedown", "home", "pageup", "down")
        assert len(rows(played.panel)) <= size[1]


async def test_nobody_is_told_how_to_invite() -> None:
    played = Played()
    async with played.app.run_test(size=(40, 10)) as pilot:
        played.open([person("", "dee")], "Nobody else is here. Others come in with: collab join notes")
        await pilot.pause()
        assert "Nobody else is here. Others come in with: collab join notes" in " ".join(
            " ".join(rows(played.panel)).split()
        )


async def test_a_command_in_the_note_is_not_broken_where_there_is_room() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        command = "collab join wss://example.org/notes"
        played.open(PEOPLE[:1], f"Nobody else is here. Others come in with: {command}")
        await pilot.pause()
        assert sum(command in row for row in rows(played.panel)) == 1


async def test_keys_choose_and_ask() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        press(played.panel, "down", "enter", "up", "f9", "home", "enter", "end", "down", "f9", "escape")
        assert played.asked == ["go bo", "follow ana", "go ", "follow cy", "close"]
        assert not played.panel.is_open


async def test_the_key_that_opens_it_closes_it() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)):
        played.open()
        press(played.panel, "f8")
        assert played.asked == ["close"]


async def test_the_text_gets_no_keys_but_the_room_does() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)):
        played.open()
        for key in ("x", "enter", "backspace", "ctrl+v", "ctrl+left", "ctrl+k", "tab", "alt+s"):
            assert press(played.panel, key)
        for key in ("ctrl+q", "ctrl+p", "f1", "ctrl+t", "f2"):
            assert not press(played.panel, key)


async def test_who_is_chosen_stays_so() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open(chosen="bo")
        await pilot.pause()
        played.panel.show([person("", "dee"), person("bo"), person("ana")], "")
        await pilot.pause()
        assert " bo " in chosen(played.panel)
        played.panel.show([person("", "dee"), person("ana")], "")
        await pilot.pause()
        assert " ana " in chosen(played.panel)
        played.panel.show([], "nobody can tell")
        await pilot.pause()
        assert chosen(played.panel) == ""


async def test_columns_stay_where_they_are_while_people_do_other_things() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        at = rows(played.panel)[2].index("writer")
        for doing in ("selecting", "here"):
            moved = person("ana")._replace(columns=("line 9", doing, "", "writer", ""))
            played.panel.show([PEOPLE[0], moved, *PEOPLE[2:]], "")
            await pilot.pause()
            assert rows(played.panel)[2].index("writer") == at


async def test_it_scrolls_to_who_is_chosen() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 8)) as pilot:
        played.open([person(f"p{n:02}") for n in range(20)], chosen="p00")
        await pilot.pause()
        press(played.panel, "pagedown", "pagedown")
        assert "p08" in chosen(played.panel)
        assert "p04" in rows(played.panel)[1]
        press(played.panel, "end")
        assert "p19" in rows(played.panel)[5]


@pytest.mark.parametrize("theme", [Theme.DARK, Theme.MONO])
async def test_what_is_said_of_whom_one_chose_is_not_covered(theme: Theme) -> None:
    played = Played(theme)
    async with played.app.run_test(size=(40, 10)) as pilot:
        played.open([person(f"p{n:02}") for n in range(20)], chosen="p00")
        await pilot.pause()
        assert played.panel.region.bottom == 8


async def test_all_are_shown_as_soon_as_there_is_room() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        await pilot.pause()
        assert " dee " in rows(played.panel)[1]


async def test_one_that_is_drawn_before_it_is_told_of_its_size_shows_all_that_fits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        monkeypatch.setattr(PeoplePanel, "on_resize", lambda self: None)
        played.open(chosen="cy")
        await pilot.pause()
        assert [row.split()[0] for row in rows(played.panel)[1:]] == ["D", "A", "B", "C"]


async def test_a_click_goes_there() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        await pilot.click(PeoplePanel, offset=(5, 0))
        assert played.asked == []
        await pilot.click(PeoplePanel, offset=(5, 3))
        assert played.asked == ["go bo"]


async def test_the_terminals_cursor_is_with_who_is_chosen() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open()
        await pilot.pause()
        press(played.panel, "down")
        x, y = played.app.cursor_position
        assert (x, y) == (played.panel.region.x + 1, 3)


async def test_ascii_stands_in_for_signs() -> None:
    played = Played(Theme.MONO, is_ascii=True)
    async with played.app.run_test(size=(60, 24)) as pilot:
        played.open([person("ana", "ana ×2"), person("bo", "x" * 40)], "nobody")
        await pilot.pause()
        assert all(row.isascii() for row in rows(played.panel))


async def test_what_others_are_called_is_made_safe() -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open([person("ana", HOSTILE)._replace(sign="A")], HOSTILE)
        await pilot.pause()
        assert len(rows(played.panel)) > 1


@pytest.mark.parametrize("may_send_away", [True, False])
async def test_whoever_may_sends_away_whom_they_chose(may_send_away: bool) -> None:
    played = Played()
    async with played.app.run_test(size=(80, 24)) as pilot:
        played.open(chosen="bo", may_send_away=may_send_away)
        await pilot.pause()
        assert ("Delete sends away" in rows(played.panel)[0]) == may_send_away
        press(played.panel, "delete")
        assert played.asked == (["send away bo"] if may_send_away else [])


@pytest.mark.parametrize(
    ("width", "hint"),
    [
        (80, "Enter goes there  F9 follows  Delete sends away  Esc closes"),
        (70, "F9 follows  Delete sends away  Esc closes"),
        (52, "Delete sends away  Esc closes"),
        (42, "F9 follows  Esc closes"),
    ],
)
async def test_hints_for_admins_give_way_from_the_left(width: int, hint: str) -> None:
    played = Played()
    async with played.app.run_test(size=(width, 24)) as pilot:
        played.open(may_send_away=True)
        await pilot.pause()
        assert rows(played.panel)[0].removeprefix(" Who is here").strip() == hint


async def test_an_account_stands_whatever_the_name_and_the_width() -> None:
    played = Played()
    people = [
        person("ana")._replace(account="bo"),
        person("evil", "ana (account ana)" + " " * 9 + "x")._replace(account="eve"),
    ]
    for columns in (100, 60, 41):
        async with played.app.run_test(size=(columns, 24)) as pilot:
            played.open(people)
            await pilot.pause()
            first, second = rows(played.panel)[1:3]
            assert "ana (account bo)" in first
            assert "(account eve)" in second
        played = Played()
    async with played.app.run_test(size=(100, 24)) as pilot:
        for chosen_key in ("ana", "evil"):
            played.open(people, chosen=chosen_key)
            await pilot.pause()
            inks = {part.text.strip(): part.style for part in played.panel.render_line(2)}
            assert inks["(account eve)"] != inks["ana (account ana)         x"]
