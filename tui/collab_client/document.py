"""One person's copy of one room: its text, its journal, and how both stand to the server.

    Buffer ──own row──▶ Document ──▶ journal (in order, behind the person's back)
                           │    └──▶ ClientSync ──▶ the wire
    Buffer ◀──after the gate── Document ◀── events of ClientSync

Everything is said to the journal in the order in which it happened to the text: what came from the
server before any own row that was made on top of it. Nothing in here waits, and the simulation runs
this very class.

When the text cannot go on as it is (another room, a server restored from a backup, another text than the
server's), a **successor** is made: an empty replica under a fresh client id, which the next link fills.
Until then the person goes on in the old one. Then own rows are placed in it, those without ground are
left over, and what the person had before is kept as a copy when the server has not all of it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from collab_client.buffer import Buffer
from collab_client.journal_file import RECEIPTED_KEPT_S
from collab_client.journal_steps import Contents, Entry
from collab_client.replay import Replayed
from collab_client.unsent_rows import places_of
from collab_protocol.errors import StoreError, UpdateError
from collab_protocol.events import (
    Displaced,
    Displacement,
    Entered,
    Event,
    Receipted,
    RowsArrived,
    Synced,
    Troubled,
)
from collab_protocol.gate import Gate, Judgement, Verdict
from collab_protocol.lib0 import decode_state_vector
from collab_protocol.messages import Welcome
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import Replica, merge_rows

_JUDGED_AT_ONCE_BYTES: Final = 16 * 1024
"""A larger update passes the gate in slices; one of this size takes it a few milliseconds at most."""

_STALE_MOST: Final = 3
"""So many batches in a row without ground are no race any more."""

_TOLD_AT_ONCE: Final = 100
"""Own rows that the gate learns between two slices: some 2 ms."""

_JOURNAL_LAG_S: Final = 5.0
"""How much later than here a row's age may be looked at in the journal."""

_REASONS: Final = {
    Displacement.ANOTHER_ROOM: "the room was made anew",
    Displacement.IDENTITY: "the server takes it for another machine's",
    Displacement.RESTORED: "the server lost text this depends on",
    Displacement.DIVERGED: "the server had another text",
}


_KEEPING_ROWS: Final = (Displacement.RESTORED, Displacement.DIVERGED)
"""Own rows go over into the successor, as far as they find their ground there."""


