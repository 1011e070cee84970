"""Finding out that a link is dead though nothing says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from collab_protocol import limits
from collab_protocol.errors import LinkError

_SLEPT_S: Final = 3.0
"""A wait that took so much longer than asked for: the machine or the process was suspended."""


async def watch(silent_s: Callable[[], float], probe: Callable[[], None]) -> None:
    """Probe a link that has been silent, and give it up; `silent_s()` tells for how long.

    Apart from the writer, which a dead link may block. Raises: LinkError.
    """
    while True:
        for_s = silent_s()
        if for_s >= limits.DEAD_AFTER_S:
            raise LinkError(f"the server was silent for {for_s:.0f} s")
        if for_s < limits.PROBE_AFTER_S:
            await _doze(limits.PROBE_AFTER_S - for_s)
            continue
        probe()
        await _doze(limits.DEAD_AFTER_S - for_s)


async def _doze(for_s: float) -> None:
    """Sleep. Raises: LinkError: it took so long that the link cannot be trusted any more."""
    began = lived_s()
    await asyncio.sleep(for_s)
    if (over_s := lived_s() - began - for_s) > _SLEPT_S:
        raise LinkError(f"this machine slept for {over_s:.0f} s")


def lived_s() -> float:
    """Return seconds of a clock that goes on while the machine is suspended; `time.monotonic` stands still.

    Linux calls it CLOCK_BOOTTIME; on macOS it is CLOCK_MONOTONIC, which Python's `monotonic` is not.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
