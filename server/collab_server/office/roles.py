"""Who may ask the office for what: one table, looked at before each request.

An **owner** has the server's Unix socket, an **operator** a token for the whole server, a room's **admin**
one for that room. Whoever else has a token has nothing to ask for here, and what is not in the table is for
the owner alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from collab_protocol.errors import CollabError
from collab_protocol.presence import Role
from collab_server.asked import Asked
from collab_server.grants import EVERY_ROOM, Grant


class Scope(Enum):
    """How far a kind of request reaches, and so whose it is."""

    ROOM = auto()
    """The room that it names: of its admins, too."""
    INVITE = auto()
    """The room of the invite that it names: of the admins of that one, too."""
    SERVER = auto()
    """All rooms: of operators and the owner."""
    OWNER = auto()
    """What the server is: of the owner alone."""


SCOPES: Final = {
    "sessions": Scope.ROOM,
    "who": Scope.ROOM,
    "kick": Scope.ROOM,
    "bans": Scope.ROOM,
    "unban": Scope.ROOM,
    "close": Scope.ROOM,
    "open": Scope.ROOM,
    "invite": Scope.ROOM,
    "invites": Scope.ROOM,
    "revoke": Scope.INVITE,
    "rooms": Scope.SERVER,
    "limits": Scope.SERVER,
    "figures": Scope.SERVER,
    "log-level": Scope.SERVER,
    "compact": Scope.SERVER,
    "delete": Scope.SERVER,
    "forget": Scope.SERVER,
    "rotate-keys": Scope.SERVER,
    # What lets guests in over SSH has the server's own account, and says so for whom it has found.
    "admit": Scope.OWNER,
    # One who has lost an operator's token must not have to fear others that were made with it.
    "token": Scope.OWNER,
}


class NotYours(CollabError):
    """Somebody asks for what is not theirs to ask for; the text says whose it is."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the owner of the server's socket, or whoever has `grant` by a token."""

    grant: Grant | None = None

    @property
    def is_owner(self) -> bool:
        return self.grant is None

    @property
    def is_operator(self) -> bool:
        """Whether all rooms are theirs."""
        return self.grant is None or (self.grant.room == EVERY_ROOM and self.grant.role is Role.ADMIN)

    def __str__(self) -> str:
        """Return what the log calls them: no name that they gave themselves."""
        if self.grant is None:
            return "the owner"
        by = self.grant.ssh_key if self.grant.invite_id is None else f"invite {self.grant.invite_id}"
        return f"{'an operator' if self.is_operator else 'an admin'} ({by})"


OWNER: Final = Asker()


def check(asker: Asker, name: str, asked: Asked, room_of_invite: Callable[[str], str | None]) -> None:
    """Check that `asker` may ask for `name` as it is `asked`; `room_of_invite` says where an invite leads.

    Raises:
        NotYours: they may not.
        CollabError: it makes no sense whoever asks.
    """
    scope = SCOPES.get(name, Scope.OWNER)
    if asker.is_owner or (asker.is_operator and scope is not Scope.OWNER):
        return
    grant = asker.grant
    if grant is None or grant.role is not Role.ADMIN:
        raise NotYours("only an admin may ask for this: your token lets you into a room, and no more")
    match scope:
        case Scope.ROOM:
            room = asked.room_if_any()
            if room is None:
                raise NotYours(f"your token makes you an admin of {grant.room} alone: name that room")
        case Scope.INVITE:
            # What other rooms have is not told, not even whether it is there.
            room = room_of_invite(asked.text("id"))
            if room != grant.room:
                raise NotYours(f"there is no such invite into {grant.room}, of which you are an admin")
        case Scope.SERVER:
            raise NotYours(f"this is for operators of the server: you are an admin of {grant.room} alone")
        case Scope.OWNER:
            raise NotYours("this is for the owner of the server, on its own machine")
    if room != grant.room:
        raise NotYours(f"you are an admin of {grant.room} alone, and not of {room}")
