"""Records what the ends of one version say to each other, for the versions after it to be held against.

Run once, on a checkout of the last commit that spoke the version, and never again:

    git archive 1b5831d | tar -x -C /tmp/v1
    cd /tmp/v1 && PYTHONPATH=protocol:server:tui python /path/to/tests/wire/record.py /path/to/tests/wire/v1

Version 2 was recorded from e32fa16, version 3 from c2cf1c9. What a version adds to the session is done from
that version on only.

`codec.json` is the version's table of messages: tags, fields, their types, and the values of enums.
`session.jsonl` is a session of two people, one step a line, in the order in which it happened:

    {"do": "connect" | "type" | "caret" | "ping" | "set" | "check" | "leave" | "lose", "who": …}   a person
    {"up": frame, "who": …, "link": …}       a frame of the client arrives at the server
    {"down": frame, "who": …, "link": …}     a frame of the server arrives at the client
    {"do": "turn" | "commit" | "ask" | "stop"}  the server: end of a loop turn, all on disk, Resync, Bye
    {"do": "trouble" | "recover"}            the server's disk takes nothing, or takes it again
    {"do": "show" | "say" | "look" | "ask-authors" | "ask-pulse", "who": …}   a person, since version 3
    {"text": …, "receipts": {who: [[n, seq, alone], …]}}   the end

Frames are hexadecimal. `link` counts the links, and is the session's number at the server too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collab_protocol import codec, errors, messages, presence, versions
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.events import RowsArrived, Synced
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Bye, Hello, Presence, Receipt, Resync, Setting, Sync, Update
from collab_protocol.presence import Activity, Caret, Role
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import Replica
from collab_server.outbox import BatchEncoder, Outbox
from collab_server.room import Room, RoomState
from collab_server.roster import Joiner

try:
    from collab_protocol.peer_sync import PeerSync
except ImportError:  # it was in there up to version 1
    from collab_protocol.sync import PeerSync  # type: ignore[attr-defined,no-redef]

VERSION = max(versions.VERSIONS)
LAG_BYTES = 300
LINEAGE, EPOCH = b"lineage of notes", b"epoch of a store"
IDS = {"ana": 0x1A2B3C4D5E6F7, "bo": 0x1F2E3D4C5B6A7}
LARGE = "a line that is long enough to be worth a few parts\n" * 680
"""A little more than one Part."""


class Peer:
    """The server's end of one link."""

    def __init__(self, recorder: Recorder, who: str, link: int) -> None:
        self.session = link
        self.who = who
        self.sync = PeerSync(session=link)
        self.outbox = Outbox(BatchEncoder(), lambda: None, lag_bytes=LAG_BYTES)
        self.assembler, self.splitter = Assembler(), Splitter()
        self.round_trip_ms = 12
        self._recorder = recorder

    @property
    def answers_resync(self) -> bool:
        return self.sync.version >= 2

    def deliver(self, message: Any) -> None:
        self.sync.deliver(message)
        self.flush()

    def flush(self) -> None:
        for message in self.sync.to_send():
            self.outbox.put(message)

    def feed(self, frame: bytes) -> None:
        message = self.assembler.feed(frame)
        room = self._recorder.room
        match None if message is None else self.sync.receive(message):
            case Hello() as hello:
                room.join(self, hello, Joiner(principal=principal_of(self.who), role=Role.WRITE))
            case Update(n, data):
                room.update(self, n, data)
            case Presence() as shown:
                room.present(self, shown)
            case Setting(key, value):
                room.set(self, key, value)
            case Resync(_, state_vector):
                room.resync(self, state_vector)
            case Sync():
                room.sends_again(self)
            case Bye():
                room.leave(self, **({"is_bye": True} if VERSION >= 3 else {}))
            case messages.Check(seq, sha256):
                room.check(self, seq, sha256)
            case request if VERSION >= 3:
                answer(room, self, request)
            case _:
                pass
        self.flush()


