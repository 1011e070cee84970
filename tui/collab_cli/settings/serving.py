"""What `collab serve` was told, as values; and what of it would let strangers in, refused with what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError
from collab_cli.paths import Folders, find_folders, full_path
from collab_cli.settings import serve_table
from collab_cli.settings.file import ConfigFile, read_settings, with_config
from collab_cli.settings.flags import DEFAULT_HOST, DEFAULT_PORT, LogFormat, LogLevel, ServeFlags
from collab_cli.settings.layers import Layers
from collab_cli.settings.setting import Setting
from collab_cli.settings.ssh_door import SshDoor, find_ssh_door
from collab_cli.settings.values import Address, short_repr
from collab_cli.socket_group import Group, group_called
from collab_cli.targets import is_loopback

DEFAULT_IDLE_EXIT_S: Final = 600.0


class WrongConfig(UsageError):
    """What the file says of serving is wrong, or nobody knows it; each of `complaints` is a line."""

    def __init__(self, complaints: tuple[str, ...]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = complaints


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
    """How many connections and rooms at most, how many may come in a second, and how much each may say.

    `room_bytes` is how long the text of a room may be.
    """

    connections: int
    connections_per_address: int
    connections_per_room: int
    accept_rate: int
    rooms: int
    loaded_rooms: int
    rooms_per_day: int
    messages_per_second: int
    bytes_per_second: int
    room_bytes: int


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How a server is watched, and what it keeps beside the texts: all of it for `history_*` None."""

    monitor: Address | None
    log_level: LogLevel
    log_format: LogFormat
    history_age_s: int | None
    history_size_bytes: int | None


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How to serve. `idle_exit_s`: end when alone for so long."""

    folders: Folders
    data_dir: Path
    unix_path: Path
    unix_group: Group | None
    """Whose accounts may open it, beside our own."""
    doors: Doors
    ssh: SshDoor | None
    capacity: Capacity
    upkeep: Upkeep
    is_memory: bool
    is_private: bool
    idle_exit_s: float | None
    complaints: tuple[str, ...]


def serve_settings(flags: ServeFlags, environ: Mapping[str, str]) -> ServeSettings:
    """Return how to serve.

    Raises:
        WrongConfig: the file has entries that are wrong, or that nobody knows.
        UsageError: a value is wrong, or TCP is not to be had that way.
    """
    folders = with_config(find_folders(environ), flags.config)
    layers = Layers(environ, read_settings(folders))
    complaints = layers.file.complaints
    if not flags.private and layers.file.serving_complaints:
        raise WrongConfig(layers.file.serving_complaints)
    if flags.private:  # the private one takes nothing from the file, and must run for the editor to start
        doors, unix_path, unix_group = Doors(), None, None
        variable = serve_table.IDLE_EXIT_S.variable
        own = {variable: environ[variable]} if variable in environ else {}
        layers = Layers(own, ConfigFile(folders.config_file))
    data_dir = _data_dir(layers, flags.data_dir, folders)
    if not flags.private:
        doors = find_doors(flags, layers)
        unix_path = layers.find(serve_table.UNIX, flags.unix).value
        unix_group = _unix_group(layers, flags, unix_path)
    idle_exit_s = flags.idle_exit_s
    if idle_exit_s is None and flags.private:
        idle_exit_s = layers.find(serve_table.IDLE_EXIT_S).value or DEFAULT_IDLE_EXIT_S
    return ServeSettings(
        folders=folders,
        data_dir=data_dir,
        unix_path=unix_path or folders.socket(data_dir, is_private=flags.private),
        unix_group=unix_group,
        doors=doors,
        ssh=None if flags.private else find_ssh_door(flags, layers),
        capacity=_capacity(flags, layers),
        upkeep=_upkeep(flags, layers),
        is_memory=bool(layers.find(serve_table.MEMORY, flags.memory).value),
        is_private=flags.private,
        idle_exit_s=idle_exit_s,
        complaints=complaints,
    )


def find_data_dir(typed: Path | None, folders: Folders, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of a server: the one that was typed, or set, or this account's.

    Raises:
        UsageError: it is no path, or what the settings say of it is wrong.
    """
    return _data_dir(Layers(environ, read_settings(folders)), typed, folders)


def _data_dir(layers: Layers, typed: Path | None, folders: Folders) -> Path:
    found = layers.find(serve_table.DATA_DIR, typed).value
    try:
        return found or full_path(folders.data)
    except ValueError as error:
        raise UsageError(f"the folder for data: {short_repr(folders.data)} is not {error}") from error


