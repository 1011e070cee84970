"""Requests about people: who is here, who is sent away and kept out."""

from __future__ import annotations

from typing import Any, Final

from collab_protocol.errors import CollabError, FaultCode
from collab_server.access import Access
from collab_server.asked import Asked
from collab_server.office.sessions import LiveSession, Sessions
from collab_server.slices import in_slices

_BAN_MOST_S: Final = 366 * 86_400
"""A ban lasts a year at most; whoever is to stay out for ever has their invite revoked."""


class PeopleDesk:
    """Lists people, sends them away, keeps them out and lets them in again."""

    def __init__(self, access: Access, sessions: Sessions) -> None:
        self._access = access
        self._sessions = sessions

    async def list_sessions(self, asked: Asked) -> dict[str, Any]:
        listed = []
        async for some in in_slices(self._sessions.connected(asked.room_if_any())):
            for session in some:
                grant, person = session.grant, session.person
                if grant is not None and person is not None:
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

    async def who(self, asked: Asked) -> dict[str, Any]:
        """Say who is in one room, and what they do there."""
        room = asked.room()
        people = []
        for session in self._sessions.seated(room):
            grant, person = session.grant, session.person
            if grant is not None and person is not None:
                people.append(
                    {
                        "session": session.session,
                        "name": person.name,
                        "principal": person.principal,
                        "role": person.role,
                        "activity": session.activity,
                        "round_trip_ms": session.round_trip_ms,
                        "since": session.since,
                        # An admin of a room sees no more than its people do.
                        "address": session.address if asked.is_of_operator else None,
                        "expires": grant.expires,
                    }
                )
        return {"room": room, "people": sorted(people, key=lambda each: each["since"])}

    async def kick(self, asked: Asked) -> dict[str, Any]:
        room, who, ban_s = asked.room(), asked.text("who"), asked.number("ban_s") or 0
        check_ban(ban_s)
        here = self._sessions.seated(room)
        found = [each for each in here if str(each.session) == who]
        found = found or [each for each in here if each.person is not None and each.person.name == who]
        if not found:
            raise CollabError(f"there is no {who!r} in {room}; `collab admin sessions {room}` lists who is")
        if len({each.person.principal for each in found if each.person is not None}) > 1:
            raise CollabError(
                f"there are several people called {who!r} in {room}: give a number of"
                f" `collab admin sessions {room}`"
            )
        return {"ended": await self.send_away(room, found, ban_s, "you were sent away")}

    async def bans(self, asked: Asked) -> dict[str, Any]:
        bans = self._access.bans(asked.room_if_any())
        return {
            "bans": [{"room": ban.room, "who": ban.who, "name": ban.name, "until": ban.until} for ban in bans]
        }

    async def unban(self, asked: Asked) -> dict[str, Any]:
        await self._access.unban(asked.room(), asked.text("who"))
        return {}

    async def send_away(self, room: str, found: list[LiveSession], ban_s: float, why: str) -> int:
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
        return len(still) + (self._sessions.end_those_over(room) if ban_s else 0)


def check_ban(ban_s: float) -> None:
    """Raise CollabError unless somebody may be kept out for so long."""
    if not 0 <= ban_s <= _BAN_MOST_S:
        raise CollabError("one may be sent away for a year at most")


def _duration(seconds: float) -> str:
    """Return a time in words: in the largest unit of which it holds two, or one and nothing beside it."""
    for unit_s, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * unit_s or seconds == unit_s:
            count = round(seconds / unit_s)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{round(seconds)} seconds"
