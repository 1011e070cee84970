"""A connection over the Unix socket, which may begin with the line of a relay: what its client is held to.

    collab-relay/1 {…}\\n  GET /rooms/notes HTTP/1.1 …

HTTP begins with a capital letter and that line with a small one, so the first byte tells. Who the line is
believed of, the kernel says (`collab_server.account`); the line can but take away from what that account may.
"""

from __future__ import annotations

import logging
from typing import Final

from collab_protocol.errors import FrameError
from collab_protocol.restriction import LINE_BYTES, Restriction
from collab_protocol.versions import RELAY
from collab_server.log_fields import Kind, about
from collab_server.room_socket import RoomSocket

_log = logging.getLogger(__name__)

_FIRST_BYTE: Final = RELAY[:1].encode()


class UnixRoomSocket(RoomSocket):
    """A `RoomSocket` that takes the line of a relay off before HTTP begins."""

    restriction: Restriction | None = None
    _beginning: bytes | None = b""
    """What came before it was known what this is; None from then on."""

    def data_received(self, data: bytes) -> None:
        if self._beginning is None:
            super().data_received(data)
            return
        if self.transport.is_closing():
            return
        self._beginning += data
        if not self._beginning.startswith(_FIRST_BYTE):
            self._begin(self._beginning)
            return
        line, end, rest = self._beginning.partition(b"\n")
        if len(line) + len(end) > LINE_BYTES:
            self._refuse("the line of a relay is too long")
        elif end:
            try:
                self.restriction = Restriction.decode(line)
            except FrameError as error:
                self._refuse(str(error))
            else:
                self._begin(rest)

    def _begin(self, http: bytes) -> None:
        self._beginning = None
        if http:
            super().data_received(http)

    def _refuse(self, why: str) -> None:
        """Answer as HTTP would, which the client behind a relay is waiting for; nothing more is read."""
        _log.info("the line of a relay is refused: %s", why, extra=about(kind=Kind.REFUSED))
        body = f"{why}\n".encode()
        head = f"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()
