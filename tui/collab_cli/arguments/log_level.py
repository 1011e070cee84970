"""`collab admin log-level` and its flags, for Typer; what it does is in `commands.log_level`."""

from __future__ import annotations

from typing import Annotated

import typer

from collab_cli.arguments.options import DataDir, Json, place
from collab_cli.completion import one_of
from collab_cli.exits import run_command
from collab_cli.settings.flags import LogLevel


def add_commands(admin_app: typer.Typer) -> None:
    """Give the group `collab admin` the command of this module."""
    admin_app.command("log-level")(_log_level)


def _log_level(
    context: typer.Context,
    level: Annotated[
        str | None,
        typer.Argument(
            metavar="|".join(LogLevel),
            help="What is logged from now on.",
            show_default=False,
            autocompletion=one_of(*LogLevel),
        ),
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> int:
    """Print or set how much a running server logs.

    What is set holds until the server ends.
    """

    def log_level() -> int:
        from collab_cli.commands import log_level

        return log_level.run(place(context, data_dir), level, as_json=as_json)

    return run_command(log_level)
