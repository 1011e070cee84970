"""A terminal for the tests: a program on a pseudo-terminal, what it wrote, and how it left the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

DEADLINE_S = 30.0


class Terminal:
    """Runs `command` on a terminal of `columns` by `rows`; a context manager that ends what it started."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes_before = termios.tcgetattr(self._ours)
        self.output = b""
        self._is_open = True
        self.program = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environ), start_new_session=True
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        with self.program:
            if self.program.poll() is None:
                self.program.kill()
        self.close()

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def wait_for(self, pattern: str) -> bytes:
        """Return what was written once it holds `pattern`."""
        wanted = re.compile(pattern.encode(), re.DOTALL)
        deadline = time.monotonic() + DEADLINE_S
        while not wanted.search(self.output):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.output[-2000:]!r}"
            assert self._read(0.1), f"ended without {pattern!r}: {self.output[-2000:]!r}"
        return self.output

    def wait_for_exit(self) -> int:
        """Return the exit code, when all that was written has been read."""
        deadline = time.monotonic() + DEADLINE_S
        while self.program.poll() is None:
            assert time.monotonic() < deadline, f"still runs: {self.output[-2000:]!r}"
            self._read(0.05)
        while self._is_open and select.select([self._ours], [], [], 0)[0] and self._read(0):
            pass
        return self.program.returncode

    @property
    def modes(self) -> list[object]:
        return termios.tcgetattr(self._ours)

    def close(self) -> None:
        """Take the terminal away."""
        if self._is_open:
            self._is_open = False
            os.close(self._ours)

    def _read(self, timeout_s: float) -> bool:
        """Read what there is; returns False when the program has let the terminal go."""
        if not self._is_open:
            return False
        if select.select([self._ours], [], [], timeout_s)[0]:
            try:
                self.output += os.read(self._ours, 65536)
            except OSError:  # Linux's way to say that nobody has the other end open
                return False
        return True
