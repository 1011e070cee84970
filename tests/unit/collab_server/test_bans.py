"""Tests of `collab_server.bans`, through Access: somebody is kept out of a room for a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from collab_protocol.errors import CollabError, StoreError
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from collab_server import bans
from collab_server.access import Account, Grant
from tests.unit.collab_server.doors import DAY_S, HOUR_S, NOON, Doors, hashed, opened

OWNER, ANA = Account("op", True), Account("ana", False)
OUT = "you are kept out of notes until 2027-01-01 13:00 (UTC)"


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with opened(tmp_path / "rooms.sqlite3") as bench:
        yield bench


async def test_somebody_invited_is_out_by_invite_and_by_device(doors: Doors) -> None:
    token, invite = await doors.invite(role=Role.ADMIN)
    grant, credential = await doors.come("bo", token)
    assert credential is not None
    other, _ = await doors.invite()
    elsewhere, _ = await doors.invite("other")
    await doors.access.ban(grant, "Bo", HOUR_S)
    for _ in range(2):
        assert {(ban.who, ban.name) for ban in doors.access.bans()} == {
            (f"invite:{invite.id}", "Bo"),
            (f"device:{hashed('bo').hex()}", "Bo"),
        }
        assert doors.why_over(grant) == OUT
        for text in (token, credential.token, other):
            assert await doors.why_not("bo", text) == OUT
        await doors.restart()
    assert await doors.why_not("bo", elsewhere, room="other") == "", "from this room alone"
    assert await doors.why_not("cy", other) == "", "the invite of somebody else"


async def test_another_invite_does_not_help_the_device_nor_another_device_the_invite(doors: Doors) -> None:
    token, _ = await doors.invite()
    grant, _ = await doors.come("bo", token)
    await doors.access.ban(grant, "bo", HOUR_S)
    fresh, _ = await doors.invite()
    assert await doors.why_not("bo", fresh) == OUT
    assert await doors.why_not("bo", account=ANA) == OUT, "nor does an account on the same machine"
    by_invite = Grant("notes", grant.principal, Role.WRITE, "", hashed("new"), grant.invite_id, None)
    assert doors.why_over(by_invite) == OUT


async def test_an_account_is_out_whatever_its_name_and_device(doors: Doors) -> None:
    grant, _ = await doors.come("laptop", name="Änna", account=ANA)
    await doors.access.ban(grant, "Änna", HOUR_S)
    for _ in range(2):
        assert [(ban.who, ban.name, ban.until) for ban in doors.access.bans("notes")] == [
            ("unix:ana", "Änna", NOON + HOUR_S)
        ]
        assert doors.why_over(grant) == OUT
        assert await doors.why_not("another", account=ANA) == OUT
        assert await doors.why_not("laptop", account=Account("bo", False)) == ""
        await doors.restart()
    assert doors.access.bans("other") == []


async def test_an_ssh_key_is_out_whatever_its_name_and_device(doors: Doors) -> None:
    def by(key: str) -> Account:
        return replace(OWNER, restriction=Restriction("notes", Role.ADMIN, key=key))

    bad, good = "0123456789abcdef", "fedcba9876543210"
    grant, _ = await doors.come("laptop", name="bo", account=by(bad))
    await doors.access.ban(grant, "bo", HOUR_S)
    for _ in range(2):
        assert doors.why_over(grant) == OUT
        assert await doors.why_not("another", account=by(bad)) == OUT
        assert await doors.why_not("laptop", account=by(good)) == OUT, "the same machine"
        assert await doors.why_not("cy", account=by(good)) == ""
        assert await doors.why_not("op", account=OWNER) == "", "the account that sshd let them into"
        await doors.restart()
    await doors.access.unban("notes", "bo")
    assert doors.access.bans() == []
    assert await doors.why_not("laptop", account=by(bad)) == ""


async def test_without_tokens_the_device_is_out_whatever_its_name(doors: Doors) -> None:
    doors.access.keys = None
    grant, _ = await doors.come("bo")
    await doors.access.ban(grant, "bo", HOUR_S)
    with pytest.raises(CollabError, match="13:00"):
        await doors.come("bo", name="eve")
    assert await doors.why_not("cy") == ""


async def test_a_reusable_invite_lets_nobody_new_in_and_those_who_came_by_it_stay(doors: Doors) -> None:
    token, _ = await doors.invite(is_reusable=True)
    grants = {who: (await doors.come(who, token))[0] for who in ("bo", "cy")}
    credential = await doors.credential("cy", token)
    await doors.access.ban(grants["bo"], "bo", HOUR_S)
    assert doors.why_over(grants["bo"]) == OUT
    assert doors.why_over(grants["cy"]) == ""
    nobody_new = "this link lets in nobody new until 2027-01-01 13:00 (UTC)"
    assert await doors.why_not("bo, who changed machines", token) == nobody_new
    assert await doors.why_not("cy", token) == ""
    assert await doors.why_not("cy", credential) == ""
    doors.now += HOUR_S
    assert await doors.why_not("bo, who changed machines", token) == ""


async def test_it_ends_by_itself(doors: Doors) -> None:
    grant, _ = await doors.come("ana", account=ANA)
    await doors.access.ban(grant, "ana", HOUR_S)
    doors.now = NOON + HOUR_S - 0.001
    assert doors.why_over(grant) == OUT
    doors.now = NOON + HOUR_S
    assert doors.why_over(grant) == ""
    assert doors.access.bans() == []
    doors.now += 30 * DAY_S
    other, _ = await doors.come("bo", account=Account("bo", False))
    await doors.access.ban(other, "bo", HOUR_S)
    stored = await doors.committer.run(lambda store: store.load_access())
    assert [ban.name for ban in stored.bans] == ["bo"], "the other is forgotten"


async def test_a_new_one_takes_the_place_of_the_one_before(doors: Doors) -> None:
    grant, _ = await doors.come("ana", account=ANA)
    await doors.access.ban(grant, "ana", DAY_S)
    await doors.access.ban(grant, "ana", HOUR_S)
    assert [ban.until for ban in doors.access.bans()] == [NOON + HOUR_S]


async def test_the_owner_is_never_out(doors: Doors) -> None:
    grant, _ = await doors.come("op", account=OWNER)
    with pytest.raises(CollabError, match="owner"):
        await doors.access.ban(grant, "op", HOUR_S)
    token, _ = await doors.invite()
    same_machine, _ = await doors.come("op", token)
    await doors.access.ban(same_machine, "op", HOUR_S)
    assert await doors.why_not("op", token) == OUT
    assert await doors.why_not("op", account=OWNER) == ""
    assert doors.why_over(grant) == ""


@pytest.mark.parametrize("by", ["name", "who"])
async def test_it_can_be_lifted(doors: Doors, by: str) -> None:
    token, invite = await doors.invite()
    grant, _ = await doors.come("bo", token)
    await doors.access.ban(grant, "Bo", HOUR_S)
    for who in ["Bo"] if by == "name" else [f"invite:{invite.id}", f"device:{hashed('bo').hex()}"]:
        assert doors.why_over(grant) == OUT
        await doors.access.unban("notes", who)
    for _ in range(2):
        assert doors.why_over(grant) == ""
        assert doors.access.bans() == []
        await doors.restart()
    with pytest.raises(CollabError, match="nobody called 'Bo'"):
        await doors.access.unban("notes", "Bo")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
async def test_what_cannot_be(doors: Doors, seconds: float) -> None:
    grant, _ = await doors.come("ana", account=ANA)
    with pytest.raises(CollabError, match="lasts"):
        await doors.access.ban(grant, "ana", seconds)
    assert doors.access.bans() == []


async def test_what_is_not_on_disk_does_not_count(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    grant, _ = await doors.come("ana", account=ANA)

    def fail(*_: object) -> None:
        raise StoreError("the disk fails")

    with monkeypatch.context() as patched:
        for name in ("put_ban", "set_closed"):
            patched.setattr(doors.store, name, fail)
        with pytest.raises(StoreError):
            await doors.access.ban(grant, "ana", HOUR_S)
        with pytest.raises(StoreError):
            await doors.access.close_room("notes")
    assert (doors.access.bans(), doors.access.is_closed("notes"), doors.why_over(grant)) == ([], False, "")


async def test_there_are_so_many_at_most(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans, "_PER_ROOM", 2)
    monkeypatch.setattr(bans, "_IN_ALL", 3)
    for room, who, why in [
        ("notes", "a", ""),
        ("notes", "b", ""),
        ("notes", "c", "notes has 2 bans"),
        ("other", "a", ""),
        ("third", "a", "this server has 3 bans"),
        ("notes", "a", ""),
    ]:
        grant = Grant(room, f"unix:{who}", Role.WRITE, "", hashed(who), None, None)
        if why:
            with pytest.raises(CollabError, match=why):
                await doors.access.ban(grant, who, HOUR_S)
        else:
            await doors.access.ban(grant, who, HOUR_S)
    assert len(doors.access.bans()) == 3
