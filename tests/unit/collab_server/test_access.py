"""Tests of `collab_server.access`: who is let in, as what, until when, and what a restart keeps of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import CollabError, FaultCode, NameRefused, StoreError
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from collab_server.access import Account, Denied, Grant
from collab_server.store.base import StoredAccess
from collab_server.tokens import KeyRing, TokenKind
from tests.unit.collab_server.doors import DAY_S, HOUR_S, KEYS, NOON, Doors, hashed, opened

OWNER, ANA, BO = Account("op", True), Account("ana", False), Account("bo", False)
NOT_VALID = "this token is not valid here: ask for a new link"
USED = "this invite was used already: ask for another one"
TAKEN_BACK = "access was taken back"
CLOSED = "notes is closed: only its admins may come in"
KEY = "0123456789abcdef"
ROLES = pytest.mark.parametrize("role", Role)


def restricted(account: Account, role: Role, **more: Any) -> Account:
    return replace(account, restriction=Restriction("notes", role, **more))


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    async with opened(tmp_path / "rooms.sqlite3") as bench:
        yield bench


class TestAccounts:
    @pytest.mark.parametrize("keys", [None, KEYS])
    async def test_the_owner_is_admin_and_others_write(self, doors: Doors, keys: KeyRing | None) -> None:
        doors.access.keys = keys
        owner, nothing = await doors.come("op", account=OWNER)
        ana, nothing_either = await doors.come("ana", account=ANA)
        assert (owner.role, owner.principal) == (Role.ADMIN, "unix:op")
        assert (ana.role, ana.principal) == (Role.WRITE, "unix:ana")
        assert nothing is nothing_either is None
        assert (ana.room, ana.name, ana.invite_id, ana.expires) == ("notes", "", None, None)
        assert ana.device_hash == hashed("ana")

    async def test_another_name_is_somebody_else(self, doors: Doors) -> None:
        grant, _ = await doors.come("ana", name="Änna", account=ANA)
        assert grant.principal == "unix:ana/Änna"
        assert grant.account == "unix:ana"

    async def test_a_token_says_nothing_of_an_account(self, doors: Doors) -> None:
        admin, invite = await doors.invite(role=Role.ADMIN)
        grant, credential = await doors.come("ana", admin, account=ANA)
        assert (grant.role, credential) == (Role.WRITE, None)
        assert doors.access.uses(invite.id) == 0


class TestRestrictions:
    """Whoever comes by a relay that the server's owner, or another account, speaks for."""

    @ROLES
    async def test_the_owners_word_counts_for_who_it_is_and_for_no_more_than_the_role(
        self, doors: Doors, role: Role
    ) -> None:
        grant, _ = await doors.come("bo", account=restricted(OWNER, role, name="Bob", key=KEY))
        assert (grant.role, grant.principal, grant.name) == (role, f"key:{KEY}", "Bob")
        assert (grant.is_owner, grant.account, grant.ssh_key) == (False, None, f"key:{KEY}")

    async def test_without_a_key_they_are_known_by_their_device(self, doors: Doors) -> None:
        grant, _ = await doors.come("op", account=restricted(OWNER, Role.ADMIN))
        assert grant.principal == f"device:{hashed('op').hex()[:12]}/op"
        assert not grant.is_owner
        named, _ = await doors.come("op", account=restricted(OWNER, Role.ADMIN, name="Bob"))
        assert named.principal.endswith("/Bob")

    async def test_another_account_forges_neither_identity_nor_role(self, doors: Doors) -> None:
        grant, _ = await doors.come("op", account=restricted(ANA, Role.ADMIN, name="op", key=KEY))
        assert (grant.role, grant.principal, grant.ssh_key) == (Role.WRITE, "unix:ana/op", None)
        reader, _ = await doors.come("ana", account=restricted(ANA, Role.READ))
        assert (reader.role, reader.principal) == (Role.READ, "unix:ana")

    async def test_another_room_is_none_of_theirs(self, doors: Doors) -> None:
        for account in (OWNER, ANA):
            why = await doors.why_not("bo", room="other", account=restricted(account, Role.WRITE))
            assert why == "this key lets you into notes alone"

    async def test_it_ends(self, doors: Doors) -> None:
        account = restricted(OWNER, Role.WRITE, until=NOON + HOUR_S)
        grant, _ = await doors.come("bo", account=account)
        assert doors.access.next_end([grant]) == NOON + HOUR_S
        doors.now += HOUR_S
        over = "your access ended at 2027-01-01 13:00 (UTC): ask whoever gave it to you"
        assert doors.why_over(grant) == await doors.why_not("bo", account=account) == over

    async def test_a_token_counts_as_over_tcp_and_no_more_than_the_restriction(self, doors: Doors) -> None:
        token, invite = await doors.invite(role=Role.ADMIN, expires_s=DAY_S, name="bo")
        account = restricted(OWNER, Role.WRITE, until=NOON + HOUR_S, wants_token=True)
        grant, credential = await doors.come("bo", token, account=account)
        assert credential is not None
        assert (grant.role, grant.principal, grant.name) == (Role.WRITE, "token:bo", "bo")
        assert (grant.expires, grant.invite_id) == (NOON + HOUR_S, invite.id)
        again, _ = await doors.come(
            "bo", credential.token, account=restricted(OWNER, Role.ADMIN, wants_token=True)
        )
        assert (again.role, again.is_owner, again.expires) == (Role.ADMIN, False, NOON + DAY_S)
        await doors.access.revoke(invite.id)
        assert doors.why_over(grant) == TAKEN_BACK

    async def test_a_closed_room_lets_in_those_who_are_admins_there(self, doors: Doors) -> None:
        await doors.access.close_room("notes")
        token, _ = await doors.invite(role=Role.ADMIN)
        for more in ({}, {"wants_token": True}):
            reader = restricted(OWNER, Role.READ, **more)
            assert await doors.why_not("bo", token, account=reader, code=FaultCode.CLOSED) == CLOSED
            assert await doors.why_not("bo", token, account=restricted(OWNER, Role.ADMIN, **more)) == ""

    async def test_a_token_that_is_none(self, doors: Doors) -> None:
        account = restricted(OWNER, Role.WRITE, wants_token=True)
        assert await doors.why_not("bo", account=account) == "a token is needed here: ask for an invite link"
        assert await doors.why_not("bo", "rubbish", account=account) == NOT_VALID
        token, _ = await doors.invite("other")
        assert await doors.why_not("bo", token, account=account) != ""

    async def test_an_invite_is_not_used_up_by_one_who_is_too_late(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        account = restricted(OWNER, Role.WRITE, until=NOON, wants_token=True)
        assert "your access ended" in await doors.why_not("bo", token, account=account)
        assert doors.access.uses(invite.id) == 0

    async def test_only_the_owner_hands_on_tokens_and_only_where_they_are_asked_for(
        self, doors: Doors
    ) -> None:
        token, invite = await doors.invite()
        why = await doors.why_not("bo", token, account=restricted(ANA, Role.WRITE, wants_token=True))
        assert why == "only the account of this server may hand on a token"
        doors.access.keys = None
        why = await doors.why_not("bo", token, account=restricted(OWNER, Role.WRITE, wants_token=True))
        assert "it is not served with --auth" in why
        assert doors.access.uses(invite.id) == 0


class TestWithoutTokens:
    async def test_whoever_comes_over_tcp_writes_and_is_known_by_their_device(self, doors: Doors) -> None:
        token, invite = await doors.invite(role=Role.READ)
        doors.access.keys = None
        for said in (None, "rubbish", token):
            grant, credential = await doors.come("bo", said)
            assert (grant.role, grant.principal) == (Role.WRITE, f"device:{hashed('bo').hex()[:12]}/bo")
            assert (credential, grant.invite_id, grant.is_owner) == (None, None, False)
        assert doors.access.uses(invite.id) == 0

    async def test_no_invite_can_be_made(self, doors: Doors) -> None:
        doors.access.keys = None
        with pytest.raises(CollabError, match="serve --auth"):
            await doors.invite()

    async def test_a_device_named_like_an_account_is_none(self, doors: Doors) -> None:
        doors.access.keys = None
        grant, _ = await doors.come("bo", name="unix:op")
        assert (grant.account, grant.is_owner) == (None, False)


class TestTokens:
    @ROLES
    @pytest.mark.parametrize("is_reusable", [False, True])
    async def test_an_invite_gives_its_role_and_a_credential_does_so_from_then_on(
        self, doors: Doors, role: Role, is_reusable: bool
    ) -> None:
        token, invite = await doors.invite(role=role, expires_s=HOUR_S, is_reusable=is_reusable)
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        assert grant == Grant(
            room="notes",
            principal=f"invite:{invite.id}/{hashed('bo').hex()[:12]}",
            role=role,
            name="",
            device_hash=hashed("bo"),
            invite_id=invite.id,
            expires=NOON + HOUR_S,
            key=token.split(".")[1],
        )
        assert token.startswith("ci1.")
        assert credential.token.startswith("cc1.")
        assert credential.expires_ms == (NOON + HOUR_S) * 1000
        again, nothing_new = await doors.come("bo", credential.token, name="Robert")
        assert (again, nothing_new) == (grant, None)

    async def test_one_for_ever_does_not_end(self, doors: Doors) -> None:
        token, _ = await doors.invite()
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        assert (grant.expires, credential.expires_ms) == (None, None)
        doors.now += 1000 * DAY_S
        assert doors.why_over(grant) == ""
        assert await doors.why_not("bo", credential.token) == ""

    async def test_the_name_of_an_invite_is_whose_it_is(self, doors: Doors) -> None:
        first, _ = await doors.invite(name="ana")
        second, _ = await doors.invite(name="ana")
        one, _ = await doors.come("laptop", first, name="root")
        two, _ = await doors.come("phone", second)
        assert one.principal == two.principal == "token:ana"
        assert one.name == "ana"

    async def test_without_one(self, doors: Doors) -> None:
        for nothing in (None, ""):
            assert await doors.why_not("bo", nothing) == "a token is needed here: ask for an invite link"

    async def test_every_forgery_is_told_the_same(self, doors: Doors) -> None:
        token, invite = await doors.invite(expires_s=HOUR_S)
        reusable, _ = await doors.invite(is_reusable=True)
        credential = await doors.credential("cy", reusable)
        other = KeyRing({"0000000a": b"x" * 32})
        forged = [
            "rubbish",
            token[:-1],
            token.replace("ci1.", "cc1."),
            credential.replace("cc1.", "ci1."),
            doors.forge(token, lambda read: read, other),
            doors.forge(token, lambda read: read, KeyRing({"0000000b": b"a" * 32})),
        ]
        for each in forged:
            assert await doors.why_not("cy", each) == NOT_VALID
        assert await doors.why_not("bo", token, room="other") == NOT_VALID
        assert await doors.why_not("cy", credential, room="other") == NOT_VALID
        assert doors.access.uses(invite.id) == 0

    async def test_who_has_the_key_alone_makes_nothing_with_it(self, doors: Doors) -> None:
        """What a token says has to be what the server keeps of it."""
        token, invite = await doors.invite(role=Role.READ, expires_s=HOUR_S)
        reusable, _ = await doors.invite(role=Role.READ, is_reusable=True)
        mine = hashed("bo")
        for text in (token, reusable):
            for forged in (
                doors.forge(text, lambda read: replace(read, role=Role.ADMIN)),
                doors.forge(text, lambda read: replace(read, expires=NOON + DAY_S)),
                doors.forge(text, lambda read: replace(read, name="op")),
                doors.forge(text, lambda read: replace(read, id="0" * 16)),
                doors.forge(text, lambda read: replace(read, is_reusable=not read.is_reusable)),
                doors.forge(
                    text,
                    lambda read: replace(read, kind=TokenKind.CREDENTIAL, device_hash=mine, role=Role.ADMIN),
                ),
                doors.forge(text, lambda read: replace(read, kind=TokenKind.CREDENTIAL)),
            ):
                assert await doors.why_not("bo", forged) == NOT_VALID
        unused = doors.forge(token, lambda read: replace(read, kind=TokenKind.CREDENTIAL, device_hash=mine))
        assert await doors.why_not("bo", unused) == NOT_VALID, "it was never given to that device"
        assert doors.access.uses(invite.id) == 0

    async def test_a_credential_is_good_for_one_device(self, doors: Doors) -> None:
        for is_reusable in (False, True):
            token, _ = await doors.invite(is_reusable=is_reusable)
            credential = await doors.credential("bo", token)
            assert await doors.why_not("eve", credential) == NOT_VALID
            assert await doors.why_not("bo", credential) == ""

    async def test_no_reason_or_repr_has_anything_of_a_token(self, doors: Doors) -> None:
        token, _ = await doors.invite(expires_s=HOUR_S)
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        shown = [repr(grant), repr(credential), repr(doors.access), repr(doors.access.keys)]
        for text in (token, credential.token):
            shown.append(await doors.why_not("eve", text))
            shown.append(await doors.why_not("eve", text[:-1]))
        doors.now += DAY_S
        for text in (token, credential.token):
            shown.append(await doors.why_not("bo", text))
        assert all(shown)
        secrets = [part for text in (token, credential.token) for part in text.split(".")[2:]]
        secrets += [hashed("bo").hex(), repr(hashed("bo"))[2:10]]
        assert not [secret for secret in secrets for each in shown if secret in each]


class TestTime:
    """By the server's clock, to the second that was said."""

    async def test_what_ended_is_told_so(self, doors: Doors) -> None:
        token, _ = await doors.invite(expires_s=HOUR_S)
        unused, _ = await doors.invite(expires_s=HOUR_S)
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        ended = "this token ended at 2027-01-01 13:00 (UTC): ask for a new link"
        doors.now = NOON + HOUR_S - 0.001
        assert (doors.why_over(grant), await doors.why_not("bo", credential.token)) == ("", "")
        doors.now = NOON + HOUR_S
        assert doors.why_over(grant) == ended
        for text in (token, credential.token, unused):
            assert await doors.why_not("bo", text) == ended
        doors.now += 30 * DAY_S
        await doors.invite()
        assert len(doors.access.invites()) == 1, "the others are forgotten"
        for text in (token, credential.token, unused):
            assert await doors.why_not("bo", text) == ended

    async def test_an_invite_for_one_waits_a_week_for_its_use(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        late, _ = await doors.invite()
        credential = await doors.credential("bo", token)
        assert invite.use_by == NOON + 7 * DAY_S
        doors.now = NOON + 7 * DAY_S
        too_late = "this invite had to be used before 2027-01-08 12:00 (UTC): ask for another one"
        assert await doors.why_not("cy", late) == too_late
        assert await doors.why_not("bo", credential) == ""
        assert await doors.why_not("bo", token) == "", "its device has used it before"
        doors.now += 30 * DAY_S
        await doors.invite()
        assert await doors.why_not("cy", late) == too_late, "it is forgotten, but says so itself"
        assert await doors.why_not("bo", credential) == ""

    async def test_a_shorter_one_has_to_be_used_while_it_lasts(self, doors: Doors) -> None:
        _, invite = await doors.invite(expires_s=HOUR_S)
        _, reusable = await doors.invite(is_reusable=True)
        assert (invite.use_by, reusable.use_by) == (NOON + HOUR_S, None)

    async def test_a_reusable_one_can_be_used_for_as_long_as_it_lasts(self, doors: Doors) -> None:
        token, _ = await doors.invite(is_reusable=True)
        doors.now += 365 * DAY_S
        for who in ("ana", "bo", "cy"):
            assert await doors.why_not(who, token) == ""

    async def test_the_next_end(self, doors: Doors) -> None:
        grants = []
        for seconds in (None, 2 * HOUR_S, HOUR_S):
            token, _ = await doors.invite(expires_s=seconds)
            grants.append((await doors.come("bo", token))[0])
        assert doors.access.next_end(grants) == NOON + HOUR_S
        assert doors.access.next_end(grants[:1]) is None
        assert doors.access.next_end([]) is None

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e300])
    async def test_what_cannot_be(self, doors: Doors, seconds: float) -> None:
        with pytest.raises(CollabError, match="lasts"):
            await doors.invite(expires_s=seconds)


