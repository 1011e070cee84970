"""Who may come in now, and when the others should try again: rates, caps, tries that came to nothing.

Pure: the clock is passed in, and dropping a connection is a call. A **visit** is one connection over TCP:

    knock (accepted) ──▶ ask (its request is here) ──▶ greeted (its Hello was admitted) ──▶ gone
         │                    ╰─ refused: told why and when to come back
         ╰─ dropped: newer ones came before it had finished

Whoever means it finishes in a round trip or two, so of visits that have not finished the **oldest** gives
way: an end that opens connections and says nothing pushes out its own, and never keeps a newcomer out.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from collab_server.bucket import Bucket
from collab_server.config import Caps
from collab_server.meters import Meters, Reason

PENDING: Final = 512
"""Visits in all that have not finished."""

PENDING_OF_ADDRESS: Final = 16
"""Of one address, once they are older than a round trip takes; younger ones up to its cap on connections."""

ROUND_TRIP_S: Final = 1.0
"""A visit that is younger than this may be finishing just now."""

TRIES: Final = 5
"""After so many tries in a row that came to nothing a client is refused, twice as long each time."""

REFUSED_MOST_S: Final = 300.0
REMEMBERED: Final = 4096
"""Clients with failed tries, and addresses that have left, of which something is kept."""

FULL_RETRY_S: Final = 10
"""When to try again where a cap is full: nobody knows when somebody leaves."""

RETURN_LEAST_S: Final = 2.0
"""However few they are, those who are sent away come back over so long: the server is to be there again."""

ADDRESS_SHARE: Final = 0.25
"""So much of the rate is for one address, beyond a burst of all that it may have: the rest is for others."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 503: why, naming the cap, and after how many whole seconds to come back."""

    message: str
    retry_s: int
    reason: Reason


def draw_return_ms(people: int, caps: Caps, dice: Callable[[], float]) -> int:
    """Return when one of `people` who are all sent away now should come back: each another time.

    `dice` gives numbers in [0, 1). They come back over twice the time that the rate wants for them, or more.
    """
    return int(dice() * 1000 * max(RETURN_LEAST_S, 2 * people / caps.accepts_per_s))


class _Stage(Enum):
    KNOCKED = auto()
    ASKED = auto()
    REFUSED = auto()
    IN = auto()
    GONE = auto()


class Visit:
    """One connection as `Admission` sees it."""

    __slots__ = ("_drop", "_stage", "address", "client", "since")

    def __init__(self, address: str, since: float, drop: Callable[[str], None]) -> None:
        self.address = address
        self.client = ""
        self.since = since
        self._drop = drop
        self._stage = _Stage.KNOCKED


class _Address:
    """What is known of one address. Its bucket is charged for visits that finish; others cost it nothing."""

    __slots__ = ("bucket", "pending", "people")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.people = 0
        self.pending: dict[Visit, None] = {}


