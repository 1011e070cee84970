"""Rows as typing makes them, in Yjs v1 bytes made and read by hand: a CRDT would cost more than the server's.

A room begins with one line break for each of its writers, all by one client id. A writer types on behind its
own: every letter has the one before to its left and the next line break to its right.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from collab_protocol.lib0 import STRING, Id, finish, parsing, write_number
from collab_protocol.text import ROOT

FIRST_ID: Final = 1 << 28
LAST_ID: Final = (1 << 31) - 1
"""Client ids between these take five bytes: as those of clients do, which draw 32 bits."""

_ID_BYTES: Final = 5
_BETWEEN: Final = 0xC0 | STRING
_NAME: Final = ROOT.encode()


class Stretch(NamedTuple):
    """Letters that one client typed, in the order of its clocks."""

    client_id: int
    clock: int
    letters: int


def line_breaks(client_id: int, count: int) -> bytes:
    """Return the row that a room begins with."""
    parent = bytes((1, len(_NAME))) + _NAME
    head = b"\x01\x01" + write_number(client_id) + write_number(0) + bytes((STRING,))
    return head + parent + write_number(count) + b"\n" * count + b"\x00"


class Typist:
    """Makes the rows of one writer."""

    def __init__(self, client_id: int, left: Id, right: Id) -> None:
        """Type between two line breaks."""
        self.clock = 0
        self._id = write_number(client_id)
        self._head = b"\x01\x01" + self._id
        self._left = write_number(left[0]) + write_number(left[1])
        self._right = write_number(right[0]) + write_number(right[1])

    def letter(self) -> bytes:
        """Return the row that types the next letter."""
        clock = write_number(self.clock)
        letter = bytes((97 + self.clock % 26,))
        row = b"%b%b%c%b%b\x01%b\x00" % (self._head, clock, _BETWEEN, self._left, self._right, letter)
        self._left = self._id + clock
        self.clock += 1
        return row


def read_row(row: bytes) -> list[Stretch]:
    """Return what an update types: the common kind by hand, any other by the protocol's parser."""
    if row[:2] == b"\x01\x01" and row[6] < 0x80:
        client_id = _five_bytes(row, 2)
        clock, at = _number(row, 2 + _ID_BYTES)
        if row[at] == _BETWEEN:
            _, at = _number(row, at + 1 + _ID_BYTES)
            _, at = _number(row, at + _ID_BYTES)
            count, at = _number(row, at)
            if at + count + 1 == len(row):
                return [Stretch(client_id, clock, count)]
    return [
        Stretch(block.client, block.clock, block.end - block.clock) for block in finish(parsing(row)).blocks
    ]


def _five_bytes(row: bytes, at: int) -> int:
    a, b, c, d, e = row[at : at + _ID_BYTES]
    return a & 0x7F | (b & 0x7F) << 7 | (c & 0x7F) << 14 | (d & 0x7F) << 21 | e << 28


def _number(row: bytes, at: int) -> tuple[int, int]:
    value = row[at]
    if value < 0x80:
        return value, at + 1
    following = row[at + 1]
    if following < 0x80:
        return value & 0x7F | following << 7, at + 2
    value, shift = value & 0x7F | (following & 0x7F) << 7, 14
    at += 2
    while (byte := row[at]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1
