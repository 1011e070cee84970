"""Long lists, gone through in slices: whoever asks for one keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

SLICE: Final = 250
"""Connections or rooms in one turn of the loop: a millisecond or so."""


async def in_slices(things: Iterable[_T]) -> AsyncIterator[list[_T]]:
    """Give what is in `things` now, some at a time; between two of them the loop turns.

    What they are may have changed when it is their turn: rooms are unloaded, and people leave.
    """
    listed = list(things)
    for at in range(0, len(listed), SLICE):
        if at:
            await asyncio.sleep(0)
        yield listed[at : at + SLICE]


async def dump(value: Any) -> str:
    """Return `value` as JSON; long lists, as deep as objects go, are written in slices."""
    if isinstance(value, dict):
        return f"{{{', '.join([f'{json.dumps(key)}: {await dump(each)}' for key, each in value.items()])}}}"
    if isinstance(value, list) and len(value) > SLICE:
        return f"[{', '.join([json.dumps(some)[1:-1] async for some in in_slices(value)])}]"
    return json.dumps(value)
