"""The units of deploy/ run as systemd would, without it: their sockets, command line and news."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from tests.e2e.home import Home, collab_command
from tests.e2e.server import READY_DEADLINE_S

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PROGRAM: Final = "/opt/collab/bin/collab"

_PASS: Final = """
import os, sys
numbers = [int(number) for number in sys.argv[1].split(",")]
for n, number in enumerate(numbers):
    os.dup2(number, 200 + n)
for n in range(len(numbers)):
    os.dup2(200 + n, 3 + n)
os.closerange(3 + len(numbers), 300)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Puts sockets where a service finds them, and becomes that service."""


def directives(name: str) -> dict[str, list[str]]:
    """Return what a file of deploy/ says, by section and key; an empty value takes back those before it."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and line[0] not in "#;":
            key, _, value = line.partition("=")
            values = found.setdefault(f"{section}.{key}", [])
            values.append(value) if value else values.clear()
    return found


class Service:
    """collab.service with its sockets, which stay while it is stopped and started; use it in a `with`."""

    def __init__(self, home: Home, *drop_ins: str) -> None:
        """`drop_ins` are files of deploy/ that add to the unit."""
        self.root = home.path
        self.log = home.path / "journal"
        self.backups = home.path / "state" / "collab-backups"
        self._folders = {
            "%E": home.path / "etc",
            "%S": home.path / "state",
            "%t": home.path / "run",
            "%d": home.path / "credentials",
        }
        for folder in self._folders.values():
            folder.mkdir(exist_ok=True)
        self._unit = directives("collab.service")
        for drop_in in drop_ins:
            for key, values in directives(drop_in).items():
                self._unit[key] = [*self._unit.get(key, []), *values]
        (state,) = self._unit["Service.StateDirectory"]
        self.data = self._folders["%S"] / state
        self.data.mkdir(mode=int(self._unit["Service.StateDirectoryMode"][0], 8), exist_ok=True)
        self._sockets: list[tuple[str, socket.socket]] = []
        for unit in self._unit["Service.Sockets"][0].split():
            self._open(unit)
        self._news = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._news.bind(str(home.path / "notify"))
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": home.env.get("PYTHONPATH", ""),
            "LANG": "C.UTF-8",
            "HOME": str(self.data),
        }
        for line in self._unit["Service.Environment"]:
            self.env |= dict(each.split("=", 1) for each in shlex.split(self._expanded(line)))
        self._write_config()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with self._process as process:
                process.kill()
        for _, sock in self._sockets:
            sock.close()
        self._news.close()

    @property
    def unix(self) -> Path:
        """Where the Unix socket is."""
        return Path(self._of_family(socket.AF_UNIX)[0].getsockname())

    @property
    def port(self) -> int:
        """Where people come in."""
        return int(self._of_family(socket.AF_INET)[0].getsockname()[1])

    @property
    def monitor_port(self) -> int:
        """Where health and metrics are."""
        return int(self._of_family(socket.AF_INET)[1].getsockname()[1])

    def start(self, *, watchdog_s: float | None = None) -> None:
        """Start, and return when it is ready."""
        numbers = [sock.fileno() for _, sock in self._sockets]
        (line,) = self._unit["Service.ExecStart"]
        program, *arguments = shlex.split(self._expanded(line))
        assert program == PROGRAM
        watchdog_s = float(self._unit["Service.WatchdogSec"][0]) if watchdog_s is None else watchdog_s
        passing = {
            "LISTEN_FDS": str(len(numbers)),
            "LISTEN_FDNAMES": ":".join(name for name, _ in self._sockets),
            "NOTIFY_SOCKET": str(self._news.getsockname()),
            "WATCHDOG_USEC": str(int(watchdog_s * 1e6)),
        }
        launcher = [sys.executable, "-ISc", _PASS, ",".join(map(str, numbers))]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launcher, *collab_command(), *arguments],
                env=self.env | passing,
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.hear("READY=1")

    def reload(self) -> None:
        """Have it read again what may change, as ExecReload does, and return when it has."""
        (line,) = self._unit["Service.ExecReload"]
        assert line == "/bin/kill -HUP $MAINPID"
        self._signal(signal.SIGHUP)
        self.hear("RELOADING=1")
        self.hear("READY=1")

    def stop(self) -> int:
        """End it, as `systemctl stop` does; returns its exit code."""
        self._signal(signal.SIGTERM)
        self.hear("STOPPING=1")
        assert self._process is not None
        with self._process as process:
            code = process.wait(float(self._unit["Service.TimeoutStopSec"][0]))
        self._process = None
        return code

    def succeeds_with(self, code: int) -> bool:
        """Tell whether the unit takes an exit code for a success."""
        return code == 0 or str(code) in self._unit["Service.SuccessExitStatus"][0].split()

    def hear(self, what: str) -> str:
        """Return the next news that has `what` among its lines."""
        ends_at = time.monotonic() + READY_DEADLINE_S
        while (left_s := ends_at - time.monotonic()) > 0:
            self._news.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                said = self._news.recv(4096).decode()
                if what in said.splitlines():
                    return said
            if self._process is not None and self._process.poll() is not None:
                break
        raise AssertionError(f"it did not say {what!r}\n{self.log.read_text()}")

    def run_unit(self, name: str) -> str:
        """Run what a oneshot unit runs; returns what it prints."""
        unit = directives(name)
        assert set(unit["Service.Environment"]) <= set(self._unit["Service.Environment"])
        for folder in unit["Service.StateDirectory"][0].split():
            (self._folders["%S"] / folder).mkdir(mode=0o700, exist_ok=True)
        program, *arguments = shlex.split(self._expanded(unit["Service.ExecStart"][0]))
        assert program == PROGRAM
        return self.ask(*arguments)

    def ask(self, *arguments: str) -> str:
        """Run `collab` as `collabctl` does; returns what it prints."""
        done = subprocess.run(
            [*collab_command(), *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _open(self, unit: str) -> None:
        """Open the sockets of a .socket unit."""
        said = directives(unit)
        name = said.get("Socket.FileDescriptorName", [unit])[0]
        for address in said["Socket.ListenStream"]:
            if address.startswith("/"):
                path = Path(self._moved(address))
                path.parent.mkdir(exist_ok=True)
                sock = socket.socket(socket.AF_UNIX)
                sock.bind(str(path))
                path.chmod(int(said["Socket.SocketMode"][0], 8))
            else:
                sock = socket.socket(socket.AF_INET)
                sock.bind((address.rpartition(":")[0], 0))
            sock.listen(128)
            self._sockets.append((name, sock))

    def _write_config(self) -> None:
        text = self._moved((DEPLOY / "config.toml").read_text(encoding="utf-8"))
        text, count = re.subn(r'url = "[^"]*"', f'url = "ws://127.0.0.1:{self.port}"', text)
        assert count == 1
        path = Path(self.env["COLLAB_CONFIG"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _moved(self, text: str) -> str:
        """Return `text` with the folders of the machine made those of the test."""
        for there, here in (("/var/lib", "%S"), ("/run", "%t")):
            text = text.replace(f"{there}/collab", f"{self._folders[here]}/collab")
        return text

    def _expanded(self, line: str) -> str:
        for specifier, folder in self._folders.items():
            line = line.replace(specifier, str(folder))
        assert not re.search(r"%[a-zA-Z]", line), f"a specifier is not known here: {line}"
        return line

    def _of_family(self, family: socket.AddressFamily) -> list[socket.socket]:
        return [sock for _, sock in self._sockets if sock.family == family]

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
