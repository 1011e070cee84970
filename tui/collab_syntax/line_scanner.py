"""Diffs and commit messages: texts whose lines say what they are, scanned instead of parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from collab_syntax.answers import Place, Symbol
from collab_syntax.encoded_text import EncodedText
from collab_syntax.kinds import Kind, Run
from collab_syntax.limits import MOST_FOLDS, MOST_LINE_BYTES, MOST_NAME, MOST_ROWS, MOST_SYMBOLS
from collab_syntax.outline import trimmed

_LOOK_BACK_ROWS: Final = 2_000
"""How far above the rows looked at the beginning of their hunk is searched."""

_HUNK: Final = re.compile(r"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@")
_FILE: Final = re.compile(
    r"(diff |index |--- |\+\+\+ |new file |deleted file |old mode |new mode |similarity |rename |copy )"
)
_TRAILER: Final = re.compile(r"[A-Z][A-Za-z]*(-[A-Za-z]+)*: ")
_SCISSORS: Final = b"\n# ------------------------ >8 ------------------------\n"


class LineDocument:
    """A text of one of these languages, with the interface of a `Document` but no tree."""

    is_settled: Final = True

    def __init__(self, language: str, text: bytes) -> None:
        """Take `text` in "diff" or "gitcommit".

        Raises:
            KeyError: another language.
        """
        self._scan = _SCANS[language]
        self._text = EncodedText(text)

    def edit(self, first_row: int, old_last_row: int, text: bytes) -> None:
        """Replace rows.

        Raises:
            IndexError: a row does not exist.
            ValueError: the text would be too large.
        """
        self._text.replace_rows(first_row, old_last_row, text)

    def parse(self) -> None:
        """Do nothing: there is no tree."""

    def settle(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """Do nothing: there is no tree."""

    def colours(self, *stretches: tuple[int, int]) -> list[tuple[int, list[list[Run]]]]:
        """Return what `Document.colours` does."""
        left = MOST_ROWS
        found = []
        for first, last in stretches:
            end = min(last, first + left - 1, self._text.row_count - 1)
            rows = self._scan(self._text, first, end) if first <= end else []
            left -= len(rows)
            found.append((first, rows))
        return found

    def enclosing(self, start: Place, end: Place) -> tuple[Place, Place] | None:
        """Return None: there are no nodes."""
        return None

    def fold_at(self, row: int, is_urgent: Callable[[], bool] = lambda: False) -> tuple[int, int] | None:
        """Return the rows of the hunk or file that begins on `row`, else of that around it."""
        around = [(first, last) for first, last in self.folds() if first <= row <= last]
        return max(around, default=None)

    def folds(self, is_urgent: Callable[[], bool] = lambda: False) -> list[tuple[int, int]]:
        """Return first and last row of each file and hunk of a diff."""
        found: list[tuple[int, int]] = []
        next_head = next_file = self._text.row_count
        for row, line in reversed(self._heads()):
            is_file = line.startswith(b"diff ")
            rows = trimmed(self._text, (row, (next_file if is_file else next_head) - 1))
            if rows[0] < rows[1]:
                found.append(rows)
            next_head = row
            next_file = row if is_file else next_file
        return found[::-1][:MOST_FOLDS]

    def symbols(self, is_urgent: Callable[[], bool] = lambda: False) -> list[Symbol]:
        """Return the files of a diff."""
        found = []
        for row, line in self._heads():
            if line.startswith(b"diff "):
                name = line.rpartition(b" ")[2][: 4 * MOST_NAME].decode("utf-8", "ignore")
                found.append(Symbol(name[:MOST_NAME], "file", row, 0, 0))
        return found[:MOST_SYMBOLS]

    def _heads(self) -> list[tuple[int, bytes]]:
        if self._scan is not _diff:
            return []
        lines = bytes(self._text.content).split(b"\n")
        return [(row, line) for row, line in enumerate(lines) if line.startswith((b"diff ", b"@@ "))]


def _diff(text: EncodedText, first_row: int, last_row: int, top: int = 0) -> list[list[Run]]:
    """Scan from the hunk that holds `first_row`: inside one, `--- x` is a deleted `-- x`."""
    begin = max(top, first_row - _LOOK_BACK_ROWS)
    before = _lines(text, begin, first_row - 1)
    hunk = max((index for index, line in enumerate(before) if line.startswith("@@ ")), default=len(before))
    old = new = 0
    rows: list[list[Run]] = []
    for line in before[hunk:] + _lines(text, first_row, last_row):
        kind = Kind.NONE
        until = len(line)
        if match := _HUNK.match(line):
            old, new = int(match[1] or 1), int(match[2] or 1)
            kind, until = Kind.CHANGED, match.end()
        elif line.startswith("-") and (old > 0 or not _FILE.match(line)):
            kind, old = Kind.DELETED, old - 1
        elif line.startswith("+") and (new > 0 or not _FILE.match(line)):
            kind, new = Kind.INSERTED, new - 1
        elif line.startswith("\\"):
            kind = Kind.COMMENT
        elif not line.startswith(" ") and _FILE.match(line):
            kind, old, new = Kind.HEADING, 0, 0
        else:
            old, new = old - 1, new - 1
        runs: list[Run] = [(0, until, int(kind))] if until and kind is not Kind.NONE else []
        if kind is Kind.CHANGED and until < len(line):
            runs.append((until, len(line), int(Kind.FUNCTION)))
        rows.append(runs)
    return rows[len(before) - hunk :]


def _commit(text: EncodedText, first_row: int, last_row: int) -> list[list[Run]]:
    at = text.content.find(_SCISSORS)
    cut = text.row_count if at < 0 else text.content.count(b"\n", 0, at + 1)
    subject = next(
        (
            row
            for row, line in enumerate(_lines(text, 0, min(MOST_ROWS, cut) - 1))
            if line[:1] not in ("#", "")
        ),
        -1,
    )
    rows: list[list[Run]] = []
    for row, line in enumerate(_lines(text, first_row, min(last_row, cut)), first_row):
        size = len(line)
        if line.startswith("#"):
            rows.append([(0, size, int(Kind.COMMENT))])
        elif row == subject:
            rows.append([(0, size, int(Kind.HEADING))])
        elif size and row == subject + 1 and subject >= 0:
            rows.append([(0, size, int(Kind.ERROR))])
        elif match := _TRAILER.match(line):
            rows.append([(0, match.end() - 2, int(Kind.PROPERTY))])
        else:
            rows.append([])
    if cut < last_row:
        rows += _diff(text, max(first_row, cut + 1), last_row, cut + 1)
    return rows


def _lines(text: EncodedText, first_row: int, last_row: int) -> list[str]:
    """Return these rows; those that are too long empty."""
    if first_row > last_row:
        return []
    start = text.row_start(first_row)
    lines = []
    for row in range(first_row, last_row + 1):
        size = text.row_size(row)
        is_short = size <= MOST_LINE_BYTES
        lines.append(text.content[start : start + size].decode("utf-8", "replace") if is_short else "")
        start += size + 1
    return lines


_SCANS: Final[Mapping[str, Callable[[EncodedText, int, int], list[list[Run]]]]] = MappingProxyType(
    {"diff": _diff, "gitcommit": _commit}
)
