"""What an admin does about the others: sending them away, closing the room; and that nobody else can."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from collab_protocol.presence import Activity, Person, Role
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.snapshots import press
from tests.unit.collab_tui.stage import Stage, until

SIZE = (80, 24)


async def begun(stage: Stage, role: Role = Role.ADMIN) -> None:
    await until(lambda: stage.app._company is not None and stage.app.query_one(Editor).view is not None)
    stage.session.people.own = Person(1, "me", "dee", role, 3)


def shown(stage: Stage) -> str:
    return "\n".join(stage.rows())


async def run(stage: Stage, pilot: Pilot[object], *words: str) -> None:
    """Choose a command by what it is called."""
    press(stage, "ctrl+p", *" ".join(words), "enter")
    await pilot.pause()


@pytest.mark.parametrize(("downs", "ban_s"), [(0, 0), (1, 600), (2, 86_400)])
async def test_who_is_chosen_in_the_list_is_sent_away_for_as_long_as_one_says(downs: int, ban_s: int) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 1), session=7)
        stage.world.place("bo", (0, 2), session=8)
        press(stage, "f8", "down")
        await pilot.pause()
        assert "Delete sends away" in shown(stage)
        press(stage, "delete")
        await pilot.pause()
        assert "Send bo away" in shown(stage)
        assert stage.session.kicked == []
        press(stage, *["down"] * downs, "enter")
        await pilot.pause()
        assert stage.session.kicked == [(8, ban_s)]
        assert "sending bo away" in stage.rows()[-1]
        assert stage.world.text == "text"


async def test_all_windows_of_somebody_are_sent_away() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 1), session=7, principal="unix:ana")
        stage.world.place("ana", (0, 2), session=8, principal="unix:ana")
        press(stage, "f8", "delete", "enter")
        await pilot.pause()
        assert sorted(stage.session.kicked) == [(7, 0), (8, 0)]


async def test_one_ban_is_for_all_windows_of_somebody() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 1), session=7, principal="unix:ana")
        stage.world.place("ana", (0, 2), session=8, principal="unix:ana")
        press(stage, "f8", "delete", "down", "enter")
        await pilot.pause()
        assert len(stage.session.kicked) == 1
        assert stage.session.kicked[0][1] == 600


async def test_escape_sends_nobody_away() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 1), session=7)
        press(stage, "f8", "delete", "escape", "x")
        await pilot.pause()
        assert stage.session.kicked == []
        assert stage.world.text == "xtext"


@pytest.mark.parametrize("role", [Role.READ, Role.WRITE])
async def test_nobody_but_admins_sees_or_does_any_of_it(role: Role) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage, role)
        stage.world.place("ana", (0, 1), session=7)
        press(stage, "f8", "delete")
        await pilot.pause()
        assert "sends away" not in shown(stage)
        assert "Who is here" in shown(stage)
        press(stage, "escape", "ctrl+p", *"away")
        await pilot.pause()
        assert "Send away" not in shown(stage)
        press(stage, "escape", "ctrl+p", *"the room")
        await pilot.pause()
        assert "Language of the room" in shown(stage)
        assert "Close the room" not in shown(stage)
        press(stage, "escape")
        for action in ("send_away", "close_room", "open_room"):  # somebody may have given it a key
            stage.app._toasts.clear()
            stage.app._act(action)
            await pilot.pause()
            assert "only admins of the room can do that" in stage.rows()[-1]
        assert (stage.session.kicked, stage.session.closed) == ([], [])


async def test_nobody_sends_oneself_or_the_absent_away() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("dee", (0, 1), session=9, principal="me")
        stage.world.place("gus", (0, 1), session=10)
        stage.world.place("ana", (0, 1), session=11)
        stage.world.end(10, activity=Activity.LOST)
        for ups, why in ((2, "nobody sends oneself away"), (1, "nobody sends oneself away")):
            press(stage, "f8", *["up"] * ups, "delete")
            await pilot.pause()
            assert why in stage.rows()[-1]
            press(stage, "escape")
            stage.app._toasts.clear()
        press(stage, "f8", "delete")
        await pilot.pause()
        assert "gus is offline" in stage.rows()[-1]
        assert stage.session.kicked == []


async def test_who_leaves_under_the_question_is_not_sent_away() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.world.place("ana", (0, 1), session=7)
        press(stage, "f8", "delete")
        stage.world.end(7)
        press(stage, "enter")
        await pilot.pause()
        assert "they have just left" in stage.rows()[-1]
        assert stage.session.kicked == []


async def test_whom_is_asked_where_it_was_not_said() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        await run(stage, pilot, "send away")
        assert "nobody else is here" in stage.rows()[-1]
        stage.world.place("ana", (0, 1), session=7)
        stage.world.place("bo", (0, 2), session=8)
        await run(stage, pilot, "send away")
        press(stage, *"bo", "enter", "down", "enter")
        assert stage.session.kicked == [(8, 600)]


async def test_why_it_cannot_be_is_told() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        stage.session.refusal = "the server is older and can send nobody away"
        stage.world.place("ana", (0, 1), session=7)
        press(stage, "f8", "delete", "enter")
        await pilot.pause()
        assert "the server is older and can send nobody away" in stage.rows()[-1]


async def test_a_room_is_closed_after_a_question_and_opened_at_once() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=SIZE) as pilot:
        await begun(stage)
        await run(stage, pilot, "close the room")
        press(stage, "down", "enter")
        assert stage.session.closed == []
        await run(stage, pilot, "close the room")
        press(stage, "enter")
        await pilot.pause()
        assert stage.session.closed == [True]
        assert "closing the room" in stage.rows()[-1]
        await run(stage, pilot, "open the room")
        assert stage.session.closed == [True, False]
        assert "opening the room" in stage.rows()[-1]
