"""Names of rooms and people, and lines of chat: what is allowed, and what is made of what is typed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from collab_protocol.errors import NameRefused

_ROOM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

TOKEN: Final = re.compile(r"c[ic]1\.[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""An invite (ci1) or a credential (cc1): kind, key, payload and signature. Whoever has one may come in."""

_BREAKS: Final = frozenset({"Cc", "Zl", "Zp"})
"""Unicode categories of control characters and line breaks: a line of chat is one line."""

ROOM_PATH: Final = "/rooms/"
"""The path on a server under which rooms are found; people never type it."""


def check_room_name(name: str) -> str:
    """Return `name` when it may name a room.

    Raises:
        NameRefused: it may not; the text says which names are allowed.
    """
    if _ROOM.fullmatch(name) and ".." not in name:
        return name
    raise NameRefused(
        f"{name!r} cannot name a room: use 1 to 64 of A-Z a-z 0-9 . _ -, "
        "beginning with a letter or digit, without '..'"
    )


def is_token(text: str) -> bool:
    """Return whether `text` looks like an invite or a credential; only its server knows whether it is."""
    return TOKEN.fullmatch(text) is not None


def clean_person_name(name: str, most: int = 32) -> str:
    """Return `name` in NFC, printable, at most `most` characters long; "guest" if nothing is left."""
    printable = "".join(c for c in unicodedata.normalize("NFC", name) if c.isprintable())
    return " ".join(printable.split())[:most].strip() or "guest"


def clean_line(text: str) -> str:
    """Return `text` as one line of chat, without blanks around it."""
    return "".join([" " if unicodedata.category(c) in _BREAKS else c for c in text]).strip()
