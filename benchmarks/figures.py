"""What benchmarks share: percentiles, tables, and text to edit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

GLYPHS: Final = [chr(code) for code in range(0xC0, 0x250) if code not in (0xD7, 0xF7)]
"""Letters of one cell that no text below holds: when one is written to the screen, that key was drawn."""

_SENTENCE: Final = "the quick brown fox jumps over a lazy dog while seven wizards quietly judge my vow"


def some_text(lines: int) -> str:
    """Return `lines` lines of English words, the same at every call."""
    dice = random.Random(lines)
    made = [" ".join(dice.choices(_SENTENCE.split(), k=dice.randint(4, 14))) for _ in range(lines)]
    return "\n".join(made)


def long_text(lines: int) -> str:
    """Return `lines` lines of 98 characters on average: 100,000 are 10 MB. The first are the same whatever
    `lines` is, and a fifth are too wide for a window of 120 columns."""
    dice = random.Random(98)
    words = _SENTENCE.split()
    return "\n".join(" ".join(dice.choices(words, k=dice.randint(14, 24))) for _ in range(lines))


def shuffled_glyphs(count: int, seed: int) -> list[str]:
    """Return `count` glyphs, no two neighbours alike."""
    dice = random.Random(seed)
    glyphs: list[str] = []
    while len(glyphs) < count:
        batch = GLYPHS.copy()
        dice.shuffle(batch)
        glyphs += batch
    return glyphs[:count]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(percent / 100 * (len(ordered) - 1))))]


def percentiles(values_s: Sequence[float]) -> list[str]:
    """Return p50, p95 and p99 of seconds, in milliseconds."""
    return [f"{percentile(values_s, percent) * 1000:.2f}" for percent in (50, 95, 99)]


def ratio(values: Sequence[float], base: Sequence[float]) -> str:
    """Return how many times the median of `base` the median of `values` is."""
    return f"×{percentile(values, 50) / percentile(base, 50):.2f}" if base else "–"


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns, the first to the left and the others to the right."""
    table = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells))
    print()
