"""What packagers and shells ask for, and their flags, for Typer; what they do is in `commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from collab_cli.completion import Shell, one_of
from collab_cli.exits import run_command


def add_commands(app: typer.Typer) -> None:
    """Give `app` all commands of this module."""

    @app.command("completion")
    def _completion(
        shell: Annotated[
            str,
            typer.Argument(
                metavar="|".join(Shell),
                help="Whose script.",
                show_default=False,
                autocompletion=one_of(*Shell),
            ),
        ],
    ) -> int:
        """Print the script that completes what is typed.

        For bash and zsh: eval "$(collab completion bash)"; for fish: collab completion fish | source.
        """

        def completion() -> int:
            from collab_cli.commands import completion

            return completion.run(shell)

        return run_command(completion)

    @app.command("man")
    def _man(
        folder: Annotated[
            Path | None,
            typer.Argument(
                metavar="DIR",
                help="Where man1 and man5 are, or are to be made, as ~/.local/share/man.",
                show_default=False,
            ),
        ] = None,
    ) -> int:
        """Write the man pages, or list them."""

        def man() -> int:
            from collab_cli.commands import man

            return man.run(app, folder)

        return run_command(man)
