"""What somebody who comes is granted, or why they are not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from collab_protocol.errors import CollabError, FaultCode
from collab_protocol.messages import Hello
from collab_protocol.presence import Role

TAKEN_BACK: Final = "access was taken back"

EVERY_ROOM: Final = "*"
"""In place of a room's name, where somebody may do something in all of them; no room can be called so."""

_UNIX: Final = "unix:"


@dataclass(frozen=True, slots=True)
class Account:
    """Who is behind the Unix socket; the owner has the server's own uid, or is root."""

    name: str
    is_owner: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What one session may do in one room, and until when (UTC seconds; None for ever).

    `name` is the display name that they have whatever they say; "" lets them choose. `key` is the id of the
    key that their token is signed with; "" for those who have none.
    """

    room: str
    principal: str
    role: Role
    name: str
    device_hash: bytes = field(repr=False)
    invite_id: str | None
    expires: float | None
    key: str = ""

    @property
    def account(self) -> str | None:
        """The principal of the account behind a Unix socket, whatever name they gave; None over TCP."""
        return self.principal.partition("/")[0] if self.principal.startswith(_UNIX) else None

    @property
    def is_owner(self) -> bool:
        """Whether it is the server's owner, whom nobody shuts out."""
        return self.role is Role.ADMIN and self.account is not None


class Denied(CollabError):
    """Somebody may not come in, or not stay; the text is for them."""

    def __init__(self, message: str, code: FaultCode = FaultCode.DENIED, *, is_ban: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_ban = is_ban


def ended(at: float) -> Denied:
    """Return what somebody is told whose access ended at that time (UTC seconds)."""
    return Denied(f"this token ended at {date(at)}: ask for a new link")


def hash_device(device: bytes) -> bytes:
    """Return what a machine is known by here; its secret is not kept."""
    return hashlib.sha256(device).digest()


def principal_of(account: Account | None, hello: Hello) -> str:
    """Return who that is: the account that the kernel vouches for, or the machine's secret.

    One who gives a name of their own is somebody else: two people may share an account.
    """
    if account is None:
        return f"device:{hash_device(hello.device).hex()[:12]}/{hello.name[:64]}"
    who = f"{_UNIX}{account.name}"
    return who if hello.name == account.name else f"{who}/{hello.name[:64]}"


def date(at: float) -> str:
    """Return a time (UTC seconds) as people are told it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} (UTC)"
