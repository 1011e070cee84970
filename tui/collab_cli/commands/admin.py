"""`collab admin`: who is in the rooms of a server, sending people away, closing rooms, tokens, new keys."""

from __future__ import annotations

import sys
from typing import Any

from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import CommandError, ExitCode, UsageError, say
from collab_cli.office.office import ask
from collab_cli.settings.flags import OperatorFlags
from collab_cli.tables import print_json, print_table, write
from collab_cli.targets import room_name
from collab_protocol.names import clean_person_name


def kick(place: OperatorFlags, room: str, who: str, *, ban_for: str | None, as_json: bool) -> int:
    """Send somebody away, and keep them out for as long as `ban_for` says; returns the exit code.

    Raises:
        CollabError: nobody was; the text says why.
    """
    ban_s = 0 if ban_for is None else parse_duration_s(ban_for, "--for")
    done = ask(place, {"do": "kick", "room": room_name(room), "who": who, "ban_s": ban_s})
    if not done["ended"]:
        raise CommandError(f"nobody called {who} is in {room}", ExitCode.REFUSED)
    if as_json:
        return print_json({"room": room, "who": who, "ended": done["ended"], "ban_s": ban_s})
    windows = "" if done["ended"] == 1 else f" ({done['ended']} sessions)"
    out = "" if ban_for is None else f", and may not come back for {ban_for.strip()}"
    write(f"{who} was sent away from {room}{windows}{out}")
    return ExitCode.OK


def bans(place: OperatorFlags, room: str | None, *, as_json: bool) -> int:
    """Print who may not come in for a time; returns the exit code. Raises: CollabError."""
    if room is not None:
        room_name(room)
    found: list[dict[str, Any]] = ask(place, {"do": "bans", "room": room})["bans"]
    found = [each for each in found if room in (None, each["room"])]
    if as_json:
        return print_json([each | {"until": utc_time(each["until"])} for each in found])
    if found:
        rows = [(each["room"], each["name"], local_time(each["until"]), each["who"]) for each in found]
        print_table([("room", "name", "until", "who"), *rows])
    else:
        say(f"nobody is banned{'' if room is None else f' from {room}'}")
    return ExitCode.OK


def unban(place: OperatorFlags, room: str, who: str, *, as_json: bool) -> int:
    """Let somebody in again; returns the exit code. Raises: CollabError."""
    ask(place, {"do": "unban", "room": room_name(room), "who": who})
    if as_json:
        return print_json({"room": room, "who": who})
    write(f"{who} may come into {room} again")
    return ExitCode.OK


def set_closed(place: OperatorFlags, room: str, *, is_closed: bool, as_json: bool) -> int:
    """Close a room to all but admins, or open it again; returns the exit code. Raises: CollabError."""
    done = ask(place, {"do": "close" if is_closed else "open", "room": room_name(room)})
    if as_json:
        return print_json({"room": room, "closed": is_closed, "ended": done.get("ended", 0)})
    write(f"{room} is {'closed to all but admins' if is_closed else 'open'}")
    return ExitCode.OK


def sessions(place: OperatorFlags, room: str | None, *, as_json: bool) -> int:
    """Print who is connected; returns the exit code. Raises: CollabError."""
    if room is not None:
        room_name(room)
    found: list[dict[str, Any]] = ask(place, {"do": "sessions", "room": room})["sessions"]
    if as_json:
        for each in found:
            each["since"], each["expires"] = utc_time(each["since"]), utc_time(each["expires"])
        return print_json(found)
    if found:
        print_table([("session", "room", "name", "who", "role", "since", "ends"), *map(_row, found)])
    else:
        say(f"nobody is connected{'' if room is None else f' to {room}'}")
    return ExitCode.OK


def rotate_keys(place: OperatorFlags, *, as_json: bool) -> int:
    """Sign with a new key from now on; returns the exit code. Raises: CollabError."""
    kid = ask(place, {"do": "rotate-keys"})["kid"]
    if as_json:
        return print_json({"kid": kid})
    write(f"tokens are signed with key {kid} from now on; the key before stays good until you do this again")
    return ExitCode.OK


def token(place: OperatorFlags, *, expires: str | None, name: str | None, as_json: bool) -> int:
    """Print a token by which one machine may run this server, alone on stdout; returns the exit code.

    Raises:
        CollabError: there is none; the text says why.
    """
    if name is not None and not name.strip():
        raise UsageError("--name: that is no name that others can read")
    expires_s = None if expires is None else parse_duration_s(expires, "--expires")
    made = ask(
        place,
        {"do": "token", "expires_s": expires_s, "name": "" if name is None else clean_person_name(name)},
    )
    if as_json:
        ends = {"expires": utc_time(made["expires"]), "use_by": utc_time(made["use_by"])}
        return print_json({key: made[key] for key in ("token", "server", "id")} | ends)
    write(made["token"])
    sys.stdout.flush()
    url = made["server"] or "wss://HOST"
    say(
        "whoever has this may do with every room what you may; it is good on the first machine that uses it,"
        f" by {local_time(made['use_by'])}: collab admin --server {url} --token-file - sessions"
    )
    ends_at = made["expires"]
    end = "does not end by itself" if ends_at is None else f"ends {local_time(ends_at)}"
    say(f"access {end}; to take it back: collab revoke {made['id']}")
    return ExitCode.OK


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    ends = each["expires"]
    return (
        str(each["session"]),
        each["room"],
        each["name"],
        each["principal"],
        each["role"],
        local_time(each["since"]),
        "-" if ends is None else local_time(ends),
    )
