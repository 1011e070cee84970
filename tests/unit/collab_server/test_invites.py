"""Tests of `collab_server.invites`, through Access: how they are made, listed, bounded and forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collab_protocol.errors import CollabError, StoreError
from collab_protocol.presence import Role
from collab_server import invites
from tests.unit.collab_server.doors import DAY_S, HOUR_S, KEYS, NOON, Doors, opened


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with opened(tmp_path / "rooms.sqlite3") as bench:
        yield bench


async def test_its_token_says_what_is_kept_of_it(doors: Doors) -> None:
    text, invite = await doors.invite(role=Role.READ, expires_s=HOUR_S, name="  A\u0308nna\x1b ")
    token = KEYS.read(text)
    assert (token.id, token.room, token.role, token.name) == (invite.id, "notes", Role.READ, "Änna")
    assert (token.expires, token.use_by, token.device_hash) == (NOON + HOUR_S, NOON + HOUR_S, None)
    assert (invite.name, invite.made_at, invite.expires, invite.role) == ("Änna", NOON, NOON + HOUR_S, "read")
    stored = await doors.committer.run(lambda store: store.load_access())
    assert stored.invites == (invite,), "on disk before the link is shown"


async def test_no_two_have_one_id(doors: Doors) -> None:
    made = [(await doors.invite())[1].id for _ in range(20)]
    assert len(set(made)) == 20


async def test_they_are_listed_oldest_first_by_room(doors: Doors) -> None:
    made = []
    for room in ("notes", "other", "notes"):
        doors.now += 1
        made.append((await doors.invite(room))[1])
    assert doors.access.invites() == made
    assert doors.access.invites("notes") == [made[0], made[2]]
    assert doors.access.invites("third") == []


async def test_one_for_many_has_nobodys_name(doors: Doors) -> None:
    with pytest.raises(CollabError, match=r"--name or --reusable"):
        await doors.invite(is_reusable=True, name="ana")
    assert doors.access.invites() == []


async def test_what_is_not_on_disk_is_none(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk fails")

    _, invite = await doors.invite()
    with monkeypatch.context() as patched:
        for name in ("add_invite", "revoke_invite"):
            patched.setattr(doors.store, name, fail)
        with pytest.raises(StoreError):
            await doors.invite()
        with pytest.raises(StoreError):
            await doors.access.revoke(invite.id)
    assert doors.access.invites() == [invite]


async def test_there_are_so_many_at_most_until_old_ones_are_forgotten(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invites, "_IN_ALL", 2)
    await doors.invite(expires_s=HOUR_S)
    await doors.invite()
    with pytest.raises(CollabError, match="2 invites already"):
        await doors.invite()
    doors.now += 7 * DAY_S
    with pytest.raises(CollabError, match="2 invites already"):
        await doors.invite()
    doors.now += HOUR_S + 1
    await doors.invite()
    assert len(doors.access.invites()) == 2


async def test_what_ended_lately_is_listed_and_then_forgotten(doors: Doors) -> None:
    used, _ = await doors.invite()
    credential = await doors.credential("bo", used)
    kept = doors.access.invites()[0].id
    gone = [(await doors.invite(expires_s=DAY_S))[1].id, (await doors.invite())[1].id]
    revoked = (await doors.invite(is_reusable=True))[1].id
    await doors.access.revoke(revoked)
    doors.now += 7 * DAY_S
    newer = (await doors.invite(is_reusable=True))[1].id
    assert {invite.id for invite in doors.access.invites()} == {kept, *gone, revoked, newer}
    doors.now += 8 * DAY_S
    newest = (await doors.invite(is_reusable=True))[1].id
    for _ in range(2):
        assert {invite.id for invite in doors.access.invites()} == {kept, newer, newest}
        assert await doors.why_not("bo", credential) == ""
        await doors.restart()
