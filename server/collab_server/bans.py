"""Who is kept out of rooms: bans for a time, and rooms that are closed to all but admins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from collab_protocol.errors import CollabError, FaultCode
from collab_protocol.names import check_room_name
from collab_protocol.presence import Role
from collab_server.committer import Committer
from collab_server.grants import Denied, Grant, date
from collab_server.store.base import Ban, StoredAccess

_PER_ROOM: Final = 1_000

_IN_ALL: Final = 50_000
"""Bans of a server. Admins of one room cannot use up those of the others."""

_LONGEST_S: Final = 100 * 366 * 86_400.0


class Bans:
    """Remembers who is kept out. What changes is on disk before it counts."""

    def __init__(self, committer: Committer, stored: StoredAccess, *, now: Callable[[], float]) -> None:
        """`now` gives UTC seconds."""
        self._committer = committer
        self._now = now
        self._rooms: dict[str, dict[str, Ban]] = {}
        for ban in stored.bans:
            self._rooms.setdefault(ban.room, {})[ban.who] = ban
        self._closed = set(stored.closed)

    def why_out(self, grant: Grant, invite_id: str | None) -> Denied | None:
        """Return why `grant` is not good; `invite_id` is the invite that its holder has to themselves."""
        if grant.is_owner:
            return None
        # All who are connected are asked about at once: where there are no bans nothing is made up for them.
        if grant.room in self._rooms:
            whos = [_device(grant)]
            if grant.account is not None:
                whos.append(grant.account)
            if grant.ssh_key is not None:
                whos.append(grant.ssh_key)
            if invite_id is not None:
                whos.append(_invite(invite_id))
            if (why := self._why_banned(grant.room, whos)) is not None:
                return why
        if grant.room in self._closed and grant.role is not Role.ADMIN:
            return Denied(f"{grant.room} is closed: only its admins may come in", FaultCode.CLOSED)
        return None

    def why_invite_out(self, room: str, invite_id: str) -> Denied | None:
        """Return why an invite lets nobody new in."""
        until = self._banned_until(room, [_invite(invite_id)])
        if until is None:
            return None
        return Denied(f"this link lets in nobody new until {date(until)}", is_ban=True)

    async def put(self, grant: Grant, name: str, for_s: float) -> None:
        """Keep whoever has `grant` out of its room for so many seconds; see `Access.ban`."""
        if grant.is_owner:
            raise CollabError("nobody keeps out the owner of the server")
        if not 0 < for_s <= _LONGEST_S:
            raise CollabError("a ban lasts for more than 0 seconds, and for 100 years at most")
        until = self._now() + for_s
        if grant.invite_id is not None:
            whos = [_invite(grant.invite_id), _device(grant)]
        elif grant.ssh_key is not None:
            whos = [grant.ssh_key, _device(grant)]
        else:
            whos = [grant.account or _device(grant)]
        for who in whos:
            here = self._rooms.get(grant.room, {})
            if who not in here:
                self._check_room_for_one(grant.room, len(here))
            await self._put(Ban(grant.room, who, name, until))

    async def lift(self, room: str, who: str) -> None:
        """Let somebody in again; see `Access.unban`."""
        found = [ban.who for ban in self.listed(room) if who in (ban.who, ban.name)]
        if not found:
            raise CollabError(
                f"nobody called {who!r} is kept out of {room}; `collab admin bans` lists who is"
            )
        for each in found:
            await self._lift(room, each)

    def listed(self, room: str | None = None) -> list[Ban]:
        """Return who is kept out of `room`, or of any."""
        now = self._now()
        rooms = self._rooms.values() if room is None else [self._rooms.get(room, {})]
        return [ban for bans in rooms for ban in bans.values() if ban.until > now]

    async def set_closed(self, room: str, is_closed: bool) -> None:
        """Let only admins into `room`, or everybody again who may come in."""
        check_room_name(room)
        await self._committer.run(lambda store: store.set_closed(room, is_closed))
        if is_closed:
            self._closed.add(room)
        else:
            self._closed.discard(room)

    def is_closed(self, room: str) -> bool:
        """Return whether only admins may come into `room`."""
        return room in self._closed

    def has_ended(self, before: float) -> bool:
        """Return whether there are bans that ended before then."""
        return any(ban.until < before for here in self._rooms.values() for ban in here.values())

    def drop_ended(self, before: float) -> None:
        """Forget the bans that ended before then, which are gone from the store."""
        for room, here in list(self._rooms.items()):
            kept = {who: ban for who, ban in here.items() if ban.until >= before}
            self._keep(room, kept)

    def drop_room(self, room: str) -> None:
        """Forget all about a room, which is gone from the store."""
        self._rooms.pop(room, None)
        self._closed.discard(room)

    def _why_banned(self, room: str, whos: Iterable[str]) -> Denied | None:
        until = self._banned_until(room, whos)
        if until is None:
            return None
        return Denied(f"you are kept out of {room} until {date(until)}", is_ban=True)

    def _banned_until(self, room: str, whos: Iterable[str]) -> float | None:
        here = self._rooms.get(room, {})
        until = max((ban.until for who in whos if (ban := here.get(who)) is not None), default=0.0)
        return until if until > self._now() else None

    def _check_room_for_one(self, room: str, here: int) -> None:
        if here >= _PER_ROOM:
            raise CollabError(f"{room} has {_PER_ROOM} bans already: lift some, or close the room")
        if sum(map(len, self._rooms.values())) >= _IN_ALL:
            raise CollabError(f"this server has {_IN_ALL} bans already: lift some, or close the room")

    async def _put(self, ban: Ban) -> None:
        await self._committer.run(lambda store: store.put_ban(ban))
        self._rooms.setdefault(ban.room, {})[ban.who] = ban

    async def _lift(self, room: str, who: str) -> None:
        await self._committer.run(lambda store: store.drop_ban(room, who))
        self._keep(room, {each: ban for each, ban in self._rooms.get(room, {}).items() if each != who})

    def _keep(self, room: str, bans: dict[str, Ban]) -> None:
        if bans:
            self._rooms[room] = bans
        else:
            self._rooms.pop(room, None)


def _invite(invite_id: str) -> str:
    return f"invite:{invite_id}"


def _device(grant: Grant) -> str:
    return f"device:{grant.device_hash.hex()}"
