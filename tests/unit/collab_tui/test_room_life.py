"""What goes on beside the text, in the app: the chat with its keys, announcements in their row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from collab_client import status as say
from collab_client.people import News
from collab_protocol.messages import Said
from collab_protocol.presence import Author, Person, Role
from collab_tui.app_config import Outcome
from tests.unit.collab_tui.stage import OTHER_SESSION, Stage, until

ANA = Author("account:ana", "ana", 3)
PERSON = Person(OTHER_SESSION, "account:ana", "ana", Role.WRITE, 3)


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._room_life is not None)


def said(stage: Stage, n: int, text: str, *, is_mine: bool = False) -> None:
    stage.session.chat.said(Said(n, 0, ANA, text, True), is_mine=is_mine)


def row_with(stage: Stage, text: str) -> int | None:
    return next((y for y, row in enumerate(stage.rows()) if text in row), None)


async def painted(pilot: Pilot[Outcome], claim: Callable[[], object]) -> None:
    await pilot.pause()
    await until(claim)


@pytest.mark.parametrize("key", ["f2", "alt+c"])
async def test_the_chat_opens_over_the_status_line_and_closes(key: str) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await begun(stage)
        said(stage, 1, "hello")
        await until(lambda: " chat 1 " in stage.rows()[-1])
        assert "ana: hello" in stage.rows()[-1]
        await pilot.press(key)
        await painted(pilot, lambda: stage.rows()[-2].startswith(" Chat "))
        assert " ana  hello" in stage.rows()[-3]
        assert " chat 1 " not in stage.rows()[-1]
        await pilot.press(*"hi", "enter")
        assert stage.session.chatted == ["hi"]
        assert stage.world.text == "text"
        await pilot.press(*"draft", "escape", "x")
        assert stage.world.text == "xtext"
        assert row_with(stage, " Chat ") is None
        await pilot.press(key)
        await painted(pilot, lambda: "draft" in stage.rows()[-2])


@pytest.mark.parametrize(("height", "rows"), [(40, 6), (24, 3), (10, 1)])
async def test_the_chat_leaves_room_for_the_text(height: int, rows: int) -> None:
    stage = Stage("text\n" * 50)
    async with stage.app.run_test(size=(80, height)) as pilot:
        await begun(stage)
        await pilot.press("f2")
        await painted(pilot, lambda: row_with(stage, " Chat ") == height - 2)
        assert sum(row.startswith(" ") and "text" in row for row in stage.rows()) == height - 2 - rows
        await pilot.resize_terminal(80, 30)
        await painted(pilot, lambda: row_with(stage, " Chat ") == 28)
        assert sum("text" in row for row in stage.rows()) == 30 - 2 - 6


async def test_what_a_lost_link_or_the_server_did_not_take_is_in_the_field_again() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 24)) as pilot:
        await begun(stage)
        await pilot.press("f2", *"one", "enter")
        assert stage.app._chat_bar.draft == ""
        stage.session.say(say.offline(0, 3))
        assert stage.app._chat_bar.draft == "one"
        stage.session.say(say.saved(is_durable=True))
        await pilot.press("enter")
        stage.session.on_notice("you chat too fast")
        assert stage.app._chat_bar.draft == "one"
        assert "you chat too fast" in stage.rows()[-1]
        assert stage.session.chatted == ["one", "one"]


async def test_what_happens_is_announced() -> None:
    stage = Stage("text\nmore", is_announced_here=True)
    async with stage.app.run_test(size=(80, 12)) as pilot:
        await begun(stage)
        stage.world.place("ana", (1, 2))
        await painted(pilot, lambda: stage.rows()[-2].startswith(" ana joined "))
        stage.session.on_look(PERSON)
        await painted(pilot, lambda: stage.rows()[-2].startswith(" ana asks you to look at line 2 "))
        assert "ana asks you to look at line 2" in stage.rows()[-1], "the others hear of it, too"
        said(stage, 1, "hello")
        said(stage, 2, "of mine", is_mine=True)
        await painted(pilot, lambda: stage.rows()[-2].startswith(" chat from ana: hello "))
        assert stage.announced == ["ana joined", "ana asks you to look at line 2", "chat from ana: hello"]


async def test_whom_one_follows_is_announced() -> None:
    stage = Stage("text\nmore")
    async with stage.app.run_test(size=(80, 12)) as pilot:
        await begun(stage)
        stage.world.place("ana", (1, 2))
        await pilot.press("f9", "escape")
        assert stage.announced[1:] == ["following ana", "no longer following ana"]


async def test_without_anybody_to_hear_it_there_is_no_row_for_it() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 12)):
        await begun(stage)
        stage.session.on_news(News(("ana",), ()))
        assert row_with(stage, "ana joined") is None
