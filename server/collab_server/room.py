"""One room: its document, its people, and the order in which they hear of each other.

Updates that arrive in one turn of the loop are applied together, one transaction per author, and go to
the log as one row each. Whatever anyone is to see rests on a row: Welcome and Sync on the state they
were built from, Batch and Receipt on their own rows, a caret on its owner's edits. All of it waits in one
queue, ordered by row, and leaves when the log says that the row is on disk. So nobody ever sees what a
crash could take back, and nothing overtakes what it rests on.

Knows neither sockets nor SQLite nor asyncio: `defer` runs something at the end of this loop turn, `log`
takes rows and somebody calls `committed` or `failed` later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from collab_protocol import limits
from collab_protocol.errors import FaultCode, UpdateError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Fault,
    Hello,
    Presence,
    Receipt,
    Setting,
    Sync,
    Welcome,
)
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, check_update, merge_rows
from collab_protocol.versions import VERSIONS
from collab_server.roster import Joiner, Member, Roster, Seat
from collab_server.store.base import Row

_UPDATES_A_TURN: Final = 100
"""Updates of one author in one transaction: squashing at commit is quadratic in them."""

_SIZE_SLACK: Final = limits.PART_BYTES
"""An update is larger than the text in it; an honest client near the cap is not to be refused for that."""

_COME_BACK_MS: Final = 200
"""After it a client sends again all that it has no receipt for, from the start."""


class RoomLog(Protocol):
    """Where rows go. Each `append` is answered by `Room.committed`, or all by `Room.failed`."""

    def append(self, row: Row) -> None:
        """Take a row to disk, in order."""

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        """Take a setting to disk; answered by `Room.setting_committed`."""


@dataclass(slots=True)
class RoomState:
    """A room as it comes from the store. The room owns `replica` from now on."""

    name: str
    lineage: bytes
    epoch: bytes
    seq: int
    replica: Replica
    settings: dict[str, str]
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Written:
    """One author's part of a batch: its row, and the number of the last update in it."""

    seat: Seat
    n: int
    data: bytes


