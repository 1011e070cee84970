"""What a session calls when something happens; a screen sets what it wants to hear of."""

from __future__ import annotations

from collections.abc import Callable

from collab_client.away import Digest
from collab_client.people import News
from collab_client.status import Status
from collab_protocol.messages import Authors, Credential
from collab_protocol.presence import Person


class Listeners:
    """All of it, to be set before `Session.run`."""

    def __init__(self) -> None:
        self.on_status: Callable[[Status], None] = lambda status: None
        self.on_notice: Callable[[str], None] = lambda text: None
        """Something is to be read by the person, once."""
        self.on_people: Callable[[], None] = lambda: None
        """Who is here, or what somebody does, is another now; not for each move of a caret."""
        self.on_news: Callable[[News], None] = lambda news: None
        """People came or went."""
        self.on_look: Callable[[Person], None] = lambda person: None
        """Somebody asks to look where they are."""
        self.on_chat: Callable[[bool], None] = lambda is_new: None
        """A line of chat came or was read; True for one that somebody else has just said."""
        self.on_away: Callable[[Digest], None] = lambda digest: None
        """This has changed while the person was away."""
        self.on_authors: Callable[[Authors], None] = lambda authors: None
        """The answer to `ask_authors`."""
        self.on_granted: Callable[[Credential], None] = lambda credential: None
        """The server gave a credential, to be kept: what was said as the token may be spent now."""
