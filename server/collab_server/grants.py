"""What somebody who comes is granted, or why they are not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from collab_protocol.errors import CollabError, FaultCode
from collab_protocol.messages import Hello
from collab_protocol.presence import UNIX, Role, account_of
from collab_protocol.restriction import Restriction

TAKEN_BACK: Final = "access was taken back"

EVERY_ROOM: Final = "*"
"""In place of a room's name, where somebody may do something in all of them; no room can be called so."""

_KEY: Final = "key:"


@dataclass(frozen=True, slots=True)
class Account:
    """Who is behind the Unix socket; the owner has the server's own uid, or is root.

    `restriction` is what a relay or a guest's process of that account has said of whom it speaks for.
    """

    name: str
    is_owner: bool
    restriction: Restriction | None = None

    @property
    def is_operator(self) -> bool:
        """Whether the whole server is theirs: the owner's, who speaks for nobody else."""
        return self.is_owner and self.restriction is None


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
        name = account_of(self.principal)
        return f"{UNIX}{name}" if name else None

    @property
    def ssh_key(self) -> str | None:
        """The principal of the SSH key that let them in; None where none did."""
        return self.principal if self.principal.startswith(_KEY) else None

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


def ended(at: float, what: str = "this token", remedy: str = "ask for a new link") -> Denied:
    """Return what somebody is told whose access ended at that time (UTC seconds)."""
    return Denied(f"{what} ended at {date(at)}: {remedy}")


def elsewhere(restriction: Restriction) -> Denied:
    """Return what somebody is told who asks for another room than theirs."""
    return Denied(f"this key lets you into {restriction.room} alone")


def held_to(grant: Grant, restriction: Restriction) -> Grant:
    """Return `grant` with no more in it than `restriction` leaves."""
    ends = [each for each in (grant.expires, restriction.until) if each is not None]
    return replace(
        grant,
        role=min(grant.role, restriction.role, key=list(Role).index),
        name=restriction.name or grant.name,
        expires=min(ends, default=None),
    )


def hash_device(device: bytes) -> bytes:
    """Return what a machine is known by here; its secret is not kept."""
    return hashlib.sha256(device).digest()


def principal_of(account: Account | None, hello: Hello) -> str:
    """Return who that is: the account that the kernel vouches for, or the machine's secret.

    One who gives a name of their own is somebody else: two people may share an account. Whom the owner speaks
    for is known by their SSH key; another account is itself, whomever it says that it speaks for.
    """
    restriction = None if account is None else account.restriction
    name = (restriction.name if restriction else "") or hello.name
    if account is None or (restriction and account.is_owner):
        if restriction and restriction.key:
            return f"{_KEY}{restriction.key}"
        return f"device:{hash_device(hello.device).hex()[:12]}/{name[:64]}"
    who = f"{UNIX}{account.name}"
    return who if name == account.name else f"{who}/{name[:64]}"


def date(at: float) -> str:
    """Return a time (UTC seconds) as people are told it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} (UTC)"
