"""What a server counts about itself: plain numbers, cheap enough for every message.

Whoever does something counts it (`meters.updates += 1`); whoever reads makes names and rates of it (see
`collab_server.monitoring`). Each number is written by one thread alone, the loop's or, where it says so, the
store's, and read by any.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from collab_protocol.errors import FaultCode

_LATENCY_S: Final = (
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05,
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Bounds for what takes a millisecond when all is well (a receipt: 0.4 to 1 ms, benchmarks/bench_server)."""

_STALL_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_ROWS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


class Way(StrEnum):
    """How a connection came."""

    UNIX = "unix"
    TCP = "tcp"


class Reason(StrEnum):
    """Why somebody was not let in."""

    ADDRESS_FULL = "address-full"
    SERVER_FULL = "server-full"
    ADDRESS_RATE = "address-rate"
    SERVER_RATE = "server-rate"
    FAILED_TRIES = "failed-tries"
    CROWDED_OUT = "crowded-out"
    ORIGIN = "origin"
    PATH = "path"
    NOT_BY_PROXY = "not-by-proxy"
    NOT_OWNER = "not-owner"
    VERSION = "version"
    DENIED = "denied"
    BANNED = "banned"
    CLOSED = "closed"
    ROOM_FULL = "room-full"
    ROOMS = "rooms"


class Drop(StrEnum):
    """Why a connection was ended that had done nothing wrong."""

    SILENT = "silent"
    STUCK = "stuck"
    TOO_SLOW = "too-slow"


class Histogram:
    """How often something was how large, in fixed buckets. One thread observes; any may read `counts`."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds`: the largest value of each bucket, ascending; one more takes what is beyond."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one `value`."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Meters:
    """All that one server counts, since it started."""

    __slots__ = (
        "bytes_received", "bytes_sent", "chat_lines", "check_matches", "check_mismatches", "commit_began",
        "commit_failures", "commit_rows", "commit_s", "connections_opened", "declined", "drops", "faults",
        "fell_behind", "hostile", "lagging", "load_failures", "load_s", "malformed", "messages_received",
        "messages_sent", "receipt_s", "receipts", "refusals", "resyncs_asked", "resyncs_sent",
        "room_breakdowns", "rows", "sessions_joined", "slowed", "snapshot_failures", "snapshots",
        "sockets_accepted", "stale", "stall_s", "stall_worst", "store_began", "unloads", "updates",
    )  # fmt: skip

    def __init__(self) -> None:
        # Connections.
        self.sockets_accepted = 0
        """TCP connections from their first byte, whatever became of them."""
        self.connections_opened = dict.fromkeys(Way, 0)
        """WebSockets whose handshake is done."""
        self.refusals = dict.fromkeys(Reason, 0)
        self.drops = dict.fromkeys(Drop, 0)
        self.slowed = 0
        """Times that somebody sent too fast, and was not read for a while."""
        # Messages.
        self.messages_received = self.bytes_received = 0
        self.messages_sent = self.bytes_sent = 0
        self.faults = dict.fromkeys(FaultCode, 0)
        self.declined = 0
        self.hostile = 0
        """Updates and state vectors that no client of ours makes."""
        self.malformed = 0
        """Messages that break the protocol otherwise."""
        # Readers.
        self.fell_behind = 0
        self.lagging = 0
        """Readers that have missed Batches at present."""
        self.resyncs_asked = self.resyncs_sent = 0
        """Resyncs that clients asked for; those that a room asked of a client."""
        # Rooms.
        self.sessions_joined = 0
        """Sessions that were given a seat."""
        self.updates = self.receipts = self.stale = 0
        self.check_matches = self.check_mismatches = 0
        self.receipt_s = Histogram(_LATENCY_S)
        """From when an update came until its receipt was on its way."""
        self.load_s = Histogram(_LATENCY_S)
        self.load_failures = self.unloads = self.room_breakdowns = 0
        self.snapshots = self.snapshot_failures = 0
        # The store; these are counted by its thread.
        self.rows = self.chat_lines = self.commit_failures = 0
        self.commit_s = Histogram(_LATENCY_S)
        self.commit_rows = Histogram(_ROWS)
        self.commit_began: float | None = None
        """When the commit under way began, by time.monotonic(); None while there is none."""
        self.store_began: float | None = None
        """When whatever the store is at began, a commit or a load or another thing; None while it rests."""
        # The loop.
        self.stall_s = Histogram(_STALL_S)
        self.stall_worst = 0.0

    def refuse(self, why: Reason) -> None:
        """Count somebody who is not let in."""
        self.refusals[why] += 1

    def commit_age_s(self, now: Callable[[], float] = time.monotonic) -> float:
        """Return how long the commit under way has taken so far; 0 while there is none."""
        return _since(self.commit_began, now)

    def store_age_s(self, now: Callable[[], float] = time.monotonic) -> float:
        """Return for how long the store has been at one thing; 0 while it rests."""
        return _since(self.store_began, now)


def _since(began: float | None, now: Callable[[], float]) -> float:
    return 0.0 if began is None else max(0.0, now() - began)
