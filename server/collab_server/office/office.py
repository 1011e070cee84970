"""The office: which desk answers which request, and what a room's admin asks for by the wire.

An operator asks in JSON (`serving`), an admin by messages of the wire, whose roles are looked at before
anything gets here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeVar

from collab_protocol.errors import CollabError, StoreError
from collab_protocol.presence import Person
from collab_server.access import Access
from collab_server.asked import Asked
from collab_server.config import ServerConfig
from collab_server.log_fields import Kind, about
from collab_server.office.inviting import InviteDesk
from collab_server.office.people import PeopleDesk, check_ban
from collab_server.office.roles import OWNER, Asker, check
from collab_server.office.rooms import RoomDesk
from collab_server.office.sessions import LiveSession, Sessions
from collab_server.registry import Registry

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

Does = Callable[[Asked], Awaitable[dict[str, Any]]]
"""What answers one kind of request; what goes wrong is a CollabError with a text for people."""

_ONLY_READ: Final = frozenset({"sessions", "who", "bans", "invites", "rooms", "figures"})
"""Requests that change nothing, and of which some come each second."""


class Office:
    """Everything that an operator or a room's admin may ask for."""

    def __init__(
        self,
        config: ServerConfig,
        registry: Registry,
        access: Access,
        sessions: Callable[[], Iterable[LiveSession]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`sessions` returns those who are connected; `now` gives UTC seconds."""
        self._access = access
        self._sessions = Sessions(sessions, access)
        self._people = PeopleDesk(access, self._sessions)
        self._inviting = InviteDesk(config, access, self._sessions, now=now)
        self._rooms = RoomDesk(config, registry, access, self._sessions)
        self._working: set[asyncio.Task[Any]] = set()
        registry.on_deleted = access.forget_room
        self._does: dict[str, Does] = {
            "invite": self._inviting.invite,
            "invites": self._inviting.invites,
            "admit": self._inviting.admit,
            "token": self._inviting.token,
            "revoke": self._inviting.revoke,
            "rotate-keys": self._inviting.rotate_keys,
            "sessions": self._people.list_sessions,
            "who": self._people.who,
            "kick": self._people.kick,
            "bans": self._people.bans,
            "unban": self._people.unban,
            "rooms": self._rooms.rooms,
            "close": self._rooms.close,
            "open": self._rooms.open,
            "delete": self._rooms.delete,
            "forget": self._rooms.forget,
        }

    @property
    def address(self) -> str | None:
        """What people reach the server by, as in wss://example.org; None where that is not known."""
        return self._inviting.address

    @address.setter
    def address(self, address: str | None) -> None:
        self._inviting.address = address

    def add(self, requests: Mapping[str, Does]) -> None:
        """Answer these kinds of requests, too."""
        self._does.update(requests)

    def knows(self, name: object) -> bool:
        """Return whether there is such a kind of request."""
        return name in self._does

    async def do(self, request: Mapping[str, Any], asker: Asker = OWNER) -> dict[str, Any]:
        """Do what `asker` asks for by `request`: {"do": NAME, …}, with what that needs.

        Raises:
            NotYours: it is not theirs to ask for.
            CollabError: it cannot be done, or asks for nothing that is known; the text is for people.
        """
        asked = Asked(request, is_of_operator=asker.is_operator)
        name = asked.text("do")
        does = self._does.get(name)
        if does is None:
            raise CollabError(f"this server knows no {name!r}: it may be older than your collab")
        check(asker, name, asked, self._access.room_of)
        if not asker.is_owner and name not in _ONLY_READ:
            # There may be many admins, and any of them may ask all day long.
            kind = None if asker.is_operator else Kind.TOLD
            _log.info("%s asks for: %s", asker, name, extra=about(room=asked.room_if_any(), kind=kind))
        return await does(asked)

    async def kick(self, by: Person, room: str, session: int, ban_s: int) -> str:
        """Send a session away from `room`, for `ban_s` seconds if that is not 0; returns "" or why not.

        Raises:
            StoreError: the ban cannot be stored; nobody was sent away.
        """
        if session == by.session:
            return "that is you: leave with Ctrl-Q"
        try:
            check_ban(ban_s)
            found = [each for each in self._sessions.seated(room) if each.session == session]
            if not found:
                return "they are not here any more"
            await self._wholly(self._people.send_away(room, found, ban_s, f"{by.name} sent you away"))
        except StoreError:
            raise
        except CollabError as error:
            return str(error)
        _log.info("session %d sent session %d away", by.session, session, extra=about(room=room))
        return ""

    async def close_room(self, by: Person, room: str, is_closed: bool) -> str:
        """Close `room` to all but admins, or open it again; returns "" or why not.

        Raises:
            StoreError: it cannot be stored; all is as it was.
        """
        if is_closed == self._access.is_closed(room):
            return f"{room} is {'closed' if is_closed else 'open'} already"
        done = "closes" if is_closed else "opens"
        _log.info("an admin %s it", done, extra=about(room=room, session=by.session))
        await self._wholly(self._rooms.set_closed(room, is_closed))
        return ""

    async def close(self) -> None:
        """Wait for what was begun."""
        if self._working:
            await asyncio.wait(self._working)

    def end_those_over(self, room: str | None = None) -> int:
        """Send away all who may not be in `room` any more, or in any; returns how many of them had a seat."""
        return self._sessions.end_those_over(room)

    async def _wholly(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do `work` to its end, though whoever asked for it leaves: half of it would count on disk alone."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)
