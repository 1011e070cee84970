"""What edits are to the lines, to the replica, and to the carets that they were made at."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from collab_client import clusters
from collab_client.carets import Patch, Span, end_of_text
from collab_client.lines import START, Edit, Lines, Position, Replacement
from collab_protocol.errors import EditError
from collab_protocol.text import Splice, utf8_length

_DIFFERENCES_DEPTH: Final = 4
"""So often lines are looked for that are once between two others: there are texts without an end of it."""


def joined(edits: Sequence[Edit]) -> Sequence[Edit]:
    """Return `edits`, those that touch made one: the CRDT tells others of them as one, too."""
    if len(edits) < 2:
        return edits
    whole = [edits[0]]
    for edit in edits[1:]:
        last = whole[-1]
        if edit.start == last.end and last.start <= last.end <= edit.end:
            whole[-1] = Edit(last.start, edit.end, last.text + edit.text)
        else:
            whole.append(edit)
    return whole


def splices_of(lines: Lines, edits: Sequence[Edit]) -> tuple[Splice, ...]:
    """Return what `edits`, in order, are to the replica, from the last to the first.

    Raises:
        EditError: one is not in the text or overlaps the one before, or its text has lone surrogates.
    """
    splices = []
    behind, behind_utf8 = START, 0
    for start, end, text in edits:
        if start < behind or end < start or lines.clamp(start) != start or lines.clamp(end) != end:
            raise EditError(f"{start} to {end} is no range of the text")
        if start == end and not text:
            behind, behind_utf8 = end, lines.offset_from(start, behind, behind_utf8)
            continue
        try:
            utf8_length(text)
        except UnicodeEncodeError as error:
            raise EditError("the text to insert holds lone surrogates") from error
        at = lines.offset_from(start, behind, behind_utf8)
        behind, behind_utf8 = end, at if start == end else lines.offset_from(end, start, at)
        splices.append(Splice(at, behind_utf8 - at, text))
    return tuple(reversed(splices))


def ascending(splices: Iterable[Splice]) -> list[list[Splice]]:
    """Return `splices`, each in offsets of the text that the ones before it left, as few lists.

    Those in a list go from the text's start to its end, in offsets of the text that the lists before left.
    """
    runs: list[list[Splice]] = []
    behind = grown = 0
    for splice in splices:
        if not runs or splice.offset_utf8 < behind:
            runs.append([])
            grown = 0
        runs[-1].append(splice._replace(offset_utf8=splice.offset_utf8 - grown))
        added = utf8_length(splice.inserted)
        grown += added - splice.deleted_utf8
        behind = splice.offset_utf8 + added
    return runs


def edits_of(lines: Lines, splices: Sequence[Splice]) -> list[Edit]:
    """Return what `splices`, from the text's start to its end and in its offsets, are to the lines."""
    if len(splices) == 1:
        at, deleted, text = splices[0]
        start = lines.position(at)
        return [Edit(start, lines.position(at + deleted) if deleted else start, text)]
    places = lines.positions(at for splice in splices for at in (splice[0], splice[0] + splice[1]))
    return [
        Edit(start, end, splice.inserted)
        for start, end, splice in zip(places[::2], places[1::2], splices, strict=True)
    ]


def by_rows(lines: Lines, edits: Sequence[Edit]) -> Sequence[Edit]:
    """Return `edits`, which ascend and do not overlap, those made one that have a row in common.

    What stands between them is in its text, so that a long line is built once for all its edits.
    """
    if len(edits) < 2:
        return edits
    whole = []
    first = last = edits[0]
    parts = [first.text]
    for edit in edits[1:]:
        if edit.start.row == last.end.row:
            parts += (lines.slice(last.end, edit.start), edit.text)
        else:
            whole.append(Edit(first.start, last.end, "".join(parts)))
            first, parts = edit, [edit.text]
        last = edit
    whole.append(Edit(first.start, last.end, "".join(parts)))
    return whole


class Replacements:
    """One Replacement for each span that has one: the edits they are, and where the carets come to stand.

    What stands in the text already is not put there again; of two that overlap the later is dropped.
    """

    def __init__(
        self, lines: Lines, spans: Sequence[Span], make: Callable[[Lines, Span], Replacement | None]
    ) -> None:
        """Ask `make` for each of `spans`, which are in text order."""
        self.edits: list[Edit] = []
        self._made: list[Replacement | None] = []
        self._spans = spans
        behind = START
        for span in spans:
            made = make(lines, span)
            if made is not None and made.start < behind:
                made = None
            self._made.append(made)
            if made is None:
                continue
            start, end, text = made.start, made.end, made.text
            behind = max(start, end)
            stands = start < end and _stands(lines, start, end, text)
            self.edits.append(Edit(start, start, "") if stands else Edit(start, end, text))

    def spans(self, patches: Sequence[Patch], shifted: Callable[[Span], Span]) -> list[Span]:
        """Return where the carets are after `patches`, made of `edits`; `shifted` brings the rest along."""
        at = iter(patches)
        return [
            shifted(span) if made is None else _placed(made, next(at).start)
            for span, made in zip(self._spans, self._made, strict=True)
        ]


