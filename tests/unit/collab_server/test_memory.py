from __future__ import annotations

import asyncio
import threading

import pytest

from collab_server import memory
from collab_server.memory import FreedMemory

from .wire import DEADLINE_S


async def test_memory_is_given_back_once_for_many_rooms_and_not_for_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_ROOMS", 3)
    monkeypatch.setattr(memory, "_AFTER_S", 0.0)
    given, calls = threading.Event(), []

    def give_back() -> None:
        calls.append(threading.current_thread())
        given.set()

    freed = FreedMemory(give_back)
    for _ in range(2):
        freed.let_go()
    assert freed._timer is None
    for _ in range(5):
        freed.let_go()
    assert await asyncio.to_thread(given.wait, DEADLINE_S)
    assert len(calls) == 1
    assert calls[0] is not threading.main_thread()
    assert freed._timer is None


async def test_nothing_is_given_back_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ROOMS", 1)
    freed = FreedMemory(lambda: None)
    freed.let_go()
    timer = freed._timer
    assert timer is not None
    freed.close()
    assert timer.cancelled()


def test_this_system_gives_memory_back_or_does_nothing() -> None:
    memory._trim()()
