"""Access on a bench: a store on disk, keys, and a clock that is set by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from collab_protocol.errors import FaultCode
from collab_protocol.messages import Credential
from collab_protocol.presence import Role
from collab_server.access import Access, Account, Denied, Grant
from collab_server.committer import Committer
from collab_server.grants import hash_device
from collab_server.store.base import Invite
from collab_server.store.sqlite import SqliteStore
from collab_server.tokens import KeyRing, Token
from tests.unit.collab_server.rooms import hello

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NOON = 1_798_804_800.0
"""2027-01-01 12:00 UTC."""

KEYS = KeyRing({"0000000a": b"a" * 32})


def device(name: str) -> bytes:
    """Return the secret of that person's machine."""
    return name.encode().ljust(32, b".")


class Doors:
    """Access to a server; `now` is its clock in UTC seconds, `set_s` of them it was set ahead."""

    def __init__(self, path: Path) -> None:
        self.now = NOON
        self.set_s = 0.0
        self.keys: KeyRing | None = KEYS
        self._path = path
        self.store: SqliteStore
        self.committer: Committer
        self.access: Access

    async def open(self) -> None:
        self.store = SqliteStore(self._path)
        self.committer = Committer(self.store, asyncio.get_running_loop())
        stored = await self.committer.run(lambda store: store.load_access())
        self.access = Access(
            self.committer,
            stored,
            keys=self.keys,
            now=lambda: self.now,
            monotonic=lambda: self.now - self.set_s,
        )

    def set_clock(self, ahead_s: float) -> None:
        """Set the clock ahead, or back by less than 0, while no time passes."""
        self.now += ahead_s
        self.set_s += ahead_s

    async def restart(self) -> None:
        """Begin again from what is on disk."""
        await self.committer.close()
        await self.open()

    async def invite(
        self,
        room: str = "notes",
        role: Role = Role.WRITE,
        *,
        expires_s: float | None = None,
        is_reusable: bool = False,
        name: str = "",
    ) -> tuple[str, Invite]:
        return await self.access.invite(room, role, expires_s=expires_s, is_reusable=is_reusable, name=name)

    async def come(
        self,
        who: str = "bo",
        token: str | None = None,
        *,
        room: str = "notes",
        name: str | None = None,
        account: Account | None = None,
    ) -> tuple[Grant, Credential | None]:
        """Come from that person's machine."""
        said = replace(hello(name or who, device=device(who)), token=token)
        return await self.access.admit(room, said, account)

    async def credential(self, who: str, token: str, *, room: str = "notes") -> str:
        """Come with an invite, and return the credential that one gets for it."""
        _, credential = await self.come(who, token, room=room)
        assert credential is not None
        return credential.token

    async def why_not(
        self,
        who: str = "bo",
        token: str | None = None,
        *,
        room: str = "notes",
        account: Account | None = None,
        code: FaultCode = FaultCode.DENIED,
    ) -> str:
        """Come, be denied, and return why; "" when let in."""
        try:
            await self.come(who, token, room=room, account=account)
        except Denied as denied:
            assert denied.code is code
            return str(denied)
        return ""

    def why_over(self, grant: Grant, code: FaultCode = FaultCode.DENIED) -> str:
        """Return why somebody who is in may not stay; "" while they may."""
        denied = self.access.why_over(grant)
        assert denied is None or denied.code is code
        return "" if denied is None else str(denied)

    def forge(self, text: str, change: Callable[[Token], Token], keys: KeyRing = KEYS) -> str:
        """Return a token that says something else than `text` does, signed with `keys`."""
        return keys.sign(change(KEYS.read(text)))


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Doors]:
    doors = Doors(path)
    await doors.open()
    try:
        yield doors
    finally:
        await doors.committer.close()


def hashed(who: str) -> bytes:
    """Return what that person's machine is known by."""
    return hash_device(device(who))
