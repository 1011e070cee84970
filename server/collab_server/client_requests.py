"""What one client in a room asks for: of the room at once, of the store and of the office in tasks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Final, Protocol

from collab_protocol.errors import FaultCode, StoreError
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Check,
    CloseRoom,
    Declined,
    Fault,
    Kick,
    Look,
    Message,
    Presence,
    Resync,
    Say,
    Setting,
    Sync,
    Update,
)
from collab_protocol.presence import Person
from collab_server.allowance import Allowance
from collab_server.last_words import BUSY_RETRY_MS
from collab_server.log_fields import Kind, about, without_name
from collab_server.reading import Reading
from collab_server.registry import OpenRoom, Registry, guard
from collab_server.roster import Member
from collab_server.sending import Sending

_log = logging.getLogger(__name__)


_DONE: Final = object()


class Administration(Protocol):
    """What a connection asks for in the name of a room's admin; each answers "" or why not."""

    async def kick(self, by: Person, room: str, session: int, ban_s: int) -> str:
        """Send a session away."""

    async def close_room(self, by: Person, room: str, is_closed: bool) -> str:
        """Close the room, or open it again."""


class ClientRequests:
    """Has done what `member` asks for in the room that it is in."""

    def __init__(
        self,
        member: Member,
        opened: OpenRoom,
        *,
        registry: Registry,
        office: Administration,
        reading: Reading,
        sending: Sending,
        do: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        """`do` runs what takes longer than a turn; how it fails ends the client."""
        self._member = member
        self._opened = opened
        self._registry = registry
        self._office = office
        self._reading = reading
        self._sending = sending
        self._do = do
        self._questions: list[AskAuthors] = []
        self._answering: asyncio.Future[None] | None = None
        self._may_ask = Allowance(burst=4, every_s=1.0)
        self._may_resync = Allowance(burst=8, every_s=1.0)
        self._may_administer = Allowance(burst=8, every_s=1.0)

    def take(self, request: Message) -> None:
        """Do it, or begin to.

        Raises:
            UpdateError: no honest client sends that.
        """
        room, member = self._opened.room, self._member
        match request:
            case Update(n, data):
                slices = room.updating(member, n, data)
                # Large ones pass the gate in slices, and nothing else of this client is worked on meanwhile.
                if next(slices, _DONE) is not _DONE:
                    self._reading.begin_work()
                    self._do(self._go_through(slices))
            case Presence():
                room.present(member, request)
            case Setting(key, value):
                room.set(member, key, value)
            case Resync(from_seq, state_vector):
                self._resync(from_seq, state_vector)
            case Sync():
                room.sends_again(member)
            case Check(seq, sha256):
                room.check(member, seq, sha256)
            case Say(text):
                room.say(member, text)
            case Look():
                room.look(member)
            case AskPulse():
                room.pulse(member)
            case AskAuthors():
                self._ask(request)
            case Kick() | CloseRoom():
                self._administer(request)
            case _:
                pass

    def all_has_left(self) -> None:
        """Hear that nothing waits for the socket any more."""
        if self._answering is not None:
            self._answering.set_result(None)
            self._answering = None

    async def _go_through(self, slices: Generator[None, None, None]) -> None:
        """Finish what was begun in slices, then go on with what came after it."""
        try:
            with guard(self._opened.room), contextlib.closing(slices):
                await asyncio.sleep(0)
                for _ in slices:
                    await asyncio.sleep(0)
        finally:
            self._reading.end_work()

    def _resync(self, from_seq: int, state_vector: bytes) -> None:
        _log.debug("asks for all since row %d", from_seq, extra=self._about(Kind.TOLD))
        if self._sending.outbox.has_sync:
            return
        if self._may_resync.take(time.monotonic()):
            self._opened.room.resync(self._member, state_vector, from_seq)
        else:
            self._member.deliver(Fault(FaultCode.SLOW, "too many resyncs at once", BUSY_RETRY_MS))

    def _ask(self, question: AskAuthors) -> None:
        if not self._may_ask.take(time.monotonic()):
            self._member.deliver(Declined("too many questions at once: wait a moment"))
            return
        self._questions.append(question)
        if len(self._questions) == 1:
            self._do(self._answer())

    async def _answer(self) -> None:
        """Answer the questions that wait. A task: what else comes does not wait for the store."""
        while self._questions:
            if self._sending.outbox.has_large:
                self._answering = asyncio.get_running_loop().create_future()
                await self._answering
            try:
                self._member.deliver(await self._registry.authors(self._opened, self._questions[0].since))
            except StoreError as error:
                why = without_name(error, self._opened.room.name)
                _log.error("who wrote in a room is not known: %s", why, extra=self._about(Kind.FAILED))
                self._member.deliver(Declined("who wrote here cannot be read at present"))
            self._questions.pop(0)

    def _administer(self, request: Kick | CloseRoom) -> None:
        room = self._opened.room
        person = room.person(self._member)
        if person is None:
            return
        why = room.why_no_admin(self._member)
        if not why and not self._may_administer.take(time.monotonic()):
            why = "too much at once: wait a moment"
        if why:
            self._member.deliver(Declined(why))
        elif isinstance(request, Kick):
            self._do(self._told(self._office.kick(person, room.name, request.session, request.ban_s)))
        else:
            self._do(self._told(self._office.close_room(person, room.name, request.is_closed)))

    async def _told(self, doing: Awaitable[str]) -> None:
        try:
            why = await doing
        except StoreError as error:
            told = without_name(error, self._opened.room.name)
            _log.error("what an admin asked for failed: %s", told, extra=self._about(Kind.FAILED))
            why = "that cannot be stored at present"
        if why:
            self._member.deliver(Declined(why))

    def _about(self, kind: Kind) -> Mapping[str, object]:
        return about(room=self._opened.room.name, session=self._member.session, kind=kind)
