"""What a shell offers on Tab: Typer's scripts and answers, and rooms where one is to be named.

The script asks `collab` itself at each Tab, with a variable that says so. What is offered goes through the
shell's own evaluation, so only what may name a room is offered as one, whatever a file says.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

import typer

from collab_cli.paths import Folders, find_folders
from collab_protocol.errors import CollabError

VARIABLE: Final = "_COLLAB_COMPLETE"
"""Set by the script while it asks."""

_ROOMS_MOST: Final = 1000


class Shell(StrEnum):
    """Whose scripts there are."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


FOR_GOOD: Final[Mapping[Shell, str]] = {
    Shell.BASH: "collab completion bash > ~/.local/share/bash-completion/completions/collab",
    # As a file of $fpath it would answer from the second Tab on: the first would only define it.
    Shell.ZSH: 'in ~/.zshrc, after compinit: eval "$(collab completion zsh)"',
    Shell.FISH: "collab completion fish > ~/.config/fish/completions/collab.fish",
}
"""How each shell has it from then on."""


def script(shell: Shell) -> str:
    """Return what makes `shell` ask us."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # only not listed

    return get_completion_script(prog_name="collab", complete_var=VARIABLE, shell=shell.value) + "\n"


def is_asked(environ: Mapping[str, str]) -> bool:
    """Tell whether a shell asks what it may offer, instead of anybody for a command."""
    return VARIABLE in environ


def get_ready() -> None:
    """Let Typer answer; its own flags for this are not offered."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # only not listed

    completion_init()


def one_of(*choices: str) -> Callable[[str], list[str]]:
    """Return what offers these."""

    def offer(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return offer


def stored_rooms(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the rooms of the server that the command is about."""
    return _offered(_stored(_parameters(context)), incomplete)


def rooms_to_join(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the rooms that were joined last, and then those of this account's server."""
    from collab_cli.recent import recent_rooms

    if any(context.params.get(name) for name in ("server", "target")):
        return []
    try:
        recent = recent_rooms(find_folders(os.environ).recent_file)
    except CollabError:
        recent = []
    return _offered([*recent, *_stored({})], incomplete)


def _parameters(context: typer.Context) -> dict[str, Any]:
    """Return what was typed so far, for the command and for the groups that it is in."""
    found = {} if context.parent is None else _parameters(cast(typer.Context, context.parent))
    return found | {name: value for name, value in context.params.items() if value is not None}


def _offered(rooms: list[str], incomplete: str) -> list[str]:
    from collab_protocol.names import check_room_name

    offered: dict[str, None] = {}
    for room in rooms:
        if room.startswith(incomplete):
            try:
                check_room_name(room)
            except CollabError:
                continue
            offered[room] = None
    return list(offered)[:_ROOMS_MOST]


def _stored(parameters: Mapping[str, Any]) -> list[str]:
    """Return the names in a server's store; none where that is another machine's, or cannot be read."""
    if parameters.get("server"):
        return []
    try:
        store = _data_dir(parameters, find_folders(os.environ)) / "rooms.sqlite3"
        if not store.is_file():
            return []
        from collab_server.store.sqlite import list_rooms

        return list_rooms(store)
    except (CollabError, OSError):
        return []


def _data_dir(parameters: Mapping[str, Any], folders: Folders) -> Path:
    from collab_cli.settings.serving import find_data_dir

    typed = parameters.get("data_dir")
    return find_data_dir(None if typed is None else Path(typed), folders)
