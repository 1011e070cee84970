"""A `collab serve --auth` in a process of its own: where it is, whom it lets in, what memory it takes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from websockets.sync.client import unix_connect
from websockets.typing import Subprotocol

from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from tests.e2e.home import Home

_READY_S: Final = 20.0
_ROOT: Final = Path(__file__).parents[2]
_PACKAGES: Final = ("protocol", "server", "tui", ".")


class Served:
    """A server that wants a token of whoever comes over TCP, on a port that it drew."""

    def __init__(self, home: Home, *flags: str) -> None:
        """Start it, and return when joins succeed."""
        self.data = home.data
        self.log = home.path / "serve.log"
        python_path = os.pathsep.join(str(_ROOT / package) for package in _PACKAGES)
        arguments = ("serve", str(self.data), "--host", "127.0.0.1", "--port", "0", "--auth", *flags)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "collab_cli", *arguments],
                env=home.env | {"PYTHONPATH": python_path},
                cwd=home.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        try:
            endpoints = self._wait_ready()
        except BaseException:
            self.stop()
            raise
        self.port = int(endpoints["tcp"][1])
        self._unix = str(endpoints["unix"])
        self._office = contextlib.ExitStack()
        self._websocket = self._office.enter_context(
            unix_connect(
                self._unix,
                f"ws://localhost{ADMIN_PATH}",
                subprotocols=[Subprotocol(ADMIN_SUBPROTOCOL)],
                ping_interval=None,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._office.close()
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the process that was started is still the one that runs."""
        return self._process.poll() is None

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask the office for something; what it cannot do fails the test."""
        self._websocket.send(json.dumps(request))
        answer: Mapping[str, Any] = json.loads(self._websocket.recv(timeout=_READY_S))
        assert "ok" in answer, answer
        done: dict[str, Any] = answer["ok"]
        return done

    def invite(self, room: str, role: str = "write", **more: Any) -> str:
        """Return the token of a new invite; a reusable one, unless told otherwise."""
        return str(
            self.ask(**{"do": "invite", "room": room, "role": role, "reusable": True, **more})["token"]
        )

    def rss_bytes(self) -> int | None:
        """Return what memory the process takes now; None where that cannot be read."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return None
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_READY_S)
        finally:
            self._process.kill()
            self._process.wait(_READY_S)

    def _wait_ready(self) -> dict[str, Any]:
        ends_at = time.monotonic() + _READY_S
        while time.monotonic() < ends_at and self.is_running:
            with contextlib.suppress(FileNotFoundError):
                found: dict[str, Any] = json.loads((self.data / "server.json").read_text())
                return found
            time.sleep(0.02)
        raise AssertionError(f"the server is not ready\n{self.log.read_text()}")
