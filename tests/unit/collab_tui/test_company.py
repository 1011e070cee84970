"""The others on the screen: the list, following, jumps, looks asked for, comings and goings."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot

from collab_client import status as say
from collab_client.people import News
from collab_protocol.presence import Activity, Person, Role
from collab_tui.options import Options
from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.snapshots import press
from tests.unit.collab_tui.stage import Clock, Stage, until

TEXT = "\n".join(f"row {n}" for n in range(1, 101))
VIEW = ((40, 0), (60, 6))
SIZE = (80, 24)


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._company is not None and stage.app.query_one(Editor).view is not None)
    stage.session.people.own = Person(1, "me", "dee", Role.ADMIN, 3)


def bar(stage: Stage) -> str:
    return stage.rows()[-1]


def top(stage: Stage) -> str:
    """Return the first row of the text that is seen."""
    return stage.rows()[0].rstrip("▐◆ ")


def ana(stage: Stage, head: tuple[int, int] = (45, 2), **said: object) -> None:
    said.setdefault("view", VIEW)
    stage.world.place("ana", head, session=7, colour=0, **said)  # type: ignore[arg-type]


async def following(stage: Stage, pilot: Pilot[object]) -> None:
    """Follow ana, who is alone with us."""
    await begun(stage)
    ana(stage)
    await pilot.pause()
    press(stage, "f9")
    await pilot.pause()
    assert "following ana" in bar(stage)


# -- the list


async def test_f8_tells_who_is_here() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.session.round_trip_s = 0.004
        ana(stage, anchor=(45, 0))
        stage.world.place("bo", (2, 0), session=8, activity=Activity.IDLE, following=1)
        stage.world.place("bo", (9, 0), session=9, principal="device:8")
        stage.world.place("dee", (3, 0), session=10, principal="me")
        stage.world.place("eve", (3, 0), session=11)
        stage.world.end(11, activity=Activity.LOST)
        stage.session.people.pulse([(7, 1500), (10, 0)])
        press(stage, "f8")
        await pilot.pause()
        drawn = [" ".join(row.rstrip(" ◆").split()) for row in stage.rows()]
        assert drawn[1:6] == [
            "D dee line 1 you admin 4 ms",
            "D you, other window line 4 here writer <1 ms",
            "A ana line 46 selecting writer 1.5 s",
            "B bo ×2 line 10 here follows you writer",
            "E eve offline writer",
        ]
        assert stage.session.pulses == 1


async def test_f8_tells_whose_account_a_name_hides() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (2, 0), session=8, principal="unix:bo/ana")
        stage.world.place("cy", (2, 0), session=9, principal="unix:cy")
        stage.world.place("zoe", (2, 0), session=10, principal="unix:dee/zoe")
        stage.session.people.own = Person(1, "unix:dee/zoe", "zoe", Role.ADMIN, 3)
        press(stage, "f8")
        await pilot.pause()
        drawn = [" ".join(row.rstrip(" ◆").split()) for row in stage.rows()]
        assert drawn[1:5] == [
            "Z zoe (account dee) line 1 you admin",
            "Z you, other window line 3 here writer",
            "A ana (account bo) line 3 here writer",
            "C cy line 3 here writer",
        ]


async def test_the_list_follows_what_happens() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        press(stage, "f8")
        await pilot.pause()
        assert "line 46" in stage.rows()[2]
        ana(stage, (50, 0))
        await until(lambda: "line 51" in stage.rows()[2])
        stage.world.place("bo", (2, 0), session=8)
        await until(lambda: " bo " in stage.rows()[3])
        stage.world.end(8)
        await until(lambda: " bo " not in stage.rows()[3])


async def test_nobody_else_is_told_how_to_come_in() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "f8")
        await pilot.pause()
        shown = " ".join(" ".join(stage.rows()).split())
        assert "Nobody else is here." in shown
        assert "collab join" in shown


async def test_where_a_token_is_needed_the_address_alone_would_not_do() -> None:
    stage = Stage(TEXT, is_by_invite=True)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "f8")
        await pilot.pause()
        shown = " ".join(" ".join(stage.rows()).split())
        assert "Others need a link of: collab invite notes, where the server runs." in shown
        assert "collab join" not in shown


async def test_a_guest_is_told_that_others_need_a_key_of_their_own() -> None:
    stage = Stage(TEXT, invitation="ssh -p 2222 notes@example.org")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "f8")
        await pilot.pause()
        shown = " ".join(" ".join(stage.rows()).split())
        assert "Others need a key or an invite of their own." in shown
        assert "They come in with: ssh -p 2222 notes@example.org" in shown


async def test_without_a_link_nobody_can_tell() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.session.say(say.offline(0, 3))
        press(stage, "f8")
        await pilot.pause()
        assert any("Not connected" in row for row in stage.rows())


async def test_enter_goes_to_somebody() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        press(stage, "f8")
        await pilot.pause()
        press(stage, "enter")
        assert stage.world.head == (45, 2)
        press(stage, "x")
        assert stage.world.text.splitlines()[45] == "roxw 46"


async def test_nobody_goes_to_who_is_nowhere() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.end(7, activity=Activity.LOST)
        press(stage, "f8")
        await pilot.pause()
        press(stage, "enter")
        assert stage.world.head == (0, 0)
        assert "ana is offline" in bar(stage)


async def test_f9_in_the_list_follows() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("bo", (2, 0), session=8)
        press(stage, "f8")
        await pilot.pause()
        press(stage, "down", "f9")
        await pilot.pause()
        assert "following bo (Esc)" in bar(stage)
        assert stage.session.followed == [8]
        press(stage, "f8", "home", "f9")
        await pilot.pause()
        assert "nobody follows oneself" in bar(stage)


# -- following


async def test_what_the_leader_sees_is_seen() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        assert top(stage).endswith("row 41")
        ana(stage, view=((10, 0), (30, 0)))
        await until(lambda: top(stage).endswith("row 11"))
        assert stage.world.head == (0, 0)
        assert stage.session.followed == [7]


async def test_a_lower_window_shows_the_leaders_caret() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=(80, 11)) as pilot:
        await following(stage, pilot)
        ana(stage, (58, 0))
        await until(lambda: top(stage).endswith("row 50"))
        ana(stage, (41, 0))
        await until(lambda: top(stage).endswith("row 41"))


async def test_the_border_has_the_leaders_colour_and_nothing_moves() -> None:
    stage = Stage("one\ntwo")
    colour = palette_of(Theme.DARK).people[0]
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage, (0, 0), view=((0, 0), (1, 3)))
        await pilot.pause()
        before = stage.rows()
        press(stage, "f9")
        await pilot.pause()
        rows = stage.rows()
        assert [row[:-1].rstrip() for row in rows[1:-1]] == [row[:-1].rstrip() for row in before[1:-1]]
        assert all(stage.styles(y)[3][1] == colour for y in range(23))
        assert all(row.endswith("▐") for row in rows[2:-1])
        press(stage, "escape")
        await pilot.pause()
        assert all(stage.styles(y)[3][1] != colour for y in range(1, 23))
        assert not any(row.endswith("▐") for row in stage.rows())


@pytest.mark.parametrize("theme", [Theme.ANSI, Theme.MONO])
@pytest.mark.parametrize(("is_ascii", "sign"), [(False, "│"), (True, "|")])
async def test_where_colours_do_not_tell_the_border_has_a_sign(
    theme: Theme, is_ascii: bool, sign: str
) -> None:
    stage = Stage("one\ntwo", theme=theme, is_ascii=is_ascii)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage, (0, 0), view=((0, 0), (1, 3)))
        press(stage, "f9")
        await pilot.pause()
        rows = stage.rows()
        assert all(row[3] == sign and row[-1] == sign for row in rows[1:-1])
        assert rows[0][3] == "A"


async def _types(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "x")


async def _moves(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "right")


async def _escapes(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "escape")


async def _stops(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "f9")


async def _pastes(stage: Stage, pilot: Pilot[object]) -> None:
    stage.app.typed(events.Paste("pasted"))


async def _clicks(stage: Stage, pilot: Pilot[object]) -> None:
    await pilot.click(Editor, offset=(6, 3))


async def _wheels(stage: Stage, pilot: Pilot[object]) -> None:
    stage.app.query_one(Editor).scroll_rows(3)


async def _drags_the_scrollbar(stage: Stage, pilot: Pilot[object]) -> None:
    stage.app.query_one(Editor).scroll_to_share(1)


@pytest.mark.parametrize(
    "do", [_types, _moves, _escapes, _stops, _pastes, _clicks, _wheels, _drags_the_scrollbar]
)
async def test_it_ends_when_the_person_does_something(do) -> None:  # type: ignore[no-untyped-def]
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        await do(stage, pilot)
        await pilot.pause()
        assert "no longer following ana" in bar(stage)
        assert " following ana (Esc)" not in bar(stage)
        assert stage.session.followed == [7, 0]


@pytest.mark.parametrize(
    "keys",
    [
        ["ctrl+home"],
        ["up"],
        ["shift+left"],
        ["ctrl+g", "1", "enter"],
        ["f8", "home", "enter"],
    ],
)
async def test_going_to_where_the_own_caret_is_goes_there(keys: list[str]) -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        press(stage, *keys)
        await pilot.pause()
        assert "no longer following ana" in bar(stage)
        assert top(stage).endswith("row 1")


async def test_scrolling_oneself_is_said_to_end_it() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        await _wheels(stage, pilot)
        await pilot.pause()
        assert "no longer following ana: you scrolled · F9 follows again" in bar(stage)
        assert top(stage).endswith("row 44")


async def test_typing_goes_back_to_the_own_caret() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        press(stage, "x")
        await pilot.pause()
        assert top(stage).endswith("xrow 1")


async def test_escape_leaves_what_is_selected() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE):
        await begun(stage)
        press(stage, "shift+down")
        ana(stage)
        press(stage, "f9", "escape")
        assert stage.world.buffer.selection is not None
        press(stage, "escape")
        assert stage.world.buffer.selection is None


async def _resizes(stage: Stage, pilot: Pilot[object]) -> None:
    await pilot.resize_terminal(60, 15)


async def _loses_focus(stage: Stage, pilot: Pilot[object]) -> None:
    stage.app.query_one(Editor).blur()
    await pilot.pause()
    stage.app.query_one(Editor).focus()


async def _others_edit(stage: Stage, pilot: Pilot[object]) -> None:
    stage.world.edit_elsewhere(0, 0, "above\n")
    stage.world.edit_elsewhere(0, 6, "")


async def _looks_otherwise(stage: Stage, pilot: Pilot[object]) -> None:
    stage.app._act("next_theme")
    stage.app._act("toggle_wrap")


async def _copies(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "ctrl+c")


async def _saves(stage: Stage, pilot: Pilot[object]) -> None:
    press(stage, "ctrl+s", "ctrl+p", "escape", "f8", "escape")


@pytest.mark.parametrize("do", [_resizes, _loses_focus, _others_edit, _looks_otherwise, _copies, _saves])
async def test_it_goes_on_whatever_else_happens(do) -> None:  # type: ignore[no-untyped-def]
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        await do(stage, pilot)
        await pilot.pause()
        assert "following ana" in bar(stage)
        assert "no longer" not in bar(stage)
        assert top(stage).endswith("row 41")
        assert stage.session.followed == [7]


async def test_a_refused_edit_does_not_end_it() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        stage.world.buffer.read_only = True
        await following(stage, pilot)
        press(stage, "x")
        await pilot.pause()
        assert "following ana" in bar(stage)
        assert top(stage).endswith("row 41")


async def test_it_waits_for_who_has_dropped_out() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        stage.world.end(7, activity=Activity.LOST)
        await pilot.pause()
        assert "waiting for ana (Esc)" in bar(stage)
        stage.world.place("ana", (3, 0), session=21, principal="device:7", view=((2, 0), (22, 0)))
        await pilot.pause()
        assert "following ana (Esc)" in bar(stage)
        assert top(stage).endswith("row 3")
        assert stage.session.followed == [7, 0, 21]


async def test_it_waits_while_the_link_is_gone() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        stage.session.lose_link()
        await pilot.pause()
        assert "waiting for ana" in bar(stage)
        press(stage, "escape")
        await pilot.pause()
        assert "no longer waiting for ana" in bar(stage)


async def test_two_who_follow_each_other_stand_still() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage, (5, 0), following=1, view=((0, 0), (22, 0)))
        press(stage, "f9")
        await pilot.pause()
        views = len(stage.session.views)
        for row in (30, 50, 70):  # she sees what we see, and tells so
            ana(stage, (5, 0), following=1, view=((row, 0), (row + 22, 0)))
            await pilot.pause()
        assert top(stage).endswith("row 1")
        assert len(stage.session.views) == views
        ana(stage, (60, 0), following=1, view=((70, 0), (92, 0)))
        await pilot.pause()
        assert any("row 61" in row for row in stage.rows())


async def test_the_terminals_cursor_is_on_the_leaders_caret() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        assert stage.app.cursor_position == (5 + 2, 5)
        ana(stage, (90, 0))
        await pilot.pause()
        press(stage, "escape", "right")
        await pilot.pause()
        assert stage.app.cursor_position == (5 + 1, 0)


async def test_how_many_follow_is_told() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage, following=1)
        await pilot.pause()
        assert "1 follows you   A  ana" in bar(stage)
        stage.world.place("bo", (2, 0), session=8, following=1)
        await pilot.pause()
        assert "2 follow you" in bar(stage)
        ana(stage)
        stage.world.end(8)
        await pilot.pause()
        assert "follow" not in bar(stage)


async def test_f9_follows_whoever_asked_to_look_and_then_whoever_was_followed_last() -> None:
    clock = Clock()
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("bo", (2, 0), session=8)
        stage.session.on_look(stage.world.buffer.peers[8].person)
        press(stage, "f9")
        assert stage.session.followed == [8]
        stage.session.on_look(stage.world.buffer.peers[7].person)
        press(stage, "f9")
        assert stage.session.followed == [8, 7]
        press(stage, "f9", "f9")
        assert stage.session.followed == [8, 7, 0, 7]
        press(stage, "escape")
        stage.session.on_look(stage.world.buffer.peers[8].person)
        clock.now += 31
        press(stage, "f9")
        assert stage.session.followed == [8, 7, 0, 7, 0, 7]
        await pilot.pause()


async def test_who_follows_again_is_not_told_any_more_that_they_do_not() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await following(stage, pilot)
        press(stage, "escape", "f9")
        await pilot.pause()
        assert "following ana (Esc)" in bar(stage)
        assert "no longer" not in bar(stage)


async def test_f9_asks_whom_where_there_are_several() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("bo", (2, 0), session=8)
        press(stage, "f9")
        await pilot.pause()
        assert "Who is here" in stage.rows()[0]
        assert stage.session.followed == []


async def test_whoever_is_to_be_followed_is_waited_for() -> None:
    stage = Stage(TEXT, follow="ana")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        await pilot.pause()
        assert "waiting for ana (Esc)" in bar(stage)
        ana(stage)
        await pilot.pause()
        assert "following ana (Esc)" in bar(stage)
        assert top(stage).endswith("row 41")


# -- going to people


async def test_f7_goes_from_person_to_person_around_the_end() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("bo", (2, 1), session=8)
        stage.world.place("cy", (2, 1), session=9)
        stage.world.place("eve", (3, 0), session=10, activity=Activity.AWAY)
        visited = []
        for key in ("f7", "f7", "f7", "f19", "shift+f7"):
            press(stage, key)
            visited.append(stage.world.head)
        assert visited == [(2, 1), (45, 2), (2, 1), (45, 2), (2, 1)]
        await pilot.pause()
        assert "bo, cy" in bar(stage)


async def test_f7_says_when_there_is_nobody() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "f7")
        assert "nobody else is here" in bar(stage)
        ana(stage, activity=Activity.AWAY)
        press(stage, "f7")
        await pilot.pause()
        assert "nobody else has a caret here" in bar(stage)


async def test_a_name_goes_where_a_line_does() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        press(stage, "ctrl+g", "@", "A")
        await pilot.pause()
        assert "ana, line 46" in stage.rows()[-2]
        press(stage, "enter")
        assert stage.world.head == (45, 2)


async def test_a_name_that_nobody_has_is_said_so() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("bo", (2, 0), session=8)
        press(stage, "ctrl+g", "@", "x", "enter")
        await pilot.pause()
        assert "nobody here is called x: ana, bo" in stage.rows()[-2]
        press(stage, "backspace", "backspace", "7", "enter")
        assert stage.world.head == (6, 0)


async def test_several_that_begin_so_are_named() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.world.place("al", (2, 0), session=8)
        press(stage, "ctrl+g", "@", "a")
        await pilot.pause()
        assert stage.rows()[-2].rstrip().endswith("ana, al")


# -- asking to look


async def test_others_are_asked_to_look() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "ctrl+t")
        assert "nobody else is here" in bar(stage)
        ana(stage)
        stage.world.place("bo", (2, 0), session=8)
        press(stage, "ctrl+t")
        assert stage.session.looks == 2
        assert "asked ana, bo to look" in bar(stage)
        stage.session.refusal = "not connected"
        press(stage, "ctrl+t")
        await pilot.pause()
        assert "not connected" in bar(stage)


async def test_who_is_asked_to_look_is_told_where() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        ana(stage)
        stage.session.on_look(stage.world.buffer.peers[7].person)
        assert "ana asks you to look at line 46 · F9 follows" in bar(stage)
        press(stage, "f9")
        stage.session.on_look(stage.world.buffer.peers[7].person)
        await pilot.pause()
        assert "ana asks you to look at line 46 " in bar(stage)
        assert "F9" not in bar(stage)


@pytest.mark.parametrize(
    ("bell", "has_osc9", "written"),
    [
        (False, False, ""),
        (True, False, "\x07"),
        (True, True, "\x1b]9;collab: a?c asks you to look\x07"),
    ],
)
async def test_the_bell_rings_where_it_is_wished(
    monkeypatch: pytest.MonkeyPatch, bell: bool, has_osc9: bool, written: str
) -> None:
    stage = Stage(TEXT, options=Options(hints=False, bell=bell), has_osc9=has_osc9)
    async with stage.app.run_test(size=SIZE):
        await begun(stage)
        heard: list[str] = []
        monkeypatch.setattr(stage.app, "write", heard.append)
        stage.session.on_look(Person(30, "b", "a\x07c", Role.WRITE, 0))
        assert "".join(heard).replace("␇", "?") == written


# -- comings and goings


async def test_who_comes_and_goes_is_told_if_wished() -> None:
    for wished in (True, False):
        stage = Stage(TEXT, options=Options(hints=False, join_messages=wished))
        async with stage.app.run_test(size=SIZE):
            await begun(stage)
            stage.session.on_news(News(("ana", "bo"), ()))
            gathering = stage.app._toasts._gathering
            assert (gathering is not None) == wished
            if wished:
                await until(lambda stage=stage: "ana, bo joined" in bar(stage))


async def test_news_leave_a_question_alone() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE):
        await begun(stage)
        stage.app._line.show(question="Quit?")
        stage.app._toasts.tell_news(News(("ana",), ()))
        stage.app._toasts._tell_gathered()
        assert bar(stage).strip().startswith("Quit?")


# -- what is told to the session


async def test_who_touches_keys_or_mouse_is_active() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        press(stage, "x")
        stage.app.typed(events.Paste("y"))
        press(stage, "f8", "escape")
        assert stage.session.touches == 4
        await pilot.hover(Editor, offset=(4, 4))
        assert stage.session.touches > 4


async def test_what_is_seen_is_told_when_it_changes() -> None:
    stage = Stage(TEXT)
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        await pilot.pause()
        views = stage.session.views
        assert views[-1] == ((0, 0), (22, 6))
        count = len(views)
        press(stage, "right", "left")
        assert len(views) == count
        stage.app.query_one(Editor).scroll_rows(10)
        assert views[-1] == ((10, 0), (32, 6))
        stage.world.edit_elsewhere(0, 0, "above\n")
        await until(lambda: views[-1] == ((11, 0), (33, 6)))
        await pilot.resize_terminal(80, 14)
        await until(lambda: views[-1] == ((11, 0), (23, 6)))


async def test_who_is_away_has_no_caret_but_a_name() -> None:
    stage = Stage("one\ntwo")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (1, 1), activity=Activity.AWAY)
        await pilot.pause()
        stage.show_surroundings()
        await pilot.pause()
        rows = stage.rows()
        assert "ana (away)" in rows[-1]
        assert not any("A" in row or "◆" in row or "ana" in row for row in rows[:-1])
