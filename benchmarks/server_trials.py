"""What `bench_server` asks only when told to, since it takes minutes: rooms that come and go, bad links."""

from __future__ import annotations

import time
from typing import Final

from benchmarks.server_subjects import Figure, Subject, room_name
from benchmarks.swarm import Client, Swarm, SwarmFailure
from benchmarks.typed_rows import line_breaks

_AT_ONCE: Final = 20
_WARM_UP_ROOMS: Final = 200
_UNLOADED_AFTER_S: Final = 65.0
"""A room that nobody is in is unloaded after 60 s."""

_EDITS_PER_S: Final = 50.0
_PING_EVERY_S: Final = 2.0
_SMALL_BUFFER_BYTES: Final = 4096
_LARGE_ROOM_BYTES: Final = 4 * 1000 * 1000
_PASTE_BYTES: Final = 20_000
_SLICE_S: Final = 0.02
_PING: Final = b"\x92\x0d\x01"
"""A Ping of the client's (docs/protocol.md), which says that it lives."""


def churn(subject: Subject, rooms: int) -> list[Figure]:
    """Open rooms and leave them, each with a row; tell what the server holds once they are unloaded.

    And once more: what it keeps and uses again is not lost.
    """
    with subject.serve() as served, subject.swarm(served) as swarm:
        _visit(swarm, _WARM_UP_ROOMS)
        before_kb = served.rss_kb
        began = time.perf_counter()
        _visit(swarm, rooms)
        took_s = time.perf_counter() - began
        peak_kb = served.rss_kb
        time.sleep(_UNLOADED_AFTER_S)
        after_kb = served.rss_kb
        _visit(swarm, rooms)
        time.sleep(_UNLOADED_AFTER_S)
        again_kb = served.rss_kb
    return [
        Figure(f"{rooms:,} rooms opened and left: rooms/s", f"{rooms / took_s:,.0f}"),
        Figure("… MB before", f"{before_kb / 1024:.1f}"),
        Figure("… MB when the last was left", f"{peak_kb / 1024:.1f}"),
        Figure("… MB once they are unloaded", f"{after_kb / 1024:.1f}", f"≤ {1.1 * before_kb / 1024:.1f}"),
        Figure("… MB after as many again", f"{again_kb / 1024:.1f}"),
    ]


def stalled(subject: Subject, minutes: float) -> list[Figure]:
    """Let a reader that still says it lives read nothing while somebody types; tell what that takes."""
    with subject.serve() as served, subject.swarm(served) as swarm, subject.swarm(served) as sleepy:
        room = room_name("stalled")
        (writer,) = swarm.furnish(room, 2, 1)
        reader = sleepy.add(room, receive_bytes=_SMALL_BUFFER_BYTES)
        sleepy.until(lambda: reader.is_live, "the reader")
        _type_steadily(swarm, writer, 2.0)
        before_kb = most_kb = served.rss_kb
        ends_at = time.perf_counter() + 60 * minutes
        while time.perf_counter() < ends_at:
            reader.say(_PING)
            _type_steadily(swarm, writer, _PING_EVERY_S)
            most_kb = max(most_kb, served.rss_kb)
        swarm.until(lambda: writer.saved_n == len(writer.sent_at), "the receipts")
        ended = _is_ended(sleepy, reader)
        subject.verify(served, [writer])
    return [
        Figure(f"a reader stalls for {minutes:g} min, 50 edits/s: MiB", _mib(most_kb - before_kb), "≤ 4"),
        Figure("… the server ended it", "yes" if ended else "no"),
    ]


def slow_link(subject: Subject, megabits: float) -> list[Figure]:
    """Join a room of 4 MB by reading no faster than a link would carry."""
    with subject.serve() as served, subject.swarm(served) as swarm:
        room = room_name("slow")
        _write_text(swarm, room)
        with subject.swarm(served) as slow:
            reader = slow.add(room, receive_bytes=_SMALL_BUFFER_BYTES)
            limit_s = 3 * _LARGE_ROOM_BYTES * 8 / (megabits * 1e6) + 10
            while not (reader.is_live or slow.refusals) and time.perf_counter() - reader.began_at < limit_s:
                if reader.received_bytes * 8 <= (time.perf_counter() - reader.began_at) * megabits * 1e6:
                    slow.pump(_SLICE_S)
                else:
                    time.sleep(_SLICE_S)
                swarm.pump(0.0)
            took_s = time.perf_counter() - reader.began_at
    carried_s = reader.received_bytes * 8 / (megabits * 1e6)
    return [
        Figure(f"4 MB over {megabits:g} Mbit/s: join, s", f"{took_s:.1f}", "joins"),
        Figure("… how that ended", "joined" if reader.is_live else " ".join(slow.refusals) or "not in time"),
        Figure("… s that the bytes alone take", f"{carried_s:.1f}"),
    ]


def _visit(swarm: Swarm, rooms: int) -> None:
    """Join so many rooms, some at once, write a row to each, and leave."""
    for begin in range(0, rooms, _AT_ONCE):
        clients = [swarm.add(room_name("churn")) for _ in range(min(_AT_ONCE, rooms - begin))]
        swarm.until(lambda: all(client.is_live for client in clients), "rooms")  # noqa: B023
        for client in clients:
            client.say(swarm.wire.row(1, line_breaks(client.client_id, 80)))
        swarm.until(lambda: all(client.saved_n for client in clients), "their rows")  # noqa: B023
        for client in clients:
            swarm.remove(client)


def _type_steadily(swarm: Swarm, writer: Client, for_s: float) -> None:
    ends_at = time.perf_counter() + for_s
    while time.perf_counter() < ends_at:
        writer.type(1)
        due_at = time.perf_counter() + 1 / _EDITS_PER_S
        while (left_s := due_at - time.perf_counter()) > 0:
            swarm.pump(left_s)
    swarm.check()


def _is_ended(swarm: Swarm, reader: Client) -> bool:
    """Read all that the server had sent, and tell whether it has ended the connection."""
    ends_at = time.perf_counter() + 3.0
    while time.perf_counter() < ends_at:
        swarm.pump(0.1)
        try:
            swarm.check()
        except SwarmFailure:
            return True
    return not reader.is_live


def _write_text(swarm: Swarm, room: str) -> None:
    """Fill a room with text, paste by paste, each by a client id of its own and so with a line of its own."""
    for _ in range(_LARGE_ROOM_BYTES // _PASTE_BYTES):
        (author,) = swarm.join([room])
        author.say(swarm.wire.row(1, line_breaks(author.client_id, _PASTE_BYTES)))
        swarm.until(lambda: author.saved_n > 0, "a paste")  # noqa: B023
        swarm.remove(author)


def _mib(kb: float) -> str:
    return f"{kb / 1024:.1f}"
