"""`collab relay`: what sshd runs at the far end; stdin and stdout become the server's Unix socket.

    client ═ ssh ═ sshd ─ stdin, stdout ─ relay ─ Unix socket ─ server

Before that it says, a line each: who it is, at once (`collab_cli.__main__` does that, before this module
is loaded: whatever stands before it is noise of the shell), and `ready`, or why not:

    no-server TEXT      exit code 4     nobody serves there, and none could be started
    not-allowed TEXT    exit code 3     this account may not open the socket
    usage TEXT          exit code 2     what authorized_keys says cannot be done

Somebody waits for it: nothing is imported here that the usual way does not need. With a restriction, its
line goes to the server before the client's first byte.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from collab_cli import __version__
from collab_cli.exits import CommandError, ExitCode, UsageError, printable
from collab_cli.paths import Folders, find_folders, full_path
from collab_protocol.errors import CollabError, LinkError

if TYPE_CHECKING:
    from collab_protocol.restriction import Restriction

_BLOCK_BYTES: Final = 64 * 1024

_CONNECT_S: Final = 5.0
"""A server that hangs takes nobody in any more once its backlog is full."""

_WORDS: Final = {
    ExitCode.USAGE: "usage",
    ExitCode.REFUSED: "not-allowed",
    ExitCode.UNREACHABLE: "no-server",
}

_PLACES: Final = ("--unix", "--data-dir")
_HELD_TO: Final = ("--room", "--role", "--name", "--key", "--until")


@dataclass(frozen=True, slots=True)
class RelayFlags:
    """What was typed after `collab relay`: which server, and what whoever comes is held to."""

    unix: Path | None = None
    data_dir: Path | None = None
    restriction: Restriction | None = None


def run(arguments: Sequence[str]) -> ExitCode:
    """Be the relay until either side closes; returns the exit code. The first line has been written."""
    try:
        flags = parse(arguments)
        server = _reach(flags)
    except CollabError as error:
        code = error.code if isinstance(error, CommandError) else ExitCode.UNREACHABLE
        with contextlib.suppress(OSError):
            _write(f"{_WORDS[code]} {printable(' '.join(str(error).split()))}\n".encode())
        return code
    _pass_on(server, b"" if flags.restriction is None else flags.restriction.encode())
    return ExitCode.OK


def _pass_on(server: socket.socket, first_line: bytes) -> None:
    """Pass on what comes, either way, until one of the two has gone; the other learns of it by our end."""
    try:
        if first_line:  # without it, or all of it, nothing of the client's may go there
            server.sendall(first_line)
        _write(b"ready\n")
        threading.Thread(target=_send_what_comes, args=(server,), daemon=True).start()
        while block := server.recv(_BLOCK_BYTES):
            _write(block)
    except OSError:
        pass


def parse(arguments: Sequence[str]) -> RelayFlags:
    """Return what was typed. Raises: UsageError: it cannot be done."""
    typed = dict(_pairs(arguments))
    unix, data_dir = (_path(typed, flag) for flag in _PLACES)
    if unix and data_dir:
        raise UsageError("--unix names a socket, and --data-dir finds one: leave one of them out")
    return RelayFlags(unix, data_dir, _restriction(typed) if typed.keys() & {*_HELD_TO} else None)


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    left = iter(arguments)
    for argument in left:
        flag, equals, value = argument.partition("=")
        if flag not in (*_PLACES, *_HELD_TO):
            raise UsageError(f"collab relay does not know {argument!r}: see collab relay --help")
        if not equals and (value := next(left, "")) == "":
            raise UsageError(f"{flag} needs a value")
        if flag in seen:
            raise UsageError(f"{flag} is given twice")
        seen.add(flag)
        yield flag, value


def _path(typed: dict[str, str], flag: str) -> Path | None:
    if flag not in typed:
        return None
    try:
        return full_path(Path(typed[flag]))
    except ValueError as error:
        raise UsageError(f"{flag}: {typed[flag]!r} is not {error}") from error


def _restriction(typed: dict[str, str]) -> Restriction:
    from collab_protocol.errors import FrameError
    from collab_protocol.restriction import Restriction

    if "--room" not in typed or "--role" not in typed:
        raise UsageError("--room and --role go together: whoever is held to a room has a role in it")
    try:
        until = float(typed["--until"]) if "--until" in typed else None
    except ValueError as error:
        raise UsageError("--until: that is no number of seconds") from error
    # authorized_keys is UTF-8, and the locale may be what the client sent.
    name = os.fsencode(typed.get("--name", "")).decode("utf-8", "replace")
    fields = {"room": typed["--room"], "role": typed["--role"], "until": until}
    fields |= {"name": name, "key": typed.get("--key", "")}
    try:
        return Restriction.checked(fields)
    except FrameError as error:
        raise UsageError(str(error)) from error


def _reach(flags: RelayFlags) -> socket.socket:
    """Return a connection to the server.

    Raises:
        CommandError: there is none; the text says why.
        LinkError: none could be started.
    """
    if flags.unix is not None:
        try:
            return _connect(flags.unix)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise _no_server(f"no server listens on {flags.unix}: is it running?") from error
        except OSError as error:
            raise _trouble(flags.unix, error) from error
    folders = find_folders(os.environ)
    data = flags.data_dir or folders.data
    path: Path | None = data
    try:
        if (path := _noted(data)) is not None:
            return _connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        pass
    except OSError as error:
        raise _trouble(path or data, error) from error
    if data != folders.data:
        raise _no_server(f"no server runs for {data}: start it with collab serve")
    return _start(folders)


def _noted(data: Path) -> Path | None:
    """Return where the server of `data` listens, as it says; None for one that may have to hand over.

    Raises:
        FileNotFoundError: it has said nothing.
        OSError: it cannot be read.
    """
    import json

    try:
        note = json.loads((data / "server.json").read_bytes())
        path = Path(note["unix"])
        is_this_one = note["version"] == __version__ or not path.name.startswith("private-")
    except (ValueError, KeyError, TypeError):
        return None
    return path if is_this_one else None


def _connect(path: Path) -> socket.socket:
    """Return a connection to the socket at `path`. Raises: OSError."""
    server = socket.socket(socket.AF_UNIX)
    try:
        # With a timeout of Python's, Linux refuses at once when many come together (EAGAIN, connect(2)).
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(_CONNECT_S))
        server.connect(str(path))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(0.0))
    except BlockingIOError as error:
        server.close()
        raise TimeoutError(error.errno, error.strerror) from error
    except BaseException:
        server.close()
        raise
    return server


def _timeval(seconds: float) -> bytes:
    return struct.pack("@ll", int(seconds), 0)  # <sys/time.h>


def _start(folders: Folders) -> socket.socket:
    """Return a connection to the private server of this account, as `collab join` finds or starts it.

    Raises: LinkError.
    """
    import asyncio

    from collab_cli.local_server import LocalServer
    from collab_cli.starting import SERVER_OUTPUT

    async def open_socket(path: Path) -> socket.socket:
        try:
            return await asyncio.to_thread(_connect, path)
        except OSError as error:
            raise LinkError(f"cannot reach {path}: {error.strerror or error}") from error

    server = LocalServer(
        folders.data,
        private_socket=folders.socket(folders.data, is_private=True),
        output_file=folders.logs / SERVER_OUTPUT,
    )
    return asyncio.run(server.reach(open_socket))


def _send_what_comes(server: socket.socket) -> None:
    """Give the server what the client says; ends the process when the client has gone."""
    with contextlib.suppress(OSError):
        while block := os.read(0, _BLOCK_BYTES):
            # A server that has gone may have said why, which the main thread passes on before it ends.
            with contextlib.suppress(OSError):
                server.sendall(block)
    os._exit(ExitCode.OK)  # the main thread is in a read that nothing else ends


def _write(text: bytes) -> None:
    """Write all of it to the client. Raises: OSError."""
    left = memoryview(text)
    while left:
        left = left[os.write(1, left) :]


def _no_server(text: str) -> CommandError:
    return CommandError(text, ExitCode.UNREACHABLE)


def _trouble(path: Path, error: OSError) -> CommandError:
    if isinstance(error, PermissionError):
        text = f"the account {_account()} may not open {path}: ask whoever runs the server"
        return CommandError(text, ExitCode.REFUSED)
    if isinstance(error, TimeoutError):
        return _no_server(f"the server behind {path} does not answer")
    return _no_server(f"{path} cannot be opened: {error.strerror or error}")


def _account() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"with uid {os.getuid()}"
