"""Whether a token lets its bearer into a room: the server is asked, before a login with it counts.

Over SSH there is no machine at the other end that would keep the credential that an invite is exchanged for.
So an invite for one stays good for whoever says it again here, as a password does, and for nobody elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collab_cli.exits import CommandError, ExitCode
from collab_cli.identity import load_device
from collab_cli.local_server import read_endpoints
from collab_cli.office.link import unpack
from collab_cli.office.office import exchange
from collab_protocol.names import TOKEN

_ANSWER_S: Final = 5.0
_AT_ONCE: Final = 4
_ID_DIGITS: Final = 16
_SILENT: Final = "the server does not answer: try again"


def token_in(typed: str) -> str | None:
    """Return the token of an invite link, or the token itself that was typed; None for neither."""
    found = TOKEN.fullmatch(typed.strip().rpartition("#")[2])
    return found and found[0]


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a token says of its bearer: a display name or "", and whether it may be several people's."""

    name: str
    is_reusable: bool


def guest_of_token(token: str, name: str = "") -> str:
    """Return who comes by `token`: whoever says it again, of several whoever has that name."""
    said = f"{token} {name}" if name else token
    return f"token-{hashlib.sha256(said.encode()).hexdigest()[:_ID_DIGITS]}"


class Devices:
    """The secrets by which the server knows guests again, as it knows other people's machines by theirs."""

    def __init__(self, file: Path) -> None:
        """`file` has the one that all others are made of; it is drawn if need be. Raises: UsageError."""
        self._secret = load_device(file)

    def of(self, guest: str) -> bytes:
        """Return a guest's."""
        return hmac.digest(self._secret, guest.encode(), "sha256")


class TokenCheck:
    """Asks the server that keeps its rooms in one folder."""

    def __init__(self, data_dir: Path, devices: Devices) -> None:
        self._data_dir = data_dir
        self._devices = devices
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def check(self, room: str, token: str) -> Admitted:
        """Return what comes with `token`. An invite for one is used up by it.

        Raises:
            CommandError: it does not let anybody in; the text is for whoever has it.
        """
        async with self._free:
            return await asyncio.to_thread(self._ask, room, token)

    def _ask(self, room: str, token: str) -> Admitted:
        from websockets.exceptions import WebSocketException

        running = read_endpoints(self._data_dir)
        device = self._devices.of(guest_of_token(token))
        request = {"do": "admit", "room": room, "token": token, "device": device.hex()}
        try:
            if running is None:
                raise CommandError(_SILENT, ExitCode.UNREACHABLE)
            answer = unpack(exchange(running, request, open_s=_ANSWER_S, answer_s=_ANSWER_S))
            return Admitted(str(answer["name"]), bool(answer["is_reusable"]))
        except (OSError, EOFError, WebSocketException) as error:
            raise CommandError(_SILENT, ExitCode.UNREACHABLE) from error
