"""Which rows of a log may go, what has to be certain before they do, and their going.

Rows go only from the log's beginning, and only those that the older of the room's two snapshots stands for:
should the newer one be damaged, the text still comes from the older one and the rows after it. Before the
first row goes, both snapshots have been read, and what was in the log before and between them was replayed
and compared. Who wrote what stays: it is in the document, and in tables that are not touched.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.store.base import Snapshot
from collab_server.store.verifying import Document, at_one_moment, rows_after

_KEPT: Final = 2
"""Snapshots that a room has (`sqlite.save_snapshot`)."""

_LAST: Final = 2**63 - 1
"""The largest integer of SQLite."""

_TRIM_BYTES: Final = 256 * 1024
"""Of rows that go in one transaction: what is deleted is overwritten, some 2 ms for so much."""


class RoomChanged(StoreError):
    """The room was deleted, or its history was forgotten, since a plan was made for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows up to `upto` may go from a room's log, which stands at `seq`.

    These are `rows` of `row_bytes`, written from `oldest_at` to `newest_at` (UTC seconds).
    """

    room: str
    lineage: bytes
    seq: int
    upto: int
    rows: int
    row_bytes: int
    oldest_at: float
    newest_at: float
    kept_rows: int
    kept_bytes: int


@dataclass(frozen=True, slots=True)
class Grounds:
    """What makes it safe to do a plan: snapshots to make, and the SHA-256 of all that are sure by position.

    `seen` has those that were there when it was found out.
    """

    plan: Plan
    new: tuple[Snapshot, ...]
    sure: Mapping[int, bytes]
    seen: Mapping[int, bytes]


def plan(db: sqlite3.Connection, room: str, *, before: float | None, size_bytes: int | None) -> Plan | None:
    """Return what of a room's log is older than `before`, or beyond `size_bytes`; None for nothing.

    The newest row always stays. A row that is newer, or says so, keeps all that came after it.
    """
    with at_one_moment(db):
        found = db.execute("SELECT lineage FROM room WHERE name = ?", (room,)).fetchone()
        newest = db.execute(
            "SELECT last FROM row WHERE room = ? ORDER BY first DESC LIMIT 2", (room,)
        ).fetchall()
        if found is None or len(newest) < 2:
            return None
        (seq,), (most,) = newest
        upto = min(most, max(_older(db, room, before), _beyond(db, room, size_bytes)))
        rows, row_bytes, oldest_at, newest_at = db.execute(
            "SELECT count(*), sum(length(data)), min(at), max(at) FROM row WHERE room = ? AND last <= ?",
            (room, upto),
        ).fetchone()
        if not rows:
            return None
        kept_rows, kept_bytes = db.execute(
            "SELECT count(*), sum(length(data)) FROM row WHERE room = ? AND last > ?", (room, upto)
        ).fetchone()
    return Plan(room, found[0], seq, upto, rows, row_bytes, oldest_at, newest_at, kept_rows, kept_bytes)


def find_grounds(db: sqlite3.Connection, plan: Plan, *, rest: Callable[[], None] = lambda: None) -> Grounds:
    """Read what would be left, compare it with what would go, and make the snapshots that are lacking.

    Writes nothing. `rest` is called after each row. Costs a replay of the log, O(rows), the first time; later
    there is nothing before the older snapshot to compare it with.

    Raises:
        RoomChanged: it is not the room of the plan any more.
        StoreError: it is not certain that all would be left; nothing may go.
    """
    try:
        return _find_grounds(db, plan, rest)
    except StoreError as error:
        if not _is_same(db, plan):
            raise RoomChanged(f"room {plan.room} is another by now") from error
        raise


def keep_snapshots(db: sqlite3.Connection, grounds: Grounds) -> bool:
    """Keep the snapshots of `grounds`, within a transaction of the caller's.

    Returns False, and keeps none, when the room is another by now, or has other snapshots.
    """
    room = grounds.plan.room
    if not _is_same(db, grounds.plan) or dict(_snapshots(db, room)) != grounds.seen:
        return False
    for snapshot in grounds.new:
        db.execute(
            "INSERT INTO snapshot VALUES (?, ?, ?, ?)",
            (room, snapshot.covered, snapshot.data, grounds.sure[snapshot.covered]),
        )
    db.execute(
        "DELETE FROM snapshot WHERE room = ? AND covered NOT IN"
        " (SELECT covered FROM snapshot WHERE room = ? ORDER BY covered DESC LIMIT ?)",
        (room, room, _KEPT),
    )
    return True


def reads_back(db: sqlite3.Connection, grounds: Grounds) -> bool:
    """Return whether the snapshots that rows may go for are on disk as they were checked. O(snapshots)."""
    found = db.execute(
        "SELECT covered, CAST(data AS BLOB) FROM snapshot WHERE room = ? ORDER BY covered DESC LIMIT ?",
        (grounds.plan.room, _KEPT),
    ).fetchall()
    return len(found) == _KEPT and all(
        grounds.sure.get(covered) == hashlib.sha256(data).digest() for covered, data in found
    )


def trim(db: sqlite3.Connection, grounds: Grounds, most_rows: int) -> tuple[int, int] | None:
    """Remove some of the oldest rows that may go, within a transaction of the caller's.

    Returns how many, and their bytes: (0, 0) when all are gone; None when they may not go any more, since
    the room is another by now, or its older snapshot is.
    """
    plan = grounds.plan
    newest = _snapshots(db, plan.room)[:_KEPT]
    if not _is_same(db, plan) or len(newest) < _KEPT:
        return None
    older, digest = newest[1]
    if older < plan.upto or grounds.sure.get(older) != digest:
        return None
    found = db.execute(
        "SELECT first, length(data) FROM row WHERE room = ? AND last <= ? ORDER BY first LIMIT ?",
        (plan.room, plan.upto, most_rows),
    ).fetchall()
    count, size = 0, 0
    for _, length in found:
        if count and size + length > _TRIM_BYTES:
            break
        count, size = count + 1, size + length
    if count:
        db.execute(
            "DELETE FROM row WHERE room = ? AND first BETWEEN ? AND ?",
            (plan.room, found[0][0], found[count - 1][0]),
        )
    return count, size


def _find_grounds(db: sqlite3.Connection, plan: Plan, rest: Callable[[], None]) -> Grounds:
    room = plan.room
    with at_one_moment(db):
        if not _is_same(db, plan):
            raise StoreError("it is another room")
        stored = db.execute(
            "SELECT covered, CAST(data AS BLOB), sha256 FROM snapshot WHERE room = ? ORDER BY covered",
            (room,),
        ).fetchall()
        begins = db.execute("SELECT min(first) FROM row WHERE room = ?", (room,)).fetchone()[0]
    for covered, data, digest in stored:
        if hashlib.sha256(data).digest() != digest:
            raise StoreError(f"its snapshot at {covered} is damaged")
    there = {covered: data for covered, data, _ in stored}
    is_whole = begins == 1
    if not is_whole and not any(covered >= begins - 1 for covered in there):
        raise StoreError(f"its log begins at {begins}, and no snapshot has what was before")
    base = 0 if is_whole else min(covered for covered in there if covered >= begins - 1)
    if any(covered < base for covered in there):
        raise StoreError(f"its log lacks what came after the snapshot at {min(there)}")
    made = _replay(db, plan, base, there, _lacking(plan, base, sorted(there)), rest)
    whole = there | {snapshot.covered: snapshot.data for snapshot in made}
    sure = {covered: hashlib.sha256(data).digest() for covered, data in whole.items()}
    return Grounds(plan, made, sure, {covered: digest for covered, _, digest in stored})


def _older(db: sqlite3.Connection, room: str, before: float | None) -> int:
    """Return the last position before which all rows are older."""
    if before is None:
        return 0
    # The first that is found ends the search: mostly it is the first of all.
    kept = db.execute(
        "SELECT first FROM row WHERE room = ? AND at >= ? ORDER BY first LIMIT 1", (room, before)
    ).fetchone()
    upto = db.execute(
        "SELECT last FROM row WHERE room = ? AND first < ? ORDER BY first DESC LIMIT 1",
        (room, _LAST if kept is None else kept[0]),
    ).fetchone()
    return 0 if upto is None else upto[0]


def _beyond(db: sqlite3.Connection, room: str, size_bytes: int | None) -> int:
    """Return the position after which the rows are of that size or less."""
    if size_bytes is None:
        return 0
    upto = db.execute(
        "SELECT max(last) FROM (SELECT last, sum(length(data)) OVER (ORDER BY first DESC) AS size FROM row"
        " WHERE room = ?) WHERE size > ?",
        (room, size_bytes),
    ).fetchone()[0]
    return upto or 0


def _lacking(plan: Plan, base: int, there: Sequence[int]) -> list[int]:
    """Return where to make snapshots, so that the newest two stand for all that goes.

    Raises:
        StoreError: there is no place for the second one.
    """
    good = [covered for covered in there if covered >= plan.upto]
    if len(good) >= _KEPT:
        return []
    if not good:
        return [plan.upto, plan.seq]
    [only] = good
    if only > plan.upto and base <= plan.upto:
        return [plan.upto]
    if plan.seq > only:
        return [plan.seq]
    raise StoreError("there is no second snapshot to be made yet")


def _replay(
    db: sqlite3.Connection,
    plan: Plan,
    base: int,
    there: Mapping[int, bytes],
    lacking: Sequence[int],
    rest: Callable[[], None],
) -> tuple[Snapshot, ...]:
    """Replay the log from `base` on, compare it with each snapshot, and make those that are lacking.

    Raises:
        StoreError: they do not agree.
    """
    made: list[Snapshot] = []
    to_meet = {covered for covered in (*there, *lacking) if covered > base}
    with Document(there.get(base)) as document:
        end, reached = max(plan.seq, *to_meet, 0), base
        for first, last, data in rows_after(db, plan.room, base):
            if last > end:
                break
            # What is missing may be a deletion, which nothing rests on: only the numbers tell.
            if first != reached + 1:
                raise StoreError(f"its log lacks what lay between {reached} and {first}")
            reached = last
            try:
                document.apply(data)
            except StoreError as error:
                raise StoreError(f"row {first}: {error}") from error
            if last in to_meet:
                to_meet.remove(last)
                if last in lacking:
                    made.append(document.snapshot(last))
                else:
                    with Document(there[last]) as copy:
                        if copy.state() != document.state():
                            raise StoreError(f"its snapshot at {last} has another text than its log")
            rest()
    if to_meet or reached < plan.seq:
        raise StoreError(f"its log ends at {reached}, before {max(plan.seq, *to_meet, 0)}")
    return tuple(made)


def _is_same(db: sqlite3.Connection, plan: Plan) -> bool:
    found = db.execute("SELECT lineage FROM room WHERE name = ?", (plan.room,)).fetchone()
    return found is not None and found[0] == plan.lineage


def _snapshots(db: sqlite3.Connection, room: str) -> list[tuple[int, bytes]]:
    """Return position and SHA-256 of a room's snapshots, the newest first."""
    return db.execute(
        "SELECT covered, sha256 FROM snapshot WHERE room = ? ORDER BY covered DESC", (room,)
    ).fetchall()
