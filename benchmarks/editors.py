"""The programs that are measured side by side, and the hands that type into them."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.home import Home
from tests.e2e.terminal import Terminal, TerminalFailure

from benchmarks.figures import shuffled_glyphs
from benchmarks.processes import cpu_s, waited_s

COLUMNS: Final = 120
ROWS: Final = 40
BARE_APP: Final = Path(__file__).with_name("bare_app.py")
BARE_WORDS: Final = "bare-textual-app"
"""What that app shows: what first paint is compared with."""

COLLAB: Final = "collab join"
SAVED: Final = "✓"
OPEN_S: Final = 30.0
_WARM_UP: Final = 10
_NEW_LINE_EVERY: Final = 60
_GAP_S: Final = 0.02
_KEY_S: Final = 3.0

_COMMANDS: Final = {
    "vim": (["vim", "-u", "NONE", "-i", "NONE", "-n"], "i"),
    "nano": (["nano", "--ignorercfiles"], ""),
    "micro": (["micro"], ""),
}
"""Other editors: the command, and the key after which letters are typed into the text."""


@dataclass
class Result:
    """What was measured of one program on one text."""

    program: str
    lines: int = 0
    times_s: list[float] = field(default_factory=list)
    written_bytes: int = 0
    """What went to the terminal from the measured keys' writes until the next keys'."""
    cpu_s: float = 0.0
    """Processor time of the program over the measured keys."""
    waited_s: float = 0.0
    """How long it was kept from a processor meanwhile: the machine's noise."""
    missed: int = 0

    @property
    def bytes_per_key(self) -> str:
        return f"{self.written_bytes / len(self.times_s):.0f}" if self.times_s else "–"

    @property
    def cpu_ms(self) -> str:
        """Processor time for each of the times, in ms."""
        return self._each(self.cpu_s)

    @property
    def waited_ms(self) -> str:
        """How long the program was kept from a processor for each of the times, in ms."""
        return self._each(self.waited_s)

    def _each(self, seconds: float) -> str:
        return f"{seconds / len(self.times_s) * 1000:.1f}" if self.times_s else "–"


def others() -> list[str]:
    """Return the other editors that are installed."""
    return [name for name in _COMMANDS if shutil.which(name)]


def join(home: Home, url: str, word: str = "") -> Terminal:
    """Open `collab join`, and return when `word` is shown and all is saved."""
    terminal = home.open("join", url, columns=COLUMNS, rows=ROWS)
    if word:
        terminal.wait_for(word, OPEN_S)
    terminal.wait_for(SAVED, OPEN_S)
    terminal.drain(0.3, 5)
    return terminal


def open_other(home: Home, program: str, file: Path, word: str = "") -> Terminal:
    """Open another editor on `file`, ready to type into; return when `word` is shown."""
    argv, begin = _COMMANDS[program]
    terminal = home.spawn([*argv, str(file)], columns=COLUMNS, rows=ROWS)
    if word:
        terminal.wait_for(word, OPEN_S)
    terminal.drain(0.3, 5)
    terminal.send(begin)
    terminal.drain(0.3, 5)
    return terminal


def type_keys(terminal: Terminal, result: Result, keys: int, seed: int) -> None:
    """Type `keys` letters one by one, and note for each when it was drawn."""
    dice = random.Random(seed)
    cpu_before_s, waited_before_s = cpu_s(terminal.pid), waited_s(terminal.pid)
    for index, glyph in enumerate(shuffled_glyphs(keys + _WARM_UP, seed)):
        if index == _WARM_UP:
            cpu_before_s, waited_before_s = cpu_s(terminal.pid), waited_s(terminal.pid)
        if index and index % _NEW_LINE_EVERY == 0:  # unmeasured: keeps the line inside the window
            terminal.send("\r")
            rest(terminal, dice, 0.15)
        mark = len(terminal.raw)
        sent_at = terminal.send(glyph)
        try:
            drawn_at = terminal.wait_raw(glyph.encode(), mark, _KEY_S)
        except TerminalFailure:
            result.missed += 1
            continue
        rest(terminal, dice, _GAP_S)
        if index >= _WARM_UP:
            result.times_s.append(drawn_at - sent_at)
            result.written_bytes += len(terminal.raw) - mark
    result.cpu_s += cpu_s(terminal.pid) - cpu_before_s
    result.waited_s += waited_s(terminal.pid) - waited_before_s


def rest(terminal: Terminal, dice: random.Random, least_s: float) -> None:
    """Read for `least_s` to twice as long, so that keys do not lock to a frame timer."""
    terminal.read(least_s * (1 + dice.random()))
