"""What `bench_server` asks while people type: latency, the most edits that are borne, what a crowd costs."""

from __future__ import annotations

from typing import Final

from benchmarks.server_subjects import NOT_HERE, Figure, Subject, room_name
from benchmarks.typing_load import SATURATED, Typed, highest_rate, type_for, weighted_percentile

_ROOMS: Final = 100
_LATENCY_RATE: Final = 100.0
_FAN_OUT_RATE: Final = 80.0
_WRITERS: Final = 8
_VERIFIED: Final = 5
"""Rooms of a hundred whose text is read back."""


def latency(subject: Subject, seconds: float) -> list[Figure]:
    """Measure two people, of whom one types."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = swarm.furnish(room_name("pair"), 2, 1)
        typed = type_for(swarm, writers, served, _LATENCY_RATE, seconds)
        subject.verify(served, writers)
    aim = "≤ 1.0" if subject.is_durable else "≤ 0.6"
    return [
        Figure("2 clients: to the other, p50 ms", _ms(typed.arrivals, 50), aim),
        Figure("… p99 ms", _ms(typed.arrivals, 99)),
        Figure("2 clients: to the receipt, p50 ms", _ms(typed.receipts, 50), aim),
        Figure("… p99 ms", _ms(typed.receipts, 99)),
    ]


def rooms(subject: Subject, seconds: float) -> list[Figure]:
    """Measure a hundred rooms of two people each, of whom one types."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = [swarm.furnish(room_name("room"), 2, 1)[0] for _ in range(_ROOMS)]
        typed = highest_rate(swarm, writers, served, seconds)
        for writer in writers[:_VERIFIED]:
            subject.verify(served, [writer])
    aim = "≥ 15,000" if subject.is_durable else "≥ 30,000"
    return _most("100 rooms × 2", typed, aim)


def one_room(subject: Subject, seconds: float) -> list[Figure]:
    """Measure one room of 64 people, of whom 8 type."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = swarm.furnish(room_name("crowd"), 64, _WRITERS)
        typed = highest_rate(swarm, writers, served, seconds)
        subject.verify(served, writers)
    return _most("1 room, 64 clients, 8 writers", typed, "≥ 20,000")


def fan_out(subject: Subject, seconds: float) -> list[Figure]:
    """Measure one room of 128 people, of whom 8 type, 80 letters a second together."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = swarm.furnish(room_name("hall"), 128, _WRITERS)
        typed = type_for(swarm, writers, served, _FAN_OUT_RATE, max(seconds, 5.0))
        subject.verify(served, writers)
    name = "128 clients, 80 edits/s"
    return [
        Figure(f"{name}: loop's CPU µs a delivered update", _micros(typed.loop_s, typed.delivered), "≤ 13"),
        Figure(
            "… the same, carets counted as updates", _micros(typed.loop_s, typed.delivered + typed.presences)
        ),
        Figure("… of other threads, the store's", _micros(typed.store_s, typed.delivered)),
        Figure("… updates delivered a second", f"{typed.delivered / typed.seconds:,.0f}"),
        Figure("… carets delivered a second", f"{typed.presences / typed.seconds:,.0f}"),
        Figure("… to the others, p50 ms", _ms(typed.arrivals, 50)),
        Figure("… to the others, p99 ms", _ms(typed.arrivals, 99)),
        *_machine(typed),
    ]


def _most(name: str, typed: Typed | None, aim: str) -> list[Figure]:
    if typed is None:
        return [Figure(f"{name}: edits/s, p99 ≤ 100 ms", NOT_HERE, aim)]
    limit = " (generator-limited)" if typed.load >= SATURATED else ""
    return [
        Figure(f"{name}: edits/s, p99 ≤ 100 ms", f"{typed.rate:,.0f}{limit}", aim),
        Figure("… updates delivered a second", f"{typed.delivered / typed.seconds:,.0f}"),
        Figure("… to the others, p50 ms", _ms(typed.arrivals, 50)),
        Figure("… to the others, p99 ms", _ms(typed.arrivals, 99)),
        Figure("… loop's CPU µs an edit", _micros(typed.loop_s, typed.edits)),
        Figure("… other threads' CPU µs an edit, the store's", _micros(typed.store_s, typed.edits)),
        Figure("… carets delivered a second", f"{typed.presences / typed.seconds:,.0f}"),
        *_machine(typed),
    ]


def _machine(typed: Typed) -> list[Figure]:
    kept = NOT_HERE if typed.kept != typed.kept else f"{typed.kept:.0%}"
    return [
        Figure("… server kept from its processor by others", kept),
        Figure("… generator's CPU", f"{typed.load:.0%}"),
    ]


def _ms(values: list[tuple[float, int]], percent: float) -> str:
    return f"{weighted_percentile(values, percent) * 1000:.2f}" if values else NOT_HERE


def _micros(seconds: float, count: int) -> str:
    return f"{seconds * 1e6 / count:.1f}" if count and seconds == seconds else NOT_HERE
