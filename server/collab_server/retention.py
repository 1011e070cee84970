"""When history goes: once an hour, or when an operator asks. Nobody waits for it for long.

What may go is found out on a thread of its own, by a connection that only reads. What goes, goes through the
store's thread in small transactions, with time for others in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from collab_protocol.errors import CollabError, StoreError
from collab_protocol.names import check_room_name
from collab_server.committer import Committer
from collab_server.config import HistoryLimits, ServerConfig
from collab_server.log_fields import about, without_name
from collab_server.slices import in_slices
from collab_server.store.base import Store, StoreTrouble
from collab_server.store.retention import Grounds, Plan, RoomChanged, find_grounds, plan, reads_back
from collab_server.store.verifying import reading, room_names

if TYPE_CHECKING:
    from collab_server.asked import Asked
    from collab_server.office.office import Does

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_EVERY_S: Final = 3600.0

_WORTH_ROWS: Final = 200
_WORTH_BYTES: Final = 64 * 1024
_WORTH_S: Final = 86_400.0
"""A room is looked into when so much may go, or when something may go for so long: each time costs a load."""

_TRANSACTION_S: Final = 0.01
"""How long others' commits may wait for one step."""

_ROWS_AT_FIRST: Final = 16
_ROWS_MOST: Final = 2000
_PAGES_AT_FIRST: Final = 16
_PAGES_MOST: Final = 1024
_REST_S: Final = 0.02
"""Between two steps: the store's thread is others' meanwhile."""

_SLICE_S: Final = 0.002
"""How long a log is replayed before the loop gets the interpreter for as long."""

_TRIES: Final = 3
"""A room in use may get new snapshots between finding out what may go and its going."""

_JUMP_S: Final = 3600.0
_JUMP_HELD_S: Final = 86_400.0
"""So far ahead of where it should be, the clock may be wrong: no history goes by its age for so long."""


_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux' monotonic clock stands still while the machine sleeps (clock_gettime(2)), and that is no jump."""