class Room:
    """One document and its people."""

    def __init__(
        self,
        state: RoomState,
        *,
        log: RoomLog,
        defer: Callable[[Callable[[], None]], None],
        now: Callable[[], float],
        is_durable: bool,
        limits: RoomLimits,
        draw_retry_ms: Callable[[], int],
    ) -> None:
        """`defer` runs a call at the end of this loop turn; `now` gives UTC seconds for the log.

        `draw_retry_ms` says to each member that is sent away when to come back, each another time.
        """
        self.name = state.name
        self._state = state
        self._replica = state.replica
        self._log = log
        self._defer = defer
        self._now = now
        self._is_durable = is_durable
        self._limits = limits
        self._draw_retry_ms = draw_retry_ms
        self._roster = Roster(state.seq)
        self._seq = state.seq
        self._committed = state.seq
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._is_flush_due = False
        self._is_over = False
        self._loaded_seq = state.seq
        self._last_row_of: dict[bytes, int] = {}
        self._whole: tuple[int, bytes] | None = None
        self._encoded_most = len(self.whole_update())
        self._setting_keys = set(state.settings)

    @property
    def seq(self) -> int:
        """The last row that was applied; it may not be on disk yet."""
        return self._seq

    @property
    def is_over(self) -> bool:
        """Whether the room has failed or was closed, and has to be loaded again."""
        return self._is_over

    @property
    def is_settled(self) -> bool:
        """Whether every row that was applied is on disk."""
        return self._committed == self._seq

    @property
    def is_idle(self) -> bool:
        """Whether nobody is here and everything is on disk."""
        return (
            not self._roster and not self._waiting and self._committed == self._seq and not self._is_flush_due
        )

    @property
    def is_empty(self) -> bool:
        """Whether nobody is here."""
        return not self._roster

    @property
    def settings(self) -> Mapping[str, str]:
        """What the room shares beside its text."""
        return self._state.settings

    def text(self) -> str:
        """Return the text, rows that are not on disk yet included. Costs O(document)."""
        return self._replica.text()

    def whole_update(self) -> bytes:
        """Return the whole document as one update at `seq`; kept until the next row."""
        if self._whole is None or self._whole[0] != self._seq:
            self._whole = (self._seq, self._replica.update_since())
        return self._whole[1]

    def join(self, member: Member, hello: Hello, joiner: Joiner) -> None:
        """Seat `member` and owe it Welcome and Sync, or refuse it with a Fault.

        Raises:
            UpdateError: the state vector in `hello` is malformed.
        """
        if hello.lineage not in (None, self._state.lineage):
            member.deliver(
                Fault(FaultCode.LINEAGE, f"{self.name} is another room than the one you had", None)
            )
            return
        self._flush()
        if self._is_over:
            member.deliver(Fault(FaultCode.STORE, "the room is being loaded again", 200))
            return
        for other in [seat for seat in self._roster if seat.nonce == hello.nonce]:
            self._roster.remove(other, self._committed)
            # It may be the living one, when the Hello of a link long dead arrives late: it comes back.
            other.member.deliver(Fault(FaultCode.REPLACED, "this session went on over another link", 0))
        if len(self._roster) >= limits.PEOPLE:
            member.deliver(Fault(FaultCode.BUSY, f"{self.name} is full", 5000))
            return
        sync = self._sync_from(hello.state_vector)
        is_new, self._state.is_new = self._state.is_new, False
        seat = self._roster.add(member, hello, joiner, self._seq)
        self._when_on_disk(self._seq, lambda: self._welcome(seat, sync, is_new=is_new))

    def update(self, member: Member, n: int, data: bytes) -> None:
        """Take rows of `member` up to its number `n`; they are applied at the end of this turn.

        Raises:
            UpdateError: `data` is no update.
        """
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        if not seat.person.role.may_write:
            self._dismiss(seat, FaultCode.READ_ONLY, "you may read here, not write")
            return
        check_update(data)
        if not self._has_space(data):
            self._dismiss(seat, FaultCode.TOO_LARGE, f"{self.name} may hold {self._limits.text_bytes} bytes")
            return
        # A caret that was said before this edit would be shown after it; its owner says a new one.
        seat.next_presence = None
        seat.presence_token += 1
        seat.presence = Presence(seat.person, (), self._seq, seat.presence.activity)
        seat.pending.append((n, data))
        self._flush_later()

    def present(self, member: Member, presence: Presence) -> None:
        """Take the carets of `member`; others see the newest, after the edits that they rest on."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        seen = min(presence.seen, self._seq)
        seat.next_presence = Presence(seat.person, presence.carets, seen, presence.activity)
        self._flush_later()

    def set(self, member: Member, key: str, value: str) -> None:
        """Change a setting for everyone; shown when it is on disk."""
        seat = self._roster.find(member)
        if seat is None or self._is_over or not seat.person.role.may_write:
            return
        # Those under way count too: a Welcome with more of them than `limits.SETTINGS` cannot be read.
        if key in self._setting_keys or len(self._setting_keys) < limits.SETTINGS:
            self._setting_keys.add(key)
            self._log.set_setting(self.name, key, value, self._seq)

    def resync(self, member: Member, state_vector: bytes) -> None:
        """Owe `member` all that it lacks against `state_vector`.

        Raises:
            UpdateError: it is malformed.
        """
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        self._flush()
        sync = self._sync_from(state_vector)
        self._when_on_disk(self._seq, lambda: self._resynced(seat, sync))

    def sends_again(self, member: Member) -> None:
        """Hear that `member` has got our Resync: its rows without a receipt come again from here on."""

    def check(self, member: Member, seq: int, sha256: bytes) -> None:
        """Hear what text `member` has at `seq`; one that has another than ours is told so."""

    def leave(self, member: Member) -> None:
        """Forget `member`; what it had sent is kept. The others are told at once."""
        self._flush()
        seat = self._roster.find(member)
        if seat is not None:
            self._roster.remove(seat, self._committed)

    def committed(self, seq: int) -> None:
        """Hear from the log that every row up to `seq` is on disk."""
        self._committed = max(self._committed, seq)
        while self._waiting and self._waiting[0][0] <= self._committed:
            self._waiting.popleft()[1]()

    def setting_committed(self, key: str, value: str) -> None:
        """Hear from the log that a setting is on disk."""
        self._state.settings[key] = value
        self._roster.tell_others(None, Setting(key, value))

    def fail(self, reason: str) -> None:
        """Give this room object up: it may be ahead of the disk. Everyone is sent away to come back."""
        self._is_over = True
        self._waiting.clear()
        for seat in self._roster.clear():
            seat.member.deliver(Bye(reason, self._draw_retry_ms()))

    def flush(self) -> None:
        """Apply and log now what has arrived, instead of at the end of the turn."""
        self._flush()

    def close(self) -> None:
        """Free the document. Nobody may be here any more."""
        self._is_over = True
        self._replica.close()

    def _flush_later(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._defer(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._is_over:
            return
        written: list[_Written] = []
        first = self._seq + 1
        for seat in self._roster:
            if seat.pending and not self._is_over:
                self._apply(seat, written)
        if self._is_over:
            return
        if written:
            batch = Batch(first, self._seq, tuple((part.seat.member.session, part.data) for part in written))
            self._when_on_disk(self._seq, lambda: self._share(batch, written))
        for seat in self._roster:
            if seat.pending:
                self._flush_later()
            elif seat.next_presence is not None:
                self._queue_presence(seat, seat.next_presence)

    def _apply(self, seat: Seat, written: list[_Written]) -> None:
        taken, seat.pending = seat.pending[:_UPDATES_A_TURN], seat.pending[_UPDATES_A_TURN:]
        n = taken[-1][0]
        try:
            data = self._replica.apply(*(data for _, data in taken))
        except UpdateError:
            # The document may be damaged now: nobody may see it, and it is loaded again.
            self._dismiss(seat, FaultCode.BROKEN, "your changes cannot be applied here")
            self.fail(f"{self.name} is loaded again")
            return
        if self._is_put_aside(update for _, update in taken):
            # The CRDT keeps it until its base comes, and says nothing: a receipt would be a lie.
            self._dismiss(seat, FaultCode.BROKEN, "your changes rest on text that is not here", _COME_BACK_MS)
            if data is None:
                return
        if data is None:
            # All of it was known; that it is on disk is certain once every row outstanding now is.
            # It says where the last of it stands, or may stand at most: what came after may not count
            # as unseen by those who had seen the author's rows.
            seq = self._last_row_of.get(seat.nonce, self._loaded_seq)
            self._when_on_disk(self._seq, lambda: self._roster.tell(seat, Receipt(n, seq, alone=False)))
            return
        self._seq += 1
        self._encoded_most += len(data)
        self._last_row_of[seat.nonce] = self._seq
        person = seat.person
        self._log.append(
            Row(
                room=self.name,
                first=self._seq,
                last=self._seq,
                session=person.session,
                principal=person.principal,
                name=person.name,
                device_hash=seat.device_hash,
                at=self._now(),
                data=data,
            )
        )
        written.append(_Written(seat, n, data))

    def _has_space(self, data: bytes) -> bool:
        """Return whether an update may come in. One that only deletes always may: it begins with a 0."""
        if data[:1] == b"\x00":
            return True
        if self._replica.size_utf8 + len(data) > self._limits.text_bytes + _SIZE_SLACK:
            return False
        # Rows added up are more than the document that they make: look only when the sum is too much.
        if self._encoded_most + len(data) > self._limits.encoded_bytes:
            self._encoded_most = len(self.whole_update())
        return self._encoded_most + len(data) <= self._limits.encoded_bytes

    def _is_put_aside(self, updates: Iterable[bytes]) -> bool:
        """Return whether any text in updates that were applied is not in the document."""
        state_vector = self._replica.state_vector()
        # What is left of an update begins with the number of clients that it has new text of.
        return any(merge_rows([update], state_vector)[:1] != b"\x00" for update in updates)

    def _queue_presence(self, seat: Seat, presence: Presence) -> None:
        seat.next_presence = None
        seat.presence_token += 1
        token = seat.presence_token
        self._when_on_disk(self._seq, lambda: self._show(seat, presence, token))

    def _when_on_disk(self, seq: int, action: Callable[[], None]) -> None:
        self._waiting.append((seq, action))
        self.committed(self._committed)

    def _welcome(self, seat: Seat, sync: Sync, *, is_new: bool) -> None:
        if seat not in self._roster:
            return
        seat.is_live = True
        seat.member.deliver(
            Welcome(
                version=max(VERSIONS),
                session=seat.member.session,
                lineage=self._state.lineage,
                epoch=self._state.epoch,
                seq=sync.seq,
                role=seat.person.role,
                limits=self._limits,
                is_durable=self._is_durable,
                is_new=is_new,
                roster=self._roster.others_as_seen_at(seat, sync.seq),
                settings=tuple(self._state.settings.items()),
                state_vector=sync.state_vector,
            )
        )
        seat.member.deliver(sync)
        self._roster.tell_others(seat, seat.presence)

    def _resynced(self, seat: Seat, sync: Sync) -> None:
        self._roster.tell(seat, sync)
        for presence in self._roster.others_as_seen_at(seat, sync.seq):
            self._roster.tell(seat, presence)

    def _share(self, batch: Batch, written: list[_Written]) -> None:
        authors = {part.seat for part in written}
        for part in written:
            self._roster.wrote(part.seat.member.session, batch.last)
        is_alone = len(authors) == 1
        for seat in self._roster:
            if seat.is_live and not (is_alone and seat in authors):
                seat.member.deliver(batch)
        for part in written:
            self._roster.tell(part.seat, Receipt(part.n, batch.last, alone=is_alone))

    def _show(self, seat: Seat, presence: Presence, token: int) -> None:
        if seat.presence_token == token and seat in self._roster:
            seat.presence = presence
            self._roster.tell_others(seat, presence)

    def _dismiss(self, seat: Seat, code: FaultCode, message: str, retry_ms: int | None = None) -> None:
        # No flush in here: this runs in the midst of one, where another would log out of turn.
        seat.pending = []
        self._roster.remove(seat, self._committed)
        seat.member.deliver(Fault(code, message, retry_ms))

    def _sync_from(self, state_vector: bytes) -> Sync:
        is_empty = state_vector == EMPTY_STATE_VECTOR
        update = self.whole_update() if is_empty else self._replica.update_since(state_vector)
        return Sync(self._seq, self._replica.state_vector(), update)
