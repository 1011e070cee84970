"""One connection while it logs in: the user name is a room, by a key that is listed or by a token.

asyncssh has no end to wrong tries and to sessions of one connection: they are counted here. It also hides
what goes wrong in what it calls, and just drops the connection: so each of them is `logged`.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, ParamSpec, Protocol, TypeVar

import asyncssh

from collab_cli.exits import CommandError, printable
from collab_cli.ssh_door.flow import hold_back
from collab_cli.ssh_door.keys import KeyFile
from collab_cli.ssh_door.limits import SESSIONS, Limits, Visit
from collab_cli.ssh_door.tokens import TokenCheck, guest_of_token, token_in
from collab_protocol.errors import NameRefused
from collab_protocol.names import check_room_name, clean_person_name
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from collab_server.log_fields import Kind, about

_log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_R = TypeVar("_R")

_TYPED_MOST: Final = 4096
"""Of a link, or a name."""

_ASK_TOKEN: Final = "Invite link or token: "  # noqa: S105
_ASK_NAME: Final = "The name that others see: "
_TOO_MANY: Final = "too many wrong tries"

Challenge = bool | tuple[str, str, str, list[tuple[str, bool]]]


def logged(call: Callable[_P, _R]) -> Callable[_P, _R]:
    """Have what goes wrong in `call`, which asyncssh makes, stand in the log."""

    @functools.wraps(call)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return call(*args, **kwargs)
        except Exception:
            _log.exception("a connection over SSH failed", extra=about(kind=Kind.FAILED))
            raise

    return wrapped


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody who has logged in. `guest` names their folder; `blob` is their key's, b"" without one."""

    restriction: Restriction
    guest: str
    name: str
    blob: bytes = b""
    token: str | None = field(default=None, repr=False)


class Lobby(Protocol):
    """What of the door a login needs."""

    keys: KeyFile
    limits: Limits
    tokens: TokenCheck | None
    """None where the server asks nobody for a token."""

    def open_session(self, login: Login, entrant: Entrant) -> asyncssh.SSHServerSession[bytes] | None:
        """Return a session for somebody who has logged in; None where there is none for them any more."""
        ...


class Showing(Protocol):
    """What of a session its connection needs."""

    def hold_output(self, is_full: bool) -> None:
        """Hear whether what is written to the connection waits there."""
        ...


class Login(asyncssh.SSHServer):
    """One connection's way in."""

    def __init__(self, lobby: Lobby, visit: Visit) -> None:
        self.sessions: set[Showing] = set()
        """Whose channels are open."""
        self.editors = 0
        """How many editors there are; one may outlive its channel for a moment."""
        self.quiet_since = time.monotonic()
        """When the last editor ended."""
        self.entrant: Entrant | None = None
        """Who it would be, once what they begin with is finished: asyncssh lets nobody in before."""
        self._lobby = lobby
        self._visit = visit
        self._connection: asyncssh.SSHServerConnection | None = None
        self._by_token: Entrant | None = None
        self._is_of_many = False
        self._has_begun = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        hold_back(conn, self._hold_output)

    def _hold_output(self, is_full: bool) -> None:
        for session in self.sessions:
            session.hold_output(is_full)

    @logged
    def begin_auth(self, username: str) -> bool:
        if self._has_begun:  # as another user: no client does that
            self._failed(is_guess=False)
        self._has_begun = True
        self.entrant = self._by_token = None
        return True  # nobody comes in without

    @logged
    def auth_completed(self) -> None:
        self._lobby.limits.came_in(self._visit)

    # By a key

    def public_key_auth_supported(self) -> bool:
        return True

    @logged
    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.entrant = self._by_token = None
        blob = key.public_data
        found = self._lobby.keys.find(blob, username)
        until = None if found is None else found.restriction.until
        if found is None or (until is not None and until <= time.time()):
            self._failed(is_guess=False)
            return False
        name = found.restriction.name or clean_person_name(found.key.comment.partition("@")[0])
        self.entrant = Entrant(found.restriction, f"key-{found.restriction.key}", name, blob)
        return True

    # By a token

    def kbdint_auth_supported(self) -> bool:
        return self._lobby.tokens is not None

    @logged
    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Challenge:
        self.entrant = self._by_token = None
        try:
            check_room_name(username)
        except NameRefused:
            self._failed(is_guess=True)
            return False
        return _ask(_ASK_TOKEN, is_shown=False)

    async def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Challenge:
        try:
            return await self._answered(username, responses[0][:_TYPED_MOST] if responses else "")
        except Exception:
            _log.exception("a connection over SSH failed", extra=about(kind=Kind.FAILED))
            raise

    async def _answered(self, room: str, typed: str) -> Challenge:
        if self._by_token is not None:
            return self._named(self._by_token, typed)
        token, tokens = token_in(typed), self._lobby.tokens
        why = "that is no invite: paste the whole link"
        if token is not None and tokens is not None:
            try:
                admitted = await tokens.check(room, token)
            except CommandError as error:
                why = printable(str(error))
            else:
                restriction = Restriction(room, Role.ADMIN, wants_token=True)
                entrant = Entrant(restriction, guest_of_token(token), admitted.name, token=token)
                if admitted.name:
                    self.entrant = entrant
                    return True
                self._by_token, self._is_of_many = entrant, admitted.is_reusable
                return _ask(_ASK_NAME, is_shown=True)
        return _ask(_ASK_TOKEN, is_shown=False, before=why) if self._failed(is_guess=True) else False

    def _named(self, entrant: Entrant, typed: str) -> Challenge:
        name = clean_person_name(typed)
        guest = entrant.guest
        if self._is_of_many and entrant.token is not None:
            # Else all who have that link would find each other's unsent work, and be banned as one.
            guest = guest_of_token(entrant.token, name)
        self.entrant = replace(entrant, guest=guest, name=name)
        return True

    def _failed(self, *, is_guess: bool) -> bool:
        """Note a wrong try; returns whether another may be made. The connection ends otherwise."""
        if self._lobby.limits.failed(self._visit, is_guess=is_guess):
            return True
        _log.info("over SSH, %d wrong tries", self._visit.tries, extra=about(kind=Kind.REFUSED))
        if self._connection is not None:
            self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, _TOO_MANY)
        return False

    # Inside: a terminal, and nothing that SSH has beside; whatever is not here is refused by asyncssh

    @logged
    def session_requested(self) -> bool | asyncssh.SSHServerSession[bytes]:
        if self.entrant is None or max(len(self.sessions), self.editors) >= SESSIONS:
            return False
        return self._lobby.open_session(self, self.entrant) or False


def _ask(prompt: str, *, is_shown: bool, before: str = "") -> Challenge:
    return "", before, "", [(prompt, is_shown)]
