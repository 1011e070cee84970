"""Where a server is that one reaches by the account's own `ssh`: ssh://[USER@]HOST[:PORT]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote

from collab_cli.exits import UsageError

SSH_FORM: Final = "ssh://[USER@]HOST[:PORT]/ROOM"
TCP_PORT: Final = 8765
"""As `collab serve` has it without --port."""

_MOST_PORT: Final = 65535
_USER: Final = re.compile(r"[\w.+@][\w.+@-]*")
_HOST: Final = re.compile(r"[\w.][\w.-]*")
_HOST_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]+(%[\w.-]+)?")
"""None of these is an option of ssh's, or means anything to the shell of a ProxyCommand (CVE-2023-51385)."""


@dataclass(frozen=True, slots=True)
class SshServer:
    """A server on a machine that `ssh DESTINATION` reaches: this account's own there, unless more is said.

    `unix` is the path of another socket there; `via_tcp` a port of its loopback, for a machine that has a
    server and no `collab` for us to run.
    """

    destination: str
    """As in "host" or "user@host"."""
    port: int | None = None
    via_tcp: int | None = None
    unix: str | None = None

    def __str__(self) -> str:
        """Return what to give to --server."""
        return self.address("")

    @property
    def host(self) -> str:
        """The destination without the account."""
        return self.destination.rpartition("@")[2]

    def address(self, path: str) -> str:
        """Return this server as a URL with a path, which is empty or begins with a slash."""
        user, at, host = self.destination.rpartition("@")
        host = f"[{host}]" if ":" in host else host
        port = "" if self.port is None else f":{self.port}"
        query = ""
        if self.via_tcp is not None:
            query = f"?via=tcp:{self.via_tcp}"
        elif self.unix is not None:
            query = f"?unix={quote(self.unix)}"
        return f"ssh://{user}{at}{host}{port}{path}{query}"


def ssh_server(parts: SplitResult) -> SshServer:
    """Return the server of a URL that has been taken apart; its path is the caller's.

    Raises:
        UsageError: it names none, or what ssh could take for something else; the text says what is wrong.
    """
    user, at, place = parts.netloc.rpartition("@")
    # Not `parts.hostname`, which is in small letters: an alias in ~/.ssh/config may have others.
    match = re.fullmatch(r"\[(.*)\](?::(.*))?|([^:]*)(?::([^:]*))?", place)
    if match is None:
        raise UsageError(f"{place!r} is no host: write {SSH_FORM}, and [ADDRESS] for one of IPv6")
    host, port = (match[1], match[2]) if match[1] is not None else (match[3], match[4])
    if ":" in user:
        raise UsageError(f"ssh://… may hold no password: ssh asks for it; write {SSH_FORM}")
    if not host:
        raise UsageError(f"{parts.geturl()} names no host: write {SSH_FORM}")
    if at and not _USER.fullmatch(user):
        raise UsageError(f"{user!r} cannot name an account on {host!r}: write {SSH_FORM}")
    if not (_HOST_IPV6 if match[1] is not None else _HOST).fullmatch(host):
        raise UsageError(
            f"{host!r} cannot name a host: write {SSH_FORM}, or give it an alias in ~/.ssh/config"
        )
    via_tcp, unix = _query(parts)
    return SshServer(f"{user}{at}{host}", _port(port, parts) if port else None, via_tcp, unix)


def _query(parts: SplitResult) -> tuple[int | None, str | None]:
    """Return the port of `via=tcp:PORT` and the path of `unix=PATH`, one of them at most."""
    if not parts.query:
        return None, None
    match parse_qsl(parts.query, keep_blank_values=True):
        case [("via", "tcp")]:
            return TCP_PORT, None
        case [("via", via)] if via.startswith("tcp:"):
            return _port(via.removeprefix("tcp:"), parts), None
        case [("unix", path)] if path.startswith("/") and path.isprintable() and len(path) > 1:
            return None, path
        case _:
            raise UsageError(
                f"what follows '?' in {parts.geturl()} may be via=tcp, via=tcp:PORT or unix=/PATH.sock"
            )


def _port(typed: str, parts: SplitResult) -> int:
    if not (typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= _MOST_PORT):
        raise UsageError(f"{typed!r} in {parts.geturl()} is no port: give a number from 1 to {_MOST_PORT}")
    return int(typed)
