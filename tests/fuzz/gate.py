"""What passes the gate does pycrdt no harm, and what honest peers make passes the gate.

`fuzz_mutants` judges mutants of an honest peer's updates and applies what is accepted: pycrdt must not
crash or panic, and a live peer and a late joiner must have the server's text. `fuzz_valid` lets three peers
edit with offline periods, and nothing may be refused. Both tell `trace` the bytes before pycrdt gets them,
so that whoever watches the process can show what killed it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from collab_protocol.gate import Gate, Judgement, Verdict, decode_state_vector
from collab_protocol.limits import MERGED_ROWS
from collab_protocol.text import Replica, merge_rows
from tests.fuzz.mutants import mutate

Trace = Callable[[bytes], None]

_TEXTS = ("a", "b", "hello", "日本", "🙂", "e\u0301", "👩‍👩‍👧", "\n", "é", "x🙂y")
_LIVE = 7


class FuzzFailure(AssertionError):
    """What must never happen has happened."""


class WatchedReplica(Replica):
    """A replica that is never asked for an item it does not have."""

    def index_of(self, client_id: int, clock: int) -> int | None:
        index = super().index_of(client_id, clock)
        if index is None:
            raise FuzzFailure(f"the gate asked for item {clock} of {client_id}, which is not there")
        return index


def edit_somewhere(dice: random.Random, replica: Replica, insert: float = 0.65) -> None:
    """Make one valid edit."""
    text = replica.text()
    at = dice.randint(0, len(text))
    offset = len(text[:at].encode())
    if len(text) < 3 or dice.random() < insert:
        replica.edit(offset, 0, dice.choice(_TEXTS))
    else:
        replica.edit(offset, len(text[at : at + dice.randint(1, 4)].encode()), "")


class Arena:
    """A server behind a gate, an honest live peer, and Mallory, whose updates are mutated on their way."""

    def __init__(self, dice: random.Random, trace: Trace) -> None:
        self.dice = dice
        self.trace = trace
        self.server = WatchedReplica(1)
        self.live = Replica(_LIVE)
        for _ in range(dice.randint(1, 8)):
            edit_somewhere(dice, self.live)
        self.server.apply(self.live.update_since())
        self.gate = Gate(self.server)
        self.corpus: list[bytes] = [self.live.update_since()]
        self._mallory_id = 100
        self.mallory = Replica(self._mallory_id)
        self.rearm()

    def rearm(self) -> None:
        """Give Mallory a fresh id and the server's text, and let her make something to mutate."""
        self.mallory.close()
        self._mallory_id += 1
        self.mallory = Replica(self._mallory_id)
        self.mallory.apply(self.server.update_since())
        rows: list[bytes] = []
        self.mallory.on_update = rows.append
        for _ in range(self.dice.choice((1, 1, 2, 5))):
            edit_somewhere(self.dice, self.mallory)
        before = self.server.state_vector()
        self.corpus = [*self.corpus[-6:], *rows[:1], merge_rows(rows, before)]
        if self.dice.random() < 0.1:
            self.corpus.append(self.mallory.update_since())

    def try_mutant(self) -> Verdict:
        """Judge one mutant, and apply it if it is accepted."""
        back = min(int(self.dice.expovariate(1)), len(self.corpus) - 1)
        data = mutate(self.dice, self.corpus[-1 - back], self.corpus)
        authors = None if self.dice.random() < 0.2 else {self._mallory_id, _LIVE}
        self.trace(data)
        judgement = self.gate.judge(data, authors=authors)
        if judgement.verdict is Verdict.ACCEPT:
            self.server.apply(data)
            self.gate.applied(judgement)
            self.rearm()
        return judgement.verdict

    def check(self) -> None:
        """Compare the server with a late joiner and with the live peer, before and after the latter types."""
        held = decode_state_vector(self.server.state_vector())
        if any(held.get(client, 0) != clock for client, clock in self.gate._held.known.items()):
            raise FuzzFailure("the gate and the server differ in what they know")
        whole = self.server.update_since()
        late = Replica(2)
        late.apply(whole)
        text = self.server.text()
        if late.text() != text:
            raise FuzzFailure(f"a late joiner has {late.text()!r}, the server {text!r}")
        late.close()
        sync = self.server.update_since(self.live.state_vector())
        self.trace(sync)
        self.live.apply(sync)
        if self.live.text() != text:
            raise FuzzFailure(f"the live peer has {self.live.text()!r}, the server {text!r}")
        rows: list[bytes] = []
        self.live.on_update = rows.append
        edit_somewhere(self.dice, self.live)
        for row in rows:
            judgement = self.gate.judge(row, authors={_LIVE})
            if judgement.verdict is not Verdict.ACCEPT:
                raise FuzzFailure(f"the live peer's edit is {judgement}")
            self.server.apply(row)
            self.gate.applied(judgement)
        if self.live.text() != self.server.text():
            raise FuzzFailure("the live peer's edit lands elsewhere on the server")

    def close(self) -> None:
        for replica in (self.server, self.live, self.mallory):
            replica.close()


def fuzz_mutants(count: int, seed: int, trace: Trace) -> Counter[str]:
    """Try `count` mutants; return how many met which verdict, how often texts were compared and differed.

    Raises:
        FuzzFailure: the gate asked for an item that is not there.
        UpdateError: pycrdt panicked, or took what is no text.
    """
    dice = random.Random(seed)
    met: Counter[str] = Counter()
    arena = Arena(dice, trace)
    accepted = 0
    for index in range(count):
        if index % 250 == 249:
            arena.close()
            arena = Arena(dice, trace)
        verdict = arena.try_mutant()
        met[verdict.name] += 1
        if verdict is Verdict.ACCEPT:
            accepted += 1
            if accepted % 4 == 0:
                met["checks"] += 1
                try:
                    arena.check()
                except FuzzFailure:
                    # Origins that are known and in order, and yet were never neighbours, can still do this.
                    met["diverged"] += 1
                    arena.close()
                    arena = Arena(dice, trace)
    arena.close()
    return met


