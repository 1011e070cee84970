"""One who reads nothing any more in a room that goes on, and comes back: what it costs, and what it gets.

In this process, where the books of each outbox can be read; and in a process of its own, by its memory.
The 50 edits a second of a minute come here as fast as they are taken.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest

from collab_protocol import limits
from collab_protocol.messages import Batch, Presence, Receipt, Resync, Sync
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_server import listener
from collab_server.connection import Connection
from tests.hostile.conftest import ROOM
from tests.hostile.people import People
from tests.hostile.raw import Raw
from tests.hostile.served import Served
from tests.unit.collab_server.rooms import hello
from tests.unit.collab_server.wire import Client, config, dial, joined, running, short_folder

_EDITS: Final = 3000
_EDIT: Final = "what somebody pastes " * 50
_MOST_BYTES: Final = 4 * 1024 * 1024
_DEADLINE_S: Final = 50.0
_AT_ONCE: Final = 10
_STALLED: Final = 20


class _Watched(Connection):
    """A connection whose books are looked at whenever something is put into them."""

    made: list[_Watched]
    most = 0

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self.made.append(self)

    def deliver(self, message: object) -> None:
        super().deliver(message)  # type: ignore[arg-type]
        waiting = self._sending.outbox.size_bytes + self._websocket.waiting_bytes
        self.most = max(self.most, waiting)

    @property
    def is_lagging(self) -> bool:
        return self._sending.outbox.is_lagging


async def test_a_reader_who_stalls_costs_little_and_has_all_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _Watched.made = []
    monkeypatch.setattr(listener, "Connection", _Watched)
    # These clients answer no pings. One who stalls for longer is gone, and comes back as a newcomer.
    monkeypatch.setattr(limits, "SERVER_DEAD_S", 120.0)
    with short_folder() as folder:
        async with (
            asyncio.timeout(_DEADLINE_S),
            running(config(folder)) as endpoints,
            joined(endpoints, "ana") as ana,
            joined(endpoints, "bo") as bo,
            dial(endpoints, max_queue=1) as eve,
        ):
            await eve.enter(hello("eve"))
            stalled = _Watched.made[-1]
            eve.websocket.transport.pause_reading()
            following = asyncio.create_task(_follow(bo))
            longest_s = await _paste(ana)
            await following
            print(f"at most {stalled.most} bytes for one; the longest receipt took {longest_s:.3f} s")
            assert stalled.is_lagging, "it would have lost nothing, and proved nothing"
            assert stalled.most <= _MOST_BYTES
            eve.websocket.transport.resume_reading()
            while not (isinstance(message := await eve.receive(), Batch) and not message.entries):
                assert isinstance(message, Batch | Presence)
            await eve.send(Resync(0, EMPTY_STATE_VECTOR))
            sync = await eve.wait_for(Sync)
            eve.replica.apply(sync.update)
            assert eve.replica.text() == ana.replica.text() == bo.replica.text()


async def _paste(client: Client) -> float:
    """Make all the edits; returns how long a receipt took at most."""
    longest_s = 0.0
    while len(client.rows) < _EDITS:
        began = time.monotonic()
        for _ in range(_AT_ONCE):
            await client.type(_EDIT)
        while (await client.wait_for(Receipt)).n < len(client.rows):
            pass
        longest_s = max(longest_s, time.monotonic() - began)
    return longest_s


async def _follow(client: Client) -> None:
    """Take what is edited, until all of it is here."""
    last = 0
    while client.replica.size_utf8 < _EDITS * len(_EDIT):
        batch = await client.wait_for(Batch)
        assert batch.first == last + 1, "somebody who reads loses nothing"
        last = batch.last
        for _, data in batch.entries:
            client.replica.apply(data)


def test_readers_who_stall_cost_the_process_little(
    throughout: People, served: Served, reader: str, writer: str
) -> None:
    """20 of them at once, while others type and one pastes."""
    before = served.rss_bytes()
    stalled = [Raw(served.port, receive_buffer=4096) for _ in range(_STALLED)]
    try:
        for raw in stalled:
            raw.enter(ROOM, reader)
        grown = 0
        ends_at = time.monotonic() + 4.0
        while time.monotonic() < ends_at:
            throughout.paste("x" * 16_000)
            grown = max(grown, (served.rss_bytes() or 0) - (before or 0))
        print(f"{_STALLED} stalled: {grown / 2**20:.1f} MiB more")
        assert grown <= _STALLED * _MOST_BYTES
        assert throughout.newcomer() == 1
    finally:
        for raw in stalled:
            raw.close()
