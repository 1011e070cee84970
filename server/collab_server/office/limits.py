"""Requests about limits: how much of everything the server takes on, what of it is in use; changed at once.

What is changed lasts until the server ends. Whoever is beyond a limit that was lowered stays; nobody new
comes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from collab_protocol.errors import CollabError
from collab_server.admission import Admission
from collab_server.allowance import Budget, Holdings
from collab_server.asked import Asked
from collab_server.config import Caps, ServerConfig
from collab_server.registry import Registry
from collab_server.slices import in_slices

_log = logging.getLogger(__name__)

_MANY: Final = 10_000_000
_LEAST_RATE_BYTES: Final = 64 * 1024
"""Two Parts of a large message a second: with less nobody could join."""

_MOST_BYTES: Final = 1024**4
_MOST_ROOM_BYTES: Final = 32 * 1024**2
"""Half of what its encoding may take (collab_protocol.limits.ENCODED_BYTES), which keeps what was deleted."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit by the name that its setting has: where it is kept, and what it may be."""

    field: str
    least: int = 1
    most: int = _MANY


_ROOM_BYTES: Final = "room_bytes"

_LIMITS: Final = {
    "connections": _Limit("connections"),
    "connections_per_address": _Limit("connections_per_address"),
    "connections_per_room": _Limit("connections_per_room"),
    "accept_rate": _Limit("accepts_per_s"),
    "rooms": _Limit("rooms"),
    "loaded_rooms": _Limit("loaded_rooms"),
    "rooms_per_day": _Limit("rooms_per_day"),
    "messages_per_second": _Limit("messages_per_s"),
    "bytes_per_second": _Limit("bytes_per_s", least=_LEAST_RATE_BYTES, most=_MOST_BYTES),
    _ROOM_BYTES: _Limit("text_bytes", least=1024, most=_MOST_ROOM_BYTES),
    "reassembly_bytes": _Limit("reassembly_bytes", least=1024**2, most=_MOST_BYTES),
    "large_bytes": _Limit("large_bytes", least=1024**2, most=_MOST_BYTES),
}


class LimitDesk:
    """Tells limits and sets them, everywhere where they are heeded."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        registry: Registry,
        admission: Admission,
        reassembly: Budget,
        holdings: Holdings,
        on_change: Callable[[Caps], None],
    ) -> None:
        """`on_change` hears of what concerns those who are connected."""
        self._caps = config.caps
        self._room_limits = config.room_limits
        self._registry = registry
        self._admission = admission
        self._reassembly = reassembly
        self._holdings = holdings
        self._on_change = on_change

    async def limits(self, asked: Asked) -> dict[str, Any]:
        """Tell all limits as {"limit", "in_use", "before"} by name, after setting those in "set".

        `in_use` is of the fullest where there are several, as for rooms; null where nothing is counted.
        """
        before = self._now()
        wanted = asked.numbers("set")
        for name, value in wanted.items():
            _check(name, value)
        if wanted:
            self._set({name: int(value) for name, value in wanted.items()})
        in_use = await self._in_use()
        return {
            "limits": {
                name: {"limit": limit, "in_use": in_use.get(name), "before": before[name]}
                for name, limit in self._now().items()
            }
        }

    def _now(self) -> dict[str, int]:
        return {
            name: int(getattr(self._room_limits if name == _ROOM_BYTES else self._caps, limit.field))
            for name, limit in _LIMITS.items()
        }

    def _set(self, wanted: dict[str, int]) -> None:
        changed = {_LIMITS[name].field: value for name, value in wanted.items() if name != _ROOM_BYTES}
        self._caps = replace(self._caps, **changed)
        if _ROOM_BYTES in wanted:
            self._room_limits = replace(self._room_limits, text_bytes=wanted[_ROOM_BYTES])
        self._registry.change_limits(self._caps, self._room_limits)
        self._admission.change_caps(self._caps)
        self._on_change(self._caps)
        _log.info("limits were set: %s", ", ".join(f"{name} = {value}" for name, value in wanted.items()))

    async def _in_use(self) -> dict[str, int | None]:
        in_a_room = text_bytes = 0
        async for some in in_slices(self._registry.loaded):
            rooms = [opened.room for opened in some if self._registry.has(opened)]
            in_a_room = max(in_a_room, *(room.connections for room in rooms), 0)
            text_bytes = max(text_bytes, *(room.size_bytes for room in rooms), 0)
        return {
            "connections": self._admission.people,
            "connections_per_address": self._admission.most_of_an_address,
            "connections_per_room": in_a_room,
            "rooms": self._registry.stored,
            "loaded_rooms": len(self._registry.loaded),
            _ROOM_BYTES: text_bytes,
            "reassembly_bytes": self._reassembly.used,
            "large_bytes": self._holdings.used,
        }


def _check(name: str, value: float) -> None:
    limit = _LIMITS.get(name)
    if limit is None:
        raise CollabError(f"there is no limit {name!r}: there are {', '.join(_LIMITS)}")
    if value != int(value) or not limit.least <= value <= limit.most:
        raise CollabError(f"{name} has to be a whole number from {limit.least} to {limit.most}")
