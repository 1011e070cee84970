"""Both ends of today against what the ends of earlier versions said; `record.py` tells how that was kept."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from collab_protocol.codec import Assembler, Splitter, decode, encode
from collab_protocol.errors import FaultCode
from collab_protocol.events import RowsArrived, Synced
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Fault,
    Hello,
    Message,
    Receipt,
    Resync,
    Sync,
    Update,
    Welcome,
)
from collab_protocol.peer_sync import PeerSync
from collab_protocol.presence import Activity, Caret
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import Replica
from collab_protocol.versions import VERSIONS, negotiate
from collab_server.room import Room, RoomState
from collab_server.store.base import Row
from tests.simulation.links import Link, Peer
from tests.wire.record import EPOCH, IDS, LINEAGE

V1 = Path(__file__).parent / "v1"
STEPS: list[dict[str, Any]] = [
    json.loads(line) for line in (V1 / "session.jsonl").read_text(encoding="utf-8").splitlines()
]
END = STEPS[-1]


class Rules:
    """How an end of an earlier version reads a frame, by the table that was kept of its codec."""

    def __init__(self, path: Path) -> None:
        table = json.loads(path.read_text(encoding="utf-8"))
        self.messages: dict[str, Any] = table["messages"]
        self._records: dict[str, Any] = table["records"] | {
            each["name"]: each["fields"] for each in self.messages.values()
        }
        self._choices: dict[str, list[str]] = table["choices"]
        self._pieces: list[bytes] = []

    def read(self, frame: bytes) -> str | None:
        """Return the name of the message that `frame` completes.

        Raises:
            AssertionError: an end of that version could not read it.
        """
        tag, *fields = msgpack.unpackb(frame)
        assert str(tag) in self.messages, f"nobody knew tag {tag} then"
        message = self.messages[str(tag)]
        self._check_record(message["name"], fields)
        if message["name"] != "Part":
            return str(message["name"])
        _, index, of, data = fields[:4]
        assert index == len(self._pieces)
        self._pieces.append(data)
        if index + 1 < of:
            return None
        whole, self._pieces = b"".join(self._pieces), []
        return self.read(whole)

    def _check_record(self, name: str, values: list[Any]) -> None:
        fields = self._records[name]
        assert len(values) >= len(fields), f"{name} lacks fields"
        for (field, kind), value in zip(fields, values, strict=False):
            assert self._is(kind, value), f"{name}.{field} is {value!r}, no {kind}"

    def _is(self, kind: str, value: Any) -> bool:
        if kind.endswith(" | None"):
            return value is None or self._is(kind.removesuffix(" | None"), value)
        if kind.startswith("tuple["):
            inner = kind.removeprefix("tuple[").removesuffix("]")
            if inner.endswith(", ..."):
                return isinstance(value, list) and all(
                    self._is(inner.removesuffix(", ..."), each) for each in value
                )
            kinds = inner.split(", ")
            return len(value) >= len(kinds) and all(map(self._is, kinds, value))
        if kind in self._choices:
            return value in self._choices[kind]
        if kind in self._records:
            self._check_record(kind, value)
            return True
        return type(value).__name__ == kind


class Bench:
    """Today's room, worked by the steps of a session; its peers are those of the simulation."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.settings: list[tuple[str, str]] = []
        self.deferred: list[Callable[[], None]] = []
        self.room = Room(
            RoomState("notes", LINEAGE, EPOCH, 0, Replica(2), {}, True),
            log=self,
            defer=self.deferred.append,
            now=lambda: 1000.0,
            is_durable=True,
            limits=RoomLimits(),
            draw_retry_ms=lambda: 250,
        )

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self.settings.append((key, value))

    def turn(self) -> None:
        deferred, self.deferred[:] = list(self.deferred), []
        for run in deferred:
            run()

    def commit(self) -> None:
        rows, self.rows = self.rows, []
        if rows:
            self.room.committed(rows[-1].last)
        settings, self.settings = self.settings, []
        for key, value in settings:
            self.room.setting_committed(key, value)


