"""Tests of `collab_server.service_manager`: what it is told by a server, and when it is told nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import StoreError
from collab_server.service_manager import ServiceManager, keep_told

from .wire import DEADLINE_S, config, joined, running, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


class Listening:
    """A service manager's end: hears what it is told."""

    def __init__(self, address: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind(address)
        self._sock.setblocking(False)

    def close(self) -> None:
        self._sock.close()

    async def next(self) -> dict[str, str]:
        """Return the next state that was told."""
        async with asyncio.timeout(DEADLINE_S):
            said = await asyncio.get_running_loop().sock_recv(self._sock, 4096)
        return dict(line.split("=", 1) for line in said.decode().splitlines())

    async def until(self, name: str, value: str | None = None) -> list[dict[str, str]]:
        """Return what is told up to a state that has `name`, that one last."""
        heard = [await self.next()]
        while name not in heard[-1] or value not in (None, heard[-1][name]):
            heard.append(await self.next())
        return heard

    def all_so_far(self) -> list[str]:
        """Return what was told and not heard yet."""
        said = []
        while True:
            try:
                said.append(self._sock.recv(4096).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def listening(folder: Path) -> Iterator[Listening]:
    made = Listening(str(folder / "notify"))
    yield made
    made.close()


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(folder / "notify"), **more}


def test_it_is_taken_out_of_the_environment(folder: Path) -> None:
    environ = environment(folder, WATCHDOG_USEC="3000000", WATCHDOG_PID=str(os.getpid()), HOME="/")
    manager = ServiceManager.of(environ)
    assert manager.is_there
    assert manager.watchdog_s == 3.0
    assert environ == {"HOME": "/"}


@pytest.mark.parametrize(
    "watchdog",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}],
)
def test_no_sign_of_life_is_wanted_of_another_process(folder: Path, watchdog: dict[str, str]) -> None:
    assert ServiceManager.of(environment(folder, **watchdog)).watchdog_s is None


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1", "relative"])
def test_an_address_that_is_none_is_nobody(address: str) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": address})
    assert not manager.is_there
    manager.ready()


async def test_it_may_be_gone(folder: Path, listening: Listening) -> None:
    manager = ServiceManager.of(environment(folder))
    listening.close()
    manager.ready()
    manager.stopping()


async def test_an_abstract_address_is_one(folder: Path) -> None:
    listening = Listening(f"\0{folder}")
    ServiceManager.of({"NOTIFY_SOCKET": f"@{folder}"}).ready()
    assert await listening.next() == {"READY": "1"}
    listening.close()


async def test_a_status_is_one_line_and_said_once(folder: Path, listening: Listening) -> None:
    manager = ServiceManager.of(environment(folder))
    manager.status("full\nREADY=1")
    manager.status("full\nREADY=1")
    manager.stopping()
    assert listening.all_so_far() == ["STATUS=full READY=1", "STOPPING=1\nSTATUS=saying goodbye"]


async def test_a_manager_that_reads_nothing_holds_up_nobody(folder: Path, listening: Listening) -> None:
    manager = ServiceManager.of(environment(folder))
    for _ in range(2000):  # far beyond the queue of the socket (net.unix.max_dgram_qlen)
        manager.ping()
    assert 0 < len(listening.all_so_far()) < 2000


async def test_it_hears_of_a_server_from_start_to_end(folder: Path, listening: Listening) -> None:
    reload = asyncio.Event()
    manager = ServiceManager.of(environment(folder, WATCHDOG_USEC="60000"))
    async with running(config(folder), reload=reload, manager=manager) as endpoints:
        assert await listening.next() == {"READY": "1"}
        await listening.until("WATCHDOG", "1")
        assert "connections: 0" in (await listening.until("STATUS"))[-1]["STATUS"]
        async with joined(endpoints):
            await listening.until("STATUS", "connections: 1, rooms in memory: 1")
            before = time.monotonic_ns() // 1000
            reload.set()
            asked = (await listening.until("RELOADING", "1"))[-1]
            assert before <= int(asked["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
            assert (await listening.until("READY"))[-1] == {"READY": "1"}
    assert (await listening.until("STOPPING"))[-1] == {"STOPPING": "1", "STATUS": "saying goodbye"}
    assert not listening.all_so_far(), "nothing is told after that"


async def test_it_hears_of_a_disk_that_takes_nothing(
    folder: Path, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collab_server.registry.Registry.trouble", "no space left")
    manager = ServiceManager.of(environment(folder, WATCHDOG_USEC="60000"))
    async with running(config(folder), manager=manager):
        await listening.until("STATUS", "nothing can be saved: no space left")
        await listening.until("WATCHDOG", "1")  # to be started again would not help


class Store:
    """A store that answers when it is let."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.asked = 0

    async def ask(self) -> None:
        self.asked += 1
        await self.may_answer.wait()


async def told(manager: ServiceManager, store: Any, **options: Any) -> asyncio.Task[None]:
    return asyncio.create_task(keep_told(manager, store, lambda: "at work", **options))


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_store_that_hangs_ends_the_signs_of_life(
    folder: Path, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ServiceManager.of(environment(folder, WATCHDOG_USEC="30000"))
    store = Store()
    task = await told(manager, store.ask, store_patience_s=0.0)
    await listening.until("STATUS")
    assert not [each for each in listening.all_so_far() if "WATCHDOG" in each]
    assert "the store has not answered" in caplog.text
    assert store.asked == 1, "it is asked once, and not again and again"
    store.may_answer.set()
    await end(task)


async def test_a_store_that_is_busy_may_be(folder: Path, listening: Listening) -> None:
    manager = ServiceManager.of(environment(folder, WATCHDOG_USEC="30000"))
    store = Store()
    task = await told(manager, store.ask)
    for _ in range(3):
        await listening.until("WATCHDOG", "1")
    assert store.asked == 1
    store.may_answer.set()
    while store.asked == 1:
        await listening.until("WATCHDOG", "1")
    await end(task)


async def test_a_store_that_fails_is_alive(
    folder: Path, listening: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise StoreError("no")

    task = await told(ServiceManager.of(environment(folder, WATCHDOG_USEC="30000")), fail)
    for _ in range(3):
        await listening.until("WATCHDOG", "1")
    await end(task)
    assert "the store does not answer: no" in caplog.text


async def test_nobody_is_told_nothing() -> None:
    async with asyncio.timeout(DEADLINE_S):
        await keep_told(ServiceManager(), Store().ask, lambda: "at work")
