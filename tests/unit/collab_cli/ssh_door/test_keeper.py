"""`serve`'s end of the door: its sockets, and the process behind them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from collab_cli.exits import CommandError, ExitCode
from collab_cli.settings.values import Address
from collab_cli.ssh_door import keeper
from collab_cli.ssh_door.keeper import DoorKeeper, bind
from collab_cli.ssh_door.opening import command
from collab_cli.ssh_door.plan import DoorPlan

_DEADLINE_S = 20.0

_DOOR = """
import os, sys, time
from pathlib import Path
count = Path(sys.argv[1])
starts = int(count.read_text() or 0) + 1
count.write_text(str(starts))
os.fstat({first})
line = sys.stdin.readline()
{body}
"""
_SERVES = 'print("ready SHA256:x", flush=True)\nsys.stdin.read()'
_DIES_AND_IS_WRONG = """
if starts == 2:
    print("wrong there is no key", flush=True)
    os._exit(1)
print("ready SHA256:x", flush=True)
if starts == 1:
    os._exit(9)
sys.stdin.read()
"""
_IS_WRONG = 'print("wrong there is no key", flush=True)'


class Kept:
    """A keeper whose door is a small program."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
        self.count = tmp_path / "starts"
        self.count.touch()
        self.sockets = bind(Address("127.0.0.1", 0))
        program = _DOOR.format(first=self.sockets[0].fileno(), body=body)
        monkeypatch.setattr(keeper, "_command", lambda: (sys.executable, "-c", program, str(self.count)))
        self.fingerprints: list[str] = []
        self.keeper = DoorKeeper(self.sockets, lambda numbers: plan(tmp_path, numbers))
        self.stop = asyncio.Event()

    async def starts(self, wanted: int) -> None:
        async with asyncio.timeout(_DEADLINE_S):
            while self.count.read_text() != str(wanted):  # another process writes it
                await asyncio.sleep(0.01)


def plan(data_dir: Path, numbers: tuple[int, ...]) -> DoorPlan:
    return DoorPlan(
        listeners=numbers,
        data_dir=str(data_dir),
        unix_path="/x.sock",
        come_again="ssh ROOM@host",
        has_auth=False,
        guests=1,
        idle_s=1,
        session_s=1,
        log_level="info",
        log_format="text",
        log_key="",
    )


async def test_a_door_opens_when_joins_succeed_and_closes_before_the_rooms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path, monkeypatch, f'{_SERVES}\ncount.write_text("gone")')
    async with asyncio.timeout(_DEADLINE_S), kept.keeper.running(kept.stop) as rooms_close:
        assert kept.count.read_text() == ""
        opened = asyncio.get_running_loop().create_future()
        kept.keeper.open(opened.set_result)
        assert await opened == "SHA256:x"
        assert not rooms_close.is_set()
        kept.stop.set()
        await rooms_close.wait()
        assert kept.count.read_text() == "gone"
    assert kept.sockets[0].fileno() == -1


async def test_a_door_that_dies_is_opened_again_and_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_FIRST_PAUSE_S", 0.01)
    kept = Kept(tmp_path, monkeypatch, _DIES_AND_IS_WRONG)
    async with kept.keeper.running(kept.stop):
        kept.keeper.open(kept.fingerprints.append)
        await kept.starts(3)
    assert kept.fingerprints == ["SHA256:x"]


async def test_a_door_that_dies_at_once_waits_longer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keeper, "_FIRST_PAUSE_S", 0.01)
    kept = Kept(tmp_path, monkeypatch, "os._exit(9)")
    async with kept.keeper.running(kept.stop):
        kept.keeper.open(kept.fingerprints.append)
        await kept.starts(4)
    waits = [record.args for record in caplog.records if "opens again in" in record.msg]
    assert waits[:3] == [(0.01,), (0.02,), (0.04,)]


async def test_a_door_that_does_not_close_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_GUESTS_LEAVE_S", 0.05)
    monkeypatch.setattr(keeper, "_LEAVE_S", 0.05)
    kept = Kept(tmp_path, monkeypatch, f"{_SERVES}\ntime.sleep(60)")
    async with asyncio.timeout(_DEADLINE_S), kept.keeper.running(kept.stop):
        opened = asyncio.get_running_loop().create_future()
        kept.keeper.open(opened.set_result)
        await opened


async def test_a_door_that_cannot_open_ends_it_all_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path, monkeypatch, _IS_WRONG)
    with pytest.raises(CommandError, match=r"^there is no key$"):
        async with asyncio.timeout(_DEADLINE_S), kept.keeper.running(kept.stop) as rooms_close:
            kept.keeper.open(kept.fingerprints.append)
            await rooms_close.wait()
    assert not kept.fingerprints


async def test_a_server_that_ends_before_it_was_ready_opens_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path, monkeypatch, _SERVES)
    async with asyncio.timeout(_DEADLINE_S), kept.keeper.running(kept.stop):
        pass
    assert kept.count.read_text() == ""


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CommandError, match=f"127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}; .*--ssh"
        ) as caught:
            bind(Address("127.0.0.1", port))
    assert caught.value.code is ExitCode.REFUSED
    with pytest.raises(CommandError, match=r"cannot listen for SSH on no\.such\.host\.invalid:1"):
        bind(Address("no.such.host.invalid", 1))


def test_without_a_host_every_address_is_listened_on() -> None:
    with contextlib.ExitStack() as stack:
        (found,) = bind(Address("", 0))
        stack.enter_context(found)
        port = found.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        if socket.has_dualstack_ipv6():
            stack.enter_context(socket.create_connection(("::1", port)))


def test_what_guests_type_is_ready_to_be_copied() -> None:
    assert command(Address("host.example.org", 2222)) == "ssh -p 2222 ROOM@host.example.org"
    assert command(Address("::1", 22)) == "ssh ROOM@::1"
    assert command(Address("", 22)) == f"ssh ROOM@{socket.gethostname()}"
