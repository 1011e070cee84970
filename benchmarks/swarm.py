"""Many clients on sockets of their own, in one loop without asyncio: what the server is measured with."""

from __future__ import annotations

import random
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from benchmarks.typed_rows import FIRST_ID, LAST_ID, Stretch, Typist, line_breaks
from benchmarks.websocket_frames import FrameReader, binary, pong, request
from benchmarks.wires import Wire

DEADLINE_S: Final = 30.0

_READ_BYTES: Final = 1 << 16
_IDS: Final = 1 << 20
"""Clients of one swarm at most."""

_BOTH: Final = selectors.EVENT_READ | selectors.EVENT_WRITE


class SwarmFailure(Exception):
    """The server did not do in time, or at all, what a figure rests on."""


class Client:
    """One session in a room."""

    def __init__(self, swarm: Swarm, room: str, client_id: int, receive_bytes: int | None) -> None:
        self.room = room
        self.client_id = client_id
        self.typist: Typist | None = None
        self.sent_at: list[float] = []
        self.saved_n = 0
        self.shown_at = 0.0
        self.seq = 0
        self.is_live = False
        self.live_at = 0.0
        self.synced = bytearray()
        """The update of the last Sync."""
        self.is_receiving_sync = False
        self.presences = 0
        self.received_bytes = 0
        self.socket = socket.socket(swarm.family)
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.began_at = time.perf_counter()
        self.socket.connect(swarm.address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._swarm = swarm
        self._reader: FrameReader | None = None
        self._answer = b""
        self._waiting = bytearray()
        host = "{}:{}".format(*swarm.address)
        self._send(request(host, swarm.wire.path(room), swarm.wire.subprotocol))

    def say(self, payload: bytes) -> None:
        """Send a message."""
        self._send(binary(payload))

    def type(self, count: int) -> None:
        """Type letters, each a message of its own; those that are due together leave together."""
        assert self.typist is not None
        wire, n, frames = self._swarm.wire, len(self.sent_at), []
        for each in range(n + 1, n + count + 1):
            frames.append(binary(wire.row(each, self.typist.letter())))
        now = time.perf_counter()
        self.sent_at += [now] * count
        if now - self.shown_at >= self._swarm.presence_gap_s:
            self.shown_at = now
            frames.append(binary(wire.presence(self, self.typist.clock)))
        self._send(b"".join(frames))

    def saved(self, n: int) -> None:
        """Note that the first `n` rows are receipted."""
        if n > self.saved_n and self.typist is not None:
            self._swarm.saved(self.sent_at[self.saved_n], n - self.saved_n)
        self.saved_n = n

    def refused(self, why: str) -> None:
        """Note what makes a figure worthless."""
        self._swarm.refusals.append(f"{self.room}: {why}")

    def read(self) -> None:
        """Take what has come."""
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self.received_bytes += len(data)
        if not data:
            self._swarm.lost(self, "" if self._reader is None else self._reader.close_reason or "")
            return
        if self._reader is None:
            data = self._shake_hands(data)
        if self._reader is not None:
            self._swarm.now = time.perf_counter()
            for payload in self._reader.feed(data):
                if stretches := self._swarm.wire.hear(self, payload):
                    self._swarm.heard(self, stretches)
                elif self.is_live and not self.live_at:
                    self.live_at = self._swarm.now
            while self._reader.pings:
                self._send(pong(self._reader.pings.pop()))

    def flush(self) -> None:
        """Send what could not be sent before."""
        data, self._waiting = bytes(self._waiting), bytearray()
        self._send(data)

    def _shake_hands(self, data: bytes) -> bytes:
        head, found, rest = (self._answer + data).partition(b"\r\n\r\n")
        if not found:
            self._answer = head
            return b""
        if b" 101 " not in head:
            raise SwarmFailure(f"the server refused {self.room}: {head.decode(errors='replace')}")
        self._reader = FrameReader()
        self.say(self._swarm.wire.hello(self))
        return rest

    def _send(self, data: bytes) -> None:
        if not self._waiting:
            try:
                sent = self.socket.send(data)
            except BlockingIOError:
                sent = 0
            except ConnectionError:
                return  # reading tells why
            if sent == len(data):
                return
            data = data[sent:]
        self._waiting += data
        self._swarm.wants_to_send(self)


class Swarm:
    """Clients of one server; use it in a `with`."""

    def __init__(self, wire: Wire, host: str, port: int, *, presence_gap_s: float = 0.05) -> None:
        self.wire = wire
        self.address = (host, port)
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.presence_gap_s = presence_gap_s
        self.clients: list[Client] = []
        self.refusals: list[str] = []
        self.now = 0.0
        self.arrivals: list[tuple[float, int]] = []
        """Seconds from the write of the oldest letter until somebody had it, and how many came together."""
        self.receipts: list[tuple[float, int]] = []
        """The same until the writer had the receipt."""
        self.delivered = 0
        self.missed = 0
        """Updates that were waited for in vain."""
        self._authors: dict[int, Client] = {}
        self._selector = selectors.DefaultSelector()
        # Another one each time: on a server that keeps rooms an id belongs to who wrote under it first.
        self._next_id = random.randrange(FIRST_ID, LAST_ID - _IDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, room: str, *, receive_bytes: int | None = None) -> Client:
        """Let a client connect, and say the rest as answers come; it is there once it `is_live`."""
        self._next_id += 1
        client = Client(self, room, self._next_id, receive_bytes)
        self.clients.append(client)
        self._selector.register(client.socket, selectors.EVENT_READ, client)
        return client

    def join(self, rooms: Iterable[str]) -> list[Client]:
        """Let clients in one after the other."""
        clients = []
        for room in rooms:
            clients.append(client := self.add(room))
            self.until(lambda: client.is_live, f"a join of {room}")
        return clients

    def furnish(self, room: str, clients: int, writers: int) -> list[Client]:
        """Make a room with so many clients, and a line for each writer; returns the writers."""
        (first,) = self.join([room])
        first.say(self.wire.row(1, line_breaks(first.client_id, writers + 1)))
        self.until(lambda: first.saved_n > 0, f"the first row of {room}")
        self.remove(first)
        joined = self.join([room] * clients)
        for place, client in enumerate(joined[:writers]):
            client.typist = Typist(client.client_id, (first.client_id, place), (first.client_id, place + 1))
            self._authors[client.client_id] = client
        return joined[:writers]

    def pump(self, timeout_s: float) -> None:
        """Take what has come, or comes within `timeout_s`."""
        for key, events in self._selector.select(timeout_s):
            client: Client = key.data
            if events & selectors.EVENT_WRITE:
                self._selector.modify(client.socket, selectors.EVENT_READ, client)
                client.flush()
            if events & selectors.EVENT_READ:
                client.read()

    def until(self, is_true: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Pump until something is so. Raises: SwarmFailure: it did not become so, or rows were refused."""
        ends_at = time.perf_counter() + deadline_s
        while not is_true():
            self.check()
            left_s = ends_at - time.perf_counter()
            if left_s <= 0:
                raise SwarmFailure(f"waited {deadline_s:.0f} s for {what}")
            self.pump(min(left_s, 0.1))

    def check(self) -> None:
        """Raises: SwarmFailure: rows were refused, or a client was sent away."""
        if self.refusals:
            raise SwarmFailure(f"{len(self.refusals)} refusals, the first: {self.refusals[0]}")

    def heard(self, client: Client, stretches: Iterable[Stretch]) -> None:
        """Count letters that arrived."""
        for client_id, clock, letters in stretches:
            author = self._authors.get(client_id)
            if author is not None and author is not client:
                self.delivered += letters
                self.arrivals.append((self.now - author.sent_at[clock], letters))

    def saved(self, sent_at: float, count: int) -> None:
        """Count letters that are receipted."""
        self.receipts.append((self.now - sent_at, count))

    def wants_to_send(self, client: Client) -> None:
        """Flush `client` once its socket takes more."""
        if client in self.clients:
            self._selector.modify(client.socket, _BOTH, client)

    def lost(self, client: Client, why: str) -> None:
        """Note that the server ended a connection."""
        client.refused(f"the connection ended: {why}")
        self._selector.unregister(client.socket)

    def remove(self, client: Client) -> None:
        """Let a client leave."""
        if (word := self.wire.goodbye()) is not None:
            client.say(word)
        self.clients.remove(client)
        if client.socket.fileno() in self._selector.get_map():
            self._selector.unregister(client.socket)
        client.socket.close()

    def close(self) -> None:
        """Let all leave."""
        for client in self.clients[:]:
            self.remove(client)
        self._selector.close()
