"""Tokens: what somebody shows to be let into a room, and the keys that they are signed with.

    ci1.5f0c2a9e.eyJyIjoibm90ZXMiLCJsIjoid3JpdGUi….bUxO9…
    kind key id  payload                            signature

All four are text, base64url without padding. Kind, key id and payload are signed as they stand, with
HMAC-SHA256, and signatures are compared as text: base64 has several texts for the same bytes, of which only
one is ours. Nothing of a token is read before its signature holds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from itsdangerous import Signer

from collab_protocol.errors import CollabError
from collab_protocol.presence import Role

_LARGEST: Final = 1024
"""Characters in a token; the longest that we make has 536."""

_END_OF_TIME: Final = 1e11
"""UTC seconds: the year 5138. All times before it can be shown as dates."""

_SALT: Final = b"collab room token"
"""Sets these signatures apart from whatever else may be signed with the same secret."""


class TokenKind(StrEnum):
    """What a token is; it begins with this."""

    INVITE = "ci1"
    CREDENTIAL = "cc1"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says (times in UTC seconds).

    `id` is the invite's, also in the credentials that came of it. `name` is the display name of whoever
    comes with it, "" for any; `expires` is None for never. An invite has to be used first before `use_by`.
    A credential is good for one device alone, whose secret has `device_hash`.
    """

    kind: TokenKind
    id: str = field(repr=False)
    room: str
    role: Role
    name: str = ""
    expires: float | None = None
    use_by: float | None = None
    is_reusable: bool = False
    device_hash: bytes | None = field(default=None, repr=False)


class TokenRefused(CollabError):
    """A text that is no token of this server. Which of its parts is wrong is not told."""

    def __init__(self) -> None:
        super().__init__("this token is not valid here: ask for a new link")


class KeyRing:
    """The secrets of a server. The first one signs; what any of them signed can be read."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        """`secrets` by key id, at least one, the newest first."""
        self._signers = {kid: _signer(secret) for kid, secret in secrets.items()}
        self._first = next(iter(secrets))

    def sign(self, token: Token) -> str:
        """Return `token` as text."""
        signed = f"{token.kind}.{self._first}.{_encode(token)}"
        return f"{signed}.{self._signature(self._first, signed)}"

    def read(self, text: str) -> Token:
        """Return what a token says, whether or not its time is over.

        Raises:
            TokenRefused: it was not signed here, or not as it stands.
        """
        if len(text) > _LARGEST or not text.isascii():
            raise TokenRefused
        signed, _, signature = text.rpartition(".")
        kind, _, rest = signed.partition(".")
        kid, _, payload = rest.partition(".")
        if kid not in self._signers:
            raise TokenRefused
        if not hmac.compare_digest(self._signature(kid, signed), signature):
            raise TokenRefused
        return _decode(kind, payload)

    @property
    def newest(self) -> str:
        """The id of the key that signs."""
        return self._first

    def key_of(self, text: str) -> str:
        """Return the id of the key that a token was signed with, which could be read."""
        return text.split(".", 2)[1]

    def __contains__(self, kid: object) -> bool:
        return kid in self._signers

    def _signature(self, kid: str, signed: str) -> str:
        return self._signers[kid].get_signature(signed).decode("ascii")


def _signer(secret: bytes) -> Signer:
    return Signer(secret, salt=_SALT, key_derivation="hmac", digest_method=hashlib.sha256)


def _encode(token: Token) -> str:
    fields = {
        "i": token.id,
        "r": token.room,
        "l": token.role,
        "n": token.name,
        "e": token.expires,
        "u": token.use_by,
        "m": token.is_reusable,
        "d": None if token.device_hash is None else token.device_hash.hex(),
    }
    said = {key: value for key, value in fields.items() if value is not None and value is not False}
    compact = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(compact.encode()).decode("ascii").rstrip("=")


def _decode(kind: str, payload: str) -> Token:
    """Return what was signed. That it was made by another version of us is all that can be wrong with it."""
    try:
        fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        device = fields.get("d")
        return Token(
            kind=TokenKind(kind),
            id=str(fields["i"]),
            room=str(fields["r"]),
            role=Role(fields["l"]),
            name=str(fields.get("n", "")),
            expires=_time(fields.get("e")),
            use_by=_time(fields.get("u")),
            is_reusable=fields.get("m") is True,
            device_hash=None if device is None else bytes.fromhex(device),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise TokenRefused from None


def _time(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _END_OF_TIME:
        raise ValueError("no time")
    return float(value)
