"""A machine of its own for one test: a folder for everything that `collab` keeps, and all that runs on it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from collab_protocol.text import Replica
from tests.e2e.terminal import Terminal, wait_until

COMMAND_DEADLINE_S: Final = 20.0
_IDLE_EXIT_S: Final = "120"
"""A private server that a killed test left behind ends by itself."""


def collab_command() -> list[str]:
    """Return what runs `collab`: the installed command of this environment, else the package."""
    installed = Path(sys.executable).with_name("collab")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "collab_cli"]


def bare_environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of this account is seen."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "COLLAB_HOME": str(home),
        "COLLAB_IDLE_EXIT_S": _IDLE_EXIT_S,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    if python_path := os.environ.get("PYTHONPATH"):
        # The working directory of what is started may differ.
        env["PYTHONPATH"] = os.pathsep.join(str(Path(p).absolute()) for p in python_path.split(os.pathsep))
    return env


class Home:
    """A COLLAB_HOME folder. Closing it ends every terminal and server on it, and removes it."""

    def __init__(self) -> None:
        # Not pytest's tmp_path: a socket's path has to be short.
        self.path = Path(tempfile.mkdtemp(prefix="collab-e2e-"))
        self.env = bare_environment(self.path)
        self._terminals: list[Terminal] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def data(self) -> Path:
        """The data folder of this machine's server."""
        return self.path / "data"

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `collab` without a terminal until it ends."""
        return subprocess.run(
            [*collab_command(), *arguments],
            env=self.env | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_DEADLINE_S,
            check=False,
        )

    def open(
        self, *arguments: str, env: Mapping[str, str] | None = None, columns: int = 100, rows: int = 24
    ) -> Terminal:
        """Run `collab` in a terminal."""
        return self.spawn([*collab_command(), *arguments], env=env, columns=columns, rows=rows)

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        columns: int = 100,
        rows: int = 24,
        has_rgb: bool = True,
    ) -> Terminal:
        """Run any program in a terminal."""
        terminal = Terminal(argv, env=self.env | dict(env or {}), columns=columns, rows=rows, has_rgb=has_rgb)
        self._terminals.append(terminal)
        return terminal

    def stored_text(self, room: str) -> str:
        """Return the text of `room` as the database in the data folder holds it, row by row."""
        (file,) = self.data.glob("*.sqlite3")
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            snapshot = db.execute(
                "SELECT covered, data FROM snapshot WHERE room = ? ORDER BY covered DESC LIMIT 1", (room,)
            ).fetchone()
            covered = snapshot[0] if snapshot else 0
            rows = db.execute(
                "SELECT data FROM row WHERE room = ? AND last > ? ORDER BY first", (room, covered)
            ).fetchall()
        replica = Replica(1)
        try:
            for data in [snapshot[1]] if snapshot else []:
                replica.apply(data)
            for (data,) in rows:
                replica.apply(data)
            return replica.text()
        finally:
            replica.close()

    def wait_stored(self, room: str, text: str, *terminals: Terminal) -> None:
        """Wait until the database holds `text`, reading from `terminals` meanwhile."""
        wait_until(terminals, lambda: self.stored_text(room) == text, f"{text!r} to be stored")

    def server_pid(self) -> int | None:
        """Return the process that server.json names."""
        try:
            return int(json.loads((self.data / "server.json").read_text())["pid"])
        except FileNotFoundError:
            return None

    def servers(self) -> list[int]:
        """Return the processes that serve the data folder, or are about to."""
        return [
            pid
            for pid, arguments in _processes()
            if " serve " in arguments and (str(self.data) in arguments) and pid != os.getpid()
        ]

    def kill_server(self) -> None:
        """End the server as a power cut would, and wait until its lock is free."""
        for pid in self.servers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if (self.data / "server.lock").exists():
            with (self.data / "server.lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()
        self.kill_server()
        shutil.rmtree(self.path)


def _processes() -> list[tuple[int, str]]:
    """Return pid and command line of every process that can be seen."""
    if Path("/proc/self/cmdline").exists():
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                arguments = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append((int(folder.name), arguments.decode("utf-8", "replace")))
        return found
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True, timeout=10
    )
    return [
        (int(pid), rest)
        for pid, _, rest in (line.strip().partition(" ") for line in listed.stdout.splitlines())
    ]
