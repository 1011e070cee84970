"""What `collab serve` was told, as values; and what of it would let strangers in, refused with what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collab_cli import settings_table as table
from collab_cli.config_file import ConfigFile, read_config
from collab_cli.exits import UsageError
from collab_cli.flags import DEFAULT_HOST, DEFAULT_PORT, ServeFlags
from collab_cli.layers import Layers
from collab_cli.paths import Folders, find_folders, full_path
from collab_cli.setting_values import short_repr
from collab_cli.settings_table import Setting
from collab_cli.targets import is_loopback

DEFAULT_IDLE_EXIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Doors:
    """Where TCP is served, if it is (`host` and `port`), and who may come in by it."""

    host: str | None = None
    port: int | None = None
    is_insecure: bool = False
    has_auth: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    url: str | None = None
    """How people reach it from elsewhere, as in wss://example.org."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many connections and rooms at most, and how many may come in a second."""

    connections: int
    connections_per_address: int
    connections_per_room: int
    accept_rate: int
    rooms: int


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How to serve. `idle_exit_s`: end when alone for so long."""

    folders: Folders
    data_dir: Path
    unix_path: Path
    doors: Doors
    capacity: Capacity
    is_memory: bool
    is_private: bool
    idle_exit_s: float | None
    complaints: tuple[str, ...]


def serve_settings(flags: ServeFlags, environ: Mapping[str, str]) -> ServeSettings:
    """Return how to serve. Raises: UsageError: a value is wrong, or TCP is not to be had that way."""
    folders = find_folders(environ)
    layers = Layers(environ, read_config(folders.config_file))
    data_dir = find_data_dir(flags.data_dir, folders)
    complaints = layers.file.complaints
    if flags.private:  # the private one takes nothing from the file, and must run for the editor to start
        doors, unix_path = Doors(), None
        variable = table.IDLE_EXIT_S.variable
        own = {variable: environ[variable]} if variable in environ else {}
        layers = Layers(own, ConfigFile(folders.config_file))
    else:
        doors = _doors(flags, layers)
        unix_path = layers.find(table.UNIX, flags.unix).value
    idle_exit_s = flags.idle_exit_s
    if idle_exit_s is None and flags.private:
        idle_exit_s = layers.find(table.IDLE_EXIT_S).value or DEFAULT_IDLE_EXIT_S
    return ServeSettings(
        folders=folders,
        data_dir=data_dir,
        unix_path=unix_path or folders.socket(data_dir, is_private=flags.private),
        doors=doors,
        capacity=_capacity(flags, layers),
        is_memory=flags.memory,
        is_private=flags.private,
        idle_exit_s=idle_exit_s,
        complaints=complaints,
    )


def find_data_dir(typed: Path | None, folders: Folders) -> Path:
    """Return the folder of a server: the one that was typed, or this account's.

    Raises:
        UsageError: it is no path.
    """
    source = "the folder for data" if typed is None else "--data-dir"
    data_dir = typed or folders.data
    try:
        return full_path(data_dir)
    except ValueError as error:
        raise UsageError(f"{source}: {short_repr(data_dir)} is not {error}") from error


def find_url(typed: str | None, environ: Mapping[str, str], folders: Folders) -> str | None:
    """Return what invite links begin with; None when nobody has said it.

    Raises:
        UsageError: it is no address.
    """
    return Layers(environ, read_config(folders.config_file)).find(table.URL, typed).value


def _capacity(flags: ServeFlags, layers: Layers) -> Capacity:
    def number(setting: Setting[int], typed: int | None) -> int:
        return layers.find(setting, typed).value or 0  # each has a default

    return Capacity(
        connections=number(table.CONNECTIONS, flags.connections),
        connections_per_address=number(table.CONNECTIONS_PER_ADDRESS, flags.connections_per_address),
        connections_per_room=number(table.CONNECTIONS_PER_ROOM, flags.connections_per_room),
        accept_rate=number(table.ACCEPT_RATE, flags.accept_rate),
        rooms=number(table.ROOMS, flags.rooms),
    )


def _doors(flags: ServeFlags, layers: Layers) -> Doors:
    host = layers.find(table.HOST, flags.host).value
    port = layers.find(table.PORT, flags.port).value
    if host is not None or port is not None:
        host, port = host or DEFAULT_HOST, DEFAULT_PORT if port is None else port
    elif flags.insecure:
        raise UsageError("--insecure opens nothing by itself: add --port PORT")
    auth = layers.find(table.AUTH, flags.auth or None)
    if flags.insecure and auth.value:
        raise UsageError(
            f"--insecure lets in whoever comes, and {auth.source} asks for a token: leave one of them out"
        )
    tls_cert = layers.find(table.TLS_CERT, flags.tls_cert).value
    tls_key = layers.find(table.TLS_KEY, flags.tls_key)
    if tls_key.value is not None and tls_cert is None:
        raise UsageError(f"{tls_key.source} needs the certificate that it belongs to: add --tls-cert FILE")
    doors = Doors(
        host=host,
        port=port,
        is_insecure=flags.insecure,
        has_auth=bool(auth.value),
        tls_cert=tls_cert,
        tls_key=tls_key.value,
        trusted_proxies=layers.find(table.TRUSTED_PROXY, flags.trusted_proxies or None).value or (),
        origins=layers.find(table.ORIGIN, flags.origins or None).value or (),
        url=layers.find(table.URL, flags.url).value,
    )
    _check(doors)
    return doors


def _check(doors: Doors) -> None:
    """Refuse TCP that would let strangers in, or let them read on the way. Raises: UsageError."""
    if doors.host is None:
        return
    where = f"{doors.host}:{doors.port}"
    is_here = is_loopback(doors.host)
    if not (doors.has_auth or doors.is_insecure):
        who = "every account of this machine" if is_here else "everybody who reaches it"
        raise UsageError(
            f"{who} could join over {where}: add --auth, and people come by invite, "
            "or --insecure if that is meant"
        )
    if not (is_here or doors.tls_cert or doors.trusted_proxies):
        raise UsageError(
            f"{doors.host} is reachable from other machines, and others could read on the way: "
            "add --tls-cert FILE --tls-key FILE, or --trusted-proxy ADDRESS of what has them"
        )
