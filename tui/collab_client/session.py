"""One person's session in one room: connects, pumps, backs off, and says what is true meanwhile.

    run() ─ connect ─▶ TaskGroup ─┬─ _read    link → sync → document
              ▲                   ├─ _write   sync → link, what is told to the others, pings
              │                   ├─ watch    a link that is silent
              │                   └─ _verify  what text is here, said now and then
              └── back off ◀── the link ends

The buffer never waits for any of it: a local edit goes into the `Document` and wakes the writer. `Company`
has what is about other people, `Caller` how a link comes about, `Truth` what may be said of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from collab_client.activity import Attention
from collab_client.away import Away
from collab_client.calling import Caller
from collab_client.chat import Chat
from collab_client.company import Company
from collab_client.document import Document, sha256_of
from collab_client.journal import Journal
from collab_client.lines import Position
from collab_client.link import Link
from collab_client.link_watch import watch
from collab_client.listeners import Listeners
from collab_client.people import People
from collab_client.presence_out import PresenceOut
from collab_client.room_settings import RoomSettings
from collab_client.status import Status
from collab_client.truth import Truth
from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.errors import (
    CloseCode,
    CollabError,
    FaultCode,
    LinkError,
    ProtocolError,
    StoreError,
    UpdateError,
)
from collab_protocol.events import (
    AskedAgain,
    Dismissed,
    Displaced,
    Event,
    Granted,
    Ponged,
    Receipted,
    Refused,
    RowsArrived,
    Seen,
    SettingChanged,
    Synced,
    Told,
)
from collab_protocol.presence import Activity, Role
from collab_protocol.sync import Phase

_log = logging.getLogger(__name__)

_DISPLACED_MOST: Final = 3
"""So often in a row the text may have to begin again before something is taken to be wrong for good."""

CLOSE_JOURNAL_S: Final = 5.0
"""How long a slow disk is waited for at the end: nobody else has what is not on it."""


class JoinRefused(CollabError):
    """The server will not have us; the text says why, `code` what kind of reason."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session(Listeners):
    """Keeps a `Document` in step with its room. Set the callbacks before `run`.

    A buffer that is read-only from the start stays so, whatever the server would allow.
    """

    def __init__(
        self,
        document: Document,
        *,
        journal: Journal | None,
        connect: Callable[[], Awaitable[Link]] | None,
        dice: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        greeting: str = "",
        read_n: int = 0,
        on_read: Callable[[int], None] = lambda n: None,
        last_here: float | None = None,
        utc: Callable[[], float] = time.time,
    ) -> None:
        """`connect` opens one link or raises LinkError; without it the network is left alone.

        `journal` is closed when `run` ends. `dice` gives numbers in [0, 1). `greeting` is said at the start.
        `read_n` is the last line of chat that was read in earlier runs; `on_read(n)` is called when that
        moves on. `last_here` is when this room was last open here, in seconds like `utc()`; None for never.
        """
        super().__init__()
        self.settings = RoomSettings()
        self.chat = Chat(read_n, on_read)
        self.away = Away(document.buffer)
        self._document = document
        self._journal = journal
        self._asked_read_only = document.buffer.read_only
        self._sync = document.sync
        self._connect = connect
        self._clock = clock
        self._caller = Caller(dice, clock)
        self._caller.is_connecting = connect is not None
        self._truth = Truth(document, self._caller, self, clock)
        self._attention = Attention(clock)
        self._told = PresenceOut(document.buffer, document.sync, self._attention, clock)
        self._company = Company(
            document, self.settings, self, self.chat, self.away, clock=clock, utc=utc, last_here=last_here
        )
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._greeting = greeting
        self._displaced_in_a_row = 0
        self._begins_again = False
        self._was_demoted = False
        """Whether we were sent away for writing, and nothing that we wrote has been taken since."""
        self._began_alone = document.sync.lineage is None
        self._is_closing = False
        self._last_heard = 0.0
        self.round_trip_s: float | None = None
        document.on_local_edit = self._edited
        document.on_kept = self._kept
        document.on_notice = self._notice
        self.settings.on_wish = self._wake.set
        self._attention.on_change = self._attends
        self._told.on_due = self._wake.set
        self._company.on_ask = self._wake.set

    @property
    def status(self) -> Status:
        """What may be said now."""
        return self._truth.status

    @property
    def people(self) -> People:
        """Who else is here; nobody while the link is gone."""
        return self._company.people

    @property
    def unsaved(self) -> int:
        """Own changes that no server has on disk yet."""
        return self._document.unsaved

    @property
    def kept(self) -> int:
        """How many of them are in the journal, on this machine's disk."""
        return self._document.kept

    @property
    def copies(self) -> list[str]:
        """Where texts were kept that could not go on."""
        return self._document.copies

    @property
    def journal_trouble(self) -> str:
        """Why the journal cannot be written; empty when it can."""
        return self._document.journal_trouble

    def caret_moved(self) -> None:
        """Note that the person moved a caret; others are told within the rate."""
        self._told.moved()

    def touched(self) -> None:
        """Note that the person pressed a key or moved the mouse; cheap."""
        self._attention.touched()

    def follow(self, session: int) -> None:
        """Tell the others that the person follows the view of `session`; 0 for nobody's.

        The end of a link ends it: on the next one sessions may have other numbers.
        """
        self._told.follow(session)
        self._attends_or_follows()

    def show_view(self, top: Position, bottom: Position) -> None:
        """Tell the others what is seen now, within the caret's rate: from a row's begin to a row's end."""
        self._told.show_view(top, bottom)

    def say(self, text: str) -> str:
        """Say a line of chat; returns why it cannot be, for people, and nothing when it is under way."""
        return self._company.say(text)

    def look_here(self) -> str:
        """Ask the others to look at where the person is; returns as `say`."""
        return self._company.look_here()

    def ask_pulse(self) -> None:
        """Ask how far away everybody is: `Someone.round_trip_ms`."""
        self._company.ask_pulse()

    def ask_authors(self) -> str:
        """Ask who wrote in this room; `on_authors` has the answer. Returns as `say`."""
        return self._company.ask_authors()

    @property
    def role(self) -> Role | None:
        """What the person may do here by the server's last word; None before its first."""
        return self._company.role

    def kick(self, session: int, ban_s: int) -> str:
        """Send `session` away, as an admin, and keep it out for `ban_s` seconds. Returns as `say`."""
        return self._company.kick(session, ban_s)

    def close_room(self, is_closed: bool) -> str:
        """Send everybody but admins away, as one, and let nobody in until it is opened again. As `say`."""
        return self._company.close_room(is_closed)

    def retry_now(self) -> None:
        """Try to connect at once instead of waiting."""
        self._caller.retry_now()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until everything typed is saved, or kept where there is no link; at most `timeout_s`.

        Returns whether everything is saved.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._is_settled():
                    self._settled.clear()
                    await self._settled.wait()
        return self.unsaved == 0

    def _is_settled(self) -> bool:
        if self._sync.phase is Phase.LIVE and not self._document.trouble and not self._truth.is_held_back:
            return self._sync.unsaved == 0
        return self.kept == self.unsaved or bool(self.journal_trouble)

    def leave(self) -> None:
        """Say goodbye and end `run`; what is unsaved by now stays unsaved."""
        self._is_closing = True
        self._sync.leave()
        self._wake.set()
        self._caller.leave()

    async def run(self) -> None:
        """Stay in the room until `leave`.

        Raises:
            LinkError: the first try found no server, and there is no text here that could be lost.
            JoinRefused: the server will not have us, and there is none either.
        """
        if self._greeting:
            self.on_notice(self._greeting)
        self._attention.begin()
        try:
            while not self._is_closing and self._connect is not None:
                hint_s = await self._one_link(self._connect)
                if self._is_closing:
                    break
                if self._truth.refusal is not None or self._truth.asks_person:
                    await self._until_asked()
                    continue
                if self._begins_again and self._displaced_in_a_row < _DISPLACED_MOST:
                    continue
                await self._caller.rest(hint_s, self._publish)
            self._publish()
            await self._caller.stay()
        finally:
            self._truth.close()
            self._attention.end()
            self._company.close()
            await self._close_journal()

    def _refuse(self, refusal: Refused) -> None:
        self._truth.refusal = refusal
        self._caller.forget()

    async def _until_asked(self) -> None:
        """Keep the window, and what is typed in it, until the person tries again or leaves."""
        self._publish()
        await self._caller.until_asked()
        if not self._is_closing:
            self._truth.refusal = None
            self._truth.asks_person = False
            self._displaced_in_a_row = 0

    async def _close_journal(self) -> None:
        self._document.give_up_unplaced()
        if self._journal is not None and not await self._journal.close(CLOSE_JOURNAL_S):
            _log.error("the journal could not be closed within %.0f s", CLOSE_JOURNAL_S)
        try:
            self._document.rescue()
        except StoreError as error:
            _log.error("%s", error)

    @property
    def _has_something(self) -> bool:
        """Whether there is text here that the person would miss."""
        return self._truth.has_connected or self._document.has_text or self.unsaved > 0

    async def _one_link(self, connect: Callable[[], Awaitable[Link]]) -> float | None:
        """Live through one link; returns the server's wish in seconds for when to come back."""
        caller, truth = self._caller, self._truth
        caller.is_connecting = True
        self._begins_again = False
        truth.dismissal = None
        caller.retry_at = None
        self._publish()
        try:
            link = await caller.open(connect)
        except LinkError as error:
            _log.info("no link: %s", error)
            if self._is_closing:
                return None
            if not self._has_something and error.retry_after_s is None:
                raise
            # Once it has worked, a proxy's 404 or a bad answer is a server that is being restarted.
            if error.is_final and not truth.has_connected:
                self._refuse(Refused(FaultCode.BROKEN, str(error)))
            elif error.asks_person:
                truth.asks_person = True
                caller.forget()
            if error.retry_after_s is not None:
                truth.dismissal = Dismissed(str(error), True, error.retry_after_s)
            return error.retry_after_s
        finally:
            caller.is_connecting = False
        began = self._clock()
        # A task of its own: before Python 3.13 a TaskGroup that has failed loses a cancellation from outside.
        pump = asyncio.create_task(self._pump(link), name="pump")
        try:
            await asyncio.wait({pump})
            pump.result()
        finally:
            if not pump.done():
                pump.cancel()
                await asyncio.wait({pump})
            was_live = self._sync.phase is Phase.LIVE
            self._sync.disconnected()
            self._document.buffer.clear_peers()
            self._company.link_ended()
            self.follow(0)
            self._settled.set()
            self._publish()
            with contextlib.suppress(Exception):
                await link.close()
        if was_live:
            caller.was_up(self._clock() - began)
        if truth.refusal is not None and not self._has_something:
            raise JoinRefused(truth.refusal.code, truth.refusal.message)
        return self._servers_wish_s()

    def _servers_wish_s(self) -> float | None:
        return None if self._truth.dismissal is None else self._truth.dismissal.retry_s

    async def _pump(self, link: Link) -> None:
        self._last_heard = self._clock()
        self._sync.connected()
        self._publish()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(link), name="read")
                tasks.create_task(self._write(link), name="write")
                tasks.create_task(watch(self._silent_s, self._probe), name="watch")
                tasks.create_task(self._verify(), name="verify")
        except* LinkError as broken:
            _log.info("link ended: %s", broken.exceptions[0])
            for error in broken.exceptions:
                if isinstance(error, LinkError) and error.is_final:
                    self._refuse(Refused(FaultCode.BROKEN, str(error)))
        except* UpdateError as hostile:
            # It was not applied. Nobody goes back to a server that sends such things.
            _log.error("%s", hostile.exceptions[0])
            self._refuse(Refused(FaultCode.BROKEN, str(hostile.exceptions[0])))
            await link.close(CloseCode.HOSTILE, "what you sent is no text")
        except* ProtocolError as broken:
            _log.warning("the server broke the protocol: %s", broken.exceptions[0])
        except* StoreError as error:
            _log.error("%s", error.exceptions[0])
            self._refuse(Refused(FaultCode.STORE, str(error.exceptions[0])))

    async def _read(self, link: Link) -> None:
        assembler = Assembler()
        while True:
            frame = await link.receive()
            self._last_heard = self._clock()
            message = assembler.feed(frame)
            if message is None:
                continue
            self._sync.receive(message)
            for event in self._sync.events():
                await self._take(event)
            if self._truth.refusal is not None or self._truth.dismissal is not None:
                raise LinkError("the server ended the session")
            if self._begins_again:
                raise LinkError("the text begins again")
            self._wake.set()
            self._publish()

    async def _write(self, link: Link) -> None:
        splitter = Splitter()
        while True:
            self._wake.clear()
            if self._sync.phase is Phase.LIVE and not self._document.is_applying:
                self._told.say_if_due()
            if self._sync.phase is Phase.LIVE and not self._document.buffer.read_only:
                for key, value in self.settings.to_send():
                    self._sync.set(key, value)
            while messages := self._sync.to_send():
                for message in messages:
                    for frame in splitter.frames(message):
                        await link.send(frame)
                await asyncio.sleep(0)
            if self._is_closing:
                raise LinkError("left")
            rest_s = None
            due_at = self._told.due_at()
            if due_at is not None and self._sync.phase is Phase.LIVE:
                rest_s = max(0.001, due_at - self._clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._wake.wait()

    def _silent_s(self) -> float:
        return self._clock() - self._last_heard

    def _probe(self) -> None:
        self._sync.ping(int(self._clock() * 1000) % 2**31)
        self._wake.set()

    async def _verify(self) -> None:
        """Say now and then what text is here, so that a server with another one is noticed."""
        for _ in self._document.indexing():
            await asyncio.sleep(0.001)
        while True:
            await asyncio.sleep(limits.CHECK_AFTER_S)
            due = self._document.lines_to_check()
            if due is not None:
                seq, blocks = due
                if self._document.check(seq, await asyncio.to_thread(sha256_of, blocks)):
                    self._wake.set()

    async def _take(self, event: Event) -> None:
        had_own = self.unsaved > 0
        begins_again = self._document.is_displaced
        for _ in self._document.handling(event):
            await asyncio.sleep(0)
        self._begins_again |= self._document.is_displaced and not begins_again
        match event:
            case RowsArrived(author):
                self._told.passed()
                self._company.people.typed(author)
            case AskedAgain():
                self._told.moved()
            case Receipted():
                self._was_demoted = False
                self._settled.set()
            case Seen(presence):
                self._document.buffer.place(presence, self._clock())
                self._company.people.heard(presence)
            case Told(message):
                self._company.told(message)
            case Synced():
                self._synced(event, had_own=had_own, begins_again=begins_again)
            case Refused(FaultCode.READ_ONLY, message) if not self._was_demoted:
                # What we may do here was changed meanwhile; the next Welcome says it, and we read on.
                self._was_demoted = True
                self._truth.dismissal = Dismissed(message, False, 0.0)
            case Refused():
                self._refuse(event)
            case Displaced(_, message):
                self._begins_again = True
                self._displaced_in_a_row += 1
                if self._displaced_in_a_row > _DISPLACED_MOST:
                    self._refuse(Refused(FaultCode.BROKEN, message))
            case Dismissed():
                self._truth.dismissal = event
            case Granted(credential):
                self.on_granted(credential)
            case SettingChanged(key, value):
                self.settings.changed(key, value)
            case Ponged(number):
                self.round_trip_s = (int(self._clock() * 1000) - number) % 2**31 / 1000
            case _:
                pass

    def _synced(self, event: Synced, *, had_own: bool, begins_again: bool) -> None:
        self._displaced_in_a_row = 0
        welcome = self._document.welcome
        if not event.is_first or welcome is None:
            self._told.passed()
            return
        self.settings.entered(welcome.settings)
        self._document.buffer.set_roster(welcome.roster, welcome.session, event.seq, self._clock())
        self._document.buffer.read_only = self._asked_read_only or not welcome.role.may_write
        self._document.buffer.max_text_bytes = welcome.limits.text_bytes
        self._company.entered(welcome)
        self._told.moved()
        if begins_again:
            pass  # what there is to say of that has been said
        elif welcome.is_new:
            self.on_notice("new room")
        elif had_own and self._began_alone:
            self.on_notice("the room already existed; your text was added")
        self._began_alone = False
        self._truth.has_connected = True

    def _notice(self, text: str) -> None:
        self.on_notice(text)

    def _kept(self) -> None:
        self._settled.set()
        self._publish()

    def _edited(self) -> None:
        self._told.moved()
        self._publish()

    def _attends(self) -> None:
        self._told.moved()
        self._attends_or_follows()

    def _attends_or_follows(self) -> None:
        """Who follows somebody is not away: what the others do is seen here, by whomever."""
        is_away = self._attention.activity is Activity.AWAY and not self._told.following
        self._company.absence.attends(not is_away)

    def _publish(self) -> None:
        self._truth.publish()
