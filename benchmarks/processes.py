"""What a process costs, as Linux tells it; NaN where it does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Resident memory in MB (2^20 bytes): all of it, and with shared pages divided among their users."""

    rss_mb: float
    pss_mb: float


def cpu_s(pid: int) -> float:
    """Return the processor time of a process, user and system, in steps of 10 ms."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """Return how long the main thread of a process was ready to run while others had the processors."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return float("nan")


def memory(pid: int) -> Memory:
    """Return what a process holds (proc(5), smaps_rollup)."""
    sizes: dict[str, float] = {}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if rest.endswith(" kB"):
                sizes[name] = int(rest[:-3]) / 1024
    except OSError:
        pass
    nothing = float("nan")
    return Memory(sizes.get("Rss", nothing), sizes.get("Pss", nothing))
