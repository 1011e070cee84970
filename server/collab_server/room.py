"""One room: its document, its people, and the order in which they hear of each other.

    writing    what goes into the text, judged, applied and shared
    beside     what people say and do beside it
    ledger     what is applied and on disk, and what waits for that; all that anyone is to see does
    encodings  the document in bytes, for who joins or fell behind
    comparing  whether others have the text that is here

Knows neither sockets nor SQLite nor asyncio: `defer` runs something at the end of this loop turn, `later` at
a later time, `log` takes rows and somebody calls `committed` or `failed` later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field

from collab_protocol.errors import FaultCode
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Fault, Hello, Presence, Sync, Trouble, Welcome
from collab_protocol.presence import Activity, Author, Person, Role
from collab_protocol.text import Replica
from collab_protocol.versions import VERSIONS
from collab_server.beside import Beside
from collab_server.chat import Chat
from collab_server.comparing import Comparing
from collab_server.encodings import Encodings
from collab_server.intake import Intake
from collab_server.ledger import Ledger, RoomLog
from collab_server.log_fields import about
from collab_server.meters import Meters, Reason
from collab_server.roster import Joiner, Member, Roster, Seat, device_hash
from collab_server.settings import Settings
from collab_server.showing import Showing
from collab_server.store.base import ChatLine
from collab_server.writing import Writing

_log = logging.getLogger(__name__)


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
        self.is_parted = False
        """Whether this object's text is another than what its whole update says: that one is to be kept."""
        self._state = state
        self._replica = state.replica
        self._is_durable = is_durable
        self._clock = clock
        self._ledger = ledger = Ledger(state.seq, clock)
        self._roster = Roster(state.seq)
        self._intake = Intake(state.replica, state.bindings, now)
        self._encodings = Encodings(state.replica, self._intake, ledger)
        self._comparing = Comparing(state.replica, self._encodings, ledger)
        showing = Showing(self._roster, clock, later)
        self._writing = Writing(
            state.name,
            state.replica,
            intake=self._intake,
            encodings=self._encodings,
            ledger=ledger,
            roster=self._roster,
            showing=showing,
            log=log,
            defer=defer,
            now=now,
            clock=clock,
            draw_retry_ms=draw_retry_ms,
            limits=limits,
            meters=self.meters,
        )
        self._beside = Beside(
            Chat(state.name, state.chat),
            Settings(state.settings, lambda key, value: log.set_setting(state.name, key, value, ledger.seq)),
            writing=self._writing,
            ledger=ledger,
            roster=self._roster,
            showing=showing,
            log=log,
            now=now,
            clock=clock,
        )

    @property
    def seq(self) -> int:
        """The last row that was applied; it may not be on disk yet."""
        return self._ledger.seq

    @property
    def is_over(self) -> bool:
        """Whether the room has failed or was closed, and has to be loaded again."""
        return self._ledger.is_over

    @property
    def is_settled(self) -> bool:
        """Whether every row that was applied is on disk."""
        return self._ledger.is_settled

    @property
    def is_idle(self) -> bool:
        """Whether nobody is here and everything is on disk."""
        return not self._roster and self._ledger.is_done and not self._writing.is_flush_due

    @property
    def is_empty(self) -> bool:
        """Whether nobody is here."""
        return not self._roster

    @property
    def settings(self) -> Mapping[str, str]:
        """What the room shares beside its text."""
        return self._beside.settings

    @property
    def size_bytes(self) -> int:
        """The size of the text in UTF-8."""
        return self._replica.size_utf8

    @property
    def connections(self) -> int:
        """How many have a seat."""
        return len(self._roster)

    @property
    def updates(self) -> int:
        """How many updates were applied since the room was loaded."""
        return self._writing.updates

    @property
    def bytes_in(self) -> int:
        """How much they held."""
        return self._writing.bytes_in

    def waits_s(self) -> float:
        """Return for how long the oldest has waited of what is shown once it is on disk; 0 for nothing."""
        return self._ledger.waits_s()

    def text(self) -> str:
        """Return the text, rows that are not on disk yet included. Costs O(document)."""
        return self._replica.text()

    def whole_update(self) -> bytes:
        """Return the whole document as one update at `seq`; kept until the next row."""
        return self._encodings.whole()

    def indexing(self) -> Generator[None, None, None]:
        """Prepare, in slices, for judging what comes anywhere in the text; a room works without it."""
        return self._intake.indexing()

    def change_limits(self, limits: RoomLimits) -> None:
        """Heed `limits` from now on; who is here stays, and hears of other sizes with their next Welcome."""
        self._writing.limits = limits

    # Who comes and goes

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
        self._writing.flush()
        if self.is_over:
            member.deliver(Fault(FaultCode.STORE, "the room is being loaded again", 200))
            return
        if not self._intake.admits(hello.client_ids, device_hash(hello), self._roster):
            member.deliver(Fault(FaultCode.IDENTITY, "these changes belong to another machine", 0))
            return
        for other in [seat for seat in self._roster if seat.nonce == hello.nonce]:
            self._writing.flush_all_of(other.device_hash)
            if other not in self._roster:
                continue
            self._roster.remove(other, self._ledger.committed, Activity.LOST)
            # It may be the living one, when the Hello of a link long dead arrives late: it comes back.
            other.member.deliver(Fault(FaultCode.REPLACED, "this session went on over another link", 0))
        most = self._writing.limits.people
        if len(self._roster) >= most:
            self.meters.refuse(Reason.ROOM_FULL)
            message = f"{self.name} is full: {most} connections may be in a room"
            member.deliver(Fault(FaultCode.BUSY, message, 5000))
            return
        sync = self._encodings.sync_from(hello.state_vector)
        is_new, self._state.is_new = self._state.is_new, False
        seat = self._roster.add(member, hello, joiner, self.seq)
        self.meters.sessions_joined += 1
        self._ledger.when_on_disk(self.seq, lambda: self._welcome(seat, sync, is_new=is_new))

    def leave(self, member: Member, *, is_bye: bool = False) -> None:
        """Forget `member`; what it had sent is kept. The others are told at once.

        Without `is_bye` its connection broke, and it may be back in a moment.
        """
        seat = self._roster.find(member)
        if seat is not None:
            self._writing.flush_all_of(seat.device_hash)
            if seat in self._roster:
                activity = Activity.GONE if is_bye else Activity.LOST
                self._roster.remove(seat, self._ledger.committed, activity)

    def send_away(self, member: Member, code: FaultCode, message: str) -> None:
        """End the session of `member` for good; what it had sent is kept."""
        if (seat := self._seat(member)) is not None:
            self._writing.flush_all_of(seat.device_hash)
            if seat in self._roster:
                self._roster.dismiss(seat, self._ledger.committed, code, message)

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

    def authors(self, people: Iterable[tuple[str, str]]) -> tuple[Author, ...]:
        """Return (principal, name) of people who wrote here at some time, with a colour for each."""
        people = tuple(people)
        colours = self._roster.colours(principal for principal, _ in people)
        return tuple(Author(principal, name, colours[principal]) for principal, name in people)

    # What they write

    def update(self, member: Member, n: int, data: bytes) -> None:
        """Take rows of `member` up to its number `n`; they are applied at the end of this turn.

        Raises:
            UpdateError: no honest client sends that.
        """
        for _ in self.updating(member, n, data):
            pass

    def updating(self, member: Member, n: int, data: bytes) -> Generator[None, None, None]:
        """Do the same in slices, while others go on. Raises as `update`."""
        seat = self._seat(member)
        return _nothing() if seat is None else self._writing.taking(seat, n, data)

    def unsettled_bytes(self, member: Member) -> int:
        """Return how much of what `member` sent has no receipt yet: too much, and it should wait."""
        seat = self._roster.find(member)
        return 0 if seat is None else seat.unsettled_bytes

    def flush(self) -> None:
        """Apply and log now all that has arrived, instead of at the end of the turn."""
        self._writing.flush_all()

    def resync(self, member: Member, state_vector: bytes, from_seq: int = 0) -> None:
        """Owe `member`, which stands at `from_seq`, all that it lacks against `state_vector`.

        Once at a time, as honest clients ask.

        Raises:
            UpdateError: it is malformed.
        """
        seat = self._seat(member)
        if seat is None or seat.is_sync_due:
            return
        self._writing.flush()
        sync = self._encodings.sync_since(from_seq, state_vector) or self._encodings.sync_from(state_vector)
        self.meters.resyncs_asked += 1
        seat.is_sync_due = True
        self._ledger.when_on_disk(self.seq, lambda: self._resynced(seat, sync))

    def sends_again(self, member: Member) -> None:
        """Hear that `member` has got our Resync: its rows without a receipt come again from here on."""
        seat = self._roster.find(member)
        if seat is not None:
            seat.is_to_send_again = False

    def check(self, member: Member, seq: int, sha256: bytes) -> None:
        """Hear what text `member` has at `seq`; one that has another than ours is told so.

        Only at the head, and once that is on disk: anywhere else there is nothing to compare with.
        """
        seat = self._seat(member)
        if seat is None or seq != self.seq or not self.is_settled:
            return
        if not seat.checks.take(self._clock()):
            return  # each costs O(document); honest clients say one in 30 s
        if self._comparing.is_ours(sha256):
            self.meters.check_matches += 1
            return
        self.meters.check_mismatches += 1
        _log.error("had another text at row %d", seq, extra=about(room=self.name, session=member.session))
        if self._comparing.reads_back():
            told = "your text was another than the server's"
            self._roster.dismiss(seat, self._ledger.committed, FaultCode.DIVERGED, told, 0)
        else:
            _log.error(
                "whoever joins reads another text than those who are here", extra=about(room=self.name)
            )
            self.is_parted = True
            self.fail(f"{self.name} is loaded again")

    # What they say and do beside the text: see `Beside`

    def present(self, member: Member, presence: Presence) -> None:
        """Take what `member` says of itself; others see the newest, after the edits that it rests on."""
        if (seat := self._seat(member)) is not None:
            self._beside.present(seat, presence)

    def say(self, member: Member, text: str) -> None:
        """Take a line of chat; everybody is told once it is on disk, `member` too, or it alone why not."""
        if (seat := self._seat(member)) is not None:
            self._beside.say(seat, text)

    def look(self, member: Member) -> None:
        """Ask the others to look where `member` is, or tell it why not."""
        if (seat := self._seat(member)) is not None:
            self._beside.look(seat)

    def pulse(self, member: Member) -> None:
        """Tell `member` how far away everybody is, or why not."""
        if (seat := self._seat(member)) is not None:
            self._beside.pulse(seat)

    def set(self, member: Member, key: str, value: str) -> None:
        """Change a setting for everyone, shown when it is on disk, or tell `member` why not."""
        if (seat := self._seat(member)) is not None:
            self._beside.set(seat, key, value)

    # What the disk says, and the end

    def committed(self, seq: int) -> None:
        """Hear from the log that every row up to `seq` is on disk."""
        self._ledger.reached(seq)

    def setting_committed(self, key: str, value: str) -> None:
        """Hear from the log that a setting is on disk."""
        self._beside.setting_committed(key, value)

    def said(self, line: ChatLine) -> None:
        """Hear from the log that a line of chat is on disk."""
        self._beside.said(line)

    def stop_storing(self, message: str) -> None:
        """Bring nothing to disk until `resume_storing`: the store fails, for the reason in `message`."""
        self._ledger.trouble = message
        self._roster.tell_others(None, Trouble(message))

    def resume_storing(self) -> None:
        """Take updates again, and ask everybody for those that were not taken; settings were kept."""
        if not self._ledger.trouble:
            return
        self._ledger.trouble = ""
        self._beside.resume()
        for seat in self._roster:
            if seat.is_live:
                seat.member.deliver(Trouble(""))
                self._writing.send_resync(seat)

    def fail(self, reason: str, draw_retry_ms: Callable[[], int] | None = None) -> None:
        """Give this room object up: it may be ahead of the disk. Everyone is sent away to come back."""
        self._writing.fail(reason, draw_retry_ms)

    def end(self, code: FaultCode, message: str) -> None:
        """Give this room object up for good: nobody is to come back by themselves."""
        self._ledger.give_up()
        for seat in self._roster.clear():
            seat.member.deliver(Fault(code, message, None))

    def close(self) -> None:
        """Free the document. Nobody may be here any more."""
        self._ledger.is_over = True
        self._replica.close()

    def _seat(self, member: Member) -> Seat | None:
        """Return the seat of `member` in a room that goes on; None when there is nothing to be done."""
        return None if self._ledger.is_over else self._roster.find(member)

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
                limits=self._writing.limits,
                is_durable=self._is_durable,
                is_new=is_new,
                roster=self._roster.others_as_seen_at(seat, sync.seq),
                settings=tuple(self.settings.items()),
                state_vector=sync.state_vector,
                person=seat.person,
            )
        )
        seat.member.deliver(sync)
        for said in self._beside.said_lately:
            seat.member.deliver(said)
        if self._ledger.trouble:
            seat.member.deliver(Trouble(self._ledger.trouble))
        self._roster.tell_others(seat, seat.presence)

    def _resynced(self, seat: Seat, sync: Sync) -> None:
        seat.is_sync_due = False
        self._roster.tell(seat, sync)
        for presence in self._roster.others_as_seen_at(seat, sync.seq):
            self._roster.tell(seat, presence)


def _nothing() -> Generator[None, None, None]:
    yield from ()
