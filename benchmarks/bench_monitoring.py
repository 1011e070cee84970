"""What it costs a server to be watched: receipts and processor time with and without, in turns.

Counting goes on always; `--command` names a collab that counts nothing, such as one of before, to compare
with. `--most` adds the most edits a second, which takes half a minute more a round.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import socket
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from tests.e2e.home import Home

from benchmarks.figures import percentile, print_table, ratio
from benchmarks.served import Served, fresh_server, generous_flags
from benchmarks.server_subjects import Subject, room_name
from benchmarks.typing_load import highest_rate, type_for, weighted_percentile
from benchmarks.wires import CollabWire

_PAIR_RATE: Final = 100.0
_ROOMS: Final = 20
_ROOMS_RATE: Final = 4000.0
_SCRAPE_EVERY_S: Final = 1.0
"""Prometheus asks every 15 s or so."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--command", type=shlex.split, help="runs another collab, to compare with")
    parser.add_argument("--most", action="store_true", help="find the most edits a second, too")
    arguments = parser.parse_args()
    subjects = {}
    if arguments.command is not None:
        subjects[shlex.join(arguments.command)[-30:]] = _subject(arguments.command, is_watched=False)
    subjects["not watched"] = _subject(None, is_watched=False)
    subjects["scraped every second"] = _subject(None, is_watched=True)
    measured: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for name, subject in subjects.items():
            for figure, value in _measure(subject, arguments.seconds, is_most=arguments.most):
                measured[figure, name].append(value)
    first = next(iter(subjects))
    figures = dict.fromkeys(figure for figure, _ in measured)
    print_table(
        ("figure, median of the rounds", "server", "value", f"to {first}"),
        [
            (
                figure,
                name,
                f"{percentile(measured[figure, name], 50):,.3f}",
                ratio(measured[figure, name], measured[figure, first]),
            )
            for figure in figures
            for name in subjects
        ],
    )


def _measure(subject: Subject, seconds: float, *, is_most: bool) -> Iterator[tuple[str, float]]:
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = swarm.furnish(room_name("pair"), 2, 1)
        typed = type_for(swarm, writers, served, _PAIR_RATE, seconds)
        yield "2 clients: to the receipt, p50 ms", weighted_percentile(typed.receipts, 50) * 1000
        yield "… p99 ms", weighted_percentile(typed.receipts, 99) * 1000
    with subject.serve() as served, subject.swarm(served) as swarm:
        writers = [swarm.furnish(room_name("room"), 2, 1)[0] for _ in range(_ROOMS)]
        typed = type_for(swarm, writers, served, _ROOMS_RATE, seconds)
        yield (
            f"{_ROOMS} rooms × 2, {_ROOMS_RATE:,.0f} edits/s: loop's CPU µs an edit",
            _micros(typed.loop_s, typed.edits),
        )
        yield "… other threads' CPU µs an edit", _micros(typed.store_s, typed.edits)
        if is_most and (most := highest_rate(swarm, writers, served, seconds)) is not None:
            yield "… the most edits/s, p99 ≤ 100 ms", most.rate


def _subject(command: Sequence[str] | None, *, is_watched: bool) -> Subject:
    with Home() as home:
        flags = generous_flags(home, command)

    @contextlib.contextmanager
    def serve() -> Iterator[Served]:
        if not is_watched:
            with fresh_server(flags, command) as served:
                yield served
            return
        port = _free_port()
        with (
            fresh_server([*flags, "--monitor", f"127.0.0.1:{port}"], command) as served,
            _scraped(f"http://127.0.0.1:{port}/metrics"),
        ):
            yield served

    return Subject("collab", CollabWire, serve, is_durable=True)


@contextlib.contextmanager
def _scraped(url: str) -> Iterator[None]:
    is_over = threading.Event()

    def scrape() -> None:
        while not is_over.wait(_SCRAPE_EVERY_S):
            with urllib.request.urlopen(url) as answer:
                answer.read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def _micros(seconds: float, count: int) -> float:
    return seconds * 1e6 / count if count else float("nan")


if __name__ == "__main__":
    main()
