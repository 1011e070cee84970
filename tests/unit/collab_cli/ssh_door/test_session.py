"""One session at the door, with neither SSH nor a process behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from collab_cli.ssh_door.limits import SESSIONS
from collab_cli.ssh_door.login import Entrant, Login
from collab_cli.ssh_door.orders import SAVED, GuestOrder
from collab_cli.ssh_door.session import GuestSession
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction
from tests.unit.collab_cli.ssh_door.test_orders import order

_ENTRANT = Entrant(Restriction("notes", Role.WRITE), "key-1", "ana")


class Channel:
    """Takes note of what is said to a client."""

    def __init__(self) -> None:
        self.said = b""
        self.code: int | None = None

    def write(self, data: bytes) -> None:
        self.said += data

    write_stderr = write

    def exit(self, code: int) -> None:
        self.code = code

    def set_write_buffer_limits(self, _: int) -> None:
        pass

    def get_terminal_size(self) -> tuple[int, int, int, int]:
        return 80, 24, 0, 0

    def get_environment(self) -> dict[str, str]:
        return {"COLORTERM": "truecolor", "LD_PRELOAD": "x"}

    def get_extra_info(self, _: str) -> None:
        return None


class House:
    """Has one guest, whose end of the PTY is `tty`, and who ends by `end`."""

    def __init__(self) -> None:
        self.guests: Any = self
        self.tty = -1
        self.end: Callable[[int], None] = lambda _: None
        self.codes: list[int | None] = []
        self.environment: dict[str, str] = {}

    def is_full(self) -> bool:
        return False

    def order_for(self, entrant: Entrant, environment: dict[str, str]) -> GuestOrder:
        self.environment = environment
        return order()

    def gone(self, session: GuestSession, code: int | None) -> None:
        self.codes.append(code)

    def open(self, _: GuestOrder, tty: int, on_ended: Callable[[int], None]) -> int:
        self.tty, self.end = os.dup(tty), on_ended
        return 1

    def signal(self, guest: int, number: int) -> None:
        pass

    def leave(self, code: int) -> None:
        os.close(self.tty)
        self.end(code)


class Sitting:
    """A session that has begun."""

    def __init__(self) -> None:
        self.house, self.channel = House(), Channel()
        lobby: Any = self
        house: Any = self.house
        channel: Any = self.channel
        self.login = Login(lobby, lobby)
        self.login.entrant = _ENTRANT
        self.session = GuestSession(house, self.login, _ENTRANT)
        self.session.connection_made(channel)
        assert self.session.pty_requested("xterm", (80, 24, 0, 0), {})
        self.session.session_started()

    def open_session(self, login: Login, entrant: Entrant) -> str:
        return "another"

    def leave(self, code: int) -> None:
        self.house.leave(code)
        self.session._output_ended()


@pytest.mark.parametrize(
    ("code", "told", "status"),
    [
        (SAVED, b"", 0),
        (os.EX_OSERR, b"the server cannot start an editor now: try again later", os.EX_OSERR),
        (os.EX_SOFTWARE, b"the editor broke", os.EX_SOFTWARE),
        (-11, b"the editor broke", 128 + 11),
    ],
)
async def test_what_the_process_cannot_say_any_more_is_said(code: int, told: bytes, status: int) -> None:
    sitting = Sitting()
    sitting.leave(code)
    assert told in sitting.channel.said
    assert sitting.channel.said.count(b"collab: ") == (1 if told else 0)
    assert sitting.channel.code == status
    assert sitting.house.codes == [code]


async def test_output_waits_for_the_window_and_for_the_connection() -> None:
    sitting = Sitting()
    session, pump = sitting.session, sitting.session._pump
    assert pump is not None
    session.pause_writing()
    sitting.login._hold_output(True)
    for resume in (session.resume_writing, lambda: sitting.login._hold_output(False)):
        assert not pump._is_reading
        resume()
    assert pump._is_reading
    sitting.leave(SAVED)


async def test_an_editor_that_outlives_its_channel_counts_until_it_has_ended() -> None:
    sitting = Sitting()
    login = sitting.login
    login.editors = SESSIONS
    sitting.session.connection_lost(None)
    assert not login.sessions
    assert login.session_requested() is False
    login.editors = 1
    assert login.session_requested()
    sitting.house.leave(SAVED)
    assert login.editors == 0


async def test_of_what_a_client_sends_a_guest_gets_what_it_needs() -> None:
    sitting = Sitting()
    assert sitting.house.environment.keys() == {"TERM", "LANG", "SSH_CONNECTION", "COLORTERM"}
    sitting.leave(SAVED)
