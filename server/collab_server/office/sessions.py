"""Those who are connected, as the office sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from collab_protocol.errors import FaultCode
from collab_protocol.presence import Activity, Person
from collab_server.access import Access, Grant


class LiveSession(Protocol):
    """What the office sees of a connection. `grant` and `person` are None until it is in its room."""

    @property
    def session(self) -> int: ...

    @property
    def room_name(self) -> str: ...

    @property
    def grant(self) -> Grant | None: ...

    @property
    def person(self) -> Person | None: ...

    @property
    def since(self) -> float:
        """When it came, in UTC seconds."""

    @property
    def address(self) -> str:
        """Where it came from over TCP; empty for one by the Unix socket."""

    @property
    def activity(self) -> Activity | None:
        """What its person is doing; None while it is not in its room."""

    @property
    def round_trip_ms(self) -> int | None:
        """How long a Ping and its Pong took last; None while none has come back."""

    def dismiss(self, code: FaultCode, message: str) -> None:
        """End it for good."""


class Sessions:
    """Finds those who are connected, and sends away who may not be there any more."""

    def __init__(self, live: Callable[[], Iterable[LiveSession]], access: Access) -> None:
        self._live = live
        self._access = access

    def connected(self, room: str | None = None) -> list[LiveSession]:
        """Return those who are connected to `room`, or to any, whether or not they have a seat yet."""
        return [each for each in self._live() if room in (None, each.room_name)]

    def seated(self, room: str | None = None) -> list[LiveSession]:
        """Return those who have a seat in `room`, or in any."""
        return [each for each in self._live() if room in (None, each.room_name) and each.person is not None]

    def end_those_over(self, room: str | None = None) -> int:
        """Send away all who may not be in `room` any more, or in any; returns how many of them had a seat."""
        ended = 0
        for session in list(self._live()):
            if room not in (None, session.room_name):
                continue
            if session.grant is not None and (why := self._access.why_over(session.grant)) is not None:
                ended += session.person is not None
                session.dismiss(why.code, str(why))
        return ended
