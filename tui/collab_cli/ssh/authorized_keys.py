"""Lines of `authorized_keys` (sshd(8)) that let a key into one room: written, and read again.

    restrict,command="/usr/bin/collab relay --room notes --role write --key 0123456789abcdef" ssh-ed25519 …

sshd runs that command whatever its client asks for, and `restrict` leaves it no other way. Guests of
`collab serve --ssh` come by the same lines: nothing is run then, and the command says what they are held to.
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from collab_cli.exits import UsageError
from collab_cli.ssh.public_key import KeyRefused, PublicKey, is_type, parse_public_key
from collab_cli.ssh.relay import parse
from collab_protocol.restriction import Restriction

_ALWAYS_SO: Final = frozenset(
    {
        "restrict",
        "no-agent-forwarding",
        "no-port-forwarding",
        "no-pty",
        "no-user-rc",
        "no-x11-forwarding",
        "pty",
    }
)
"""Options that say nothing to guests of ours, who have a terminal, and nothing else of all that."""

_OPTION: Final = re.compile(r'([A-Za-z0-9-]+)(?:="((?:\\"|\\(?!")|[^"\\])*)")?(,|(?=[ \t]))')
_PLAIN: Final = re.compile(r"[\w./-]+", re.ASCII)
_NOT_QUOTED: Final = re.compile(r"[\\!']")
_EXPIRY: Final = re.compile(r"(\d{8})(\d{4}(?:\d\d)?)?(Z?)", re.IGNORECASE | re.ASCII)
_LOCAL_ZONE: Final = Path("/etc/localtime")


@dataclass(frozen=True, slots=True)
class GuestKey:
    """A key that lets somebody into one room."""

    key: PublicKey
    restriction: Restriction


def authorized_line(key: PublicKey, restriction: Restriction, *, program: str, data_dir: Path | None) -> str:
    """Return the line that holds whoever has `key` to `restriction`.

    `program` is how sshd finds `collab`; `data_dir` the server's folder, None for the account's own.

    Raises:
        KeyRefused: no line can say that.
    """
    command = [program, "relay", "--room", restriction.room, "--role", str(restriction.role)]
    command += ["--name", restriction.name] if restriction.name else []
    command += ["--key", key.id]
    until = None if restriction.until is None else math.ceil(restriction.until)
    command += [] if until is None else ["--until", str(until)]
    command += [] if data_dir is None else ["--data-dir", str(data_dir)]
    quoted = " ".join(map(_shell_word, command))
    if not quoted.isprintable():
        raise KeyRefused(f"the path {data_dir or program!r} cannot stand in authorized_keys")
    options = ["restrict", "command=" + _quoted(quoted)]
    if until is not None:
        options.append(f'expiry-time="{_written_end(until):%Y%m%d%H%M%S}"')
    return " ".join(filter(None, (",".join(options), str(key), key.comment)))


def parse_line(line: str) -> GuestKey | None:
    """Return whom a line lets in, and into what; None for an empty one, and for a comment.

    Raises:
        KeyRefused: it lets nobody in, or wants something that guests are not held to; the text says what.
    """
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    if is_type(line.split(maxsplit=1)[0]):
        raise KeyRefused("this key is for no room: collab invite ROOM --ssh-key prints the line for it")
    options, rest = _options(line)
    key = parse_public_key(rest)
    restriction: Restriction | None = None
    ends: list[float] = []
    for name, value in options:
        if name == "command":
            if restriction is not None:
                raise KeyRefused("it has two commands")
            restriction = _restriction(value)
        elif name == "expiry-time":
            ends.append(_end(value))
        elif name not in _ALWAYS_SO:
            raise KeyRefused(f"guests cannot be held to the option {name}: leave it out, or the key")
    if restriction is None:
        raise KeyRefused("this key is for no room: collab invite ROOM --ssh-key prints the line for it")
    if restriction.key not in ("", key.id):
        raise KeyRefused(f"--key is another key's: this one is {key.id}")
    ends += [] if restriction.until is None else [restriction.until]
    return GuestKey(key, replace(restriction, key=key.id, until=min(ends, default=None)))


def _quoted(text: str) -> str:
    """Return `text` as an option's value (`opt_dequote` in OpenSSH's misc.c): only quotes are escaped."""
    return '"' + text.replace('"', '\\"') + '"'


def _shell_word(word: str) -> str:
    """Return `word` as the shell of any account reads it.

    Between quotes, csh has "!" for its history all the same, and fish the backslash for what it is elsewhere.
    """
    return word if _PLAIN.fullmatch(word) else "'" + _NOT_QUOTED.sub(r"'\\\g<0>'", word) + "'"


def _options(line: str) -> tuple[list[tuple[str, str]], str]:
    """Return the options that `line` begins with, and what follows them."""
    options: list[tuple[str, str]] = []
    at, is_more = 0, True
    while is_more:
        found = _OPTION.match(line, at)
        if found is None:
            raise KeyRefused("its options cannot be read: is a quote missing?")
        name, value, end = found.groups()
        options.append((name.lower(), (value or "").replace('\\"', '"')))
        at, is_more = found.end(), end == ","
    return options, line[at:]


def _restriction(command: str) -> Restriction:
    """Return what the command of a line holds its key to."""
    try:
        _, verb, *arguments = shlex.split(command)
    except ValueError:
        verb = ""
    if verb != "relay":
        raise KeyRefused("its command is not `collab relay`")
    try:
        restriction = parse(arguments).restriction
    except UsageError as error:
        raise KeyRefused(str(error)) from error
    if restriction is None:
        raise KeyRefused("its command names no room: --room and --role are missing")
    return restriction


def _end(written: str) -> float:
    """Return when a key ends (UTC seconds), as `expiry-time` has it: YYYYMMDD[HHMM[SS]][Z]."""
    found = _EXPIRY.fullmatch(written)
    try:
        if found is not None:
            day, time, zone = found.groups()
            at = datetime.strptime(f"{day}{(time or '').ljust(6, '0')}", "%Y%m%d%H%M%S")  # noqa: DTZ007
            # An hour that comes twice counts as its second time: what --until says is to the second.
            return max(0.0, at.replace(tzinfo=UTC if zone else _sshd_zone(), fold=1).timestamp())
    except ValueError:
        pass
    raise KeyRefused(f"expiry-time: {written!r} is no time: write YYYYMMDDHHMM")


def _written_end(until: float) -> datetime:
    """Return an end (UTC seconds) as the local time for `expiry-time`: sshd ends it then, or an hour later.

    sshd takes it for standard time (OpenSSH's misc.c: mktime(3) with tm_isdst 0), which in Ireland is that of
    summer; it must not end early, and `--until` is to the second.
    """
    local = datetime.fromtimestamp(until, _sshd_zone())
    return local + max(timedelta(0), -(local.dst() or timedelta(0)))


def _sshd_zone() -> tzinfo:
    """Return the zone in which sshd reads times: the machine's, whatever TZ of this account says."""
    try:
        with _LOCAL_ZONE.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC
