"""What both processes hold to, so that no text makes either of them slow or large."""

from __future__ import annotations

from typing import Final

MOST_BYTES: Final = 8_000_000
"""Of a text that is parsed at all. A tree takes 20 to 90 times the text's memory."""

MOST_ROWS: Final = 500
"""Looked at; more than any screen has."""

MOST_LINE_BYTES: Final = 100_000
"""A longer line has no colours: its nodes would be as many as those of a whole text."""

MOST_RUNS: Final = 12_000
"""Of all rows looked at; the rows behind have none. The parent checks each on its event loop."""

MOST_LOOKED_AT_BYTES: Final = 400_000
"""Of all rows looked at together."""

MOST_STRETCHES: Final = 500
"""Of rows that are looked at: a screen full of folds has one for each row."""


class Budget:
    """What may still be said of the rows looked at, those that matter most first."""

    def __init__(self) -> None:
        self.rows = MOST_ROWS
        self.runs = MOST_RUNS
        self.size_bytes = MOST_LOOKED_AT_BYTES


MOST_FOLDS: Final = 10_000
MOST_SYMBOLS: Final = 5_000
MOST_NAME: Final = 200
"""Characters of a symbol's name."""
