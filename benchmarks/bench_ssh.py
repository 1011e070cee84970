"""Pairing over SSH: a key until it is drawn, here and there; how long it takes to come in; guests.

    python -m benchmarks.bench_ssh [--only keys|connect|guests] [--keys 200] [--times 15] [--guests 20]

All of it over a real sshd on a loopback port, and `collab serve --ssh`: the network is not in these figures.
Every way takes turns with the local one in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import time
from collections.abc import Callable
from typing import Final

from tests.e2e.home import Home, collab_command
from tests.e2e.peer import Peer
from tests.e2e.server import Server
from tests.e2e.sshd import Sshd
from tests.e2e.terminal import Terminal

from benchmarks.figures import percentile, percentiles, print_table, shuffled_glyphs, some_text
from benchmarks.pair_keys import PairKeys
from benchmarks.ssh_guests import measure_guests

_LINES: Final = 100
_ROUND: Final = 20
"""Keys that are typed one way before the next way's turn."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subjects = {"keys": _keys, "connect": _connect, "guests": _guests}
    parser.add_argument("--only", choices=tuple(subjects))
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--guests", type=int, default=20)
    options = parser.parse_args()
    for name, measure in subjects.items():
        if options.only in (None, name):
            measure(options)


def _keys(options: argparse.Namespace) -> None:
    """Type in turns: locally, and by each way, with the other on the same way."""
    text = some_text(_LINES)
    with Home() as home, Sshd(home) as sshd, Server(sshd.far) as server, contextlib.ExitStack() as stack:
        home.env.update(sshd.env)

        def open_way(way: str, room: str, name: str) -> Terminal:
            joining = ("join", _target(way, sshd, server, room), "--name", name)
            if way == "local":
                return sshd.far.open(*joining, columns=120, rows=40)
            if way == "ssh -t":
                argv = [*sshd.ssh, "-t", sshd.host, " ".join(("collab", *joining))]
                return home.spawn(argv, columns=120, rows=40)
            return home.open(*joining, columns=120, rows=40)

        pairs: dict[str, PairKeys] = {}
        for index, way in enumerate(("local", "ssh://", "ssh://?via=tcp", "ssh -t")):
            with Peer(f"room{index}", server.port) as peer:
                peer.append(text)
            writer = stack.enter_context(open_way(way, f"room{index}", "ana"))
            other = stack.enter_context(open_way(way, f"room{index}", "bo"))
            pairs[way] = PairKeys(writer, other)
            pairs[way].get_ready(text.split()[0])
        glyphs = shuffled_glyphs(options.keys, options.keys)
        for start in range(0, len(glyphs), _ROUND):
            for pair in pairs.values():
                pair.type(glyphs[start : start + _ROUND])
    print("Key to glyph drawn, ms\n")
    rows = []
    for what, times in (("own key", "own"), ("the other's screen", "others")):
        base = percentile(getattr(pairs["local"], times), 50)
        for way, pair in pairs.items():
            values = getattr(pair, times)
            beyond = f"{(percentile(values, 50) - base) * 1000:+.2f}"
            rows.append([f"{way}: {what}", str(len(values)), *percentiles(values), str(pair.missed), beyond])
    print_table(["way", "keys", "p50", "p95", "p99", "missed", "to local"], rows)


def _target(way: str, sshd: Sshd, server: Server, room: str) -> str:
    match way:
        case "ssh://":
            return f"ssh://{sshd.host}/{room}"
        case "ssh://?via=tcp":
            return f"ssh://{sshd.host}/{room}?via=tcp:{server.port}"
        case _:
            return room


def _connect(options: argparse.Namespace) -> None:
    """Start again and again, until the text is in step with the server."""
    times: dict[str, list[float]] = {}
    with Home() as home, Sshd(home) as sshd, Server(sshd.far) as server:
        with Peer("notes", server.port) as peer:
            peer.append(some_text(_LINES))
        mastered = sshd.config.with_name("config-master")
        mastered.write_text(
            f"{sshd.config.read_text()}  ControlMaster auto\n  ControlPersist 60\n"
            f"  ControlPath {sshd.folder}/m-%C\n"
        )
        with_master = {"COLLAB_SSH": f"ssh -F {mastered}"}
        over_tcp = f"ssh://{sshd.host}/notes?via=tcp:{server.port}"
        ways: dict[str, Callable[[], float]] = {
            "local": lambda: _until_saved(sshd.far.open("join", "notes")),
            "ssh://, cold": lambda: _until_saved(home.open("join", f"ssh://{sshd.host}/notes", env=sshd.env)),
            "ssh://, ControlMaster": lambda: _until_saved(
                home.open("join", f"ssh://{sshd.host}/notes", env=with_master)
            ),
            "ssh://?via=tcp, cold": lambda: _until_saved(home.open("join", over_tcp, env=sshd.env)),
            "ssh://?via=tcp, ControlMaster": lambda: _until_saved(
                home.open("join", over_tcp, env=with_master)
            ),
            "ssh -t": lambda: _until_saved(home.spawn([*sshd.ssh, "-t", sshd.host, "collab join notes"])),
            "ssh HOST true": lambda: _until_ended([*sshd.ssh, "-T", sshd.host, "true"]),
            "the relay's first byte, on its machine": lambda: _first_byte(sshd.far),
        }
        try:
            for turn in range(options.times + 1):
                for way, measure in ways.items():
                    took_s = measure()
                    if turn:  # the first warms what is cached, and makes the master
                        times.setdefault(way, []).append(took_s)
        finally:
            subprocess.run(
                ["ssh", "-F", str(mastered), "-O", "exit", sshd.host], capture_output=True, check=False
            )
    print("From the start until the text is in step, ms\n")
    print_table(
        ["way", "times", "p50", "p95", "p99"],
        [[way, str(len(values)), *percentiles(values)] for way, values in times.items()],
    )


def _until_saved(terminal: Terminal) -> float:
    with terminal:
        terminal.wait_for("✓")
        return terminal.stamp(len(terminal.raw)) - terminal.started_at


def _until_ended(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return time.perf_counter() - began


def _first_byte(home: Home) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        [*collab_command(), "relay"], env=home.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as relay:
        assert relay.stdout is not None
        os.read(relay.stdout.fileno(), 1)
        took_s = time.perf_counter() - began
        assert relay.stdin is not None
        relay.stdin.close()
        relay.stdout.read()
    return took_s


def _guests(options: argparse.Namespace) -> None:
    measure_guests(options.guests, options.keys)


if __name__ == "__main__":
    main()
