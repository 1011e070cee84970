"""Who is here, person by person: one in two terminals is one. What they do, and who came and went.

    Presence ─ Buffer ─▶ peers ─┐
    rows, LOST, GONE ───────────┴▶ People ─▶ Someone, News

Whoever lost the connection is shown as offline for a moment, and is no news when they come back within it
(DESIGN section 9). Nothing in here waits: the owner calls `tick` at `due_at`, and `settle` when something
has changed, once for all that came in one turn of the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from collab_client.lines import Position
from collab_client.peer_carets import Peer
from collab_protocol import limits
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Person, Role

_TYPING_S: Final = 2.0
"""So long after a row of theirs somebody is said to be typing."""


class Doing(StrEnum):
    """What a person does, as far as that can be told from outside."""

    TYPING = "typing"
    SELECTING = "selecting"
    HERE = "here"
    IDLE = "idle"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Someone:
    """A person in the room, with all of their windows.

    `sessions` are these, the one that moved last first; none while they are offline. `head` is the caret of
    the first; None when it is not known. `is_me`: they are other windows of ours.
    """

    principal: str
    name: str
    colour: int
    role: Role
    doing: Doing
    sessions: tuple[int, ...]
    head: Position | None
    is_me: bool
    follows_me: bool
    round_trip_ms: int | None


@dataclass(frozen=True, slots=True)
class News:
    """Names of people who came and who went."""

    joined: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(slots=True)
class _Known:
    """Somebody with the numbers of their sessions; offline until `gone_at`, when there are none."""

    person: Person
    sessions: list[int] = field(default_factory=list)
    doing: Doing = Doing.HERE
    follows_me: bool = False
    gone_at: float = math.inf


class People:
    """The people of a room, but for this very window. `on_change()`: `settle` has something to tell."""

    def __init__(self, peers: Mapping[int, Peer], clock: Callable[[], float]) -> None:
        """`peers` are the other sessions, which the owner keeps up to date; `clock` gives seconds."""
        self.on_change: Callable[[], None] = lambda: None
        self.own: Person | None = None
        """Who the person of this window is to the others; None before a server has said it."""
        self._peers = peers
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._round_trips_ms: Mapping[int, int] = {}
        self._has_changed = False
        self._told: dict[str, str] = {}  # names by principal, of those whose coming is told
        self._before: dict[str, str] = {}  # the same, when the link ended
        self._before_until = -math.inf

    def everybody(self) -> list[Someone]:
        """Return all who are here or just offline, in the order in which they came.

        Not this very window; other ones of the same person are somebody who `is_me`.
        """
        return [self._someone(principal, known) for principal, known in self._known.items()]

    def find(self, name: str) -> Someone | None:
        """Return who is called `name`: exactly, or but for case, or the only one whose name begins so."""
        if not name:
            return None
        everybody = sorted(self.everybody(), key=lambda someone: someone.is_me)
        folded = name.casefold()
        for someone in everybody:
            if someone.name == name:
                return someone
        for someone in everybody:
            if someone.name.casefold() == folded:
                return someone
        found = [someone for someone in everybody if someone.name.casefold().startswith(folded)]
        return found[0] if len(found) == 1 else None

    def find_principal(self, principal: str) -> Someone | None:
        """Return who that is, if they are here or just offline."""
        known = self._known.get(principal)
        return None if known is None else self._someone(principal, known)

    @property
    def followers(self) -> int:
        """How many other people, not windows, follow this window."""
        return sum(
            [known.follows_me and not self._is_me(principal) for principal, known in self._known.items()]
        )

    # What happens

    def entered(self, own: Person | None) -> None:
        """Take who is there as a link begins; that they are is no news."""
        self.own = own
        self._known.clear()
        self._round_trips_ms = {}
        for session in self._peers:
            self._add(session)
        self._told = self._names()
        self._before_until = self._clock() + limits.GRACE_S
        self._changed()

    def link_ended(self) -> None:
        """Let everybody go: nobody can tell whether they are there."""
        # Who comes back a moment after us was here all the time, or lost the same server.
        earlier = self._before if self._clock() < self._before_until else {}
        self._before = {**earlier, **self._names()}
        self._told = {}
        if self._known:
            self._known.clear()
            self._changed()

    def heard(self, presence: Presence) -> None:
        """Take what a session has said, or the server of it, once `peers` has it."""
        person = presence.person
        if person is None:
            return
        if presence.activity.is_over:
            self._remove(person, is_lost=presence.activity is Activity.LOST)
        elif person.session in self._peers:
            self._add(person.session)

    def typed(self, session: int) -> None:
        """Note that a row of `session` has come, once `peers` has it."""
        peer = self._peers.get(session)
        if peer is not None and peer.person.principal in self._known:
            self._look(peer.person.principal)

    def pulse(self, entries: Iterable[tuple[int, int]]) -> None:
        """Take how far each session is from the server, in milliseconds."""
        self._round_trips_ms = dict(entries)
        self._changed()

    def due_at(self) -> float | None:
        """Return when the next of those here stops typing, or is offline no more but gone; None for never."""
        due = min([self._ends_at(known) for known in self._known.values()], default=math.inf)
        return None if due == math.inf else due

    def tick(self) -> None:
        """Do what is due."""
        now = self._clock()
        for principal, known in list(self._known.items()):
            if known.gone_at <= now:
                del self._known[principal]
                self._changed()
            elif known.doing is Doing.TYPING:
                self._look(principal)

    def settle(self) -> tuple[bool, News | None]:
        """Return whether anything is another now than at the last call, and who came and went since."""
        has_changed, self._has_changed = self._has_changed, False
        here = self._names()
        if here.keys() == self._told.keys():
            return has_changed, None
        came = [each for each in here if each not in self._told and not self._was_before(each)]
        left = [name for each, name in self._told.items() if each not in here]
        self._told = here
        if not came and not left:
            return has_changed, None
        return has_changed, News(tuple([here[each] for each in came]), tuple(left))

    # Within

    def _add(self, session: int) -> None:
        person = self._peers[session].person
        known = self._known.get(person.principal)
        if known is None:
            known = self._known[person.principal] = _Known(person)
            self._changed()
        if session not in known.sessions:
            known.sessions.append(session)
            known.gone_at = math.inf
            self._changed()
        was, known.person = known.person, person
        if (was.name, was.colour, was.role) != (person.name, person.colour, person.role):
            self._changed()
        self._look(person.principal)

    def _remove(self, person: Person, *, is_lost: bool) -> None:
        known = self._known.get(person.principal)
        if known is None or person.session not in known.sessions:
            return
        known.sessions.remove(person.session)
        self._changed()
        if known.sessions:
            self._look(person.principal)
        elif is_lost and not self._is_me(person.principal) and len(self._known) <= limits.PEOPLE:
            known.gone_at = self._clock() + limits.GRACE_S
            known.doing, known.follows_me = Doing.OFFLINE, False
        else:
            del self._known[person.principal]

    def _look(self, principal: str) -> None:
        """Find out anew what somebody does."""
        known = self._known[principal]
        peers = self._peers_of(known)
        doing, follows_me = self._doing(peers), self._follow_me(peers)
        if (doing, follows_me) != (known.doing, known.follows_me):
            known.doing, known.follows_me = doing, follows_me
            self._changed()

    def _changed(self) -> None:
        if not self._has_changed:
            self._has_changed = True
            self.on_change()

    def _peers_of(self, known: _Known) -> list[Peer]:
        """Return the sessions of a person, the one that moved last first."""
        peers = [self._peers[session] for session in known.sessions if session in self._peers]
        if len(peers) > 1:
            peers.sort(key=lambda peer: max(peer.moved_at, peer.typed_at), reverse=True)
        return peers

    def _doing(self, peers: Iterable[Peer]) -> Doing:
        """Return what the liveliest of a person's windows says, the one that moved last before others."""
        typing_since = self._clock() - _TYPING_S
        resting = Doing.AWAY
        active: Doing | None = None
        for peer in peers:
            if peer.typed_at > typing_since:
                return Doing.TYPING
            if peer.activity is Activity.ACTIVE:
                active = active or (Doing.HERE if peer.head == peer.anchor else Doing.SELECTING)
            elif peer.activity is Activity.IDLE:
                resting = Doing.IDLE
        return active or resting

    def _follow_me(self, peers: Iterable[Peer]) -> bool:
        return self.own is not None and any(peer.following == self.own.session for peer in peers)

    def _ends_at(self, known: _Known) -> float:
        if known.doing is not Doing.TYPING:
            return known.gone_at
        return max([peer.typed_at for peer in self._peers_of(known)], default=-math.inf) + _TYPING_S

    def _is_me(self, principal: str) -> bool:
        return self.own is not None and self.own.principal == principal

    def _names(self) -> dict[str, str]:
        return {each: known.person.name for each, known in self._known.items() if not self._is_me(each)}

    def _was_before(self, principal: str) -> bool:
        return principal in self._before and self._clock() < self._before_until

    def _someone(self, principal: str, known: _Known) -> Someone:
        peers = self._peers_of(known)
        person = peers[0].person if peers else known.person
        sessions = tuple([peer.person.session for peer in peers])
        return Someone(
            principal=principal,
            name=person.name,
            colour=person.colour,
            role=person.role,
            doing=known.doing,
            sessions=sessions,
            head=peers[0].head if peers else None,
            is_me=self._is_me(principal),
            follows_me=known.follows_me,
            round_trip_ms=next(
                (self._round_trips_ms[each] for each in sessions if each in self._round_trips_ms), None
            ),
        )