class OldClients:
    """Version 1 clients of today's server: their frames go up as they were recorded."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.peers: dict[int, Peer] = {}
        self.names: dict[int, str] = {}
        self.down: dict[int, list[bytes]] = defaultdict(list)

    def play(self) -> None:
        for step in STEPS[:-1]:
            if "up" in step:
                self.peers[step["link"]].feed(self.bench.room, bytes.fromhex(step["up"]))
            elif "down" in step:
                self._drain()
            else:
                self._do(step)
        self._drain()

    def received(self, who: str) -> list[Message]:
        """Return what the server of today has sent to one person, over all links."""
        messages: list[Message] = []
        for link, frames in self.down.items():
            if self.names[link] == who:
                messages += _messages(frames)
        return messages

    def _do(self, step: dict[str, Any]) -> None:
        match step["do"]:
            case "connect":
                self.peers[step["link"]] = Peer(Link(), step["link"])
                self.names[step["link"]] = step["who"]
            case "turn":
                self.bench.turn()
            case "commit":
                self.bench.commit()
            case "ask":
                link = max(link for link, who in self.names.items() if who == step["who"])
                self.peers[link].sync.ping(7)
                room = self.bench.room
                self.peers[link].deliver(Resync(room.seq, room._replica.state_vector()))
            case "stop":
                self.bench.room.fail("the server restarts")
            case _:
                pass  # what people did is in the frames that they sent

    def _drain(self) -> None:
        for link, peer in self.peers.items():
            peer.write()
            self.down[link] += peer.link.down
            peer.link.down.clear()


class TodaysClient:
    """A client of today, whose server speaks version 1: it hears what was recorded."""

    def __init__(self, who: str) -> None:
        self.replica = Replica(IDS[who], has_undo=True)
        self.sync = ClientSync(
            Identity(who.encode().ljust(16, b"."), who.encode().ljust(32, b"."), who),
            client_id=IDS[who],
            state_vector=self.replica.state_vector,
        )
        self.replica.on_update = self._typed
        self.sent: list[bytes] = []
        self.link = 0
        self.has_welcome = False
        self._who = who
        self._assembler, self._splitter = Assembler(), Splitter()

    def play(self) -> None:
        for step in STEPS[:-1]:
            if step.get("who") == self._who:
                self._take(step)

    def _typed(self, data: bytes) -> None:
        self.sync.local_update(data)

    def _take(self, step: dict[str, Any]) -> None:
        match step:
            case {"do": "connect", "link": int(link)}:
                self.link = link
                self._assembler, self._splitter = Assembler(), Splitter()
                self.sync.connected()
            case {"do": "type", "offset": int(offset), "deleted": int(deleted), "text": str(text)}:
                self.replica.edit(offset, deleted, text)
            case {"do": "caret", "head": int(head)}:
                self.sync.present((Caret(head, head),), Activity.ACTIVE)
            case {"do": "ping", "number": int(number)}:
                self.sync.ping(number)
            case {"do": "set", "key": str(key), "value": str(value)}:
                self.sync.set(key, value)
            case {"do": "leave"}:
                self.sync.leave()
            case {"do": "lose"}:
                self.sync.disconnected()
            case {"up": _}:
                self._send()
            case {"down": str(frame), "link": link} if link == self.link:
                self._hear(bytes.fromhex(frame))
            case _:
                pass

    def _send(self) -> None:
        while messages := self.sync.to_send():
            for message in messages:
                self.sent += self._splitter.frames(message)

    def _hear(self, frame: bytes) -> None:
        message = self._assembler.feed(frame)
        if message is None:
            return
        self.sync.receive(message)
        for event in self.sync.events():
            if isinstance(event, RowsArrived | Synced):
                self.replica.apply(event.data)


@pytest.fixture(scope="module")
def old_clients() -> OldClients:
    clients = OldClients()
    clients.play()
    return clients


def test_the_record_has_every_message_of_the_version() -> None:
    rules: dict[tuple[Any, ...], Rules] = defaultdict(lambda: Rules(V1 / "codec.json"))
    names = {
        rules[way, step["who"], step["link"]].read(bytes.fromhex(step[way]))
        for step in STEPS
        for way in ("up", "down")
        if way in step
    }
    assert names - {None} == {each["name"] for each in Rules(V1 / "codec.json").messages.values()} - {"Part"}


def test_todays_server_brings_old_clients_to_the_same_text(old_clients: OldClients) -> None:
    assert old_clients.bench.room.text() == END["text"]


@pytest.mark.parametrize("who", IDS)
def test_todays_server_gives_old_clients_the_same_receipts(old_clients: OldClients, who: str) -> None:
    recorded = [bytes.fromhex(step["down"]) for step in STEPS if "down" in step and step["who"] == who]
    assert _receipts(old_clients.received(who)) == _receipts(_messages(recorded))
    assert {n for n, _, _ in END["receipts"][who]} <= {
        each.n for each in old_clients.received(who) if isinstance(each, Receipt)
    }


def test_an_old_client_can_read_every_frame_of_todays_server(old_clients: OldClients) -> None:
    for frames in old_clients.down.values():
        rules = Rules(V1 / "codec.json")
        for frame in frames:
            rules.read(frame)


def test_the_text_that_todays_server_sends_to_old_clients_is_whole(old_clients: OldClients) -> None:
    replica = Replica(1)
    for message in old_clients.received("ana"):
        match message:
            case Sync(_, _, update):
                replica.apply(update)
            case Batch(_, _, entries):
                for _, data in entries:
                    replica.apply(data)
            case _:
                pass
    assert _own_rows_applied(replica, "ana") == END["text"]


@pytest.mark.parametrize("code", set(FaultCode) - {FaultCode.UNKNOWN})
def test_a_fault_reaches_an_old_client_as_one_that_it_knows(code: FaultCode) -> None:
    peer = PeerSync(session=1)
    peer.receive(_hello((1,)))
    peer.deliver(Fault(code, "why", 200))
    assert [Rules(V1 / "codec.json").read(encode(message)) for message in peer.to_send()] == ["Fault"]


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_comes_to_the_same_text_with_an_old_server(who: str) -> None:
    client = TodaysClient(who)
    client.play()
    # bo left before the end, when everything that was typed had arrived.
    assert client.replica.text() == END["text"]
    assert client.sync.unsaved == 0


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_says_only_what_an_old_server_knows(who: str) -> None:
    client = TodaysClient(who)
    client.play()
    rules = Rules(V1 / "codec.json")
    names = [name for frame in client.sent if (name := rules.read(frame)) is not None]
    assert {"Hello", "Update", "Presence"} <= set(names)
    assert "Sync" not in names, "a version 1 server takes a Sync from a client for a breach"
    assert not client.sync.may_check, "there is no Check in version 1"


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_sends_an_old_server_what_the_old_client_sent(who: str) -> None:
    client = TodaysClient(who)
    client.play()
    old = _messages([bytes.fromhex(step["up"]) for step in STEPS if "up" in step and step["who"] == who])
    new = _messages(client.sent)
    assert [_without_versions(each) for each in new] == [_without_versions(each) for each in old]


def test_two_ends_of_today_agree_on_the_newest_version() -> None:
    bench = Bench()
    client = TodaysClient("ana")
    peer = Peer(Link(), 1)
    client.sync.connected()
    for message in client.sync.to_send():
        peer.feed(bench.room, encode(message))
    peer.write()
    welcome = decode(peer.link.down[0])
    assert isinstance(welcome, Welcome)
    assert (peer.sync.version, welcome.version, negotiate(VERSIONS)) == (3, 3, 3)
    for frame in peer.link.down:
        client._hear(frame)
    assert client.sync.may_check


def test_an_old_client_is_told_the_version_that_was_agreed_on(old_clients: OldClients) -> None:
    welcomes = [message for message in old_clients.received("ana") if isinstance(message, Welcome)]
    assert {welcome.version for welcome in welcomes} == {1}


def test_a_fault_of_a_newer_version_is_unknown_and_its_words_count() -> None:
    frame = msgpack.packb([11, "of-tomorrow", "what a person reads", 200])
    assert decode(frame) == Fault(FaultCode.UNKNOWN, "what a person reads", 200)


def test_a_message_of_a_newer_version_is_skipped() -> None:
    assert decode(msgpack.packb([9999, "anything"])) is None
    assembler = Assembler()
    assert assembler.feed(msgpack.packb([250, 1, b"data"])) is None
    assert assembler.feed(encode(Update(1, b"data"))) == Update(1, b"data")


def test_fields_that_a_newer_version_appends_are_skipped() -> None:
    assert decode(msgpack.packb([4, 1, 2, True, "tomorrow"])) == Receipt(1, 2, True)


def test_an_old_client_skips_what_it_is_told_of_trouble() -> None:
    bench = Bench()
    peer = Peer(Link(), 1)
    peer.feed(bench.room, encode(_hello((1,))))
    bench.room.stop_storing("the server's disk is full")
    peer.write()
    tags = [msgpack.unpackb(frame)[0] for frame in peer.link.down]
    # Version 1 passes over tags that it does not know.
    assert [str(tag) in Rules(V1 / "codec.json").messages for tag in tags] == [True, True, False]


def _hello(spoken: tuple[int, ...]) -> Hello:
    return Hello(spoken, b"n" * 16, b"d" * 32, (11,), "ana", None, None, None, None, 0, b"\x00")


def _without_versions(message: Message) -> Message:
    if isinstance(message, Hello):
        return Hello((), *(getattr(message, name) for name in message.__slots__[1:]))
    return message


def _messages(frames: list[bytes]) -> list[Message]:
    assembler = Assembler()
    return [message for frame in frames if (message := assembler.feed(frame)) is not None]


def _receipts(messages: list[Message]) -> list[Receipt]:
    return [message for message in messages if isinstance(message, Receipt)]


def _own_rows_applied(replica: Replica, who: str) -> str:
    """Return the text of `replica` once it has what that person sent."""
    for message in _messages(
        [bytes.fromhex(step["up"]) for step in STEPS if step.get("who") == who and "up" in step]
    ):
        if isinstance(message, Update):
            replica.apply(message.data)
    return replica.text()
