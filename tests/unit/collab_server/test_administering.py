from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_protocol.errors import CollabError, StoreError
from collab_server.administering import administer
from collab_server.lock import FolderTaken

from .test_office import SECRET, stored, traces, type_and_delete
from .wire import config, joined, running, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


async def test_rooms_are_forgotten_and_deleted_while_no_server_runs(folder: Path) -> None:
    async with running(config(folder)) as endpoints, joined(endpoints) as ana:
        await type_and_delete(ana, SECRET)
        await ana.type("what stays")
        await stored(ana)
    assert traces(folder)
    assert await administer(config(folder), {"do": "forget", "room": "notes"}) == {
        "text_bytes": len("what stays"),
        "backups": [],
    }
    assert traces(folder) == []
    async with running(config(folder)) as endpoints, joined(endpoints) as ana:
        assert ana.replica.text() == "what stays"
    assert await administer(config(folder), {"do": "delete", "room": "notes"}) == {
        "deleted": True,
        "backups": [],
    }
    assert traces(folder, "what stays") == []


async def test_what_a_server_is_to_have_may_be_made_before_it_runs(folder: Path) -> None:
    made = await administer(config(folder, url="wss://example.org"), {"do": "invite", "room": "notes"})
    assert made["link"].startswith("wss://example.org/notes#ci1.")
    (listed,) = (await administer(config(folder), {"do": "invites"}))["invites"]
    assert (listed["id"], listed["state"]) == (made["id"], "open")
    kid = (await administer(config(folder), {"do": "rotate-keys"}))["kid"]
    again = await administer(config(folder), {"do": "invite", "room": "notes"})
    assert again["token"].split(".")[1] == kid
    assert await administer(config(folder), {"do": "close", "room": "notes"}) == {"ended": 0}
    assert await administer(config(folder), {"do": "sessions"}) == {"sessions": []}


async def test_a_server_that_runs_is_to_be_asked_itself(folder: Path) -> None:
    async with running(config(folder)):
        with pytest.raises(FolderTaken):
            await administer(config(folder), {"do": "sessions"})
    with pytest.raises(CollabError, match="knows no 'dance'"):
        await administer(config(folder), {"do": "dance"})
    assert await administer(config(folder), {"do": "sessions"}) == {"sessions": []}


async def test_a_folder_without_a_store_is_left_as_it_is(folder: Path) -> None:
    with pytest.raises(StoreError, match="no server has kept anything"):
        await administer(config(folder), {"do": "delete", "room": "notes"})
    assert not (folder / "data").exists()
