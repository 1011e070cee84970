"""Requests about rooms: listed, closed and opened, deleted, forgotten."""

from __future__ import annotations

from typing import Any, Final

from collab_server.access import Access
from collab_server.asked import Asked
from collab_server.config import ServerConfig
from collab_server.log_fields import room_id
from collab_server.office.sessions import Sessions
from collab_server.registry import Registry
from collab_server.store.migrations import list_backups
from collab_server.store.restoring import stores_set_aside

_PAGE: Final = 500
"""Rooms in one answer: it is made in some 2 ms, during which nobody else is served."""


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
        loaded = {opened.room.name: opened.room for opened in self._registry.loaded}
        here: dict[str, list[str]] = {}
        for session in self._sessions.seated():
            if session.person is not None:
                here.setdefault(session.room_name, []).append(session.person.principal)
        listed = []
        for size in sizes:
            room = loaded.get(size.name)
            listed.append(
                {
                    "room": size.name,
                    "id": room_id(size.name),
                    "people": len(set(here.get(size.name, ()))),
                    "connections": len(here.get(size.name, ())),
                    "loaded": room is not None,
                    "rows": size.rows,
                    "bytes": size.size_bytes,
                    "text_bytes": None if room is None else room.size_bytes,
                    "seq": size.seq if room is None else max(room.seq, size.seq),
                    "created": size.created,
                    "changed": size.changed,
                    "closed": self._access.is_closed(size.name),
                }
            )
        return {"rooms": listed, "more": len(listed) == _PAGE}

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
