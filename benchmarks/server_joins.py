"""What `bench_server` asks of who comes and stays: joins, a storm of them, idle connections, a restart."""

from __future__ import annotations

import time
from typing import Final

from tests.e2e.home import Home

from benchmarks.figures import percentile
from benchmarks.large_document import large_document
from benchmarks.server_subjects import NOT_HERE, Figure, Subject, room_name
from benchmarks.swarm import Swarm

_STORM: Final = 50
_STORMS: Final = 5
_IDLE_ROOMS: Final = 50
_IDLE_CLIENTS: Final = 500
_BOOTS: Final = 5
_ROWS_UNDER_WAY: Final = 50


def join(subject: Subject, joins: int) -> list[Figure]:
    """Measure one join after the other of a long document, and what such a room takes."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        before_kb = served.rss_kb
        room = room_name("long")
        size = _write_large(swarm, room)
        taken_s = []
        for _ in range(joins):
            (client,) = swarm.join([room])
            taken_s.append(client.live_at - client.began_at)
            swarm.remove(client)
        after_kb = served.rss_kb
    name = f"260k operations ({size / 1000:.0f} kB)"
    return [
        Figure(f"{name}: join, p50 ms", f"{percentile(taken_s, 50) * 1000:.2f}", "≤ 2.5"),
        Figure("… p99 ms", f"{percentile(taken_s, 99) * 1000:.2f}"),
        Figure("… server's RSS more than without, MB", _number((after_kb - before_kb) / 1024, 1)),
    ]


def storm(subject: Subject) -> list[Figure]:
    """Measure fifty joins of a long document at once, until the last has it."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        room = room_name("storm")
        _write_large(swarm, room)
        swarm.join([room])
        before_kb, cpu = served.rss_kb, served.cpu()
        taken_s = []
        for _ in range(_STORMS):
            began = time.perf_counter()
            clients = [swarm.add(room) for _ in range(_STORM)]
            swarm.until(lambda: all(client.is_live for client in clients), "a storm")  # noqa: B023
            taken_s.append(time.perf_counter() - began)
            for client in clients:
                swarm.remove(client)
            swarm.pump(0.1)
        spent_s = served.cpu().loop_s - cpu.loop_s
        after_kb = served.rss_kb
    return [
        Figure("50 joins at once, all synced, median ms", f"{percentile(taken_s, 50) * 1000:.0f}", "≤ 70"),
        Figure("… worst of 5, ms", f"{max(taken_s) * 1000:.0f}"),
        Figure("… loop's CPU ms a storm", _number(spent_s * 1000 / _STORMS, 0)),
        Figure("… server's RSS more than before, MB", _number((after_kb - before_kb) / 1024, 1)),
    ]


def idle(subject: Subject) -> list[Figure]:
    """Measure what connections that do nothing take."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        names = [room_name("idle") for _ in range(_IDLE_ROOMS)]
        swarm.join([room_name("first")])
        empty_kb = served.rss_kb
        swarm.join(names)
        rooms_kb = served.rss_kb
        more = _IDLE_CLIENTS - _IDLE_ROOMS
        swarm.join([names[index % _IDLE_ROOMS] for index in range(more)])
        _rest(swarm, 1.0)
        full_kb = served.rss_kb
    each_kb = (full_kb - rooms_kb) / more
    return [
        Figure("500 idle clients, 50 rooms: RSS KB a client", _number((full_kb - empty_kb) / 500, 1), "≤ 25"),
        Figure("… KB a client more in a room", _number(each_kb, 1)),
        Figure("… KB a room", _number((rooms_kb - empty_kb) / _IDLE_ROOMS - each_kb, 1)),
        Figure("… MB with one client", _number(empty_kb / 1024, 1)),
    ]


def boot(subject: Subject) -> list[Figure]:
    """Measure the start of a server until the first client has a long document that was stored."""
    if subject.reopen is None:
        return [Figure("start to the first sync, median ms", NOT_HERE)]
    taken_s = []
    with Home() as home:
        with subject.reopen(home) as served, subject.swarm(served) as swarm:
            _write_large(swarm, "stored")
        for _ in range(_BOOTS):
            began = time.perf_counter()
            with subject.reopen(home) as served, subject.swarm(served) as swarm:
                swarm.join(["stored"])
                taken_s.append(time.perf_counter() - began)
    return [
        Figure("start to the first sync, median ms", f"{percentile(taken_s, 50) * 1000:.0f}", "≤ 350"),
        Figure("… worst of 5, ms", f"{max(taken_s) * 1000:.0f}"),
    ]


def _write_large(swarm: Swarm, room: str) -> int:
    """Write the long document as a client that types it would; returns how large it is, encoded."""
    (author,) = swarm.join([room])
    rows = large_document(author.client_id)
    for n, row in enumerate(rows, 1):
        author.say(swarm.wire.row(n, row))
        if n % _ROWS_UNDER_WAY == 0:
            swarm.pump(0.0)
    if (question := swarm.wire.question(author)) is None:
        swarm.until(lambda: author.saved_n >= len(rows), "the long document to be stored")
    else:
        author.is_live = False
        author.say(question)
        swarm.until(lambda: author.is_live, "the long document to be there")
    swarm.remove(author)
    (reader,) = swarm.join([room])
    size = len(reader.synced)
    swarm.remove(reader)
    return size


def _rest(swarm: Swarm, for_s: float) -> None:
    ends_at = time.perf_counter() + for_s
    while (left_s := ends_at - time.perf_counter()) > 0:
        swarm.pump(left_s)


def _number(value: float, digits: int) -> str:
    return NOT_HERE if value != value else f"{value:,.{digits}f}"
