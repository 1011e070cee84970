"""The door: takes connections over SSH, and has a guest made for each session that may be.

It runs in a process of its own (`python -m collab_cli.ssh_door`), beside the fork server, which it made
before it loaded what speaks SSH. It ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncssh

from collab_cli.settings.values import shown_duration
from collab_cli.ssh_door.guests import Guests
from collab_cli.ssh_door.host_key import load_host_key
from collab_cli.ssh_door.keys import KeyFile, make_keys_folder
from collab_cli.ssh_door.limits import LOGIN_S, DoorCaps, Limits
from collab_cli.ssh_door.login import Entrant, Login
from collab_cli.ssh_door.orders import SAVED, GuestOrder
from collab_cli.ssh_door.plan import READY, DoorPlan, keys_file
from collab_cli.ssh_door.session import COME_AGAIN, GuestSession
from collab_cli.ssh_door.tokens import Devices, TokenCheck
from collab_server.log_fields import Kind, about

_log = logging.getLogger(__name__)

_WATCH_S: Final = 1.0
_ACCEPT_AGAIN_S: Final = 1.0
"""How long nobody is taken after there was no descriptor for one."""

_LEAVE_S: Final = 5.0
"""How long guests get to leave when the door closes; a session kills its process before."""

_GO_S: Final = 0.5
_KEEPALIVE_S: Final = 15.0
_KEEPALIVES: Final = 3
_BEYOND_GUESTS: Final = 100
"""Connections that may be there beside those of guests."""

_OPTIONS: Final[dict[str, Any]] = {
    "encoding": None,
    "line_editor": False,
    "agent_forwarding": False,
    "x11_forwarding": False,
    "sftp_factory": None,
    "allow_scp": False,
    "gss_host": None,
    "gss_auth": False,
    "gss_kex": False,
    "host_based_auth": False,
    "password_auth": False,
    "keepalive_interval": _KEEPALIVE_S,
    "keepalive_count_max": _KEEPALIVES,
    "login_timeout": LOGIN_S,
    "compression_algs": None,
    "kex_algs": "-diffie-hellman-*",  # the slow ones: 13 ms of ours for each that anybody begins
    "server_version": "collab",
    "window": 128 * 1024,
}
"""What SSH has beside a terminal is off: each of these is on, or looked for, by asyncssh's defaults."""


