"""Who is in a room: their seats, their colours, and what each may be shown of the others."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from collab_protocol import limits
from collab_protocol.errors import FaultCode
from collab_protocol.gate import Judgement
from collab_protocol.messages import Fault, Hello, Message, Presence
from collab_protocol.names import clean_person_name
from collab_protocol.presence import Activity, Person, Role
from collab_server.allowance import Allowance

COLOURS: Final = 12
"""How many colours a person can be told apart by; see the palettes of collab_tui."""


class Member(Protocol):
    """What a room sees of one session: a connection, whatever its wire."""

    @property
    def session(self) -> int:
        """Unique while the server runs."""

    @property
    def answers_resync(self) -> bool:
        """Whether its client says a Sync before it sends rows again (since version 2 of the wire)."""

    @property
    def round_trip_ms(self) -> int | None:
        """How long a Ping and its Pong took last; None while none has come back."""

    def deliver(self, message: Message) -> None:
        """Take a message for the client; never waits. Fault and Bye are the last."""


@dataclass(frozen=True, slots=True)
class Joiner:
    """What the server knows of who joins: who, and what they may do."""

    principal: str
    role: Role
    name: str = ""
    """The name that was given to them; empty where they choose their own."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What a member sent that is still to be applied: its rows up to `n`; KNOWN ones need a receipt only.

    `came_at` is when it came (seconds, monotonic).
    """

    n: int
    data: bytes
    judgement: Judgement
    came_at: float


@dataclass(slots=True, eq=False)
class Seat:
    """One member: who it is, what of it waits, and the caret it showed last.

    `ahead` is how far what waits goes beyond the room's text, by client id; `unsettled_bytes` are of rows
    that have no receipt yet; `tried_at` is when one of them had to be tried on a copy. While it
    `is_to_send_again`, what comes is dropped: the member sent it before it had read our Resync.

    What it says of itself goes from `next_presence` by way of `on_the_way` (by the row that it waits for, in
    their order) to `presence`, and is told to the others then or later; see `showing`.
    """

    member: Member
    person: Person
    nonce: bytes
    device_hash: bytes
    client_ids: frozenset[int]
    presence: Presence
    is_live: bool = False
    pending: list[Pending] = field(default_factory=list)
    ahead: dict[int, int] = field(default_factory=dict)
    is_to_send_again: bool = False
    is_sync_due: bool = False
    unsettled_bytes: int = 0
    tried_at: float = float("-inf")
    stale_in_a_row: int = 0
    next_presence: Presence | None = None
    on_the_way: OrderedDict[int, Presence] = field(default_factory=OrderedDict)
    is_shown: bool = True
    is_waiting_to_show: bool = False
    shown_at: float = float("-inf")
    lines: Allowance = field(default_factory=lambda: Allowance(burst=5, every_s=1.0))
    checks: Allowance = field(default_factory=lambda: Allowance(burst=3, every_s=10.0))
    pulses: Allowance = field(default_factory=lambda: Allowance(burst=4, every_s=0.5))
    wishes: Allowance = field(default_factory=lambda: Allowance(burst=limits.SETTINGS, every_s=0.5))
    looks: Allowance = field(default_factory=lambda: Allowance(burst=1, every_s=2.0))


def device_hash(hello: Hello) -> bytes:
    """Return what the server keeps of a device's secret."""
    return hashlib.sha256(hello.device).digest()


