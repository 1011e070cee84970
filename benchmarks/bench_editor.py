"""The editor under load: large texts, company, pastes, a slow link; beside each figure what is asked of it.

    python -m benchmarks.bench_editor [--only NAME ...] [--keys 200] [--rounds 3]

All that is compared takes turns in every round, so that the machine's noise falls on all of it. Keys are
timed as in bench_keystroke.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from tests.e2e.home import Home, collab_command
from tests.e2e.peer import Peer
from tests.e2e.proxy import Proxy
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, TerminalFailure

from benchmarks.crowd import Crowd
from benchmarks.editors import (
    BARE_APP,
    BARE_WORDS,
    COLLAB,
    COLUMNS,
    OPEN_S,
    ROWS,
    SAVED,
    Result,
    join,
    open_other,
    others,
    type_keys,
)
from benchmarks.figures import long_text, percentiles, print_table, ratio, some_text
from benchmarks.processes import cpu_s, memory, waited_s

_LARGE: Final = 100_000
_SMALL: Final = 100
_CROWD_LINES: Final = 10_000
_PASTED_LINES: Final = 10_000
_MARKER: Final = "ŐŰŐ"
_PASTE_S: Final = 40.0
_QUIET_S: Final = 0.3
_PAGE_DOWN: Final = "\x1b[6~"
_PAGES: Final = 40
_PAGE_QUIET_S: Final = 0.02
_LINK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Bench:
    """Where all of it runs, and how much of it."""

    home: Home
    server: Server
    folder: Path
    keys: int
    rounds: int

    def fill(self, room: str, text: str) -> None:
        """Put `text` into a new room."""
        with Peer(room, self.server.port) as peer:
            peer.append(text)

    def file(self, text: str) -> Path:
        """Return a file for another editor that holds `text`."""
        path = self.folder / "text.txt"
        path.write_text(text + "\n")
        return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME")
    parser.add_argument("--keys", type=int, default=200, help="keys for each program and round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name in options.only:
        with Home() as home, Server(home) as server, tempfile.TemporaryDirectory() as folder:
            FIGURES[name](Bench(home, server, Path(folder), options.keys, options.rounds))
            sys.stdout.flush()  # the next figure takes a while


def _key(bench: Bench) -> None:
    """A key with two others in view, in a small and in a large text, beside other editors."""
    results: list[Result] = []
    for lines in (_SMALL, _LARGE):
        text = long_text(lines)
        room = f"key-{lines}"
        bench.fill(room, text)
        rows = [Result(program, lines) for program in (COLLAB, *others())]
        with Crowd(bench.server.port, room, people=2):
            for seed in range(bench.rounds):
                for row in rows:
                    with _open(bench, row.program, room, text) as terminal:
                        type_keys(terminal, row, bench.keys, seed)
        results += rows
    vim = {row.lines: row.times_s for row in results if row.program == "vim"}
    print("Key to glyph drawn, ms. Of the program, per key: bytes to the terminal, ms of processor time,")
    print("ms for which it was kept from a processor. 100,000 lines are 10 MB; collab's view holds the")
    print("carets of two others.\n")
    print_table(
        [
            "program",
            "lines",
            "keys",
            "p50",
            "p95",
            "p99",
            "bytes",
            "cpu",
            "kept",
            "missed",
            "to vim",
            "asked",
        ],
        [
            [
                row.program,
                f"{row.lines:,}",
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.bytes_per_key,
                row.cpu_ms,
                row.waited_ms,
                str(row.missed),
                ratio(row.times_s, vim.get(row.lines, [])),
                "p50 ≤ 3, p95 ≤ 6, 600 bytes" if row.program == COLLAB else "",
            ]
            for row in results
        ],
    )
    small, large = (row.times_s for row in results if row.program == COLLAB)
    print(f"p50 in 10 MB to p50 in 100 lines: {ratio(large, small)}  (asked ≤ ×1.3)\n")


def _crowd(bench: Bench) -> None:
    """A key while eight others make 100 edits a second in view, and with nobody there."""
    text = some_text(_CROWD_LINES)
    bench.fill("crowd", text)
    alone, crowded = Result("alone", _CROWD_LINES), Result("8 others, 100 edits/s", _CROWD_LINES)
    busy: dict[str, list[float]] = {"editor": [], "server": [], "load": []}
    rates: list[float] = []
    server_pid = bench.home.server_pid()
    assert server_pid is not None
    for seed in range(bench.rounds):
        with _open(bench, COLLAB, "crowd", text) as terminal:
            type_keys(terminal, alone, bench.keys, seed)
        with _open(bench, COLLAB, "crowd", text) as terminal:
            with Crowd(bench.server.port, "crowd", people=8, rate=100) as crowd:
                terminal.read(1.0)
                pids = {"editor": terminal.pid, "server": server_pid, "load": crowd.pid}
                before, began_at = {who: cpu_s(pid) for who, pid in pids.items()}, time.perf_counter()
                type_keys(terminal, crowded, bench.keys, seed)
                for who, pid in pids.items():
                    busy[who].append((cpu_s(pid) - before[who]) / (time.perf_counter() - began_at))
            rates.append(crowd.edits_per_s)
    print(
        "Key to glyph drawn in 10,000 lines, ms. Per key, with what the others type: bytes, ms of processor"
    )
    print("time, ms for which the editor was kept from a processor\n")
    print_table(
        ["room", "keys", "p50", "p95", "p99", "bytes", "cpu", "kept", "missed", "to alone", "asked"],
        [
            [
                row.program,
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.bytes_per_key,
                row.cpu_ms,
                row.waited_ms,
                str(row.missed),
                ratio(row.times_s, alone.times_s),
                "p95 ≤ 8" if row is crowded else "",
            ]
            for row in (alone, crowded)
        ],
    )
    shares = ", ".join(f"{who} {fmean(values):.0%}" for who, values in busy.items())
    print(f"The others made {fmean(rates):.0f} edits/s. Of one core each: {shares}\n")


def _page_down(bench: Bench) -> None:
    """PageDown through 10,000 lines."""
    text = some_text(_CROWD_LINES)
    bench.fill("pages", text)
    times: dict[str, list[float]] = {program: [] for program in (COLLAB, *others())}
    sizes: dict[str, int] = dict.fromkeys(times, 0)
    for _ in range(bench.rounds):
        for program, taken in times.items():
            with _open(bench, program, "pages", text) as terminal:
                if program == "vim":
                    terminal.send("\x1b")  # its pages are for reading, not for inserting
                    terminal.drain(_QUIET_S, 5)
                for _ in range(_PAGES):
                    mark = len(terminal.raw)
                    taken.append(_page(terminal))
                    sizes[program] += len(terminal.raw) - mark
    print("PageDown in 10,000 lines until the last byte of the text, ms; bytes with all that follows\n")
    print_table(
        ["program", "pages", "p50", "p95", "p99", "bytes", "asked"],
        [
            [
                program,
                str(len(taken)),
                *percentiles(taken),
                f"{sizes[program] / len(taken):.0f}",
                "p50 ≤ 6" if program == COLLAB else "",
            ]
            for program, taken in times.items()
        ],
    )


def _page(terminal: Terminal) -> float:
    """Go one page down; return after how long the text stood, whatever the status line did later."""
    mark = len(terminal.raw)
    sent_at = terminal.send(_PAGE_DOWN)
    while len(terminal.raw) == mark and terminal.pump(2.0):
        pass
    terminal.drain(_PAGE_QUIET_S, 2)
    seen, shown = terminal.stamp(len(terminal.raw)), _text_area(terminal)
    terminal.drain(0.12, 2)
    return (seen if _text_area(terminal) == shown else terminal.stamp(len(terminal.raw))) - sent_at


def _text_area(terminal: Terminal) -> list[str]:
    """Return the window without status rows and scrollbar."""
    return [line.ljust(COLUMNS)[: COLUMNS - 1] for line in terminal.lines[: ROWS - 3]]


def _paste(bench: Bench) -> None:
    """One bracketed paste of 10,000 lines."""
    line = "pasted line {} the quick brown fox jumps over the lazy dog\n"
    body = "".join(line.format(number) for number in range(_PASTED_LINES)) + _MARKER
    shown: dict[str, list[float]] = {program: [] for program in (COLLAB, *others())}
    quiet: dict[str, list[float]] = {program: [] for program in shown}
    for number in range(bench.rounds):
        for program in shown:
            with _open(bench, program, f"paste-{number}", "") as terminal:
                mark = len(terminal.raw)
                sent_at = terminal.paste(body)
                try:
                    shown[program].append(terminal.wait_raw(_MARKER.encode(), mark, _PASTE_S) - sent_at)
                    if program == COLLAB:
                        terminal.wait_for(lambda t: SAVED in t.text, _PASTE_S)
                except TerminalFailure:
                    continue
                terminal.drain(_QUIET_S, 5)
                quiet[program].append(terminal.stamp(len(terminal.raw)) - sent_at)
    print(f"Paste of 10,000 lines ({len(body.encode()) // 1000} KB), ms: until its last line is shown, and")
    print("until nothing more is written (collab: all of it saved on the server)\n")
    print_table(
        ["program", "pastes", "last line p50", "quiet p50", "asked"],
        [
            [
                program,
                str(len(quiet[program])),
                percentiles(shown[program])[0],
                percentiles(quiet[program])[0],
                "quiet ≤ 800" if program == COLLAB else "",
            ]
            for program in shown
        ],
    )


def _opening(bench: Bench) -> None:
    """Joining 10 MB: for the first time, and with what the last time left on this machine."""
    text = long_text(_LARGE)
    bench.fill("open", text)
    word = text.split()[0]
    bare, empty, first, again = rows = (
        Result("bare Textual app"),
        Result("first join of an empty room"),
        Result("first join of 10 MB"),
        Result("10 MB joined before"),
    )
    for number in range(bench.rounds * 2):
        with Home() as machine:  # each time a machine that has joined nothing yet
            _start(bare, machine, [sys.executable, str(BARE_APP)], BARE_WORDS)
            for row, room, shown in (
                (empty, f"empty-{number}", SAVED),
                (first, "open", word),
                (again, "open", word),
            ):
                _start(row, machine, [*collab_command(), "join", bench.server.url(room)], shown)
    print(
        "Opening, ms: the process's start until the first text is shown (an empty room's: ✓). Until then ms"
    )
    print("of processor time, and ms for which the main thread was kept from a processor\n")
    print_table(
        ["program", "starts", "p50", "p95", "p99", "cpu", "kept", "to bare", "asked"],
        [
            [
                row.program,
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.cpu_ms,
                row.waited_ms,
                ratio(row.times_s, bare.times_s),
                "p50 ≤ 450" if row in (first, again) else "",
            ]
            for row in rows
        ],
    )


def _start(result: Result, machine: Home, argv: list[str], shown: str) -> None:
    """Start a program, note when `shown` was on the screen, and leave it in good order."""
    with machine.spawn(argv, columns=COLUMNS, rows=ROWS) as terminal:
        result.times_s.append(terminal.wait_raw(shown.encode(), 0, OPEN_S) - terminal.started_at)
        result.cpu_s += cpu_s(terminal.pid)
        result.waited_s += waited_s(terminal.pid)
        if shown != BARE_WORDS:
            terminal.wait_for(SAVED, OPEN_S)
            terminal.send("\x11")
            terminal.wait_exit(OPEN_S)


def _memory(bench: Bench) -> None:
    """What the editors hold at 10 MB after some keys."""
    rows: list[list[str]] = []
    for lines in (_SMALL, _LARGE):
        text = long_text(lines)
        bench.fill(f"memory-{lines}", text)
        for program in (COLLAB, *others()):
            with _open(bench, program, f"memory-{lines}", text) as terminal:
                type_keys(terminal, Result(program), bench.keys, 0)
                held = memory(terminal.pid)
            asked = "RSS ≤ 120" if program == COLLAB and lines == _LARGE else ""
            rows.append([program, f"{lines:,}", f"{held.rss_mb:.0f}", f"{held.pss_mb:.0f}", asked])
    print(f"Memory after {bench.keys} keys, MB; PSS divides shared pages among their users\n")
    print_table(["program", "lines", "RSS", "PSS", "asked"], rows)


def _link(bench: Bench) -> None:
    """The own key's echo over a link of 100 ms there and back."""
    text = some_text(_SMALL)
    bench.fill("link", text)
    direct, far = Result("loopback", _SMALL), Result("100 ms round trip", _SMALL)
    with Proxy(bench.server.port) as proxy:
        proxy.delay(_LINK_S / 2)
        for seed in range(bench.rounds):
            for row, url in ((direct, bench.server.url("link")), (far, proxy.url("link"))):
                with join(bench.home, url, text.split()[0]) as terminal:
                    type_keys(terminal, row, bench.keys, seed)
    print("Own key to glyph drawn, ms: it waits for no server; per key bytes, and ms kept from a processor\n")
    print_table(
        ["link", "keys", "p50", "p95", "p99", "bytes", "kept", "missed", "to loopback", "asked"],
        [
            [
                row.program,
                str(len(row.times_s)),
                *percentiles(row.times_s),
                row.bytes_per_key,
                row.waited_ms,
                str(row.missed),
                ratio(row.times_s, direct.times_s),
                "×1" if row is far else "",
            ]
            for row in (direct, far)
        ],
    )


def _open(bench: Bench, program: str, room: str, text: str) -> Terminal:
    """Open a program on its own copy of `text`, which `room` holds."""
    word = text.split()[0] if text else ""
    if program == COLLAB:
        return join(bench.home, bench.server.url(room), word)
    return open_other(bench.home, program, bench.file(text), word)


FIGURES: Final[dict[str, Callable[[Bench], None]]] = {
    "key": _key,
    "crowd": _crowd,
    "pagedown": _page_down,
    "paste": _paste,
    "open": _opening,
    "memory": _memory,
    "link": _link,
}


if __name__ == "__main__":
    main()
