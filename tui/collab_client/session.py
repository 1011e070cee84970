"""One person's session in one room: connects, pumps, backs off, and says what is true meanwhile.

    run() ─ connect ─▶ TaskGroup ─┬─ _read    link → sync → document
              ▲                   ├─ _write   sync → link, own caret, pings
              │                   ├─ _watch   a link that is silent
              │                   └─ _verify  what text is here, said now and then
              └── back off ◀── the link ends

The buffer never waits for any of it: a local edit goes into the `Document` and wakes the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from collab_client import status as say
from collab_client.document import Document, sha256_of
from collab_client.journal import Journal
from collab_client.link import Link
from collab_client.room_settings import RoomSettings
from collab_client.status import Status, StatusKind
from collab_protocol import limits
from collab_protocol.backoff import Backoff
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
    Ponged,
    Receipted,
    Refused,
    RowsArrived,
    Seen,
    SettingChanged,
    Synced,
)
from collab_protocol.presence import Activity, PresencePacer
from collab_protocol.sync import Phase

_log = logging.getLogger(__name__)

_SAVING_SHOWN_AFTER_S: Final = 1 / 60
"""A receipt within one frame of a screen shows no flicker; "saved" is never said longer than it is true."""

_TICK_S: Final = 1.0

_SLEPT_S: Final = 3.0
"""A wait that took so much longer than asked for: the machine or the process was suspended."""

_DISPLACED_MOST: Final = 3
"""So often in a row the text may have to begin again before something is taken to be wrong for good."""

_ATTEMPT_LEAST_S: Final = 0.5
"""An attempt to connect gets so long before "retry now" begins another: keys repeat."""

_CLOSE_JOURNAL_S: Final = 2.0


class JoinRefused(CollabError):
    """The server will not have us; the text says why, `code` what kind of reason."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
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
    ) -> None:
        """`connect` opens one link or raises LinkError; without it the network is left alone.

        `journal` is closed when `run` ends. `dice` gives numbers in [0, 1). `greeting` is said at the start.
        """
        self.on_status: Callable[[Status], None] = lambda _: None
        self.on_notice: Callable[[str], None] = lambda _: None
        self.settings = RoomSettings()
        self._document = document
        self._journal = journal
        self._asked_read_only = document.buffer.read_only
        self._sync = document.sync
        self._connect = connect
        self._backoff = Backoff(dice)
        self._clock = clock
        self._pacer = PresencePacer()
        self._activity = Activity.ACTIVE
        self._wake = asyncio.Event()
        self._retry = asyncio.Event()
        self._settled = asyncio.Event()
        self._retry_at: float | None = None
        self._refusal: Refused | None = None
        self._dismissal: Dismissed | None = None
        self._greeting = greeting
        self._displaced_in_a_row = 0
        self._begins_again = False
        self._is_connecting = connect is not None
        self._has_connected = False
        self._began_alone = document.sync.lineage is None
        self._is_closing = False
        self._last_heard = 0.0
        self._held_timer: asyncio.TimerHandle | None = None
        self._status = say.connecting()
        self.round_trip_s: float | None = None
        document.on_local_edit = self._edited
        document.on_kept = self._kept
        document.on_notice = self._notice
        self.settings.on_wish = self._wake.set

    @property
    def status(self) -> Status:
        """What may be said now."""
        return self._status

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
        self._pacer.moved()
        self._wake.set()

    def retry_now(self) -> None:
        """Try to connect at once instead of waiting."""
        self._retry.set()

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
        if self._sync.phase is Phase.LIVE and not self._document.trouble:
            return self._sync.unsaved == 0
        return self.kept == self.unsaved or bool(self.journal_trouble)

    def leave(self) -> None:
        """Say goodbye and end `run`; what is unsaved by now stays unsaved."""
        self._is_closing = True
        self._sync.leave()
        self._wake.set()
        self._retry.set()

    async def run(self) -> None:
        """Stay in the room until `leave`.

        Raises:
            LinkError: the first try found no server, and there is no text here that could be lost.
            JoinRefused: the server will not have us, and there is none either.
        """
        if self._greeting:
            self.on_notice(self._greeting)
        try:
            while not self._is_closing and self._connect is not None:
                hint_s = await self._one_link(self._connect)
                if self._refusal is not None or self._is_closing:
                    break
                if self._begins_again and self._displaced_in_a_row < _DISPLACED_MOST:
                    continue
                await self._wait(self._backoff.next_delay_s(hint_s))
            await self._stay()
        finally:
            if self._held_timer is not None:
                self._held_timer.cancel()
            await self._close_journal()

    async def _stay(self) -> None:
        """Keep the window, and what is typed in it, until the person leaves."""
        self._publish()
        while not self._is_closing:
            self._retry.clear()
            await self._retry.wait()

    async def _close_journal(self) -> None:
        self._document.give_up_unplaced()
        if self._journal is not None and not await self._journal.close(_CLOSE_JOURNAL_S):
            _log.error("the journal could not be closed within %.0f s", _CLOSE_JOURNAL_S)
        try:
            self._document.rescue()
        except StoreError as error:
            _log.error("%s", error)

    @property
    def _has_something(self) -> bool:
        """Whether there is text here that the person would miss."""
        return self._has_connected or self._document.has_text or self.unsaved > 0

    async def _one_link(self, connect: Callable[[], Awaitable[Link]]) -> float | None:
        """Live through one link; returns the server's wish in seconds for when to come back."""
        self._is_connecting = True
        self._begins_again = False
        self._dismissal = None
        self._retry_at = None
        self._publish()
        try:
            link = await self._first_of(connect)
        except LinkError as error:
            _log.info("no link: %s", error)
            if self._is_closing:
                return None
            if not self._has_something and error.retry_after_s is None:
                raise
            # Once it has worked, a proxy's 404 or a bad answer is a server that is being restarted.
            if error.is_final and not self._has_connected:
                self._refusal = Refused(FaultCode.BROKEN, str(error))
            if error.retry_after_s is not None:
                self._dismissal = Dismissed(str(error), True, error.retry_after_s)
            return error.retry_after_s
        finally:
            self._is_connecting = False
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
            self._settled.set()
            self._publish()
            with contextlib.suppress(Exception):
                await link.close()
        if was_live:
            self._backoff.was_up(self._clock() - began)
        if self._refusal is not None and not self._has_something:
            raise JoinRefused(self._refusal.code, self._refusal.message)
        return self._servers_wish_s()

    async def _first_of(self, connect: Callable[[], Awaitable[Link]]) -> Link:
        """Open a link; "retry now" gives up an attempt that hangs and begins another. Raises: LinkError."""
        while True:
            self._retry.clear()
            attempt = asyncio.ensure_future(connect())
            asked = asyncio.create_task(self._asked_again(), name="retry")
            try:
                await asyncio.wait((attempt, asked), return_when=asyncio.FIRST_COMPLETED)
                if attempt.done():
                    return attempt.result()
            finally:
                asked.cancel()
                if not attempt.done():
                    attempt.cancel()
                    with contextlib.suppress(asyncio.CancelledError, LinkError):
                        await (await attempt).close()
                elif not attempt.cancelled():
                    attempt.exception()  # asked for: it is not to be reported when we are cancelled just now
            if self._is_closing:
                raise LinkError("left")

    async def _asked_again(self) -> None:
        """Wait for "retry now", or for the person to leave; an attempt gets a moment first."""
        began = self._clock()
        await self._retry.wait()
        while not self._is_closing and self._clock() - began < _ATTEMPT_LEAST_S:
            self._retry.clear()
            await self._retry.wait()

    def _servers_wish_s(self) -> float | None:
        return self._dismissal.retry_s if self._dismissal is not None else None

    async def _pump(self, link: Link) -> None:
        self._last_heard = self._clock()
        self._sync.connected()
        self._publish()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(link), name="read")
                tasks.create_task(self._write(link), name="write")
                tasks.create_task(self._watch(), name="watch")
                tasks.create_task(self._verify(), name="verify")
        except* LinkError as broken:
            _log.info("link ended: %s", broken.exceptions[0])
            for error in broken.exceptions:
                if isinstance(error, LinkError) and error.is_final:
                    self._refusal = Refused(FaultCode.BROKEN, str(error))
        except* UpdateError as hostile:
            # It was not applied. Nobody goes back to a server that sends such things.
            _log.error("%s", hostile.exceptions[0])
            self._refusal = Refused(FaultCode.BROKEN, str(hostile.exceptions[0]))
            await link.close(CloseCode.HOSTILE, "what you sent is no text")
        except* ProtocolError as broken:
            _log.warning("the server broke the protocol: %s", broken.exceptions[0])
        except* StoreError as error:
            _log.error("%s", error.exceptions[0])
            self._refusal = Refused(FaultCode.STORE, str(error.exceptions[0]))

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
            if self._refusal is not None or self._dismissal is not None:
                raise LinkError("the server ended the session")
            if self._begins_again:
                raise LinkError("the text begins again")
            self._wake.set()
            self._publish()

    async def _write(self, link: Link) -> None:
        splitter = Splitter()
        while True:
            self._wake.clear()
            now = self._clock()
            due_at = self._pacer.due_at()
            is_due = due_at is not None and due_at <= now and not self._document.is_applying
            if is_due and self._sync.phase is Phase.LIVE:
                self._sync.present(self._document.buffer.carets_to_send(), self._activity)
                self._pacer.sent(now)
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
            due_at = self._pacer.due_at()
            if due_at is not None and self._sync.phase is Phase.LIVE:
                rest_s = max(0.001, due_at - self._clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest_s):
                    await self._wake.wait()

    async def _watch(self) -> None:
        """Probe a silent link and give it up; apart from the writer, which a dead link may block."""
        while True:
            silent_s = self._clock() - self._last_heard
            if silent_s >= limits.DEAD_AFTER_S:
                raise LinkError(f"the server was silent for {silent_s:.0f} s")
            if silent_s < limits.PROBE_AFTER_S:
                await self._doze(limits.PROBE_AFTER_S - silent_s)
                continue
            self._sync.ping(int(self._clock() * 1000) % 2**31)
            self._wake.set()
            await self._doze(limits.DEAD_AFTER_S - silent_s)

    async def _doze(self, for_s: float) -> None:
        """Sleep. Raises: LinkError: it took so long that the link cannot be trusted any more."""
        began = lived_s()
        await asyncio.sleep(for_s)
        if (over_s := lived_s() - began - for_s) > _SLEPT_S:
            raise LinkError(f"this machine slept for {over_s:.0f} s")

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

    async def _wait(self, delay_s: float) -> None:
        self._retry.clear()
        self._retry_at = self._clock() + delay_s
        while not self._is_closing and (left_s := self._retry_at - self._clock()) > 0:
            self._publish()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _TICK_S)):
                    await self._retry.wait()
                    return

    async def _take(self, event: Event) -> None:
        had_own = self.unsaved > 0
        begins_again = self._document.is_displaced
        for _ in self._document.handling(event):
            await asyncio.sleep(0)
        self._begins_again |= self._document.is_displaced and not begins_again
        match event:
            case RowsArrived():
                self._pacer.passed(self._clock())
            case AskedAgain():
                self._pacer.moved()
            case Receipted():
                self._settled.set()
            case Seen(presence):
                self._document.buffer.place(presence, self._clock())
            case Synced():
                self._synced(event, had_own=had_own, begins_again=begins_again)
            case Refused():
                self._refusal = event
            case Displaced(_, message):
                self._begins_again = True
                self._displaced_in_a_row += 1
                if self._displaced_in_a_row > _DISPLACED_MOST:
                    self._refusal = Refused(FaultCode.BROKEN, message)
            case Dismissed():
                self._dismissal = event
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
            self._pacer.passed(self._clock())
            return
        self.settings.entered(welcome.settings)
        self._document.buffer.set_roster(welcome.roster, welcome.session, event.seq, self._clock())
        self._document.buffer.read_only = self._asked_read_only or not welcome.role.may_write
        self._document.buffer.max_text_bytes = welcome.limits.text_bytes
        self._pacer.moved()
        if begins_again:
            pass  # what there is to say of that has been said
        elif welcome.is_new:
            self.on_notice("new room")
        elif had_own and self._began_alone:
            self.on_notice("the room already existed; your text was added")
        self._began_alone = False
        self._has_connected = True

    def _notice(self, text: str) -> None:
        self.on_notice(text)

    def _kept(self) -> None:
        self._settled.set()
        self._publish()

    def _edited(self) -> None:
        self._pacer.moved()
        self._wake.set()
        self._publish()

    def _publish(self) -> None:
        """Tell the screen when something else is true now."""
        status = self._truth()
        if status == self._status:
            return
        if self._may_wait(status):
            if self._held_timer is None:
                loop = asyncio.get_running_loop()
                self._held_timer = loop.call_later(_SAVING_SHOWN_AFTER_S, self._show)
            return
        self._show()

    def _may_wait(self, status: Status) -> bool:
        """Return whether what is shown may stand one frame more: a receipt or the journal is on its way."""
        if status.kind is StatusKind.SAVING:
            return self._status.kind in (StatusKind.SAVED, StatusKind.NOT_STORED)
        is_journalling = self.kept < self.unsaved and not self.journal_trouble
        return status.kind is self._status.kind is StatusKind.OFFLINE and is_journalling

    def _show(self) -> None:
        if self._held_timer is not None:
            self._held_timer.cancel()
            self._held_timer = None
        status = self._truth()
        if status != self._status:
            self._status = status
            self.on_status(status)

    def _truth(self) -> Status:
        unsaved, kept = self.unsaved, self.kept
        if self._refusal is not None:
            return say.refused(unsaved, self._refusal.message, kept)
        match self._sync.phase:
            case Phase.LIVE if self._document.is_applying and not self._has_connected:
                return say.loading(unsaved)
            case Phase.LIVE if self._document.trouble:
                return say.refused(unsaved, self._document.trouble, kept)
            case Phase.LIVE if self._document.unplaced:
                return say.refused(unsaved, "server lost text this depends on", kept)
            case Phase.LIVE if self._document.welcome is not None:
                is_durable = self._document.welcome.is_durable
                return say.saving(unsaved) if unsaved else say.saved(is_durable=is_durable)
            case Phase.LOADING:
                return say.loading(unsaved)
            case _ if not self._has_connected and self._is_connecting:
                return say.connecting(unsaved)
            case Phase.HELLO if not self._has_connected:
                return say.connecting(unsaved)
            case _:
                retry_in_s = None if self._retry_at is None else max(0.0, self._retry_at - self._clock())
                if self._dismissal is not None and self._dismissal.is_busy:
                    return say.busy(unsaved, retry_in_s, kept)
                return say.offline(unsaved, retry_in_s, kept, is_connecting=self._is_connecting)


def lived_s() -> float:
    """Return seconds of a clock that goes on while the machine is suspended; `time.monotonic` stands still.

    Linux calls it CLOCK_BOOTTIME; on macOS it is CLOCK_MONOTONIC, which Python's `monotonic` is not.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
