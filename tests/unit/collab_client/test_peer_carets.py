from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field

import pytest

from collab_client.buffer import Buffer
from collab_client.carets import Patch, Span, passages
from collab_client.lines import Lines, Position
from collab_client.peer_carets import PeerCarets, Ring
from collab_protocol import limits
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person, Role, View
from collab_protocol.text import Replica, Splice


def person(session: int) -> Person:
    return Person(session, f"unix:{session}", "ana", Role.WRITE, session % 12)


def presence(
    session: int, head: int, anchor: int | None = None, seen: int = 0, view: View | None = None
) -> Presence:
    caret = Caret(head, head if anchor is None else anchor)
    return Presence(person(session), (caret,), seen, Activity.ACTIVE, 0, view)


def test_the_ring_brings_a_caret_through_what_its_sender_had_not_seen() -> None:
    ring = Ring()
    ring.add_remote(7, 1, [Splice(0, 0, "a")])
    ring.add_remote(8, 2, [Splice(0, 0, "bb")])
    ring.add_own(1, [Splice(0, 0, "cccc")])
    assert ring.bring((Caret(5, 5),), 9, 0) == (Caret(12, 12),)
    assert ring.bring((Caret(5, 5),), 9, 1) == (Caret(11, 11),)
    assert ring.bring((Caret(5, 5),), 8, 1) == (Caret(9, 9),)
    assert ring.bring((Caret(5, 5),), 9, 3) == (Caret(9, 9),)
    ring.receipted(1, 3)
    assert ring.bring((Caret(5, 5),), 9, 3) == (Caret(5, 5),)
    assert ring.bring((Caret(5, 5),), 9, 2) == (Caret(9, 9),)


def test_a_caret_older_than_the_ring_is_not_known() -> None:
    ring = Ring()
    for seq in range(1, 514):
        ring.add_remote(7, seq, [Splice(0, 0, "a")])
    assert ring.bring((Caret(0, 0),), 9, 0) == ()
    assert ring.bring((Caret(5, 5),), 9, 1) == (Caret(517, 517),)
    ring.begin_link()
    assert ring.bring((Caret(5, 5),), 9, 0) == (Caret(5, 5),)


def test_carets_are_not_known_while_forgotten_own_rows_wait_for_a_receipt() -> None:
    ring = Ring()
    for n in range(1, 515):
        ring.add_own(n, [Splice(0, 0, "a")])
    assert ring.bring((Caret(0, 0),), 9, 0) == ()
    ring.begin_link()
    assert ring.bring((Caret(0, 0),), 9, 0) == ()
    ring.receipted(1, 5)
    assert ring.bring((Caret(0, 0),), 9, 5) == ()
    ring.receipted(514, 8)
    assert ring.bring((Caret(3, 3),), 9, 7) == ()
    assert ring.bring((Caret(3, 3),), 9, 8) == (Caret(3, 3),)


def test_there_are_no_more_than_fit_into_a_room() -> None:
    peers = PeerCarets(Lines("hello"), Ring())
    for session in range(1, 2 * limits.PEOPLE):
        peers.place(presence(session, 1), 10.0)
    assert len(peers) == limits.PEOPLE
    peers.place(presence(1, 2), 20.0)
    assert peers[1].head == (0, 2)
    peers.place(Presence(person(1), (), 0, Activity.GONE), 20.0)
    peers.place(presence(5000, 2), 20.0)
    peers.place_again()
    assert 5000 in peers


def test_only_what_is_news_counts_as_moving() -> None:
    lines = Lines("hello")
    peers = PeerCarets(lines, Ring())
    peers.place(presence(7, 1), 10.0)
    peers.place(presence(7, 1), 20.0)
    assert peers[7].moved_at == 10.0
    peers.place(presence(7, 2), 30.0)
    assert peers[7].moved_at == 30.0
    peers.place(Presence(person(7), (), 0, Activity.IDLE), 40.0)
    assert (peers[7].head, peers[7].moved_at, peers[7].activity) == (None, 30.0, Activity.IDLE)


def test_one_who_types_has_moved_though_the_text_brought_the_caret_along() -> None:
    lines = Lines("hello")
    peers = PeerCarets(lines, Ring())
    peers.place(presence(7, 1), 10.0)
    here = Position(0, 1)
    (passage,) = passages([Patch(here, here, lines.replace(here, here, "x"))])
    peers.shift(passage, 7)
    assert peers[7].head == Position(0, 2)
    peers.place(presence(7, 2), 20.0)
    assert peers[7].moved_at == 20.0


