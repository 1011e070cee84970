"""A whole world from one seed: clients, links, a server and its disk, without sockets, threads or sleep.

The room, both sync machines, the codec and the buffers are the real ones. Around them stands what
breaks: links that lose a random tail either way, a server that dies between any two steps and comes
back with what was committed, commits that come late and in groups, a clock that is a number.

Checked at every step: nobody sees text of another that is not on disk; a receipt names only rows that
are. Checked at the end, after everything healed: all texts are equal, every marker that was typed and
not deleted is there exactly once, the people each one sees are those who are there, and each caret is
where its owner's is.
"""

from __future__ import annotations

import random
import re
from collections import deque
from dataclasses import dataclass, field

from collab_client.buffer import Buffer
from collab_client.clusters import next_boundary
from collab_client.lines import Position
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.events import Dismissed, Entered, Event, Receipted, Refused, RowsArrived, Seen, Synced
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Bye, Fault, Hello, Message, Presence, Resync, Setting, Update, Welcome
from collab_protocol.presence import Activity, PresencePacer, Role
from collab_protocol.sync import ClientSync, Identity, PeerSync, Phase
from collab_protocol.text import Replica
from collab_server.outbox import BatchEncoder, Outbox
from collab_server.room import Room, RoomState
from collab_server.roster import Joiner
from collab_server.store.base import Row

LAG_BYTES = 300
"""So little text may wait for one reader that many fall behind."""

MARKER = re.compile(r"‹\d+\.\d+›")
FILLERS = ["", "\n", "日", "🙂", "é", "e\u0301", "a b"]


class WorldError(AssertionError):
    """The world broke a promise."""


@dataclass
class Link:
    """One connection: frames under way in both directions. A broken one may still deliver a tail upwards."""

    up: deque[bytes] = field(default_factory=deque)
    down: deque[bytes] = field(default_factory=deque)
    is_broken: bool = False


class Peer:
    """The server's end of one link: what a connection is to the room."""

    def __init__(self, link: Link, session: int) -> None:
        self.session = session
        self.link = link
        self.sync = PeerSync(session=session)
        self.is_closed = False
        self.outbox = Outbox(BatchEncoder(), lambda: None, lag_bytes=LAG_BYTES)
        self._assembler = Assembler()
        self._splitter = Splitter()

    def deliver(self, message: Message) -> None:
        self.sync.deliver(message)
        self.flush()
        if isinstance(message, Fault | Bye):
            self.is_closed = True
            self.write()

    def flush(self) -> None:
        for message in self.sync.to_send():
            self.outbox.put(message)

    def write(self, count: int | None = None) -> bool:
        """Let the connection's writer send `count` messages, or all; returns whether there were any."""
        written = 0
        while written != count and (encoded := self.outbox.take()) is not None:
            self.link.down.extend(self._splitter.split(encoded))
            written += 1
        return written > 0

    def feed(self, room: Room, frame: bytes) -> None:
        message = self._assembler.feed(frame)
        if message is None:
            return
        request = self.sync.receive(message)
        match request:
            case Hello():
                room.join(
                    self, request, Joiner(principal="device:" + request.device.hex()[:12], role=Role.WRITE)
                )
            case Update(n, data):
                room.update(self, n, data)
            case Presence():
                room.present(self, request)
            case Setting(key, value):
                room.set(self, key, value)
            case Resync(_, state_vector):
                room.resync(self, state_vector)
            case Bye():
                room.leave(self)
                self.is_closed = True
            case None:
                pass
        self.flush()


