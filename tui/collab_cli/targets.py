"""What people type to name a room, as a value: ROOM, ssh://HOST/ROOM, ws://HOST/ROOM, wss://…, unix:///PATH?room=ROOM.

An address of a network server may end in #TOKEN, which lets its bearer in: it is kept out of every message.
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from collab_cli.exits import UsageError
from collab_cli.ssh.address import SshServer, ssh_server
from collab_protocol.errors import NameRefused
from collab_protocol.names import check_room_name, is_token

_FORMS: Final = (
    "ROOM, ws://HOST[:PORT]/ROOM, wss://HOST[:PORT]/ROOM, ssh://HOST/ROOM or unix:///PATH.sock?room=ROOM"
)
_SERVER_FORMS: Final = "ws://HOST[:PORT], wss://HOST[:PORT], ssh://HOST or unix:///PATH.sock"
_ELSEWHERE: Final = frozenset("@:/")
"""What addresses have, as people type them for ssh and scp, and names of rooms have not."""

_ELSEWHERE_FORMS: Final = "ssh://[USER@]HOST/ROOM or wss://HOST/ROOM"
_WITHOUT: Final = "leave it and the '#' out"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that somebody runs: at `url` (ws://, wss://, no path), behind a Unix socket, or by ssh."""

    url: str | None = None
    unix_path: Path | None = None
    ssh: SshServer | None = None

    def __str__(self) -> str:
        """Return what to give to --server."""
        if self.ssh is not None:
            return str(self.ssh)
        return self.url if self.url is not None else f"unix://{self.unix_path}"

    @property
    def takes_token(self) -> bool:
        """Tell whether it may ask for a token: over TCP; a Unix socket tells it which account comes."""
        return self.url is not None or (self.ssh is not None and self.ssh.via_tcp is not None)


@dataclass(frozen=True, slots=True)
class Target:
    """A room, and the server that has it; without one it is this machine's own.

    `token` is an invite or a credential for it: whoever sees it can come in.
    """

    room: str
    server: Server | None = None
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the address to come here again; the token is never part of it."""
        if self.server is None:
            return self.room
        if self.server.ssh is not None:
            return self.server.ssh.address(f"/{self.room}")
        if self.server.unix_path is not None:
            return f"unix://{self.server.unix_path}?room={self.room}"
        return f"{self.server.url}/{self.room}"

    @property
    def typed(self) -> str:
        """The same for a shell, some of which take a '?' for a pattern."""
        return shlex.quote(str(self))


def parse_target(typed: str, server: Server | None = None, *, is_insecure: bool = False) -> Target:
    """Return the room that `typed` names; a bare ROOM is on `server`, or on this machine.

    `is_insecure` allows ws:// to other machines.

    Raises:
        UsageError: it names none; the text says what would.
    """
    typed, hash_, fragment = typed.partition("#")  # what follows may be a token, and is never repeated
    target = _parse_target(typed, server, is_insecure)
    if not hash_:
        return target
    if not is_token(fragment):
        raise UsageError(
            f"what follows '#' in the address of {target.room} is no token: "
            f"copy the whole link, or {_WITHOUT}"
        )
    if target.server is None or not target.server.takes_token:
        raise UsageError(
            f"a token is for a server's address, as in wss://HOST/{target.room}#TOKEN: here {_WITHOUT}"
        )
    return replace(target, token=fragment)


def _parse_target(typed: str, server: Server | None, is_insecure: bool) -> Target:
    if "://" not in typed:
        try:
            return Target(room_name(typed), server)
        except UsageError as error:
            if not _ELSEWHERE & {*typed}:
                raise
            raise UsageError(f"{error}; for a room elsewhere write {_ELSEWHERE_FORMS}") from error
    parts = _split(typed)
    if parts.scheme == "unix":
        room = dict(parse_qsl(parts.query)).get("room")
        if room is None:
            raise UsageError(f"{typed} names no room: write unix:///PATH.sock?room=ROOM")
        return Target(room_name(room), Server(unix_path=_socket_path(parts, typed)))
    if parts.scheme == "ssh":
        server = Server(ssh=ssh_server(parts))
    elif parts.query:
        raise UsageError(f"{typed} has a '?': write {parts.scheme}://HOST[:PORT]/ROOM")
    else:
        server = _network_server(parts, typed, is_insecure)
    room = unquote(parts.path).strip("/")
    if not room:
        raise UsageError(f"{typed} names no room: add one, as in {parts._replace(path='/notes').geturl()}")
    return Target(room_name(room), server)


def parse_server(typed: str, *, is_insecure: bool = False) -> Server:
    """Return the server that a URL without a room names.

    Raises:
        UsageError: it names none.
    """
    if "#" in typed:
        raise UsageError(f"a server's address holds no '#': write {_SERVER_FORMS}, without what follows it")
    parts = _split(typed, _SERVER_FORMS)
    if parts.scheme == "unix":
        if parts.query:
            raise UsageError(f"{typed} has a '?': a server is written unix:///PATH.sock, its room apart")
        return Server(unix_path=_socket_path(parts, typed))
    if parts.scheme == "ssh":
        if parts.path.strip("/"):
            raise UsageError(f"{typed} is more than a server: write ssh://[USER@]HOST[:PORT], its room apart")
        return Server(ssh=ssh_server(parts))
    if parts.path.strip("/") or parts.query:
        raise UsageError(f"{typed} is more than a server: write {parts.scheme}://HOST[:PORT], its room apart")
    return _network_server(parts, typed, is_insecure)


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def room_name(typed: str) -> str:
    """Return `typed`, which names a room.

    Raises:
        UsageError: it does not; the text says what would.
    """
    if is_token(typed):
        raise UsageError("a token names no room: give it behind the address, as in wss://HOST/ROOM#TOKEN")
    try:
        return check_room_name(typed)
    except NameRefused as error:
        raise UsageError(str(error)) from error


def _split(typed: str, forms: str = _FORMS) -> SplitResult:
    try:
        parts = urlsplit(typed)
    except ValueError as error:
        raise UsageError(f"{typed!r} is no address: {error}") from error
    if parts.scheme not in ("ws", "wss", "unix", "ssh"):
        raise UsageError(f"{typed!r} is no address of a collab server: write {forms}")
    if parts.scheme != "ssh" and (parts.username is not None or parts.password is not None):
        raise UsageError(f"{parts.scheme}://… may hold no user or password: write {forms}")
    try:
        _ = parts.port if parts.scheme != "ssh" else None  # which is looked at with the rest of it
    except ValueError as error:
        raise UsageError(f"{typed!r} is no address: a port is a number from 0 to 65535") from error
    return parts


def _socket_path(parts: SplitResult, typed: str) -> Path:
    path = Path(unquote(parts.path))
    if parts.netloc or not path.is_absolute() or path == Path("/"):
        raise UsageError(f"{typed} names no socket: write three slashes, as in unix:///PATH.sock?room=ROOM")
    return path


def _network_server(parts: SplitResult, typed: str, is_insecure: bool) -> Server:
    host = parts.hostname
    if not host:
        raise UsageError(f"{typed} names no host: write {parts.scheme}://HOST[:PORT]/ROOM")
    if parts.scheme == "ws" and not is_insecure and not is_loopback(host):
        raise UsageError(
            f"ws://{parts.netloc} is not encrypted: use wss://, or --insecure where others may read"
        )
    return Server(url=f"{parts.scheme}://{parts.netloc}")