class Roster:
    """The seats of one room. A member is live once its Welcome and Sync have left."""

    def __init__(self, seq: int) -> None:
        """`seq`: where the room's log stands."""
        self._seats: dict[Member, Seat] = {}
        self._claims: dict[int, tuple[bytes, int]] = {}
        self._of_device: dict[bytes, list[Seat]] = {}
        self._newest_row = self._newest_by_another = (0, seq)

    def __iter__(self) -> Iterator[Seat]:
        """Iterate over the seats as they are now: members may come and go meanwhile."""
        return iter(list(self._seats.values()))

    def __len__(self) -> int:
        return len(self._seats)

    def __contains__(self, seat: object) -> bool:
        return isinstance(seat, Seat) and self._seats.get(seat.member) is seat

    def of_device(self, device_hash: bytes) -> list[Seat]:
        """Return the seats of one device, as they are now: a person may have several windows."""
        return self._of_device.get(device_hash, [])

    def find(self, member: Member) -> Seat | None:
        """Return the seat of `member`, or None."""
        return self._seats.get(member)

    def add(self, member: Member, hello: Hello, joiner: Joiner, seq: int) -> Seat:
        """Give `member` a seat, not live yet."""
        person = Person(
            session=member.session,
            principal=joiner.principal,
            name=clean_person_name(joiner.name or hello.name, limits.NAME_CELLS),
            role=joiner.role,
            colour=self._colour(joiner.principal, hello.colour),
        )
        seat = self._seats[member] = Seat(
            member=member,
            person=person,
            nonce=hello.nonce,
            device_hash=device_hash(hello),
            client_ids=frozenset(hello.client_ids),
            presence=Presence(person, (), seq, Activity.ACTIVE),
        )
        self._of_device.setdefault(seat.device_hash, []).append(seat)
        for client_id in seat.client_ids:
            _, seats = self._claims.get(client_id, (seat.device_hash, 0))
            self._claims[client_id] = (seat.device_hash, seats + 1)
        return seat

    def owner(self, client_id: int) -> bytes | None:
        """Return the hash of the device whose seats write under an id; None when nobody here does."""
        claim = self._claims.get(client_id)
        return None if claim is None else claim[0]

    def remove(self, seat: Seat, seq: int, activity: Activity = Activity.GONE) -> None:
        """Take a seat away and tell the others: GONE, or LOST when its connection broke."""
        del self._seats[seat.member]
        others = [other for other in self._of_device.pop(seat.device_hash) if other is not seat]
        if others:
            self._of_device[seat.device_hash] = others
        for client_id in seat.client_ids:
            device, seats = self._claims.pop(client_id)
            if seats > 1:
                self._claims[client_id] = (device, seats - 1)
        if seat.is_live:
            self.tell_others(seat, Presence(seat.person, (), seq, activity))

    def dismiss(
        self, seat: Seat, seq: int, code: FaultCode, message: str, retry_ms: int | None = None
    ) -> None:
        """Send a member away, with what of it waits; with a time to come back it is there in a moment."""
        seat.pending = []
        seat.ahead.clear()
        self.remove(seat, seq, Activity.GONE if retry_ms is None else Activity.LOST)
        seat.member.deliver(Fault(code, message, retry_ms))

    def clear(self) -> list[Seat]:
        """Take every seat away, telling nobody; returns them."""
        seats, self._seats = list(self._seats.values()), {}
        self._claims.clear()
        self._of_device.clear()
        return seats

    def tell(self, seat: Seat, message: Message) -> None:
        """Deliver `message` if that member is still here."""
        if seat in self:
            seat.member.deliver(message)

    def tell_others(self, seat: Seat | None, message: Message) -> None:
        """Deliver `message` to every live member but that one."""
        for other in self:
            if other is not seat and other.is_live:
                other.member.deliver(message)

    def wrote(self, session: int, seq: int) -> None:
        """Note that a row of `session` at `seq` is being shown."""
        if self._newest_row[0] != session:
            self._newest_by_another = self._newest_row
        self._newest_row = (session, seq)

    def others_as_seen_at(self, seat: Seat, seq: int) -> tuple[Presence, ...]:
        """Return the other live members for one who has every row up to `seq` and none of the deltas.

        Carets and a view that another's row has passed since they were said are left out: their owner says
        them again.
        """
        return tuple(self._as_seen_at(other, seq) for other in self if other.is_live and other is not seat)

    def _as_seen_at(self, seat: Seat, seq: int) -> Presence:
        shown = seat.presence
        is_newest = self._newest_row[0] == seat.member.session
        was_passed = shown.seen < (self._newest_by_another if is_newest else self._newest_row)[1]
        carets, view = ((), None) if was_passed else (shown.carets, shown.view)
        return Presence(shown.person, carets, seq, shown.activity, shown.following, view)

    def colours(self, principals: Iterable[str]) -> dict[str, int]:
        """Return a colour for each, whether they are here or not; who is here has theirs."""
        colours = {seat.person.principal: seat.person.colour for seat in self}
        taken = Counter(colours.values())
        for principal in principals:
            if principal not in colours:
                colours[principal] = _free_colour(principal, None, taken)
                taken[colours[principal]] += 1
        return colours

    def _colour(self, principal: str, wish: int | None) -> int:
        """Return a colour: the same for one principal, no two alike while there are free ones."""
        for seat in self:
            if seat.person.principal == principal:
                return seat.person.colour
        return _free_colour(principal, wish, Counter(seat.person.colour for seat in self))


def _free_colour(principal: str, wish: int | None, taken: Counter[int]) -> int:
    """Return the first of the least taken colours, beginning with what is wished for."""
    first = wish if wish is not None else int.from_bytes(hashlib.sha256(principal.encode()).digest()[:4])
    candidates = [(first + step) % COLOURS for step in range(COLOURS)]
    return min(candidates, key=lambda colour: taken[colour])
