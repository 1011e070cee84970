"""What the door keeps of guests, and what it throws away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collab_cli.ssh.authorized_keys import GuestKey
from collab_cli.ssh_door.door import Door
from collab_cli.ssh_door.login import Entrant
from collab_cli.ssh_door.orders import SAVED
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from tests.unit.collab_cli.ssh_door.test_orders import plan

_ANA = Entrant(Restriction("notes", Role.WRITE), "key-1", "ana")


class Leaving:
    """A session as the door sees it."""

    def __init__(self, entrant: Entrant) -> None:
        self.entrant = entrant


class Watched(Leaving):
    """A session that has just begun."""

    def __init__(self, entrant: Entrant) -> None:
        super().__init__(entrant)
        self.began_at = self.typed_at = time.monotonic()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        self.ended.set_result(reason)


@contextlib.contextmanager
def door_of(folder: Path) -> Iterator[Door]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        door = Door(replace(plan(), data_dir=str(folder)), ours)
        yield door
        door.guests.close()


def leave(door: Door, entrant: Entrant, code: int) -> None:
    session: Any = Leaving(entrant)
    door.gone(session, code)


@pytest.mark.parametrize("code", [0, 1, 5, 128 + 15, -9])
async def test_journals_go_with_whoever_has_left_nothing_in_them(tmp_path: Path, code: int) -> None:
    elsewhere = replace(_ANA, restriction=Restriction("other", Role.WRITE))
    with door_of(tmp_path) as door:
        journals = []
        for entrant in (_ANA, elsewhere):
            journal = Path(door.order_for(entrant, {}).folder) / "state" / "journals" / "x.sqlite3"
            journal.parent.mkdir(parents=True)
            journal.touch()
            journals.append(journal)
        leave(door, _ANA, code)
        assert all(each.exists() for each in journals)
        leave(door, _ANA, SAVED)
        assert [each.exists() for each in journals] == [False, True]  # of the same key, in another room


async def test_journals_stay_while_the_same_guest_is_there_another_time(tmp_path: Path) -> None:
    with door_of(tmp_path) as door:
        journals = Path(door.order_for(_ANA, {}).folder) / "state" / "journals"
        journals.mkdir(parents=True)
        still_here: Any = Leaving(_ANA)
        door._sessions.add(still_here)
        leave(door, _ANA, SAVED)
        assert journals.exists()


async def test_a_key_that_is_missing_for_a_moment_ends_no_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab_cli.ssh_door.door._WATCH_S", 0)
    with door_of(tmp_path) as door:
        session: Any = Watched(replace(_ANA, blob=b"a key"))
        door._sessions.add(session)
        answers = iter([None, GuestKey("", session.entrant.restriction), None, None])
        monkeypatch.setattr(door.keys, "find", lambda *_: next(answers))
        watching = asyncio.create_task(door._watch())
        async with asyncio.timeout(10):
            assert await session.ended == "your key was taken back, or lets you do something else now"
        watching.cancel()
        assert next(answers, "all were asked for") == "all were asked for"
