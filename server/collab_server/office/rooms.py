"""Requests about rooms: listed, closed and opened, deleted, forgotten."""

from __future__ import annotations

from typing import Any, Final

from collab_server.access import Access
from collab_server.asked import Asked
from collab_server.config import ServerConfig
from collab_server.log_fields import room_id
from collab_server.office.sessions import Sessions
from collab_server.registry import Registry
from collab_server.slices import in_slices
from collab_server.store.base import StoredSize
from collab_server.store.migrations import list_backups
from collab_server.store.restoring import stores_set_aside

_PAGE: Final = 500
"""Rooms in one answer."""


class RoomDesk:
    """Lists rooms, closes and opens them, and erases what is in them."""

    def __init__(self, config: ServerConfig, registry: Registry, access: Access, sessions: Sessions) -> None:
        self._config = config
        self._registry = registry
        self._access = access
        self._sessions = sessions

    async def rooms(self, asked: Asked) -> dict[str, Any]:
        """List stored rooms in the order of their names, those after "after"; "more" says whether there are.

        What a loaded room knows better than the disk is as it is now.
        """
        after = asked.text("after", "")
        sizes = await self._registry.survey(after, _PAGE)
        here: dict[str, list[str]] = {size.name: [] for size in sizes}
        async for some in in_slices(self._sessions.connected()):
            for session in some:
                if session.room_name in here and session.person is not None:
                    here[session.room_name].append(session.person.principal)
        listed: list[dict[str, Any]] = []
        async for page in in_slices(sizes):
            listed += [self._told(size, here[size.name]) for size in page]
        return {"rooms": listed, "more": len(listed) == _PAGE}

    def _told(self, size: StoredSize, principals: list[str]) -> dict[str, Any]:
        opened = self._registry.find(size.name)
        room = None if opened is None else opened.room
        return {
            "room": size.name,
            "id": room_id(size.name),
            "people": len(set(principals)),
            "connections": len(principals),
            "loaded": room is not None,
            "rows": size.rows,
            "bytes": size.size_bytes,
            "text_bytes": None if room is None else room.size_bytes,
            "seq": size.seq if room is None else max(room.seq, size.seq),
            "created": size.created,
            "changed": size.changed,
            "closed": self._access.is_closed(size.name),
        }

    async def close(self, asked: Asked) -> dict[str, Any]:
        return {"ended": await self.set_closed(asked.room(), True)}

    async def open(self, asked: Asked) -> dict[str, Any]:
        await self.set_closed(asked.room(), False)
        return {}

    async def delete(self, asked: Asked) -> dict[str, Any]:
        try:
            return {"deleted": await self._registry.delete(asked.room()), "backups": self._backups()}
        finally:
            # Its invites went with it, and with them whoever was let in meanwhile.
            self._sessions.end_those_over()

    async def forget(self, asked: Asked) -> dict[str, Any]:
        text_bytes = await self._registry.forget(asked.room())
        return {"text_bytes": text_bytes, "backups": self._backups()}

    async def set_closed(self, room: str, is_closed: bool) -> int:
        """Close or open a room; returns how many had to leave."""
        if not is_closed:
            await self._access.open_room(room)
            return 0
        await self._access.close_room(room)
        return self._sessions.end_those_over(room)

    def _backups(self) -> list[str]:
        """Return the copies of older formats that still hold what was erased from the store."""
        if self._config.memory:
            return []
        folder = self._config.data_dir
        return [str(path) for path in (*list_backups(folder / "rooms.sqlite3"), *stores_set_aside(folder))]
