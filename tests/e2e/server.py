"""A `collab serve` that somebody runs by hand: started until it is ready, killed, started again, reaped."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time
from typing import Final, Self

from tests.e2e.home import Home, collab_command

READY_DEADLINE_S: Final = 15.0
_READY: Final = re.compile(rb"wss?://[^ ]+/ROOM\n")


class Server:
    """A server on the data folder of `home`, over TCP on a port that stays the same over restarts."""

    def __init__(self, home: Home, *flags: str) -> None:
        self._home = home
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.log = home.path / "serve.log"
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def url(self, room: str) -> str:
        """Return what to join."""
        return f"ws://127.0.0.1:{self.port}/{room}"

    def start(self) -> None:
        """Start, and return when joins succeed."""
        arguments = ("serve", str(self._home.data), "--port", str(self.port), "--insecure", *self._flags)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*collab_command(), *arguments],
                env=self._home.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            self.port = self._wait_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """End as an administrator would (SIGTERM); returns the exit code, None if there is nothing to end."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        with process:
            process.send_signal(number)
            try:
                return process.wait(READY_DEADLINE_S)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    def _wait_ready(self, process: subprocess.Popen[bytes]) -> int:
        assert process.stdout is not None
        said = b""
        ends_at = time.monotonic() + READY_DEADLINE_S
        while _READY.search(said) is None:
            left_s = ends_at - time.monotonic()
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, left_s))
            piece = os.read(process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                raise AssertionError(f"the server is not ready: it said {said!r}\n{self.log.read_text()}")
            said += piece
        port = json.loads((self._home.data / "server.json").read_bytes())["tcp"][1]
        assert isinstance(port, int)
        return port
