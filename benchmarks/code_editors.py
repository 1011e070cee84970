"""Programs that are opened on code, with the caret on a new line in its middle, and their parsers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.terminal import Terminal

from benchmarks.bench_editor import Bench
from benchmarks.editors import COLLAB, COLUMNS, OPEN_S, ROWS, Result, join, type_keys
from benchmarks.processes import cpu_s

CODE_ROOM: Final = "bench.py"
"""Its name says that it is Python: it is coloured."""

PLAIN_ROOM: Final = "bench.txt"
"""Holds the same text, and is in no language."""

_VIM: Final = "vim, syntax on"
_MICRO: Final = "micro"
_QUIET_S: Final = 0.3
_GO_TO_LINE, _END, _ENTER = "\x07", "\x1b[F", "\r"
_STATEMENT: Final = "        return "


@dataclass
class CodeResult(Result):
    """What was measured of one program on one text, and of the parser that it started."""

    room: str = PLAIN_ROOM
    parser_cpu_s: float = 0.0

    @property
    def parser_cpu_ms(self) -> str:
        """Processor time of the parser for each of the times, in ms."""
        return self._each(self.parser_cpu_s) if self.room == CODE_ROOM and self.program == COLLAB else "–"


@dataclass(frozen=True, slots=True)
class CodeBench:
    """One text in a coloured room, in a plain one, and in files for other editors."""

    bench: Bench
    text: str
    row: int = field(init=False)
    """Of the statement in the middle, after which a new line is begun."""

    def __post_init__(self) -> None:
        rows = self.text.split("\n")
        half = len(rows) // 2
        row = half + next(at for at, line in enumerate(rows[half:]) if line.startswith(_STATEMENT))
        object.__setattr__(self, "row", row)
        for room in (CODE_ROOM, PLAIN_ROOM):
            self.bench.fill(room, self.text)

    def open(self, result: CodeResult) -> Terminal:
        """Open a program, at the beginning of a new line in the middle."""
        if result.program == COLLAB:
            terminal = join(self.bench.home, self.bench.server.url(result.room), self.text.split()[0])
            terminal.send(_GO_TO_LINE)
            terminal.drain(_QUIET_S, 5)
            terminal.send(f"{self.row + 1}{_ENTER}")
        else:
            terminal = self._open_other(result)
        terminal.wait_for(self.text.split("\n")[self.row].strip(), OPEN_S)
        terminal.drain(_QUIET_S, 5)
        terminal.send("o" if result.program == _VIM else _END + _ENTER)
        terminal.drain(_QUIET_S, 5)
        return terminal

    def _open_other(self, result: CodeResult) -> Terminal:
        file = self.bench.folder / result.room
        file.write_text(self.text + "\n")
        command = {
            _VIM: ["vim", "-u", "NONE", "-i", "NONE", "-n", "-c", "syntax on"],
            _MICRO: ["micro"],
        }[result.program]
        return self.bench.home.spawn([*command, f"+{self.row + 1}", str(file)], columns=COLUMNS, rows=ROWS)


def programs(lines: int) -> list[CodeResult]:
    """Return what is compared: collab with and without colours, and the other editors that colour."""
    rows = [CodeResult(COLLAB, lines, room=room) for room in (CODE_ROOM, PLAIN_ROOM)]
    others = {_VIM: "vim", _MICRO: "micro"}
    rows += [
        CodeResult(name, lines, room=CODE_ROOM) for name, command in others.items() if shutil.which(command)
    ]
    return rows


def type_code(terminal: Terminal, result: CodeResult, keys: int, seed: int) -> None:
    """Type `keys` letters as `type_keys` does, and note what they cost the parser."""
    pid = parser_pid(terminal.pid) if result.program == COLLAB else None
    before_s = cpu_s(pid) if pid else 0.0
    type_keys(terminal, result, keys, seed)
    result.parser_cpu_s += cpu_s(pid) - before_s if pid else 0.0


def parser_pid(pid: int) -> int | None:
    """Return the process that the program `pid` started last and that still runs."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, file.read_text().split())
    return max(found, default=None)
