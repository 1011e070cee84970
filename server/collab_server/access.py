"""Who may come in: accounts behind the Unix socket, tokens over TCP, and who is kept out of a room.

Whoever brings an invite gets a credential, which is good for their device alone, and comes back with that.
An invite for one is good for the first device that uses it; the same device may use it again, since the
answer to its first use may have been lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from collab_protocol.errors import CollabError
from collab_protocol.messages import Credential, Hello
from collab_protocol.presence import Role
from collab_server.bans import Bans
from collab_server.committer import Committer
from collab_server.grants import (
    TAKEN_BACK,
    Account,
    Denied,
    Grant,
    elsewhere,
    ended,
    hash_device,
    held_to,
    principal_of,
)
from collab_server.invites import Invites, to_token
from collab_server.store.base import Ban, Invite, StoredAccess
from collab_server.tokens import KeyRing, Token, TokenKind, TokenRefused

__all__ = ["Access", "Account", "Denied", "Grant"]

_REMEMBERED_S: Final = 7 * 86_400.0
"""How long what ended is kept, to be listed."""


class Access:
    """Lets people in, or not, and makes, takes back and remembers what decides on that.

    What changes is on disk before it counts. O(1) for each who comes; what ended is forgotten in time.
    """

    def __init__(
        self,
        committer: Committer,
        stored: StoredAccess,
        *,
        keys: KeyRing | None,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without `keys`, whoever comes over TCP is let in. `now` gives UTC seconds, `monotonic` those that
        no one sets.
        """
        self.keys = keys
        """May be replaced at any time."""
        self._committer = committer
        self._now = now
        self._monotonic = monotonic
        self._lead_s = now() - monotonic()
        self._invites = Invites(committer, stored, now=now)
        self._bans = Bans(committer, stored, now=now)

    async def admit(
        self, room: str, hello: Hello, account: Account | None
    ) -> tuple[Grant, Credential | None]:
        """Let somebody in; returns what they may do, and what they are to say as the token from now on.

        `account` is who comes by the Unix socket; None for TCP. The use of an invite is on disk on return.

        Raises:
            Denied: they may not come in.
            StoreError: the use of an invite cannot be stored; they are not let in.
        """
        restriction = None if account is None else account.restriction
        if account is None or restriction is None:
            return await self._admit(room, hello, account)
        if room != restriction.room:
            raise elsewhere(restriction)
        # Before an invite is used up by it.
        if restriction.until is not None and restriction.until <= self._now():
            raise _over(restriction.until)
        if not restriction.wants_token:
            grant, credential = await self._admit(room, hello, account)
        elif not account.is_owner:
            raise Denied("only the account of this server may hand on a token")
        elif self.keys is None:
            raise Denied("this server asks nobody for a token: it is not served with --auth")
        else:
            device_hash = hash_device(hello.device)
            grant, credential = await self._admit_by_token(room, hello.token, device_hash, self.keys)
        # What was checked until here may have been an admin's, whom a closed room lets in.
        grant = held_to(grant, restriction)
        self._check(grant)
        return grant, credential

    async def _admit(
        self, room: str, hello: Hello, account: Account | None
    ) -> tuple[Grant, Credential | None]:
        """Let somebody in by their account, or by their token where they come over TCP."""
        device_hash = hash_device(hello.device)
        if account is not None or self.keys is None:
            role = Role.ADMIN if account is not None and account.is_owner else Role.WRITE
            grant = Grant(room, principal_of(account, hello), role, "", device_hash, None, None)
            self._check(grant)
            return grant, None
        return await self._admit_by_token(room, hello.token, device_hash, self.keys)

    async def admit_admin(self, text: str, device: bytes) -> tuple[Grant, Credential | None]:
        """Let an admin ask without being in a room: about the room that their token is for, or about all.

        `device` is their machine's secret. Otherwise as `admit`.

        Raises:
            Denied: they may not; an invite that is no admin's is not used up by this.
            StoreError: the use of an invite cannot be stored; they are not let in.
        """
        if self.keys is None:
            raise Denied("this server asks nobody for a token, and so knows no operators but its owner")
        return await self._admit_by_token(None, text, hash_device(device), self.keys)

    async def admit_guest(self, room: str, text: str, device: bytes) -> Grant:
        """Let a device use its token before it comes into `room`, where it says the token again.

        Raises:
            Denied: it may not come in.
            StoreError: the use of an invite cannot be stored.
        """
        if self.keys is None:
            raise Denied("this server asks nobody for a token: it is not served with --auth")
        grant, _ = await self._admit_by_token(room, text, hash_device(device), self.keys)
        return grant

    async def _admit_by_token(
        self, room: str | None, text: str | None, device_hash: bytes, keys: KeyRing
    ) -> tuple[Grant, Credential | None]:
        """Let somebody into `room`, or, for None, be an admin of what their token is for."""
        if not text:
            raise Denied("a token is needed here: ask for an invite link")
        try:
            token = keys.read(text)
            invite = self._invites.find(token, token.room if room is None else room, device_hash)
        except TokenRefused as refused:
            raise Denied(str(refused)) from None
        if room is None and token.role is not Role.ADMIN:
            raise Denied("this token lets its bearer into a room, and makes nobody an admin")
        by_device = f"invite:{invite.id}/{device_hash.hex()[:12]}"
        principal = f"token:{invite.name}" if invite.name else by_device
        grant = Grant(
            invite.room, principal, Role(invite.role), invite.name, device_hash, invite.id, invite.expires
        )
        self._check(grant)
        if token.kind is TokenKind.INVITE:
            is_new = not self._invites.has_used(invite, device_hash)
            if is_new and (why := self._bans.why_invite_out(invite.room, invite.id)) is not None:
                raise why
            await self._invites.use(invite, device_hash)
            # That took a while: all may have changed.
            self._check(grant)
        elif keys.key_of(text) == keys.newest:
            return replace(grant, key=keys.newest), None
        return replace(grant, key=keys.newest), _credential(keys, token, device_hash)

    def why_over(self, grant: Grant) -> Denied | None:
        """Return why somebody who was let in may not be there any more; None while they may."""
        if grant.expires is not None and grant.expires <= self._now():
            return ended(grant.expires) if grant.invite_id is not None else _over(grant.expires)
        if grant.key and (self.keys is None or grant.key not in self.keys):
            return Denied(TAKEN_BACK)
        own_invite: str | None = None
        if grant.invite_id is not None:
            invite = self._invites.get(grant.invite_id)
            if invite is None or invite.revoked_at is not None:
                return Denied(TAKEN_BACK)
            # A reusable one is of others too, who are not kept out with one of them.
            own_invite = None if invite.is_reusable else invite.id
        return self._bans.why_out(grant, own_invite)

    def next_end(self, grants: Iterable[Grant]) -> float | None:
        """Return when the first of `grants` ends by itself (UTC seconds); None for never."""
        return min((grant.expires for grant in grants if grant.expires is not None), default=None)

    async def invite(
        self, room: str, role: Role, *, expires_s: float | None, is_reusable: bool, name: str
    ) -> tuple[str, Invite]:
        """Make an invite into `room`, or for `EVERY_ROOM` an operator's token; returns it, and what is kept.

        `name` is the display name of whoever uses it, "" to let them choose. One that is not reusable has to
        be used within a week; `expires_s` is how long all that comes of it lasts, None for ever.

        Raises:
            CollabError: there can be no such invite.
            StoreError: it cannot be stored; there is none.
        """
        keys = self.keys
        if keys is None:
            raise CollabError("this server asks nobody for a token: start it with `collab serve --auth`")
        await self._prune()
        invite = await self._invites.make(room, role, expires_s=expires_s, is_reusable=is_reusable, name=name)
        return keys.sign(to_token(invite)), invite

    def invites(self, room: str | None = None) -> list[Invite]:
        """Return the invites into `room`, or all, the oldest first; those that ended lately too."""
        return self._invites.listed(room)

    def room_of(self, invite_id: str) -> str | None:
        """Return where an invite leads; None when it is not kept."""
        invite = self._invites.get(invite_id)
        return None if invite is None else invite.room

    def is_reusable(self, invite_id: str) -> bool:
        """Return whether several people may come by an invite; False when it is not kept."""
        invite = self._invites.get(invite_id)
        return invite is not None and invite.is_reusable

    def uses(self, invite_id: str) -> int:
        """Return how many devices used an invite; of a reusable one 200 are counted at most."""
        return self._invites.uses(invite_id)

    async def revoke(self, invite_id: str) -> None:
        """Take back an invite, and every credential that came of it. Those who are in go by `why_over`.

        Raises:
            CollabError: there is no such invite.
            StoreError: it cannot be stored; all is as it was.
        """
        await self._invites.revoke(invite_id)

    async def ban(self, grant: Grant, name: str, for_s: float) -> None:
        """Keep whoever has `grant` out of its room for so many seconds; `name` is for the list of bans.

        Somebody who was invited by their invite and their device, others by their account, or by their
        device where there is none. A reusable invite then lets nobody new in; those who came by it stay.

        Raises:
            CollabError: it is the server's owner, or there are too many bans.
            StoreError: it cannot be stored; what was not, does not count.
        """
        await self._prune()
        await self._bans.put(grant, name, for_s)

    def bans(self, room: str | None = None) -> list[Ban]:
        """Return who is kept out of `room`, or of any."""
        return self._bans.listed(room)

    async def unban(self, room: str, who: str) -> None:
        """Let somebody in again: all bans from `room` of that name, or the one with that `Ban.who`.

        Raises:
            CollabError: there is no such ban.
            StoreError: it cannot be stored; what was not, does not count.
        """
        await self._bans.lift(room, who)

    async def close_room(self, room: str) -> None:
        """Let only admins into `room` from now on. Those who are in go by `why_over`."""
        await self._bans.set_closed(room, True)

    async def open_room(self, room: str) -> None:
        """Let everybody into `room` again who may come in."""
        await self._bans.set_closed(room, False)

    def is_closed(self, room: str) -> bool:
        """Return whether only admins may come into `room`."""
        return self._bans.is_closed(room)

    def forget_room(self, room: str) -> None:
        """Forget all about a room that was deleted from the store: its invites are good for nothing now."""
        self._invites.drop_room(room)
        self._bans.drop_room(room)

    def _check(self, grant: Grant) -> None:
        if (why := self.why_over(grant)) is not None:
            raise why

    async def _prune(self) -> None:
        """Forget what ended a while ago, if there is any."""
        # A clock that was set ahead, and may be set right again, ends no ban for good.
        before = min(self._now(), self._lead_s + self._monotonic()) - _REMEMBERED_S
        if self._invites.has_ended(before) or self._bans.has_ended(before):
            await self._committer.run(lambda store: store.prune_access(before))
            self._invites.drop_ended(before)
            self._bans.drop_ended(before)


def _over(at: float) -> Denied:
    """Return what somebody is told whom no token let in."""
    return ended(at, "your access", "ask whoever gave it to you")


def _credential(keys: KeyRing, token: Token, device_hash: bytes) -> Credential:
    bound = replace(token, kind=TokenKind.CREDENTIAL, device_hash=device_hash)
    return Credential(keys.sign(bound), None if token.expires is None else int(token.expires * 1000))
