"""From a key in one terminal until its glyph is on the screen of another, over loopback.

    python -m benchmarks.bench_pair [--keys 300]

Two `collab join` in two terminals on one server, which commits every key to disk before it shows it to
the other. Measured beside it, in the same run: the writer's own echo.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import Final

from tests.e2e.home import Home
from tests.e2e.peer import Peer
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, TerminalFailure, pump, wait_until

from benchmarks.figures import percentiles, print_table, ratio, shuffled_glyphs, some_text

_WARM_UP: Final = 10
_NEW_LINE_EVERY: Final = 60
_GAP_S: Final = 0.02


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--lines", type=int, default=100, help="lines in the room before")
    options = parser.parse_args()
    rows: list[list[str]] = []
    with Home() as home, Server(home) as server:
        for way, target in (("TCP", server.url("pair-tcp")), ("Unix socket", "pair-unix")):
            room = f"pair-{'tcp' if way == 'TCP' else 'unix'}"
            with Peer(room, server.port) as peer:
                peer.append(some_text(options.lines))
            own, other, missed = _measure(home, target, options.keys, some_text(options.lines).split()[0])
            rows.append([f"{way}: own echo", str(len(own)), *percentiles(own), "0", ratio(own, own)])
            rows.append(
                [
                    f"{way}: the other's screen",
                    str(len(other)),
                    *percentiles(other),
                    str(missed),
                    ratio(other, own),
                ]
            )
    print("Key to glyph drawn, ms\n")
    print_table(["way", "keys", "p50", "p95", "p99", "missed", "to own"], rows)


def _measure(home: Home, target: str, keys: int, shown: str) -> tuple[list[float], list[float], int]:
    own: list[float] = []
    other: list[float] = []
    missed = 0
    dice = random.Random(keys)
    with (
        home.open("join", target, "--name", "ana", columns=120, rows=40) as ana,
        home.open("join", target, "--name", "bo", columns=120, rows=40) as bo,
    ):
        wait_until(
            [ana, bo], lambda: all(shown in t.text and "✓" in t.text for t in (ana, bo)), "the text", 30
        )
        _rest([ana, bo], 2.5)  # name chips, shown for 2 s, come and go
        for index, glyph in enumerate(shuffled_glyphs(keys + _WARM_UP, keys)):
            if index and index % _NEW_LINE_EVERY == 0:
                ana.send("\r")
                _rest([ana, bo], 0.2)
            needle = glyph.encode()
            own_mark, other_mark = len(ana.raw), len(bo.raw)
            sent_at = ana.send(glyph)
            try:
                wait_until(
                    [ana, bo],
                    lambda: ana.raw.find(needle, own_mark) >= 0 and bo.raw.find(needle, other_mark) >= 0,  # noqa: B023
                    glyph,
                    3,
                )
            except TerminalFailure:
                missed += 1
                continue
            if index >= _WARM_UP:
                own.append(_drawn_at(ana, needle, own_mark) - sent_at)
                other.append(_drawn_at(bo, needle, other_mark) - sent_at)
            _rest([ana, bo], _GAP_S * (1 + dice.random()))
    return own, other, missed


def _drawn_at(terminal: Terminal, needle: bytes, start: int) -> float:
    return terminal.stamp(terminal.raw.find(needle, start) + len(needle))


def _rest(terminals: list[Terminal], for_s: float) -> None:
    """Read what comes for a while."""
    ends_at = time.perf_counter() + for_s
    while (left_s := ends_at - time.perf_counter()) > 0:
        pump(terminals, left_s)


if __name__ == "__main__":
    main()
