"""What may come into one room's text: the gate, and which device each client id belongs to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Final

from collab_protocol.errors import UpdateError
from collab_protocol.gate import Gate, Judgement, decode_state_vector, encode_state_vector
from collab_protocol.text import Replica
from collab_server.roster import Roster, Seat

_TRIAL_EVERY_S: Final = 1.0
"""A doubtful update costs O(document) to try. One who sends them faster has them taken untried: what they
may do is noticed later (docs/adr/0004), and a busy loop would be felt by all at once."""

_TRIAL_BYTES: Final = 1024 * 1024
"""A trial on a larger text would stop the loop for more than some 30 ms."""

_VECTOR_BYTES_EACH: Final = 16
_VECTOR_CLIENTS_SPARE: Final = 1024


class Intake:
    """Judges what the seats of a room send, before its replica sees any of it."""

    def __init__(self, replica: Replica, bindings: dict[int, bytes], now: Callable[[], float]) -> None:
        """`bindings`: the hash of the device that each client id belongs to that has written here."""
        self._replica = replica
        self._gate = Gate(replica)
        self._bindings = bindings
        self._now = now
        self._judged: dict[bytes, Seat] = {}

    def admits(self, client_ids: Iterable[int], device_hash: bytes, roster: Roster) -> bool:
        """Return whether a device may write under these ids: none is another's, here or on disk."""
        return all(
            self._bindings.get(client_id, device_hash) == device_hash
            and roster.owner(client_id) in (None, device_hash)
            for client_id in client_ids
        )

    def judging(self, seat: Seat, data: bytes) -> Generator[None, None, Judgement]:
        """Judge what `seat` sends next, in slices. What it may rest on is what it has sent before itself.

        One seat of a device at a time: two of them may send other text under the same id and clocks.
        """
        while self._judged.get(seat.device_hash, seat) is not seat:
            yield
        self._judged[seat.device_hash] = seat
        try:
            may_try = self._may_try(seat)
            judgement = yield from self._gate.judging(
                data, authors=seat.client_ids, ahead=seat.ahead, may_try=may_try
            )
        finally:
            del self._judged[seat.device_hash]
        return self._judged_now(seat, judgement)

    def judge(self, seat: Seat, data: bytes) -> Judgement | None:
        """Judge at once; None while another seat of the same device is being judged."""
        if seat.device_hash in self._judged:
            return None
        may_try = self._may_try(seat)
        judgement = self._gate.judge(data, authors=seat.client_ids, ahead=seat.ahead, may_try=may_try)
        return self._judged_now(seat, judgement)

    def indexing(self) -> Generator[None, None, None]:
        """Learn, in slices, what makes judging cheap wherever in the text somebody writes; see `Gate`."""
        return self._gate.indexing()

    def fits(self, judgement: Judgement) -> bool:
        """Return whether what was accepted still begins where the text ends."""
        return self._gate.fits(judgement)

    def applied(self, judgement: Judgement, device_hash: bytes) -> list[int]:
        """Note that the replica has it, or is about to; return the ids that write here for the first time."""
        self._gate.applied(judgement)
        new_ids = [client_id for client_id in judgement.ends if client_id not in self._bindings]
        self._bindings.update(dict.fromkeys(new_ids, device_hash))
        return new_ids

    def state_vector_of(self, foreign: bytes) -> bytes:
        """Return what of a foreign state vector concerns this room, fit for the CRDT.

        Raises:
            UpdateError: no client of ours makes it. Six bytes that claim 2^27 clients would take the CRDT
                half a second and 256 MB.
        """
        ours = decode_state_vector(self._replica.state_vector())
        if len(foreign) > _VECTOR_BYTES_EACH * (len(ours) + _VECTOR_CLIENTS_SPARE):
            raise UpdateError("a state vector of more clients than ever wrote here")
        theirs = decode_state_vector(foreign)
        return encode_state_vector({client: clock for client, clock in theirs.items() if client in ours})

    def _may_try(self, seat: Seat) -> bool:
        return self._replica.size_utf8 <= _TRIAL_BYTES and self._now() - seat.tried_at >= _TRIAL_EVERY_S

    def _judged_now(self, seat: Seat, judgement: Judgement) -> Judgement:
        if judgement.is_doubtful and not seat.ahead:
            seat.tried_at = self._now()
        return judgement
