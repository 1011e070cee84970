"""The server that is measured: a child on a processor of its own, or a peer that somebody else started."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from tests.e2e.home import Home, collab_command

from benchmarks.processes import memory, waited_s

SERVER_CPU: Final = 0
LOAD_CPU: Final = 1

_READY_S: Final = 20.0
_ADDRESS: Final = re.compile(rb"ws://[^ ]+:(\d+)/")
_GENEROUS: Final = {"--connections-per-address": "20000", "--accept-rate": "100000"}
"""Flags that let one address do what many do otherwise, where the server has them."""


class Cpu(NamedTuple):
    """Processor time in seconds: of the main thread, where the loop is, and of all others, the store's."""

    loop_s: float
    store_s: float


def pin(pid: int, cpu: int) -> bool:
    """Keep a process on one processor; returns whether that can be done here."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        return False
    os.sched_setaffinity(pid, {cpu})
    return True


class Served:
    """A server with a process id."""

    host = "127.0.0.1"
    port: int
    pid: int | None

    @property
    def rss_kb(self) -> float:
        """What it holds; NaN where that is not known."""
        return float("nan") if self.pid is None else memory(self.pid).rss_mb * 1024

    @property
    def kept_s(self) -> float:
        """How long its main thread was ready while others had the processor; NaN where that is not known."""
        return float("nan") if self.pid is None else waited_s(self.pid)

    def cpu(self) -> Cpu:
        """Return the processor time so far, to the microsecond (proc(5), schedstat); NaN where not known."""
        unknown = float("nan")
        if self.pid is None or not Path(f"/proc/{self.pid}/schedstat").exists():
            return Cpu(unknown, unknown)
        loop_s = store_s = 0.0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                spent_s = int((task / "schedstat").read_text().split()[0]) / 1e9
                if task.name == str(self.pid):
                    loop_s += spent_s
                else:
                    store_s += spent_s
        return Cpu(loop_s, store_s)


class Peer(Served):
    """Another server, at an address and perhaps with a process id."""

    def __init__(self, url: str, pid: int | None) -> None:
        found = re.fullmatch(r"ws://([^:/]+):(\d+)/?", url)
        if found is None:
            raise SystemExit(f"a peer is ws://HOST:PORT, not {url}")
        self.host, self.port, self.pid = found[1], int(found[2]), pid
        if pid is not None:
            pin(pid, SERVER_CPU)


class CollabServer(Served):
    """`collab serve` on the data folder of `home`; use it in a `with`."""

    def __init__(self, home: Home, flags: Sequence[str] = (), command: Sequence[str] | None = None) -> None:
        """Start it, and return when it listens. `command` runs `collab`, if it is not the one of here."""
        self._log = home.path / "serve.log"
        arguments = ["serve", str(home.data), "--port", "0", "--insecure", *flags]
        env = {name: value for name, value in home.env.items() if name != "COLLAB_IDLE_EXIT_S"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*(command or collab_command()), *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.pid = self._process.pid
        pin(self.pid, SERVER_CPU)
        try:
            self.port = self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End as an administrator would."""
        with self._process:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_READY_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()

    def _wait_ready(self) -> int:
        assert self._process.stdout is not None
        said = b""
        ends_at = time.monotonic() + _READY_S
        while (found := _ADDRESS.search(said)) is None:
            left_s = max(0.0, ends_at - time.monotonic())
            readable, _, _ = select.select([self._process.stdout], [], [], left_s)
            piece = os.read(self._process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                raise SystemExit(f"the server is not ready: it said {said!r}\n{self._log.read_text()}")
            said += piece
        return int(found[1])


def generous_flags(home: Home, command: Sequence[str] | None = None) -> list[str]:
    """Return flags against caps that a load from one address would meet."""
    asked = subprocess.run(
        [*(command or collab_command()), "serve", "--help"],
        env=home.env | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
        timeout=_READY_S,
    )
    return [word for flag, value in _GENEROUS.items() if flag in asked.stdout for word in (flag, value)]


@contextlib.contextmanager
def fresh_server(flags: Sequence[str], command: Sequence[str] | None) -> Iterator[CollabServer]:
    """Serve an empty folder that goes away afterwards."""
    with Home() as home, CollabServer(home, flags, command) as server:
        yield server
