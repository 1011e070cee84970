"""What it costs to see many people, and how soon one sees that they come and go.

    python -m benchmarks.bench_people [--only NAME …] [--seconds 8]

`viewer`: what share of a core an editor takes while fifty others stand still or move their carets in view,
and how often it draws. `comings`: from somebody's Hello or end until the other's screen shows it.
"""

from __future__ import annotations

import argparse
import time
from statistics import fmean
from typing import Final

from tests.e2e.home import Home
from tests.e2e.peer import Peer
from tests.e2e.server import Server
from tests.e2e.terminal import Terminal, wait_until

from benchmarks.crowd import Crowd
from benchmarks.editors import COLUMNS, ROWS
from benchmarks.figures import percentiles, print_table, some_text
from benchmarks.processes import cpu_s

FIGURES: Final = ("viewer", "comings")
_LINES: Final = 100
_PEOPLE: Final = 50
_RATES: Final = (0.0, 1.0, 5.0, 20.0)
"""Moves a second of each person; 20 is the most that a client sends."""

_FRAME_BEGINS: Final = b"\x1b[?2026h"
"""Synchronized output (contour's specification): one for each repaint."""

_SETTLE_S: Final = 3.0
_COMINGS: Final = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each rate is watched")
    options = parser.parse_args()
    with Home() as home, Server(home) as server:
        if "viewer" in options.only:
            _viewer(home, server, options.seconds)
        if "comings" in options.only:
            _comings(home, server)


def _viewer(home: Home, server: Server, seconds: float) -> None:
    text = some_text(_LINES)
    with Peer("people", server.port) as peer:
        peer.append(text)
    server_pid = home.server_pid()
    assert server_pid is not None
    rows: list[list[str]] = []
    with _open(home, server, "people", text) as terminal:
        rows.append(["nobody", "0", *_watch(terminal, server_pid, seconds, 0)])
        for rate in _RATES:
            with Crowd(server.port, "people", people=_PEOPLE, rate=rate, module="benchmarks.movers") as crowd:
                wait_until([terminal], lambda: "person-" in terminal.text, "the people", 30)
                terminal.read(_SETTLE_S)
                watched = _watch(terminal, server_pid, seconds, crowd.pid)
            rows.append([f"{_PEOPLE} people", f"{crowd.edits_per_s:.0f}", *watched])
            terminal.read(_SETTLE_S)
    print("Seeing others move their carets, shares of one core (asked of the viewer: 5 % with 50 people)\n")
    print_table(["room", "moves/s", "viewer", "server", "load", "repaints/s", "bytes/s"], rows)
    print()


def _watch(terminal: Terminal, server_pid: int, seconds: float, load_pid: int) -> list[str]:
    pids = [terminal.pid, server_pid, *([load_pid] if load_pid else [])]
    before, mark = [cpu_s(pid) for pid in pids], len(terminal.raw)
    began_at = time.perf_counter()
    terminal.read(seconds)
    took_s = time.perf_counter() - began_at
    shares = [(cpu_s(pid) - was) / took_s for pid, was in zip(pids, before, strict=True)]
    drawn = terminal.raw[mark:]
    return [
        *(f"{share:.1%}" for share in shares),
        *([] if load_pid else [""]),
        f"{drawn.count(_FRAME_BEGINS) / took_s:.0f}",
        f"{len(drawn) / took_s:.0f}",
    ]


def _comings(home: Home, server: Server) -> None:
    """Count from the start of a connection, and from its end, to the other's screen."""
    text = some_text(_LINES)
    with Peer("comings", server.port) as peer:
        peer.append(text)
    came: list[float] = []
    went: list[float] = []
    with _open(home, server, "comings", text) as terminal:
        for number in range(_COMINGS):
            name = f"guest{number}"
            needle = name.encode()
            mark = len(terminal.raw)
            began_at = time.perf_counter()
            guest = Peer("comings", server.port, name=name)
            guest.show_caret(0)
            came.append(terminal.wait_raw(needle, mark) - began_at)
            terminal.read(0.3)
            mark = len(terminal.raw)
            began_at = time.perf_counter()
            guest.leave()
            wait_until([terminal], lambda name=name: name not in _people(terminal), f"{name} to go", 10)  # type: ignore[misc]
            went.append(terminal.stamp(len(terminal.raw) - 1) - began_at)
            guest.close()
    print("Until it is on the other's screen, ms; of coming, the connection and the room's text are a part\n")
    print_table(
        ["what", "times", "p50", "p95", "p99"],
        [
            ["somebody comes", str(len(came)), *percentiles(came)],
            ["somebody leaves", str(len(went)), *percentiles(went)],
        ],
    )
    print(f"mean {fmean(came) * 1000:.1f} and {fmean(went) * 1000:.1f}")


def _open(home: Home, server: Server, room: str, text: str) -> Terminal:
    env = {"COLLAB_JOIN_MESSAGES": "false"}  # else a name stands there that has gone
    terminal = home.open("join", server.url(room), "--name", "viewer", env=env, columns=COLUMNS, rows=ROWS)
    shown = text.split()[0]
    wait_until([terminal], lambda: shown in terminal.text and "✓" in terminal.text, "the text", 30)
    terminal.read(1.0)
    return terminal


def _people(terminal: Terminal) -> str:
    """Return the status line, which names who is here."""
    return next((line for line in terminal.text.splitlines() if "✓" in line), "")


if __name__ == "__main__":
    main()