def _stands(lines: Lines, start: Position, end: Position, text: str) -> bool:
    """Whether `text` is what stands there already; a range that is not in the text is found out later."""
    if not text or text.count("\n") != end.row - start.row:
        return False
    return lines.clamp(start) == start and lines.clamp(end) == end and lines.slice(start, end) == text


def _placed(made: Replacement, start: Position) -> Span:
    """Return the caret of a replacement whose text begins at `start`."""
    head = end_of_text(start, made.text[: made.head])
    return Span(head, head if made.anchor is None else end_of_text(start, made.text[: made.anchor]))


def behind_it(patches: Sequence[Patch]) -> Sequence[Span]:
    """Put the one caret behind the only patch."""
    return (Span(patches[0].new_end, patches[0].new_end),)


def instead_of(span: Span, text: str) -> Replacement:
    """Put `text` in the place of a selection, or at the caret."""
    return Replacement(span.start, span.end, text, len(text))


def before_caret(lines: Lines, span: Span) -> Replacement:
    """Delete the selection, or the cluster or line break before the caret."""
    start = clusters.left_of(lines, span.head) if span.is_bare else span.start
    return Replacement(start, span.end, "", 0)


def behind_caret(lines: Lines, span: Span) -> Replacement:
    """Delete the selection, or the cluster or line break behind the caret."""
    end = clusters.right_of(lines, span.head) if span.is_bare else span.end
    return Replacement(span.start, end, "", 0)


def plain_breaks(text: str) -> str:
    """Return `text` with line breaks of any system as "\\n"."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def one_a_line(texts: Sequence[str]) -> str:
    """Return `texts` as one, each beginning a line; those that end with a line break need no other."""
    broken = [text if text.endswith("\n") else text + "\n" for text in texts[:-1]]
    return "".join((*broken, *texts[-1:]))


def differences(before: str, after: str, *, depth: int = _DIFFERENCES_DEPTH) -> list[Splice]:
    """Return splices that make `after` of `before`, each in offsets of the text that the ones before it left.

    Lines stay that are there once in both, as far as they are in the same order; so do lines that are once
    between two of those. What differs in between is one splice.
    """
    start = _alike(before, after)
    behind = _alike(before[start:][::-1], after[start:][::-1])
    gone, came = before[start : len(before) - behind], after[start : len(after) - behind]
    if not gone and not came:
        return []
    line = before.rfind("\n", 0, start) + 1
    rest = behind - 1 - before[len(before) - behind :].find("\n") if behind else 0
    rest = 0 if rest == behind else rest
    old = before[line : len(before) - rest].splitlines(keepends=True)
    new = after[line : len(after) - rest].splitlines(keepends=True)
    staying = _staying(old, new) if depth else []
    if not staying:
        return [Splice(utf8_length(before[:start]), utf8_length(gone), came)]
    found: list[Splice] = []
    at = utf8_length(before[:line])
    old_row = new_row = 0
    for old_stays, new_stays in (*staying, (len(old), len(new))):
        if old_stays > old_row or new_stays > new_row:
            inserted = "".join(new[new_row:new_stays])
            parts = differences("".join(old[old_row:old_stays]), inserted, depth=depth - 1)
            found += [part._replace(offset_utf8=at + part.offset_utf8) for part in parts]
            at += utf8_length(inserted)
        at += utf8_length("".join(new[new_stays : new_stays + 1]))
        old_row, new_row = old_stays + 1, new_stays + 1
    return found


def _staying(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return most of the lines that are once in both and in the same order: (place in `old`, in `new`)."""
    once, there = Counter(old), Counter(new)
    places = {line: at for at, line in enumerate(new) if there[line] == 1}
    pairs = [(at, places[line]) for at, line in enumerate(old) if once[line] == 1 and line in places]
    # The longest that ascends: by its length, the pair with the least end, and what comes before each.
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    found: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _alike(one: str, other: str) -> int:
    """Return how many characters both begin with; a hundred times faster than one by one."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
