"""When the person was away, what changed meanwhile, and by whom: asked of the server when they are back.

One is away while the link is gone, while the program is closed, and when nothing was touched for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto

from collab_client.away import Away
from collab_client.listeners import Listeners
from collab_protocol.messages import AskAuthors, Authors
from collab_protocol.presence import Author
from collab_protocol.sync import ClientSync, Phase


class _Why(Enum):
    NO_LINK = auto()
    NOT_AT_IT = auto()


class Absence:
    """Tells `away` of it, and `Listeners.on_away` of the digest. `utc` gives seconds."""

    def __init__(
        self,
        away: Away,
        sync: ClientSync,
        listeners: Listeners,
        *,
        unsent: Callable[[], Iterable[tuple[int, int]]],
        utc: Callable[[], float],
        last_here: float | None,
    ) -> None:
        """`unsent()` gives the rows of the text that no server has as they are here.

        `last_here` is when the text as it is was last looked at; None when it never was.
        """
        self._away = away
        self._sync = sync
        self._listeners = listeners
        self._unsent = unsent
        self._utc = utc
        self._whys: set[_Why] = set()
        self._since: int | None = None
        """Behind which row the changes are whose authors are still to be told."""
        self._is_asked = False
        self._was_here = sync.lineage is not None
        """Whether the room's text was ever here: of one that was not nothing can be missed."""
        if last_here is not None and self._was_here:
            self._leave(_Why.NO_LINK, last_here)

    def link_ended(self) -> None:
        """Note that a link has ended which was live."""
        self._is_asked = False
        self._leave(_Why.NO_LINK, self._utc())

    def synced(self) -> None:
        """Note that a link has begun, and the text is what the server has."""
        if not self._was_here:
            self._was_here = True
            if self._whys:
                self._away.left(self._utc(), self._sync.seq)
        self._return(_Why.NO_LINK)

    def attends(self, is_at_it: bool) -> None:
        """Note whether the person is at it."""
        if is_at_it:
            self._return(_Why.NOT_AT_IT)
        else:
            self._leave(_Why.NOT_AT_IT, self._utc())

    def answered(self, authors: Authors, own_principal: str | None) -> None:
        """Take the answer to a question with `since`."""
        if authors.since is not None and authors.since == self._since:
            others = [author for author in authors.people if author.principal != own_principal]
            self._tell(tuple(others))

    def _leave(self, why: _Why, at: float) -> None:
        if not self._whys and self._was_here:
            self._away.left(at, self._sync.seq)
            if why is _Why.NO_LINK:
                self._away.unsent(self._unsent())
        self._whys.add(why)

    def _return(self, why: _Why) -> None:
        if why in self._whys:
            self._whys.remove(why)
            since = None if self._whys else self._away.back(self._utc(), self._sync.seq)
            if since is not None:
                self._since = since
                self._is_asked = False
        self._ask()

    def _ask(self) -> None:
        """Ask what is to be asked, once a link."""
        if self._since is None or self._is_asked or self._whys or self._sync.phase is not Phase.LIVE:
            return
        self._is_asked = True
        if not self._sync.ask(AskAuthors(self._since)):
            self._tell(())  # an older server does not know who

    def _tell(self, authors: tuple[Author, ...]) -> None:
        self._since = None
        digest = self._away.authors(authors)
        if digest is not None:
            self._listeners.on_away(digest)
