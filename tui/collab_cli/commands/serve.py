"""`collab serve`: the server in the foreground, or the private one that `join` started."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from collab_cli import __version__
from collab_cli.config import ServeSettings, serve_settings
from collab_cli.exits import SIGNAL, CommandError, ExitCode, say
from collab_cli.flags import ServeFlags
from collab_cli.logs import log_to_file, log_to_stderr
from collab_cli.paths import make_folder
from collab_protocol.errors import CollabError

if TYPE_CHECKING:
    from collab_server.app import Endpoints

PRIVATE_LOG: Final = "server.log"

_log = logging.getLogger(__name__)


def run(flags: ServeFlags) -> int:
    """Serve until told to stop; returns the exit code.

    Raises:
        CollabError: it cannot be done; the text says what to do.
    """
    os.umask(0o077)
    settings = serve_settings(flags, os.environ)
    for complaint in settings.complaints:
        say(complaint)
    if settings.is_private:
        os.chdir("/")  # it outlives the terminal, and must not keep its folder from being unmounted
        log_to_file(settings.folders.logs / PRIVATE_LOG)
    else:
        log_to_stderr()
    make_folder(settings.data_dir)
    try:
        return _run_loop(_serve(settings))
    except CollabError as error:
        if settings.is_private:
            _log.warning("not serving: %s", error)
            if not _is_taken(error):  # else 3, by which `join` knows that another server has the folder
                raise CommandError(str(error), ExitCode.INTERNAL) from error
        raise


def _is_taken(error: CollabError) -> bool:
    from collab_server.lock import FolderTaken

    return isinstance(error, FolderTaken)


async def _serve(settings: ServeSettings) -> int:
    from collab_server.app import serve
    from collab_server.config import ServerConfig

    stop = asyncio.Event()
    stopped_by: list[int] = []
    loop = asyncio.get_running_loop()

    def stop_by(number: int) -> None:
        stopped_by.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop_by, number)
    config = ServerConfig(
        data_dir=settings.data_dir,
        unix_path=settings.unix_path,
        host=settings.host,
        port=settings.port,
        insecure=settings.is_insecure,
        memory=settings.is_memory,
        idle_exit_s=settings.idle_exit_s,
        version=__version__,
    )
    gc.freeze()  # all that was loaded stays
    gc.enable()
    await serve(config, ready=_announce(settings), stop=stop)
    return SIGNAL + stopped_by[0] if stopped_by else ExitCode.OK


def _announce(settings: ServeSettings) -> Callable[[Endpoints], None] | None:
    """Return what tells people how to come in."""
    if settings.is_private:
        return None

    def announce(endpoints: Endpoints) -> None:
        is_found_by_name = settings.data_dir == settings.folders.data
        lines = [f"serving {'rooms in memory only' if settings.is_memory else settings.data_dir}"]
        lines.append(
            "  collab join ROOM" if is_found_by_name else f"  collab join 'unix://{endpoints.unix}?room=ROOM'"
        )
        if endpoints.tcp is not None:
            host, port = endpoints.tcp
            shown = f"[{host}]" if ":" in host else host
            lines.append(f"  collab join ws://{shown}:{port}/ROOM")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    return announce


def _run_loop(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:  # no wheel for this platform: slower, and otherwise the same
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