def principal_of(who: str) -> str:
    """Return who that is by the machine, as a server has it."""
    return f"device:{who.encode().ljust(32, b'.').hex()[:12]}"


def answer(room: Any, peer: Any, request: Any) -> None:
    """Let `room` do what a client of version 3 asks for beside the text; `peer` is the server's end of it.

    Who wrote is in the log; here it is everybody, whatever was asked.
    """
    match request:
        case messages.Say(text):
            room.say(peer, text)
        case messages.Look():
            room.look(peer)
        case messages.AskPulse():
            room.pulse(peer)
        case messages.AskAuthors(since):
            people = room.authors([(principal_of(who), who) for who in IDS])
            ids = b"".join(IDS[who].to_bytes(8, "big") + i.to_bytes(2, "big") for i, who in enumerate(IDS))
            peer.deliver(messages.Authors(since, people, b"" if since is not None else ids))
        case _:
            pass


class Client:
    """One person's end, whatever its links."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.replica = Replica(IDS[who], has_undo=True)
        self.sync = ClientSync(
            Identity(who.encode().ljust(16, b"."), who.encode().ljust(32, b"."), who),
            client_id=IDS[who],
            state_vector=self.replica.state_vector,
        )
        self.replica.on_update = self._typed
        self.peer: Peer | None = None
        self.assembler, self.splitter = Assembler(), Splitter()
        self.receipts: list[list[int | bool]] = []

    def _typed(self, data: bytes) -> None:
        self.sync.local_update(data)

    def feed(self, frame: bytes) -> None:
        message = self.assembler.feed(frame)
        if message is None:
            return
        if isinstance(message, Receipt):
            self.receipts.append([message.n, message.seq, message.alone])
        self.sync.receive(message)
        for event in self.sync.events():
            if isinstance(event, RowsArrived | Synced):
                self.replica.apply(event.data)


class Recorder:
    """A room and its people; every step that is taken is a line."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.rows: list[Any] = []
        self.settings: list[tuple[str, str]] = []
        self.chat: list[Any] = []
        self.deferred: list[Callable[[], None]] = []
        self.links = 100
        self.peers: list[Peer] = []
        self.clients = {who: Client(who) for who in IDS}
        self.room = Room(
            RoomState("notes", LINEAGE, EPOCH, 0, Replica(2), {}, True),
            log=self,
            defer=self.deferred.append,
            now=lambda: 1000.0,
            is_durable=True,
            limits=RoomLimits(),
            draw_retry_ms=lambda: 250,
            **self._timers(),
        )

    def _timers(self) -> dict[str, Any]:
        """Return what a Room has to be given since version 3; nothing is put off for long here."""
        if "later" not in inspect.signature(Room).parameters:
            return {}
        return {"later": lambda _, call: self.deferred.append(call), "clock": lambda: 1000.0}

    def append(self, row: Any) -> None:
        self.rows.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self.settings.append((key, value))

    def say(self, line: Any) -> None:
        self.chat.append(line)

    # What people do

    def connect(self, who: str) -> None:
        client = self.clients[who]
        self.links += 1
        client.peer = Peer(self, who, self.links)
        self.peers.append(client.peer)
        client.assembler, client.splitter = Assembler(), Splitter()
        self._note(do="connect", who=who, link=self.links)
        client.sync.connected()

    def type(self, who: str, offset: int, deleted: int, text: str) -> None:
        self._note(do="type", who=who, offset=offset, deleted=deleted, text=text)
        self.clients[who].replica.edit(offset, deleted, text)

    def caret(self, who: str, head: int) -> None:
        self._note(do="caret", who=who, head=head)
        self.clients[who].sync.present((Caret(head, head),), Activity.ACTIVE)

    def ping(self, who: str, number: int) -> None:
        self._note(do="ping", who=who, number=number)
        self.clients[who].sync.ping(number)

    def set(self, who: str, key: str, value: str) -> None:
        self._note(do="set", who=who, key=key, value=value)
        self.clients[who].sync.set(key, value)

    def check(self, who: str) -> None:
        """Say which text is here."""
        self._note(do="check", who=who)
        client = self.clients[who]
        assert client.sync.may_check
        client.sync.check(hashlib.sha256(client.replica.text().encode()).digest())

    def show(self, who: str, head: int, whom: str, top: int, bottom: int) -> None:
        """Say where one is, whose view one follows, and what one sees."""
        peer = self.clients[whom].peer
        assert peer is not None
        following = peer.session
        self._note(do="show", who=who, head=head, following=following, top=top, bottom=bottom)
        view = presence.View(top, bottom)
        self.clients[who].sync.present((Caret(head, head),), Activity.IDLE, following, view)

    def chats(self, who: str, text: str) -> None:
        self._note(do="say", who=who, text=text)
        assert self.clients[who].sync.ask(messages.Say(text))

    def looks(self, who: str) -> None:
        self._note(do="look", who=who)
        assert self.clients[who].sync.ask(messages.Look(None))

    def ask_authors(self, who: str, since: int | None) -> None:
        self._note(do="ask-authors", who=who, since=since)
        assert self.clients[who].sync.ask(messages.AskAuthors(since))

    def ask_pulse(self, who: str) -> None:
        self._note(do="ask-pulse", who=who)
        assert self.clients[who].sync.ask(messages.AskPulse())

    def leave(self, who: str) -> None:
        self._note(do="leave", who=who)
        self.clients[who].sync.leave()

    def lose(self, who: str) -> None:
        """Lose the link, unknown to the server."""
        self._note(do="lose", who=who)
        self.clients[who].sync.disconnected()

    # What is under way

    def up(self, who: str) -> None:
        """Let everything arrive that the client has to send."""
        client = self.clients[who]
        assert client.peer is not None
        while sent := client.sync.to_send():
            for message in sent:
                for frame in client.splitter.frames(message):
                    self._note(up=frame.hex(), who=who, link=client.peer.session)
                    client.peer.feed(frame)

    def down(self, who: str) -> None:
        """Let everything arrive that the server has to send; on a link that is lost nobody hears it."""
        client = self.clients[who]
        for peer in [each for each in self.peers if each.who == who]:
            while (encoded := peer.outbox.take()) is not None:
                for frame in peer.splitter.split(encoded):
                    self._note(down=frame.hex(), who=who, link=peer.session)
                    if peer is client.peer:
                        client.feed(frame)

    # What the server does

    def turn(self) -> None:
        self._note(do="turn")
        deferred, self.deferred[:] = list(self.deferred), []
        for run in deferred:
            run()

    def commit(self) -> None:
        self._note(do="commit")
        rows, self.rows = self.rows, []
        if rows:
            self.room.committed(rows[-1].last)
        settings, self.settings = self.settings, []
        for key, value in settings:
            self.room.setting_committed(key, value)
        chat, self.chat = self.chat, []
        for line in chat:
            self.room.said(line)

    def ask(self, who: str) -> None:
        """Ask a client for its rows, and whether it is there."""
        peer = self.clients[who].peer
        assert peer is not None
        self._note(do="ask", who=who)
        peer.sync.ping(7)
        peer.deliver(Resync(self.room.seq, self.room._replica.state_vector()))

    def trouble(self) -> None:
        self._note(do="trouble")
        self.room.stop_storing("the server's disk is full")

    def recover(self) -> None:
        self._note(do="recover")
        self.room.resume_storing()

    def stop(self) -> None:
        self._note(do="stop")
        self.room.fail("the server restarts")

    def all(self) -> None:
        """Let everything arrive, until nothing moves."""
        for _ in range(4):
            for who, client in self.clients.items():
                if client.peer is not None:
                    self.up(who)
            self.turn()
            self.commit()
            for who, client in self.clients.items():
                if client.peer is not None:
                    self.down(who)

    def _note(self, **line: Any) -> None:
        self.lines.append(line)


