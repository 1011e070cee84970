"""Settings: what was typed, over COLLAB_* variables, over config.toml, over defaults; as typed values.

The environment and config.toml are read nowhere else; which settings there are stands in `table`,
how one is looked up in `layers`, and how to serve in `serving`. Each may be given as a flag (`--name`), as a
variable (COLLAB_NAME) and in the file.

A wrong flag or variable ends the command: it was meant for this start. A wrong entry in the file is told
with its line and ignored, so that a slip there keeps nobody from the editor. Except for what must not be
guessed: where text goes (`server`), and how it is served to others ([serve]).

`collab serve` starts with no wrong entry in [serve], and with no key that nobody knows. Joining over a line
that others can read (--insecure) is said on the command line or not at all.
COLLAB_HOME=DIR keeps every file under DIR; COLLAB_CONFIG=FILE is read in place of config.toml;
COLLAB_IDLE_EXIT_S is how long a private server stays alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from collab_cli.identity import account_name
from collab_cli.paths import Folders, find_folders
from collab_cli.settings import join_table
from collab_cli.settings.file import read_settings
from collab_cli.settings.flags import JoinFlags, Theme
from collab_cli.settings.layers import Layers
from collab_cli.targets import Server, parse_server
from collab_protocol.names import clean_person_name
from collab_tui.options import Options


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How to join; `server` is where a bare room name is looked for, None on this machine."""

    folders: Folders
    server: Server | None
    name: str
    colour: int | None
    theme: Theme
    options: Options
    keys: Mapping[str, str]
    """Actions that were moved to other keys: Textual's names with commas between, by id; "" for no key."""
    is_read_only: bool
    is_ascii: bool
    is_insecure: bool
    is_offline: bool
    follow: str
    """Whom to follow from the start; empty for nobody."""
    announce: str
    """Where to announce what happens: a file, a FIFO, or `region`; empty for nowhere."""
    token_file: str | None
    """Where the token for rooms at `server` is; None for a server that was typed, which may be another's."""
    complaints: tuple[str, ...]
    ssh: tuple[str, ...] = ("ssh",)
    """What runs ssh, with arguments that it always gets."""


def join_settings(flags: JoinFlags, environ: Mapping[str, str]) -> JoinSettings:
    """Return how to join. Raises: UsageError: a value that counts is wrong; the text says where."""
    folders = find_folders(environ)
    layers = Layers(environ, read_settings(folders))
    server = layers.find(join_table.SERVER, flags.server).value
    name = layers.find(join_table.NAME, flags.name).value
    colour = layers.find(join_table.COLOUR, flags.colour).value
    return JoinSettings(
        folders=folders,
        server=None if server is None else parse_server(server, is_insecure=flags.insecure),
        name=clean_person_name(name or account_name()),
        colour=None if colour is None else colour - 1,
        theme=layers.find(join_table.THEME, flags.theme).value or Theme.AUTO,
        options=_options(layers),
        keys=layers.file.keys,
        is_read_only=bool(layers.find(join_table.READ_ONLY, flags.read_only).value),
        is_ascii=bool(layers.find(join_table.ASCII, flags.ascii).value),
        is_insecure=flags.insecure,
        is_offline=bool(layers.find(join_table.OFFLINE, flags.offline).value),
        follow=layers.find(join_table.FOLLOW, flags.follow or None).value or "",
        announce=layers.find(join_table.ANNOUNCE, flags.announce or None).value or "",
        token_file=layers.find(join_table.TOKEN_FILE).value if flags.server is None else None,
        complaints=layers.file.complaints,
        ssh=tuple(shlex.split(layers.find(join_table.SSH).value or "ssh")),
    )


def _options(layers: Layers) -> Options:
    return Options(
        wrap=bool(layers.find(join_table.WRAP).value),
        ruler=layers.find(join_table.RULER).value or 0,
        whitespace=bool(layers.find(join_table.WHITESPACE).value),
        line_numbers=bool(layers.find(join_table.LINE_NUMBERS).value),
        hints=bool(layers.find(join_table.HINTS).value),
        indent=layers.find(join_table.INDENT).value or "auto",
        auto_close=bool(layers.find(join_table.AUTO_CLOSE).value),
        join_messages=bool(layers.find(join_table.JOIN_MESSAGES).value),
        bell=bool(layers.find(join_table.BELL).value),
    )
