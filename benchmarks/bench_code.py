"""The editor with colours: what highlighting costs a key, a start and the memory, and how soon it is right.

    python -m benchmarks.bench_code [--only NAME ...] [--keys 120] [--rounds 2]

5,000 lines of Python in a room that is coloured, beside the same text in a room that is in no language; all
that is compared takes turns in every round. Keys are timed as in bench_keystroke. The colour of a cell is
what a terminal shows there (pyte), after each chunk that was read.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.e2e.home import Home, collab_command
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal

from benchmarks.bench_editor import Bench
from benchmarks.code_editors import (
    CODE_ROOM,
    PLAIN_ROOM,
    CodeBench,
    CodeResult,
    parser_pid,
    programs,
    type_code,
)
from benchmarks.editors import BARE_APP, BARE_WORDS, COLLAB, COLUMNS, OPEN_S, ROWS, SAVED
from benchmarks.figures import percentile, percentiles, print_table, ratio
from benchmarks.loop_stalls import Follows, Gaps, Phase, stalls
from benchmarks.processes import cpu_s, memory, waited_s
from benchmarks.python_text import python_text
from benchmarks.recolouring import recolour, recolourings
from benchmarks.screen_colours import ColouredScreen, ink_bytes
from collab_syntax.kinds import Kind

_LINES: Final = 5_000
_LARGE: Final = 50_000
_STALL_KEYS: Final = 150
_STARTS: Final = 4
"""Of each program in a round."""

_QUIT: Final = "\x11"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME")
    parser.add_argument("--keys", type=int, default=120, help="keys for each program and round")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    for name in options.only:
        with Home() as home, Server(home) as server, tempfile.TemporaryDirectory() as folder:
            FIGURES[name](Bench(home, server, Path(folder), options.keys, options.rounds))
            sys.stdout.flush()  # the next figure takes a while


def _key(bench: Bench) -> None:
    """A key in the middle of code, coloured and not, beside other editors that colour."""
    code = CodeBench(bench, python_text(_LINES))
    results = programs(_LINES)
    for seed in range(bench.rounds):
        for result in results:
            with code.open(result) as terminal:
                type_code(terminal, result, bench.keys, seed)
    plain = next(row.times_s for row in results if row.room == PLAIN_ROOM)
    print("Key to glyph drawn in the middle of 5,000 lines of Python, ms. Per key: bytes to the terminal, of")
    print("the colours that come later too; ms of processor time of the editor and of its parser; ms for")
    print("which the editor was kept from a processor\n")
    print_table(
        [
            "program",
            "text",
            "keys",
            "p50",
            "p95",
            "p99",
            "bytes",
            "cpu",
            "parser",
            "kept",
            "missed",
            "to plain",
            "asked",
        ],
        [
            [
                row.program,
                row.room,
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.bytes_per_key,
                row.cpu_ms,
                row.parser_cpu_ms,
                row.waited_ms,
                str(row.missed),
                ratio(row.times_s, plain),
                "p50 ≤ 3, p95 ≤ 6" if row.program == COLLAB and row.room == CODE_ROOM else "",
            ]
            for row in results
        ],
    )


def _colour(bench: Bench) -> None:
    """A key that changes the colours of its line, until they are right."""
    code = CodeBench(bench, python_text(_LINES))
    rows = recolourings()
    for _ in range(bench.rounds):
        with code.open(CodeResult(COLLAB, room=CODE_ROOM)) as terminal:
            screen = ColouredScreen(terminal)
            for change in rows:
                recolour(terminal, screen, change)
    print("A key that changes the colours of its line in the middle of 5,000 lines, ms: until its text is")
    print("drawn, and until the colours on the terminal are right. At once: how often they were so when")
    print("that was drawn. Wrong: how often not right 120 ms after the last byte\n")
    print_table(
        ["key", "keys", "text p50", "p95", "colours p50", "p95", "p99", "bytes", "at once", "wrong", "asked"],
        [
            [
                row.name,
                str(len(row.colours_s)),
                *percentiles(row.text_s)[:2],
                *percentiles(row.colours_s),
                f"{percentile(row.sizes, 50):.0f}",
                str(row.at_once),
                str(row.wrong),
                "p95 ≤ 30",
            ]
            for row in rows
        ],
    )


def _opening(bench: Bench) -> None:
    """Joining code: until its first text, and until its first colours."""
    CodeBench(bench, python_text(_LINES))
    bare = CodeResult("bare Textual app")
    joins = [
        CodeResult(f"{room} joined {when}", room=room)
        for when in ("first", "before")
        for room in (PLAIN_ROOM, CODE_ROOM)
    ]
    colours: dict[str, list[float]] = {row.program: [] for row in joins if row.room == CODE_ROOM}
    before_colours = 0
    word = python_text(_LINES).split()[0].strip('"')  # the caret stands before it
    for _ in range(bench.rounds * _STARTS):
        with Home() as machine:  # each time a machine that has joined nothing yet
            with machine.spawn([sys.executable, str(BARE_APP)], columns=COLUMNS, rows=ROWS) as terminal:
                _first_text(terminal, bare, BARE_WORDS)
            for row in joins:
                argv = [*collab_command(), "join", bench.server.url(row.room)]
                with machine.spawn(argv, columns=COLUMNS, rows=ROWS) as terminal:
                    text_at = _first_text(terminal, row, word)
                    if row.program in colours:
                        colours_at = terminal.wait_raw(ink_bytes(Kind.KEYWORD), 0, OPEN_S)
                        colours[row.program].append(colours_at - terminal.started_at)
                        before_colours += text_at < colours_at
                    terminal.wait_for(SAVED, OPEN_S)
                    terminal.send(_QUIT)
                    terminal.wait_exit(OPEN_S)
    print("Opening 5,000 lines of Python, ms: the process's start until the first text is shown, and until")
    print("the first keyword has its colour. Until the text ms of processor time, and ms for which the main")
    print("thread was kept from a processor\n")
    print_table(
        ["program", "starts", "text p50", "p95", "p99", "colours p50", "p95", "cpu", "kept", "to bare"],
        [
            [
                row.program,
                str(len(row.times_s)),
                *percentiles(row.times_s),
                *(percentiles(colours[row.program])[:2] if row.program in colours else ("–", "–")),
                row.cpu_ms,
                row.waited_ms,
                ratio(row.times_s, bare.times_s),
            ]
            for row in (bare, *joins)
        ],
    )
    total = sum(map(len, colours.values()))
    print(f"The text came in an earlier chunk than the colours: {before_colours} of {total}  (asked: all)\n")


def _first_text(terminal: Terminal, result: CodeResult, shown: str) -> float:
    """Note when `shown` came, and return that."""
    text_at = terminal.wait_raw(shown.encode(), 0, OPEN_S)
    result.times_s.append(text_at - terminal.started_at)
    result.cpu_s += cpu_s(terminal.pid)
    result.waited_s += waited_s(terminal.pid)
    return text_at


def _stall(bench: Bench) -> None:
    """What the parser next door costs the event loop, without screens."""
    text = python_text(_LARGE)
    found: dict[tuple[Phase, Follows], list[Gaps]] = {
        (phase, follows): [] for phase in Phase for follows in Follows
    }
    for _ in range(bench.rounds * 2):
        for follows in Follows:
            for phase, gaps in stalls(text, follows, _STALL_KEYS).items():
                found[phase, follows].append(gaps)
    print("An event loop that ticks each ms, and 50,000 lines of Python in a buffer on it; no screens. Time")
    print("between two ticks, ms: usual; the longest of each round and of all, less what the loop was kept")
    print("from a processor; whole: the longest with that; own: the most that its thread computed in one\n")
    print_table(
        [
            "meanwhile",
            "follows the edits",
            "ticks",
            "p50",
            "p99",
            "rounds",
            "longest",
            "whole",
            "own",
            "first colours",
            "asked",
        ],
        [
            [
                phase,
                follows,
                str(sum(len(gaps.wall_s) for gaps in rounds)),
                *_ms([percentile([gap for gaps in rounds for gap in gaps.wall_s], at) for at in (50, 99)]),
                " ".join(_ms([max(gaps.unkept_s) for gaps in rounds], 1)),
                *_ms([max(max(gaps.unkept_s) for gaps in rounds)]),
                *_ms([max(max(gaps.wall_s) for gaps in rounds), max(max(gaps.own_s) for gaps in rounds)]),
                percentiles([gaps.parsed_s for gaps in rounds])[0]
                if phase is Phase.PARSING and follows is not Follows.NOTHING
                else "–",
                "" if follows is Follows.NOTHING else "longest ≤ 5",
            ]
            for (phase, follows), rounds in found.items()
        ],
    )


def _ms(values_s: list[float], digits: int = 2) -> list[str]:
    return [f"{value_s * 1000:.{digits}f}" for value_s in values_s]


def _memory(bench: Bench) -> None:
    """What editor and parser hold after some keys in 5,000 lines."""
    code = CodeBench(bench, python_text(_LINES))
    rows: list[list[str]] = []
    for result in programs(_LINES):
        with code.open(result) as terminal:
            type_code(terminal, result, bench.keys, 0)
            pids = {result.program: terminal.pid}
            if result.program == COLLAB and (child := parser_pid(terminal.pid)):
                pids["its parser"] = child
            for name, pid in pids.items():
                held = memory(pid)
                rows.append([name, result.room, f"{held.rss_mb:.0f}", f"{held.pss_mb:.0f}"])
    print(f"Memory after {bench.keys} keys in 5,000 lines of Python, MB; PSS divides shared pages among")
    print("their users\n")
    print_table(["program", "text", "RSS", "PSS"], rows)


FIGURES: Final[dict[str, Callable[[Bench], None]]] = {
    "key": _key,
    "colour": _colour,
    "open": _opening,
    "stall": _stall,
    "memory": _memory,
}


if __name__ == "__main__":
    main()
