"""`collab doctor` and its flags, for Typer; what it looks at is in `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collab_cli.arguments.config import ConfigFlag
from collab_cli.exits import run_command


def add_commands(app: typer.Typer) -> None:
    """Give `app` all commands of this module."""
    app.command("doctor")(_doctor)


def _doctor(
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The server's folder (this account's).", show_default=False),
    ] = None,
    config: ConfigFlag = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Try whether this one can be reached.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> int:
    """Look for what is wrong, and say what to do.

    At settings, files, server, certificate, clock and terminal; changes nothing. Ends with 3 when
    something is wrong.
    """

    def doctor() -> int:
        from collab_cli.commands import doctor

        return doctor.run(data_dir, config=config, server=server, json=as_json)

    return run_command(doctor)
