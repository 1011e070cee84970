"""The door for guests as `collab serve` was told to have one: its port, its plan, and what people type."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator

from collab_cli.settings.serving import ServeSettings
from collab_cli.settings.ssh_door import SshDoor
from collab_cli.settings.values import Address
from collab_cli.ssh_door.keeper import DoorKeeper, bind
from collab_cli.ssh_door.plan import DoorPlan, keys_file
from collab_server.log_fields import current_key

_SSH_PORT = 22


@contextlib.asynccontextmanager
async def ssh_door(
    settings: ServeSettings, door: SshDoor, stop: asyncio.Event
) -> AsyncIterator[tuple[asyncio.Event, Callable[[], None]]]:
    """Keep a door until `stop` is set; gives what is set when the guests have left, and what opens the door.

    Raises:
        CommandError: it cannot be opened.
    """
    sockets = bind(door.address)
    typed = command(Address(door.address.host, sockets[0].getsockname()[1]))

    def plan(listeners: tuple[int, ...]) -> DoorPlan:
        return DoorPlan(
            listeners=listeners,
            data_dir=str(settings.data_dir),
            unix_path=str(settings.unix_path),
            come_again=typed,
            has_auth=settings.doors.has_auth,
            guests=door.guests,
            idle_s=door.idle_s,
            session_s=door.session_s,
            log_level=settings.upkeep.log_level,
            log_format=settings.upkeep.log_format,
            log_key=current_key().hex(),
        )

    keeper = DoorKeeper(sockets, plan)

    def announce(fingerprint: str) -> None:
        lines = [f"{typed}    host key {fingerprint}", *_whom(settings)]
        sys.stdout.write("".join(f"  {line}\n" for line in lines))
        sys.stdout.flush()

    async with keeper.running(stop) as rooms_close:
        yield rooms_close, lambda: keeper.open(announce)


def command(address: Address) -> str:
    """Return what guests type to come to ROOM."""
    port = "" if address.port == _SSH_PORT else f"-p {address.port} "
    return f"ssh {port}ROOM@{address.host or socket.gethostname()}"


def _whom(settings: ServeSettings) -> Iterator[str]:
    """Yield whom the door lets in: what lets in more."""
    file = shlex.quote(str(keys_file(settings.data_dir)))
    yield f"  by a key: collab invite ROOM --ssh-key FILE.pub >> {file}"
    if settings.doors.has_auth:
        is_found = settings.data_dir == settings.folders.data
        place = "" if is_found else f" --data-dir {shlex.quote(str(settings.data_dir))}"
        yield f"  by an invite, which they paste: collab invite ROOM{place}"
