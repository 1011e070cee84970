"""`collab serve`: the server in the foreground, or the private one that `join` started."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shlex
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from collab_cli import __version__
from collab_cli.exits import SIGNAL, CommandError, ExitCode, say
from collab_cli.logs import log_server
from collab_cli.paths import make_folder
from collab_cli.server_signals import ServerSignals
from collab_cli.settings.flags import ServeFlags
from collab_cli.settings.serving import ServeSettings, WrongConfig, serve_settings
from collab_cli.socket_group import closed_folder
from collab_protocol.errors import CollabError

if TYPE_CHECKING:
    from collab_server.app import Endpoints
    from collab_server.config import ServerConfig

PRIVATE_LOG: Final = "server.log"

_log = logging.getLogger(__name__)


def run(flags: ServeFlags) -> int:
    """Serve until told to stop; returns the exit code.

    Raises:
        CollabError: it cannot be done; the text says what to do.
    """
    os.umask(0o077)
    try:
        settings = serve_settings(flags, os.environ)
    except WrongConfig as error:
        for complaint in error.complaints:
            say(complaint)
        return error.code
    for complaint in settings.complaints:
        say(complaint)
    if settings.is_private:
        os.chdir("/")  # it outlives the terminal, and must not keep its folder from being unmounted
    log_file = settings.folders.logs / PRIVATE_LOG if settings.is_private else None
    log_server(log_file, settings.upkeep.log_level, settings.upkeep.log_format)
    make_folder(settings.data_dir)
    try:
        return _run_loop(_serve(settings))
    except CollabError as error:
        if settings.is_private:
            _log.warning("not serving: %s", error)
            if not _is_taken(error):  # else 3, by which `join` knows that another server has the folder
                raise CommandError(str(error), ExitCode.INTERNAL) from error
        raise
    except (KeyboardInterrupt, SystemExit, BrokenPipeError):
        raise
    except BaseException:  # a panic of pycrdt is no Exception
        # By the log, which leaves out what was said of what people wrote; the interpreter would say it all.
        _log.critical("the server failed", exc_info=True)
        return ExitCode.INTERNAL


def _is_taken(error: CollabError) -> bool:
    from collab_server.lock import FolderTaken

    return isinstance(error, FolderTaken)


async def _serve(settings: ServeSettings) -> int:
    from collab_server.app import serve
    from collab_server.passed_sockets import NONE_PASSED, take_passed_sockets
    from collab_server.service_manager import NOBODY, ServiceManager

    signals = ServerSignals(asyncio.get_running_loop(), may_reload=not settings.is_private)
    config = _config(settings)
    gc.freeze()  # all that was loaded stays
    gc.enable()
    manager, passed = NOBODY, NONE_PASSED
    if not settings.is_private:  # else they were meant for the `join` that started us
        manager, passed = ServiceManager.of(os.environ), take_passed_sockets(os.environ)
    with contextlib.closing(passed):
        async with _ssh_door(settings, signals.stop) as (stop, open_door):

            def ready(endpoints: Endpoints) -> None:
                if not settings.is_private:
                    _announce(settings, config, endpoints)
                open_door()

            await serve(
                config,
                ready=ready,
                stop=stop,
                reload=signals.reload,
                passed=passed,
                manager=manager,
            )
    return ExitCode.OK if signals.stopped_by is None else SIGNAL + signals.stopped_by


def _ssh_door(
    settings: ServeSettings, stop: asyncio.Event
) -> contextlib.AbstractAsyncContextManager[tuple[asyncio.Event, Callable[[], None]]]:
    """Keep the door for guests over SSH, if there is one; gives what stops the rooms, and what opens it.

    Raises:
        CommandError: it cannot be opened.
    """
    if settings.ssh is None:
        return contextlib.nullcontext((stop, lambda: None))
    from collab_cli.ssh_door.opening import ssh_door

    return ssh_door(settings, settings.ssh, stop)


def _config(settings: ServeSettings) -> ServerConfig:
    from collab_protocol.limits import RoomLimits
    from collab_server.config import Caps, HistoryLimits, ServerConfig

    doors, capacity, upkeep = settings.doors, settings.capacity, settings.upkeep
    return ServerConfig(
        data_dir=settings.data_dir,
        unix_path=settings.unix_path,
        unix_group=None if settings.unix_group is None else settings.unix_group.number,
        host=doors.host,
        port=doors.port,
        insecure=doors.is_insecure,
        memory=settings.is_memory,
        idle_exit_s=settings.idle_exit_s,
        version=__version__,
        auth=doors.has_auth,
        tls_cert=doors.tls_cert,
        tls_key=doors.tls_key,
        trusted_proxies=doors.trusted_proxies,
        origins=doors.origins,
        url=doors.url,
        caps=Caps(
            connections=capacity.connections,
            connections_per_address=capacity.connections_per_address,
            connections_per_room=capacity.connections_per_room,
            accepts_per_s=capacity.accept_rate,
            rooms=capacity.rooms,
            loaded_rooms=capacity.loaded_rooms,
            rooms_per_day=capacity.rooms_per_day,
            messages_per_s=capacity.messages_per_second,
            bytes_per_s=capacity.bytes_per_second,
        ),
        room_limits=RoomLimits(text_bytes=capacity.room_bytes),
        monitor=upkeep.monitor,
        history=HistoryLimits(upkeep.history_age_s, upkeep.history_size_bytes),
    )


def _announce(settings: ServeSettings, config: ServerConfig, endpoints: Endpoints) -> None:
    """Tell people how to come in."""
    lines = [f"serving {'rooms in memory only' if settings.is_memory else settings.data_dir}"]
    lines += [f"  {line}" for line in _ways_in(settings, config, endpoints)]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    if (group := settings.unix_group) and (closed := closed_folder(Path(endpoints.unix), group)):
        say(f"accounts of the group {group} cannot enter {closed}: have the socket where they can")
    if config.auth and endpoints.tcp is None and settings.ssh is None:
        say("--auth is for TCP, which --port PORT adds: who comes by the socket is known by their account")


def _ways_in(settings: ServeSettings, config: ServerConfig, endpoints: Endpoints) -> Iterator[str]:
    """Yield what people type to come in, or to let others in."""
    from collab_server.ways_in import reached_by

    is_found_by_name = settings.data_dir == settings.folders.data
    path = quote(str(endpoints.unix))
    yield "collab join ROOM" if is_found_by_name else f"collab join 'unix://{path}?room=ROOM'"
    if settings.unix_group is not None:
        yield f"in the group {settings.unix_group}: collab join 'unix://{path}?room=ROOM'"
        yield f"in the group {settings.unix_group}, from elsewhere: collab join 'ssh://HOST/ROOM?unix={path}'"
    if endpoints.tcp is None:
        return
    address = reached_by(config, *endpoints.tcp)
    if not config.auth:
        yield f"collab join {address or 'wss://HOST'}/ROOM"
        return
    invite = "collab invite ROOM"
    if not is_found_by_name:
        invite += f" --data-dir {shlex.quote(str(settings.data_dir))}"
    yield f"{invite}{' --url wss://HOST' if address is None else ''}"


def _run_loop(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, and otherwise the same
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
