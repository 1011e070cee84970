"""One person's session in one room: connects, pumps, backs off, and says what is true meanwhile.

    run() ─ connect ─▶ TaskGroup ─┬─ _read    link → sync → buffer
              ▲                   └─ _write   sync → link, own caret, pings
              └── back off ◀── the link ends

The buffer never waits for any of it: a local edit goes into `ClientSync` and wakes the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from collab_client import status as say
from collab_client.buffer import Buffer
from collab_client.link import Link
from collab_client.status import Status, StatusKind
from collab_protocol import limits
from collab_protocol.backoff import Backoff
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.errors import CollabError, FaultCode, LinkError, ProtocolError
from collab_protocol.events import (
    Dismissed,
    Entered,
    Event,
    Ponged,
    Receipted,
    Refused,
    RowsArrived,
    Seen,
    SettingChanged,
    Synced,
)
from collab_protocol.messages import Welcome
from collab_protocol.presence import Activity, PresencePacer
from collab_protocol.sync import ClientSync, Identity, Phase

_log = logging.getLogger(__name__)

_SAVING_SHOWN_AFTER_S: Final = 1 / 60
"""A receipt within one frame of a screen shows no flicker; "saved" is never said longer than it is true."""

_TICK_S: Final = 1.0


class JoinRefused(CollabError):
    """The server will not have us; the text says why, `code` what kind of reason."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session:
    """Keeps `buffer` in step with its room. Set the callbacks before `run`.

    A buffer that is read-only from the start stays so, whatever the server would allow.
    """

    def __init__(
        self,
        buffer: Buffer,
        identity: Identity,
        *,
        connect: Callable[[], Awaitable[Link]],
        dice: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` opens one link or raises LinkError; `dice` gives numbers in [0, 1)."""
        self.on_status: Callable[[Status], None] = lambda _: None
        self.on_notice: Callable[[str], None] = lambda _: None
        self._buffer = buffer
        self._asked_read_only = buffer.read_only
        self._sync = ClientSync(
            identity, client_id=buffer.replica.client_id, state_vector=buffer.replica.state_vector
        )
        self._connect = connect
        self._backoff = Backoff(dice)
        self._clock = clock
        self._pacer = PresencePacer()
        self._activity = Activity.ACTIVE
        self._wake = asyncio.Event()
        self._retry = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._welcome: Welcome | None = None
        self._retry_at: float | None = None
        self._refusal: Refused | None = None
        self._dismissal: Dismissed | None = None
        self._is_connecting = True
        self._has_connected = False
        self._is_closing = False
        self._last_heard = 0.0
        self._saving_timer: asyncio.TimerHandle | None = None
        self._status = say.connecting()
        self.round_trip_s: float | None = None
        buffer.on_local_update = self._local_update

    @property
    def status(self) -> Status:
        """What may be said now."""
        return self._status

    @property
    def unsaved(self) -> int:
        """Own changes that no server has on disk yet."""
        return self._sync.unsaved

    def caret_moved(self) -> None:
        """Note that the person moved a caret; others are told within the rate."""
        self._pacer.moved()
        self._wake.set()

    def retry_now(self) -> None:
        """Try to connect at once instead of waiting."""
        self._retry.set()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until everything typed is saved, at most `timeout_s`; returns whether it is.

        Without a link there is nothing to wait for: it returns at once.
        """
        if self._sync.phase is not Phase.LIVE:
            return self._sync.unsaved == 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._settled.wait()
        return self._sync.unsaved == 0

    def leave(self) -> None:
        """Say goodbye and end `run`; what is unsaved by now stays unsaved."""
        self._is_closing = True
        self._sync.leave()
        self._wake.set()
        self._retry.set()

    async def run(self) -> None:
        """Stay in the room until `leave`.

        Raises:
            LinkError: the first try found no server and nothing had been typed yet.
            JoinRefused: the server will not have us and nothing had been typed yet.
        """
        try:
            while not self._is_closing:
                hint_s = await self._one_link()
                if self._is_closing:
                    return
                if self._refusal is not None:
                    await self._stay_refused()
                    return
                await self._wait(self._backoff.next_delay_s(hint_s))
        finally:
            if self._saving_timer is not None:
                self._saving_timer.cancel()

    async def _stay_refused(self) -> None:
        """Keep the window, and what was typed in it, until the person leaves."""
        self._publish()
        while not self._is_closing:
            self._retry.clear()
            await self._retry.wait()

    async def _one_link(self) -> float | None:
        """Live through one link; returns the server's wish in seconds for when to come back."""
        self._is_connecting = True
        self._dismissal = None
        self._retry_at = None
        self._publish()
        try:
            link = await self._connect()
        except LinkError as error:
            _log.info("no link: %s", error)
            if not self._has_connected and self._sync.unsaved == 0:
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
        try:
            await self._pump(link)
        finally:
            was_live = self._sync.phase is Phase.LIVE
            self._sync.disconnected()
            self._buffer.clear_peers()
            self._publish()
            with contextlib.suppress(Exception):
                await link.close()
        if was_live:
            self._backoff.was_up(self._clock() - began)
        if self._refusal is not None and not self._has_connected and self._sync.unsaved == 0:
            raise JoinRefused(self._refusal.code, self._refusal.message)
        return self._servers_wish_s()

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
        except* LinkError as broken:
            _log.info("link ended: %s", broken.exceptions[0])
            for error in broken.exceptions:
                if isinstance(error, LinkError) and error.is_final:
                    self._refusal = Refused(FaultCode.BROKEN, str(error))
        except* ProtocolError as broken:
            _log.warning("the server broke the protocol: %s", broken.exceptions[0])

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
                self._handle(event)
            if self._refusal is not None or self._dismissal is not None:
                raise LinkError("the server ended the session")
            self._wake.set()
            self._publish()

    async def _write(self, link: Link) -> None:
        splitter = Splitter()
        while True:
            self._wake.clear()
            now = self._clock()
            due_at = self._pacer.due_at()
            if due_at is not None and due_at <= now and self._sync.phase is Phase.LIVE:
                self._sync.present(self._buffer.carets_to_send(), self._activity)
                self._pacer.sent(now)
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
                await asyncio.sleep(limits.PROBE_AFTER_S - silent_s)
                continue
            self._sync.ping(int(self._clock() * 1000) % 2**31)
            self._wake.set()
            await asyncio.sleep(limits.DEAD_AFTER_S - silent_s)

    async def _wait(self, delay_s: float) -> None:
        self._retry.clear()
        self._retry_at = self._clock() + delay_s
        while not self._is_closing and (left_s := self._retry_at - self._clock()) > 0:
            self._publish()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _TICK_S)):
                    await self._retry.wait()
                    return

    def _handle(self, event: Event) -> None:
        match event:
            case RowsArrived(author, seq, data):
                self._buffer.apply_remote(data, author, seq)
                self._pacer.passed(self._clock())
            case Receipted(n, seq):
                self._buffer.receipted(n, seq)
                if self._sync.unsaved == 0:
                    self._settled.set()
            case Seen(presence):
                self._buffer.place(presence, self._clock())
            case Entered(welcome):
                self._welcome = welcome
            case Synced():
                self._synced(event)
            case Refused():
                self._refusal = event
            case Dismissed():
                self._dismissal = event
            case Ponged(number):
                self.round_trip_s = (int(self._clock() * 1000) - number) % 2**31 / 1000
            case SettingChanged():
                pass  # what is shared beside the text has no reader on this side yet

    def _synced(self, event: Synced) -> None:
        had_own = self._sync.unsaved > 0
        self._buffer.apply_sync(event.data, event.seq)
        welcome = self._welcome
        if not event.is_first or welcome is None:
            self._pacer.passed(self._clock())
            return
        self._buffer.set_roster(welcome.roster, welcome.session, event.seq, self._clock())
        self._buffer.read_only = self._asked_read_only or not welcome.role.may_write
        self._buffer.max_text_bytes = welcome.limits.text_bytes
        self._pacer.moved()
        if welcome.is_new:
            self.on_notice("new room")
        elif had_own and not self._has_connected:
            self.on_notice("the room already existed; your text was added")
        self._has_connected = True

    def _local_update(self, data: bytes) -> None:
        self._sync.local_update(data)
        self._settled.clear()
        self._pacer.moved()
        self._wake.set()
        self._publish()

    def _publish(self) -> None:
        """Tell the screen when something else is true now."""
        status = self._truth()
        if status.kind is StatusKind.SAVING and self._status.kind in (
            StatusKind.SAVED,
            StatusKind.NOT_STORED,
        ):
            if self._saving_timer is None:
                loop = asyncio.get_running_loop()
                self._saving_timer = loop.call_later(_SAVING_SHOWN_AFTER_S, self._show_saving)
            return
        if status != self._status:
            self._status = status
            self.on_status(status)

    def _show_saving(self) -> None:
        self._saving_timer = None
        status = self._truth()
        if status != self._status:
            self._status = status
            self.on_status(status)

    def _truth(self) -> Status:
        unsaved = self._sync.unsaved
        if self._refusal is not None:
            return say.refused(unsaved, self._refusal.message)
        match self._sync.phase:
            case Phase.LIVE if self._welcome is not None:
                return say.saving(unsaved) if unsaved else say.saved(is_durable=self._welcome.is_durable)
            case Phase.LOADING:
                return say.loading(unsaved)
            case _ if not self._has_connected and self._is_connecting:
                return say.connecting(unsaved)
            case Phase.HELLO if not self._has_connected:
                return say.connecting(unsaved)
            case _:
                retry_in_s = None if self._retry_at is None else max(0.0, self._retry_at - self._clock())
                if self._dismissal is not None and self._dismissal.is_busy:
                    return say.busy(unsaved, retry_in_s)
                return say.offline(unsaved, retry_in_s)
