"""Holding an update whose shape is right against what the replica has: the gate's rules."""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping
from heapq import heappop, heappush
from typing import Final

from collab_protocol.errors import UpdateError
from collab_protocol.lib0 import Block, Id, Struct, Update, decode_state_vector, parsing
from collab_protocol.runs import Runs, is_recorded_before
from collab_protocol.text import Replica

SLICE: Final = 200
"""Work between two yields, in structs: some 0.5 ms (`benchmarks/bench_gate.py`)."""

_LOOK_UP: Final = 25
"""What one `Replica.index_of` costs, in structs."""

_PROOF_STEPS: Final = 8
_REFUTATION_STEPS: Final = 64
"""Origins followed from an item at most; what is not settled then is looked up."""


class Held:
    """What a replica holds: the next clock of each client, and the runs as far as they are learnt."""

    def __init__(self, replica: Replica) -> None:
        self.replica = replica
        self.known = decode_state_vector(replica.state_vector())
        self.runs: dict[int, Runs] = {}
        # What was there before anything passed, until `indexing` has learnt it.
        self._before: dict[int, int] | None = dict(self.known) or None
        self.must_index = self._before is not None and self._may_hold_astral()
        """Whether low surrogates may lie in what is not learnt."""

    def _may_hold_astral(self) -> bool:
        # Undo keeps texts that are deleted, and so not to be seen.
        if self.replica.undo_depth or self.replica.redo_depth:
            return True
        text = self.replica.text()
        return not text.isascii() and len(text.encode("utf-16-le")) != 2 * len(text)

    def indexing(self) -> Generator[None, None, None]:
        """Learn the runs that were there before anything passed."""
        before = self._before
        if before is None:
            return
        try:
            parsed = yield from parsing(self.replica.update_since())
        except UpdateError:
            # The replica holds what could not have come through a gate; nothing can be learnt from it.
            parsed = Update([], {})
        learnt: list[Runs] = []
        budget = SLICE
        for block in parsed.blocks:
            runs = Runs(block.client)
            limit = before.get(block.client, 0)
            for struct in block.structs:
                if struct.clock >= limit:
                    break
                runs.add(struct)
                budget -= 1
                if not budget:
                    budget = SLICE
                    yield
            learnt.append(runs)
        if self._before is None:  # somebody else was faster
            return
        for runs in learnt:
            passed = self.runs.get(runs.client)
            if passed is not None:
                runs.extend(passed)
            self.runs[runs.client] = runs
        self._before = None
        self.must_index = False

    def record(self, fresh: Mapping[int, Runs]) -> None:
        """Add runs that passed, in place of any from the same clocks on that passed but never came."""
        for client, runs in fresh.items():
            mine = self.runs.get(client)
            if mine is None:
                self.runs[client] = runs
            else:
                mine.extend(runs)


