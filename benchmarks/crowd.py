"""People who stand or type in view of the editor that is measured, in a process of their own.

    python -m benchmarks.crowd PORT ROOM --people 8 --rate 100

On stdout: `ready` when all carets are out, and after SIGTERM how many edits were made in how many seconds.
Each person has a row of the text: there they type some letters, take them back, and begin again.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final, Self

from tests.e2e.peer import Peer

from collab_protocol.text import utf8_length

_ROWS_APART: Final = 3
_LETTERS: Final = "abcdefghijklmnopqrst"
_LOOK_S: Final = 0.02
"""How long somebody who has nothing to type reads before they look at the clock."""

_READY_S: Final = 60.0


class Crowd:
    """The process, from the side of who measures; use it in a `with`."""

    def __init__(
        self, port: int, room: str, *, people: int, rate: float = 0.0, module: str = "benchmarks.crowd"
    ) -> None:
        """Let `people` join `room` and make `rate` edits a second together; return when they are there.

        Of another `module`, such as `benchmarks.movers`, the rate is what that one makes of it.
        """
        self.edits_per_s = float("nan")
        """How many there really were; told at the end."""
        argv = [sys.executable, "-m", module, str(port), room]
        self._process = subprocess.Popen(
            [*argv, "--people", str(people), "--rate", str(rate)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise AssertionError("the crowd did not get into the room")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.terminate()
            said, _rest = self._process.communicate(timeout=_READY_S)
        with contextlib.suppress(ValueError):
            edits, seconds = map(float, said.split())
            self.edits_per_s = edits / seconds


class _Person:
    def __init__(self, port: int, room: str, number: int) -> None:
        self.edits = 0
        self._row = _ROWS_APART * (number + 1)
        self._peer = Peer(room, port, name=f"person-{number}")
        self._peer.show_caret(self._offset(0))

    def live(self, gap_s: float, begin_s: float, ended: threading.Event) -> None:
        """Make an edit each `gap_s` (none when it is 0), the first after `begin_s`, and read meanwhile."""
        due_at = time.monotonic() + begin_s
        while not ended.is_set():
            if gap_s and time.monotonic() >= due_at:
                self._type()
                due_at += gap_s
            wait_s = due_at - time.monotonic() if gap_s else _LOOK_S
            self._peer.read(min(max(wait_s, 0.0), _LOOK_S))
        self._peer.close()

    def _type(self) -> None:
        turn, at = divmod(self.edits, len(_LETTERS))
        self.edits += 1
        if turn % 2 == 0:
            self._peer.type(self._offset(at), 0, _LETTERS[at])
        else:
            column = len(_LETTERS) - 1 - at
            self._peer.type(self._offset(column), self._offset(column + 1) - self._offset(column), "")

    def _offset(self, column: int) -> int:
        """Return the UTF-8 offset of a column of the own row, whatever others put into it."""
        *before, line = self._peer.text.split("\n", self._row + 1)[: self._row + 1]
        return utf8_length("\n".join([*before, line[:column]]))


def main() -> None:
    """Join, live, and tell what was done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("room")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--rate", type=float, default=100.0, help="edits a second, of all together")
    options = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    people = [_Person(options.port, options.room, number) for number in range(options.people)]
    gap_s = options.people / options.rate if options.rate else 0.0
    began_at = time.monotonic()
    threads = [
        # Each in their own time: people do not type in step.
        threading.Thread(target=person.live, args=(gap_s, gap_s * number / len(people), ended))
        for number, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    print(sum(person.edits for person in people), time.monotonic() - began_at, flush=True)


if __name__ == "__main__":
    main()
