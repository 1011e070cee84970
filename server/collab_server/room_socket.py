"""A WebSocket that hands a message over in the turn in which it came, and takes frames without waiting.

The library's own queue and waits cost a task switch or two for every message, which at 15,000 a second is
most of what a server does. Handshake, framing, control frames and closing stay the library's.

    bytes ─ _unread ─▶ a slice ─▶ the library ─ _frames ─▶ on_message, on_control

Bytes wait in `_unread`, frames in `_frames`: while the owner paused, and when a turn is over. A megabyte of
frames of six bytes each would otherwise be parsed in one go, and stop the loop for seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import CLOSED, OPEN, Event

_PONGS_BYTES: Final = 256 * 1024
"""More than that waits only where Pongs do, of one who pings and does not read."""

_SLICE_BYTES: Final = 1024
"""So much is parsed in one go: 170 of the smallest frames, which take some 3 ms when they are Pings."""

_TURN_S: Final = 0.002
"""How long one client's messages are worked on before others get the loop."""

_LAST_BYTES: Final = 16 * 1024
"""So much is still parsed of one that is gone: there may be a goodbye in it."""

_UNSENT_BYTES: Final = 128 * 1024
"""What the kernel takes of us and has not sent: behind megabytes a Ping comes too late."""


def _keep_unsent_short(sock: socket.socket | None) -> None:
    """Have the kernel call a TCP socket full early (TCP_NOTSENT_LOWAT of Linux and macOS)."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is not None and option is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)


def framed(payload: bytes) -> bytes:
    """Return `payload` as one binary frame, the same for all who get it (servers do not mask)."""
    return Frame(Opcode.BINARY, payload).serialize(mask=False)


class RoomSocket(ServerConnection):
    """One client's socket. Until `hand_over` it is the library's own: `recv` gets what comes."""

    _on_message: Callable[[bytes | None], None] | None = None
    _on_control: Callable[[], None]
    _on_writable: Callable[[], None] | None = None
    _on_lost: Callable[[], None]
    _pieces: bytearray | None = None
    _is_text = False
    _is_paused = False
    _has_stopped = False
    _is_gone = False
    _reading: asyncio.Handle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._unread = bytearray()
        self._frames: list[Frame] = []

    def hand_over(
        self,
        *,
        on_message: Callable[[bytes | None], None],
        on_control: Callable[[], None],
        on_writable: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Call `on_message` for each message from now on, with None for one that is text.

        `on_control` is called for each other frame that comes: Pings of the library, fragments. `on_writable`
        is called when the socket takes frames again; `on_lost` once nothing more can come, behind all that
        came. What came before is still for `recv`.
        """
        self._on_message, self._on_control = on_message, on_control
        self._on_writable, self._on_lost = on_writable, on_lost
        _keep_unsent_short(self.transport.get_extra_info("socket"))
        # 4 KB of headers for each client that is here, which nobody asks for any more.
        self.request = self.response = None

    def pause(self) -> None:
        """Hand over nothing until `resume`, and soon read nothing."""
        self._is_paused = True
        self._stop_reading()

    def resume(self) -> None:
        """Go on: soon, not before this returns."""
        if self._is_paused:
            self._is_paused = False
            self._read_later()

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""
        return self.protocol.state is OPEN

    @property
    def is_full(self) -> bool:
        """Whether no more should be written until `on_writable`."""
        return self.paused

    @property
    def waiting_bytes(self) -> int:
        """What the other end has not taken yet, as far as this process knows."""
        return self.transport.get_write_buffer_size()

    def write(self, frame: bytes) -> None:
        """Write a frame made by `framed`; never waits."""
        self.transport.write(frame)

    async def close(self, code: CloseCode | int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Close as the library does, but give up also one that does not even take what was written before."""
        try:
            async with asyncio.timeout(self.close_timeout):
                await super().close(code, reason)
        except TimeoutError:
            self.transport.abort()
            await self.wait_closed()

    def process_event(self, event: Event) -> None:
        if self._on_message is None or not isinstance(event, Frame):
            super().process_event(event)
        elif self._is_paused or self._frames:
            self._frames.append(event)
        else:
            self._take(event, self._on_message)

    def _take(self, frame: Frame, on_message: Callable[[bytes | None], None]) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._on_lost()
        elif frame.opcode not in DATA_OPCODES:
            self._on_control()
        elif frame.fin and self._pieces is None:
            on_message(bytes(frame.data) if frame.opcode is Opcode.BINARY else None)
        else:
            self._put_together(frame, on_message)

    def _put_together(self, frame: Frame, on_message: Callable[[bytes | None], None]) -> None:
        """Take a fragment: no client of ours sends any, but what lies between may make them."""
        if self._pieces is None:
            self._pieces = bytearray()
            self._is_text = frame.opcode is Opcode.TEXT
        self._pieces += frame.data
        if frame.fin:
            whole, self._pieces = bytes(self._pieces), None
            on_message(None if self._is_text else whole)
        else:
            self._on_control()

    def data_received(self, data: bytes) -> None:
        if len(data) <= _SLICE_BYTES and not (self._is_paused or self._reading):
            self._parse(data)
            return
        self._unread += data
        if self._is_paused or self._reading is not None:
            self._stop_reading()
        else:
            self._read_on()

    def _read_on(self) -> None:
        """Take what waits, for a turn; read on when nothing does any more."""
        self._reading = None
        until = time.monotonic() + _TURN_S
        while not self._is_paused:
            if self._on_message is not None and self._frames:
                self._take(self._frames.pop(0), self._on_message)
            elif self._unread and not self.transport.is_closing():
                part = bytes(self._unread[:_SLICE_BYTES])
                del self._unread[:_SLICE_BYTES]
                self._parse(part)
            else:
                break
            if time.monotonic() > until:
                self._read_later()
                self._stop_reading()
                return
        if self._is_paused:
            return
        if self._is_gone:
            self._on_lost()
        elif self._has_stopped and not self.transport.is_closing():
            self._has_stopped = False
            self.transport.resume_reading()

    def _read_later(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_soon(self._read_on)

    def _stop_reading(self) -> None:
        if not self.transport.is_closing():
            self._has_stopped = True
            self.transport.pause_reading()

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        if self.waiting_bytes > _PONGS_BYTES:
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._on_writable is not None:
            self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_message is not None:
            self._is_gone = True
            if 0 < len(self._unread) <= _LAST_BYTES and self.protocol.state is not CLOSED:
                self.protocol.receive_data(bytes(self._unread))
                self._frames += (
                    event for event in self.protocol.events_received() if isinstance(event, Frame)
                )
            if not self._is_paused:
                self._read_later()
        self._unread.clear()
        super().connection_lost(exc)
