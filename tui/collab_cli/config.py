"""Settings: what was typed, over COLLAB_* variables, over config.toml, over defaults; as typed values.

This is the only reader of the environment and of config.toml; which settings there are stands in
`settings_table`. Each may be given as a flag (`--name`), as a variable (COLLAB_NAME) and in the file.

A wrong flag or variable ends the command: it was meant for this start. A wrong entry in the file is told
with its line and ignored, so that a slip there keeps nobody from the editor. Except for what must not be
guessed: where text goes (`server`), and how it is served to others ([serve]).

What gives up a protection (--insecure, --memory) is said on the command line or not at all.
COLLAB_HOME=DIR keeps every file under DIR; COLLAB_IDLE_EXIT_S is how long a private server stays alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from collab_cli import settings_table as table
from collab_cli.config_file import ConfigFile, read_config
from collab_cli.exits import UsageError
from collab_cli.flags import DEFAULT_HOST, DEFAULT_PORT, JoinFlags, ServeFlags, Theme
from collab_cli.identity import account_name
from collab_cli.paths import Folders, find_folders, full_path
from collab_cli.settings_table import Setting, short_repr
from collab_cli.targets import Server, is_loopback, parse_server
from collab_protocol.names import clean_person_name
from collab_tui.options import Options

DEFAULT_IDLE_EXIT_S: Final = 600.0

T = TypeVar("T")


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
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How to serve; with `host` over TCP too. `idle_exit_s`: end when alone for so long."""

    folders: Folders
    data_dir: Path
    unix_path: Path
    host: str | None
    port: int | None
    is_insecure: bool
    is_memory: bool
    is_private: bool
    idle_exit_s: float | None
    complaints: tuple[str, ...]


def join_settings(flags: JoinFlags, environ: Mapping[str, str], *, can_draw_unicode: bool) -> JoinSettings:
    """Return how to join. Raises: UsageError: a value that counts is wrong; the text says where."""
    folders = find_folders(environ)
    layers = Layers(environ, read_config(folders.config_file))
    server = layers.find(table.SERVER, flags.server).value
    name = layers.find(table.NAME, flags.name).value
    colour = layers.find(table.COLOUR, flags.colour).value
    return JoinSettings(
        folders=folders,
        server=None if server is None else parse_server(server, is_insecure=flags.insecure),
        name=clean_person_name(name or account_name()),
        colour=None if colour is None else colour - 1,
        theme=layers.find(table.THEME, flags.theme).value or Theme.AUTO,
        options=_options(layers),
        keys=layers.file.keys,
        is_read_only=flags.read_only,
        is_ascii=layers.find(table.ASCII, flags.ascii or None).value or not can_draw_unicode,
        is_insecure=flags.insecure,
        is_offline=flags.offline,
        follow=flags.follow or "",
        announce=flags.announce or "",
        complaints=layers.file.complaints,
    )


def _options(layers: Layers) -> Options:
    return Options(
        wrap=bool(layers.find(table.WRAP).value),
        ruler=layers.find(table.RULER).value or 0,
        whitespace=bool(layers.find(table.WHITESPACE).value),
        line_numbers=bool(layers.find(table.LINE_NUMBERS).value),
        hints=bool(layers.find(table.HINTS).value),
        indent=layers.find(table.INDENT).value or "auto",
        auto_close=bool(layers.find(table.AUTO_CLOSE).value),
        join_messages=bool(layers.find(table.JOIN_MESSAGES).value),
        bell=bool(layers.find(table.BELL).value),
    )


def serve_settings(flags: ServeFlags, environ: Mapping[str, str]) -> ServeSettings:
    """Return how to serve. Raises: UsageError: a value is wrong, or TCP is not to be had that way."""
    folders = find_folders(environ)
    layers = Layers(environ, read_config(folders.config_file))
    data_dir = _data_dir(flags, folders)
    host = port = unix_path = None
    if not flags.private:  # the private one takes nothing from the file, and must run for the editor to start
        host = layers.find(table.HOST, flags.host).value
        port = layers.find(table.PORT, flags.port).value
        unix_path = layers.find(table.UNIX, flags.unix).value
    if host is not None or port is not None:
        host, port = _tcp(host or DEFAULT_HOST, DEFAULT_PORT if port is None else port, flags.insecure)
    elif flags.insecure:
        raise UsageError("--insecure opens nothing by itself: add --port PORT")
    idle_exit_s = flags.idle_exit_s
    if idle_exit_s is None and flags.private:
        idle_exit_s = layers.find(table.IDLE_EXIT_S).value or DEFAULT_IDLE_EXIT_S
    return ServeSettings(
        folders=folders,
        data_dir=data_dir,
        unix_path=unix_path or folders.socket(data_dir, is_private=flags.private),
        host=host,
        port=port,
        is_insecure=flags.insecure,
        is_memory=flags.memory,
        is_private=flags.private,
        idle_exit_s=idle_exit_s,
        complaints=layers.file.complaints,
    )


def _data_dir(flags: ServeFlags, folders: Folders) -> Path:
    source = "the folder for data" if flags.data_dir is None else "--data-dir"
    data_dir = flags.data_dir or folders.data
    try:
        return full_path(data_dir)
    except ValueError as error:
        raise UsageError(f"{source}: {short_repr(data_dir)} is not {error}") from error


def _tcp(host: str, port: int, is_insecure: bool) -> tuple[str, int]:
    if not is_loopback(host):
        raise UsageError(
            f"{host} is reachable from other machines, and there are no access tokens yet: "
            f"serve on {DEFAULT_HOST} and let people come in over SSH"
        )
    if not is_insecure:
        raise UsageError(
            f"every account of this machine could join over {host}:{port}: add --insecure if that is meant"
        )
    return host, port


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value, and where it comes from: "--name", "COLLAB_NAME", "…/config.toml:3" or "default"."""

    value: T | None
    source: str


class Layers:
    """Looks one setting up: what was typed, then the environment, then the file, then the default."""

    def __init__(self, environ: Mapping[str, str], file: ConfigFile) -> None:
        self.file = file
        self._environ = environ

    def find(self, setting: Setting[T], typed: object = None) -> Found[T]:
        """Return the first value that is there, parsed.

        Raises:
            UsageError: that value is wrong and may not be passed over; the text says where it stands.
        """
        if typed is not None:
            source, value = setting.flag, typed
        elif setting.variable in self._environ:
            source, value = setting.variable, self._environ[setting.variable]
        elif setting.key in self.file.values:
            source, value = self.file.place(setting.key), self.file.values[setting.key]
        elif setting.is_needed_right and (wrong := self.file.wrong_at(setting.key)):
            raise UsageError(wrong)
        else:
            return Found(setting.default, "default")
        try:
            return Found(setting.parse(value), source)
        except ValueError as error:
            raise UsageError(f"{source}: {short_repr(value)} is not {error}") from error
