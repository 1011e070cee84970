"""What a parser says of a text besides colours, as values that both processes know."""

from __future__ import annotations

from typing import NamedTuple

Place = tuple[int, int]
"""Row and column in code points, both from 0."""


class Symbol(NamedTuple):
    """Something with a name that others look for."""

    name: str
    kind: str
    """One word: "function", "class", "method", "type", "constant", "module", "heading", …"""
    row: int
    column: int
    """Where the name begins."""
    depth: int
    """How many symbols are around it; of headings, the level less one."""
