"""From a key's write to its glyph on the screen, in a real terminal; first paint; and `collab --help`.

    python -m benchmarks.bench_keystroke [--keys 200] [--rounds 3] [--starts 7]

Every key is another letter that the text does not hold, so a repaint of older text cannot pass for it.
The time is from write() to the read() of the chunk that holds the glyph. Pauses between keys are drawn
at random, so that keys do not lock to a frame timer. Programs take turns in every round: the machine's
noise falls on all of them, and the ratios within one run are what counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.e2e.home import Home, collab_command
from tests.e2e.peer import Peer
from tests.e2e.server import Server

from benchmarks.editors import (
    BARE_APP,
    BARE_WORDS,
    COLLAB,
    COLUMNS,
    ROWS,
    Result,
    join,
    open_other,
    others,
    type_keys,
)
from benchmarks.figures import percentiles, print_table, ratio, some_text

_SIZES: Final = (100, 10_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=200, help="keys for each program and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=7, help="starts of each program, for first paint")
    options = parser.parse_args()
    with Home() as home, Server(home) as server:
        for lines in _SIZES:
            with Peer(_room(lines), server.port) as peer:
                peer.append(some_text(lines))
        _keystrokes(home, server, options.keys, options.rounds)
        _first_paint(home, server, options.starts)
        _commands(home, options.starts)


def _room(lines: int) -> str:
    return f"bench-{lines}"


def _keystrokes(home: Home, server: Server, keys: int, rounds: int) -> None:
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="collab-bench-") as folder:
        for lines in _SIZES:
            text = some_text(lines)
            file = Path(folder) / f"{lines}.txt"
            word = text.split()[0]
            rows = [Result(program, lines) for program in (COLLAB, *others())]
            for seed in range(rounds):
                for row in rows:
                    file.write_text(text + "\n")
                    with (
                        join(home, server.url(_room(lines)), word)
                        if row.program == COLLAB
                        else open_other(home, row.program, file, word)
                    ) as terminal:
                        type_keys(terminal, row, keys, seed)
            results += rows
    by_size = {r.lines: r.times_s for r in results if r.program == "vim"}
    print("Key to glyph drawn, ms; bytes written to the terminal per key\n")
    print_table(
        ["program", "lines", "keys", "p50", "p95", "p99", "bytes", "missed", "to vim"],
        [
            [
                row.program,
                f"{row.lines:,}",
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.bytes_per_key,
                str(row.missed),
                ratio(row.times_s, by_size.get(row.lines, [])),
            ]
            for row in results
        ],
    )


def _first_paint(home: Home, server: Server, starts: int) -> None:
    """Time from the start of the process to the chunk that holds the first row of text."""
    bare: list[float] = []
    empty: list[float] = []
    whole: list[float] = []
    for _ in range(starts):
        with home.spawn([sys.executable, str(BARE_APP)], columns=COLUMNS, rows=ROWS) as terminal:
            bare.append(terminal.wait_raw(BARE_WORDS.encode(), 0) - terminal.started_at)
        room = _room(_SIZES[0])
        with home.open("join", server.url(room), columns=COLUMNS, rows=ROWS) as terminal:
            empty.append(terminal.wait_raw(room.encode(), 0) - terminal.started_at)
            word = some_text(_SIZES[0]).split()[0].encode()
            whole.append(terminal.wait_raw(word, 0) - terminal.started_at)
    print("First paint, ms: the process's start until its own words are on the screen\n")
    print_table(
        ["program", "p50", "p95", "p99", "to bare"],
        [
            ["bare Textual app", *percentiles(bare), ratio(bare, bare)],
            ["collab join: status line with the room's name", *percentiles(empty), ratio(empty, bare)],
            ["collab join: the room's text (100 lines)", *percentiles(whole), ratio(whole, bare)],
        ],
    )


def _commands(home: Home, starts: int) -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "collab": collab_command(),
        "collab --version": [*collab_command(), "--version"],
        "collab --help": [*collab_command(), "--help"],
        "collab join --help": [*collab_command(), "join", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(starts):
        for name, argv in commands.items():
            began_at = time.perf_counter()
            subprocess.run(argv, env=home.env, stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - began_at)
    print("Commands, ms\n")
    base = times["python -c pass"]
    print_table(
        ["command", "p50", "p95", "p99", "to python"],
        [[name, *percentiles(values), ratio(values, base)] for name, values in times.items()],
    )


if __name__ == "__main__":
    main()
