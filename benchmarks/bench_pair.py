"""From a key in one terminal until its glyph is on the screen of another, over loopback.

    python -m benchmarks.bench_pair [--keys 300]

Two `collab join` in two terminals on one server, which commits every key to disk before it shows it to
the other. Measured beside it, in the same run: the writer's own echo.
"""

from __future__ import annotations

import argparse

from tests.e2e.home import Home
from tests.e2e.peer import Peer
from tests.e2e.server import Server

from benchmarks.figures import percentiles, print_table, ratio, shuffled_glyphs, some_text
from benchmarks.pair_keys import PairKeys


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--lines", type=int, default=100, help="lines in the room before")
    options = parser.parse_args()
    text = some_text(options.lines)
    rows: list[list[str]] = []
    with Home() as home, Server(home) as server:
        for way, room, target in (
            ("TCP", "pair-tcp", server.url("pair-tcp")),
            ("Unix socket", "pair-unix", "pair-unix"),
        ):
            with Peer(room, server.port) as peer:
                peer.append(text)
            with (
                home.open("join", target, "--name", "ana", columns=120, rows=40) as ana,
                home.open("join", target, "--name", "bo", columns=120, rows=40) as bo,
            ):
                pair = PairKeys(ana, bo)
                pair.get_ready(text.split()[0])
                pair.type(shuffled_glyphs(options.keys, options.keys))
            own, other = pair.own, pair.others
            rows.append([f"{way}: own echo", str(len(own)), *percentiles(own), "0", ratio(own, own)])
            rows.append(
                [
                    f"{way}: the other's screen",
                    str(len(other)),
                    *percentiles(other),
                    str(pair.missed),
                    ratio(other, own),
                ]
            )
    print("Key to glyph drawn, ms\n")
    print_table(["way", "keys", "p50", "p95", "p99", "missed", "to own"], rows)


if __name__ == "__main__":
    main()
