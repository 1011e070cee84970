"""Texts with marks in them for carets: `|` alone, `‹so›` with the head at its end, `«so»` at its start."""

from __future__ import annotations

from collab_client.buffer import Buffer
from collab_client.carets import Span
from collab_client.lines import Lines, Position
from collab_protocol.text import Replica

_MARKS = "|‹›«»"


def buffer_of(marked: str, *, client_id: int = 11) -> Buffer:
    """Make a buffer of a text with marks; the last caret is the primary one."""
    text = marked.translate(dict.fromkeys(map(ord, _MARKS)))
    replica = Replica(client_id, has_undo=True)
    if text:
        source = Replica(999)
        source.edit(0, 0, text)
        replica.apply(source.update_since())
        source.close()
    buffer = Buffer(replica)
    places: list[Position] = []
    row = column = 0
    spans = []
    for character in marked:
        here = Position(row, column)
        if character == "|":
            spans.append(Span(here, here))
        elif character in "‹«":
            places.append(here)
        elif character == "›":
            spans.append(Span(here, places.pop()))
        elif character == "»":
            spans.append(Span(places.pop(), here))
        elif character == "\n":
            row, column = row + 1, 0
        else:
            column += 1
    if spans:
        buffer.set_spans(spans)
    return buffer


def marked(buffer: Buffer) -> str:
    """Return the text with all carets; the opposite of `buffer_of` but for which is primary."""
    text = buffer.lines.text()
    for span in reversed(buffer.spans):
        start, end = index_of(buffer.lines, span.start), index_of(buffer.lines, span.end)
        if span.is_bare:
            text = f"{text[:start]}|{text[start:]}"
        else:
            opens, closes = "‹›" if span.head > span.anchor else "«»"
            text = f"{text[:start]}{opens}{text[start:end]}{closes}{text[end:]}"
    return text


def index_of(lines: Lines, place: Position) -> int:
    """Return how many code points stand before `place`."""
    return sum(len(lines.line(row)) + 1 for row in range(place.row)) + place.column
