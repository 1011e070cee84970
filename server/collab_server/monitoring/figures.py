"""A server's figures at one moment: gathered in slices, so that asking for them stops nobody."""

from __future__ import annotations

import asyncio
import heapq
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from collab_server.admission import Admission
from collab_server.asked import Asked
from collab_server.config import ServerConfig
from collab_server.connection import Connection
from collab_server.listener import Listener
from collab_server.log_fields import room_id
from collab_server.meters import Meters, Way
from collab_server.monitoring.catalogue import METRICS, Kind, Value
from collab_server.monitoring.health import Health
from collab_server.monitoring.stalls import Recent, Stalls
from collab_server.open_room import OpenRoom
from collab_server.registry import Registry
from collab_server.slices import in_slices

_ROOMS_MOST: Final = 500
"""Rooms that an operator is told of at once."""

_BUSY_S: Final = 10.0
"""Which rooms are busy is found out from what they did since at least so long ago."""

_DISK_MOST_S: Final = 1.0
"""A disk that does not say by then how full it is, is told of as it was."""


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the store's files, and bytes free beside them; None where there is no file, or not known."""

    store_bytes: int | None = None
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is at one moment; what was counted until then is in `meters`."""

    meters: Meters
    version: str
    connections: dict[Way, int]
    pending: int
    sessions: int
    people: int
    rooms_loaded: int
    rooms_stored: int | None
    unsettled_s: float
    reassembly_bytes: int
    holding_bytes: int
    is_ready: bool
    is_storing: bool
    disk: Disk
    here: dict[str, int] = field(default_factory=dict)
    lagging: dict[str, int] = field(default_factory=dict)
    principals: dict[str, int] = field(default_factory=dict)


class Figures:
    """Gathers what a server tells about itself."""

    def __init__(
        self,
        config: ServerConfig,
        meters: Meters,
        registry: Registry,
        listener: Listener,
        admission: Admission,
        health: Health,
        stalls: Stalls,
    ) -> None:
        self._config = config
        self._meters = meters
        self._registry = registry
        self._listener = listener
        self._admission = admission
        self._health = health
        self._stalls = stalls
        self._started, self._started_at = time.time(), time.monotonic()
        self._disk = Disk()
        self._asking_disk: asyncio.Task[None] | None = None
        self._before: tuple[float, dict[str, int]] = (0.0, {})
        self._busy: dict[str, int] = {}

    async def survey(self) -> Survey:
        """Return what there is now."""
        await self._ask_disk()
        here, lagging, principals, people = await self._look_at_connections()
        unsettled_s, sessions = 0.0, 0
        rooms = list(self._registry.loaded)
        async for some in in_slices(rooms):
            for opened in some:
                sessions += opened.room.connections
                unsettled_s = max(unsettled_s, opened.room.waits_s())
        return Survey(
            meters=self._meters,
            version=self._config.version,
            connections=dict(self._listener.open),
            pending=self._admission.pending,
            sessions=sessions,
            people=people,
            rooms_loaded=len(rooms),
            rooms_stored=self._registry.stored,
            unsettled_s=unsettled_s,
            reassembly_bytes=self._listener.reassembly.used,
            holding_bytes=self._listener.holdings.used,
            is_ready=not self._health.why_not_ready(),
            is_storing=not self._registry.trouble,
            disk=self._disk,
            here=here,
            lagging=lagging,
            principals=principals,
        )

    async def answer(self, _: Asked) -> dict[str, Any]:
        """Answer an operator who asks for "figures": what there is, and totals to make rates of."""
        survey, stalls = await self.survey(), self._stalls
        return {
            "version": self._config.version,
            "pid": os.getpid(),
            "started": self._started,
            "now": time.time(),
            "up_s": time.monotonic() - self._started_at,
            "memory_bytes": memory_bytes(),
            "cpu_s": time.process_time(),
            "connections": sum(survey.connections.values()),
            "people": survey.people,
            "rooms_loaded": survey.rooms_loaded,
            "rooms_stored": survey.rooms_stored,
            "trouble": self._registry.trouble,
            "ready": survey.is_ready,
            "counters": {
                each.name: total(each.read(survey)) for each in METRICS if each.kind is Kind.COUNTER
            },
            "receipt_s": _quantiles(stalls.receipts),
            "commit_s": _quantiles(stalls.commits),
            "stall_s": {**_quantiles(stalls.late), "max": stalls.worst_s},
            "store_bytes": survey.disk.store_bytes,
            "free_bytes": survey.disk.free_bytes,
            "rooms": await self._tell_of_rooms(survey),
        }

    def close(self) -> None:
        """Wait for no disk any more."""
        if self._asking_disk is not None:
            self._asking_disk.cancel()

    async def _look_at_connections(self) -> tuple[Counter[str], Counter[str], dict[str, int], int]:
        """Return by room who is connected, who lags and how many people that are; and how many in all."""
        here: Counter[str] = Counter()
        lagging: Counter[str] = Counter()
        principals: dict[str, set[str]] = {}
        async for some in in_slices(self._listener.connections):
            for each in some:
                _count(each, here, lagging, principals)
        everybody = set().union(*principals.values())
        return here, lagging, {room: len(those) for room, those in principals.items()}, len(everybody)

    async def _busiest(self) -> list[OpenRoom]:
        """Return the rooms to tell of: those of the most updates of late, then those of the most people."""
        at, before = self._before
        is_due = (now := time.monotonic()) - at >= _BUSY_S
        lately = {} if is_due else self._busy
        counted: dict[str, int] = {}
        busiest: list[OpenRoom] = []

        def rank(opened: OpenRoom) -> tuple[int, int, int]:
            room = opened.room
            recent = max(lately.get(room.name, 0), room.updates - before.get(room.name, 0))
            return recent, room.connections, room.updates

        async for some in in_slices(self._registry.loaded):
            counted.update((opened.room.name, opened.room.updates) for opened in some if is_due)
            busiest = heapq.nlargest(_ROOMS_MOST, [*busiest, *some], key=rank)
        if is_due:
            self._before = (now, counted)
            self._busy = {name: updates - before.get(name, 0) for name, updates in counted.items()}
        return busiest

    async def _tell_of_rooms(self, survey: Survey) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        async for some in in_slices(await self._busiest()):
            # One that was unloaded meanwhile has no text any more.
            told += [self._told(opened, survey) for opened in some if self._registry.has(opened)]
        return told

    def _told(self, opened: OpenRoom, survey: Survey) -> dict[str, Any]:
        room = opened.room
        return {
            "room": room.name,
            "id": room_id(room.name),
            "people": survey.principals.get(room.name, 0),
            "connections": survey.here.get(room.name, 0),
            "lagging": survey.lagging.get(room.name, 0),
            "seq": room.seq,
            "text_bytes": room.size_bytes,
            "updates": room.updates,
            "bytes_in": room.bytes_in,
            "oldest_unsettled_s": room.waits_s(),
        }

    async def _ask_disk(self) -> None:
        """Ask on a thread, and not again while that waits: a disk may never answer."""
        if self._config.memory:
            return
        if self._asking_disk is None or self._asking_disk.done():
            self._asking_disk = asyncio.create_task(self._read_disk(), name="how full the disk is")
        await asyncio.wait([self._asking_disk], timeout=_DISK_MOST_S)

    async def _read_disk(self) -> None:
        self._disk = await asyncio.to_thread(read_disk, self._config.data_dir)


def read_disk(folder: Path) -> Disk:
    """Return how large the store in `folder` is, and how much space it has left."""
    sizes = []
    for name in ("rooms.sqlite3", "rooms.sqlite3-wal"):
        try:
            sizes.append((folder / name).stat().st_size)
        except OSError:
            continue
    try:
        space = os.statvfs(folder)
    except OSError:
        return Disk(sum(sizes) if sizes else None)
    return Disk(sum(sizes) if sizes else None, space.f_bavail * space.f_frsize)


def memory_bytes() -> int:
    """Return what this process holds of memory (RSS), or its most so far where only that is known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2) of each
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def total(value: Value) -> float:
    """Return what a counter has in all, whatever its labels."""
    if isinstance(value, Mapping):
        return sum(value.values())
    return value if isinstance(value, int | float) else 0


def _count(
    each: Connection, here: Counter[str], lagging: Counter[str], principals: dict[str, set[str]]
) -> None:
    person = each.person
    if person is None:
        return
    here[each.room_name] += 1
    lagging[each.room_name] += each.is_lagging
    principals.setdefault(each.room_name, set()).add(person.principal)


def _quantiles(recent: Recent) -> dict[str, float | None]:
    return {"p50": recent.quantile(0.5), "p99": recent.quantile(0.99)}
