"""Settings: what was typed, over COLLAB_* variables, over config.toml, over defaults; as typed values.

This is the only reader of the environment and of config.toml. A key or variable with a wrong value
ends the command; a key that nobody knows is reported with its line and ignored.

    config.toml     name = "ana"          COLLAB_NAME       --name
                    colour = 3            COLLAB_COLOUR     --colour
                    server = "wss://…"    COLLAB_SERVER     --server
                    theme = "light"       COLLAB_THEME      --theme
                    ascii = true          COLLAB_ASCII      --ascii
                    [serve]
                    host = "127.0.0.1"    COLLAB_HOST       --host
                    port = 8765           COLLAB_PORT       --port
                    unix = "/run/x.sock"  COLLAB_UNIX       --unix

What gives up a protection (--insecure, --memory) is said on the command line or not at all.
COLLAB_HOME=DIR keeps every file under DIR; COLLAB_IDLE_EXIT_S is how long a private server stays alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from collab_cli.exits import UsageError
from collab_cli.flags import COLOURS, DEFAULT_HOST, DEFAULT_PORT, JoinFlags, ServeFlags
from collab_cli.identity import account_name
from collab_cli.paths import Folders, find_folders
from collab_cli.targets import Server, is_loopback, parse_server
from collab_protocol.names import clean_person_name

DEFAULT_IDLE_EXIT_S: Final = 600.0

_JOIN_KEYS: Final = ("name", "colour", "server", "theme", "ascii")
_SERVE_KEYS: Final = ("host", "port", "unix")
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")

T = TypeVar("T")


class Theme(StrEnum):
    """How the screen is coloured."""

    DARK = "dark"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How to join; `server` is where a bare room name is looked for, None on this machine."""

    folders: Folders
    server: Server | None
    name: str
    colour: int | None
    theme: Theme
    is_read_only: bool
    is_ascii: bool
    is_insecure: bool
    is_offline: bool
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
    """Return how to join. Raises: UsageError: a value somewhere is wrong; the text says where."""
    folders = find_folders(environ)
    layers = _Layers(environ, _read_file(folders.config_file))
    colour = layers.find("colour", flags.colour, _number)
    if colour is not None and not 1 <= colour <= COLOURS:
        raise UsageError(f"colour {colour} is not one of 1 to {COLOURS}")
    server = layers.find("server", flags.server, _text)
    return JoinSettings(
        folders=folders,
        server=None if server is None else parse_server(server, is_insecure=flags.insecure),
        name=_person(layers.find("name", flags.name, _text)),
        colour=None if colour is None else colour - 1,
        theme=layers.find("theme", flags.theme, _theme) or Theme.DARK,
        is_read_only=flags.read_only,
        is_ascii=layers.find("ascii", flags.ascii or None, _flag) or not can_draw_unicode,
        is_insecure=flags.insecure,
        is_offline=flags.offline,
        complaints=layers.file.complaints,
    )


def serve_settings(flags: ServeFlags, environ: Mapping[str, str]) -> ServeSettings:
    """Return how to serve. Raises: UsageError: a value is wrong, or TCP is not to be had that way."""
    folders = find_folders(environ)
    layers = _Layers(environ, _read_file(folders.config_file), table="serve")
    data_dir = (flags.data_dir or folders.data).expanduser().absolute()
    host = port = unix_path = None
    if not flags.private:
        host = layers.find("host", flags.host, _text)
        port = layers.find("port", flags.port, _number)
        unix_path = layers.find("unix", flags.unix, lambda value: Path(_text(value)))
    if host is not None or port is not None:
        host, port = _tcp(host or DEFAULT_HOST, DEFAULT_PORT if port is None else port, flags.insecure)
    elif flags.insecure:
        raise UsageError("--insecure opens nothing by itself: add --port PORT")
    idle_exit_s = flags.idle_exit_s
    if idle_exit_s is None and flags.private:
        idle_exit_s = layers.find("idle_exit_s", None, _seconds) or DEFAULT_IDLE_EXIT_S
    return ServeSettings(
        folders=folders,
        data_dir=data_dir,
        unix_path=(
            folders.socket(data_dir, is_private=flags.private)
            if unix_path is None
            else unix_path.expanduser().absolute()
        ),
        host=host,
        port=port,
        is_insecure=flags.insecure,
        is_memory=flags.memory,
        is_private=flags.private,
        idle_exit_s=idle_exit_s,
        complaints=layers.file.complaints,
    )