class Server:
    """A room over a disk that commits when the world says so."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.uncommitted: list[Row] = []
        self.deferred: list[object] = []
        self.peers: list[Peer] = []
        replica = Replica(world.draw_id())
        for row in world.disk:
            replica.apply(row.data)
        state = RoomState(
            name="notes",
            lineage=world.lineage,
            epoch=world.epoch,
            seq=world.disk[-1].last if world.disk else 0,
            replica=replica,
            settings={},
            is_new=not world.disk,
        )
        self.room = Room(
            state,
            log=self,
            defer=self.deferred.append,
            now=lambda: world.now,
            is_durable=True,
            limits=RoomLimits(),
            draw_retry_ms=lambda: 0,
        )

    def append(self, row: Row) -> None:
        self.uncommitted.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        raise WorldError("nobody changes settings here")

    def turn(self) -> None:
        """Run what was put off to the end of the loop turn."""
        deferred, self.deferred[:] = list(self.deferred), []
        for run in deferred:
            assert callable(run)
            run()

    def commit(self, count: int) -> None:
        """Bring the next `count` rows to disk, as one group."""
        rows, self.uncommitted = self.uncommitted[:count], self.uncommitted[count:]
        if rows:
            self.world.disk += rows
            for row in rows:
                self.world.on_disk.apply(row.data)
                self.world.committed |= set(MARKER.findall(self.world.on_disk.text()))
            self.room.committed(rows[-1].last)

    def close(self) -> None:
        self.room.close()


class Client:
    """One person: a buffer, a sync machine and at most one link."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.buffer = Buffer(Replica(world.draw_id(), undo_clock=lambda: world.now + 1))
        self.sync = ClientSync(
            Identity(bytes([number] * 16), bytes([number] * 32), f"person{number}"),
            client_id=self.buffer.replica.client_id,
            state_vector=self.buffer.replica.state_vector,
        )
        self.buffer.on_local_update = self._local_update
        self.pacer = PresencePacer()
        self.link: Link | None = None
        self.session = 0
        self.markers: list[tuple[int, str]] = []
        self._assembler = Assembler()
        self._splitter = Splitter()
        self._welcome: Welcome | None = None

    @property
    def text(self) -> str:
        return self.buffer.replica.text()

    def connect(self) -> None:
        self.link = Link()
        self._assembler, self._splitter = Assembler(), Splitter()
        self.world.server.peers.append(Peer(self.link, self.world.draw_id()))
        self.sync.connected()
        self.flush()

    def disconnect(self) -> None:
        self.sync.disconnected()
        self.buffer.clear_peers()
        self.link = None

    def type(self) -> None:
        self._move()
        marker = f"‹{self.number}.{len(self.markers)}›"
        rows = self.sync.unsaved
        self.buffer.type_text(marker + self.world.dice.choice(FILLERS))
        assert self.sync.unsaved == rows + 1
        self.markers.append((self.last_n, marker))
        self.pacer.moved()

    def delete(self) -> None:
        """Delete one whole marker, anyone's."""
        lines = self.text.split("\n")
        found = [
            (row, match.start(), match.end())
            for row, line in enumerate(lines)
            for match in MARKER.finditer(line)
        ]
        if found:
            row, begin, end = self.world.dice.choice(found)
            self.world.deleted.add(lines[row][begin:end])
            self.buffer.replace(Position(row, begin), Position(row, end), "")
            self.pacer.moved()

    def move(self) -> None:
        self._move()
        self.pacer.moved()

    def _move(self) -> None:
        """Put the caret anywhere but inside a marker, which would tear it."""
        row = self.world.dice.randrange(self.buffer.lines.row_count)
        line = self.buffer.lines.line(row)
        inside = {c for match in MARKER.finditer(line) for c in range(match.start() + 1, match.end())}
        columns, column = [0], 0
        while column < len(line):
            column = next_boundary(line, column)
            if column not in inside:
                columns.append(column)
        self.buffer.move_to(Position(row, self.world.dice.choice(columns)))

    last_n = 0

    def _local_update(self, data: bytes) -> None:
        self.last_n = self.sync.local_update(data)

    def flush(self) -> None:
        """Hand to the link what there is to send, own caret included when it is due."""
        if self.link is None:
            return
        due_at = self.pacer.due_at()
        if due_at is not None and due_at <= self.world.now and self.sync.phase is Phase.LIVE:
            self.sync.present(self.buffer.carets_to_send(), Activity.ACTIVE)
            self.pacer.sent(self.world.now)
        while messages := self.sync.to_send():
            for message in messages:
                self.link.up.extend(self._splitter.frames(message))

    def feed(self, frame: bytes) -> None:
        message = self._assembler.feed(frame)
        if message is None:
            return
        self.sync.receive(message)
        for event in self.sync.events():
            self._handle(event)
        self._check_others_text_is_on_disk()

    def _handle(self, event: Event) -> None:
        now = self.world.now
        match event:
            case Entered(welcome):
                self._welcome = welcome
                self.session = welcome.session
            case Synced(seq, data, is_first):
                self.buffer.apply_sync(data, seq)
                if is_first and self._welcome is not None:
                    self.buffer.set_roster(self._welcome.roster, self._welcome.session, seq, now)
                    self.pacer.moved()
                else:
                    self.pacer.passed(now)
            case RowsArrived(author, seq, data):
                self.buffer.apply_remote(data, author, seq)
                self.pacer.passed(now)
            case Receipted(n, seq):
                receipted = {marker for at, marker in self.markers if at <= n}
                missing = receipted - self.world.committed - self.world.deleted
                if missing:
                    raise WorldError(f"receipt for rows that are not on disk: {missing}")
                self.buffer.receipted(n, seq)
            case Seen(presence):
                self.buffer.place(presence, now)
            case Dismissed():
                self.disconnect()
            case Refused(_, message):
                raise WorldError(f"an honest client was refused: {message}")
            case _:
                raise WorldError(f"unexpected {event}")

    def _check_others_text_is_on_disk(self) -> None:
        own = {marker for _, marker in self.markers}
        early = set(MARKER.findall(self.text)) - own - self.world.committed
        if early:
            raise WorldError(f"client {self.number} sees uncommitted text: {early}")


