"""A person without a screen: joins over a plain WebSocket, to put text into a room and to read it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_in_loop
from websockets.sync.client import connect, unix_connect
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.events import RowsArrived, Synced
from collab_protocol.names import ROOM_PATH
from collab_protocol.presence import Activity, Caret
from collab_protocol.sync import ClientSync, Identity, Phase
from collab_protocol.text import Replica, utf8_length
from collab_protocol.versions import SUBPROTOCOL

DEADLINE_S: Final = 20.0


class _TlsSocket:
    """A WebSocket over TLS, worked on while it is used.

    Not with the threads of the library: two on one TLS connection now and then lose what is sent.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._runner = asyncio.Runner()
        self._websocket = self._runner.run(self._connect(url, options))

    async def _connect(self, url: str, options: dict[str, Any]) -> ClientConnection:
        return await connect_in_loop(url, **options)

    def send(self, frame: bytes) -> None:
        self._runner.run(self._websocket.send(frame))

    def recv(self, timeout: float) -> bytes | str:
        return self._runner.run(asyncio.wait_for(self._websocket.recv(), timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._websocket.close())
        self._runner.close()


class Peer:
    """One session in `room`, on the server at a TCP port of this machine or behind a Unix socket."""

    def __init__(
        self,
        room: str,
        where: int | Path,
        *,
        name: str = "peer",
        token: str | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        """Join, by `token` and over `tls` where they are given; return when the text is here."""
        self._replica = Replica(secrets.randbits(32))
        self._sync = ClientSync(
            Identity(secrets.token_bytes(16), secrets.token_bytes(32), name, token=token),
            client_id=self._replica.client_id,
            state_vector=self._replica.state_vector,
        )
        self._splitter = Splitter()
        self._assembler = Assembler()
        scheme = "ws" if tls is None else "wss"
        host = f"{scheme}://127.0.0.1:{where}" if isinstance(where, int) else "ws://localhost"
        url = host + ROOM_PATH + room
        options: dict[str, Any] = {
            "subprotocols": [Subprotocol(SUBPROTOCOL)],
            "compression": None,
            "ping_interval": None,
            "proxy": None,
        }
        self._stack = contextlib.ExitStack()
        if tls is not None:
            options["ssl"] = tls
            self._websocket: Any = self._stack.enter_context(_TlsSocket(url, options))
        elif isinstance(where, int):
            self._websocket = self._stack.enter_context(connect(url, **options))
        else:
            self._websocket = self._stack.enter_context(unix_connect(str(where), url, **options))
        self._replica.on_update = self._send_row
        self._sync.connected()
        self._flush()
        self._wait(lambda: self._sync.phase is Phase.LIVE, "the text")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def text(self) -> str:
        """The room's text, as far as it was read."""
        return self._replica.text()

    def insert(self, offset_utf8: int, text: str) -> None:
        """Put `text` in, and return when the server has it on disk."""
        self._replica.edit(offset_utf8, 0, text)
        self._wait(lambda: self._sync.unsaved == 0, "a receipt")

    def append(self, text: str) -> None:
        """Put `text` at the end, in pieces that fit any limit; return when all is on disk."""
        step = limits.PART_BYTES
        for begin in range(0, len(text), step):
            self.insert(utf8_length(self.text), text[begin : begin + step])

    def type(self, offset_utf8: int, deleted_utf8: int, text: str) -> None:
        """Replace a range by `text`, and wait for nothing; the own caret stands behind it."""
        self._replica.edit(offset_utf8, deleted_utf8, text)
        self.show_caret(offset_utf8 + utf8_length(text))

    def show_caret(self, head_utf8: int, anchor_utf8: int | None = None) -> None:
        """Let the others see the own caret, and what is selected when there is an anchor."""
        anchor = head_utf8 if anchor_utf8 is None else anchor_utf8
        self._sync.present((Caret(head_utf8, anchor),), Activity.ACTIVE)
        self._flush()

    def read(self, for_s: float) -> None:
        """Take what the others do, for so long."""
        ends_at = time.monotonic() + for_s
        while (left_s := ends_at - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self._receive(left_s)

    def wait_for(self, text: str) -> None:
        """Read until `text` is in the room."""
        self._wait(lambda: text in self.text, repr(text))

    def leave(self) -> None:
        """Say goodbye; `close` without it looks like a connection that broke."""
        self._sync.leave()
        self._flush()

    def close(self) -> None:
        self._replica.close()
        self._stack.close()

    def _send_row(self, data: bytes) -> None:
        self._sync.local_update(data)
        self._flush()

    def _flush(self) -> None:
        while messages := self._sync.to_send():
            for message in messages:
                for frame in self._splitter.frames(message):
                    self._websocket.send(frame)

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        ends_at = time.monotonic() + DEADLINE_S
        while not is_true():
            try:
                self._receive(max(0.0, ends_at - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"the peer waited {DEADLINE_S:.0f} s for {what}") from None

    def _receive(self, timeout_s: float) -> None:
        """Take one frame. Raises: TimeoutError: none came."""
        frame = self._websocket.recv(timeout=timeout_s)
        assert isinstance(frame, bytes)
        message = self._assembler.feed(frame)
        if message is None:
            return
        self._sync.receive(message)
        for event in self._sync.events():
            if isinstance(event, RowsArrived | Synced):
                self._replica.apply(event.data)
        self._flush()
