"""Guests of `collab serve --ssh`: how soon they are ready, what each holds, and a key among all of them."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from tests.e2e.home import Home
from tests.e2e.server import Server
from tests.e2e.sshd import descendants, free_port
from tests.e2e.terminal import Terminal, pump, wait_until

from benchmarks.figures import percentile, percentiles, print_table, shuffled_glyphs
from benchmarks.processes import Memory, memory

_ROOM: Final = "notes"
_CODE: Final = "notes.py"
_CODE_GUESTS: Final = 3
_REST_S: Final = 3.0
_KEYS_BETWEEN_S: Final = 0.15


def measure_guests(guests: int, keys: int) -> None:
    """Let `guests` come one after the other into one room, and one of them type; print."""
    port = free_port()
    with Home() as home, contextlib.ExitStack() as stack:
        ssh = _client(home, port)
        server = stack.enter_context(Server(home, "--ssh", f"127.0.0.1:{port}"))
        ready: list[float] = []
        there: list[Terminal] = []
        for _ in range(guests + 1):
            terminal = stack.enter_context(home.spawn([*ssh, f"{_ROOM}@127.0.0.1"], columns=80, rows=24))
            terminal.wait_for("✓")
            ready.append(terminal.stamp(len(terminal.raw)) - terminal.started_at)
            there.append(terminal)
            _read(there, 0.2)
        _read(there, _REST_S)
        held = {"a guest": _held_by_guests(server.pid)}
        others = [pid for pid in descendants(server.pid) if not _has_terminal(pid)]
        held["door and fork server"] = [memory(pid) for pid in others]
        own, last = _type(there, keys)
        before = set(_guests(server.pid))
        for _ in range(_CODE_GUESTS):
            terminal = stack.enter_context(home.spawn([*ssh, f"{_CODE}@127.0.0.1"], columns=80, rows=24))
            terminal.wait_for("✓")
            there.append(terminal)
        there[-1].send("def colours():\r")
        _read(there, _REST_S)
        held["a guest with colours, and its parser"] = _held_by_guests(server.pid, before)
    print(f"{guests} guests of `collab serve --ssh` in one room, each beside those before; ms, MB\n")
    print_table(
        ["", "guests", "p50", "p95", "p99"],
        [
            ["ready, from the start of ssh", str(guests), *percentiles(ready[1:])],
            ["own key", str(len(own)), *percentiles(own)],
            ["the last of all screens", str(len(last)), *percentiles(last)],
        ],
    )
    print_table(
        ["memory, MB", "of", "PSS p50", "PSS most", "RSS p50"],
        [
            [
                what,
                str(len(each)),
                f"{percentile([m.pss_mb for m in each], 50):.1f}",
                f"{max(m.pss_mb for m in each):.1f}",
                f"{percentile([m.rss_mb for m in each], 50):.1f}",
            ]
            for what, each in held.items()
        ],
    )


def _guests(server: int) -> list[int]:
    """Return the editors of guests: what is below `serve` and has a terminal."""
    return [pid for pid in descendants(server) if _has_terminal(pid)]


def _held_by_guests(server: int, but: Collection[int] = ()) -> list[Memory]:
    """Return what each guest holds, with the processes that it has started."""
    held = []
    for guest in _guests(server):
        if guest not in but:
            own = [memory(pid) for pid in (guest, *descendants(guest))]
            held.append(Memory(sum(m.rss_mb for m in own), sum(m.pss_mb for m in own)))
    return held


def _has_terminal(pid: int) -> bool:
    """Return whether a process has a controlling terminal (proc_pid_stat(5), tty_nr)."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[4]) != 0
    except OSError:
        return False


def _client(home: Home, port: int) -> list[str]:
    """Return what a guest types before the room, with a key that may write in two."""
    key = home.path / "guest"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    lines = [home.run("invite", room, "--ssh-key", f"{key}.pub").stdout for room in (_ROOM, _CODE)]
    keys = home.data / "ssh" / "authorized_keys"
    keys.parent.mkdir(parents=True, mode=0o700)
    keys.write_text("".join(lines))
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "IdentitiesOnly=yes",
    )
    flags = [flag for option in options for flag in ("-o", option)]
    return ["ssh", "-F", "none", *flags, "-i", str(key), "-p", str(port)]


def _type(there: list[Terminal], keys: int) -> tuple[list[float], list[float]]:
    """Let the first type; returns when it was on its own screen, and when on the last of all."""
    own: list[float] = []
    last: list[float] = []
    dice = random.Random(keys)
    for index, glyph in enumerate(shuffled_glyphs(keys, keys)):
        if index % 60 == 59:
            there[0].send("\r")
            _read(there, 0.5)
        needle = glyph.encode()
        marks = [len(each.raw) for each in there]
        sent_at = there[0].send(glyph)
        wait_until(
            there,
            lambda: all(t.raw.find(needle, mark) >= 0 for t, mark in zip(there, marks, strict=True)),  # noqa: B023
            glyph,
        )
        drawn = [
            t.stamp(t.raw.find(needle, mark) + len(needle)) for t, mark in zip(there, marks, strict=True)
        ]
        own.append(drawn[0] - sent_at)
        last.append(max(drawn) - sent_at)
        _read(there, _KEYS_BETWEEN_S * (1 + dice.random()))
    return own, last


def _read(there: list[Terminal], for_s: float) -> None:
    ends_at = time.perf_counter() + for_s
    while (left_s := ends_at - time.perf_counter()) > 0:
        pump(there, left_s)