def session() -> list[dict[str, Any]]:
    """Return the steps of a session that has every kind of message in it."""
    r = Recorder()
    r.type("ana", 0, 0, "typed before any server\n")
    r.connect("ana")
    r.all()
    r.type("ana", 0, 0, LARGE)  # an Update in Parts
    r.set("ana", "title", "notes of two")
    r.ping("ana", 1)
    r.all()
    r.connect("bo")  # Welcome with a roster and a setting, Sync in Parts
    r.all()
    r.type("bo", 0, 0, "bo: é日🙂\n")
    r.caret("bo", 5)
    r.type("ana", 10, 4, "replaced")
    r.all()  # both in one Batch
    r.caret("ana", 3)
    r.all()
    for index in range(12):  # bo reads nothing: Batches are dropped, an empty one shows it
        r.type("ana", index, 0, f"line {index} " + "x" * 60 + "\n")
        r.up("ana")
        r.turn()
        r.commit()
    r.all()
    r.type("bo", 0, 3, "")
    r.type("bo", 0, 0, LARGE[:34_000])  # a Batch in Parts
    r.all()
    r.type("ana", 0, 0, "sent, and the link is lost\n")
    r.up("ana")
    r.turn()
    r.lose("ana")
    r.commit()
    r.type("ana", 0, 0, "typed offline 1\n")
    r.type("ana", 0, 0, "typed offline 2\n")
    r.type("bo", 0, 0, "meanwhile\n")
    r.up("bo")
    r.turn()
    r.connect("ana")  # its old link is told that it was replaced; the rows come again, trimmed
    r.all()
    r.ask("bo")  # Resync and Ping of the server
    r.type("bo", 1, 0, "asked ")
    r.all()
    r.caret("bo", 2)
    r.all()
    if VERSION >= 2:
        r.trouble()
        r.down("bo")
        r.type("bo", 0, 0, "while the disk was full\n")
        r.all()
        r.recover()  # everybody is asked for the rows that were not taken
        r.all()
        r.check("ana")
        r.check("bo")
        r.all()
    if VERSION >= 3:
        r.show("bo", 3, "ana", 0, 40)  # bo follows ana
        r.chats("ana", "look at what é日🙂 looks like")
        r.all()
        r.looks("ana")
        r.chats("bo", "x" * 501)  # Declined
        r.ask_pulse("bo")
        r.all()
        r.ask_authors("bo", None)
        r.ask_authors("ana", 1)
        r.all()
        r.lose("ana")
        r.connect("ana")  # who is lost is back, and gets the chat with the text
        r.all()
    r.leave("bo")
    r.all()
    r.stop()
    r.down("ana")
    texts = {r.room.text(), *(client.replica.text() for client in r.clients.values())}
    assert len(texts) == 1, "the recorded session did not come to one text"
    assert all(client.sync.unsaved == 0 for client in r.clients.values())
    receipts = {who: client.receipts for who, client in r.clients.items()}
    r.lines.append({"text": r.room.text(), "receipts": receipts})
    return r.lines


def table() -> dict[str, Any]:
    """Return the version's messages as data."""

    def fields(kind: Any) -> list[list[str]]:
        return [[each.name, str(each.type)] for each in dataclasses.fields(kind)]

    return {
        "version": VERSION,
        "messages": {
            str(tag): {"name": kind.__name__, "fields": fields(kind)}
            for kind, tag in sorted(codec._TAGS.items(), key=lambda item: item[1])
        },
        "records": {kind.__name__: fields(kind) for kind in _records()},
        "choices": {
            kind.__name__: [choice.value for choice in kind]
            for kind in (errors.FaultCode, presence.Role, presence.Activity)
        },
    }


def _records() -> tuple[Any, ...]:
    since_version_3 = (presence.View, presence.Author) if VERSION >= 3 else ()
    return messages.RoomLimits, presence.Person, presence.Caret, *since_version_3


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "codec.json").write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
    lines = [json.dumps(line, ensure_ascii=False) + "\n" for line in session()]
    (folder / "session.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
