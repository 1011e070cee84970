"""A server that restarts under many clients: how fast they are let in again, and how evenly they come."""

from __future__ import annotations

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Callable
from typing import Final

from tests.e2e.home import Home

from benchmarks.served import CollabServer
from benchmarks.server_subjects import Figure
from collab_client.link import Address, open_link
from collab_protocol.backoff import Backoff
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.errors import CollabError, LinkError
from collab_protocol.events import Dismissed
from collab_protocol.sync import ClientSync, Identity, Phase
from collab_protocol.text import EMPTY_STATE_VECTOR

CLIENTS: Final = 500
RATE: Final = 100
_ROOMS: Final = 50
_DEADLINE_S: Final = 120.0
_LATEST_S: Final = 4 * CLIENTS / RATE
"""A server that ends tells each client a time within twice what the rate needs; it comes back after that
and up to as much again."""


class _Crowd:
    """So many clients, each with the back-off of a real one, and when each of them tried and came in."""

    def __init__(self, port: int) -> None:
        self.tries: list[float] = []
        self.entries: list[float] = []
        self.here = 0
        self._port = port

    async def live(self, number: int) -> None:
        """Be one client until cancelled."""
        backoff = Backoff(random.random)
        address = Address(f"restart-{number % _ROOMS}", url=f"ws://127.0.0.1:{self._port}")
        while True:
            self.tries.append(time.monotonic())
            try:
                hint_s = await self._visit(address)
            except LinkError as error:
                hint_s = error.retry_after_s
            await asyncio.sleep(backoff.next_delay_s(hint_s))

    async def _visit(self, address: Address) -> float | None:
        """Come in and stay until the link ends; returns when the server wants us back, in seconds."""
        link = await open_link(address)
        sync = ClientSync(
            Identity(secrets.token_bytes(16), secrets.token_bytes(32), "one of many"),
            client_id=secrets.randbits(31),
            state_vector=lambda: EMPTY_STATE_VECTOR,
        )
        splitter, assembler = Splitter(), Assembler()
        is_in, hint_s = False, None
        sync.connected()
        try:
            while True:
                for message in sync.to_send():
                    for frame in splitter.frames(message):
                        await link.send(frame)
                heard = assembler.feed(await link.receive())
                if heard is not None:
                    sync.receive(heard)
                for event in sync.events():
                    if isinstance(event, Dismissed):
                        hint_s = event.retry_s
                if not is_in and sync.phase is Phase.LIVE:
                    is_in = True
                    self.here += 1
                    self.entries.append(time.monotonic())
        except CollabError:
            return hint_s
        finally:
            self.here -= is_in
            await link.close()


def restart() -> list[Figure]:
    """End a server under its clients, start it again, and tell how they come back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--port", str(port), "--accept-rate", str(RATE), "--connections-per-address", str(2 * CLIENTS)]
    with Home() as home:
        return asyncio.run(_restart(home, port, flags))


async def _restart(home: Home, port: int, flags: list[str]) -> list[Figure]:
    crowd = _Crowd(port)
    server = await asyncio.to_thread(CollabServer, home, flags)
    tasks = [asyncio.create_task(crowd.live(number)) for number in range(CLIENTS)]
    try:
        await _until(lambda: crowd.here == CLIENTS)
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        stopped_s = time.monotonic() - began
        crowd.tries.clear()
        crowd.entries.clear()
        server = await asyncio.to_thread(CollabServer, home, flags)
        up = time.monotonic()
        await _until(lambda: crowd.here == CLIENTS)
        entries = sorted(crowd.entries)
        tries = [at for at in crowd.tries if at >= up]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(server.stop)
    return [
        Figure(f"{CLIENTS} clients, {RATE} accepts/s: drained and ended, s", f"{stopped_s:.1f}", "≤ 10"),
        Figure("… all back after its start, s", f"{entries[-1] - up:.1f}", f"≤ {_LATEST_S:.0f}"),
        Figure("… let in during the busiest second", str(_busiest(entries)), f"≤ {2 * RATE + 1}"),
        Figure("… tries in all", str(len(tries))),
        Figure("… tries in the busiest second", str(_busiest(tries))),
    ]


def _busiest(times: list[float]) -> int:
    """Return the most that lie within one second, wherever it begins."""
    times = sorted(times)
    most = begin = 0
    for end, at in enumerate(times):
        while times[begin] <= at - 1.0:
            begin += 1
        most = max(most, end - begin + 1)
    return most


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not is_true():  # noqa: ASYNC110  # changed by 500 tasks
            await asyncio.sleep(0.01)
