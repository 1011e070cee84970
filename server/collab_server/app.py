"""A server from start to end: where its parts are wired, supervised and drained."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from collab_protocol.errors import StoreError
from collab_protocol.text import check_offset_unit
from collab_protocol.versions import VERSIONS
from collab_server import log_level
from collab_server.access import Access
from collab_server.admission import PENDING, Admission, draw_return_ms
from collab_server.committer import Committer
from collab_server.config import Caps, ServerConfig
from collab_server.keys import load_keys
from collab_server.listener import Listener
from collab_server.lock import Endpoints, FolderLock, FolderTaken, is_older
from collab_server.log_fields import set_key
from collab_server.meters import Meters
from collab_server.monitoring.monitor import Monitor
from collab_server.office.limits import LimitDesk
from collab_server.office.office import Office
from collab_server.passed_sockets import NONE_PASSED, PassedSockets, with_passed
from collab_server.peers import Proxies
from collab_server.recheck import Recheck
from collab_server.registry import Registry
from collab_server.retention import Retention
from collab_server.service_manager import NOBODY, ServiceManager, keep_told
from collab_server.store.sqlite import SqliteStore
from collab_server.tls import Certificates
from collab_server.unix_socket import PortTaken
from collab_server.ways_in import DEFAULT_HOST, NotAllowed, check_ways_in, reached_by

__all__ = ["Endpoints", "FolderTaken", "NotAllowed", "PortTaken", "serve"]

_log = logging.getLogger(__name__)

_DRAIN_S: Final = 8.0
"""How long clients get to take their last receipts and goodbyes; SIGTERM ends it within 10 s."""

_IDLE_CHECK_S: Final = 0.25

_FILES_BESIDE: Final = 256
"""Files that a server has open beside its connections."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a running server is made of."""

    config: ServerConfig
    lock: FolderLock
    registry: Registry
    access: Access
    office: Office
    listener: Listener
    recheck: Recheck
    certificates: Certificates | None
    monitor: Monitor
    passed: PassedSockets = NONE_PASSED
    manager: ServiceManager = NOBODY


async def serve(
    config: ServerConfig,
    *,
    stop: asyncio.Event,
    ready: Callable[[Endpoints], None] | None = None,
    reload: asyncio.Event | None = None,
    passed: PassedSockets = NONE_PASSED,
    manager: ServiceManager = NOBODY,
) -> None:
    """Serve until `stop` is set, or until the server has been idle for `config.idle_exit_s`.

    A private server (one with `idle_exit_s`) that is idle sets `stop` itself when a newer collab asks it to
    hand over; one that somebody runs by hand never does.

    `ready` is called once, when joins succeed. Whenever `reload` is set, it is cleared, and keys and
    certificates are read again. `passed` are listened on in place of what would be bound. `manager`
    hears how it goes.

    Raises:
        FolderTaken: another server holds the data folder.
        PortTaken: another program holds the port or the socket.
        NotAllowed: the settings would let in others than they say.
        StoreError: the store, the keys or the certificate cannot be opened, or the socket cannot be made.
    """
    check_offset_unit()
    check_ways_in(config)
    config = with_passed(config, passed)
    certificates = None if config.tls_cert is None else Certificates(config.tls_cert, config.tls_key)
    with FolderLock(config.data_dir) as lock:
        keys = load_keys(config.keys_file) if config.auth else None
        store = SqliteStore(None if config.memory else config.data_dir / "rooms.sqlite3")
        meters = Meters()
        committer = Committer(store, asyncio.get_running_loop(), meters=meters)
        try:
            set_key(store.epoch)
            registry = Registry(
                config, committer, epoch=store.epoch, is_durable=store.is_durable, meters=meters
            )
            stored = await committer.run(lambda store: store.load_access())
            access = Access(committer, stored, keys=keys, now=time.time)
            parts = _wire(config, lock, registry, access, certificates, stop, meters)
            parts = replace(parts, passed=passed, manager=manager)
            async with parts.monitor.running(passed.monitor):
                await _listen(parts, committer, ready, stop, asyncio.Event() if reload is None else reload)
        finally:
            await committer.close()
    _log.info("ended; what was taken is on disk, unless something above says otherwise")


