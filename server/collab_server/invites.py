"""Invites that a server made, which devices used them, and whether a token of one is good.

A token is good when this server signed it and still keeps its invite: what is not kept is refused, so that
a deleted room takes its invites along. What it says must be what is kept: with a stolen key alone nobody
makes themselves an invite.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from collab_protocol.errors import CollabError
from collab_protocol.names import check_room_name, clean_person_name
from collab_protocol.presence import Role
from collab_server.committer import Committer
from collab_server.grants import EVERY_ROOM, TAKEN_BACK, Denied, date, ended
from collab_server.store.base import Invite, StoredAccess
from collab_server.tokens import Token, TokenKind, TokenRefused

_USE_WITHIN_S: Final = 7 * 86_400.0
"""How long an invite for one waits for its first use: it may lie in somebody's mail for longer."""

_LONGEST_S: Final = 100 * 366 * 86_400.0

_IN_ALL: Final = 10_000
"""Invites that a server keeps."""

_USES: Final = 200
"""Devices that are noted of one reusable invite."""

_USED: Final = "this invite was used already: ask for another one"


class Invites:
    """Remembers invites and their uses. What changes is on disk before it counts."""

    def __init__(self, committer: Committer, stored: StoredAccess, *, now: Callable[[], float]) -> None:
        """`now` gives UTC seconds."""
        self._committer = committer
        self._now = now
        self._invites = {invite.id: invite for invite in stored.invites}
        self._uses = {invite_id: frozenset(devices) for invite_id, devices in stored.uses.items()}

    def get(self, invite_id: str) -> Invite | None:
        """Return an invite that is kept, whatever has become of it."""
        return self._invites.get(invite_id)

    def listed(self, room: str | None = None) -> list[Invite]:
        """Return the invites into `room`, or all, the oldest first; those that ended lately too."""
        found = [invite for invite in self._invites.values() if room in (None, invite.room)]
        return sorted(found, key=lambda invite: (invite.made_at, invite.id))

    def uses(self, invite_id: str) -> int:
        """Return how many devices used an invite; of a reusable one 200 are counted at most."""
        return len(self._uses.get(invite_id, ()))

    async def make(
        self, room: str, role: Role, *, expires_s: float | None, is_reusable: bool, name: str
    ) -> Invite:
        """Make an invite; see `Access.invite`."""
        if room != EVERY_ROOM:
            check_room_name(room)
        if name and is_reusable:
            raise CollabError(
                "a link for many cannot have the name of one: leave out either --name or --reusable"
            )
        if expires_s is not None and not 0 < expires_s <= _LONGEST_S:
            raise CollabError("an invite lasts for more than 0 seconds, and for 100 years at most")
        if len(self._invites) >= _IN_ALL:
            raise CollabError(
                f"this server has {_IN_ALL} invites already: revoke some, which makes room after a week"
            )
        now = self._now()
        expires = None if expires_s is None else now + expires_s
        use_by = now + _USE_WITHIN_S if expires is None else min(expires, now + _USE_WITHIN_S)
        invite = Invite(
            id=secrets.token_hex(8),
            room=room,
            role=role,
            name=clean_person_name(name) if name else "",
            made_at=now,
            expires=expires,
            use_by=None if is_reusable else use_by,
            is_reusable=is_reusable,
        )
        await self._committer.run(lambda store: store.add_invite(invite))
        self._invites[invite.id] = invite
        return invite

    async def revoke(self, invite_id: str) -> None:
        """Take back an invite; see `Access.revoke`."""
        if invite_id not in self._invites:
            raise CollabError(
                f"there is no invite {invite_id!r}: `collab invites` lists those that there are"
            )
        at = self._now()
        await self._committer.run(lambda store: store.revoke_invite(invite_id, at))
        invite = self._invites.get(invite_id)
        if invite is not None and invite.revoked_at is None:
            self._invites[invite_id] = replace(invite, revoked_at=at)

    def find(self, token: Token, room: str, device_hash: bytes) -> Invite:
        """Return the invite of a token that a device brought to `room`, when that token is good.

        One that was revoked is returned too: whether access was taken back is looked at for those who are
        in a room as well.

        Raises:
            Denied: its time is over, or another device has used it.
            TokenRefused: it is not for this room or device, or its invite is not kept.
        """
        if token.room != room:
            raise TokenRefused
        is_credential = token.kind is TokenKind.CREDENTIAL
        if is_credential and not hmac.compare_digest(token.device_hash or b"", device_hash):
            raise TokenRefused
        now = self._now()
        if token.expires is not None and token.expires <= now:
            raise ended(token.expires)
        invite = self._invites.get(token.id)
        if invite is not None and replace(token, kind=TokenKind.INVITE, device_hash=None) != to_token(invite):
            raise TokenRefused
        used_by = self._uses.get(token.id, frozenset())
        if device_hash in used_by and invite is not None:
            return invite
        if not is_credential:
            self._check_first_use(token, used_by, now)
        # A credential of an invite for one, by a device that never used it: signed, but never given out.
        if invite is None or (is_credential and not invite.is_reusable):
            raise TokenRefused
        return invite

    def has_used(self, invite: Invite, device_hash: bytes) -> bool:
        """Return whether a device is noted as having used an invite."""
        return device_hash in self._uses.get(invite.id, ())

    async def use(self, invite: Invite, device_hash: bytes) -> None:
        """Note that a device uses an invite, unless that is known. The store says who of two was first.

        Raises:
            Denied: another device was first, or it was revoked.
            StoreError: it cannot be stored.
        """
        if self.has_used(invite, device_hash):
            return
        if invite.is_reusable and self.uses(invite.id) >= _USES:
            return
        at = self._now()
        if not await self._committer.run(lambda store: store.use_invite(invite.id, device_hash, at)):
            kept = self._invites.get(invite.id)
            is_taken_back = kept is None or kept.revoked_at is not None
            raise Denied(TAKEN_BACK if is_taken_back else _USED)
        if invite.id in self._invites:
            self._uses[invite.id] = self._uses.get(invite.id, frozenset()) | {device_hash}

    def has_ended(self, before: float) -> bool:
        """Return whether there are invites that ended before then."""
        return any(self._ended(invite) < before for invite in self._invites.values())

    def drop_ended(self, before: float) -> None:
        """Forget the invites that ended before then, which are gone from the store."""
        self._drop([invite for invite in self._invites.values() if self._ended(invite) < before])

    def drop_room(self, room: str) -> None:
        """Forget the invites into a room, which are gone from the store."""
        self._drop(self.listed(room))

    def _check_first_use(self, token: Token, used_by: frozenset[bytes], now: float) -> None:
        if used_by and not token.is_reusable:
            raise Denied(_USED)
        if token.use_by is not None and token.use_by <= now:
            raise Denied(f"this invite had to be used before {date(token.use_by)}: ask for another one")

    def _drop(self, invites: list[Invite]) -> None:
        for invite in invites:
            del self._invites[invite.id]
            self._uses.pop(invite.id, None)

    def _ended(self, invite: Invite) -> float:
        """Return since when an invite is good for nothing, as `Store.prune_access` has it."""
        ends = [invite.expires, invite.revoked_at, None if self.uses(invite.id) else invite.use_by]
        return min((end for end in ends if end is not None), default=float("inf"))


def to_token(invite: Invite) -> Token:
    """Return what the token of an invite says."""
    return Token(
        kind=TokenKind.INVITE,
        id=invite.id,
        room=invite.room,
        role=Role(invite.role),
        name=invite.name,
        expires=invite.expires,
        use_by=invite.use_by,
        is_reusable=invite.is_reusable,
    )
