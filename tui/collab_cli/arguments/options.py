"""What the commands of whoever runs a server have in common: which server, which room, how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collab_cli.completion import stored_rooms
from collab_cli.settings.flags import OperatorFlags

Room = Annotated[str, typer.Argument(metavar="ROOM", show_default=False, autocompletion=stored_rooms)]
AnyRoom = Annotated[
    str | None,
    typer.Argument(
        metavar="ROOM", help="Of this room alone.", show_default=False, autocompletion=stored_rooms
    ),
]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The server's folder (this account's).", show_default=False)
]
Server = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="A server elsewhere, wss://HOST[:PORT]; needs a token.", show_default=False
    ),
]
TokenFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Where the token for --server is; - asks.", show_default=False),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Ask at ws://, too, where others may read the token.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def place(context: typer.Context, data_dir: Path | None) -> OperatorFlags:
    """Return which server a command of a group is for, whose own flags are the group's."""
    group = context.obj if isinstance(context.obj, OperatorFlags) else OperatorFlags()
    return OperatorFlags(data_dir, group.server, group.token_file, group.insecure)
