"""What commands print: rows in columns for people, with what may come from elsewhere made harmless; JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Container, Iterable, Sequence

from collab_cli.exits import ExitCode, printable


def print_table(rows: Iterable[Sequence[str]], *, right: Container[int] = ()) -> None:
    """Write rows to stdout, in columns as wide as what is in them; those of `right` are set to the right."""
    clean = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_cells, column)) for column in zip(*clean, strict=True)]
    for row in clean:
        blanks = [" " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)]
        padded = [
            blank + cell if column in right else cell + blank
            for column, (cell, blank) in enumerate(zip(row, blanks, strict=True))
        ]
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


def print_json(value: object) -> int:
    """Write `value` to stdout as one line of JSON, for programs; returns the exit code of a success."""
    sys.stdout.write(json.dumps(value) + "\n")
    return ExitCode.OK
