"""People who move their carets in view of the editor that is measured, in a process of their own.

    python -m benchmarks.movers PORT ROOM --people 50 --rate 5

On stdout: `ready` when all are in the room, and after SIGTERM how many moves were made in how many seconds.
What the others do is read and thrown away, so that a crowd costs the machine little beside the server's part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import secrets
import signal
import time
from typing import Final

import msgpack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from collab_protocol.codec import Assembler, Splitter
from collab_protocol.messages import Pong
from collab_protocol.names import ROOM_PATH
from collab_protocol.presence import Activity, Caret
from collab_protocol.sync import ClientSync, Identity, Phase
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_protocol.versions import SUBPROTOCOL

_PING: Final = 13
"""The tag of Ping (docs/protocol.md)."""

_IN_VIEW_UTF8: Final = 1500
"""Carets stay in so much of the text's start: some thirty rows."""


async def _live(url: str, number: int, gap_s: float, entered: asyncio.Semaphore) -> int:
    """Join, move each `gap_s` until cancelled, and return how often."""
    sync = ClientSync(
        Identity(secrets.token_bytes(16), secrets.token_bytes(32), f"person-{number}"),
        client_id=secrets.randbits(32),
        state_vector=lambda: EMPTY_STATE_VECTOR,
    )
    splitter, dice, moves = Splitter(), random.Random(number), 0
    options = {"subprotocols": [Subprotocol(SUBPROTOCOL)], "compression": None, "ping_interval": None}
    async with connect(url, proxy=None, **options) as websocket:  # type: ignore[arg-type]

        async def flush() -> None:
            while messages := sync.to_send():
                for message in messages:
                    for frame in splitter.frames(message):
                        await websocket.send(frame)

        sync.connected()
        await flush()
        assembler = Assembler()
        while sync.phase is not Phase.LIVE:
            frame = await websocket.recv(decode=False)
            if (message := assembler.feed(bytes(frame))) is not None:
                sync.receive(message)
                sync.events()
        entered.release()
        reading = asyncio.create_task(_drain(websocket))
        try:
            await asyncio.sleep(gap_s * dice.random())
            due_at = time.monotonic()
            while True:
                place = dice.randrange(_IN_VIEW_UTF8)
                sync.present((Caret(place, place),), Activity.ACTIVE)
                await flush()
                moves += 1
                due_at += gap_s
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
        except (asyncio.CancelledError, ConnectionClosed):
            return moves
        finally:
            reading.cancel()


async def _drain(websocket: ClientConnection) -> None:
    """Throw away what comes, but answer pings."""
    splitter = Splitter()
    with contextlib.suppress(ConnectionClosed):
        while True:
            frame = bytes(await websocket.recv(decode=False))
            if frame[1] == _PING:
                for answer in splitter.frames(Pong(msgpack.unpackb(frame)[1])):
                    await websocket.send(answer)


async def _run(url: str, people: int, rate: float) -> None:
    entered = asyncio.Semaphore(0)
    gap_s = 1 / rate if rate else 3600.0
    lives = [asyncio.create_task(_live(url, number, gap_s, entered)) for number in range(people)]
    for _ in lives:
        await entered.acquire()
    began_at = time.monotonic()
    print("ready", flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    for life in lives:
        life.cancel()
    moves = await asyncio.gather(*lives)
    print(sum(moves), time.monotonic() - began_at, flush=True)


def main() -> None:
    """Join, move, and tell what was done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("room")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5.0, help="moves a second, of each")
    options = parser.parse_args()
    url = f"ws://127.0.0.1:{options.port}{ROOM_PATH}{options.room}"
    asyncio.run(_run(url, options.people, options.rate))


if __name__ == "__main__":
    main()
