"""The place of a Unix socket: cleared of what a dead server left, and of nothing else."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Final

from collab_protocol.errors import CollabError, StoreError

_PATH_BYTES: Final = 100
"""Longer paths do not fit into sockaddr_un everywhere (108 on Linux, 104 on macOS, with a NUL)."""

_PROBE_S: Final = 1.0


class PortTaken(CollabError):
    """Somebody else listens on the port or socket."""


def bind(path: Path, group: int | None) -> socket.socket:
    """Return a new socket at `path`, for its owner and the accounts of `group` (a gid).

    Until it listens nobody can connect. Its mode is never changed: in a folder where others may write, that
    could be the mode of what they have put in its place.

    Raises:
        StoreError: it cannot be there, or may not be given to that group.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o177 if group is None else 0o117)
        try:
            sock.bind(str(path))
        except OSError as error:
            raise StoreError(f"cannot listen on {path}: {error.strerror or error}") from error
        finally:
            os.umask(before)
        if group is not None:
            _give(path, group)
    except BaseException:
        sock.close()
        raise
    return sock


def _give(path: Path, group: int) -> None:
    try:
        os.chown(path, -1, group, follow_symlinks=False)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise StoreError(f"cannot give {path} to its group: {error.strerror or error}") from error


def look_at(path: Path) -> os.stat_result:
    """Return what tells this socket from another one that may be at `path` later."""
    return path.stat()


def remove(path: Path, made: os.stat_result) -> None:
    """Remove the socket, unless another one stands there by now."""
    with contextlib.suppress(OSError):
        if os.path.samestat(path.stat(), made):
            path.unlink()


def clear_the_way(path: Path) -> None:
    """Remove the socket that a dead server left; nothing else that may lie at `path`.

    Raises:
        PortTaken: a server listens there.
        StoreError: it is no socket, or cannot be removed, or the path is too long for one.
    """
    if len(os.fsencode(path)) > _PATH_BYTES:
        raise StoreError(f"the path {path} is too long for a socket: give a shorter one with --unix")
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise StoreError(
                f"{path} exists and is no socket: it was left as it is, give another with --unix"
            )
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_S)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise PortTaken(
                    f"another server listens on {path}: stop it first, or give another with --unix"
                )
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"cannot listen on {path}: {error.strerror or error}") from error
