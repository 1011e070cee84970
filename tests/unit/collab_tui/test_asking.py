"""What is asked on the way to the server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from collab_client import status as say
from collab_tui.app import CollabApp
from tests.unit.collab_tui.stage import Stage, until


def bar(stage: Stage) -> str:
    return stage.rows()[-1]


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._session is not None)


async def test_what_ssh_asks_is_asked_on_the_terminal_when_the_person_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    @contextlib.contextmanager
    def suspend(_: CollabApp) -> Iterator[None]:
        happened.append("given away")
        yield
        happened.append("taken again")

    async def ask() -> str:
        happened.append(f"asked, tried {stage.session.retries} times")
        return "" if len(happened) > 4 else "pair does not let you in"

    monkeypatch.setattr(CollabApp, "suspend", suspend)
    stage = Stage(ask=ask)
    async with stage.app.run_test(size=(80, 10)) as pilot:
        await begun(stage)
        await pilot.press("f5")
        assert (happened, stage.session.retries) == ([], 1), "nothing was asked"
        stage.session.say(say.offline(2, None, 2, asks_person=True))
        assert "! offline – 2 changes kept on this machine · ssh asks: F5" in bar(stage)
        await pilot.press("f5")
        await until(lambda: stage.session.retries == 2)
        assert happened == ["given away", "asked, tried 1 times", "taken again"]
        assert "pair does not let you in" in bar(stage)
        await pilot.press("f5")
        await until(lambda: stage.session.retries == 3)
        assert "pair does not let you in" not in bar(stage)
