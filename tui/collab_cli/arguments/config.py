"""`collab config` and its flags, for Typer; what it does is in `commands.config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from collab_cli.exits import run_command

CONFIG: Final = "config"

ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read it instead of config.toml.",
        show_default=False,
        readable=False,  # said in our own words
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]

config_app: Final = typer.Typer(
    help="Show, check or change the settings in config.toml.", rich_markup_mode=None
)


def add_commands(app: typer.Typer) -> None:
    """Give `app` all commands of this module."""
    app.add_typer(config_app, name=CONFIG)


@config_app.command("path")
def _config_path(file: ConfigFlag = None) -> int:
    """Print where config.toml is, or would be."""

    def config_path() -> int:
        from collab_cli.commands import config

        return config.print_path(file)

    return run_command(config_path)


@config_app.command("show")
def _config_show(
    as_json: _Json = False,
    file: ConfigFlag = None,
) -> int:
    """Print every setting, and where it comes from.

    Ends with 2 when one is wrong.
    """

    def config_show() -> int:
        from collab_cli.commands import config

        return config.show(as_json=as_json, config=file)

    return run_command(config_show)


@config_app.command("check")
def _config_check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="This one (config.toml).", show_default=False),
    ] = None,
    as_json: _Json = False,
) -> int:
    """Say all that is wrong in config.toml.

    Each with its line; ends with 2 when something is.
    """

    def config_check() -> int:
        from collab_cli.commands import config

        return config.check(file, as_json=as_json)

    return run_command(config_check)


@config_app.command("edit")
def _config_edit(
    file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Open it instead of config.toml.", show_default=False),
    ] = None,
) -> int:
    """Edit config.toml, and check it afterwards.

    In $VISUAL or $EDITOR.
    """

    def config_edit() -> int:
        from collab_cli.commands import config

        return config.edit(file)

    return run_command(config_edit)