def _unix_group(layers: Layers, flags: ServeFlags, unix_path: Path | None) -> Group | None:
    """Return whose accounts may open the socket at `unix_path`. Raises: UsageError: they cannot be."""
    found = layers.find(serve_table.GROUP, flags.group)
    if found.value is None:
        return None
    try:
        group = group_called(found.value)
    except ValueError as error:
        raise UsageError(f"{found.source}: {short_repr(found.value)} is not {error}") from error
    if unix_path is None:
        raise UsageError(
            f"{found.source} is for a socket where that group finds it: "
            "add --unix PATH, in a folder that its accounts can enter"
        )
    if not group.is_ours_to_give:
        raise UsageError(
            f"{found.source}: only an account that is in the group {group} can let it in: "
            "have yours added, and log in again"
        )
    return group


def find_url(typed: str | None, environ: Mapping[str, str], folders: Folders) -> str | None:
    """Return what invite links begin with; None when nobody has said it.

    Raises:
        UsageError: it is no address.
    """
    return Layers(environ, read_settings(folders)).find(serve_table.URL, typed).value


def find_history(folders: Folders, environ: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return what a server would keep of each room's history, in seconds and bytes; None for all of it."""
    layers = Layers(environ, read_settings(folders))
    return layers.find(serve_table.HISTORY_AGE).value, layers.find(serve_table.HISTORY_SIZE).value


def _capacity(flags: ServeFlags, layers: Layers) -> Capacity:
    def number(setting: Setting[int], typed: object) -> int:
        return layers.find(setting, typed).value or 0  # each has a default

    return Capacity(
        connections=number(serve_table.CONNECTIONS, flags.connections),
        connections_per_address=number(serve_table.CONNECTIONS_PER_ADDRESS, flags.connections_per_address),
        connections_per_room=number(serve_table.CONNECTIONS_PER_ROOM, flags.connections_per_room),
        accept_rate=number(serve_table.ACCEPT_RATE, flags.accept_rate),
        rooms=number(serve_table.ROOMS, flags.rooms),
        loaded_rooms=number(serve_table.LOADED_ROOMS, flags.loaded_rooms),
        rooms_per_day=number(serve_table.ROOMS_PER_DAY, flags.rooms_per_day),
        messages_per_second=number(serve_table.MESSAGES_PER_SECOND, flags.messages_per_second),
        bytes_per_second=number(serve_table.BYTES_PER_SECOND, flags.bytes_per_second),
        room_bytes=number(serve_table.ROOM_BYTES, flags.room_bytes),
    )


def _upkeep(flags: ServeFlags, layers: Layers) -> Upkeep:
    return Upkeep(
        monitor=layers.find(serve_table.MONITOR, flags.monitor).value,
        log_level=layers.find(serve_table.LOG_LEVEL, flags.log_level).value or LogLevel.INFO,
        log_format=layers.find(serve_table.LOG_FORMAT, flags.log_format).value or LogFormat.TEXT,
        history_age_s=layers.find(serve_table.HISTORY_AGE, flags.history_age).value,
        history_size_bytes=layers.find(serve_table.HISTORY_SIZE, flags.history_size).value,
    )


def find_doors(flags: ServeFlags, layers: Layers) -> Doors:
    """Return where TCP is served, and to whom.

    Raises:
        UsageError: a value is wrong, or it would let strangers in.
    """
    host = layers.find(serve_table.HOST, flags.host).value
    port = layers.find(serve_table.PORT, flags.port).value
    insecure = layers.find(serve_table.INSECURE, flags.insecure)
    if host is not None or port is not None:
        host, port = host or DEFAULT_HOST, DEFAULT_PORT if port is None else port
    elif insecure.value:
        raise UsageError(f"{insecure.source} opens nothing by itself: add --port PORT")
    auth = layers.find(serve_table.AUTH, flags.auth)
    if insecure.value and auth.value:
        raise UsageError(
            f"{insecure.source} lets in whoever comes, and {auth.source} asks for a token: "
            "leave one of them out"
        )
    tls_cert = layers.find(serve_table.TLS_CERT, flags.tls_cert).value
    tls_key = layers.find(serve_table.TLS_KEY, flags.tls_key)
    if tls_key.value is not None and tls_cert is None:
        raise UsageError(f"{tls_key.source} needs the certificate that it belongs to: add --tls-cert FILE")
    doors = Doors(
        host=host,
        port=port,
        is_insecure=bool(insecure.value),
        has_auth=bool(auth.value),
        tls_cert=tls_cert,
        tls_key=tls_key.value,
        trusted_proxies=layers.find(serve_table.TRUSTED_PROXY, flags.trusted_proxies or None).value or (),
        origins=layers.find(serve_table.ORIGIN, flags.origins or None).value or (),
        url=layers.find(serve_table.URL, flags.url).value,
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
