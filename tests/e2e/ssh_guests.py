"""A `collab serve --ssh` for one test, and guests who come to it with OpenSSH's client and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import pytest

from tests.e2e.home import Home
from tests.e2e.server import READY_DEADLINE_S, ServeProcess
from tests.e2e.sshd import descendants
from tests.e2e.terminal import Terminal

_READY: Final = re.compile(r"ssh -p (\d+) ROOM@127\.0\.0\.1 +host key (SHA256:\S+)\n")

ALTERNATE: Final = b"\x1b[?1049h"
_RESTORED: Final = (b"\x1b[?1049l", b"\x1b[?2004l", b"\x1b[?1000l", b"\x1b[?25h")
_SEQUENCE: Final = re.compile(r"\x1b(?:\[[<?]?[0-9;]*[a-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))", re.I)

needs_ssh: Final = pytest.mark.skipif(
    shutil.which("ssh") is None,
    reason="there is no ssh on this machine: install openssh-client to have this tested",
)


class GuestServer(ServeProcess):
    """A server that lets guests in over SSH, on the data folder of `home`."""

    def __init__(self, home: Home, *flags: str) -> None:
        super().__init__(home)
        self.folder = home.data / "ssh"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.authorized_keys = self.folder / "authorized_keys"
        self.known_hosts = home.path / "known_hosts"
        self.port = 0
        self.fingerprint = ""
        self._flags = flags

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def door(self) -> int:
        """The process that speaks SSH."""
        return self._only(self.pid)

    @property
    def fork_server(self) -> int:
        return self._only(self.door)

    def guests(self) -> list[int]:
        """Return the processes of guests; what they have started themselves is not among them."""
        said = Path(f"/proc/{self.fork_server}/task/{self.fork_server}/children").read_text()
        return [int(each) for each in said.split()]

    def start(self) -> None:
        """Start, and return when guests can come."""
        found = self._start("--ssh", f"127.0.0.1:{self.port}", *self._flags, ready=_READY)
        self.port, self.fingerprint = int(found[1]), found[2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self._host_key()}\n")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self) -> int | None:
        """As for any; nothing that it has started may be left."""
        below = [] if self._process is None else descendants(self.pid)
        code = super().stop()
        left = [pid for pid in below if Path(f"/proc/{pid}").exists()]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"left behind: {left}\n{self.log.read_text()}"
        return code

    # Guests

    def let_in(self, key: str, room: str, *flags: str) -> Path:
        """Let the key of that name, which is made if need be, into a room; returns its file."""
        file = self.home.path / key
        if not file.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{key}@away", "-f", str(file)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=READY_DEADLINE_S)
        printed = self.home.run("invite", room, "--ssh-key", f"{file}.pub", *flags)
        assert printed.returncode == 0, printed.stderr
        with self.authorized_keys.open("a") as stream:
            stream.write(printed.stdout)
        return file

    def ssh(self, key: str | None, room: str, *flags: str, command: tuple[str, ...] = ()) -> list[str]:
        """Return what somebody types who has that key, or none."""
        options = [
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "LogLevel=INFO",
            *([] if key is None else [f"IdentityFile={self.home.path / key}"]),
        ]
        given = [flag for option in options for flag in ("-o", option)]
        return ["ssh", "-F", "none", *given, "-p", str(self.port), *flags, f"{room}@127.0.0.1", *command]

    def come(self, key: str | None, room: str, *flags: str, columns: int = 80, rows: int = 24) -> Terminal:
        """Come in a terminal."""
        return self.home.spawn(self.ssh(key, room, *flags), columns=columns, rows=rows)

    def run(
        self, key: str | None, room: str, *flags: str, command: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Come without a terminal."""
        return subprocess.run(
            self.ssh(key, room, *flags, command=command),
            env=self.home.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_DEADLINE_S,
            check=False,
        )

    def _host_key(self) -> str:
        command = ["ssh-keygen", "-y", "-f", str(self.folder / "host_key")]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()

    def _only(self, parent: int) -> int:
        """Return the one child of a process."""
        said = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        (child,) = said.split()
        return int(child)


def eventually(is_true: Callable[[], bool], what: str, deadline_s: float = 10.0) -> None:
    """Wait for what no terminal tells. Raises: AssertionError: it has not become true in time."""
    ends_at = time.monotonic() + deadline_s
    while not is_true():
        assert time.monotonic() < ends_at, f"waited for {what}"
        select.select([], [], [], 0.02)


def restored(terminal: Terminal, last_line: str = "") -> None:
    """See that the screen is as it was before, with one line of ours behind, or none."""
    taken = terminal.raw.find(ALTERNATE)
    assert taken >= 0
    for sequence in _RESTORED:
        assert terminal.raw.find(sequence, taken) > 0, sequence
    assert terminal.attributes() == terminal.initial_attributes
    behind = terminal.raw[terminal.raw.rindex(_RESTORED[0]) :].decode()
    said = [line for line in _SEQUENCE.sub("", behind).splitlines() if line.startswith("collab:")]
    assert said == ([last_line] if last_line else []), behind
