"""Requests about invites: made, listed, taken back; and about the keys that sign them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from collab_protocol.errors import CollabError
from collab_protocol.presence import Role
from collab_server.access import Access
from collab_server.asked import Asked
from collab_server.config import ServerConfig
from collab_server.grants import EVERY_ROOM
from collab_server.keys import load_keys, rotate_keys
from collab_server.office.sessions import Sessions
from collab_server.store.base import Invite

_OF_ADMINS: Final = 500
"""So many invites into a room its admins make: those of one room cannot use up what a server keeps."""


class InviteDesk:
    """Makes invites, lists them and takes them back."""

    def __init__(
        self, config: ServerConfig, access: Access, sessions: Sessions, *, now: Callable[[], float]
    ) -> None:
        self.address = config.url
        """What people reach the server by, as in wss://example.org; None where that is not known."""
        self._config = config
        self._access = access
        self._sessions = sessions
        self._now = now

    async def invite(self, asked: Asked) -> dict[str, Any]:
        role, expires_s, room = asked.role(), _expires_s(asked), asked.room()
        if not asked.is_of_operator and len(self._access.invites(room)) >= _OF_ADMINS:
            raise CollabError(
                f"{room} has {_OF_ADMINS} invites already: revoke some, which makes room after a week,"
                " or ask an operator of the server"
            )
        token, invite = await self._access.invite(
            room,
            role,
            expires_s=expires_s,
            is_reusable=asked.flag("reusable"),
            name=asked.text("name", ""),
        )
        link = None if self.address is None else f"{self.address.rstrip('/')}/{room}#{token}"
        return {
            "token": token,
            "link": link,
            "id": invite.id,
            "expires": invite.expires,
            "use_by": invite.use_by,
        }

    async def admit(self, asked: Asked) -> dict[str, Any]:
        """Say whether a token lets a device into a room; an invite for one is that device's from then on."""
        grant = await self._access.admit_guest(asked.room(), asked.text("token"), asked.secret("device"))
        return {"name": grant.name, "is_reusable": self._access.is_reusable(grant.invite_id or "")}

    async def token(self, asked: Asked) -> dict[str, Any]:
        """Make a token for the first device that uses it, whose owner is then an operator."""
        token, invite = await self._access.invite(
            EVERY_ROOM,
            Role.ADMIN,
            expires_s=_expires_s(asked),
            is_reusable=False,
            name=asked.text("name", ""),
        )
        return {
            "token": token,
            "server": self.address,
            "id": invite.id,
            "expires": invite.expires,
            "use_by": invite.use_by,
        }

    async def invites(self, asked: Asked) -> dict[str, Any]:
        invites = self._access.invites(asked.room_if_any())
        return {"invites": [self._told(invite) for invite in invites]}

    async def revoke(self, asked: Asked) -> dict[str, Any]:
        await self._access.revoke(asked.text("id"))
        return {"ended": self._sessions.end_those_over()}

    async def rotate_keys(self, _: Asked) -> dict[str, Any]:
        path = self._config.keys_file

        def rotate() -> str:
            return rotate_keys(path)

        kid = await asyncio.to_thread(rotate)
        if self._access.keys is not None:
            self._access.keys = await asyncio.to_thread(load_keys, path)
            self._sessions.end_those_over()
        return {"kid": kid}

    def _told(self, invite: Invite) -> dict[str, Any]:
        uses = self._access.uses(invite.id)
        return {
            "id": invite.id,
            "room": invite.room,
            "role": invite.role,
            "name": invite.name,
            "made_at": invite.made_at,
            "expires": invite.expires,
            "uses": uses,
            "state": _state(invite, uses, self._now()),
        }


def _expires_s(asked: Asked) -> float | None:
    expires_s = asked.number("expires_s")
    if expires_s is not None and expires_s <= 0:
        raise CollabError("an invite has to last for a while: give more than 0 seconds")
    return expires_s


def _state(invite: Invite, uses: int, now: float) -> str:
    if invite.revoked_at is not None:
        return "revoked"
    if invite.expires is not None and invite.expires <= now:
        return "ended"
    if not invite.is_reusable and uses:
        return "used"
    return "ended" if invite.use_by is not None and invite.use_by <= now else "open"
