"""Following somebody: what they see is seen here, too, until the person does something of their own.

    begin ─▶ they are here ◀──▶ they, or our own link, are gone for now
                     ╰── end ──╯   the person edits, moves, scrolls, or says so

No widget in it: the editor asks for the `sight` whenever it lays out its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collab_client.lines import Position
    from collab_client.peer_carets import Peer
    from collab_client.people import People, Someone


class Sight(NamedTuple):
    """What is to be seen: from `top` on, where that is known; `head` is where the leader's caret is.

    Only where it `is_led_by_head` that caret must be in sight, too.
    """

    top: Position | None
    head: Position | None
    is_led_by_head: bool


class Leader(NamedTuple):
    """Who is followed; `colour` is None before anybody of that name was here, and `is_here` false, too,
    while they are gone."""

    name: str
    colour: int | None
    is_here: bool


class Following:
    """Whom the person follows, and what is to be seen for that.

    A leader is a person: one of their sessions leads, the one that moved last, and keeps leading while it
    lives. `follow(session)` tells the others which, 0 for none; `changed()` says that `leader` is another.
    """

    def __init__(
        self,
        people: People,
        peers: Mapping[int, Peer],
        *,
        follow: Callable[[int], object],
        changed: Callable[[], object],
    ) -> None:
        self.leader: Leader | None = None
        self.last = ""
        """The principal of whoever was followed last."""
        self._people = people
        self._peers = peers
        self._follow = follow
        self._changed = changed
        self._principal = ""
        self._asked_for = ""
        self._session = 0

    @property
    def principal(self) -> str:
        """Who is followed; empty for nobody, or for a name that nobody has had yet."""
        return self._principal

    def begin(self, someone: Someone) -> None:
        """Follow `someone` from now on."""
        self._asked_for = ""
        self._principal = self.last = someone.principal
        self.leader = Leader(someone.name, None, is_here=False)
        self.refresh()
        self._changed()

    def wait_for(self, name: str) -> None:
        """Follow whoever is called `name`, from when they are here, and whenever they come again."""
        self._principal, self._asked_for = "", name
        self.leader = Leader(name, None, is_here=False)
        self.refresh()
        self._changed()

    def end(self) -> Leader | None:
        """Follow nobody; returns who was followed."""
        leader, self.leader = self.leader, None
        self._principal = self._asked_for = ""
        if leader is not None:
            self._choose_session(0)
            self._changed()
        return leader

    def refresh(self) -> None:
        """Take note that people came, went, or are called otherwise."""
        if self.leader is None:
            return
        someone = self._people.find_principal(self._principal) if self._principal else None
        if self._asked_for and (someone is None or not someone.sessions):
            # Whoever is to be followed by name may come from another machine the next time.
            namesake = self._people.find(self._asked_for)
            if namesake is not None and namesake.sessions:
                someone = namesake
                self._principal = self.last = someone.principal
        sessions = () if someone is None else someone.sessions
        if self._session not in sessions:
            self._choose_session(sessions[0] if sessions else 0)
        leader = self.leader._replace(is_here=bool(sessions))
        if someone is not None:
            leader = Leader(someone.name, someone.colour, is_here=bool(sessions))
        if leader != self.leader:
            self.leader = leader
            self._changed()

    def sight(self) -> Sight | None:
        """Return what is to be seen now; None while nobody leads."""
        peer = self._peers.get(self._session)
        if peer is None:
            return None
        head, view = peer.head, peer.view
        if view is None or self._goes_round(peer):
            return None if head is None else Sight(None, head, is_led_by_head=True)
        top, bottom = view
        return Sight(top, head, is_led_by_head=head is not None and top <= head <= bottom)

    def _choose_session(self, session: int) -> None:
        if session != self._session:
            self._session = session
            self._follow(session)

    def _goes_round(self, peer: Peer) -> bool:
        """Whether the leader follows this window in the end: what they see then depends on what is seen here,
        and only their caret is something to go by."""
        own = self._people.own
        passed: set[int] = set()
        following = peer.following
        while own is not None and following not in passed:
            if following == own.session:
                return True
            passed.add(following)
            led_by = self._peers.get(following)
            if led_by is None:
                return False
            following = led_by.following
        return False
