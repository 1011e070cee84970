"""What an operator asked for: JSON whose fields are checked as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from collab_protocol.errors import CollabError
from collab_protocol.names import check_room_name
from collab_protocol.presence import Role

REQUEST_BYTES: Final = 32 * 1024
"""The largest request, which fits into a frame of the socket; most have some hundred bytes."""

_NUMBER_MOST: Final = 1e12


def parse(frame: str | bytes) -> dict[str, Any]:
    """Return the request in a frame.

    Raises:
        CollabError: it holds none.
    """
    if not isinstance(frame, str) or len(frame.encode()) > REQUEST_BYTES:
        raise CollabError(f"a request is a text of {REQUEST_BYTES} bytes at most")
    try:
        request = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise CollabError("a request has to be JSON") from error
    if not isinstance(request, dict):
        raise CollabError("a request has to be an object")
    return request


class Asked:
    """The fields of a request. Each of these raises CollabError when what it returns is not there."""

    def __init__(self, fields: Mapping[str, Any], *, is_of_operator: bool = True) -> None:
        """`is_of_operator`: whether who asks may know of all rooms, and from where people come."""
        self.is_of_operator = is_of_operator
        self._fields = fields

    def text(self, key: str, default: str | None = None) -> str:
        value = self._fields.get(key, default)
        if not _is_text(value):
            raise CollabError(f"{key!r} has to be a text")
        return value

    def secret(self, key: str) -> bytes:
        try:
            return bytes.fromhex(self.text(key))
        except ValueError as error:
            raise CollabError(f"{key!r} has to be in hex") from error

    def flag(self, key: str) -> bool:
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise CollabError(f"{key!r} has to be true or false")
        return value

    def number(self, key: str) -> float | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NUMBER_MOST:
            raise CollabError(f"{key!r} has to be a number")
        return value

    def numbers(self, key: str) -> dict[str, float]:
        """Return numbers by name; none where the key is missing."""
        fields = self._fields.get(key) or {}
        if not isinstance(fields, dict):
            raise CollabError(f"{key!r} has to be an object")
        within = Asked(fields)
        return {name: number for name in fields if (number := within.number(name)) is not None}

    def texts(self, key: str) -> list[str] | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(map(_is_text, value)):
            raise CollabError(f"{key!r} has to be a list of texts")
        return value

    def role(self) -> Role:
        try:
            return Role(self.text("role", Role.WRITE))
        except ValueError as error:
            raise CollabError(f"a role is {', '.join(Role)}") from error

    def room(self) -> str:
        return check_room_name(self.text("room"))

    def room_if_any(self) -> str | None:
        return None if self._fields.get("room") is None else self.room()


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether that is a text; what JSON may hold beside, half of a surrogate pair, no store takes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