def _wire(
    config: ServerConfig,
    lock: FolderLock,
    registry: Registry,
    access: Access,
    certificates: Certificates | None,
    stop: asyncio.Event,
    meters: Meters,
) -> _Parts:
    def hand_over(version: str) -> bool:
        is_private = config.idle_exit_s is not None
        if not is_private or listener.connections or not is_older(config.version, version):
            return False
        _log.info("collab %s takes over from this %s: ending", version, config.version)
        stop.set()
        return True

    if config.port is not None:
        _make_room_for_files(config.caps)
    office = Office(config, registry, access, lambda: listener.connections)
    office.add(log_level.requests())
    recheck = Recheck(
        office.end_those_over,
        access.next_end,
        lambda: [each.grant for each in listener.connections if each.grant is not None],
    )
    admission = Admission(config.caps, time.monotonic, meters=meters)
    listener = Listener(
        registry,
        access,
        office,
        caps=config.caps,
        admission=admission,
        proxies=Proxies(config.trusted_proxies),
        certificates=certificates,
        origins=config.origins,
        hand_over=hand_over,
        on_grant=recheck.came,
        meters=meters,
    )
    monitor = Monitor(config, meters, registry, listener, admission)
    office.add(monitor.requests)

    def heed(caps: Caps) -> None:
        listener.change_caps(caps)
        if config.port is not None:
            _make_room_for_files(caps)

    limit_desk = LimitDesk(
        config,
        registry=registry,
        admission=admission,
        reassembly=listener.reassembly,
        holdings=listener.holdings,
        on_change=heed,
    )
    office.add({"limits": limit_desk.limits})
    return _Parts(config, lock, registry, access, office, listener, recheck, certificates, monitor)


async def _listen(
    parts: _Parts,
    committer: Committer,
    ready: Callable[[Endpoints], None] | None,
    stop: asyncio.Event,
    reload: asyncio.Event,
) -> None:
    config, listener = parts.config, parts.listener
    retention = Retention(config, committer)
    parts.office.add(retention.requests())
    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(
                listener.on_unix(config.unix_path, parts.passed.unix, group=config.unix_group)
            )
            tcp: tuple[str, int] | None = None
            if config.port is not None:
                host = config.host or DEFAULT_HOST
                tcp = (
                    host,
                    await stack.enter_async_context(listener.on_tcp(host, config.port, parts.passed.tcp)),
                )
                parts.office.address = reached_by(config, *tcp)
            endpoints = Endpoints(
                version=config.version,
                protocol=VERSIONS,
                pid=os.getpid(),
                unix=str(config.unix_path),
                tcp=tcp,
                started=time.time(),
                monitor=parts.monitor.address,
            )
            parts.monitor.health.is_serving = True
            parts.lock.tell(endpoints)
            place = "memory" if config.memory else config.data_dir
            ways = f"{config.unix_path} and {tcp[0]}:{tcp[1]}" if tcp else config.unix_path
            _log.info("serving %s on %s with collab %s", place, ways, config.version)
            if ready is not None:
                ready(endpoints)
            parts.manager.ready()
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(parts.recheck.run(), name="recheck"),
                    tasks.create_task(_reload(parts, reload), name="reload"),
                    tasks.create_task(_keep_told(parts, committer), name="service manager"),
                    tasks.create_task(retention.run(), name="retention"),
                ]
                await _until_stop(config, listener, stop)
                parts.monitor.health.is_stopping = True
                parts.manager.stopping()
                for task in beside:
                    task.cancel()
        # Nobody new can come in now.
        await _drain(parts)
    finally:
        await listener.end()
        await parts.office.close()
        parts.registry.dispose()


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


async def _reload(parts: _Parts, reload: asyncio.Event) -> None:
    """Read keys and certificate again whenever that is asked for; what cannot be read stays as it was."""
    while True:
        await reload.wait()
        reload.clear()
        parts.manager.reloading()
        if parts.certificates is not None:
            parts.certificates.reload()
        if parts.access.keys is not None:
            _reload_keys(parts)
        parts.manager.ready()


def _reload_keys(parts: _Parts) -> None:
    try:
        # None are drawn: a file that is gone must not void all tokens under a server that has them.
        parts.access.keys = load_keys(parts.config.keys_file, may_draw=False)
    except StoreError as error:
        _log.error("%s; the keys of before stay in use", error)
    else:
        _log.info("the keys were read again from %s", parts.config.keys_file)
        parts.office.end_those_over()


async def _keep_told(parts: _Parts, committer: Committer) -> None:
    """Let the service manager know that this server is alive, and what it does."""

    def status() -> str:
        if trouble := parts.registry.trouble:
            return f"nothing can be saved: {trouble}"
        people, rooms = len(parts.listener.connections), len(parts.registry.loaded)
        return f"connections: {people}, rooms in memory: {rooms}"

    await keep_told(parts.manager, lambda: committer.run(lambda store: None), status)


async def _drain(parts: _Parts) -> None:
    """Commit, receipt, say goodbye, and wait for the goodbyes to be taken."""
    listener = parts.listener
    people = len(listener.connections)
    _log.info("stopping: %d connections are told to come back", people)
    await parts.registry.close(
        "the server is stopping", lambda: draw_return_ms(people, listener.caps, random.random)
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await listener.nobody_here.wait()
    if listener.connections:
        _log.warning("%d connections did not take their goodbye", len(listener.connections))


def _make_room_for_files(caps: Caps) -> None:
    """Let this process have open as many files as its caps ask for, or as many as it may."""
    wanted = caps.connections + PENDING + _FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    if soft < wanted:
        _log.warning(
            "this account may have %d files open: fewer connections than the cap of %d",
            soft,
            caps.connections,
        )
