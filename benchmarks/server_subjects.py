"""Whom `bench_server` measures: collab's server, fresh for each workload, and a peer beside it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from tests.e2e.home import Home
from tests.e2e.peer import Peer as Person

from benchmarks.served import CollabServer, Peer, Served, fresh_server, generous_flags
from benchmarks.swarm import Client, Swarm, SwarmFailure
from benchmarks.wires import CollabWire, Wire, YWebsocketWire
from collab_protocol.text import Replica

NOT_HERE: Final = "–"


class Figure(NamedTuple):
    """One row of the table."""

    name: str
    value: str
    aim: str = ""


class Subject:
    """A kind of server."""

    def __init__(
        self,
        name: str,
        wire: Callable[[], Wire],
        serve: Callable[[], AbstractContextManager[Served]],
        *,
        is_durable: bool,
        reopen: Callable[[Home], CollabServer] | None = None,
    ) -> None:
        """`serve` starts one, or finds the one that runs; `reopen` starts one on a folder."""
        self.name = name
        self.serve = serve
        self.reopen = reopen
        self.is_durable = is_durable
        self._wire = wire

    def swarm(self, served: Served) -> Swarm:
        """Return a swarm without clients."""
        return Swarm(self._wire(), served.host, served.port)

    def verify(self, served: Served, writers: Sequence[Client]) -> None:
        """Check with a client that joins that a room's text is what its writers typed, letter for letter.

        Raises:
            SwarmFailure: it is not.
        """
        expected = "".join(f"\n{_typed(len(writer.sent_at))}" for writer in writers) + "\n"
        text = self._text(served, writers[0].room)
        if text != expected:
            raise SwarmFailure(
                f"{writers[0].room} holds {len(text)} characters, {len(expected)} were sent: "
                "what was measured is worth nothing"
            )

    def _text(self, served: Served, room: str) -> str:
        if self._wire is CollabWire:
            with Person(room, served.port) as person:
                return person.text
        with self.swarm(served) as swarm:
            (client,) = swarm.join([room])
            replica = Replica(1)
            replica.apply(bytes(client.synced))
            text = replica.text()
            replica.close()
            return text


def collab(*, memory: bool, command: Sequence[str] | None) -> Subject:
    """Return collab's server; each time with an empty folder."""
    with Home() as home:
        flags = generous_flags(home, command)
    if memory:
        flags.append("--memory")
    return Subject(
        "collab --memory" if memory else "collab",
        CollabWire,
        lambda: fresh_server(flags, command),
        is_durable=not memory,
        reopen=None if memory else lambda home: CollabServer(home, flags, command),
    )


def peer(url: str, pid: int | None) -> Subject:
    """Return a y-websocket server that runs already."""

    @contextlib.contextmanager
    def found() -> Iterator[Served]:
        yield Peer(url, pid)

    return Subject("peer", YWebsocketWire, found, is_durable=False)


def room_name(what: str) -> str:
    """Return a name that no earlier run used on a peer."""
    return f"{what}-{secrets.token_hex(4)}"


def _typed(letters: int) -> str:
    return ("abcdefghijklmnopqrstuvwxyz" * (letters // 26 + 1))[:letters]
