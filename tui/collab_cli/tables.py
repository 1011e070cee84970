"""Rows of text in columns, for people; and what of it may come from elsewhere made harmless."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from collab_cli.exits import printable


def print_table(rows: Iterable[Sequence[str]]) -> None:
    """Write rows to stdout, in columns as wide as what stands in them."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_cells, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        padded = (cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True))
        write("  ".join(padded).rstrip())


def _cells(text: str) -> int:
    """Return how wide a terminal draws `text`."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # is not there for nothing: it takes 10 ms to load

    return cell_len(text)


def write(line: str) -> None:
    """Write one line to stdout, with nothing that a terminal would obey, in what its encoding has."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(printable(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