def _tcp(host: str, port: int, is_insecure: bool) -> tuple[str, int]:
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port} is not one of 0 to 65535")
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
class _File:
    """config.toml as it was read: values by key ("name", "serve.port"), and what is wrong with the rest."""

    path: Path
    text: str = ""
    values: Mapping[str, object] | None = None
    complaints: tuple[str, ...] = ()

    def place(self, key: str) -> str:
        """Return where `key` stands, for a message."""
        line = _line_of(self.text, key)
        return str(self.path) if line is None else f"{self.path}:{line}"


class _Layers:
    """Looks one setting up: what was typed, then the environment, then the file."""

    def __init__(self, environ: Mapping[str, str], file: _File, *, table: str = "") -> None:
        self.file = file
        self._environ = environ
        self._prefix = f"{table}." if table else ""

    def find(self, name: str, typed: object, parse: Callable[[object], T]) -> T | None:
        """Return the first value that is there, parsed; None when there is none.

        Raises:
            UsageError: that value is wrong; the text begins with where it stands.
        """
        variable = f"COLLAB_{name.upper()}"
        key = self._prefix + name
        values = self.file.values or {}
        if typed is not None:
            place, value = f"--{name.replace('_', '-')}", typed
        elif variable in self._environ:
            place, value = variable, self._environ[variable]
        elif key in values:
            place, value = self.file.place(key), values[key]
        else:
            return None
        try:
            return parse(value)
        except ValueError as error:
            raise UsageError(f"{place}: {value!r} is not {error}") from error


def _text(value: object) -> str:
    if isinstance(value, (str, Path)) and str(value).strip():
        return str(value)
    raise ValueError("a text")


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return int(value)
    raise ValueError("a whole number")


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise ValueError("a number of seconds")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise ValueError("true or false")


def _theme(value: object) -> Theme:
    try:
        return Theme(str(value))
    except ValueError as error:
        raise ValueError(f"one of {', '.join(Theme)}") from error


def _person(name: str | None) -> str:
    if name is None:
        return clean_person_name(account_name())
    if not any(c.isprintable() and not c.isspace() for c in name):
        raise UsageError(f"{name!r} is no name that others can read: give one with --name")
    return clean_person_name(name)


def _read_file(path: Path) -> _File:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return _File(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"cannot read {path}: {reason}") from error
    import tomllib  # most people have no config.toml, and need not wait for its parser

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    values: dict[str, object] = {}
    unknown: list[str] = []
    for key, value in table.items():
        if key == "serve" and isinstance(value, dict):
            for inner, inner_value in value.items():
                full = f"serve.{inner}"
                if inner in _SERVE_KEYS:
                    values[full] = inner_value
                else:
                    unknown.append(full)
        elif key in _JOIN_KEYS:
            values[key] = value
        else:
            unknown.append(key)
    file = _File(path, text, values)
    complaints = (f"{file.place(key)}: nobody knows the key {key!r}; it is ignored" for key in unknown)
    return _File(path, text, values, tuple(complaints))


def _line_of(text: str, key: str) -> int | None:
    """Return the line on which `key` ("name", "serve.port") is given; None if it is written unusually."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\]]+)\]", line):
            written = table = _bare(header[1])
        elif given := re.match(r"""\s*([\w."' -]+?)\s*=""", line):
            written = f"{table}.{_bare(given[1])}" if table else _bare(given[1])
            if key.startswith(f"{written}."):  # an inline table
                return number
        else:
            continue
        if written == key or written.startswith(f"{key}."):
            return number
    return None


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))
