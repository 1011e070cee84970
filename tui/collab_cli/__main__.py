"""The way in: answers what needs no library by itself, and starts the rest as late as possible.

Typer takes longer to load than an editor may take to paint beside Textual, so plain `collab join ROOM`
does not wait for it, nor the server that it starts; both mean the same either way.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Final

from collab_cli import __version__

_COMPLETE: Final = "_COLLAB_COMPLETE"
"""As in `collab_cli.completion`: a shell asks what it may offer."""

_EXAMPLES: Final = """\
collab join notes                           edit the room "notes"; others here join it the same way
collab join ws://127.0.0.1:8765/notes       edit it on a server that somebody runs
collab serve --port 8765 --insecure         be that server, for this machine

collab --help lists all commands
"""


def main() -> int:
    """Run `collab` with the arguments of this process; returns its exit code."""
    # What is loaded is no garbage, and looking through it costs 15 ms of a start. Whoever stays turns it on.
    gc.disable()
    arguments = sys.argv[1:]
    match arguments:
        case [] if _COMPLETE not in os.environ:
            sys.stdout.write(_EXAMPLES)
            return 0
        case ["--version"]:
            sys.stdout.write(f"collab {__version__}\n")
            return 0
        case ["join"]:
            return _join(None)
        case ["join", target] if not target.startswith("-"):
            return _join(target)
        case ["serve", "--private", folder] if not folder.startswith("-"):
            return _serve_privately(folder)
        case ["relay", *rest] if not {"-h", "--help"} & {*rest}:
            return be_relay(rest)
        case _:
            from collab_cli.main import run

            return run(arguments)


def _join(target: str | None) -> int:
    from collab_cli.exits import run_command

    def join() -> int:
        from collab_cli.commands import join
        from collab_cli.settings.flags import JoinFlags

        return join.run(JoinFlags(target=target))

    return run_command(join)


def _serve_privately(folder: str) -> int:
    """Be the server that a `join` waits for."""
    from pathlib import Path

    from collab_cli.exits import run_command

    def serve() -> int:
        from collab_cli.commands import serve
        from collab_cli.settings.flags import ServeFlags

        return serve.run(ServeFlags(data_dir=Path(folder), private=True))

    return run_command(serve)


def be_relay(arguments: list[str]) -> int:
    """Be what sshd runs; its first line comes before all else, since somebody waits for it."""
    from collab_protocol.versions import RELAY

    try:
        os.write(1, f"{RELAY} {__version__}\n".encode())
    except OSError:
        return 0  # nobody is there any more
    from collab_cli.exits import run_command
    from collab_cli.ssh import relay

    return run_command(lambda: relay.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
