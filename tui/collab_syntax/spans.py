"""From pieces of a text that lie within one another to the runs of its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from collab_syntax.kinds import Kind, Run

Span = tuple[int, int, int, Kind]
"""Start byte, end byte, rank, kind. Inner over outer; of two on the same bytes the higher rank wins."""


def flatten(spans: Sequence[Span], start: int, end: int) -> Iterator[tuple[int, int, Kind]]:
    """Yield what lies on top, clipped to `start` and `end`: start, end, kind; in order, NONE left out."""
    inside: list[tuple[int, Kind]] = []
    at = start
    for span_start, span_end, _, kind in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        first, behind = max(span_start, start), min(span_end, end)
        if first >= behind:
            continue
        while inside and inside[-1][0] <= first:
            top_end, top = inside.pop()
            if at < top_end and top is not Kind.NONE:
                yield at, top_end, top
            at = max(at, top_end)
        if inside:
            if at < first and inside[-1][1] is not Kind.NONE:
                yield at, first, inside[-1][1]
            behind = min(behind, inside[-1][0])
        at = first
        inside.append((behind, kind))
    while inside:
        top_end, top = inside.pop()
        if at < top_end and top is not Kind.NONE:
            yield at, top_end, top
        at = max(at, top_end)


def rows_of(content: bytes, flat: Iterator[tuple[int, int, Kind]], base: int) -> list[list[Run]]:
    """Return the runs of each row of `content`, which begins at byte `base` of what `flat` counts in."""
    rows: list[list[Run]] = []
    pieces = list(flat)
    next_piece = 0
    row_start = base
    for line in content.split(b"\n"):
        row_end = row_start + len(line)
        runs: list[tuple[int, int, int]] = []
        while next_piece < len(pieces):
            start, end, kind = pieces[next_piece]
            if start >= row_end:
                break
            first, behind = max(start, row_start) - row_start, min(end, row_end) - row_start
            if first < behind:
                if runs and runs[-1][1] == first and runs[-1][2] == kind:
                    runs[-1] = (runs[-1][0], behind, kind)
                else:
                    runs.append((first, behind, int(kind)))
            if end > row_end:
                break
            next_piece += 1
        rows.append(runs if line.isascii() else _in_code_points(line, runs))
        row_start = row_end + 1
    return rows


def _in_code_points(line: bytes, runs: list[Run]) -> list[Run]:
    """Turn byte columns into code points; each byte is looked at once."""
    turned: list[Run] = []
    byte = column = 0
    for start, end, kind in runs:
        column += _length(line, byte, start)
        first = column
        column += _length(line, start, end)
        byte = end
        if first < column:
            turned.append((first, column, kind))
    return turned


def _length(line: bytes, start: int, end: int) -> int:
    """Count the characters that begin from byte `start` to before `end`."""
    piece = line[start:end]
    if piece.isascii():
        return len(piece)
    return len(piece) - sum(byte & 0xC0 == 0x80 for byte in piece)
