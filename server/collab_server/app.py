"""A server from start to end: where its parts are wired, supervised and drained."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import time
from collections.abc import Callable
from typing import Final

from collab_protocol.errors import CollabError, StoreError
from collab_protocol.text import check_offset_unit
from collab_protocol.versions import VERSIONS
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.listener import Listener, PortTaken
from collab_server.lock import Endpoints, FolderLock, FolderTaken, is_older
from collab_server.registry import Registry
from collab_server.store.sqlite import SqliteStore

__all__ = ["Endpoints", "FolderTaken", "NotAllowed", "PortTaken", "serve"]

_log = logging.getLogger(__name__)

_DRAIN_S: Final = 8.0
"""How long clients get to take their last receipts and goodbyes; SIGTERM ends it within 10 s."""

_IDLE_CHECK_S: Final = 0.25


class NotAllowed(CollabError):
    """The settings ask for what would let strangers in."""


async def serve(
    config: ServerConfig, *, stop: asyncio.Event, ready: Callable[[Endpoints], None] | None = None
) -> None:
    """Serve until `stop` is set, or until the server has been idle for `config.idle_exit_s`.

    A private server (one with `idle_exit_s`) that is idle sets `stop` itself when a newer collab asks it to
    hand over; one that somebody runs by hand never does.

    `ready` is called once, when joins succeed.

    Raises:
        FolderTaken: another server holds the data folder.
        PortTaken: another program holds the port or the socket.
        NotAllowed: TCP was asked for beyond loopback, or without `insecure`.
        StoreError: the store cannot be opened, or the socket cannot be made.
    """
    check_offset_unit()
    _check_tcp(config)
    with FolderLock(config.data_dir) as lock:
        store = SqliteStore(None if config.memory else config.data_dir / "rooms.sqlite3")
        committer = Committer(store, asyncio.get_running_loop())
        try:
            registry = Registry(config, committer, epoch=store.epoch, is_durable=store.is_durable)
            await _listen(config, lock, registry, ready, stop)
        finally:
            await committer.close()


async def _listen(
    config: ServerConfig,
    lock: FolderLock,
    registry: Registry,
    ready: Callable[[Endpoints], None] | None,
    stop: asyncio.Event,
) -> None:
    def hand_over(version: str) -> bool:
        is_private = config.idle_exit_s is not None
        if not is_private or listener.connections or not is_older(config.version, version):
            return False
        _log.info("collab %s takes over from this %s: ending", version, config.version)
        stop.set()
        return True

    listener = Listener(registry, hand_over=hand_over)
    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listener.on_unix(config.unix_path))
            tcp: tuple[str, int] | None = None
            if config.port is not None:
                host = config.host or "127.0.0.1"
                server = await stack.enter_async_context(listener.on_tcp(host, config.port))
                tcp = (host, server.sockets[0].getsockname()[1])
            endpoints = Endpoints(
                version=config.version,
                protocol=VERSIONS,
                pid=os.getpid(),
                unix=str(config.unix_path),
                tcp=tcp,
                started=time.time(),
            )
            lock.tell(endpoints)
            _log.info("serving %s on %s%s", config.data_dir, config.unix_path, f" and {tcp}" if tcp else "")
            if ready is not None:
                ready(endpoints)
            await _until_stop(config, listener, stop)
        # Nobody new can come in now.
        await _drain(listener, registry)
    finally:
        await listener.end()
        registry.dispose()


async def _until_stop(config: ServerConfig, listener: Listener, stop: asyncio.Event) -> None:
    if config.idle_exit_s is None:
        await stop.wait()
        return
    idle_since = time.monotonic()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IDLE_CHECK_S):
                await stop.wait()
        if listener.connections:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since >= config.idle_exit_s:
            _log.info("nobody here for %.0f s: ending", config.idle_exit_s)
            return


async def _drain(listener: Listener, registry: Registry) -> None:
    """Commit, receipt, say goodbye, and wait for the goodbyes to be taken."""
    await registry.close("the server is stopping")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await listener.nobody_here.wait()
    if listener.connections:
        _log.warning("%d connections did not take their goodbye", len(listener.connections))


def _check_tcp(config: ServerConfig) -> None:
    if config.port is None:
        return
    if not config.insecure:
        raise NotAllowed(
            "TCP lets in every account of this machine: say so with --insecure, or use the Unix socket alone"
        )
    host = config.host or "127.0.0.1"
    if host != "localhost" and not _is_loopback(host):
        raise NotAllowed(f"{host} is not loopback: until there are access tokens, listen on 127.0.0.1 only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise StoreError(f"{host} is no address of this machine") from error