class ValidPeer:
    """An honest peer: edits, queues rows while offline, gates what comes, and has undo."""

    def __init__(self, client_id: int) -> None:
        self.now = 0.0
        self.client_id = client_id
        self.replica = WatchedReplica(client_id, has_undo=True)
        self.gate = Gate(self.replica)
        self.rows: list[bytes] = []
        self.inbox: list[bytes] = []
        self.replica.on_update = self._made
        self.is_online = True

    def _made(self, row: bytes) -> None:
        self.rows.append(row)

    def edit(self, dice: random.Random) -> None:
        self.now += dice.choice((0.01, 0.1, 1.0))
        before = len(self.rows)
        chance = dice.random()
        if chance < 0.08:
            self.replica.undo()
        elif chance < 0.14:
            self.replica.redo()
        else:
            edit_somewhere(dice, self.replica)
        for row in self.rows[before:]:
            self.gate.learn(row)


class ValidWorld:
    """Three peers and a server, with every update through a gate."""

    def __init__(self, dice: random.Random, trace: Trace) -> None:
        self.dice = dice
        self.trace = trace
        self.server = WatchedReplica(1)
        self.gate = Gate(self.server)
        self.peers = [ValidPeer(10 + dice.randrange(2**50)) for _ in range(3)]

    def pass_gate(self, gate: Gate, update: bytes, **options: object) -> Judgement:
        self.trace(update)
        judgement = gate.judge(update, **options)  # type: ignore[arg-type]
        if judgement.verdict not in (Verdict.ACCEPT, Verdict.KNOWN):
            raise FuzzFailure(f"a valid update is {judgement}: {update.hex()}")
        return judgement

    def send(self, peer: ValidPeer) -> None:
        """Bring a peer's rows to the server, merged, some before others are applied, some twice."""
        held = self.server.state_vector()
        ahead: dict[int, int] = {}
        queue: list[tuple[bytes, Judgement]] = []
        while peer.rows:
            count = self.dice.choice((1, 2, 7, MERGED_ROWS))
            rows, peer.rows = peer.rows[:count], peer.rows[count:]
            update = rows[0] if len(rows) == 1 else merge_rows(rows, held)
            judgement = self.pass_gate(self.gate, update, authors={peer.client_id}, ahead=ahead)
            queue.append((update, judgement))
            ahead.update(judgement.ends)
            if self.dice.random() < 0.5 or not peer.rows:
                self._apply(peer, queue)
                queue, ahead = [], {}

    def _apply(self, sender: ValidPeer, queue: list[tuple[bytes, Judgement]]) -> None:
        for update, judgement in queue:
            if judgement.verdict is Verdict.KNOWN:
                continue
            self.server.apply(update)
            self.gate.applied(judgement)
            for peer in self.peers:
                if peer is not sender and peer.is_online:
                    peer.inbox.append(update)
            if self.dice.random() < 0.1:
                self.pass_gate(self.gate, update, authors={sender.client_id})

    def receive(self, peer: ValidPeer) -> None:
        for update in peer.inbox:
            self._give(peer, update)
        peer.inbox.clear()

    def _give(self, peer: ValidPeer, update: bytes) -> None:
        judgement = self.pass_gate(peer.gate, update)
        if judgement.verdict is Verdict.ACCEPT:
            peer.replica.apply(update)
            peer.gate.applied(judgement)

    def come_back(self, peer: ValidPeer) -> None:
        peer.is_online = True
        self._give(peer, self.server.update_since(peer.replica.state_vector()))
        self.send(peer)

    def step(self) -> None:
        dice = self.dice
        peer = dice.choice(self.peers)
        peer.edit(dice)
        if peer.is_online:
            if dice.random() < 0.5:
                self.receive(peer)
            if dice.random() < 0.6:
                self.send(peer)
            if dice.random() < 0.05:
                peer.is_online = False
                peer.inbox.clear()
        elif dice.random() < 0.1:
            self.come_back(peer)
        if dice.random() < 0.02:
            self.gate = Gate(self.server)

    def settle(self) -> None:
        """Bring everything everywhere, and compare."""
        for peer in self.peers:
            if peer.is_online:
                self.receive(peer)
                self.send(peer)
            else:
                self.come_back(peer)
        late = Replica(2)
        gate = Gate(late)
        whole = self.server.update_since()
        self.pass_gate(gate, whole)
        late.apply(whole)
        for peer in self.peers:
            self.receive(peer)
            if not late.text() == peer.replica.text() == self.server.text():
                raise FuzzFailure("valid edits diverge")
        for replica in (late, self.server, *(peer.replica for peer in self.peers)):
            replica.close()


def fuzz_valid(count: int, seed: int, trace: Trace) -> Counter[str]:
    """Make `count` valid edits.

    Raises:
        FuzzFailure: one was refused, or texts differ.
    """
    dice = random.Random(seed)
    met: Counter[str] = Counter()
    while met["edits"] < count:
        world = ValidWorld(dice, trace)
        for _ in range(min(dice.choice((20, 60, 300)), count - met["edits"])):
            world.step()
            met["edits"] += 1
        world.settle()
        met["worlds"] += 1
    return met