class World:
    """Everything, and the dice that move it."""

    def __init__(self, seed: int, clients: int = 3) -> None:
        self.dice = random.Random(seed)
        self.now = 1000.0
        self.lineage, self.epoch = b"l" * 16, b"e" * 16
        self.disk: list[Row] = []
        self.on_disk = Replica(self.draw_id())
        self.committed: set[str] = set()
        self.deleted: set[str] = set()
        self.server = Server(self)
        self.clients = [Client(self, number) for number in range(1, clients + 1)]

    def draw_id(self) -> int:
        return self.dice.randrange(2, 2**31)

    def step(self) -> None:
        client = self.dice.choice(self.clients)
        roll = self.dice.random()
        if roll < 0.22:
            client.type()
        elif roll < 0.27:
            client.delete()
        elif roll < 0.31:
            client.move()
        elif roll < 0.36:
            if client.link is None:
                client.connect()
        elif roll < 0.38:
            self.break_link(client)
        elif roll < 0.56:
            self.deliver_up(self.dice.randint(1, 4))
        elif roll < 0.74:
            self.deliver_down(client, self.dice.randint(1, 4))
        elif roll < 0.84:
            self.server.turn()
        elif roll < 0.94:
            self.server.commit(self.dice.randint(1, 3))
        elif roll < 0.95:
            self.crash()
        elif roll < 0.97:
            self.notice_broken_links()
        else:
            self.now += self.dice.choice([0.01, 0.06, 0.4])
        client.flush()

    def break_link(self, client: Client) -> None:
        """Lose a random tail each way. What was under way upwards may arrive even after a reconnect."""
        link = client.link
        if link is None:
            return
        link.is_broken = True
        for _ in range(self.dice.randint(0, len(link.up))):
            link.up.pop()
        for _ in range(self.dice.randint(0, len(link.down))):
            client.feed(link.down.popleft())
            if client.link is None:
                return
        client.disconnect()

    def deliver_up(self, count: int) -> None:
        peers = [peer for peer in self.server.peers if peer.link.up and not peer.is_closed]
        if peers:
            peer = self.dice.choice(peers)
            for _ in range(min(count, len(peer.link.up))):
                if not peer.is_closed:
                    peer.feed(self.server.room, peer.link.up.popleft())

    def deliver_down(self, client: Client, count: int) -> None:
        for peer in self.server.peers:
            if peer.link is client.link:
                peer.write(count)
        for _ in range(count):
            if client.link is not None and client.link.down:
                client.feed(client.link.down.popleft())
        if client.link is not None and not client.link.down and self._is_closed(client.link):
            client.disconnect()

    def _is_closed(self, link: Link) -> bool:
        return all(peer.is_closed for peer in self.server.peers if peer.link is link)

    def notice_broken_links(self) -> None:
        """Let the server find out about dead links, as its ping timeout would."""
        for peer in list(self.server.peers):
            if peer.link.is_broken and not peer.is_closed:
                peer.is_closed = True
                self.server.room.leave(peer)
        self.server.peers = [
            peer for peer in self.server.peers if not peer.is_closed or not peer.link.is_broken
        ]

    def crash(self) -> None:
        """The server dies: what is not on disk is gone, links break, and a new one comes up."""
        for client in self.clients:
            if client.link is not None:
                client.disconnect()
        self.server.close()
        self.server = Server(self)

    def heal(self) -> None:
        """Reconnect everybody and let everything arrive, twice over, until nothing moves."""
        for _ in range(400):
            self.now += 0.5
            for client in self.clients:
                if client.link is None:
                    client.connect()
            self.notice_broken_links()
            while self._settle():
                pass
            if all(
                client.sync.phase is Phase.LIVE and client.pacer.due_at() is None for client in self.clients
            ):
                return
        raise WorldError("the world does not come to rest")

    def _settle(self) -> bool:
        moved = False
        for client in self.clients:
            client.flush()
        while any(peer.link.up and not peer.is_closed for peer in self.server.peers):
            self.deliver_up(100)
            moved = True
        if self.server.deferred or self.server.uncommitted:
            self.server.turn()
            self.server.commit(len(self.server.uncommitted))
            moved = True
        for peer in self.server.peers:
            moved |= peer.write()
        for client in self.clients:
            while client.link is not None and client.link.down:
                self.deliver_down(client, 1)
                moved = True
            if client.link is not None and self._is_closed(client.link):
                client.disconnect()
        return moved

    def check(self) -> None:
        """Compare what everyone has at the end.

        Raises:
            WorldError: a promise was broken.
        """
        texts = {client.text for client in self.clients} | {self.on_disk.text()}
        if len(texts) != 1:
            raise WorldError(f"texts differ: {texts}")
        text = texts.pop()
        for client in self.clients:
            if client.buffer.lines.text() != text:
                raise WorldError("the lines on screen are not the text")
            if client.sync.unsaved:
                raise WorldError(f"client {client.number} still has {client.sync.unsaved} unsaved")
        typed = {marker for client in self.clients for _, marker in client.markers}
        for marker in typed:
            wanted = 0 if marker in self.deleted else 1
            if text.count(marker) != wanted:
                raise WorldError(f"{marker} is there {text.count(marker)} times instead of {wanted}")
        self._check_presence()

    def _check_presence(self) -> None:
        for viewer in self.clients:
            sessions = {client.session for client in self.clients if client is not viewer}
            if set(viewer.buffer.peers) != sessions:
                raise WorldError(
                    f"client {viewer.number} sees {set(viewer.buffer.peers)}, there are {sessions}"
                )
            for owner in self.clients:
                if owner is not viewer and viewer.buffer.peers[owner.session].head != owner.buffer.head:
                    raise WorldError(
                        f"client {viewer.number} sees the caret of {owner.number} at "
                        f"{viewer.buffer.peers[owner.session].head} instead of {owner.buffer.head}"
                    )

    def close(self) -> None:
        self.server.close()
        self.on_disk.close()
        for client in self.clients:
            client.buffer.close()


def run(seed: int, steps: int = 160) -> int:
    """Run the world of `seed`; returns how many markers were typed.

    Raises:
        WorldError: a promise was broken.
    """
    world = World(seed)
    try:
        for _ in range(steps):
            world.step()
        world.heal()
        world.check()
        return sum(len(client.markers) for client in world.clients)
    finally:
        world.close()
