"""What the server bears: clients on real sockets, in many rooms or all in one, beside a peer if one runs.

    python -m benchmarks.bench_server [--memory] [--seconds 2] [--peer ws://127.0.0.1:1234 --peer-pid PID]
    python -m benchmarks.bench_server --only rooms
    python -m benchmarks.bench_server --only churn --rooms 10000

A peer speaks y-websocket, and starts empty. `--only churn`, `stalled`, `slow-link` and `restart`
take minutes and run only when they are asked for.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Final

from benchmarks.figures import print_table
from benchmarks.served import LOAD_CPU, pin
from benchmarks.server_joins import boot, idle, join, storm
from benchmarks.server_restart import restart
from benchmarks.server_subjects import NOT_HERE, Figure, Subject, collab, peer
from benchmarks.server_trials import churn, slow_link, stalled
from benchmarks.server_typing import fan_out, latency, one_room, rooms
from benchmarks.swarm import SwarmFailure

_Workload = Callable[[Subject, argparse.Namespace], list[Figure]]

_WORKLOADS: Final[dict[str, _Workload]] = {
    "latency": lambda subject, options: latency(subject, options.seconds),
    "rooms": lambda subject, options: rooms(subject, options.seconds),
    "one-room": lambda subject, options: one_room(subject, options.seconds),
    "fan-out": lambda subject, options: fan_out(subject, options.seconds),
    "join": lambda subject, options: join(subject, options.joins),
    "storm": lambda subject, _: storm(subject),
    "idle": lambda subject, _: idle(subject),
    "boot": lambda subject, _: boot(subject),
}

_TRIALS: Final[dict[str, _Workload]] = {
    "churn": lambda subject, options: churn(subject, options.rooms),
    "stalled": lambda subject, options: stalled(subject, options.minutes),
    "slow-link": lambda subject, options: slow_link(subject, options.megabits),
    "restart": lambda subject, _: restart() if subject.name.startswith("collab") else [],
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=[*_WORKLOADS, *_TRIALS])
    parser.add_argument("--memory", action="store_true", help="a server that keeps nothing on disk")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each rate is typed at")
    parser.add_argument("--joins", type=int, default=40, help="joins of the large document, one by one")
    parser.add_argument("--rooms", type=int, default=10_000, help="rooms that churn opens and leaves")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long the reader stalls")
    parser.add_argument("--megabits", type=float, default=1.0, help="what the slow link carries a second")
    parser.add_argument("--peer", metavar="WS_URL", help="a y-websocket server to measure beside")
    parser.add_argument("--peer-pid", type=int, help="its process, to tell what it costs")
    parser.add_argument("--server-python", help="a Python that runs `-m collab_cli` in place of this one")
    options = parser.parse_args()
    command = [options.server_python, "-P", "-m", "collab_cli"] if options.server_python else None
    subjects = [collab(memory=options.memory, command=command)]
    if options.peer:
        subjects.append(peer(options.peer, options.peer_pid))
    if not pin(os.getpid(), LOAD_CPU):
        print("Server and generator are not kept apart: this machine has one processor, or no way to.\n")
    workloads = _WORKLOADS | _TRIALS
    head = ["figure", *(subject.name for subject in subjects), "aim"]
    for name in [options.only] if options.only else _WORKLOADS:
        began = time.monotonic()
        measured = [_measured(workloads[name], subject, options) for subject in subjects]
        print(f"{name}, {time.monotonic() - began:.0f} s\n")
        print_table(head, _beside(measured))


def _measured(workload: _Workload, subject: Subject, options: argparse.Namespace) -> list[Figure]:
    try:
        return workload(subject, options)
    except SwarmFailure as failure:
        print(f"{subject.name}: {failure}\n")
        return []


def _beside(measured: list[list[Figure]]) -> list[list[str]]:
    """Return rows of a table: the figures of the first that has any, beside those of the others."""
    names = max(measured, key=len)
    columns = [[figure.value for figure in figures] or [NOT_HERE] * len(names) for figures in measured]
    return [
        [figure.name, *(column[row] if row < len(column) else NOT_HERE for column in columns), figure.aim]
        for row, figure in enumerate(names)
    ]


if __name__ == "__main__":
    main()
