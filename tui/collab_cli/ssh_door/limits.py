"""How many may knock at the door, and how often: before they have logged in, of one address, and in all.

Pure: the clock is passed in, and dropping a connection is a call. A **visit** is one connection:

    knock ──▶ failed (a wrong key or token, each one) ──▶ came_in ──▶ gone

Whoever means it logs in within seconds. Where too many have not, the **oldest** of that address gives way,
then the oldest of all: an end that opens connections and says nothing pushes out its own. Each address has
two buckets: a visit that comes to nothing costs a token of one, a wrong token of the other. Whoever logs in
pays nothing, and others behind the same router are not kept out for long.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from collab_server.bucket import Bucket

TRIES: Final = 6
"""Wrong keys and tokens on one connection; as sshd's MaxAuthTries."""

SESSIONS: Final = 2
"""On one connection; an OpenSSH client with a ControlMaster asks for a second one."""

LOGIN_S: Final = 60.0
"""From knocking on: who comes by a token has to find it first. sshd gives 120."""

_VISITS_PER_S: Final = 10.0
_VISITS: Final = 120.0
"""Of one address: beginning to speak SSH takes some milliseconds each."""

_TRIES_PER_S: Final = 0.5
_TRIES: Final = 60.0
"""Wrong tokens of one address, on all its connections. Keys are offered, and not guessed."""

_REMEMBERED: Final = 4096
"""Addresses of which something is kept."""

_NETWORK_BITS: Final = 64
"""Of IPv6 whoever has one address has as many as these leave (RFC 4291, section 2.5.4)."""


@dataclass(frozen=True, slots=True)
class DoorCaps:
    """How many connections at most: in all, of one address, and of those that have not logged in."""

    connections: int
    connections_of_address: int
    unknown: int = 100
    unknown_of_address: int = 30


class _Buckets(NamedTuple):
    """What one address may do."""

    visits: Bucket
    tries: Bucket


class Visit:
    """One connection as `Limits` sees it."""

    __slots__ = ("_address", "_drop", "_is_known", "tries")

    def __init__(self, address: str, drop: Callable[[], None]) -> None:
        self.tries = 0
        """Wrong ones so far."""
        self._address = address
        self._drop = drop
        self._is_known = False


class Limits:
    """Decides about every connection. Memory is bounded whatever comes; O(connections) for a new one."""

    def __init__(self, caps: DoorCaps, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._caps = caps
        self._clock = clock
        self._buckets: OrderedDict[str, _Buckets] = OrderedDict()
        self._visits: dict[Visit, None] = {}

    def knock(self, address: str, drop: Callable[[], None]) -> Visit | None:
        """Take note of a connection; None where it is one too many. `drop` ends it, should it have to go."""
        address = _network(address)
        own = [visit for visit in self._visits if visit._address == address]
        bucket = self._of(address).visits
        is_too_many = (
            len(own) >= self._caps.connections_of_address or len(self._visits) >= self._caps.connections
        )
        if is_too_many or not bucket.has_one(self._clock()):
            return None
        bucket.take()
        self._make_room([v for v in own if not v._is_known], self._caps.unknown_of_address)
        self._make_room([v for v in self._visits if not v._is_known], self._caps.unknown)
        visit = Visit(address, drop)
        self._visits[visit] = None
        return visit

    def failed(self, visit: Visit, *, is_guess: bool) -> bool:
        """Note a wrong token, which is a guess, or a key that is not listed; returns whether to go on."""
        visit.tries += 1
        bucket = self._of(visit._address).tries
        may_go_on = not is_guess or bucket.has_one(self._clock())
        if is_guess:
            bucket.take()
        return may_go_on and visit.tries < TRIES

    def came_in(self, visit: Visit) -> None:
        """Note that one has logged in."""
        if not visit._is_known:
            visit._is_known = True
            self._of(visit._address).visits.give_back()

    def gone(self, visit: Visit) -> None:
        """Note that a connection has ended."""
        self._visits.pop(visit, None)

    def _make_room(self, unknown: list[Visit], most: int) -> None:
        for visit in unknown[: max(0, len(unknown) - most + 1)]:
            self._visits.pop(visit, None)
            visit._drop()

    def _of(self, address: str) -> _Buckets:
        found = self._buckets.get(address)
        if found is None:
            now = self._clock()
            found = _Buckets(Bucket(_VISITS_PER_S, _VISITS, now), Bucket(_TRIES_PER_S, _TRIES, now))
            self._buckets[address] = found
        self._buckets.move_to_end(address)
        if len(self._buckets) > _REMEMBERED:
            self._buckets.popitem(last=False)
        return found


def _network(address: str) -> str:
    """Return what one person may have all of."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
