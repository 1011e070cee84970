"""Where the text is saved, as Ctrl-S tells it."""

from __future__ import annotations

import pytest

from collab_client import status as say
from tests.unit.collab_tui.stage import Stage, until


def bar(stage: Stage) -> str:
    return stage.rows()[-1]


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._session is not None)


@pytest.mark.parametrize(
    ("status", "kept", "told"),
    [
        (say.saved(is_durable=True), 0, "all of it is on disk, at the server"),
        (say.saved(is_durable=False), 0, "everybody here has it, but the server keeps nothing on disk"),
        (say.offline(3, 7), 3, "3 changes kept on this machine's disk, not on the server yet"),
        (say.offline(3, 7), 1, "2 of 3 changes on no disk, 1 only on this machine's"),
        (say.offline(0, 7), 0, "nothing of yours is unsaved; not connected to the server"),
        (say.refused(0, "no", is_over=True), 0, "nothing of yours is unsaved; no"),
        (say.offline(1, 7), 0, "1 change on no disk, nor on the server yet"),
    ],
)
async def test_ctrl_s_says_what_is_saved_where(status: say.Status, kept: int, told: str) -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        stage.session.say(status, kept=kept)
        await pilot.press("ctrl+s")
        await until(lambda: told in bar(stage))


async def test_what_ctrl_s_said_goes_when_it_is_true_no_more() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(100, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.offline(3, 7), kept=3)
        await pilot.press("ctrl+s")
        await until(lambda: "kept on this machine's disk" in bar(stage))
        stage.session.say(say.offline(3, 6), kept=3)
        assert "not on the server yet" in bar(stage)
        stage.session.say(say.saved(is_durable=True))
        await until(lambda: "not on the server yet" not in bar(stage))
        stage.app.tell("copied")
        stage.session.say(say.offline(0, 7))
        await until(lambda: "copied" in bar(stage))


async def test_ctrl_s_waits_a_moment_for_what_was_just_typed() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(140, 10)) as pilot:
        await begun(stage)
        stage.session.say(say.saving(1))
        await pilot.press("ctrl+s")
        await until(lambda: stage.session.is_settling)
        assert "all of it" not in bar(stage)
        stage.session.say(say.saved(is_durable=True))
        await until(lambda: "all of it is on disk" in bar(stage))
