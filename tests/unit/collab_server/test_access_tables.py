"""Tests of `collab_server.store.access_tables`, through the store: who may come in, over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collab_protocol.errors import StoreError
from collab_server.store.base import Ban, Invite, StoredAccess
from collab_server.store.sqlite import SqliteStore

INVITE = Invite("0" * 16, "notes", "write", "Änna", 1000.25, 2000.5, 1500.5, False)
FOREVER = Invite("1" * 16, "notes", "read", "", 1001.0, None, None, True)
ELSEWHERE = replace(INVITE, id="2" * 16, room="other", role="admin", made_at=1002.0, revoked_at=1003.5)
MINE, OTHERS = b"m" * 32, b"o" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rooms.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def test_it_comes_back(store: SqliteStore, path: Path) -> None:
    assert store.load_access() == StoredAccess()
    for invite in (INVITE, FOREVER, ELSEWHERE):
        store.add_invite(invite)
    assert store.use_invite(INVITE.id, MINE, 1100.0)
    assert store.use_invite(FOREVER.id, OTHERS, 1101.0)
    assert store.use_invite(FOREVER.id, MINE, 1102.0)
    bans = (
        Ban("notes", "device:6d", "bo", 3000.25),
        Ban("notes", "unix:ana", "ana", 3001.0),
        Ban("other", "device:6d", "bo", 1.0),
    )
    for ban in bans:
        store.put_ban(ban)
    for room in ("notes", "other"):
        store.set_closed(room, True)
    store.set_closed("other", False)
    expected = StoredAccess(
        (INVITE, FOREVER, ELSEWHERE),
        {INVITE.id: (MINE,), FOREVER.id: (OTHERS, MINE)},
        bans,
        frozenset({"notes"}),
    )
    assert store.load_access() == expected
    again = SqliteStore(path)
    assert again.load_access() == expected
    again.close()


def test_an_invite_is_the_first_devices_alone(store: SqliteStore) -> None:
    store.add_invite(INVITE)
    assert store.use_invite(INVITE.id, MINE, 1.0)
    assert not store.use_invite(INVITE.id, OTHERS, 2.0)
    assert store.use_invite(INVITE.id, MINE, 3.0), "it may use it again"
    assert store.load_access().uses == {INVITE.id: (MINE,)}


def test_what_is_unknown_or_revoked_is_of_no_use(store: SqliteStore) -> None:
    for invite in (INVITE, FOREVER):
        store.add_invite(invite)
    assert not store.use_invite("f" * 16, MINE, 1.0)
    assert store.use_invite(INVITE.id, MINE, 1.0)
    store.revoke_invite(INVITE.id, 5.0)
    store.revoke_invite(INVITE.id, 6.0)
    store.revoke_invite(FOREVER.id, 7.0)
    store.revoke_invite("f" * 16, 7.0)
    assert not store.use_invite(INVITE.id, MINE, 8.0)
    assert not store.use_invite(FOREVER.id, MINE, 8.0)
    assert [invite.revoked_at for invite in store.load_access().invites] == [5.0, 7.0]


def test_an_id_is_used_for_one_invite(store: SqliteStore) -> None:
    store.add_invite(INVITE)
    with pytest.raises(StoreError):
        store.add_invite(replace(FOREVER, id=INVITE.id))
    assert store.load_access().invites == (INVITE,)


def test_a_later_ban_takes_the_place_of_an_earlier_one(store: SqliteStore) -> None:
    store.put_ban(Ban("notes", "unix:ana", "ana", 1.0))
    store.put_ban(Ban("notes", "unix:ana", "Ana", 2.0))
    store.put_ban(Ban("other", "unix:ana", "ana", 3.0))
    assert store.load_access().bans == (
        Ban("notes", "unix:ana", "Ana", 2.0),
        Ban("other", "unix:ana", "ana", 3.0),
    )
    store.drop_ban("notes", "unix:ana")
    store.drop_ban("notes", "unix:nobody")
    assert store.load_access().bans == (Ban("other", "unix:ana", "ana", 3.0),)


def test_what_ended_is_pruned_and_nothing_else(store: SqliteStore) -> None:
    ended = {
        "expired": replace(INVITE, id="a", expires=99.0, use_by=99.0),
        "expired, used": replace(INVITE, id="b", expires=99.0, use_by=99.0),
        "never used": replace(INVITE, id="c", expires=None, use_by=99.0),
        "revoked": replace(FOREVER, id="d", revoked_at=99.0),
    }
    kept = {
        "used in time": replace(INVITE, id="e", expires=None, use_by=99.0),
        "for ever": replace(FOREVER, id="f"),
        "not yet": replace(INVITE, id="g", expires=100.0, use_by=100.0),
        "revoked lately": replace(FOREVER, id="h", revoked_at=100.0),
    }
    for invite in (*ended.values(), *kept.values()):
        store.add_invite(invite)
    for invite_id in "bde":
        store.use_invite(invite_id, MINE, 1.0)
    store.put_ban(Ban("notes", "unix:ana", "ana", 99.0))
    store.put_ban(Ban("notes", "unix:bo", "bo", 100.0))
    store.prune_access(100.0)
    access = store.load_access()
    assert {invite.id for invite in access.invites} == {invite.id for invite in kept.values()}
    assert access.uses == {"e": (MINE,)}
    assert [ban.who for ban in access.bans] == ["unix:bo"]
