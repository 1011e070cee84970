"""`collab top` and its flags, for Typer; what it does is in `commands.top`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from collab_cli.arguments.options import DataDir, Insecure, Server, TokenFile
from collab_cli.exits import run_command
from collab_cli.settings.flags import OperatorFlags, Theme


@dataclass(frozen=True, slots=True)
class TopFlags:
    """What was typed after `collab top`."""

    place: OperatorFlags
    interval_s: float = 1.0
    once: bool = False
    as_json: bool = False
    theme: str | None = None
    ascii: bool | None = None


def add_commands(app: typer.Typer) -> None:
    """Give `app` the command of this module."""
    app.command("top")(_top)


def _top(
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", help="How often to look.", min=0.5, max=60)
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look for one interval, print what there is, and end.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object and end: totals since its start, no rates.")
    ] = False,
    theme: Annotated[str | None, typer.Option(help=f"{', '.join(Theme)}.")] = None,
    ascii_only: Annotated[
        bool | None,
        typer.Option("--ascii/--no-ascii", help="Draw with ASCII signs only.", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    server: Server = None,
    token_file: TokenFile = None,
    insecure: Insecure = False,
) -> int:
    """Watch rooms, people and rates of your server."""
    flags = TopFlags(
        place=OperatorFlags(data_dir, server, token_file, insecure),
        interval_s=interval,
        once=once,
        as_json=as_json,
        theme=theme,
        ascii=ascii_only,
    )

    def top() -> int:
        from collab_cli.commands import top

        return top.run(flags)

    return run_command(top)