class Journal(Protocol):
    """Where rows are kept on this machine: `collab_client.journal`, or what stands for it in a simulation."""

    on_kept: Callable[[int, int], None]
    on_trouble: Callable[[str], None]
    on_lost: Callable[[], None]
    """Own rows are not in the queue, because another window has met another room."""
    on_left_behind: Callable[[str], None]
    """The journal had this text before another room took its place, with rows that this window never had."""

    def own(self, client_id: int, n: int, data: bytes, lineage: bytes | None) -> None: ...

    def came(self, data: bytes, seq: int, lineage: bytes | None) -> None: ...

    def stands(self, lineage: bytes, epoch: bytes) -> None: ...

    def receipted(self, client_id: int, n: int) -> None: ...

    def begin_anew(
        self, lineage: bytes, epoch: bytes, rows: tuple[tuple[int, int], ...], aside: str | None
    ) -> None: ...

    def put_aside(self, rows: tuple[tuple[int, int], ...], reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Unsaved:
    """An own row without a receipt, under its number on the wire."""

    wire_n: int
    row: Entry


class Document:
    """See the module. `on_local_edit()` and `on_notice(text)` are the owner's to set."""

    def __init__(
        self,
        replayed: Replayed,
        contents: Contents,
        identity: Identity,
        *,
        journal: Journal | None,
        make_replica: Callable[[], Replica],
        keep_copy: Callable[[str], str],
        now: Callable[[], float],
    ) -> None:
        """`contents` is what `replayed` was made of; `make_replica` draws a fresh client id each time.

        `keep_copy(text)` puts a text where the person finds it and returns the place, or raises
        StoreError; `now` gives UTC seconds.
        """
        self.buffer = Buffer(replayed.replica)
        self.sync = ClientSync(
            identity,
            client_id=replayed.replica.client_id,
            state_vector=replayed.replica.state_vector,
            lineage=contents.lineage,
            epoch=contents.epoch,
            seq=contents.seq,
        )
        self.on_local_edit: Callable[[], None] = lambda: None
        self.on_notice: Callable[[str], None] = lambda text: None
        self.on_kept: Callable[[], None] = lambda: None
        self.trouble = ""
        self.journal_trouble = "" if journal is not None else "there is no journal"
        self.copies: list[str] = []
        self.has_text = bool(contents.base or contents.entries)
        self.is_applying = False
        """Whether an event is half handled: the position is ahead of the text then."""
        self._lineage = contents.lineage
        self._is_lost = False
        self._copied: set[tuple[int | None, int]] = set()
        self._never_placed: set[tuple[int | None, int]] = set()
        self._journal = journal
        self._make_replica = make_replica
        self._keep_copy = keep_copy
        self._now = now
        self._gate = replayed.gate
        self._untold: deque[bytes] = deque()
        self._last_n = self._kept_n = 0
        self._unsaved: deque[_Unsaved] = deque()
        # A receipt may be for 20,000 rows: nothing is made anew for each of them.
        self._recent: deque[tuple[float, Entry]] = deque()
        self._receipted_n: dict[int, int] = {}
        self._is_jumbled = False
        self._unplaced: list[Entry] = []
        self._successor: Replica | None = None
        self._why: Displacement | None = None
        self._held: list[Entry] = []
        self._welcome: Welcome | None = None
        self._stale = 0
        self._checked_seq = -1
        self.buffer.on_local_update = self._local_update
        if journal is not None:
            journal.on_kept = self._kept
            journal.on_trouble = self._journal_troubled
            journal.on_lost = self._lost
            journal.on_left_behind = self._left_behind
        self._take_rows(contents.entries, replayed.unplaced)

    # What is true

    @property
    def unsaved(self) -> int:
        """Own rows that no server has acknowledged, wherever they are."""
        return self.sync.unsaved + len(self._unplaced) + len(self._held)

    @property
    def kept(self) -> int:
        """How many of the unsaved rows are in the journal, on disk, for the next window to find."""
        if self._is_lost:
            return 0
        return self.unsaved - min(self.unsaved, self._last_n - self._kept_n)

    @property
    def unplaced(self) -> int:
        """Own rows that rest on text which the server has lost."""
        return len(self._unplaced)

    @property
    def is_displaced(self) -> bool:
        """Whether the text begins again with the next link."""
        return self._successor is not None

    @property
    def welcome(self) -> Welcome | None:
        """The newest word of the server on the room."""
        return self._welcome

    @property
    def replica(self) -> Replica:
        """The text as the CRDT has it; another object after the text began again."""
        return self.buffer.replica

    # What happens

    def handle(self, event: Event) -> None:
        """Do what `event` asks of text and journal. Raises as `handling`."""
        for _ in self.handling(event):
            pass

    def handling(self, event: Event) -> Generator[None, None, None]:
        """Do the same in slices; nothing else may be handled meanwhile, but the person may type.

        Raises:
            UpdateError: the server sent what no honest one sends; nothing of it was applied.
            StoreError: a copy that has to be kept could not be; the text is as it was.
        """
        self.is_applying = True
        try:
            yield from self._handling(event)
        finally:
            self.is_applying = False

    def _handling(self, event: Event) -> Generator[None, None, None]:
        match event:
            case Entered(welcome):
                self._welcome = welcome
                self.trouble = ""
                if self._successor is None:
                    self._lineage = welcome.lineage
                    if self._journal is not None:
                        self._journal.stands(welcome.lineage, welcome.epoch)
            case Synced(seq, data, _) if self._successor is None:
                yield from self._apply(data, seq, None)
            case Synced(seq, data, _):
                yield from self._succeed(data, seq)
            case RowsArrived(author, seq, data):
                yield from self._apply(data, seq, author)
            case Receipted(n, seq):
                self._receipted(n, seq)
            case Troubled(message):
                self.trouble = message
            case Displaced(why, _):
                self._displaced(why)
            case _:
                pass

    def lines_to_check(self) -> tuple[int, list[tuple[str, ...]]] | None:
        """Return the position and the lines for the next Check, for `sha256_of`; None when none is due."""
        is_due = self.sync.may_check and not self.is_displaced and not self.is_applying
        if not is_due or self.sync.seq == self._checked_seq:
            return None
        return self.sync.seq, self.buffer.lines.blocks()

    def check(self, seq: int, sha256: bytes) -> bool:
        """Say to the server what stands here at `seq`; returns whether that still is what stands here."""
        if not self.sync.may_check or self.sync.seq != seq or self.is_applying:
            return False
        self._checked_seq = seq
        self.sync.check(sha256)
        return True

    def give_up_unplaced(self) -> None:
        """Let rows go that found no place, as far as a copy has what they say."""
        copied = [row for row in self._unplaced if (row.client_id, row.n) in self._copied]
        if copied and self._journal is not None:
            self._journal.put_aside(_keys(copied), _REASONS[Displacement.RESTORED])
            self._set_unplaced([row for row in self._unplaced if row not in copied])
            self._journal_receipts({row.client_id or 0 for row in copied})

    def rescue(self) -> None:
        """Keep the text as a copy when the journal has not got what was typed here. Raises: StoreError."""
        if self._is_lost and self.unsaved:
            self.copies.append(self._keep_copy(self.buffer.lines.text()))

    def unsent_places(self) -> list[tuple[int, int]]:
        """Return the rows, from first to before end, that unsaved changes have touched; see `places_of`."""
        return places_of([unsaved.row.data for unsaved in self._unsaved], self.replica, self.buffer.lines)

    def indexing(self) -> Generator[None, None, None]:
        """Prepare, in slices, for judging what comes anywhere in the text; it works without that, slower."""
        return self._gate.indexing()

    def close(self) -> None:
        """Let go of the text."""
        self.buffer.close()
        if self._successor is not None:
            self._successor.close()

    # Within: own rows

    def _local_update(self, data: bytes) -> None:
        self._last_n += 1
        row = Entry(self.replica.client_id, self._last_n, data)
        if self._journal is not None:
            self._journal.own(row.client_id or 0, row.n, data, self._lineage)
        self._untold.append(data)
        if self._successor is None:
            self._give(row)
        else:
            self._held.append(row)
        self.on_local_edit()

    def _give(self, row: Entry) -> None:
        self._unsaved.append(_Unsaved(self.sync.local_update(row.data, client_id=row.client_id), row))

    def _take_rows(self, entries: Iterable[Entry], unplaced: list[Entry]) -> None:
        """Take over own rows that earlier processes left in the journal."""
        left = {(row.client_id, row.n) for row in unplaced}
        young = self._now() - RECEIPTED_KEPT_S
        for row in entries:
            if row.client_id is None or (row.client_id, row.n) in left:
                continue
            if row.receipted_at is None:
                self._give(row)
            elif row.receipted_at >= young:
                self._recent.append((row.receipted_at, row))
        self._set_unplaced([row for row in unplaced if row.receipted_at is None])

    def _set_unplaced(self, rows: list[Entry]) -> None:
        self._unplaced = rows
        self._is_jumbled |= bool(rows)
        self.sync.other_ids = frozenset(row.client_id or 0 for row in (*rows, *self._held))

    def _receipted(self, wire_n: int, seq: int) -> None:
        newest: dict[int, int] = {}
        now = self._now()
        while self._unsaved and self._unsaved[0].wire_n <= wire_n:
            row = self._unsaved.popleft().row
            newest[row.client_id or 0] = row.n
            self._recent.append((now, row))
        while self._recent and self._recent[0][0] < now - RECEIPTED_KEPT_S:
            self._recent.popleft()
        for client_id, n in newest.items():
            self._receipted_n[client_id] = max(n, self._receipted_n.get(client_id, 0))
        self._journal_receipts(newest)
        if self.replica.client_id in newest:
            self.buffer.receipted(newest[self.replica.client_id], seq)

    def _journal_receipts(self, client_ids: Iterable[int]) -> None:
        """Say to the journal up to which number all rows of each id are saved.

        A row that found its place late, or none, is behind rows with a later number.
        """
        if self._journal is None:
            return
        missing: dict[int, int] = {}
        if self._is_jumbled:
            for row in (*(unsaved.row for unsaved in self._unsaved), *self._unplaced):
                client_id = row.client_id or 0
                missing[client_id] = min(row.n, missing.get(client_id, row.n))
        for client_id in client_ids:
            n = self._receipted_n.get(client_id, 0)
            n = min(n, missing.get(client_id, n + 1) - 1)
            if n:
                self._journal.receipted(client_id, n)

    def _kept(self, _: int, n: int) -> None:
        self._kept_n = max(self._kept_n, n)
        self.on_kept()

    def _lost(self) -> None:
        self._is_lost = True
        self._journal_troubled("another window met another room of that name")

    def _left_behind(self, text: str) -> None:
        try:
            place = self._keep_copy(text)
        except StoreError as error:
            self.on_notice(str(error))
            return
        self.copies.append(place)
        self.on_notice(f"what another window had typed before the room was made anew is in {place}")

    def _journal_troubled(self, message: str) -> None:
        self.journal_trouble = message
        self.on_kept()

    # Within: what comes from the server

    def _apply(self, data: bytes, seq: int, author: int | None) -> Generator[None, None, None]:
        judgement = yield from self._judging(data)
        if judgement.verdict is Verdict.STALE:
            # Its first part may be here already, by way of the journal or of another window of ours.
            data = merge_rows([data], self.replica.state_vector())
            judgement = yield from self._judging(data)
        match judgement.verdict:
            case Verdict.HOSTILE:
                raise UpdateError(f"the server sent what is no text: {judgement.reason}")
            case Verdict.STALE:
                self._stale += 1
                if self._stale >= _STALE_MOST:
                    self._displaced(Displacement.DIVERGED)
                else:
                    self.sync.ask_again()
                return
            case Verdict.ACCEPT:
                self._apply_accepted(judgement, data, seq, author)
                is_own = self._welcome is not None and author == self._welcome.session
                if self._journal is not None and not is_own:
                    self._journal.came(data, seq, self._lineage)
            case Verdict.KNOWN:
                pass
        self._stale = 0
        self._place_left(seq)

    def _apply_accepted(self, judgement: Judgement, data: bytes, seq: int, author: int | None) -> None:
        if author is None:
            self.buffer.apply_sync(data, seq)
        else:
            self.buffer.apply_remote(data, author, seq)
        self._gate.applied(judgement)

    def _judging(self, data: bytes) -> Generator[None, None, Judgement]:
        yield from self._telling_gate()
        if len(data) <= _JUDGED_AT_ONCE_BYTES:
            return self._gate.judge(data, may_try=False)
        # Untried: what the server took is the room's text, for those who join as for those who are there.
        judging = self._gate.judging(data, may_try=False)
        while True:
            try:
                next(judging)
            except StopIteration as done:
                judgement: Judgement = done.value
                return judgement
            yield
            yield from self._telling_gate()

    def _telling_gate(self) -> Generator[None, None, None]:
        """Let the gate know of own rows, which need no judgement, in slices; not on the way of a key."""
        told = 0
        while self._untold:
            self._gate.learn(self._untold.popleft())
            told += 1
            if told % _TOLD_AT_ONCE == 0:
                yield

    def _place_left(self, seq: int) -> None:
        """Try the rows that had no ground again."""
        if not self._unplaced:
            return
        left: list[Entry] = []
        for row in self._unplaced:
            judgement = self._gate.judge(row.data, may_try=False)
            if judgement.verdict is Verdict.ACCEPT:
                self._apply_accepted(judgement, row.data, seq, None)
                self._give(row)
            elif judgement.verdict is Verdict.KNOWN:
                self._give(row)
            else:
                left.append(row)
        self._set_unplaced(left)

    # Within: beginning again

    def _displaced(self, why: Displacement) -> None:
        """Prepare a successor; the link is to be ended, and the next one fills it."""
        if self._successor is not None:
            self._successor.close()
            if self._why is not None and self._why not in _KEEPING_ROWS:
                why = self._why  # what belongs to another room stays so, whatever else comes
        else:
            self._never_placed = {(row.client_id, row.n) for row in self._unplaced}
            self._held = [*(unsaved.row for unsaved in self._unsaved), *self._unplaced]
            if why in _KEEPING_ROWS:
                recent = (Entry(row.client_id, row.n, row.data, at) for at, row in self._recent)
                self._held = [*recent, *self._held]
        self._why = why
        self._successor = self._make_replica()
        self._unsaved.clear()
        self._recent.clear()
        self._receipted_n.clear()
        keeps_room = why is not Displacement.ANOTHER_ROOM
        self.sync.restart(
            client_id=self._successor.client_id,
            state_vector=self._successor.state_vector,
            lineage=self.sync.lineage if keeps_room else None,
        )
        self._unplaced = []
        ids = {self.replica.client_id, *(row.client_id or 0 for row in self._held)}
        self.sync.other_ids = frozenset(ids if why in _KEEPING_ROWS else ())

    def _succeed(self, data: bytes, seq: int) -> Generator[None, None, None]:
        successor, welcome, why = self._successor, self._welcome, self._why
        if successor is None or welcome is None or why is None:
            return
        gate = Gate(successor)
        judging = gate.judging(data, may_try=False)
        while True:
            try:
                next(judging)
            except StopIteration as done:
                judgement: Judgement = done.value
                break
            yield
        if judgement.verdict not in (Verdict.ACCEPT, Verdict.KNOWN):
            raise UpdateError(f"the server sent what is no text: {judgement.reason}")
        successor.apply(data)
        gate.applied(judgement)
        # Not `data` alone: the successor is not empty when a copy could not be kept the first time.
        ground = successor.update_since()
        keeps_rows = why in _KEEPING_ROWS
        # What the journal may let go of by now cannot be promised any more.
        young = self._now() - RECEIPTED_KEPT_S + _JOURNAL_LAG_S
        rows = [row for row in self._held if row.receipted_at is None or row.receipted_at >= young]
        placed, left = _place(rows if keeps_rows else [], successor, gate)
        self._keep_what_is_missing(why, successor, left)
        if self._journal is not None:
            aside = None if keeps_rows else _REASONS[why]
            self._journal.begin_anew(welcome.lineage, welcome.epoch, _keys(rows), aside)
            self._journal.came(ground, seq, welcome.lineage)
        self._lineage = welcome.lineage
        self._is_lost = False
        self._held = []
        self._successor = self._why = None
        self._gate = gate
        self._untold.clear()
        self._stale = 0
        self.buffer.restart(successor)
        for row in placed:
            self._give(row)
        self._set_unplaced(left)

    def _keep_what_is_missing(self, why: Displacement, successor: Replica, left: list[Entry]) -> None:
        """Keep the person's text as a copy, unless the successor has all of it. Raises: StoreError."""
        before = self.replica.text()
        if why is Displacement.RESTORED and not left:
            mine, theirs = (decode_state_vector(each.state_vector()) for each in (self.replica, successor))
            if all(clock <= theirs.get(client_id, 0) for client_id, clock in mine.items()):
                return
        if not before or before == successor.text():
            return
        place = self._keep_copy(before)
        self.copies.append(place)
        self._copied |= {(row.client_id, row.n) for row in self._held} - self._never_placed
        self.on_notice(f"{_REASONS[why]}: your text of before is in {place}")


def _keys(rows: Iterable[Entry]) -> tuple[tuple[int, int], ...]:
    return tuple((row.client_id or 0, row.n) for row in rows)


def sha256_of(blocks: list[tuple[str, ...]]) -> bytes:
    """Return the digest of lines; costs 10 ms for 10 MB, so not on the loop."""
    digest = hashlib.sha256()
    joint = b""
    for block in blocks:
        digest.update(joint + "\n".join(block).encode())
        joint = b"\n"
    return digest.digest()


def _place(rows: list[Entry], replica: Replica, gate: Gate) -> tuple[list[Entry], list[Entry]]:
    """Apply rows in order; return those that are in now, and those that had no ground."""
    placed: list[Entry] = []
    left: list[Entry] = []
    for row in rows:
        judgement = gate.judge(row.data, may_try=False)
        match judgement.verdict:
            case Verdict.ACCEPT:
                replica.apply(row.data)
                gate.applied(judgement)
                placed.append(row)
            case Verdict.KNOWN:
                placed.append(row)
            case _:
                left.append(row)
    return placed, left
