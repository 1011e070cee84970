"""What somebody is held to who comes over SSH, as the one line that goes before the first byte of HTTP.

    collab-relay/1 {"room": "notes", "role": "write", "name": "", "key": "", "until": null, "token": false}

A relay or a guest's process says it over the server's Unix socket, in its own name and not in the client's:
what the client sends comes behind it, and can take nothing back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Self

from collab_protocol.errors import FrameError, NameRefused
from collab_protocol.names import check_room_name, clean_person_name
from collab_protocol.presence import Role
from collab_protocol.versions import RELAY

LINE_BYTES: Final = 1024
"""How long the line may be, with its end."""

_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")

_LAST_S: Final = 253_402_300_799.0
"""The end of the year 9999 (UTC seconds), which is the last that `datetime` has."""

_BEGINNING: Final = RELAY.encode() + b" "

_FIELDS: Final = frozenset({"room", "role", "name", "key", "until", "token"})


@dataclass(frozen=True, slots=True)
class Restriction:
    """One room, in at most that role.

    `name` is the display name that they have whatever they say, "" lets them choose. `key` is the id of
    their SSH key, 16 hex digits, "" where it is not known. `until` is when they have to go (UTC seconds).
    `wants_token` says that they come in by a token as over TCP, and not by the account that sends this.
    """

    room: str
    role: Role
    name: str = ""
    key: str = ""
    until: float | None = None
    wants_token: bool = False

    def encode(self) -> bytes:
        """Return the whole line, with its end."""
        fields = {
            "room": self.room,
            "role": str(self.role),
            "name": self.name,
            "key": self.key,
            "until": self.until,
            "token": self.wants_token,
        }
        return _BEGINNING + json.dumps(fields, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Self:
        """Return what a line says; it may be without its end.

        Raises:
            FrameError: it is no such line. A field that is not known counts as wrong: it may hold somebody to
                more than is known here.
        """
        if len(line) > LINE_BYTES or not line.startswith(_BEGINNING):
            raise FrameError("no line of a relay")
        try:
            fields = json.loads(line.removeprefix(_BEGINNING))
        except (ValueError, RecursionError) as error:
            raise FrameError("the line of a relay holds no JSON") from error
        return cls.checked(fields)

    @classmethod
    def checked(cls, fields: object) -> Self:
        """Return what the fields of a line say. Raises: FrameError: as `decode`."""
        if not isinstance(fields, dict) or not fields.keys() <= _FIELDS:
            raise FrameError("the line of a relay holds what is not known here: is this server older?")
        return cls(
            room=_room(fields.get("room")),
            role=_role(fields.get("role")),
            name=_name(fields.get("name", "")),
            key=_key(fields.get("key", "")),
            until=_until(fields.get("until")),
            wants_token=_wants_token(fields.get("token", False)),
        )


def _key(found: Any) -> str:
    if isinstance(found, str) and (not found or _KEY_ID.fullmatch(found)):
        return found
    raise FrameError("the id of a key is 16 digits of 0-9 a-f")


def _room(found: Any) -> str:
    try:
        return check_room_name(found if isinstance(found, str) else "")
    except NameRefused as error:
        raise FrameError(str(error)) from error


def _role(found: Any) -> Role:
    try:
        return Role(found)
    except ValueError as error:
        raise FrameError(f"a role is one of {', '.join(Role)}") from error


def _name(found: Any) -> str:
    if not isinstance(found, str):
        raise FrameError("a name is a text")
    return clean_person_name(found) if found else ""


def _until(found: Any) -> float | None:
    if found is None:
        return None
    # No NaN passes it, and no integer that is too large to be a float.
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found <= _LAST_S:
        raise FrameError("an end is a number of seconds from 1970 to 9999")
    return float(found)


def _wants_token(found: Any) -> bool:
    if isinstance(found, bool):
        return found
    raise FrameError("whether a token is wanted is true or false")
