"""What clients of a room say and hear, on collab's wire and on y-websocket's, with little work for either.

Both carry the same rows. y-websocket (y-protocols `sync.js` and `awareness.js`) has no receipts, but sends
each row back to who wrote it, which is counted as one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgpack

from benchmarks.typed_rows import Stretch, read_row
from collab_protocol.codec import encode
from collab_protocol.lib0 import read_number, write_number
from collab_protocol.messages import Hello
from collab_protocol.names import ROOM_PATH
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_protocol.versions import SUBPROTOCOL, VERSIONS

_WELCOME: Final = 2
_UPDATE: Final = 3
_RECEIPT: Final = 4
_BATCH: Final = 5
_PRESENCE: Final = 6
_RESYNC: Final = 8
_SYNC: Final = 9
_PART: Final = 10
_FAULT: Final = 11
_BYE: Final = 12
_PING: Final = 13
_PONG: Final = 14
_TROUBLE: Final = 16
_REFUSALS: Final = (_RESYNC, _FAULT, _BYE, _TROUBLE)
"""Tags of what says that a row was not taken, or that the session is over (docs/protocol.md)."""

_KEPT: Final = 256
"""Batches that are kept as they were read: what many clients get is read once."""

_NOTHING: Final[Sequence[Stretch]] = ()
_MOST: Final = 2**53 - 1


class Voice(Protocol):
    """A client, as far as a wire has to know it."""

    client_id: int
    seq: int
    is_live: bool
    synced: bytearray
    is_receiving_sync: bool
    presences: int

    def say(self, payload: bytes) -> None:
        """Send a message."""

    def saved(self, n: int) -> None:
        """Note that the first `n` rows of this client are receipted."""

    def refused(self, why: str) -> None:
        """Note what makes a figure worthless."""


class Wire(Protocol):
    """How to talk to a server."""

    subprotocol: str | None

    def path(self, room: str) -> str:
        """Return the path of a room."""

    def hello(self, voice: Voice) -> bytes:
        """Return what a client says first."""

    def goodbye(self) -> bytes | None:
        """Return what a client says last."""

    def question(self, voice: Voice) -> bytes | None:
        """Return what is answered by a sync behind all rows; None where receipts say that they are there."""

    def row(self, n: int, row: bytes) -> bytes:
        """Return the message with row `n` of a client."""

    def presence(self, voice: Voice, offset: int) -> bytes:
        """Return the message that says where the caret is."""

    def hear(self, voice: Voice, payload: bytes) -> Sequence[Stretch]:
        """Take a message; returns what it typed."""


class _Batches:
    """Reads what is typed, and what many get only once."""

    def __init__(self) -> None:
        self._read: dict[bytes, Sequence[Stretch]] = {}

    def get(self, payload: bytes) -> Sequence[Stretch] | None:
        return self._read.get(payload)

    def keep(self, payload: bytes, stretches: Sequence[Stretch]) -> Sequence[Stretch]:
        if len(self._read) >= _KEPT:
            self._read.clear()
        self._read[payload] = stretches
        return stretches


class CollabWire:
    """The wire of docs/protocol.md. Tags that are not known here are skipped."""

    subprotocol: str | None = SUBPROTOCOL

    def __init__(self) -> None:
        self._batches = _Batches()

    def path(self, room: str) -> str:
        return ROOM_PATH + room

    def hello(self, voice: Voice) -> bytes:
        return encode(
            Hello(
                versions=VERSIONS,
                nonce=secrets.token_bytes(16),
                device=secrets.token_bytes(32),
                client_ids=(voice.client_id,),
                name=f"person-{voice.client_id % 1000}",
                colour=None,
                token=None,
                lineage=None,
                epoch=None,
                last_seq=0,
                state_vector=EMPTY_STATE_VECTOR,
            )
        )

    def goodbye(self) -> bytes | None:
        return _pack([_BYE, "", None])

    def question(self, voice: Voice) -> bytes | None:
        return None

    def row(self, n: int, row: bytes) -> bytes:
        return _pack([_UPDATE, n, row])

    def presence(self, voice: Voice, offset: int) -> bytes:
        return _pack([_PRESENCE, None, [[offset, offset]], voice.seq, "active", 0, None])

    def hear(self, voice: Voice, payload: bytes) -> Sequence[Stretch]:
        tag = payload[1]
        if tag == _BATCH:
            if (read := self._batches.get(payload)) is None:
                _, _, voice.seq, entries = msgpack.unpackb(payload)[:4]
                stretches = [stretch for _, row in entries for stretch in read_row(row)]
                read = self._batches.keep(payload, stretches)
            return read
        if tag == _RECEIPT:
            _, n, voice.seq, _ = msgpack.unpackb(payload)[:4]
            voice.saved(n)
        elif tag == _PRESENCE:
            voice.presences += 1
        elif tag == _PING:
            voice.say(_pack([_PONG, msgpack.unpackb(payload)[1]]))
        elif tag == _PART:
            self._hear_part(voice, payload)
        elif tag == _SYNC:
            self._synced(voice, payload)
        elif tag in _REFUSALS:
            voice.refused(str(msgpack.unpackb(payload)))
        return _NOTHING

    def _hear_part(self, voice: Voice, payload: bytes) -> None:
        _, _, index, of, data = msgpack.unpackb(payload)[:5]
        if index == 0:
            voice.is_receiving_sync = data[1] == _SYNC
            voice.synced.clear()
        if voice.is_receiving_sync:
            voice.synced += data
            if index == of - 1:
                self._synced(voice, bytes(voice.synced))

    def _synced(self, voice: Voice, payload: bytes) -> None:
        _, voice.seq, _, update = msgpack.unpackb(payload)[:4]
        voice.synced[:] = update
        voice.is_live = True


class YWebsocketWire:
    """The wire of y-websocket: rooms are paths, messages are lib0 numbers and byte arrays."""

    subprotocol: str | None = None

    def __init__(self) -> None:
        self._batches = _Batches()

    def path(self, room: str) -> str:
        return f"/{room}"

    def hello(self, voice: Voice) -> bytes:
        return b"\x00\x00" + _sized(EMPTY_STATE_VECTOR)

    def goodbye(self) -> bytes | None:
        return None

    def question(self, voice: Voice) -> bytes | None:
        return self.hello(voice)

    def row(self, n: int, row: bytes) -> bytes:
        return b"\x00\x02" + _sized(row)

    def presence(self, voice: Voice, offset: int) -> bytes:
        voice.seq += 1
        state = json.dumps(
            {"user": {"name": "person"}, "cursor": {"anchor": offset, "head": offset}}
        ).encode()
        return b"\x01" + _sized(
            b"\x01" + write_number(voice.client_id) + write_number(voice.seq) + _sized(state)
        )

    def hear(self, voice: Voice, payload: bytes) -> Sequence[Stretch]:
        if payload[0] == 1:
            voice.presences += 1
            return _NOTHING
        if payload[:2] == b"\x00\x02":
            if (read := self._batches.get(payload)) is None:
                size, at = read_number(payload, 2, _MOST)
                read = self._batches.keep(payload, read_row(payload[at : at + size]))
            for client_id, clock, letters in read:
                if client_id == voice.client_id:
                    voice.saved(clock + letters)
            return read
        if payload[:2] == b"\x00\x01":
            size, at = read_number(payload, 2, _MOST)
            voice.synced[:] = payload[at : at + size]
            voice.is_live = True
        return _NOTHING


def _sized(data: bytes) -> bytes:
    return write_number(len(data)) + data


def _pack(items: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(items)
    return packed