class TestOnce:
    async def test_of_two_devices_at_once_exactly_one_comes_in(self, doors: Doors) -> None:
        for turn in range(20):
            token, invite = await doors.invite()
            who = [f"machine {turn}.{n}" for n in range(8)]
            reasons = await asyncio.gather(*[doors.why_not(each, token) for each in who])
            assert sorted(reasons) == ["", *[USED] * 7]
            winner = who[reasons.index("")]
            assert doors.access.uses(invite.id) == 1
            stored = await doors.committer.run(lambda store: store.load_access())
            assert stored.uses[invite.id] == (hashed(winner),)

    async def test_the_same_device_at_once_comes_in_each_time(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        assert await asyncio.gather(*[doors.why_not("bo", token) for _ in range(4)]) == [""] * 4
        assert doors.access.uses(invite.id) == 1

    async def test_a_lost_answer_is_given_again_to_the_same_device_alone(self, doors: Doors) -> None:
        token, _ = await doors.invite()
        lost = await doors.credential("bo", token)
        assert await doors.why_not("eve", token) == USED
        assert await doors.credential("bo", token) == lost
        await doors.restart()
        assert await doors.why_not("eve", token) == USED
        assert await doors.credential("bo", token) == lost

    async def test_one_who_goes_while_it_is_stored_may_come_again(self, doors: Doors) -> None:
        token, _ = await doors.invite()
        coming = asyncio.create_task(doors.come("bo", token))
        await asyncio.sleep(0)
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        assert coming.cancelled()
        assert await doors.why_not("eve", token) == USED, "the disk has it, whatever we know"
        assert await doors.why_not("bo", token) == ""

    async def test_whoever_knocks_with_a_used_one_costs_the_disk_nothing(
        self, doors: Doors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token, _ = await doors.invite()
        await doors.come("bo", token)
        asked: list[object] = []
        monkeypatch.setattr(doors.store, "use_invite", lambda *use: asked.append(use))
        assert await doors.why_not("eve", token) == USED
        assert await doors.why_not("bo", token) == ""
        assert asked == []

    async def test_it_is_on_disk_before_anybody_is_let_in(
        self, doors: Doors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token, invite = await doors.invite()

        def fail(*_: object) -> bool:
            raise StoreError("the disk fails")

        with monkeypatch.context() as patched:
            patched.setattr(doors.store, "use_invite", fail)
            with pytest.raises(StoreError):
                await doors.come("bo", token)
        assert doors.access.uses(invite.id) == 0
        assert await doors.why_not("cy", token) == "", "it was not used"
        assert await doors.why_not("bo", token) == USED

    async def test_one_who_may_not_come_in_does_not_use_it(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        await doors.access.close_room("notes")
        assert await doors.why_not("bo", token, code=FaultCode.CLOSED) == CLOSED
        assert doors.access.uses(invite.id) == 0
        await doors.access.open_room("notes")
        assert await doors.why_not("cy", token) == ""

    async def test_what_changes_while_it_is_stored_counts(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        _, reason = await asyncio.gather(doors.access.revoke(invite.id), doors.why_not("bo", token))
        assert reason == TAKEN_BACK
        token, invite = await doors.invite()
        (grant, _), _ = await asyncio.gather(doors.come("bo", token), doors.access.revoke(invite.id))
        assert doors.why_over(grant) == TAKEN_BACK
        token, invite = await doors.invite()
        _, reason = await asyncio.gather(
            doors.access.close_room("notes"), doors.why_not("bo", token, code=FaultCode.CLOSED)
        )
        assert reason == CLOSED

    async def test_a_reusable_one_counts_its_devices_within_reason(self, doors: Doors) -> None:
        token, invite = await doors.invite(is_reusable=True)
        for n in range(205):
            assert await doors.why_not(f"machine {n}", token) == ""
        assert doors.access.uses(invite.id) == 200
        credential = await doors.credential("machine 204", token)
        await doors.restart()
        assert doors.access.uses(invite.id) == 200
        assert await doors.why_not("machine 204", credential) == ""


class TestRevoking:
    @pytest.mark.parametrize("is_reusable", [False, True])
    async def test_all_that_came_of_it_ends(self, doors: Doors, is_reusable: bool) -> None:
        token, invite = await doors.invite(role=Role.ADMIN, is_reusable=is_reusable)
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        other, _ = await doors.come("cy", (await doors.invite())[0])
        await doors.access.revoke(invite.id)
        for _ in range(2):
            assert doors.why_over(grant) == TAKEN_BACK
            assert doors.why_over(other) == ""
            for text in (token, credential.token):
                assert await doors.why_not("bo", text) == TAKEN_BACK
            await doors.restart()

    async def test_one_that_nobody_used(self, doors: Doors) -> None:
        token, invite = await doors.invite()
        await doors.access.revoke(invite.id)
        assert await doors.why_not("bo", token) == TAKEN_BACK
        assert doors.access.uses(invite.id) == 0

    async def test_it_stays_revoked_when_it_is_forgotten(self, doors: Doors) -> None:
        token, invite = await doors.invite(is_reusable=True)
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        await doors.access.revoke(invite.id)
        doors.now += 30 * DAY_S
        await doors.invite()
        assert invite.id not in [each.id for each in doors.access.invites()]
        assert doors.why_over(grant) == TAKEN_BACK
        for text in (token, credential.token):
            assert await doors.why_not("bo", text) == NOT_VALID

    async def test_what_is_not_there_cannot_be(self, doors: Doors) -> None:
        with pytest.raises(CollabError, match="no invite 'x'"):
            await doors.access.revoke("x")

    async def test_twice_is_once(self, doors: Doors) -> None:
        _, invite = await doors.invite()
        await doors.access.revoke(invite.id)
        doors.now += 1
        await doors.access.revoke(invite.id)
        assert [each.revoked_at for each in doors.access.invites()] == [NOON]


class TestKeys:
    OLD_AND_NEW = KeyRing({"0000000b": b"b" * 32, "0000000a": b"a" * 32})
    NEW = KeyRing({"0000000c": b"c" * 32, "0000000b": b"b" * 32})

    async def test_old_tokens_are_read_and_their_credentials_renewed(self, doors: Doors) -> None:
        token, _ = await doors.invite()
        unused, _ = await doors.invite()
        old = await doors.credential("bo", token)
        doors.access.keys = self.OLD_AND_NEW
        grant, renewed = await doors.come("bo", old)
        assert renewed is not None
        assert renewed.token.split(".")[1] == "0000000b"
        assert grant.role is Role.WRITE
        assert await doors.why_not("cy", unused) == ""
        before, _ = await doors.come("bo", old)
        old_grant = replace(before, key="0000000a")
        doors.access.keys = self.NEW
        assert doors.why_over(grant) == "", "who has a token of a key that is left stays"
        assert doors.why_over(old_grant) == TAKEN_BACK
        for text in (token, old, unused):
            assert await doors.why_not("bo", text) == NOT_VALID
        _, newest = await doors.come("bo", renewed.token)
        assert newest is not None
        assert newest.token.split(".")[1] == "0000000c"
        assert (await doors.come("bo", newest.token))[1] is None


class TestClosing:
    async def test_admins_alone_come_in_and_stay(self, doors: Doors) -> None:
        grants = {}
        tokens = {}
        for role in Role:
            tokens[role], _ = await doors.invite(role=role)
            grants[role], _ = await doors.come(role, tokens[role])
        ana, _ = await doors.come("ana", account=ANA)
        owner, _ = await doors.come("op", account=OWNER)
        elsewhere, _ = await doors.come("ana", room="other", account=ANA)
        await doors.access.close_room("notes")
        for _ in range(2):
            assert doors.access.is_closed("notes")
            assert not doors.access.is_closed("other")
            for grant in (grants[Role.READ], grants[Role.WRITE], ana):
                assert doors.why_over(grant, FaultCode.CLOSED) == CLOSED
            for grant in (grants[Role.ADMIN], owner, elsewhere):
                assert doors.why_over(grant) == ""
            assert await doors.why_not("ana", account=ANA, code=FaultCode.CLOSED) == CLOSED
            assert await doors.why_not("write", tokens[Role.WRITE], code=FaultCode.CLOSED) == CLOSED
            assert await doors.why_not("admin", tokens[Role.ADMIN]) == ""
            assert await doors.why_not("op", account=OWNER) == ""
            await doors.restart()
        await doors.access.open_room("notes")
        await doors.restart()
        assert doors.why_over(ana) == ""
        assert not doors.access.is_closed("notes")

    async def test_what_is_no_room(self, doors: Doors) -> None:
        with pytest.raises(NameRefused):
            await doors.access.close_room("../notes")
        with pytest.raises(NameRefused):
            await doors.invite("../notes")


class TestDeletedRooms:
    async def test_its_invites_bans_and_closing_go_with_it(self, doors: Doors) -> None:
        token, _ = await doors.invite(is_reusable=True)
        elsewhere, _ = await doors.invite("other")
        grant, credential = await doors.come("bo", token)
        assert credential is not None
        eve, _ = await doors.come("eve", account=BO)
        await doors.access.ban(eve, "eve", DAY_S)
        await doors.access.close_room("notes")
        await doors.committer.run(lambda store: store.delete_room("notes"))
        doors.access.forget_room("notes")
        for _ in range(2):
            assert doors.why_over(grant) == TAKEN_BACK
            for text in (token, credential.token):
                assert await doors.why_not("bo", text) == NOT_VALID
            assert (doors.access.is_closed("notes"), doors.access.bans()) == (False, [])
            assert [invite.room for invite in doors.access.invites()] == ["other"]
            await doors.restart()
        assert await doors.why_not("bo", elsewhere, room="other") == ""


async def test_a_restart_keeps_all_of_it(doors: Doors) -> None:
    token, invite = await doors.invite(role=Role.READ, expires_s=DAY_S, name="ana")
    _, reusable = await doors.invite("other", is_reusable=True)
    grant, credential = await doors.come("bo", token)
    assert credential is not None
    cy, _ = await doors.come("cy", account=BO)
    await doors.access.ban(cy, "cy", DAY_S)
    await doors.access.revoke(reusable.id)
    await doors.access.close_room("other")
    before = (doors.access.invites(), doors.access.bans(), doors.access.uses(invite.id))
    await doors.restart()
    assert (doors.access.invites(), doors.access.bans(), doors.access.uses(invite.id)) == before
    assert doors.access.invites("notes") == [invite]
    assert (await doors.come("bo", credential.token))[0] == grant
    assert doors.access.is_closed("other")
    stored = await doors.committer.run(lambda store: store.load_access())
    assert stored != StoredAccess()


def test_the_owner_speaks_for_nobody_else_as_an_operator() -> None:
    assert OWNER.is_operator
    assert not restricted(OWNER, Role.ADMIN).is_operator
    assert not ANA.is_operator


def test_who_may_not_come_in_is_told_in_a_line() -> None:
    assert re.fullmatch(r"[ -~]+", str(Denied(NOT_VALID)))
    assert Denied("x").code is FaultCode.DENIED
