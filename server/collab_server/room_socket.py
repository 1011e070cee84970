"""A WebSocket that hands a message over in the turn in which it came, and takes frames without waiting.

The library's own queue and waits cost a task switch or two for every message, which at 15,000 a second is
most of what a server does. Handshake, framing, control frames and closing stay the library's.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, Event

_PONGS_BYTES: Final = 256 * 1024
"""More than that waits only where Pongs do, of one who pings and does not read."""


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
    _on_writable: Callable[[], None] | None = None
    _on_lost: Callable[[], None] | None = None
    _pieces: list[bytes] | None = None

    def hand_over(
        self,
        *,
        on_message: Callable[[bytes | None], None],
        on_writable: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        """Call `on_message` for each message from now on, with None for one that is text.

        `on_writable` is called when the socket takes frames again, `on_lost` when it is gone.
        """
        self._on_message, self._on_writable, self._on_lost = on_message, on_writable, on_lost
        _keep_unsent_short(self.transport.get_extra_info("socket"))

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

    def process_event(self, event: Event) -> None:
        if self._on_message is None or isinstance(event, Request):
            super().process_event(event)
        elif isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            if event.fin and self._pieces is None:
                self._on_message(bytes(event.data) if event.opcode is Opcode.BINARY else None)
            else:
                self._put_together(event, self._on_message)

    def _put_together(self, frame: Frame, on_message: Callable[[bytes | None], None]) -> None:
        """Take a fragment: no client of ours sends any, but what lies between may make them."""
        if self._pieces is None:
            self._pieces = []
            self._is_text = frame.opcode is Opcode.TEXT
        self._pieces.append(bytes(frame.data))
        if frame.fin:
            whole, self._pieces = b"".join(self._pieces), None
            on_message(None if self._is_text else whole)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.waiting_bytes > _PONGS_BYTES:
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._on_writable is not None:
            self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._on_lost is not None:
            self._on_lost()
