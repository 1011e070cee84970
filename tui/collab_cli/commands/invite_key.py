"""`collab invite ROOM --ssh-key KEY`: the line of `authorized_keys` that lets an SSH key into one room.

No server is asked, and none need run: what the key may do stands in the line, and is over without it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.identity import account_name
from collab_cli.paths import find_folders, own_program
from collab_cli.settings.flags import InviteFlags
from collab_cli.settings.serving import find_data_dir
from collab_cli.settings.values import short_repr
from collab_cli.ssh.authorized_keys import authorized_line
from collab_cli.ssh.public_key import BEGINNING, KeyRefused, PublicKey, is_type, parse_public_keys
from collab_cli.ssh_door.plan import keys_file
from collab_cli.tables import print_json, write
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction

_MOST_BYTES: Final = 256 * 1024


def run(flags: InviteFlags, room: str, role: Role, name: str | None) -> int:
    """Print a line for each key, alone on stdout, and on stderr what to do with it; returns the exit code.

    Raises:
        UsageError: there is no such line; the text says why.
    """
    _check(flags)
    until = None if flags.expires is None else time.time() + parse_duration_s(flags.expires, "--expires")
    restriction = Restriction(room, role, name=name or "", until=until)
    data_dir = find_data_dir(flags.place.data_dir, find_folders(os.environ))
    program = _program()
    try:
        keys = _each_once(parse_public_keys(_read(flags.ssh_key or "")))
        lines = [
            authorized_line(
                key, restriction, program=program, data_dir=None if _is_found(data_dir) else data_dir
            )
            for key in keys
        ]
    except KeyRefused as error:
        raise UsageError(f"--ssh-key: {error}") from error
    if flags.json:
        return print_json(
            {
                "lines": lines,
                "keys": [key.id for key in keys],
                "room": room,
                "role": str(role),
                "name": name,
                "expires": utc_time(until),
            }
        )
    for line in lines:
        write(line)
    sys.stdout.flush()
    _tell(restriction, len(keys), data_dir, program)
    return ExitCode.OK


def _check(flags: InviteFlags) -> None:
    """Refuse what is for links. Raises: UsageError."""
    place = flags.place
    given = {
        "--reusable": flags.reusable,
        "--url": flags.url,
        "--server": place.server,
        "--token-file": place.token_file,
        "--insecure": place.insecure,
    }
    for flag, value in given.items():
        if value:
            raise UsageError(f"{flag} is for links, and --ssh-key makes none: leave one of them out")


def _read(typed: str) -> str:
    """Return the text with the keys: what was typed, or what the file of that name holds; "-" is stdin."""
    words = typed.split(maxsplit=1)
    if not words:
        raise UsageError("--ssh-key: there is no key: give it in quotes, or a file such as id_ed25519.pub")
    is_key = len(words) > 1 or is_type(words[0]) or words[0].startswith(BEGINNING)
    if is_key and not os.path.exists(typed):  # noqa: PTH110  # Path's raises for what is too long for a name
        return typed
    try:
        if typed == "-":
            return sys.stdin.read(_MOST_BYTES)
        with Path(typed).expanduser().open(encoding="utf-8") as file:
            return file.read(_MOST_BYTES)
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(
            f"--ssh-key: {short_repr(typed)} cannot be read: {why}; "
            "give a file such as id_ed25519.pub, or the key itself, in quotes"
        ) from error


def _each_once(keys: list[PublicKey]) -> list[PublicKey]:
    found: dict[bytes, PublicKey] = {}
    for key in keys:
        found.setdefault(key.blob, key)
    return list(found.values())


def _program() -> str:
    """Return how sshd finds this program: its shell is no login shell, and often has a short PATH."""
    program = own_program()
    return program if program.startswith("/") else shutil.which(program) or program


def _is_found(data_dir: Path) -> bool:
    """Return whether a relay that sshd starts looks there by itself: it has no variables of ours."""
    return data_dir == find_folders({}).data and "XDG_DATA_HOME" not in os.environ


def _tell(restriction: Restriction, keys: int, data_dir: Path, program: str) -> None:
    """Say what the lines are good for, and where they belong."""
    room = restriction.room
    whose = f", as {restriction.name}" if restriction.name else ""
    until = "" if restriction.until is None else f", until {local_time(restriction.until)}"
    doing = {Role.READ: "read", Role.WRITE: "write", Role.ADMIN: "write and be an admin"}[restriction.role]
    whom = "whoever has this key" if keys == 1 else f"whoever has one of these {keys} keys"
    it = "it" if keys == 1 else "the lines"
    stands = "line stands" if keys == 1 else "lines stand"
    say(f"{whom} may {doing} in {room}{whose}{until}, as long as the {stands} in the file")
    say(f"add {it} to ~/.ssh/authorized_keys; they type: collab join ssh://{account_name()}@HOST/{room}")
    say(f"or, for a server with --ssh, to {keys_file(data_dir)}; they type: ssh -p 2222 {room}@HOST")
    if not program.startswith("/"):
        say(f"write the whole path of {program} into it, if sshd does not find it")
