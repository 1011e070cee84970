"""`collab relay` for Typer: its flags, as help, man page and completion show them.

What sshd runs does not come here: `collab_cli.__main__` answers it before Typer is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collab_cli.completion import one_of, stored_rooms


def add_commands(app: typer.Typer) -> None:
    """Give `app` the command."""
    app.command("relay")(_relay)


def _relay(
    unix: Annotated[Path | None, typer.Option(metavar="PATH", help="The server's Unix socket.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The server's folder (this account's).")
    ] = None,
    room: Annotated[
        str | None,
        typer.Option(metavar="ROOM", help="Let into this room alone.", autocompletion=stored_rooms),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="read|write|admin",
            help="What they may do in it at most.",
            autocompletion=one_of("read", "write", "admin"),
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What they are called there, whatever they say.")] = None,
    key: Annotated[str | None, typer.Option(metavar="ID", help="The id of their SSH key.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="When their access ends, since 1970 in UTC.")
    ] = None,
) -> int:
    """Connect stdin and stdout with your server, for SSH.

    `collab join ssh://HOST/ROOM` runs it on HOST; in authorized_keys it holds a key to one room.
    """
    from collab_cli.__main__ import be_relay

    given = {"unix": unix, "data-dir": data_dir, "room": room, "role": role}
    given |= {"name": name, "key": key, "until": until}
    return be_relay([f"--{flag}={value}" for flag, value in given.items() if value is not None])