class Hearing:
    """The judging of one update.

    Once heard, `stale` says why it does not fit what is held, or nothing; `doubt` why copies that get it in
    another order may come out different; `ends` has the next clock of each client that gets new structs,
    `begins` where these start, and `fresh` their runs.
    """

    def __init__(
        self, held: Held, update: Update, authors: Container[int] | None, ahead: Mapping[int, int]
    ) -> None:
        self._held = held
        self._update = update
        self._authors = authors
        self._ahead = ahead
        self.stale = ""
        self.doubt = ""
        self._budget = SLICE
        self.ends: dict[int, int] = {}
        self.begins: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self.fresh: dict[int, Runs] = {}

    def hearing(self) -> Generator[None, None, None]:
        """Judge, in slices.

        Raises:
            UpdateError: the update is hostile; the text says why.
        """
        for block in self._update.blocks:
            self._hear_block(block)
        if self.stale:
            return
        yield from self._hearing_structs()
        yield from self._hearing_deletions()
        if any(self._known(client) != clock for client, clock in self.begins.items()):
            self.stale = "what it continues has moved meanwhile"

    def _known(self, client: int) -> int:
        return max(self._held.known.get(client, 0), self._ahead.get(client, 0))

    def _pause(self, cost: int) -> bool:
        """Count work; tell whether it is time to yield."""
        self._budget -= cost
        if self._budget > 0:
            return False
        self._budget = SLICE
        return True

    def _hear_block(self, block: Block) -> None:
        known = self._known(block.client)
        if block.has_gap:
            self.stale = "it has a gap"
        if block.end <= known:
            return
        if self._authors is not None and block.client not in self._authors:
            raise UpdateError("it writes under a client id that is not the sender's")
        if block.garbage_end > known:
            raise UpdateError("it brings garbage that is not known")
        if block.clock > known:
            self.stale = "it leaves a gap"
        elif block.clock < known:
            self.stale = "it overlaps what is known"
        self.ends[block.client] = block.end
        self.begins[block.client] = self._done[block.client] = known

    def _hearing_structs(self) -> Generator[None, None, None]:
        """Hear structs in an order in which each comes after what it refers to."""
        structs: dict[int, list[Struct]] = {}
        for block in self._update.blocks:
            if block.client in self.ends:
                structs[block.client] = block.structs
                self.fresh[block.client] = Runs(block.client)
                continue
            for struct in block.structs:
                self._awaited(block.client, struct)
                if self._pause(1):
                    yield
        heard = dict.fromkeys(structs, 0)
        waiting: dict[int, list[Id]] = {}  # by the client waited for, a heap of (clock, client that waits)
        ready = list(structs)
        while ready:
            client = ready.pop()
            own = structs[client]
            while heard[client] < len(own):
                struct = own[heard[client]]
                awaited = self._awaited(client, struct)
                if awaited is not None:
                    heappush(waiting.setdefault(awaited[0], []), (awaited[1], client))
                    break
                yield from self._hearing_struct(client, struct)
                heard[client] += 1
                self._done[client] = struct.clock + struct.length
            heap = waiting.get(client)
            while heap and heap[0][0] < self._done[client]:
                ready.append(heappop(heap)[1])
        if any(heard[client] < len(structs[client]) for client in structs):
            raise UpdateError("its structs refer to each other in a circle")

    def _awaited(self, client: int, struct: Struct) -> Id | None:
        """Return an origin that this update brings and that is not yet heard, or None."""
        for origin in (struct.left, struct.right):
            if origin is None:
                continue
            author, clock = origin
            if author == client:
                if clock >= struct.clock:
                    raise UpdateError("a struct refers to itself or to what comes after it")
            elif clock >= self._known(author):
                if clock >= self.ends.get(author, 0):
                    self.stale = "it refers to what is not known"
                elif clock >= self._done[author]:
                    return origin
        return None

    def _hearing_struct(self, client: int, struct: Struct) -> Generator[None, None, None]:
        left, right = struct.left, struct.right
        if left is not None and self._is_low(left[0], left[1] + 1):
            raise UpdateError("a left origin is half a character")
        if right is not None and self._is_low(*right):
            raise UpdateError("a right origin is half a character")
        if not self.stale:
            if not self._continues(client, struct):
                if left is not None and right is not None:
                    yield from self._hearing_order(left, right)
                self._hear_neighbours(left, right)
            self.fresh[client].add(struct)
        if self._pause(1):
            yield

    def _continues(self, client: int, struct: Struct) -> bool:
        """Tell whether the struct goes on after its client's last one between the same neighbours."""
        if struct.left != (client, struct.clock - 1):
            return False
        found = self._find(struct.left)
        return found is not None and found[0].right(found[1]) == struct.right

    def _hearing_order(self, left: Id, right: Id) -> Generator[None, None, None]:
        if is_recorded_before(left, right, self._find, _PROOF_STEPS):
            return
        if left == right:
            raise UpdateError("its left origin is its right origin")
        # An item that is still to be applied cannot be looked up; it must only not be refuted.
        both_held = self._is_held(left) and self._is_held(right)
        is_clear = both_held and self._is_placed_before(left, right)
        if self._pause(2 * _LOOK_UP):
            yield
        if not is_clear:
            yield from self._held.indexing()
            if is_recorded_before(right, left, self._find, _REFUTATION_STEPS):
                self.doubt = "its left origin is not left of its right origin"

    def _hear_neighbours(self, left: Id | None, right: Id | None) -> None:
        """Doubt the text's start or end as the neighbour of an item that never stood beside it.

        Whoever knows `left` knows its right origin too, so the text's end cannot have been right of `left`
        if it has one; likewise for the start. pycrdt takes such structs, and copies that get them in another
        order come out different. As far as is recorded.
        """
        if left is not None and right is None:
            found = self._find(left)
            if found is not None and found[0].right(found[1]) is not None:
                self.doubt = "the text's end cannot be its right origin"
        if right is not None and left is None:
            found = self._find(right)
            if found is not None:
                runs, index = found
                if runs.starts[index] != right[1] or runs.left(index) is not None:
                    self.doubt = "the text's start cannot be its left origin"

    def _is_placed_before(self, left: Id, right: Id) -> bool:
        """Look both up: False if they stand at one place, where a deleted item lies between its neighbours.

        That is no matter: honest redo puts text between a visible item and a deleted one before it. That they
        stand the other way round is in doubt, since honest redo can make that too (docs/adr/0004).
        """
        replica = self._held.replica
        first, second = replica.index_of(*left), replica.index_of(*right)
        if first is None or second is None or first > second:
            self.doubt = "its left origin is not left of its right origin"
            return True
        return first < second

    def _is_held(self, item: Id) -> bool:
        """Tell whether the replica has an item, and not only what is still to be applied."""
        return item[1] < self._held.known.get(item[0], 0)

    def _find(self, item: Id) -> tuple[Runs, int] | None:
        client, clock = item
        for recorded in (self.fresh, self._held.runs):
            runs = recorded.get(client)
            if runs is not None:
                index = runs.find(clock)
                if index >= 0:
                    return runs, index
        return None

    def _is_low(self, client: int, clock: int) -> bool:
        begin = self.begins.get(client)
        runs = (self._held.runs if begin is None or clock < begin else self.fresh).get(client)
        return runs is not None and runs.is_low(clock)

    def _hearing_deletions(self) -> Generator[None, None, None]:
        for client, ranges in self._update.deletions.items():
            top = self.ends.get(client) or self._known(client)
            for clock, length in ranges:
                if clock + length > top:
                    self.stale = "it deletes what is not known"
                elif self._is_low(client, clock) or self._is_low(client, clock + length):
                    raise UpdateError("it deletes half a character")
                if self._pause(1):
                    yield