class Admission:
    """Decides about every connection over TCP. Memory is bounded whatever comes."""

    def __init__(self, caps: Caps, clock: Callable[[], float], *, meters: Meters | None = None) -> None:
        """`clock` gives monotonic seconds."""
        self._caps = caps
        self._meters = Meters() if meters is None else meters
        self._clock = clock
        self._bucket = Bucket(caps.accepts_per_s, caps.accepts_per_s, clock())
        self._pending: dict[Visit, None] = {}
        self._people = 0
        self._here: dict[str, _Address] = {}
        self._left: OrderedDict[str, _Address] = OrderedDict()
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    @property
    def people(self) -> int:
        """How many have finished and are here."""
        return self._people

    @property
    def pending(self) -> int:
        """How many have not finished."""
        return len(self._pending)

    @property
    def most_of_an_address(self) -> int:
        """How many have finished and are here from the address that has most. O(addresses)."""
        return max((known.people for known in self._here.values()), default=0)

    def change_caps(self, caps: Caps) -> None:
        """Heed `caps` from now on; who is here stays, though they may be too many."""
        now, rate = self._clock(), caps.accepts_per_s
        self._caps = caps
        self._bucket.change(rate, rate, now)
        for known in (*self._here.values(), *self._left.values()):
            known.bucket.change(*_address_rate(caps), now)

    def knock(self, address: str | None, drop: Callable[[str], None]) -> Visit:
        """Take note of a connection that was just accepted; older ones may have to go for it.

        `address` is None where it is not known before the request, as behind a proxy. `drop(reason)` ends
        the connection; it is called at most once, and not after `greeted` or `gone`.
        """
        visit = Visit(address or "", self._clock(), drop)
        self._pending[visit] = None
        self._at(visit.address).pending[visit] = None
        self._thin_out(visit.address)
        if len(self._pending) > PENDING:
            crowd = Counter(pending.address for pending in self._pending).most_common(1)[0][0]
            self._drop(next(iter(self._here[crowd].pending)), f"{PENDING} connections are being opened")
        return visit

    def ask(self, visit: Visit, address: str, client: str) -> Refusal | None:
        """Decide about a visit whose request is here: None lets it go on to its Hello.

        `address` is where it really comes from. `client` is what the client's process calls itself, or "".
        """
        if visit._stage is not _Stage.KNOCKED:
            return Refusal("this connection was given up: try again", 1, Reason.CROWDED_OUT)
        self._move(visit, address)
        visit.client = client
        now = self._clock()
        refusal = (
            self._why_failing(visit, now)
            or self._why_full(self._here[address])
            or self._why_too_fast(self._here[address], now)
        )
        if refusal is not None:
            visit._stage = _Stage.REFUSED
            self._meters.refuse(refusal.reason)
            return refusal
        self._bucket.take()
        visit._stage = _Stage.ASKED
        self._freshen(visit, now)
        self._thin_out(address)
        self._make_room(
            self._here[address].pending, self._here[address].people, self._caps.connections_per_address
        )
        self._make_room(self._pending, self._people, self._caps.connections)
        return None

    def greeted(self, visit: Visit) -> None:
        """Note that its Hello was admitted."""
        if visit._stage is not _Stage.ASKED:
            return
        visit._stage = _Stage.IN
        address = self._here[visit.address]
        del self._pending[visit], address.pending[visit]
        address.people += 1
        self._people += 1
        address.bucket.has_one(self._clock())
        address.bucket.take()
        self._failures.pop((visit.address, visit.client), None)

    def gone(self, visit: Visit) -> None:
        """Note that the connection is over; more than once does no harm."""
        self._leave(visit, is_at_fault=True)

    def _leave(self, visit: Visit, *, is_at_fault: bool) -> None:
        stage, visit._stage = visit._stage, _Stage.GONE
        if stage is _Stage.GONE:
            return
        address = self._here[visit.address]
        if stage is _Stage.IN:
            address.people -= 1
            self._people -= 1
        else:
            del self._pending[visit], address.pending[visit]
        if stage is _Stage.ASKED:
            self._bucket.give_back()
            if is_at_fault:
                self._failed(visit)
        self._let_go(visit.address)

    def give_up(self, visit: Visit, reason: str) -> None:
        """Drop a visit that has not finished; one that has is left alone."""
        if visit in self._pending:
            self._drop(visit, reason)

    def _why_failing(self, visit: Visit, now: float) -> Refusal | None:
        tries, until = self._failures.get((visit.address, visit.client), (0, 0.0))
        if tries < TRIES or now >= until:
            return None
        wait_s = math.ceil(until - now)
        return Refusal(
            f"{tries} tries from here in a row came to nothing: the next one in {wait_s} s",
            wait_s,
            Reason.FAILED_TRIES,
        )

    def _why_full(self, address: _Address) -> Refusal | None:
        if address.people >= self._caps.connections_per_address:
            most = f"{self._caps.connections_per_address} connections from your address"
            return Refusal(f"{most}: close one, or try again later", FULL_RETRY_S, Reason.ADDRESS_FULL)
        if self._people >= self._caps.connections:
            return Refusal(
                f"{self._caps.connections} connections, which is all that this server takes: try again later",
                FULL_RETRY_S,
                Reason.SERVER_FULL,
            )
        return None

    def _why_too_fast(self, address: _Address, now: float) -> Refusal | None:
        for bucket, rate, whose, reason in (
            (
                address.bucket,
                self._caps.accepts_per_s * ADDRESS_SHARE,
                " from your address",
                Reason.ADDRESS_RATE,
            ),
            (self._bucket, self._caps.accepts_per_s, "", Reason.SERVER_RATE),
        ):
            if not bucket.has_one(now):
                retry_s = bucket.turn_away(now)
                return Refusal(
                    f"no more than {rate:g} connections a second are taken{whose}: come back in {retry_s} s",
                    retry_s,
                    reason,
                )
        return None

    def _thin_out(self, address: str) -> None:
        """Drop visits of one address that had their time, and the oldest if there are too many even so."""
        if not address:
            return  # a proxy's: they are of many people
        pending = self._here[address].pending
        most = max(PENDING_OF_ADDRESS, self._caps.connections_per_address)
        late = self._clock() - ROUND_TRIP_S
        while len(pending) > PENDING_OF_ADDRESS:
            oldest = next(iter(pending))
            if oldest.since > late and len(pending) <= most:
                return
            self._drop(oldest, f"{PENDING_OF_ADDRESS} connections from your address are being opened")

    def _make_room(self, pending: dict[Visit, None], people: int, most: int) -> None:
        """Drop the oldest of those that may come in until there is a place for each of them."""
        if people + len(pending) <= most:
            return
        asked = [visit for visit in pending if visit._stage is _Stage.ASKED]
        for visit in asked[: max(0, people + len(asked) - most)]:
            self._drop(visit, f"no more than {most} connections")

    def _freshen(self, visit: Visit, now: float) -> None:
        """Count `visit` among the newest: it has come one step further."""
        visit.since = now
        for pending in (self._pending, self._here[visit.address].pending):
            del pending[visit]
            pending[visit] = None

    def _drop(self, visit: Visit, reason: str) -> None:
        # Whoever was pushed out before it could finish may be a healthy one behind a flooded address.
        if visit._stage is not _Stage.REFUSED:  # those were counted then
            self._meters.refuse(Reason.CROWDED_OUT)
        self._leave(visit, is_at_fault=self._clock() - visit.since >= ROUND_TRIP_S)
        visit._drop(reason)

    def _failed(self, visit: Visit) -> None:
        key = (visit.address, visit.client)
        tries = self._failures.pop(key, (0, 0.0))[0] + 1
        while_s = 0.0 if tries < TRIES else min(REFUSED_MOST_S, 2.0 ** min(tries - TRIES, 16))
        self._failures[key] = (tries, self._clock() + while_s)
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def _move(self, visit: Visit, address: str) -> None:
        if visit.address == address:
            return
        before = visit.address
        del self._here[before].pending[visit]
        self._let_go(before)
        visit.address = address
        self._at(address).pending[visit] = None

    def _at(self, address: str) -> _Address:
        """Return what is known of `address`, which somebody is at now."""
        known = self._here.get(address)
        if known is None:
            known = self._left.pop(address, None)
            if known is None:
                known = _Address(Bucket(*_address_rate(self._caps), self._clock()))
            self._here[address] = known
        return known

    def _let_go(self, address: str) -> None:
        """Keep only the newest of the addresses at which nobody is any more."""
        known = self._here[address]
        if known.people or known.pending:
            return
        self._left[address] = self._here.pop(address)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)


def _address_rate(caps: Caps) -> tuple[float, float]:
    """Return how many connections a second are taken from one address, after a burst of how many."""
    rate = caps.accepts_per_s * ADDRESS_SHARE
    return rate, max(rate, caps.connections_per_address)
