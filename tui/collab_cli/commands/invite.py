"""`collab invite`, `invites` and `revoke`: who may come into a room of this server, and until when."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Final
from urllib.parse import urlsplit

from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.office.office import ask, asker
from collab_cli.paths import find_folders
from collab_cli.settings.flags import InviteFlags, OperatorFlags
from collab_cli.settings.serving import find_url
from collab_cli.tables import print_json, print_table, write
from collab_cli.targets import is_loopback, room_name
from collab_protocol.names import clean_person_name
from collab_protocol.presence import Role

_EVERY_ROOM: Final = "(all)"
_OPERATOR: Final = "operator"

_DOING: Final = {Role.READ: "read", Role.WRITE: "write", Role.ADMIN: "write and be an admin"}


def invite(flags: InviteFlags) -> int:
    """Print a link that lets somebody into a room, alone on stdout, or a line for their SSH key.

    Returns the exit code.

    What it is good for is said on stderr. Where nobody knows the server's address, the token is printed.

    Raises:
        CollabError: there is no invite; the text says why.
    """
    room = room_name(flags.room)
    role = _role(flags.role)
    if flags.reusable and flags.name is not None:
        raise UsageError("--name is for one person, and --reusable for many: leave one of them out")
    if flags.name is not None and not flags.name.strip():
        raise UsageError("--name: that is no name that others can read")
    name = None if flags.name is None else clean_person_name(flags.name)
    if flags.ssh_key is not None:
        from collab_cli.commands import invite_key

        return invite_key.run(flags, room, role, name)
    expires_s = None if flags.expires is None else parse_duration_s(flags.expires, "--expires")
    # What is set here is of the server here.
    is_here = flags.place.server is None
    own_url = find_url(flags.url, os.environ, find_folders(os.environ)) if is_here or flags.url else None
    request = {
        "do": "invite",
        "room": room,
        "role": str(role),
        "expires_s": expires_s,
        "reusable": flags.reusable,
        "name": name or "",
    }
    made = ask(flags.place, request)
    link = made["link"] if flags.url is None else None
    if link is None and own_url is not None:
        link = f"{own_url}/{room}#{made['token']}"
    if flags.json:
        sys.stdout.write(json.dumps(_as_json(flags, name, made, link)) + "\n")
        return ExitCode.OK
    write(link or made["token"])
    sys.stdout.flush()
    whose = "" if name is None else f", as {name}"
    whom = "any number of people" if flags.reusable else "one person"
    say(f"lets {whom} {_DOING[role]} in {room}{whose}; they type{_use_by(made)}: {_join(room, link)}")
    ends = made["expires"]
    end = "does not end by itself" if ends is None else f"ends {local_time(ends)}"
    say(f"access {end}; to take it back: collab revoke {made['id']}{_place(flags)}")
    if link is None:
        say(
            "this is the token alone, as this server does not know its address: "
            "say it with --url wss://HOST, or as url in [serve], and there is a link; "
            f"for guests of --ssh it will do: ssh -p 2222 {room}@HOST asks for it"
        )
    return ExitCode.OK


def invites(place: OperatorFlags, room: str | None, *, as_json: bool) -> int:
    """Print which invites there are; returns the exit code. Raises: CollabError."""
    request = {"do": "invites", "room": None if room is None else room_name(room)}
    found: list[dict[str, Any]] = ask(place, request)["invites"]
    if as_json:
        for each in found:
            each["made_at"], each["expires"] = utc_time(each["made_at"]), utc_time(each["expires"])
        sys.stdout.write(json.dumps(found) + "\n")
    elif found:
        print_table([("id", "room", "role", "for", "state", "uses", "made", "ends"), *map(_row, found)])
    else:
        into = "" if room is None else f" into {room}"
        say(f"there are no invites{into}; to make one: collab invite {room or 'ROOM'}")
    return ExitCode.OK


def revoke(place: OperatorFlags, invite_id: str, room: str | None, *, as_json: bool) -> int:
    """Take an invite back, and all access that came of it; returns the exit code.

    `room` is what whoever asks is an admin of; None for operators.

    Raises:
        CollabError: it was not taken back; the text says why.
    """
    ask = asker(place, None if room is None else room_name(room))
    ended = ask({"do": "revoke", "id": invite_id})["ended"]
    if as_json:
        return print_json({"id": invite_id, "ended": ended})
    write(f"revoked {invite_id}{_sent_away(ended)}")
    return ExitCode.OK


def _role(typed: str) -> Role:
    try:
        return Role(typed)
    except ValueError as error:
        raise UsageError(f"--role: {typed!r} is not one of {', '.join(Role)}") from error


def _join(room: str, link: str | None) -> str:
    """Return what they type, without the token: that stands in the line before, and there alone."""
    if link is None:
        return f"collab join 'wss://HOST/{room}#TOKEN'"
    parts = urlsplit(link)
    is_open = parts.scheme == "ws" and not is_loopback(parts.hostname or "")
    return f"collab join{' --insecure' if is_open else ''} 'LINK'"


def _use_by(made: dict[str, Any]) -> str:
    """Say until when a link has to be used, where its access ends only later."""
    use_by = made.get("use_by")
    return "" if use_by in (None, made["expires"]) else f", by {local_time(use_by)}"


def _place(flags: InviteFlags) -> str:
    """Return what else to type to mean the same server."""
    if flags.place.server is not None:
        return f" --server {flags.place.server} --room {flags.room}"
    return "" if flags.place.data_dir is None else f" --data-dir {flags.place.data_dir}"


def _as_json(flags: InviteFlags, name: str | None, made: dict[str, Any], link: str | None) -> dict[str, Any]:
    return {
        "link": link,
        "token": made["token"],
        "id": made["id"],
        "room": flags.room,
        "role": flags.role,
        "name": name,
        "reusable": flags.reusable,
        "expires": utc_time(made["expires"]),
    }


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    ends = each["expires"]
    return (
        each["id"],
        _EVERY_ROOM if each["room"] == "*" else each["room"],
        _OPERATOR if each["room"] == "*" else each["role"],
        each["name"] or "-",
        each["state"],
        str(each["uses"]),
        local_time(each["made_at"]),
        "-" if ends is None else local_time(ends),
    )


def _sent_away(ended: int) -> str:
    if not ended:
        return ""
    return f"; {ended} {'session was' if ended == 1 else 'sessions were'} ended"