def test_what_somebody_sees_is_brought_here_and_shifted_like_their_carets() -> None:
    lines = Lines("one\ntwo\nthree\n")
    ring = Ring()
    ring.add_remote(8, 1, [Splice(0, 0, "one\n")])
    peers = PeerCarets(lines, ring)
    peers.place(presence(7, 0, view=View(0, 3)), 10.0)
    assert peers[7].spans == (Span(Position(0, 0), Position(0, 0)),)
    assert peers[7].view == (Position(1, 0), Position(1, 3))
    start, end = Position(0, 0), Position(1, 0)
    (passage,) = passages([Patch(start, end, lines.replace(start, end, ""))])
    peers.shift(passage, None)
    assert peers[7].view == (Position(0, 0), Position(0, 3))
    peers.place(presence(7, 0, seen=1), 20.0)
    assert peers[7].view is None


def test_a_view_older_than_the_ring_is_not_known() -> None:
    ring = Ring()
    for seq in range(1, 514):
        ring.add_remote(8, seq, [Splice(0, 0, "a")])
    peers = PeerCarets(Lines("hello"), ring)
    peers.place(presence(7, 1, view=View(0, 5)), 10.0)
    assert (peers[7].spans, peers[7].view) == ((), None)


def test_it_is_known_when_somebody_typed_last_and_whom_they_follow() -> None:
    lines = Lines("hello")
    now = 5.0
    peers = PeerCarets(lines, Ring(), clock=lambda: now)
    for session in (7, 8):
        peers.place(presence(session, 1), 1.0)
    here = Position(0, 0)
    (passage,) = passages([Patch(here, here, lines.replace(here, here, "x"))])
    peers.shift(passage, 7)
    peers.place(Presence(person(7), (), 0, Activity.ACTIVE, following=8), 9.0)
    assert (peers[7].typed_at, peers[7].following) == (5.0, 8)
    assert (peers[8].typed_at, peers[8].following) == (-math.inf, 0)


def test_peers_go_one_by_one_or_all() -> None:
    peers = PeerCarets(Lines("hello"), Ring())
    for session in (7, 8, 9):
        peers.place(presence(session, 99), 0.0)
    assert {session: peer.head for session, peer in peers.items()} == dict.fromkeys((7, 8, 9), Position(0, 5))
    peers.place(Presence(person(8), (), 0, Activity.GONE), 0.0)
    assert list(peers) == [7, 9]
    peers.place(Presence(person(7), (), 0, Activity.LOST), 0.0)
    assert list(peers) == [9]
    peers.clear()
    assert not peers


# Whole rooms from one seed: the caret rules of DESIGN section 9, on real buffers


@dataclass
class Row:
    n: int
    data: bytes


@dataclass
class Batch:
    seq: int
    author: int
    data: bytes


@dataclass
class Receipt:
    n: int
    seq: int


@dataclass
class Sync:
    seq: int
    data: bytes


class Client:
    def __init__(self, session: int, dice: random.Random, text: bytes) -> None:
        replica = Replica(dice.randrange(1, 2**31), has_undo=True)
        replica.apply(text)
        self.now = 1.0
        self.session = session
        self.buffer = Buffer(replica, clock=lambda: self.now)
        self.buffer.set_roster((), session, 0, 0.0)
        self.buffer.on_local_update = self._local_update
        self.up: deque[Row | Presence] = deque()
        self.down: deque[Batch | Receipt | Sync | Presence] = deque()
        self.seq = 0
        self.rows = 0
        self.must_tell = False
        self.view = Span(Position(0, 0), Position(0, 0))

    def _local_update(self, data: bytes) -> None:
        self.rows += 1
        self.up.append(Row(self.rows, data))

    def tell(self) -> None:
        self.must_tell = False
        lines = self.buffer.lines
        self.view = Span(lines.clamp(self.view.head), lines.clamp(self.view.anchor))
        view = View(lines.offset(self.view.head), lines.offset(self.view.anchor))
        self.up.append(
            Presence(person(self.session), self.buffer.carets_to_send(), self.seq, Activity.ACTIVE, 0, view)
        )

    def act(self, dice: random.Random) -> None:
        buffer = self.buffer
        self.now += dice.choice((0.1, 0.1, 1.0))
        top, bottom = sorted(dice.randint(0, buffer.lines.size_utf8) for _ in range(2))
        self.view = Span(buffer.lines.position(top), buffer.lines.position(bottom))
        somewhere = buffer.lines.position(dice.randint(0, buffer.lines.size_utf8))
        match dice.randrange(10):
            case 0:
                buffer.move_to(somewhere)
            case 9:
                span = Span(somewhere, dice.choice((somewhere, buffer.head)))
                buffer.set_spans((*buffer.spans, span), dice.randrange(len(buffer.spans) + 1))
            case 1:
                buffer.move_to(somewhere, extend=True)
            case 2:
                buffer.newline()
            case 3:
                buffer.backspace()
            case 4:
                buffer.delete()
            case 5:
                buffer.undo()
            case 6:
                buffer.redo()
            case _:
                buffer.type_text("".join(dice.choices("abé漢🙂\u0301\r\u2028\n", k=dice.randint(1, 3))))
        self.tell()

    def take(self) -> None:
        if not self.down:
            return
        message = self.down.popleft()
        match message:
            case Batch(seq, author, data):
                self.seq = seq
                self.buffer.apply_remote(data, author, seq)
                self.must_tell = True
            case Sync(seq, data):
                self.seq = seq
                self.buffer.apply_sync(data, seq)
                self.must_tell = True
            case Receipt(n, seq):
                self.seq = max(self.seq, seq)
                self.buffer.receipted(n, seq)
            case _:
                self.buffer.place(message, self.now)

    def check(self) -> None:
        lines = self.buffer.lines
        assert lines.text() == self.buffer.replica.text()
        spans = [*self.buffer.spans, *(span for peer in self.buffer.peers.values() for span in peer.spans)]
        for span in spans:
            for place in (span.head, span.anchor):
                assert lines.position(lines.offset(place)) == place


@dataclass
class World:
    dice: random.Random
    clients: list[Client] = field(default_factory=list)
    server: Replica = field(default_factory=lambda: Replica(1))
    seq: int = 0

    def pass_on(self, client: Client) -> None:
        """Let the server take one message of a client's."""
        if not client.up:
            return
        message = client.up.popleft()
        others = [other for other in self.clients if other is not client]
        if isinstance(message, Row):
            self.seq += 1
            self.server.apply(message.data)
            client.down.append(Receipt(message.n, self.seq))
            for other in others:
                other.down.append(Batch(self.seq, client.session, message.data))
        else:
            for other in others:
                other.down.append(message)

    def lag(self, client: Client) -> None:
        """Let a client's batches be dropped for a Sync; carets stay, and so come before their rows."""
        if any(isinstance(message, Batch) for message in client.down):
            client.down = deque(message for message in client.down if not isinstance(message, Batch))
            client.down.append(Sync(self.seq, self.server.update_since(client.buffer.replica.state_vector())))

    def drain(self) -> None:
        while any(client.up or client.down for client in self.clients):
            for client in self.clients:
                self.pass_on(client)
                client.take()

    def run(self) -> None:
        for _ in range(self.dice.randint(10, 60)):
            client = self.dice.choice(self.clients)
            chance = self.dice.random()
            if chance < 0.35:
                client.act(self.dice)
            elif chance < 0.65:
                self.pass_on(client)
            elif chance < 0.98:
                client.take()
            else:
                self.lag(client)
            client.check()
        self.drain()
        for client in self.clients:
            if client.must_tell:
                client.tell()
        self.drain()


@pytest.mark.parametrize("first", range(0, 400, 50))
def test_every_caret_is_exact_once_traffic_has_paused(first: int) -> None:
    for seed in range(first, first + 50):
        dice = random.Random(seed)
        seed_text = Replica(2)
        seed_text.edit(0, 0, "one é\ntwo 漢🙂\n\nthree")
        text = seed_text.update_since()
        world = World(dice)
        world.server.apply(text)
        world.clients = [Client(session, dice, text) for session in range(dice.choice((2, 3, 3, 4)))]
        world.run()
        for client in world.clients:
            client.check()
            assert client.buffer.lines.text() == world.server.text(), f"seed {seed}"
            for other in world.clients:
                if other is not client and other.session in client.buffer.peers:
                    peer = client.buffer.peers[other.session]
                    own, primary = other.buffer.spans, other.buffer.primary
                    wanted = (own[primary], *own[:primary], *own[primary + 1 :])
                    assert peer.spans == wanted, f"seed {seed}"
                    assert peer.view == (other.view.head, other.view.anchor), f"seed {seed}"
        for client in world.clients:
            client.buffer.close()
        world.server.close()
        seed_text.close()
