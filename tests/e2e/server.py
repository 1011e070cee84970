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
_READY: Final = re.compile(r"wss?://[^ ]+/ROOM\n")


class ServeProcess:
    """A `collab serve` on the data folder of `home`; it is left stopped, and nothing of it is left."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.log = home.path / "serve.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End as a power cut would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """End as an administrator would (SIGTERM); returns the exit code, None if there is nothing to end."""
        return self._end(signal.SIGTERM)

    def _start(self, *arguments: str, ready: re.Pattern[str]) -> re.Match[str]:
        """Start, and return what it says when it is `ready`."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*collab_command(), "serve", str(self.home.data), *arguments],
                env=self.home.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        try:
            return self._wait_ready(self._process, ready)
        except BaseException:
            self.kill()
            raise

    def _wait_ready(self, process: subprocess.Popen[bytes], ready: re.Pattern[str]) -> re.Match[str]:
        assert process.stdout is not None
        said = b""
        ends_at = time.monotonic() + READY_DEADLINE_S
        while (found := ready.search(said.decode("utf-8", "replace"))) is None:
            left_s = ends_at - time.monotonic()
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, left_s))
            piece = os.read(process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                raise AssertionError(f"the server is not ready: it said {said!r}\n{self.log.read_text()}")
            said += piece
        return found

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


class Server(ServeProcess):
    """One that serves over TCP, on a port that stays the same over restarts."""

    def __init__(self, home: Home, *flags: str) -> None:
        super().__init__(home)
        self._flags = flags
        self.port = 0
        self.start()

    def url(self, room: str) -> str:
        """Return what to join."""
        return f"ws://127.0.0.1:{self.port}/{room}"

    def start(self) -> None:
        """Start, and return when joins succeed."""
        self._start("--port", str(self.port), "--insecure", *self._flags, ready=_READY)
        port = json.loads((self.home.data / "server.json").read_bytes())["tcp"][1]
        assert isinstance(port, int)
        self.port = port
