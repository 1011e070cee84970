"""How the log names a room and a session: a room by its id, never by its name, which its people chose."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2s
from typing import Final

_KEY_BYTES: Final = 32
"""The longest key that BLAKE2s takes (RFC 7693, section 2.1)."""


class Kind(StrEnum):
    """What others can make happen as often as they like: the log tells some of each a second."""

    REFUSED = "refused"
    """One that was not let in."""
    HOSTILE = "hostile"
    """One that broke the protocol, or sent what does not fit."""
    CAME = "came"
    LEFT = "left"
    TOLD = "told"
    """What one is told, or asks for, that is out of the ordinary."""
    FAILED = "failed"
    """One whose connection ended by a fault of ours."""


class _Key:
    """What ids are made with: the store's epoch once it is known, dice before."""

    def __init__(self) -> None:
        self.bytes = secrets.token_bytes(_KEY_BYTES)


# Of the whole process, as its log is: two servers in one process, as in tests, have one log and one key.
_key: Final = _Key()


def set_key(epoch: bytes) -> None:
    """Make ids from the store's epoch from now on: a room has one for as long as the store lives."""
    _key.bytes = epoch[:_KEY_BYTES]


def current_key() -> bytes:
    """Return what ids are made with, for another process that writes into the same log."""
    return _key.bytes


def room_id(name: str) -> str:
    """Return what the log calls the room: 8 hex digits.

    Whoever reads the log and not the store cannot find the name out by trying names.
    """
    return blake2s(name.encode(), digest_size=4, key=_key.bytes).hexdigest()


def about(
    *, room: str | None = None, session: int | None = None, kind: Kind | None = None
) -> Mapping[str, object]:
    """Return what a line is about, for `extra=`: a room by its name (which becomes its id), a session.

    `kind` is for what happens to one connection, which others can make many of.
    """
    fields: dict[str, object] = {}
    if room is not None:
        fields["room"] = room_id(room)
    if session is not None:
        fields["session"] = session
    if kind is not None:
        fields["kind"] = kind
    return fields


def without_name(error: BaseException | str, room: str) -> str:
    """Return what `error` says, for the log: with the room's id wherever it has the room's name."""
    return re.sub(rf"(?<![\w.-]){re.escape(room)}(?![\w-])", room_id(room), str(error))