def _passed_s() -> float:
    return time.clock_gettime(_BOOT_CLOCK)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What went from a room, or would; `why` says why not all of it did."""

    plan: Plan
    rows: int
    row_bytes: int
    why: str = ""


class Clock:
    """The time, doubted: a clock that was set wrong would make all history look old."""

    def __init__(self, now: Callable[[], float], monotonic: Callable[[], float]) -> None:
        """`now` gives UTC seconds, `monotonic` those that no one sets."""
        self._now = now
        self._monotonic = monotonic
        self._lead_s = now() - monotonic()
        self._held_until: float | None = None
        self._held_lead_s = 0.0

    def doubt(self, since: float) -> None:
        """Take the clock for ahead by what it says has passed `since` (UTC seconds)."""
        self._lead_s = min(self._lead_s, since - self._monotonic())

    def trusted(self) -> float | None:
        """Return UTC seconds; None while the clock is ahead of what passed, and may be set right yet."""
        lead_s = self._now() - self._monotonic()
        if lead_s - self._lead_s <= _JUMP_S:
            self._lead_s = min(lead_s, self._lead_s)  # set back: then it may be ahead again later
            self._held_until = None
            return self._now()
        if self._held_until is None or lead_s - self._held_lead_s > _JUMP_S:
            # Set ahead once more, it gets another day: that it was right before says nothing of now.
            self._held_until = self._monotonic() + _JUMP_HELD_S
            self._held_lead_s = lead_s
            _log.warning(
                "the clock is %.0f hours ahead of what is known to have passed: no history goes by its"
                " age for a day",
                (lead_s - self._lead_s) / 3600,
            )
        if self._monotonic() < self._held_until:
            return None
        self._lead_s, self._held_until = lead_s, None
        return self._now()


class Retention:
    """Lets go of history that is older or larger than it may be."""

    def __init__(
        self,
        config: ServerConfig,
        committer: Committer,
        *,
        may_rewrite: bool = False,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = _passed_s,
        every_s: float = _EVERY_S,
    ) -> None:
        """With `may_rewrite` nobody waits for the store: its file may be written anew to become smaller."""
        self._limits = config.history
        self._path = None if config.memory else config.data_dir / "rooms.sqlite3"
        self._committer = committer
        self._may_rewrite = may_rewrite
        self._now = now
        self._clock = Clock(now, monotonic)
        self._every_s = every_s
        self._one_at_a_time = asyncio.Lock()
        self._is_stopping = threading.Event()
        self._has_looked = False

    def requests(self) -> dict[str, Does]:
        """Return what the office may be asked for."""
        return {"compact": self._compact}

    async def run(self) -> None:
        """Look once an hour, from now on, until cancelled; what is under way then ends, too."""
        try:
            while True:
                if self._path is not None and self._limits != HistoryLimits():
                    await self._look()
                await asyncio.sleep(self._every_s)
        finally:
            self._is_stopping.set()

    async def tidy(
        self,
        limits: HistoryLimits,
        *,
        rooms: Sequence[str] | None = None,
        only_worthwhile: bool = False,
        now: float | None = None,
        is_dry: bool = False,
    ) -> list[Outcome]:
        """Remove what is beyond `limits`, of these rooms or of all; returns what went, room by room.

        With `is_dry` nothing is removed, and it is what would go. Without `now` (UTC seconds) none goes by
        its age.

        Raises:
            StoreError: the store cannot be read or written; what went is gone, the rest is there.
        """
        before = None if limits.age_s is None or now is None else now - limits.age_s
        find = functools.partial(
            self._plan,
            rooms=rooms,
            before=before,
            size_bytes=limits.size_bytes,
            only_worthwhile=only_worthwhile,
        )
        if is_dry:  # and so waits for nobody, who may be at it for an hour
            return await self._on_thread(
                lambda path: [Outcome(each, each.rows, each.row_bytes) for each in find(path)]
            )
        async with self._one_at_a_time:
            plans = await self._on_thread(find)
            outcomes = [await self._tidy_room(each, before, limits.size_bytes) for each in plans]
            if any(outcome.rows for outcome in outcomes):
                await self._give_back()
            return outcomes

    async def _look(self) -> None:
        """Do what is due; whatever goes wrong, the server goes on, and it is tried again in an hour."""
        try:
            await self._doubt_clock()
            await self.tidy(self._limits, only_worthwhile=True, now=self._clock.trusted())
        except StoreError as error:
            _log.warning("history stays as it is for now: %s", error)
        except Exception:
            _log.exception("history stays as it is for now")

    async def _doubt_clock(self) -> None:
        """Take the clock at first for wrong when by it all history is to go: it may be, since the start."""
        if self._has_looked or self._limits.age_s is None:
            return
        newest = await self._on_thread(_newest_at)
        if newest is not None and newest < self._now() - self._limits.age_s:
            self._clock.doubt(newest)
        self._has_looked = True

    async def _compact(self, asked: Asked) -> dict[str, Any]:
        limits = HistoryLimits(asked.number("older_s"), _whole(asked.number("larger_bytes")))
        if limits == HistoryLimits():
            limits = self._limits
        if limits == HistoryLimits():
            raise CollabError(
                "nothing says which history may go: add --older TIME or --larger SIZE, or set"
                " history_age or history_size in the config of the server"
            )
        if any(limit is not None and limit < 0 for limit in (limits.age_s, limits.size_bytes)):
            raise CollabError("no time and no size is less than nothing")
        if self._path is None:
            raise CollabError("this server keeps nothing on disk: there is no history to remove")
        is_dry = asked.flag("dry_run")
        rooms = _rooms(asked)
        before = await self._on_thread(_sizes)
        outcomes = await self.tidy(limits, rooms=rooms, now=self._now(), is_dry=is_dry)
        after = before if is_dry else await self._on_thread(_sizes)
        told: list[dict[str, Any]] = []
        async for some in in_slices(outcomes):
            told += map(_told, some)
        return {
            "dry_run": is_dry,
            "older_s": limits.age_s,
            "larger_bytes": limits.size_bytes,
            "rooms": told,
            "file_bytes_before": before[0],
            "file_bytes": after[0],
            "free_bytes": after[1],
        }

    async def _tidy_room(self, first: Plan, before: float | None, size_bytes: int | None) -> Outcome:
        room, rows, row_bytes, why = first.room, 0, 0, ""
        due: Plan | None = first
        for _ in range(_TRIES):
            if due is None:
                break
            try:
                gone, more_bytes, is_done = await self._trim(due)
            except StoreTrouble:
                raise
            except RoomChanged:
                gone, more_bytes, is_done = 0, 0, False
            except StoreError as error:
                why = str(error)
                _log.warning("its history stays: %s", without_name(error, room), extra=about(room=room))
                break
            rows, row_bytes = rows + gone, row_bytes + more_bytes
            if is_done:
                break
            due = await self._on_thread(lambda path: self._plan_one(path, room, before, size_bytes))
        else:
            why = "it is being written to: the rest goes next time"
        if rows:
            _log.info(
                "%d rows of history went, of %d bytes, written from %s to %s",
                rows,
                row_bytes,
                _utc(first.oldest_at),
                _utc(first.newest_at),
                extra=about(room=room),
            )
        return Outcome(first, rows, row_bytes, why)

    async def _trim(self, due: Plan) -> tuple[int, int, bool]:
        """Do a plan; returns how many rows went, their bytes, and whether it was all. Raises: StoreError."""
        grounds = await self._on_thread(lambda path: self._find_grounds(path, due))
        if grounds.new and not await self._committer.run(lambda store: store.keep_snapshots(grounds)):
            return 0, 0, False
        if not await self._on_thread(lambda path: _reads_back(path, grounds)):
            return 0, 0, False
        rows, row_bytes, most = 0, 0, _ROWS_AT_FIRST
        while True:
            took_s, gone = await self._timed(functools.partial(_trim_log, grounds=grounds, most=most))
            if gone is None:
                return rows, row_bytes, False
            if gone == (0, 0):
                return rows, row_bytes, True
            rows, row_bytes = rows + gone[0], row_bytes + gone[1]
            most = _next_step(most, took_s, _ROWS_MOST)
            await self._rest()

    async def _give_back(self) -> None:
        """Make the file smaller by what went, page by page; all at once where nobody waits."""
        if self._may_rewrite:
            try:
                await self._committer.run(lambda store: store.scrub())
            except StoreError as error:
                _log.warning("the file stays as large as it is: %s", error)
            return
        pages, before = _PAGES_AT_FIRST, None
        while True:
            took_s, left = await self._timed(functools.partial(_give_back, pages=pages))
            if not left or (before is not None and left >= before):
                return
            before = left
            pages = _next_step(pages, took_s, _PAGES_MOST)
            await self._rest()

    async def _rest(self) -> None:
        self._check_going_on()
        await asyncio.sleep(0 if self._may_rewrite else _REST_S)

    async def _timed(self, call: Callable[[Store], _Result]) -> tuple[float, _Result]:
        """Call the store on its thread; returns how long that took it, too."""

        def timed(store: Store) -> tuple[float, _Result]:
            begun_at = time.monotonic()
            result = call(store)
            return time.monotonic() - begun_at, result

        return await self._committer.run(timed)

    async def _on_thread(self, call: Callable[[Path], _Result]) -> _Result:
        """Read the file on a thread beside the loop's and the store's. Raises: StoreError."""
        if self._path is None:
            raise StoreError("this server keeps nothing on disk")
        path = self._path
        return await asyncio.to_thread(call, path)

    def _plan(
        self,
        path: Path,
        *,
        rooms: Sequence[str] | None,
        before: float | None,
        size_bytes: int | None,
        only_worthwhile: bool,
    ) -> list[Plan]:
        pause = self._pauses()
        plans: list[Plan] = []
        with reading(path) as db:
            names = room_names(db)
            for room in rooms or ():
                if room not in names:
                    raise StoreError(f"there is no room {room}")
            for room in names if rooms is None else rooms:
                found = plan(db, room, before=before, size_bytes=size_bytes)
                if found is not None and (not only_worthwhile or _is_worthwhile(found, before)):
                    plans.append(found)
                pause()
        return plans

    def _plan_one(self, path: Path, room: str, before: float | None, size_bytes: int | None) -> Plan | None:
        with reading(path) as db:
            return plan(db, room, before=before, size_bytes=size_bytes)

    def _find_grounds(self, path: Path, due: Plan) -> Grounds:
        with reading(path) as db:
            return find_grounds(db, due, rest=self._pauses())

    def _pauses(self) -> Callable[[], None]:
        """Return what to call often: it waits a little now and then, and ends the work when that is over.

        Raises (what is returned):
            StoreError: the server is stopping.
        """
        begun_at = time.monotonic()

        def pause() -> None:
            nonlocal begun_at
            if time.monotonic() - begun_at >= _SLICE_S:
                self._check_going_on()
                if not self._may_rewrite:
                    time.sleep(_SLICE_S)
                begun_at = time.monotonic()

        return pause

    def _check_going_on(self) -> None:
        if self._is_stopping.is_set():
            raise StoreTrouble("the server is stopping", "the server is stopping")


def _is_worthwhile(each: Plan, before: float | None) -> bool:
    is_due = before is not None and each.oldest_at < before - _WORTH_S
    return each.rows >= _WORTH_ROWS or each.row_bytes >= _WORTH_BYTES or is_due


def _next_step(size: int, took_s: float, most: int) -> int:
    """Return how much to do next, when so much took so long."""
    if took_s > _TRANSACTION_S:
        return max(1, size // 2)
    return min(most, size * 2) if took_s < _TRANSACTION_S / 3 else size


def _trim_log(store: Store, *, grounds: Grounds, most: int) -> tuple[int, int] | None:
    return store.trim_log(grounds, most)


def _give_back(store: Store, *, pages: int) -> int:
    return store.give_back(pages)


def _reads_back(path: Path, grounds: Grounds) -> bool:
    with reading(path) as db:
        return reads_back(db, grounds)


def _newest_at(path: Path) -> float | None:
    """Return when the newest row was written; None when there is none. O(rows)."""
    with reading(path) as db:
        newest: float | None = db.execute("SELECT max(at) FROM row").fetchone()[0]
    return newest


def _sizes(path: Path) -> tuple[int, int]:
    """Return how large the file is, and how much of it nothing is in, in bytes."""
    with reading(path) as db:
        page, pages, free = (
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
    return page * pages, page * free


def _rooms(asked: Asked) -> list[str] | None:
    names = asked.texts("rooms")
    return None if names is None else [check_room_name(name) for name in names]


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _told(outcome: Outcome) -> dict[str, Any]:
    plan = outcome.plan
    return {
        "room": plan.room,
        "rows": outcome.rows,
        "bytes": outcome.row_bytes,
        "from": plan.oldest_at,
        "to": plan.newest_at,
        "kept_rows": plan.kept_rows + plan.rows - outcome.rows,
        "kept_bytes": plan.kept_bytes + plan.row_bytes - outcome.row_bytes,
        "why": outcome.why,
    }


def _utc(at: float) -> str:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return str(at)
