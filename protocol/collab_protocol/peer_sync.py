"""The server's end of a session as a state machine; the client's is `sync`.

Drain after every call: `receive(...)` or `deliver(...)`, then `to_send()`.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from collab_protocol.errors import FaultCode, SequenceError
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Bye,
    Check,
    CloseRoom,
    Fault,
    Hello,
    Kick,
    Look,
    Message,
    Part,
    Ping,
    Pong,
    Presence,
    Resync,
    Say,
    Setting,
    Sync,
    Update,
    Welcome,
)
from collab_protocol.presence import Activity
from collab_protocol.versions import VERSIONS, negotiate


class PeerPhase(Enum):
    """Where a server stands with one client."""

    HELLO = auto()
    JOINING = auto()
    LIVE = auto()
    CLOSED = auto()


Request = (
    Hello
    | Update
    | Presence
    | Setting
    | Resync
    | Sync
    | Check
    | Say
    | Look
    | AskAuthors
    | AskPulse
    | Kick
    | CloseRoom
    | Bye
)
"""What a client asks of its room."""


class PeerSync:
    """The server's end of one session, on one link; `session` is unique while the server runs."""

    def __init__(self, *, session: int) -> None:
        self.session = session
        self.version = 0
        self._phase = PeerPhase.HELLO
        self._out: list[Message] = []

    @property
    def phase(self) -> PeerPhase:
        return self._phase

    def receive(self, message: Message) -> Request | None:
        """Take a message from the client; returns it when the room must act on it.

        Raises:
            SequenceError: it means nothing now, or only a server may say it.
            VersionRefused: a Hello without a version that we speak.
        """
        match message:
            case Ping(id):
                self._out.append(Pong(id))
                return None
            case Pong():
                return None
            case Bye():
                self._phase = PeerPhase.CLOSED
                return message
            case Hello(versions) if self._phase is PeerPhase.HELLO:
                self.version = negotiate(versions)
                self._phase = PeerPhase.JOINING
                return message
            case Update(n) if self._phase is PeerPhase.LIVE and n > 0:
                return message
            case Presence(_, carets, seen, activity, following, view) if (
                self._phase is PeerPhase.LIVE and not activity.is_over
            ):
                return Presence(None, carets, seen, activity, following, view)
            case Look() if self._phase is PeerPhase.LIVE:
                return Look(None)
            case Say() | AskAuthors() | AskPulse() | Kick() | CloseRoom() if self._phase is PeerPhase.LIVE:
                return message
            case Setting() | Resync() | Sync() | Check() if self._phase is PeerPhase.LIVE:
                return message
            case _ if self._phase is PeerPhase.CLOSED:
                return None
            case _:
                raise SequenceError(f"the client sent {type(message).__name__} while {self._phase.name}")

    def deliver(self, message: Message) -> None:
        """Take a message from the room for the client."""
        match message:
            case Sync() if self._phase is PeerPhase.JOINING:
                self._phase = PeerPhase.LIVE
            case Fault() | Bye():
                self._phase = PeerPhase.CLOSED
            case Part():
                raise SequenceError("a room deals in whole messages")
            case _:
                pass
        if self.version < VERSIONS[-1]:
            message = self._as_understood(message)
        self._out.append(message)

    def ping(self, number: int) -> None:
        """Ask whether the client is there."""
        self._out.append(Ping(number))

    def to_send(self) -> list[Message]:
        """Return what to send now, in order."""
        out, self._out = self._out, []
        return out

    def _as_understood(self, message: Message) -> Message:
        """Return `message` for a client of an older version; it skips the kinds that it does not know."""
        match message:
            case Welcome():
                return replace(message, version=self.version)
            case Presence() if self.version < 3 and message.activity is Activity.LOST:
                return replace(message, activity=Activity.GONE)
            case Fault(code) if self.version < _SINCE.get(code, 0):
                return Fault(FaultCode.BROKEN, message.message, message.retry_ms)
            case _:
                return message


_SINCE: Final = {
    **dict.fromkeys((FaultCode.STALE, FaultCode.IDENTITY, FaultCode.DIVERGED), 2),
    **dict.fromkeys((FaultCode.DENIED, FaultCode.KICKED, FaultCode.CLOSED, FaultCode.DELETED), 4),
}
"""The version that brought each code that did not come with the first."""
