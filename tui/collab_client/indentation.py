"""What a text is indented with: tabs or so many blanks, found out from the text itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from collab_client.clusters import cells_before
from collab_client.lines import Lines

_LOOKED_AT_ROWS: Final = 2000
_BLANKS_MOST: Final = 8

INDENT_MOST: Final = 16
"""Blanks of one step that can be asked for."""

_DIGITS_MOST: Final = 2


@dataclass(frozen=True, slots=True)
class Indentation:
    """One step of indentation: `unit` is a tab or some blanks."""

    unit: str

    def tab_text(self, line: str, column: int) -> str:
        """Return what Tab inserts at `column`: a tab, or blanks up to the next step."""
        if self.unit == "\t":
            return "\t"
        size = len(self.unit)
        return " " * (size - cells_before(line, column) % size)


DEFAULT: Final = Indentation("    ")


def detect(lines: Lines) -> Indentation:
    """Return what most steps from one line to a deeper one are made of; four blanks where nothing says.

    Looks at the first 2,000 lines, as far as they are not blank.
    """
    steps: Counter[str] = Counter()
    before = ""
    for row in range(min(lines.row_count, _LOOKED_AT_ROWS)):
        line = lines.line(row)
        text = line.lstrip(" \t")
        if not text:
            continue
        indent = line[: len(line) - len(text)]
        if indent != before and indent.startswith(before):
            step = indent[len(before) :]
            if set(step) == {"\t"}:
                steps["\t"] += 1
            elif set(step) == {" "} and 2 <= len(step) <= _BLANKS_MOST:
                steps[step] += 1
        before = indent
    # Of two that are as frequent the smaller one: the larger may be two steps at once.
    best = max(steps, key=lambda step: (steps[step], -len(step)), default=None)
    return DEFAULT if best is None else Indentation(best)


def parse(option: str) -> Indentation | None:
    """Return what the setting says: "tabs" or 1 to 16 blanks; None for what is neither, such as "auto"."""
    if option == "tabs":
        return Indentation("\t")
    is_number = option.isascii() and option.isdigit() and len(option) <= _DIGITS_MOST
    return Indentation(" " * int(option)) if is_number and 1 <= int(option) <= INDENT_MOST else None
