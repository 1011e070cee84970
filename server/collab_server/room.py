"""One room: its document, its people, and the order in which they hear of each other.

Updates that arrive in one turn of the loop are applied together, one transaction per author, and go to
the log as one row each. Whatever anyone is to see rests on a row: Welcome and Sync on the state they
were built from, Batch and Receipt on their own rows, a caret on its owner's edits. All of it waits in one
queue, ordered by row, and leaves when the log says that the row is on disk. So nobody ever sees what a
crash could take back, and nothing overtakes what it rests on.

Knows neither sockets nor SQLite nor asyncio: `defer` runs something at the end of this loop turn, `later` at
a later time, `log` takes rows and somebody calls `committed` or `failed` later.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from collab_protocol import limits
from collab_protocol.errors import FaultCode, UpdateError
from collab_protocol.gate import Judgement, Verdict
from collab_protocol.limits import MERGED_ROWS, RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Declined,
    Fault,
    Hello,
    Look,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Setting,
    Sync,
    Trouble,
    Welcome,
)
from collab_protocol.names import clean_line
from collab_protocol.presence import Activity, Author, Person, Role
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows
from collab_protocol.versions import VERSIONS
from collab_server.chat import Chat, why_not
from collab_server.intake import Intake
from collab_server.log_fields import Kind, about
from collab_server.meters import Meters, Reason
from collab_server.roster import Joiner, Member, Pending, Roster, Seat, device_hash
from collab_server.settings import Settings
from collab_server.showing import Showing
from collab_server.store.base import ChatLine, Row

_log = logging.getLogger(__name__)

_UPDATES_A_TURN: Final = 100
"""Updates of one author in one transaction: squashing at commit is quadratic in them."""

_BYTES_A_TURN: Final = 32 * 1024
"""… and in what they hold: ten merged ones of 200 scattered rows each take 2 ms, a hundred 298 ms."""

_SIZE_SLACK: Final = limits.PART_BYTES
"""An update is larger than the text in it; an honest client near the cap is not to be refused for that."""

_STALE_MOST: Final = 3
"""So many updates without ground in a row are no race any more (DESIGN section 6)."""

_JUDGED_AT_ONCE_BYTES: Final = 16 * 1024
"""A larger update passes the gate in slices; one of this size takes it a few milliseconds at most."""

_SMALL_ROW_BYTES: Final = 4 * 1024
"""Larger rows are not kept in memory for those who fell behind."""

_PENDING_BYTES: Final = 200
"""What an update weighs beside its bytes while it waits."""

_COPY_ID: Final = 1
"""The client id of copies that nobody edits."""

_COME_BACK_MS: Final = 200
"""After it a client sends again all that it has no receipt for, from the start."""

_READERS_CHAT: Final = ("readers_chat", "on")
"""The setting with which who may only read may chat too."""


class RoomLog(Protocol):
    """Where rows go. Each `append` is answered by `Room.committed`, or all by `Room.failed`."""

    def append(self, row: Row) -> None:
        """Take a row to disk, in order."""

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        """Take a setting to disk; answered by `Room.setting_committed`."""

    def say(self, line: ChatLine) -> None:
        """Take a line of chat to disk, in order; answered by `Room.said`."""


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
    bindings: dict[int, bytes] = field(default_factory=dict)
    chat: tuple[ChatLine, ...] = ()


@dataclass(frozen=True, slots=True)
class _Written:
    """One author's part of a batch: its row, the number of the last update in it, and what these weighed.

    `came_at` is when the first of them came.
    """

    seat: Seat
    n: int
    data: bytes
    size: int
    came_at: float


class Room:
    """One document and its people."""

    def __init__(
        self,
        state: RoomState,
        *,
        log: RoomLog,
        defer: Callable[[Callable[[], None]], None],
        later: Callable[[float, Callable[[], None]], None],
        now: Callable[[], float],
        clock: Callable[[], float],
        is_durable: bool,
        limits: RoomLimits,
        draw_retry_ms: Callable[[], int],
        meters: Meters | None = None,
    ) -> None:
        """`defer` runs a call at the end of this loop turn, `later` after so many seconds.

        `now` gives UTC seconds for the log, `clock` monotonic ones for what is rated.
        `draw_retry_ms` says to each member that is sent away when to come back, each another time.
        """
        self.name = state.name
        self.meters = Meters() if meters is None else meters
        self.updates = self.bytes_in = 0
        """Updates applied, and what they held, since the room was loaded."""
        self._state = state
        self._replica = state.replica
        self._intake = Intake(state.replica, state.bindings, now)
        self._trouble = ""
        self._digest: tuple[int, bytes] | None = None
        self._read_back: tuple[int, bool] | None = None
        self.is_parted = False
        """Whether this object's text is another than what its whole update says: that one is to be kept."""
        self._log = log
        self._defer = defer
        self._now = now
        self._is_durable = is_durable
        self._limits = limits
        self._draw_retry_ms = draw_retry_ms
        self._clock = clock
        self._roster = Roster(state.seq)
        self._showing = Showing(self._roster, clock, later)
        self._chat = Chat(state.name, state.chat)
        self._seq = state.seq
        self._committed = state.seq
        self._waiting: deque[tuple[int, float, Callable[[], None]]] = deque()
        self._is_flush_due = False
        self._is_over = False
        self._loaded_seq = state.seq
        self._last_row_of: dict[bytes, int] = {}
        self._whole: tuple[int, bytes] | None = None
        self._whole_sync: Sync | None = None
        self._newest_rows: deque[bytes] = deque(maxlen=MERGED_ROWS)
        self._encoded_most = len(self.whole_update())
        self._settings = Settings(
            state.settings, lambda key, value: log.set_setting(state.name, key, value, self._seq)
        )

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
        return self._settings.values

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
        if not self._intake.admits(hello.client_ids, device_hash(hello), self._roster):
            member.deliver(Fault(FaultCode.IDENTITY, "these changes belong to another machine", 0))
            return
        for other in [seat for seat in self._roster if seat.nonce == hello.nonce]:
            self._flush_all_of(other.device_hash)
            if other not in self._roster:
                continue
            self._roster.remove(other, self._committed, Activity.LOST)
            # It may be the living one, when the Hello of a link long dead arrives late: it comes back.
            other.member.deliver(Fault(FaultCode.REPLACED, "this session went on over another link", 0))
        if len(self._roster) >= self._limits.people:
            self.meters.refuse(Reason.ROOM_FULL)
            message = f"{self.name} is full: {self._limits.people} connections may be in a room"
            member.deliver(Fault(FaultCode.BUSY, message, 5000))
            return
        sync = self._sync_from(hello.state_vector)
        is_new, self._state.is_new = self._state.is_new, False
        seat = self._roster.add(member, hello, joiner, self._seq)
        self.meters.sessions_joined += 1
        self._when_on_disk(self._seq, lambda: self._welcome(seat, sync, is_new=is_new))

    def update(self, member: Member, n: int, data: bytes) -> None:
        """Take rows of `member` up to its number `n`; they are applied at the end of this turn.

        Raises:
            UpdateError: no honest client sends that.
        """
        for _ in self.updating(member, n, data):
            pass

    def updating(self, member: Member, n: int, data: bytes) -> Generator[None, None, None]:
        """Do the same in slices, while others go on. Raises as `update`."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        came_at = self._clock()
        if not seat.person.role.may_write:
            self._dismiss(seat, FaultCode.READ_ONLY, "you may read here, not write")
            return
        if self._trouble or seat.is_to_send_again:
            return
        judgement = yield from self._judging(seat, data)
        if self._roster.find(member) is not seat:  # gone meanwhile, or the whole room
            return
        if self._trouble:  # since then: nothing more may go to disk
            return
        match judgement.verdict:
            case Verdict.HOSTILE:
                raise UpdateError(f"an update that no client of ours makes: {judgement.reason}")
            case Verdict.STALE:
                self._ask_again(seat, judgement.reason)
                return
            case Verdict.ACCEPT if not self._has_space(data):
                self._dismiss(
                    seat, FaultCode.TOO_LARGE, f"{self.name} may hold {self._limits.text_bytes} bytes"
                )
                return
            case _:
                pass
        seat.stale_in_a_row = 0
        seat.ahead.update(judgement.ends)
        seat.unsettled_bytes += len(data) + _PENDING_BYTES
        # A caret that was said before this edit would be shown after it; its owner says a new one.
        self._showing.take_back(seat, self._seq)
        seat.pending.append(Pending(n, data, judgement, came_at))
        self._flush_later()

    def change_limits(self, limits: RoomLimits) -> None:
        """Heed `limits` from now on; who is here stays, and hears of other sizes with their next Welcome."""
        self._limits = limits

    def unsettled_bytes(self, member: Member) -> int:
        """Return how much of what `member` sent has no receipt yet: too much, and it should wait."""
        seat = self._roster.find(member)
        return 0 if seat is None else seat.unsettled_bytes

    @property
    def size_bytes(self) -> int:
        """The size of the text in UTF-8."""
        return self._replica.size_utf8

    @property
    def connections(self) -> int:
        """How many have a seat."""
        return len(self._roster)

    def waits_s(self) -> float:
        """Return for how long the oldest has waited of what is shown once it is on disk; 0 for nothing."""
        return self._clock() - self._waiting[0][1] if self._waiting else 0.0

    def indexing(self) -> Generator[None, None, None]:
        """Prepare, in slices, for judging what comes anywhere in the text; a room works without it."""
        return self._intake.indexing()

    def present(self, member: Member, presence: Presence) -> None:
        """Take what `member` says of itself; others see the newest, after the edits that it rests on."""
        seat = self._roster.find(member)
        if seat is None or self._is_over or self._trouble or seat.is_to_send_again:
            return  # it may rest on rows that were not taken
        view = presence.view
        seat.next_presence = replace(
            presence,
            person=seat.person,
            seen=min(presence.seen, self._seq),
            view=view if view is not None and view.top <= view.bottom else None,
        )
        self._flush_later()

    def say(self, member: Member, text: str) -> None:
        """Take a line of chat; everybody is told once it is on disk, `member` too, or it alone why not."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        line = clean_line(text)
        why = self._why_quiet(seat) or why_not(line)
        if not why and not seat.lines.take(self._clock()):
            why = "too many lines at once: wait a moment"
        if why:
            member.deliver(Declined(why))
        else:
            self._log.say(self._chat.next_line(seat.person, line, self._now()))

    def look(self, member: Member) -> None:
        """Ask the others to look where `member` is, or tell it why not."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        why = self._why_quiet(seat)
        if not why and not seat.looks.take(self._clock()):
            why = "they have just been asked to look: wait a moment"
        if why:
            member.deliver(Declined(why))
            return
        # Where it is must be known to them by then.
        self._flush()
        self._flush_all_of(seat.device_hash)
        self._when_on_disk(self._seq, lambda: self._ask_to_look(seat))

    def pulse(self, member: Member) -> None:
        """Tell `member` how far away everybody is, or why not."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        if not seat.pulses.take(self._clock()):
            member.deliver(Declined("too many questions at once: wait a moment"))
            return
        known = ((seat.person.session, seat.member.round_trip_ms) for seat in self._roster if seat.is_live)
        member.deliver(Pulse(tuple((session, ms) for session, ms in known if ms is not None)))

    def authors(self, people: Iterable[tuple[str, str]]) -> tuple[Author, ...]:
        """Return (principal, name) of people who wrote here at some time, with a colour for each."""
        people = tuple(people)
        colours = self._roster.colours(principal for principal, _ in people)
        return tuple(Author(principal, name, colours[principal]) for principal, name in people)

    def set(self, member: Member, key: str, value: str) -> None:
        """Change a setting for everyone, shown when it is on disk, or tell `member` why not."""
        seat = self._roster.find(member)
        if seat is None or self._is_over:
            return
        why = "" if seat.person.role.may_write else "you may read here, not write"
        if not why and not seat.wishes.take(self._clock()):
            why = "too many settings at once: wait a moment"
        if not why:
            why = self._settings.set(key, value, is_put_off=bool(self._trouble))
        if why:
            member.deliver(Declined(why))

    def person(self, member: Member) -> Person | None:
        """Return who `member` is here; None while it has no seat."""
        seat = self._roster.find(member)
        return None if seat is None else seat.person

    def activity(self, member: Member) -> Activity | None:
        """Return what the person behind `member` is doing; None while it has no seat."""
        seat = self._roster.find(member)
        return None if seat is None else seat.presence.activity

    def why_no_admin(self, member: Member) -> str:
        """Return why `member` may not send others away or close the room; empty when it may."""
        seat = self._roster.find(member)
        if seat is not None and seat.person.role is Role.ADMIN:
            return ""
        return "only an admin of this room may do that"

    def send_away(self, member: Member, code: FaultCode, message: str) -> None:
        """End the session of `member` for good; what it had sent is kept."""
        seat = self._roster.find(member)
        if seat is not None and not self._is_over:
            self._flush_all_of(seat.device_hash)
            if seat in self._roster:
                self._dismiss(seat, code, message)

    def resync(self, member: Member, state_vector: bytes, from_seq: int = 0) -> None:
        """Owe `member`, which stands at `from_seq`, all that it lacks against `state_vector`.

        Once at a time, as honest clients ask.

        Raises:
            UpdateError: it is malformed.
        """
        seat = self._roster.find(member)
        if seat is None or self._is_over or seat.is_sync_due:
            return
        self._flush()
        sync = self._sync_since(from_seq, state_vector) or self._sync_from(state_vector)
        self.meters.resyncs_asked += 1
        seat.is_sync_due = True
        self._when_on_disk(self._seq, lambda: self._resynced(seat, sync))

    def sends_again(self, member: Member) -> None:
        """Hear that `member` has got our Resync: its rows without a receipt come again from here on."""
        seat = self._roster.find(member)
        if seat is not None:
            seat.is_to_send_again = False

    def check(self, member: Member, seq: int, sha256: bytes) -> None:
        """Hear what text `member` has at `seq`; one that has another than ours is told so.

        Only at the head, and once that is on disk: anywhere else there is nothing to compare with.
        """
        seat = self._roster.find(member)
        if seat is None or self._is_over or seq != self._seq or not self.is_settled:
            return
        if not seat.checks.take(self._clock()):
            return  # each costs O(document); honest clients say one in 30 s
        if self._digest is None or self._digest[0] != seq:
            self._digest = (seq, hashlib.sha256(self._replica.text().encode()).digest())
        if self._digest[1] == sha256:
            self.meters.check_matches += 1
            return
        self.meters.check_mismatches += 1
        _log.error("had another text at row %d", seq, extra=about(room=self.name, session=member.session))
        if self._reads_back():
            self._dismiss(seat, FaultCode.DIVERGED, "your text was another than the server's", 0)
        else:
            _log.error(
                "whoever joins reads another text than those who are here", extra=about(room=self.name)
            )
            self.is_parted = True
            self.fail(f"{self.name} is loaded again")

    def stop_storing(self, message: str) -> None:
        """Bring nothing to disk until `resume_storing`: the store fails, for the reason in `message`."""
        self._trouble = message
        self._roster.tell_others(None, Trouble(message))

    def resume_storing(self) -> None:
        """Take updates again, and ask everybody for those that were not taken; settings were kept."""
        if not self._trouble:
            return
        self._trouble = ""
        self._settings.resume()
        for seat in self._roster:
            if seat.is_live:
                seat.member.deliver(Trouble(""))
                self._send_resync(seat)

    def leave(self, member: Member, *, is_bye: bool = False) -> None:
        """Forget `member`; what it had sent is kept. The others are told at once.

        Without `is_bye` its connection broke, and it may be back in a moment.
        """
        seat = self._roster.find(member)
        if seat is not None:
            self._flush_all_of(seat.device_hash)
            if seat in self._roster:
                activity = Activity.GONE if is_bye else Activity.LOST
                self._roster.remove(seat, self._committed, activity)

    def committed(self, seq: int) -> None:
        """Hear from the log that every row up to `seq` is on disk."""
        self._committed = max(self._committed, seq)
        while self._waiting and self._waiting[0][0] <= self._committed:
            self._waiting.popleft()[2]()

    def setting_committed(self, key: str, value: str) -> None:
        """Hear from the log that a setting is on disk."""
        self._settings.committed(key, value)
        self._roster.tell_others(None, Setting(key, value))

    def said(self, line: ChatLine) -> None:
        """Hear from the log that a line of chat is on disk."""
        self._roster.tell_others(None, self._chat.committed(line))

    def fail(self, reason: str, draw_retry_ms: Callable[[], int] | None = None) -> None:
        """Give this room object up: it may be ahead of the disk. Everyone is sent away to come back."""
        draw_retry_ms = draw_retry_ms or self._draw_retry_ms
        for seat in self._give_up():
            seat.member.deliver(Bye(reason, draw_retry_ms()))

    def end(self, code: FaultCode, message: str) -> None:
        """Give this room object up for good: nobody is to come back by themselves."""
        for seat in self._give_up():
            seat.member.deliver(Fault(code, message, None))

    def flush(self) -> None:
        """Apply and log now all that has arrived, instead of at the end of the turn."""
        self._flush()
        while any(seat.pending for seat in self._roster) and not self._is_over:
            self._flush()

    def close(self) -> None:
        """Free the document. Nobody may be here any more."""
        self._is_over = True
        self._settings.close()
        self._replica.close()

    def _give_up(self) -> list[Seat]:
        self._is_over = True
        self._waiting.clear()
        return self._roster.clear()

    def _judging(self, seat: Seat, data: bytes) -> Generator[None, None, Judgement]:
        while True:
            # Another window of the same person may send the same rows, or what these rest on.
            self._flush_all_of(seat.device_hash, but=seat)
            judgement = None if len(data) > _JUDGED_AT_ONCE_BYTES else self._intake.judge(seat, data)
            if judgement is None:
                judgement = yield from self._intake.judging(seat, data)
            if not (judgement.is_doubtful and judgement.verdict is Verdict.STALE and seat.ahead):
                return judgement
            self._flush_all_of(seat.device_hash)

    def _flush_all_of(self, device: bytes, *, but: Seat | None = None) -> None:
        """Apply all that waits of a device's seats, or of its other seats."""
        while not self._is_over and any(
            each.pending and each is not but for each in self._roster.of_device(device)
        ):
            self._flush()

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
            elif self._showing.queue(seat, self._seq):
                self._show_when_on_disk(seat, self._seq)

    def _apply(self, seat: Seat, written: list[_Written]) -> None:
        count = _count_for_a_turn(seat.pending)
        taken, seat.pending = seat.pending[:count], seat.pending[count:]
        new_ids: list[int] = []
        news: list[bytes] = []
        for each in taken:
            if each.judgement.verdict is not Verdict.ACCEPT:
                continue
            if not self._intake.fits(each.judgement):
                # Never to happen, and the CRDT must not see it if it does.
                _log.error("what was accepted does not fit any more", extra=about(room=self.name))
                self.fail(f"{self.name} is loaded again")
                return
            new_ids += self._intake.applied(each.judgement, seat.device_hash)
            news.append(each.data)
        n = taken[-1].n
        size = sum(len(each.data) + _PENDING_BYTES for each in taken)
        came_at = taken[0].came_at
        self.updates += count
        self.bytes_in += size - count * _PENDING_BYTES
        self.meters.updates += count
        try:
            data = self._replica.apply(*news) if news else None
        except UpdateError:
            # The document may be damaged now: nobody may see it, and it is loaded again.
            self._dismiss(seat, FaultCode.BROKEN, "your changes cannot be applied here")
            self.fail(f"{self.name} is loaded again")
            return
        if not seat.pending:
            seat.ahead.clear()
        if data is None:
            # All of it was known; that it is on disk is certain once every row outstanding now is.
            # It says where the last of it stands, or may stand at most: what came after may not count
            # as unseen by those who had seen the author's rows.
            seq = self._last_row_of.get(seat.nonce, self._loaded_seq)
            self._when_on_disk(
                self._seq, lambda: self._settle(seat, Receipt(n, seq, alone=False), size, came_at)
            )
            return
        self._seq += 1
        self._encoded_most += len(data)
        if len(data) > _SMALL_ROW_BYTES:
            self._newest_rows.clear()
        else:
            self._newest_rows.append(data)
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
                new_ids=tuple(new_ids),
            )
        )
        written.append(_Written(seat, n, data, size, came_at))

    def _ask_again(self, seat: Seat, reason: str) -> None:
        """Answer what cannot be placed yet: an honest race, unless it happens again and again."""
        seat.stale_in_a_row += 1
        self.meters.stale += 1
        fields = about(room=self.name, session=seat.member.session, kind=Kind.HOSTILE)
        _log.info("sent what has no ground: %s", reason, extra=fields)
        if not seat.member.answers_resync or seat.stale_in_a_row >= _STALE_MOST:
            self._dismiss(seat, FaultCode.STALE, "your changes rest on text that is not here", _COME_BACK_MS)
            return
        self._flush()
        if seat in self._roster:
            self._send_resync(seat)

    def _send_resync(self, seat: Seat) -> None:
        self.meters.resyncs_sent += 1
        seat.is_to_send_again = seat.member.answers_resync
        resync = Resync(self._seq, self._replica.state_vector())
        self._when_on_disk(self._seq, lambda: self._roster.tell(seat, resync))

    def _reads_back(self) -> bool:
        """Return whether one who joins now gets the text that stands here. Costs O(document), once a row."""
        if self._read_back is None or self._read_back[0] != self._seq:
            self._read_back = (self._seq, self._is_read_back())
        return self._read_back[1]

    def _is_read_back(self) -> bool:
        copy = Replica(_COPY_ID)
        try:
            copy.apply(self.whole_update())
            return copy.text() == self._replica.text()
        except UpdateError:
            return False
        finally:
            copy.close()

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

    def _show_when_on_disk(self, seat: Seat, seq: int) -> None:
        self._when_on_disk(seq, lambda: self._show(seat, seq))

    def _show(self, seat: Seat, seq: int) -> None:
        self._showing.show(seat, seq, self._committed)

    def _ask_to_look(self, seat: Seat) -> None:
        if seat in self._roster:
            self._showing.catch_up(seat)
            self._roster.tell_others(seat, Look(seat.person))

    def _why_quiet(self, seat: Seat) -> str:
        """Return why `seat` may not speak to the others now; empty when it may."""
        key, value = _READERS_CHAT
        if not seat.person.role.may_write and self._settings.values.get(key) != value:
            return "readers may not chat here; someone who may write can allow it: Ctrl-P, Readers may chat"
        if self._trouble:
            return f"that is not possible at present: {self._trouble}"
        return ""

    def _when_on_disk(self, seq: int, action: Callable[[], None]) -> None:
        self._waiting.append((seq, self._clock(), action))
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
                settings=tuple(self._settings.values.items()),
                state_vector=sync.state_vector,
                person=seat.person,
            )
        )
        seat.member.deliver(sync)
        for said in self._chat.shown:
            seat.member.deliver(said)
        if self._trouble:
            seat.member.deliver(Trouble(self._trouble))
        self._roster.tell_others(seat, seat.presence)

    def _resynced(self, seat: Seat, sync: Sync) -> None:
        seat.is_sync_due = False
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
            self._settle(part.seat, Receipt(part.n, batch.last, alone=is_alone), part.size, part.came_at)

    def _settle(self, seat: Seat, receipt: Receipt, size: int, came_at: float) -> None:
        seat.unsettled_bytes -= size
        if seat in self._roster:
            self.meters.receipts += 1
            self.meters.receipt_s.observe(self._clock() - came_at)
        self._roster.tell(seat, receipt)

    def _dismiss(self, seat: Seat, code: FaultCode, message: str, retry_ms: int | None = None) -> None:
        # No flush in here: this runs in the midst of one, where another would log out of turn.
        seat.pending = []
        seat.ahead.clear()
        # With a time to come back it is in a moment.
        self._roster.remove(seat, self._committed, Activity.GONE if retry_ms is None else Activity.LOST)
        seat.member.deliver(Fault(code, message, retry_ms))

    def _sync_from(self, state_vector: bytes) -> Sync:
        state_vector = self._intake.state_vector_of(state_vector)
        if state_vector != EMPTY_STATE_VECTOR:
            return Sync(self._seq, self._replica.state_vector(), self._replica.update_since(state_vector))
        if self._whole_sync is None or self._whole_sync.seq != self._seq:
            # One for all who join now: it is encoded once, too.
            self._whole_sync = Sync(self._seq, self._replica.state_vector(), self.whole_update())
        return self._whole_sync

    def _sync_since(self, from_seq: int, state_vector: bytes) -> Sync | None:
        """Return the rows after `from_seq` as one update, where that is known to be little; else None.

        Against a state vector alone, all that was ever deleted here comes with it.
        """
        behind = self._seq - from_seq
        if not 0 < behind <= len(self._newest_rows):
            return None
        state_vector = self._intake.state_vector_of(state_vector)
        rows = [self._newest_rows[at] for at in range(-behind, 0)]
        return Sync(self._seq, self._replica.state_vector(), merge_rows(rows, state_vector))


def _count_for_a_turn(pending: list[Pending]) -> int:
    """Return how many updates of one author go into one transaction."""
    size = 0
    for count, each in enumerate(pending[:_UPDATES_A_TURN]):
        size += len(each.data)
        if size > _BYTES_A_TURN:
            return max(1, count)
    return min(len(pending), _UPDATES_A_TURN)
