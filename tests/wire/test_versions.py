"""Both ends of today against what the ends of earlier versions said; `record.py` tells how that was kept."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import msgpack
import pytest

from collab_protocol.codec import Assembler, Splitter, decode, encode
from collab_protocol.errors import FaultCode
from collab_protocol.events import RowsArrived, Synced, Told
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    CloseRoom,
    Declined,
    Fault,
    Hello,
    Kick,
    Look,
    Message,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Said,
    Say,
    Sync,
    Update,
    Welcome,
)
from collab_protocol.peer_sync import PeerSync, Request
from collab_protocol.presence import Activity, Caret, View
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import Replica
from collab_protocol.versions import VERSIONS, negotiate
from collab_server.room import Room, RoomState
from collab_server.store.base import ChatLine, Row
from tests.simulation.links import Link, Peer
from tests.wire.record import EPOCH, IDS, LINEAGE, answer

OLDER = VERSIONS[:-1]


class Record:
    """What was kept of one version."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._folder = Path(__file__).parent / f"v{version}"

    @cached_property
    def steps(self) -> list[dict[str, Any]]:
        """What happened, but for the end."""
        return self._lines[:-1]

    @cached_property
    def end(self) -> dict[str, Any]:
        """What came of it: the text, and everybody's receipts."""
        return self._lines[-1]

    @cached_property
    def old_clients(self) -> OldClients:
        """Its clients, as they fared with today's server."""
        clients = OldClients(self)
        clients.play()
        return clients

    def rules(self) -> Rules:
        return Rules(self._table)

    def frames(self, way: str, who: str) -> list[bytes]:
        """Return the frames that went "up" or "down" between one person and the server."""
        return [bytes.fromhex(step[way]) for step in self.steps if way in step and step["who"] == who]

    def todays_client(self, who: str) -> TodaysClient:
        """Return a client of today that has lived through the session with the version's server."""
        client = TodaysClient(who)
        client.play(self.steps)
        return client

    @cached_property
    def _lines(self) -> list[dict[str, Any]]:
        lines = (self._folder / "session.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @cached_property
    def _table(self) -> dict[str, Any]:
        table: dict[str, Any] = json.loads((self._folder / "codec.json").read_text(encoding="utf-8"))
        return table


class Rules:
    """How an end of an earlier version reads a frame, by the table that was kept of its codec."""

    def __init__(self, table: dict[str, Any]) -> None:
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


class OldPeer(Peer):
    """Today's server's end of a link to an old client, who may ask for what nobody does in a simulation."""

    round_trip_ms = 12

    def ask(self, room: Room, request: Request) -> None:
        answer(room, self, request)


class Bench:
    """Today's room, worked by the steps of a session; its peers are those of the simulation."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.settings: list[tuple[str, str]] = []
        self.chat: list[ChatLine] = []
        self.deferred: list[Callable[[], None]] = []
        self.room = Room(
            RoomState("notes", LINEAGE, EPOCH, 0, Replica(2), {}, True),
            log=self,
            defer=self.deferred.append,
            later=lambda _, call: self.deferred.append(call),
            now=lambda: 1000.0,
            clock=lambda: 1000.0,
            is_durable=True,
            limits=RoomLimits(),
            draw_retry_ms=lambda: 250,
        )

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self.settings.append((key, value))

    def say(self, line: ChatLine) -> None:
        self.chat.append(line)

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
        chat, self.chat = self.chat, []
        for line in chat:
            self.room.said(line)


class OldClients:
    """Clients of an earlier version with today's server: their frames go up as they were recorded."""

    def __init__(self, record: Record) -> None:
        self.bench = Bench()
        self._steps = record.steps
        self.peers: dict[int, Peer] = {}
        self.names: dict[int, str] = {}
        self.down: dict[int, list[bytes]] = defaultdict(list)

    def play(self) -> None:
        for step in self._steps:
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
                self.peers[step["link"]] = OldPeer(Link(), step["link"])
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
            case "trouble":
                self.bench.room.stop_storing("the server's disk is full")
            case "recover":
                self.bench.room.resume_storing()
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
    """A client of today, whose server speaks an earlier version: it hears what was recorded."""

    def __init__(self, who: str) -> None:
        self.replica = Replica(IDS[who], has_undo=True)
        self.sync = ClientSync(
            Identity(who.encode().ljust(16, b"."), who.encode().ljust(32, b"."), who),
            client_id=IDS[who],
            state_vector=self.replica.state_vector,
        )
        self.replica.on_update = self._typed
        self.sent: list[bytes] = []
        self.told: list[Message] = []
        self.link = 0
        self._who = who
        self._assembler, self._splitter = Assembler(), Splitter()

    def play(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
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
            case {"do": "check"}:
                self.sync.check(hashlib.sha256(self.replica.text().encode()).digest())
            case {"do": "show", "head": int(head), "following": int(whom), "top": int(top)}:
                self.sync.present((Caret(head, head),), Activity.IDLE, whom, View(top, step["bottom"]))
            case {"do": "say", "text": str(text)}:
                assert self.sync.ask(Say(text))
            case {"do": "look"}:
                assert self.sync.ask(Look(None))
            case {"do": "ask-authors", "since": since}:
                assert self.sync.ask(AskAuthors(since))
            case {"do": "ask-pulse"}:
                assert self.sync.ask(AskPulse())
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
            elif isinstance(event, Told):
                self.told.append(event.message)


@pytest.fixture(scope="module", params=OLDER)
def record(request: pytest.FixtureRequest) -> Record:
    """What was kept of each earlier version."""
    return Record(request.param)


def test_the_record_has_every_message_of_the_version(record: Record) -> None:
    rules: dict[tuple[Any, ...], Rules] = defaultdict(record.rules)
    names = {
        rules[way, step["who"], step["link"]].read(bytes.fromhex(step[way]))
        for step in record.steps
        for way in ("up", "down")
        if way in step
    }
    assert names - {None} == {each["name"] for each in record.rules().messages.values()} - {"Part"}


def test_todays_server_brings_old_clients_to_the_same_text(record: Record) -> None:
    assert record.old_clients.bench.room.text() == record.end["text"]


@pytest.mark.parametrize("who", IDS)
def test_todays_server_gives_old_clients_the_same_receipts(record: Record, who: str) -> None:
    received = record.old_clients.received(who)
    assert _receipts(received) == _receipts(_messages(record.frames("down", who)))
    assert {n for n, _, _ in record.end["receipts"][who]} <= {each.n for each in _receipts(received)}


def test_an_old_client_can_read_every_frame_of_todays_server(record: Record) -> None:
    for frames in record.old_clients.down.values():
        rules = record.rules()
        for frame in frames:
            rules.read(frame)


def test_the_text_that_todays_server_sends_to_old_clients_is_whole(record: Record) -> None:
    replica = Replica(1)
    for message in record.old_clients.received("ana"):
        match message:
            case Sync(_, _, update):
                replica.apply(update)
            case Batch(_, _, entries):
                for _, data in entries:
                    replica.apply(data)
            case _:
                pass
    for message in _messages(record.frames("up", "ana")):
        if isinstance(message, Update):
            replica.apply(message.data)
    assert replica.text() == record.end["text"]


@pytest.mark.parametrize("code", set(FaultCode) - {FaultCode.UNKNOWN})
def test_a_fault_reaches_an_old_client_as_one_that_it_knows(record: Record, code: FaultCode) -> None:
    peer = PeerSync(session=1)
    peer.receive(_hello((record.version,)))
    peer.deliver(Fault(code, "why", 200))
    assert [record.rules().read(encode(message)) for message in peer.to_send()] == ["Fault"]


def test_todays_server_tells_old_clients_all_that_their_own_did(record: Record) -> None:
    kinds = (Said, Look, Authors, Pulse, Declined)
    for who in IDS:
        told = [each for each in record.old_clients.received(who) if isinstance(each, kinds)]
        then = [each for each in _messages(record.frames("down", who)) if isinstance(each, kinds)]
        # What is declined is said in today's words.
        assert [_without_words(each) for each in told] == [_without_words(each) for each in then]
        assert bool(told) == (record.version >= 3)


def test_who_is_lost_is_gone_for_a_client_that_knows_no_better(record: Record) -> None:
    bench = Bench()
    old, lost = Peer(Link(), 1), Peer(Link(), 2)
    old.feed(bench.room, encode(_hello((record.version,))))
    lost.feed(bench.room, encode(_hello(VERSIONS, nonce=b"m" * 16)))
    bench.room.leave(lost)
    old.write()
    assert [record.rules().read(frame) for frame in old.link.down] == ["Welcome", "Sync", "Presence"]
    gone = decode(old.link.down[-1])
    assert isinstance(gone, Presence)
    assert gone.activity is (Activity.GONE if record.version < 3 else Activity.LOST)


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_comes_to_the_same_text_with_an_old_server(record: Record, who: str) -> None:
    client = record.todays_client(who)
    # bo left before the end, when everything that was typed had arrived.
    assert client.replica.text() == record.end["text"]
    assert client.sync.unsaved == 0


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_hears_all_that_an_old_server_tells(record: Record, who: str) -> None:
    kinds = (Said, Look, Authors, Pulse, Declined)
    then = [each for each in _messages(record.frames("down", who)) if isinstance(each, kinds)]
    assert record.todays_client(who).told == then


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_says_only_what_an_old_server_knows(record: Record, who: str) -> None:
    client = record.todays_client(who)
    rules = record.rules()
    names = [name for frame in client.sent if (name := rules.read(frame)) is not None]
    assert {"Hello", "Update", "Presence"} <= set(names)
    if record.version < 2:
        assert "Sync" not in names, "a version 1 server takes a Sync from a client for a breach"
        assert not client.sync.may_check, "there is no Check in version 1"
    if record.version < 3:
        assert not client.sync.ask(Say("hello")), "there is no chat before version 3"
    for message in (Kick(7, 0), CloseRoom(True)):
        assert not client.sync.ask(message), "nobody is sent away before version 4"


@pytest.mark.parametrize("who", IDS)
def test_a_client_of_today_sends_an_old_server_what_the_old_client_sent(record: Record, who: str) -> None:
    client = record.todays_client(who)
    old = _messages(record.frames("up", who))
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
    assert (peer.sync.version, welcome.version, negotiate(VERSIONS)) == (4, 4, 4)
    for frame in peer.link.down:
        client._hear(frame)
    assert client.sync.may_check


def test_an_old_client_is_told_the_version_that_was_agreed_on(record: Record) -> None:
    welcomes = [each for each in record.old_clients.received("ana") if isinstance(each, Welcome)]
    assert {welcome.version for welcome in welcomes} == {record.version}


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


def test_a_client_of_version_1_skips_what_it_is_told_of_trouble() -> None:
    bench = Bench()
    peer = Peer(Link(), 1)
    peer.feed(bench.room, encode(_hello((1,))))
    bench.room.stop_storing("the server's disk is full")
    peer.write()
    tags = [msgpack.unpackb(frame)[0] for frame in peer.link.down]
    # Version 1 passes over tags that it does not know.
    assert [str(tag) in Record(1).rules().messages for tag in tags] == [True, True, False]


def _hello(spoken: tuple[int, ...], nonce: bytes = b"n" * 16) -> Hello:
    return Hello(spoken, nonce, b"d" * 32, (11,), "ana", None, None, None, None, 0, b"\x00")


def _without_versions(message: Message) -> Message:
    if isinstance(message, Hello):
        return Hello((), *(getattr(message, name) for name in message.__slots__[1:]))
    return message


def _without_words(message: Message) -> Message:
    return Declined("") if isinstance(message, Declined) else message


def _messages(frames: list[bytes]) -> list[Message]:
    assembler = Assembler()
    return [message for frame in frames if (message := assembler.feed(frame)) is not None]


def _receipts(messages: list[Message]) -> list[Receipt]:
    return [message for message in messages if isinstance(message, Receipt)]
