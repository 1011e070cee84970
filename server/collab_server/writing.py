"""What the members of a room write: judged as it comes, applied together, and shown once it is on disk.

    came ─ gate ─▶ Seat.pending ─ end of the turn ─▶ replica, log ─ on disk ─▶ Batch to the others, Receipt

Updates that arrive in one turn of the loop are applied together, one transaction per author, and go to the
log as one row each.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

from collab_protocol.errors import FaultCode, UpdateError
from collab_protocol.gate import Judgement, Verdict
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Batch, Bye, Receipt, Resync
from collab_protocol.text import Replica
from collab_server.encodings import Encodings
from collab_server.intake import Intake
from collab_server.ledger import Ledger, RoomLog
from collab_server.log_fields import Kind, about
from collab_server.meters import Meters
from collab_server.roster import Pending, Roster, Seat
from collab_server.showing import Showing
from collab_server.store.base import Row

_log = logging.getLogger(__name__)

_UPDATES_A_TURN: Final = 100
"""Updates of one author in one transaction: squashing at commit is quadratic in them."""

_BYTES_A_TURN: Final = 32 * 1024
"""… and in what they hold: ten merged ones of 200 scattered rows each take 2 ms, a hundred 298 ms."""

_STALE_MOST: Final = 3
"""So many updates without ground in a row are no race any more (DESIGN section 6)."""

_JUDGED_AT_ONCE_BYTES: Final = 16 * 1024
"""A larger update passes the gate in slices; one of this size takes it a few milliseconds at most."""

_PENDING_BYTES: Final = 200
"""What an update weighs beside its bytes while it waits."""

_COME_BACK_MS: Final = 200
"""After it a client sends again all that it has no receipt for, from the start."""


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


class Writing:
    """All that goes into the text of one room."""

    def __init__(
        self,
        name: str,
        replica: Replica,
        *,
        intake: Intake,
        encodings: Encodings,
        ledger: Ledger,
        roster: Roster,
        showing: Showing,
        log: RoomLog,
        defer: Callable[[Callable[[], None]], None],
        now: Callable[[], float],
        clock: Callable[[], float],
        draw_retry_ms: Callable[[], int],
        limits: RoomLimits,
        meters: Meters,
    ) -> None:
        """`defer` runs a call at the end of this loop turn; the rest is as for `Room`."""
        self.limits = limits
        self.updates = self.bytes_in = 0
        """Updates applied, and what they held."""
        self.is_flush_due = False
        self._name = name
        self._replica = replica
        self._intake = intake
        self._encodings = encodings
        self._ledger = ledger
        self._roster = roster
        self._showing = showing
        self._log = log
        self._defer = defer
        self._now = now
        self._clock = clock
        self._draw_retry_ms = draw_retry_ms
        self._meters = meters
        self._loaded_seq = ledger.seq
        self._last_row_of: dict[bytes, int] = {}

    def taking(self, seat: Seat, n: int, data: bytes) -> Generator[None, None, None]:
        """Take rows of `seat` up to its number `n`, in slices; they are applied at the end of the turn.

        Raises:
            UpdateError: no honest client sends that.
        """
        came_at = self._clock()
        if not seat.person.role.may_write:
            self._dismiss(seat, FaultCode.READ_ONLY, "you may read here, not write")
            return
        if self._ledger.trouble or seat.is_to_send_again:
            return
        judgement = yield from self._judging(seat, data)
        # Gone meanwhile, it or the whole room; or nothing more may go to disk since then.
        if seat not in self._roster or self._ledger.trouble:
            return
        match judgement.verdict:
            case Verdict.HOSTILE:
                raise UpdateError(f"an update that no client of ours makes: {judgement.reason}")
            case Verdict.STALE:
                self._ask_again(seat, judgement.reason)
                return
            case Verdict.ACCEPT if not self._encodings.has_space(data, self.limits):
                self._dismiss(
                    seat, FaultCode.TOO_LARGE, f"{self._name} may hold {self.limits.text_bytes} bytes"
                )
                return
            case _:
                pass
        seat.stale_in_a_row = 0
        seat.ahead.update(judgement.ends)
        seat.unsettled_bytes += len(data) + _PENDING_BYTES
        # A caret that was said before this edit would be shown after it; its owner says a new one.
        self._showing.take_back(seat, self._ledger.seq)
        seat.pending.append(Pending(n, data, judgement, came_at))
        self.flush_later()

    def flush_later(self) -> None:
        """Flush at the end of this turn."""
        if not self.is_flush_due:
            self.is_flush_due = True
            self._defer(self.flush)

    def flush(self) -> None:
        """Apply and log what has arrived: of each author as much as goes into one transaction."""
        self.is_flush_due = False
        ledger = self._ledger
        if ledger.is_over:
            return
        written: list[_Written] = []
        first = ledger.seq + 1
        for seat in self._roster:
            if seat.pending and not ledger.is_over:
                self._apply(seat, written)
        if ledger.is_over:
            return
        if written:
            batch = Batch(first, ledger.seq, tuple((part.seat.member.session, part.data) for part in written))
            ledger.when_on_disk(ledger.seq, lambda: self._share(batch, written))
        for seat in self._roster:
            if seat.pending:
                self.flush_later()
            elif self._showing.queue(seat, ledger.seq):
                self._show_when_on_disk(seat, ledger.seq)

    def flush_all(self) -> None:
        """Apply and log all that has arrived."""
        self.flush()
        while any(seat.pending for seat in self._roster) and not self._ledger.is_over:
            self.flush()

    def flush_all_of(self, device: bytes, *, but: Seat | None = None) -> None:
        """Apply all that waits of a device's seats, or of its other seats."""
        while not self._ledger.is_over and any(
            each.pending and each is not but for each in self._roster.of_device(device)
        ):
            self.flush()

    def send_resync(self, seat: Seat) -> None:
        """Ask for all that was not taken; what comes before that was heard is dropped."""
        self._meters.resyncs_sent += 1
        seat.is_to_send_again = seat.member.answers_resync
        resync = Resync(self._ledger.seq, self._replica.state_vector())
        self._ledger.when_on_disk(self._ledger.seq, lambda: self._roster.tell(seat, resync))

    def fail(self, reason: str, draw_retry_ms: Callable[[], int] | None = None) -> None:
        """Give the room up, and send everyone away to come back."""
        self._ledger.give_up()
        draw_retry_ms = draw_retry_ms or self._draw_retry_ms
        for seat in self._roster.clear():
            seat.member.deliver(Bye(reason, draw_retry_ms()))

    def _judging(self, seat: Seat, data: bytes) -> Generator[None, None, Judgement]:
        while True:
            # Another window of the same person may send the same rows, or what these rest on.
            self.flush_all_of(seat.device_hash, but=seat)
            judgement = None if len(data) > _JUDGED_AT_ONCE_BYTES else self._intake.judge(seat, data)
            if judgement is None:
                judgement = yield from self._intake.judging(seat, data)
            if not (judgement.is_doubtful and judgement.verdict is Verdict.STALE and seat.ahead):
                return judgement
            self.flush_all_of(seat.device_hash)

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
                _log.error("what was accepted does not fit any more", extra=about(room=self._name))
                self.fail(f"{self._name} is loaded again")
                return
            new_ids += self._intake.applied(each.judgement, seat.device_hash)
            news.append(each.data)
        size = sum(len(each.data) + _PENDING_BYTES for each in taken)
        self.updates += count
        self.bytes_in += size - count * _PENDING_BYTES
        self._meters.updates += count
        try:
            data = self._replica.apply(*news) if news else None
        except UpdateError:
            # The document may be damaged now: nobody may see it, and it is loaded again.
            self._dismiss(seat, FaultCode.BROKEN, "your changes cannot be applied here")
            self.fail(f"{self._name} is loaded again")
            return
        if not seat.pending:
            seat.ahead.clear()
        n, came_at = taken[-1].n, taken[0].came_at
        if data is None:
            self._settle_known(seat, n, size, came_at)
        else:
            self._keep(seat, data, tuple(new_ids))
            written.append(_Written(seat, n, data, size, came_at))

    def _keep(self, seat: Seat, data: bytes, new_ids: tuple[int, ...]) -> None:
        """Hand one row to the log."""
        self._ledger.seq = seq = self._ledger.seq + 1
        self._encodings.applied(data)
        self._last_row_of[seat.nonce] = seq
        person = seat.person
        self._log.append(
            Row(
                room=self._name,
                first=seq,
                last=seq,
                session=person.session,
                principal=person.principal,
                name=person.name,
                device_hash=seat.device_hash,
                at=self._now(),
                data=data,
                new_ids=new_ids,
            )
        )

    def _settle_known(self, seat: Seat, n: int, size: int, came_at: float) -> None:
        """Owe a receipt for what was all known: it is certainly on disk once every row outstanding now is.

        It says where the last of it stands, or may stand at most: what came after may not count as unseen by
        those who had seen the author's rows.
        """
        seq = self._last_row_of.get(seat.nonce, self._loaded_seq)
        self._ledger.when_on_disk(
            self._ledger.seq, lambda: self._settle(seat, Receipt(n, seq, alone=False), size, came_at)
        )

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
            self._meters.receipts += 1
            self._meters.receipt_s.observe(self._clock() - came_at)
        self._roster.tell(seat, receipt)

    def _show_when_on_disk(self, seat: Seat, seq: int) -> None:
        ledger = self._ledger
        ledger.when_on_disk(seq, lambda: self._showing.show(seat, seq, ledger.committed))

    def _ask_again(self, seat: Seat, reason: str) -> None:
        """Answer what cannot be placed yet: an honest race, unless it happens again and again."""
        seat.stale_in_a_row += 1
        self._meters.stale += 1
        fields = about(room=self._name, session=seat.member.session, kind=Kind.HOSTILE)
        _log.info("sent what has no ground: %s", reason, extra=fields)
        if not seat.member.answers_resync or seat.stale_in_a_row >= _STALE_MOST:
            self._dismiss(seat, FaultCode.STALE, "your changes rest on text that is not here", _COME_BACK_MS)
            return
        self.flush()
        if seat in self._roster:
            self.send_resync(seat)

    def _dismiss(self, seat: Seat, code: FaultCode, message: str, retry_ms: int | None = None) -> None:
        # No flush before it: this runs in the midst of one, where another would log out of turn.
        self._roster.dismiss(seat, self._ledger.committed, code, message, retry_ms)


def _count_for_a_turn(pending: list[Pending]) -> int:
    """Return how many updates of one author go into one transaction."""
    size = 0
    for count, each in enumerate(pending[:_UPDATES_A_TURN]):
        size += len(each.data)
        if size > _BYTES_A_TURN:
            return max(1, count)
    return min(len(pending), _UPDATES_A_TURN)
