from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from collab_server.slices import SLICE, dump, in_slices

MANY = 3 * SLICE + 7


async def turns_while(work: asyncio.Task[Any]) -> int:
    """Return how often the loop turned until `work` was done."""
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_the_loop_turns_between_two_slices() -> None:
    seen: list[list[int]] = []

    async def look() -> None:
        async for some in in_slices(range(MANY)):
            seen.append(some)

    assert await turns_while(asyncio.create_task(look())) >= 4
    assert [len(some) for some in seen] == [SLICE] * 3 + [7]
    assert [each for some in seen for each in some] == list(range(MANY))


async def test_of_nothing_there_is_no_slice() -> None:
    assert [some async for some in in_slices(())] == []


async def test_what_is_gone_through_may_change_meanwhile() -> None:
    things = dict.fromkeys(range(MANY))
    async for some in in_slices(things):
        for each in some:
            del things[each]
    assert not things


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        None,
        {"ok": {"rooms": [{"room": f"n{n}", "closed": n % 2 == 0} for n in range(MANY)], "more": True}},
        {"ok": {"bans": [], 'Ä"': [1.5, None, "\n"]}},
        list(range(MANY)),
    ],
)
async def test_json_is_the_same_in_slices(value: Any) -> None:
    assert json.loads(await dump(value)) == value


async def test_long_lists_are_written_in_slices() -> None:
    assert await turns_while(asyncio.create_task(dump({"ok": {"rooms": [[n] for n in range(MANY)]}}))) >= 4
