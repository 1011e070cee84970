"""What an operator asks of a server, and a room's admin of the room: invite, send away, close, erase.

An operator asks in JSON over the Unix socket (`serve_admin`), an admin by messages of the wire. Roles are
looked at before anything gets here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from collab_protocol.errors import CollabError, FaultCode, StoreError
from collab_protocol.presence import Person
from collab_server.access import Access, Grant
from collab_server.asked import Asked, parse
from collab_server.config import ServerConfig
from collab_server.keys import load_keys, rotate_keys
from collab_server.registry import Registry
from collab_server.store.base import Invite
from collab_server.store.migrations import list_backups

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

ADMIN_PATH: Final = "/admin"
"""The path on the Unix socket where the owner of a server asks for things."""

ADMIN_SUBPROTOCOL: Final = "collab.admin.v1"

_BAN_MOST_S: Final = 366 * 86_400
"""A ban lasts a year at most; whoever is to stay out for ever has their invite revoked."""


Does = Callable[[Asked], Awaitable[dict[str, Any]]]
"""What answers one kind of request; what goes wrong is a CollabError with a text for people."""


class LiveSession(Protocol):
    """What the office sees of a connection. `grant` and `person` are None until it is in its room."""

    @property
    def session(self) -> int: ...

    @property
    def room_name(self) -> str: ...

    @property
    def grant(self) -> Grant | None: ...

    @property
    def person(self) -> Person | None: ...

    @property
    def since(self) -> float:
        """When it came, in UTC seconds."""

    def dismiss(self, code: FaultCode, message: str) -> None:
        """End it for good."""


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
        self.address = config.url
        """What people reach the server by, as in wss://example.org; None where that is not known."""
        self._config = config
        self._registry = registry
        self._access = access
        self._sessions = sessions
        self._now = now
        self._working: set[asyncio.Task[Any]] = set()
        registry.on_deleted = access.forget_room
        self._does: dict[str, Does] = {
            "invite": self._invite,
            "invites": self._invites,
            "revoke": self._revoke,
            "sessions": self._list_sessions,
            "kick": self._kick,
            "bans": self._bans,
            "unban": self._unban,
            "close": self._close,
            "open": self._open,
            "delete": self._delete,
            "forget": self._forget,
            "rotate-keys": self._rotate_keys,
        }

    def add(self, requests: Mapping[str, Does]) -> None:
        """Answer these kinds of requests, too."""
        self._does.update(requests)

    async def do(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do what `request` asks for: {"do": NAME, …}, with what that needs.

        Raises:
            CollabError: it cannot be done, or asks for nothing that is known; the text is for people.
        """
        asked = Asked(request)
        name = asked.text("do")
        does = self._does.get(name)
        if does is None:
            raise CollabError(f"this server knows no {name!r}: it may be older than your collab")
        return await does(asked)

    async def kick(self, by: Person, room: str, session: int, ban_s: int) -> str:
        """Send a session away from `room`, for `ban_s` seconds if that is not 0; returns "" or why not.

        Raises:
            StoreError: the ban cannot be stored; nobody was sent away.
        """
        if session == by.session:
            return "that is you: leave with Ctrl-Q"
        if not 0 <= ban_s <= _BAN_MOST_S:
            return "one may be sent away for a year at most"
        found = [each for each in self._in(room) if each.session == session]
        if not found:
            return "they are not here any more"
        try:
            await self._wholly(self._send_away(room, found, ban_s, f"{by.name} sent you away"))
        except StoreError:
            raise
        except CollabError as error:
            return str(error)
        _log.info("%s sent session %d away from room %s", by.principal, session, room)
        return ""

    async def close_room(self, by: Person, room: str, is_closed: bool) -> str:
        """Close `room` to all but admins, or open it again; returns "" or why not.

        Raises:
            StoreError: it cannot be stored; all is as it was.
        """
        if is_closed == self._access.is_closed(room):
            return f"{room} is {'closed' if is_closed else 'open'} already"
        _log.info("%s %s room %s", by.principal, "closes" if is_closed else "opens", room)
        await self._wholly(self._set_closed(room, is_closed))
        return ""

    async def close(self) -> None:
        """Wait for what was begun."""
        if self._working:
            await asyncio.wait(self._working)

    def end_those_over(self, room: str | None = None) -> int:
        """Send away all who may not be in `room` any more, or in any; returns how many of them had a seat."""
        ended = 0
        for session in list(self._sessions()):
            if room not in (None, session.room_name):
                continue
            if session.grant is not None and (why := self._access.why_over(session.grant)) is not None:
                ended += session.person is not None
                session.dismiss(why.code, str(why))
        return ended

    async def _wholly(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do `work` to its end, though whoever asked for it leaves: half of it would count on disk alone."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def _set_closed(self, room: str, is_closed: bool) -> int:
        """Close or open a room; returns how many had to leave."""
        if not is_closed:
            await self._access.open_room(room)
            return 0
        await self._access.close_room(room)
        return self.end_those_over(room)

    def _in(self, room: str) -> list[LiveSession]:
        return [each for each in self._sessions() if each.room_name == room and each.person is not None]

    async def _send_away(self, room: str, found: list[LiveSession], ban_s: float, why: str) -> int:
        """Ban and dismiss sessions, and whoever else is shut out by that; returns how many."""
        for_so_long = ""
        if ban_s:
            for session in found:
                if session.grant is not None and session.person is not None:
                    await self._access.ban(session.grant, session.person.name, ban_s)
            for_so_long = f" for {_duration(ban_s)}"
        still = [each for each in found if each.person is not None]
        for session in still:
            session.dismiss(FaultCode.KICKED, f"{why} from {room}{for_so_long}")
        return len(still) + (self.end_those_over(room) if ban_s else 0)

    async def _invite(self, asked: Asked) -> dict[str, Any]:
        role, expires_s = asked.role(), asked.number("expires_s")
        if expires_s is not None and expires_s <= 0:
            raise CollabError("an invite has to last for a while: give more than 0 seconds")
        room = asked.room()
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

    async def _invites(self, asked: Asked) -> dict[str, Any]:
        invites = self._access.invites(asked.room_if_any())
        return {"invites": [self._told(invite) for invite in invites]}

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

    async def _revoke(self, asked: Asked) -> dict[str, Any]:
        await self._access.revoke(asked.text("id"))
        return {"ended": self.end_those_over()}

    async def _list_sessions(self, asked: Asked) -> dict[str, Any]:
        room = asked.room_if_any()
        listed = []
        for session in self._sessions():
            grant, person = session.grant, session.person
            if grant is not None and person is not None and room in (None, session.room_name):
                listed.append(
                    {
                        "session": session.session,
                        "room": session.room_name,
                        "name": person.name,
                        "principal": person.principal,
                        "role": person.role,
                        "since": session.since,
                        "expires": grant.expires,
                    }
                )
        return {"sessions": sorted(listed, key=lambda each: (each["room"], each["since"]))}

    async def _kick(self, asked: Asked) -> dict[str, Any]:
        room, who, ban_s = asked.room(), asked.text("who"), asked.number("ban_s") or 0
        if not 0 <= ban_s <= _BAN_MOST_S:
            raise CollabError("one may be sent away for a year at most")
        here = self._in(room)
        found = [each for each in here if str(each.session) == who]
        found = found or [each for each in here if each.person is not None and each.person.name == who]
        if not found:
            raise CollabError(f"there is no {who!r} in {room}; `collab admin sessions {room}` lists who is")
        if len({each.person.principal for each in found if each.person is not None}) > 1:
            raise CollabError(
                f"there are several people called {who!r} in {room}: give a number of"
                f" `collab admin sessions {room}`"
            )
        return {"ended": await self._send_away(room, found, ban_s, "you were sent away")}

    async def _bans(self, asked: Asked) -> dict[str, Any]:
        bans = self._access.bans(asked.room_if_any())
        return {
            "bans": [{"room": ban.room, "who": ban.who, "name": ban.name, "until": ban.until} for ban in bans]
        }

    async def _unban(self, asked: Asked) -> dict[str, Any]:
        await self._access.unban(asked.room(), asked.text("who"))
        return {}

    async def _close(self, asked: Asked) -> dict[str, Any]:
        return {"ended": await self._set_closed(asked.room(), True)}

    async def _open(self, asked: Asked) -> dict[str, Any]:
        await self._set_closed(asked.room(), False)
        return {}

    async def _delete(self, asked: Asked) -> dict[str, Any]:
        try:
            return {"deleted": await self._registry.delete(asked.room())}
        finally:
            # Its invites went with it, and with them whoever was let in meanwhile.
            self.end_those_over()

    async def _forget(self, asked: Asked) -> dict[str, Any]:
        text_bytes = await self._registry.forget(asked.room())
        return {"text_bytes": text_bytes, "backups": self._backups()}

    def _backups(self) -> list[str]:
        """Return the copies of older formats that still hold what was erased from the store."""
        if self._config.memory:
            return []
        return [str(path) for path in list_backups(self._config.data_dir / "rooms.sqlite3")]

    async def _rotate_keys(self, _: Asked) -> dict[str, Any]:
        path = self._config.keys_file

        def rotate() -> str:
            return rotate_keys(path)

        kid = await asyncio.to_thread(rotate)
        if self._access.keys is not None:
            self._access.keys = await asyncio.to_thread(load_keys, path)
            self.end_those_over()
        return {"kid": kid}


async def serve_admin(websocket: ServerConnection, office: Office) -> None:
    """Answer requests, one after the other, until the other end has none left.

    A frame of text is one request in JSON, at most 32 KiB; its answer is {"ok": {…}} or {"error": "…"}. A
    request that was begun is done, whether or not its answer is waited for.
    """
    try:
        async for frame in websocket:
            answer = await _answer(frame, office)
            await websocket.send(json.dumps(answer))
    except ConnectionClosed:
        pass


async def _answer(frame: str | bytes, office: Office) -> dict[str, Any]:
    try:
        request = parse(frame)
        return {"ok": await office.do(request)}
    except CollabError as error:
        return {"error": str(error)}
    except Exception:
        _log.exception("what an operator asked for failed")
        return {"error": "the server failed; its log says why"}


def _state(invite: Invite, uses: int, now: float) -> str:
    if invite.revoked_at is not None:
        return "revoked"
    if invite.expires is not None and invite.expires <= now:
        return "ended"
    if not invite.is_reusable and uses:
        return "used"
    return "ended" if invite.use_by is not None and invite.use_by <= now else "open"


def _duration(seconds: float) -> str:
    """Return a time in words: in the largest unit of which it holds two, or one and nothing beside it."""
    for unit_s, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * unit_s or seconds == unit_s:
            count = round(seconds / unit_s)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{round(seconds)} seconds"
