"""Commands about a whole store, and their flags, for Typer; what they do is in `commands`, one a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collab_cli.arguments.admin import admin_app
from collab_cli.arguments.options import DataDir, Json, Yes, place
from collab_cli.completion import stored_rooms
from collab_cli.exits import run_command


def add_commands(app: typer.Typer) -> None:
    """Give `app` the commands of this module, and `collab admin` its own."""
    app.command("backup")(_backup)
    app.command("restore")(_restore)
    app.command("verify")(_verify)
    admin_app.command("compact")(_compact)


def _backup(
    dest: Annotated[
        Path,
        typer.Argument(
            metavar="DEST",
            help="A file, or a folder, in which it gets a name with the time.",
            show_default=False,
        ),
    ],
    data_dir: DataDir = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Keep the newest N in that folder, and remove older ones made so.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Copy all rooms and keys into one file.

    The server may run meanwhile; the file is read back. Whoever has it has all texts, and may make
    tokens: keep it as safe as the server.
    """

    def backup() -> int:
        from collab_cli.commands import backup

        return backup.run(dest, keep=keep, data_dir=data_dir, as_json=as_json)

    return run_command(backup)


def _restore(
    backup: Annotated[
        Path,
        typer.Argument(
            metavar="BACKUP",
            help="What `collab backup` made, or a folder that an earlier restore set aside.",
            show_default=False,
        ),
    ],
    data_dir: DataDir = None,
    yes: Yes = False,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Restore it although something is wrong with some rooms.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Put a backup in the place of a server's rooms. What was there is set aside.

    The server has to be stopped. Who was in a room brings back what they wrote after the backup.
    """

    def restore() -> int:
        from collab_cli.commands import restore

        return restore.run(backup, may_be_damaged=damaged, is_sure=yes, data_dir=data_dir, as_json=as_json)

    return run_command(restore)


def _verify(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE] [ROOM]...",
            help="A backup, by a path with a / or a name that ends in .sqlite3; without it, the server's "
            "rooms. Then rooms, of all that it has.",
            show_default=False,
            autocompletion=stored_rooms,
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Read all rooms through, and tell what is wrong.

    From each snapshot and row, and compared; changes nothing. Ends with 3 when something is wrong.
    The server may run meanwhile.
    """

    def verify() -> int:
        from collab_cli.commands import verify

        return verify.run(what or [], data_dir=data_dir, as_json=as_json)

    return run_command(verify)


def _compact(
    context: typer.Context,
    rooms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ROOM]...",
            help="Of these rooms alone.",
            show_default=False,
            autocompletion=stored_rooms,
        ),
    ] = None,
    older: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="What is older, as 90d (the server's history_age)."),
    ] = None,
    larger: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="What is beyond that of each room, as 100M (history_size)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: Yes = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Remove old history. Texts stay, and who wrote what."""
    flags = place(context, data_dir)

    def compact() -> int:
        from collab_cli.commands import compact

        return compact.run(
            rooms or [], older=older, larger=larger, is_dry=dry_run, is_sure=yes, flags=flags, as_json=as_json
        )

    return run_command(compact)
