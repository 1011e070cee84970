"""Rows of text in columns, for people; and what of it may come from elsewhere made harmless."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from collab_cli.exits import printable


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Write rows to stdout, in columns as wide as what stands in them."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def write(line: str) -> None:
    """Write one line to stdout, with nothing that a terminal would obey, in what its encoding has."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(printable(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
