"""What the gate costs: on a snapshot of the automerge-paper trace, a history of 260,000 keystrokes.

    python -m benchmarks.bench_gate [--edits 260000] [--rounds 300]

The trace is found in ../shared/data; --edits takes only its beginning.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.figures import percentile, print_table
from collab_protocol.gate import Gate, Judgement, Verdict
from collab_protocol.lib0 import finish
from collab_protocol.limits import MERGED_ROWS
from collab_protocol.text import Replica, merge_rows

_TRACE: Final = Path(__file__).parents[2] / "shared" / "data" / "automerge-paper.json.gz"
_AUTHOR: Final = 0x1F2E3D4C5B6A7
"""Of full size, as drawn ids are."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edits", type=int, default=300_000, help="keystrokes of the trace to replay")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    snapshot = _snapshot(options.edits)
    print(f"The gate, µs; snapshot of {len(snapshot):,} bytes\n")
    rows = [
        _row("Gate()", _opening(snapshot, 50)),
        _row("indexing(), whole", _indexing(snapshot)),
        _row("indexing(), one slice", _indexing_slices(snapshot)),
        _row("typed character", _typing(snapshot, options.rounds * 10)),
        _row("deleted character", _deleting(snapshot, options.rounds)),
        _row("jump, history not indexed", _jumps(snapshot, options.rounds, indexed=False)),
        _row("jump, history indexed", _jumps(snapshot, options.rounds, indexed=True)),
        _row("200 rows merged", _merged(snapshot, 20)),
        _row("paste of 1 MB", _pastes(snapshot, 10)),
    ]
    whole, slices = _scattered(snapshot)
    rows += [_row("5,000 scattered edits, whole", whole), _row("5,000 scattered edits, one slice", slices)]
    print_table(["what", "times", "p50", "p95", "max"], rows)


def _row(name: str, times_s: list[float]) -> list[str]:
    figures = (percentile(times_s, 50), percentile(times_s, 95), max(times_s))
    return [name, f"{len(times_s):,}", *(f"{figure * 1e6:,.1f}" for figure in figures)]


def _snapshot(edits: int) -> bytes:
    """Replay the trace, each keystroke an edit of its own."""
    with gzip.open(_TRACE) as file:
        trace = json.load(file)
    author = Replica(_AUTHOR)
    left = edits
    for transaction in trace["txns"]:
        for position, deleted, inserted in transaction["patches"]:
            author.edit(position, deleted, inserted)
            left -= 1
        if left <= 0:
            break
    return author.update_since()


def _loaded(snapshot: bytes, client_id: int = 1) -> Replica:
    replica = Replica(client_id)
    replica.apply(snapshot)
    return replica


def _writer(snapshot: bytes) -> tuple[Replica, list[bytes]]:
    """Return a copy to edit, and the updates that its edits will make."""
    writer = _loaded(snapshot, 0x1A2B3C4D5E6F7)
    rows: list[bytes] = []
    writer.on_update = rows.append
    return writer, rows


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _judged(gate: Gate, update: bytes, writer: Replica) -> tuple[float, Judgement]:
    authors = {writer.client_id}
    began = time.perf_counter()
    judgement = gate.judge(update, authors=authors)
    took_s = time.perf_counter() - began
    if judgement.verdict is not Verdict.ACCEPT:
        raise AssertionError(judgement)
    return took_s, judgement


def _each(snapshot: bytes, edits: list[tuple[int, int, str]], *, indexed: bool) -> list[float]:
    """Make edits one by one and time the gate for each."""
    server = _loaded(snapshot)
    gate = Gate(server)
    if indexed:
        finish(gate.indexing())
    writer, rows = _writer(snapshot)
    times_s = []
    for edit in edits:
        writer.edit(*edit)
        took_s, judgement = _judged(gate, rows[-1], writer)
        times_s.append(took_s)
        server.apply(rows[-1])
        gate.applied(judgement)
    return times_s


def _opening(snapshot: bytes, rounds: int) -> list[float]:
    server = _loaded(snapshot)
    return [_timed(lambda: Gate(server)) for _ in range(rounds)]


def _indexing(snapshot: bytes) -> list[float]:
    server = _loaded(snapshot)
    gates = [Gate(server) for _ in range(5)]
    return [_timed(lambda gate=gate: finish(gate.indexing())) for gate in gates]  # type: ignore[misc]


def _indexing_slices(snapshot: bytes) -> list[float]:
    return _slices(Gate(_loaded(snapshot)).indexing())


def _slices(work: object) -> list[float]:
    times_s = []
    while True:
        began = time.perf_counter()
        ended = next(work, work)  # type: ignore[call-overload]
        times_s.append(time.perf_counter() - began)
        if ended is work:
            return times_s


def _typing(snapshot: bytes, count: int) -> list[float]:
    return _each(snapshot, [(50_000 + index, 0, "x") for index in range(count)], indexed=False)[1:]


def _deleting(snapshot: bytes, count: int) -> list[float]:
    return _each(snapshot, [(50_000 - index, 1, "") for index in range(count)], indexed=False)


def _places(snapshot: bytes, count: int) -> list[int]:
    dice = random.Random(count)
    size = _loaded(snapshot).size_utf8
    return [dice.randrange(size) for _ in range(count)]


def _jumps(snapshot: bytes, count: int, *, indexed: bool) -> list[float]:
    return _each(snapshot, [(place, 0, "x") for place in _places(snapshot, count)], indexed=indexed)


def _merged(snapshot: bytes, rounds: int) -> list[float]:
    server = _loaded(snapshot)
    gate = Gate(server)
    writer, rows = _writer(snapshot)
    times_s = []
    for place in _places(snapshot, rounds):
        rows.clear()
        for index in range(MERGED_ROWS):
            writer.edit(place + index, 0, "x")
        update = merge_rows(rows, server.state_vector())
        took_s, judgement = _judged(gate, update, writer)
        times_s.append(took_s)
        server.apply(update)
        gate.applied(judgement)
    return times_s


def _pastes(snapshot: bytes, rounds: int) -> list[float]:
    return _each(snapshot, [(place, 0, "é" * 500_000) for place in [50_000] * rounds], indexed=False)


def _scattered(snapshot: bytes) -> tuple[list[float], list[float]]:
    server = _loaded(snapshot)
    writer, _ = _writer(snapshot)
    for place in _places(snapshot, 5000):
        writer.edit(place, 0, "x")
    update = writer.update_since(server.state_vector())
    whole = [_judged(Gate(server), update, writer)[0] for _ in range(3)]
    return whole, _slices(Gate(server).judging(update, authors={writer.client_id}))


if __name__ == "__main__":
    main()
