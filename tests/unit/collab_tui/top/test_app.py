"""The app: keys, clicks, a server that goes and comes, and names that are no friends of terminals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.keys import _character_to_key

from collab_tui.top.app import TopApp
from collab_tui.top.columns import Sort
from collab_tui.top.state import Page
from collab_tui.top.view import TopView
from tests.unit.collab_tui.keyed import HOSTILE
from tests.unit.collab_tui.stage import Clock, until
from tests.unit.collab_tui.top.played import PlayedServer, figures, hear, person, room, rows, top_app

ROOMS = [room("notes", people=5), room("plan", people=3), room("todo", people=1)]


class Played:
    """An app on the screen, its server and its clock."""

    def __init__(self, *, size: tuple[int, int] = (80, 24), said: dict[str, object] | None = None) -> None:
        self.size = size
        self.clock = Clock()
        self.server = PlayedServer(said or figures(rooms=ROOMS))
        self.server.answers = 1
        self.app = top_app(self.server, self.clock)
        self.app.state.sort = Sort.PEOPLE

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[Played]:
        async with self.app.run_test(size=self.size):
            await until(lambda: self.app.state.latest is not None)
            yield self

    def press(self, *keys: str) -> None:
        for key in keys:
            is_character = len(key) == 1
            name = _character_to_key(key) if is_character else key
            self.app.typed(events.Key(name, key if is_character else None))

    @property
    def text(self) -> str:
        return "\n".join(rows(self.app))

    @property
    def chosen(self) -> str:
        state = self.app.state
        rooms = state.rooms()
        return rooms[state.chosen_at(rooms)].room


async def test_the_first_answer_is_shown() -> None:
    async with Played().shown() as played:
        assert "✓ ready" in played.text
        assert "rooms 3 of 1,203" in played.text
        assert "notes" in played.text


async def test_keys_sort() -> None:
    async with Played().shown() as played:
        for key in "uplmbwn":
            played.press(key)
            assert played.app.state.sort == key
        assert "room▴" in played.text
        played.press("n")
        assert "room▾" in played.text


async def test_keys_choose_and_enter_shows_who_is_there() -> None:
    async with Played().shown() as played:
        played.server.people = [person("ana"), person("bo")]
        played.press("down")
        assert played.chosen == "plan"
        played.press("end")
        assert played.chosen == "todo"
        played.press("home")
        assert played.chosen == "notes"
        played.press("pagedown", "up", "enter")
        await until(lambda: played.app.state.people)
        assert played.server.asked[-1] == {"do": "who", "room": "plan"}
        assert "plan: 2 connected" in played.text
        assert "ana" in played.text
        played.press("escape")
        assert played.app.state.page is Page.ROOMS
        assert played.chosen == "plan"


async def test_a_room_that_everybody_has_left() -> None:
    async with Played().shown() as played:
        played.press("enter")
        await until(lambda: played.app.state.people is not None)
        assert "nobody is here any more" in played.text


async def test_a_filter_while_it_is_typed() -> None:
    async with Played().shown() as played:
        played.press("/", "t", "o")
        assert "Show rooms with to" in played.text
        assert [each.room for each in played.app.state.rooms()] == ["todo"]
        played.press("backspace")
        assert played.app.state.filter == "t"
        played.press("enter", "q")
        assert played.app.state.filter == "t"
    assert not played.app.return_code


async def test_letters_of_a_filter_are_no_commands() -> None:
    async with Played().shown() as played:
        played.press("/", "q", "?", "space")
        assert played.app.state.page is Page.ROOMS
        assert not played.app.state.is_paused
        assert "no room with “q?" in played.text
        played.press("escape")
        assert played.app.state.filter == ""
        assert "notes" in played.text
        played.app.typed(events.Paste("plan\nrm"))
        assert played.app.state.filter == ""
        played.press("/")
        played.app.typed(events.Paste("plan\nrm"))
        assert played.app.state.filter == "plan"
        played.press("enter", "escape")
        assert played.app.state.filter == ""


async def test_help_comes_and_goes() -> None:
    async with Played(size=(40, 12)).shown() as played:
        played.press("?")
        first = played.text
        assert "Keys and words" in first
        played.press("pagedown")
        assert played.text != first
        played.press("home")
        assert played.text == first
        played.press("?")
        assert "notes" in played.text


async def test_a_pause_says_so_and_holds() -> None:
    async with Played().shown() as played:
        hear(played.app, played.clock, figures(rooms=ROOMS))
        played.press("space")
        hear(played.app, played.clock, figures(rooms=[room("new")]))
        assert "paused at 14:03:22" in played.text
        assert "Space Go on" in played.text
        assert "new" not in played.text
        played.press("space")
        assert "new" in played.text
        assert "✓ ready" in played.text


async def test_intervals_are_shown() -> None:
    async with Played().shown() as played:
        played.press("minus")
        assert "every 2 s" in played.text
        played.press("+", "+")
        assert "every 0.5 s" in played.text


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_ways_to_leave(key: str) -> None:
    async with Played().shown() as played:
        played.press(key)
        await until(lambda: not played.app.is_running or played.app._exit)
    assert played.server.is_closed


async def test_one_leaves_from_a_filter_too() -> None:
    async with Played().shown() as played:
        played.press("/", "ctrl+c")
        assert played.app._exit


async def test_clicks_sort_choose_and_open() -> None:
    played = Played()
    async with played.app.run_test(size=played.size) as pilot:
        await until(lambda: played.app.state.latest is not None)
        head = next(y for y, row in enumerate(rows(played.app)) if row.startswith(" room "))
        column = rows(played.app)[head].index("upd/s")
        await pilot.click(offset=(column, head))
        assert played.app.state.sort is Sort.UPDATES
        await pilot.click(offset=(2, head))
        assert played.app.state.sort is Sort.NAME
        await pilot.click(offset=(2, head + 2))
        assert played.chosen == "plan"
        assert played.app.state.page is Page.ROOMS
        await pilot.click(offset=(2, head + 2))
        assert played.app.state.page is Page.PEOPLE
        await pilot.press("escape")
        assert played.app.state.page is Page.ROOMS
        await pilot.click(offset=(2, 23))
        await pilot.click(offset=(2, 0))
        assert played.chosen == "plan"


async def test_the_wheel_chooses() -> None:
    async with Played().shown() as played:
        view = played.app.query_one(TopView)
        view.on_wheel(2)
        assert played.chosen == "todo"
        view.on_wheel(-1)
        assert played.chosen == "plan"


async def test_a_server_that_is_gone_is_said_and_asked_again() -> None:
    played = Played()
    played.server.answers = None
    played.app.state.interval_s = 0.5
    async with played.shown():
        played.server.trouble = "no server runs here: start `collab serve`"
        await until(lambda: played.app.state.trouble)
        played.clock.now += 30
        assert "✗ figures 30 s old: no server runs here" in played.text
        assert "notes" in played.text
        played.press("n")
        assert "room▴" in played.text
        played.server.trouble = ""
        await until(lambda: not played.app.state.trouble)
        assert "✓ ready" in played.text


async def test_a_server_that_says_nothing_leaves_figures_that_say_how_old_they_are() -> None:
    async with Played().shown() as played:
        plain = styles(played.app)
        played.clock.now += 1
        assert "✓ ready" in played.text
        played.clock.now += 10
        assert "✗ figures 11 s old: the server does not answer" in played.text
        assert styles(played.app).isdisjoint(plain)


def styles(app: TopApp) -> set[str]:
    """Return the styles of the row of people and rooms."""
    rows(app)
    return {str(segment.style) for segment in app.query_one(TopView).render_line(1)}


async def test_nobody_answers_from_the_start() -> None:
    played = Played()
    played.server.trouble = "no server runs here"
    async with played.app.run_test(size=played.size):
        await until(lambda: played.app.state.trouble)
        assert "✗ no server runs here" in played.text
        played.press("enter", "down", "/", "x", "escape", "?")
        assert "Keys and words" in played.text


async def test_figures_of_another_version_are_said_and_not_shown() -> None:
    played = Played()
    played.server.figures = {"version": "9"}
    async with played.app.run_test(size=played.size):
        await until(lambda: played.app.state.trouble)
        assert "the server's figures make no sense" in played.text


async def test_what_is_wrong_with_the_server_is_said_first() -> None:
    async with Played(said=figures(trouble="the disk is full", ready=False)).shown() as played:
        assert rows(played.app)[0].startswith(" ✗ the disk is full")
        hear(played.app, played.clock, figures(ready=False))
        assert rows(played.app)[0].startswith(" ✗ not ready")


async def test_a_fault_of_ours_ends_the_app() -> None:
    played = Played()

    async def broken(_: object) -> dict[str, object]:
        raise ZeroDivisionError

    played.server.ask = broken  # type: ignore[method-assign,assignment]
    app = top_app(played.server, played.clock)
    async with app.run_test():
        await until(lambda: app._exit)
    assert app.return_code == 1


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 50)])
@pytest.mark.parametrize("page", ["rooms", "people", "find"])
async def test_hostile_names_reach_no_terminal(size: tuple[int, int], page: str) -> None:
    said = figures(
        rooms=[room(HOSTILE, id="\x1b[31m"), room("ＷＩＤＥ漢字" * 40), room("e\u0301" * 99)],
        trouble=f"bad {HOSTILE}",
        version=HOSTILE,
    )
    async with Played(size=size, said=said).shown() as played:
        played.server.people = [
            person(HOSTILE, principal=HOSTILE, role=HOSTILE, activity=HOSTILE, address=HOSTILE),
            person("漢" * 200),
        ]
        if page == "people":
            played.press("enter")
            await until(lambda: played.app.state.people)
        elif page == "find":
            played.press("/")
            played.app.typed(events.Paste(HOSTILE))
        assert played.text  # rows() looks at each row


@pytest.mark.parametrize("page", [Page.ROOMS, Page.PEOPLE, Page.HELP])
async def test_no_window_is_too_small(page: Page) -> None:
    for size in ((1, 1), (3, 2), (10, 5), (39, 9)):
        async with Played(size=size).shown() as played:
            if page is not Page.ROOMS:
                played.press("enter" if page is Page.PEOPLE else "?")
            assert len(rows(played.app)) == size[1]


async def test_what_was_typed_before_there_was_a_screen_counts() -> None:
    played = Played()
    played.press("n", "space")
    async with played.shown():
        await asyncio.sleep(0)
        assert played.app.state.sort is Sort.NAME


async def test_all_is_drawn_anew_after_the_shell_had_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Played().shown() as played:
        view = played.app.query_one(TopView)
        drawn: list[None] = []
        monkeypatch.setattr(view, "refresh", lambda: drawn.append(None))
        played.app.app_resume_signal.publish(played.app)
        await until(lambda: drawn)
        played.press("ctrl+l")
        assert len(drawn) == 2