class Door:
    """Who may come in, who is there, and what ends that. Close it by ending `run`."""

    def __init__(self, plan: DoorPlan, link: socket.socket) -> None:
        """`link` leads to the fork server. Raises: UsageError: the host key cannot be had."""
        data_dir = Path(plan.data_dir)
        make_keys_folder(plan.folder)
        self._plan = plan
        self._host_key = load_host_key(plan.folder / "host_key")
        self.keys = KeyFile(keys_file(data_dir))
        self.keys.refresh()
        caps = DoorCaps(plan.guests + _BEYOND_GUESTS, plan.guests + _BEYOND_GUESTS // 2)
        self.limits = Limits(caps, time.monotonic)
        self._devices = Devices(plan.folder / "device")
        self.tokens = TokenCheck(data_dir, self._devices) if plan.has_auth else None
        self.is_lost = asyncio.Event()
        """Set when the fork server is gone."""
        self.guests = Guests(link, on_lost=self.is_lost.set)
        self._sessions: set[GuestSession] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._logins: dict[Login, asyncssh.SSHServerConnection] = {}
        self._is_closing = False
        self._nobody_here = asyncio.Event()
        self._nobody_here.set()

    @property
    def fingerprint(self) -> str:
        """What guests compare when they come for the first time."""
        return str(self._host_key.get_fingerprint())

    async def run(self, stop: asyncio.Event) -> None:
        """Let guests in until `stop` is set; then they are told, and leave."""
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            None, server_host_keys=[self._host_key], **_OPTIONS
        )
        sockets = [socket.socket(fileno=number) for number in self._plan.listeners]
        doing = [asyncio.create_task(self._accept(each), name="accept") for each in sockets]
        doing.append(asyncio.create_task(self._watch(), name="watch"))
        print(READY, self.fingerprint, flush=True)
        try:
            await stop.wait()
        finally:
            for task in doing:
                task.cancel()
            for each in sockets:
                each.close()
            await self._close()

    # Connections

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                _log.error("nobody can be taken over SSH: %s", error.strerror)
                await asyncio.sleep(_ACCEPT_AGAIN_S)
                continue
            self._take(sock, str(address[0]))

    def _take(self, sock: socket.socket, address: str) -> None:
        def drop() -> None:
            task.cancel()

        visit = self.limits.knock(address, drop)
        if visit is None:
            _log.info("one too many over SSH", extra=about(kind=Kind.REFUSED))
            sock.close()
            return
        login = Login(self, visit)
        task = asyncio.create_task(self._serve(sock, login), name="connection")
        self._connections.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            self.limits.gone(visit)
            if not task.cancelled() and (error := task.exception()) is not None:
                _log.error("a connection over SSH failed", exc_info=error, extra=about(kind=Kind.FAILED))

        task.add_done_callback(ended)

    async def _serve(self, sock: socket.socket, login: Login) -> None:
        try:
            connection = await asyncssh.run_server(sock, options=self._options, server_factory=lambda: login)
        except (asyncssh.Error, OSError):
            return  # they went, or were sent away, before they had logged in
        self._logins[login] = connection
        try:
            await connection.wait_closed()
        finally:
            del self._logins[login]
            connection.abort()

    # Sessions

    def open_session(self, login: Login, entrant: Entrant) -> GuestSession | None:
        if self._is_closing or not self._is_listed(entrant):  # since they logged in
            return None
        session = GuestSession(self, login, entrant)
        self._sessions.add(session)
        self._nobody_here.clear()
        return session

    def is_full(self) -> bool:
        return len(self.guests) >= self._plan.guests

    def order_for(self, entrant: Entrant, environment: Mapping[str, str]) -> GuestOrder:
        room = entrant.restriction.room
        folder = self._folder_of(entrant)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _log.info("a guest came over SSH", extra=about(room=room, kind=Kind.CAME))
        return GuestOrder(
            room=room,
            first_line=entrant.restriction.encode().decode(),
            unix_path=self._plan.unix_path,
            folder=str(folder),
            come_again=self._plan.come_again.replace("ROOM", room),
            device=self._devices.of(entrant.guest).hex(),
            name=entrant.name,
            token=entrant.token,
            environment=dict(environment),
        )

    def gone(self, session: GuestSession, code: int | None) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._nobody_here.set()
        if code is None:
            return
        entrant = session.entrant
        _log.info("a guest left", extra=about(room=entrant.restriction.room, kind=Kind.LEFT))
        folder = self._folder_of(entrant)
        is_elsewhere = any(self._folder_of(each.entrant) == folder for each in self._sessions)
        if code >= SAVED and not is_elsewhere:
            # All that was typed is saved: what is kept here of the text would outlive a `collab forget`.
            shutil.rmtree(folder / "state" / "journals", ignore_errors=True)

    def _folder_of(self, entrant: Entrant) -> Path:
        """Return what is one guest's, in one room: a key may be for several."""
        return self._plan.guests_folder / entrant.guest / entrant.restriction.room

    async def _watch(self) -> None:
        """End the sessions whose time is over, and those of keys that are not listed any more."""
        plan = self._plan
        missed: set[GuestSession] = set()
        while True:
            await asyncio.sleep(_WATCH_S)
            try:
                self.keys.refresh()
                now = time.monotonic()
                missed_before = missed
                missed = {each for each in self._sessions if not self._is_listed(each.entrant)}
                for session in list(self._sessions):
                    # Looked at twice: a file that is being written may be empty for a moment.
                    if session in missed & missed_before:
                        session.end("your key was taken back, or lets you do something else now")
                    elif now - session.typed_at > plan.idle_s:
                        session.end(f"nothing was typed for {shown_duration(plan.idle_s)}: {COME_AGAIN}")
                    elif now - session.began_at > plan.session_s:
                        session.end(f"a session lasts {shown_duration(plan.session_s)} at most: {COME_AGAIN}")
                for login, connection in list(self._logins.items()):
                    if not login.editors and now - login.quiet_since > LOGIN_S:
                        connection.close()
            except Exception:
                _log.exception("looking after the guests failed")

    def _is_listed(self, entrant: Entrant) -> bool:
        if not entrant.blob:
            return True  # of tokens the server itself keeps track
        found = self.keys.find(entrant.blob, entrant.restriction.room)
        return found is not None and found.restriction == entrant.restriction

    async def _close(self) -> None:
        self._is_closing = True
        for session in list(self._sessions):
            session.end(f"the server is stopping: {COME_AGAIN}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await self._nobody_here.wait()
        # A client that has seen its session end goes by itself, and then has nothing to say about it.
        for wait_s in (_GO_S, _GO_S):
            if self._connections:
                await asyncio.wait(self._connections, timeout=wait_s)
            for task in self._connections:
                task.cancel()
        self.guests.close()
