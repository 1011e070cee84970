"""Typing at a given rate whatever the server does, what came of it, and the highest rate that it bears."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.served import Served
from benchmarks.swarm import Client, Swarm

P99_MOST_S: Final = 0.1
ACHIEVED_LEAST: Final = 0.95
SATURATED: Final = 0.95
"""A generator that is busy for such a share says nothing about the server any more."""

_WARM_UP_S: Final = 0.3
_DRAIN_S: Final = 3.0
_FIRST_RATE: Final = 2000.0
_STEP: Final = 1.4
_SMALL_STEP: Final = 1.15
_TRIES: Final = 4
_QUIET: Final = 0.02
"""A server that is kept from its processor for a larger share is not measured, but its neighbours."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What came of one stretch of typing."""

    offered: float
    """Edits a second that were asked for."""
    edits: int
    delivered: int
    missed: int
    """Updates that never arrived: a reader fell behind."""
    presences: int
    seconds: float
    arrivals: list[tuple[float, int]]
    receipts: list[tuple[float, int]]
    loop_s: float
    store_s: float
    kept: float
    """For what share of the time the server's loop was ready to run while others had its processor."""
    load: float
    """The share of its processor that the generator took."""

    @property
    def rate(self) -> float:
        """Edits a second that were made."""
        return self.edits / self.seconds

    @property
    def is_borne(self) -> bool:
        """Whether the server kept up."""
        p99_s = weighted_percentile(self.arrivals, 99)
        return self.missed <= 0 and p99_s <= P99_MOST_S and self.rate >= ACHIEVED_LEAST * self.offered


def weighted_percentile(values: Sequence[tuple[float, int]], percent: float) -> float:
    """Return the percentile of values that count so many times each; infinite of nothing."""
    wanted = sum(count for _, count in values) * percent / 100
    for value, count in sorted(values):
        wanted -= count
        if wanted <= 0:
            return value
    return float("inf")


def type_for(swarm: Swarm, writers: Sequence[Client], served: Served, rate: float, seconds: float) -> Typed:
    """Let `writers` make `rate` edits a second together, in turn, and wait until all have arrived."""
    gc.collect()
    gc.disable()
    try:
        _type(swarm, writers, rate, _WARM_UP_S)
        _drain(swarm)
        swarm.arrivals.clear()
        swarm.receipts.clear()
        delivered, presences = swarm.delivered, _presences(swarm)
        cpu, kept_s = served.cpu(), served.kept_s
        own_s, began = time.process_time(), time.perf_counter()
        edits = _type(swarm, writers, rate, seconds)
        load = (time.process_time() - own_s) / (time.perf_counter() - began)
        took_s = time.perf_counter() - began
        kept = (served.kept_s - kept_s) / took_s
        missed = _drain(swarm)
        cpu_after = served.cpu()
    finally:
        gc.enable()
    swarm.check()
    return Typed(
        rate,
        edits,
        swarm.delivered - delivered,
        missed,
        _presences(swarm) - presences,
        took_s,
        swarm.arrivals.copy(),
        swarm.receipts.copy(),
        cpu_after.loop_s - cpu.loop_s,
        cpu_after.store_s - cpu.store_s,
        kept,
        load,
    )


def highest_rate(swarm: Swarm, writers: Sequence[Client], served: Served, seconds: float) -> Typed | None:
    """Return the fastest typing that the server bears: p99 of the way to the others within 100 ms.

    A step that fails is tried a second time, and up to `_TRIES` times while others keep the server from its
    processor: machines have bad moments.
    """
    best, rate, step = None, _FIRST_RATE, _STEP
    while True:
        for attempt in range(1, _TRIES + 1):
            typed = type_for(swarm, writers, served, rate, seconds)
            if typed.is_borne or (attempt >= 2 and not typed.kept > _QUIET):
                break
        if typed.is_borne:
            best = typed
        elif step == _SMALL_STEP or best is None:
            return best
        else:
            rate, step = best.offered, _SMALL_STEP
        rate *= step


def _type(swarm: Swarm, writers: Sequence[Client], rate: float, seconds: float) -> int:
    made, turn = 0, 0
    began = time.perf_counter()
    while (passed_s := time.perf_counter() - began) < seconds:
        due = int(passed_s * rate) - made
        if due > 0:
            each, more = divmod(due, len(writers))
            for offset in range(min(due, len(writers))):
                writers[(turn + offset) % len(writers)].type(each + (offset < more))
            turn = (turn + due) % len(writers)
            made += due
        swarm.pump(max(0.0, (made + 1) / rate - (time.perf_counter() - began)))
    return made


def _drain(swarm: Swarm) -> int:
    """Read until all that was typed has arrived, or `_DRAIN_S` have passed without a letter.

    Returns how many updates did not arrive that were not missed before.
    """
    writers = [client for client in swarm.clients if client.typist is not None]
    in_room: dict[str, int] = {}
    for client in swarm.clients:
        in_room[client.room] = in_room.get(client.room, 0) + 1
    due = sum(len(writer.sent_at) * (in_room[writer.room] - 1) for writer in writers) - swarm.missed
    seen, ends_at = swarm.delivered, time.perf_counter() + _DRAIN_S
    while (
        swarm.delivered < due or any(w.saved_n < len(w.sent_at) for w in writers)
    ) and time.perf_counter() < ends_at:
        swarm.pump(0.05)
        swarm.check()
        if swarm.delivered != seen:
            seen, ends_at = swarm.delivered, time.perf_counter() + _DRAIN_S
    missed = due - swarm.delivered
    swarm.missed += missed
    return missed


def _presences(swarm: Swarm) -> int:
    return sum(client.presences for client in swarm.clients)
