"""Sockets that were opened for us before we began (sd_listen_fds(3)), so that they outlive us.

Whoever starts us holds them too: while no server runs, those who come wait in their backlog. They are taken
in place of ones that would be bound, let in nobody whom those would not, and are never unlinked.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from collab_server.config import ServerConfig
from collab_server.ways_in import NotAllowed, check_ways_in

_log = logging.getLogger(__name__)

_FIRST: Final = 3
"""SD_LISTEN_FDS_START of sd-daemon.h."""

_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")

_UNNAMED: Final = ("", "unknown", "stored")
"""What sd_listen_fds_with_names(3) calls those without a name; systemd gives them their .socket unit's."""


class Use(StrEnum):
    """What a socket is for, which is also what it is named."""

    UNIX = "unix"
    TCP = "tcp"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class PassedSockets:
    """Sockets that listen already, by what they are for; each belongs to whoever holds this."""

    unix: socket.socket | None = None
    tcp: tuple[socket.socket, ...] = ()
    monitor: socket.socket | None = None

    def __bool__(self) -> bool:
        return bool(self.unix or self.tcp or self.monitor)

    def close(self) -> None:
        """Close our ends; where they are, they go on listening."""
        for each in (self.unix, *self.tcp, self.monitor):
            if each is not None:
                each.close()


NONE_PASSED: Final = PassedSockets()


def take_passed_sockets(environ: MutableMapping[str, str]) -> PassedSockets:
    """Return the sockets that `environ` says were passed to this process, and take that out of it.

    Raises:
        NotAllowed: they are not what a server can listen on; the text says what to change.
    """
    count, pid, names = (environ.pop(name, "") for name in _VARIABLES)
    if not count or pid != str(os.getpid()):
        return NONE_PASSED
    if not count.isdecimal():
        raise NotAllowed(f"LISTEN_FDS={count!r} is no number of sockets")
    numbers = range(_FIRST, _FIRST + int(count))
    called = names.split(":") if names else []
    called += [""] * (len(numbers) - len(called))
    opened: list[socket.socket] = []
    try:
        for number in numbers:
            opened.append(_open(number))
        return _by_use(list(zip(called, opened, strict=False)))
    except NotAllowed:
        for each in opened:
            each.close()
        raise


def with_passed(config: ServerConfig, passed: PassedSockets) -> ServerConfig:
    """Return the settings of a server that listens on `passed`: where it is, in place of where it would be.

    Raises:
        NotAllowed: one of the sockets would let in others than the settings say.
        StoreError: the host is no address.
    """
    if passed.unix is not None:
        config = replace(config, unix_path=_checked_path(passed.unix, config.unix_group))
    if passed.monitor is not None:
        config = replace(config, monitor=_address(passed.monitor))
    ports = [_address(tcp)[1] for tcp in passed.tcp]
    if ports and config.port and config.port not in ports:
        _log.warning("port %d is set, and not listened on: sockets were passed for %s", config.port, ports)
    for tcp in reversed(passed.tcp):
        host, port = _address(tcp)
        config = replace(config, host=host, port=port)
        check_ways_in(config)
    return config


def _open(number: int) -> socket.socket:
    """Take one over. Raises: NotAllowed: it is none that listens."""
    try:
        # Before a socket is made of it: that would close what is none of ours.
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise NotAllowed(f"file {number} was passed as a socket, and is none")
        sock = socket.socket(fileno=number)
    except OSError as error:
        raise NotAllowed(f"socket {number} was passed, and cannot be used: {error.strerror}") from error
    sock.set_inheritable(False)
    sock.setblocking(False)
    is_stream = sock.type == socket.SOCK_STREAM
    if is_stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return sock
    sock.close()
    raise NotAllowed(f"socket {number} was passed, and does not listen: use ListenStream= with Accept=no")


def _by_use(passed: Sequence[tuple[str, socket.socket]]) -> PassedSockets:
    found: dict[Use, list[socket.socket]] = {use: [] for use in Use}
    for name, sock in passed:
        found[_use(name, sock)].append(sock)
    for use in (Use.UNIX, Use.MONITOR):
        if len(found[use]) > 1:
            raise NotAllowed(f"{len(found[use])} sockets for {use} were passed: one is all that is used")
    first = {use: socks[0] if socks else None for use, socks in found.items()}
    return PassedSockets(first[Use.UNIX], tuple(found[Use.TCP]), first[Use.MONITOR])


def _use(name: str, sock: socket.socket) -> Use:
    is_unix = sock.family == socket.AF_UNIX
    if not is_unix and sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise NotAllowed(f"a socket was passed that is neither TCP nor Unix: family {sock.family!r}")
    if name in _UNNAMED or name.endswith(".socket"):
        return Use.UNIX if is_unix else Use.TCP
    try:
        use = Use(name)
    except ValueError:
        known = ", ".join(Use)
        raise NotAllowed(
            f"a socket named {name!r} was passed: FileDescriptorName= is one of {known}"
        ) from None
    if is_unix != (use is Use.UNIX):
        raise NotAllowed(f"the socket named {name!r} is {'a Unix socket' if is_unix else 'TCP'}")
    return use


def _address(tcp: socket.socket) -> tuple[str, int]:
    address: tuple[Any, ...] = tcp.getsockname()
    return str(address[0]), int(address[1])


def _checked_path(sock: socket.socket, group: int | None) -> Path:
    """Return where a Unix socket is, which its owner and the accounts of `group` may open, as one of ours.

    Raises:
        NotAllowed: others may open it, or that group may not, or it is nowhere.
    """
    name: str | bytes = sock.getsockname()
    if isinstance(name, bytes) or not name.startswith("/"):
        raise NotAllowed("a Unix socket without a path was passed, which every account may open")
    path = Path(name)
    try:
        found = path.lstat()
    except OSError as error:
        raise NotAllowed(f"the Unix socket {path} was passed, and is not there: {error.strerror}") from error
    if not stat.S_ISSOCK(found.st_mode):
        raise NotAllowed(f"the Unix socket {path} was passed, and something else lies there now")
    mode = f"{stat.S_IMODE(found.st_mode):04o}"
    if group is not None and (mode != "0660" or found.st_gid != group):
        raise NotAllowed(
            f"the Unix socket {path} was passed (mode {mode}), and is not for the group of --group: it needs"
            " SocketMode=0660, and SocketGroup= that group"
        )
    may_not = 0o177 if group is None else 0o117
    if stat.S_IMODE(found.st_mode) & may_not or found.st_uid not in (0, os.geteuid()):
        raise NotAllowed(
            f"other accounts may open the Unix socket {path} (mode {mode}): it needs SocketMode=0600, and"
            " SocketUser= the account of the server"
        )
    return path
