"""Up to which line this account has read the chat of each room: `NUMBER TARGET`, the last one read first."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from collab_cli.paths import make_folder
from collab_protocol.errors import CollabError

_KEPT: Final = 200


def last_read(file: Path, target: str) -> int:
    """Return the number of the last line that was read in `target`; 0 when that is not known."""
    return _read(file).get(target, 0)


class ReadLines:
    """Keeps in `file` how far `target` has been read; trouble with it is nobody's business."""

    def __init__(self, file: Path, target: str, *, run: Callable[[Callable[[], None]], object]) -> None:
        """`run(call)` has `call` done where a slow disk keeps nobody waiting."""
        self._file = file
        self._target = target
        self._run = run
        self._writing = threading.Lock()
        self._newest = self._written = 0

    def read(self, number: int) -> None:
        """Note that line `number` and all before it were read."""
        self._newest = number
        self._run(self._write)

    def _write(self) -> None:
        with self._writing, contextlib.suppress(OSError, CollabError):
            number = self._newest
            if number == self._written:
                return
            rooms = {self._target: number}
            for target, known in _read(self._file).items():
                rooms.setdefault(target, known)
            draft = self._file.with_name(f".{self._file.name}-{os.getpid()}")
            make_folder(self._file.parent)
            draft.write_text(
                "".join(f"{known} {target}\n" for target, known in list(rooms.items())[:_KEPT]),
                encoding="utf-8",
            )
            draft.replace(self._file)
            self._written = number


def _read(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    rooms: dict[str, int] = {}
    for line in lines:
        number, _, target = line.partition(" ")
        if target and number.isascii() and number.isdecimal() and len(number) < 16:
            rooms[target] = int(number)
    return rooms
