"""How carets move when the text around them changes: one's own, other people's, and those of undo.

The rule everywhere: text inserted exactly at a caret goes behind it, so the caret stays; the author's
own caret goes along with what was inserted; and the lower end of a selection goes along too, so that
what was selected stays what is selected.

    Presence(offset, seen) ─ Ring: through what its sender had not seen ─▶ offset here ─ Lines ─▶ Position
    Position ─ Patch: every change from then on ─▶ Position

Offsets are UTF-8 bytes, as on the wire. Once placed, a caret is a position, and shifting it needs
neither the text nor a look-up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collab_client.lines import Edit, Position
from collab_protocol.presence import Caret
from collab_protocol.text import Splice, utf8_length


@dataclass(frozen=True, slots=True)
class Patch:
    """One contiguous change: what stood from `start` to `end` is replaced by what ends at `new_end`."""

    start: Position
    end: Position
    new_end: Position


@dataclass(frozen=True, slots=True)
class Span:
    """A caret and its selection as positions; equal when nothing is selected."""

    head: Position
    anchor: Position

    @property
    def is_bare(self) -> bool:
        """Whether nothing is selected."""
        return self.head == self.anchor

    @property
    def start(self) -> Position:
        """The end that comes first in the text."""
        return min(self.head, self.anchor)

    @property
    def end(self) -> Position:
        """The end that comes last in the text."""
        return max(self.head, self.anchor)


class Shift(NamedTuple):
    """What a Splice does to offsets; without the text, so that keeping it costs nothing."""

    offset_utf8: int
    deleted_utf8: int
    added_utf8: int


def shifts(splices: Iterable[Splice]) -> tuple[Shift, ...]:
    """Return what `splices` do to offsets, insertion and deletion apart."""
    steps = []
    for splice in splices:
        if splice.deleted_utf8:
            steps.append(Shift(splice.offset_utf8, splice.deleted_utf8, 0))
        if splice.inserted:
            steps.append(Shift(splice.offset_utf8, 0, utf8_length(splice.inserted)))
    return tuple(steps)


def shift(offset_utf8: int, step: Shift, *, goes_along: bool = False) -> int:
    """Return where `offset_utf8` is after `step`; `goes_along` with an insert exactly there."""
    at = step.offset_utf8
    if offset_utf8 > at:
        offset_utf8 = max(at, offset_utf8 - step.deleted_utf8)
    if offset_utf8 > at or (goes_along and offset_utf8 == at):
        offset_utf8 += step.added_utf8
    return offset_utf8


def shift_caret(caret: Caret, steps: Iterable[Shift]) -> Caret:
    """Return `caret` after somebody else's change."""
    head, anchor = caret.head, caret.anchor
    for step in steps:
        head, anchor = (
            shift(head, step, goes_along=head < anchor),
            shift(anchor, step, goes_along=anchor < head),
        )
    return Caret(head, anchor)


def shift_span(span: Span, patch: Patch, *, is_author: bool = False) -> Span:
    """Return `span` after `patch`; `is_author`: it is the caret of whoever made the change."""
    head, anchor = span.head, span.anchor
    if head < patch.start and anchor < patch.start:
        return span
    if patch.start != patch.end:
        head, anchor = _without(head, patch), _without(anchor, patch)
    if patch.start != patch.new_end:
        head, anchor = (
            _with(head, patch, goes_along=is_author or head < anchor),
            _with(anchor, patch, goes_along=is_author or anchor < head),
        )
    return Span(head, anchor)


def _without(position: Position, patch: Patch) -> Position:
    """Return `position` after what stood from the patch's start to its end went."""
    start, end = patch.start, patch.end
    if position <= start:
        return position
    if position <= end:
        return start
    if position.row == end.row:
        return Position(start.row, position.column - end.column + start.column)
    return Position(position.row - end.row + start.row, position.column)


def _with(position: Position, patch: Patch, *, goes_along: bool) -> Position:
    """Return `position` after what stands from the patch's start to its new end came."""
    start, end = patch.start, patch.new_end
    if position < start or (position == start and not goes_along):
        return position
    if position.row == start.row:
        return Position(end.row, position.column - start.column + end.column)
    return Position(position.row + end.row - start.row, position.column)


def carried(place: Position, before: Position, after: Position) -> Position:
    """Return where `place` is when `before`, not behind it, has gone to `after`."""
    column = place.column + (after.column - before.column if place.row == before.row else 0)
    return Position(place.row + after.row - before.row, column)


class _Group:
    """Patches that touch, one after the other: what stood from `start` to `end` now ends at `new_end`.

    `before` and `after` are how far the text before them has moved.
    """

    __slots__ = ("after", "before", "end", "new_end", "patches")

    def __init__(self, patch: Patch, end: Position, before: Position, after: Position) -> None:
        self.patches = [patch]
        self.end = end
        self.new_end = patch.new_end
        self.before = before
        self.after = after


class Passage:
    """Many patches at once, in text order: where each place is after all of them.

    A place costs O(log patches). The outcome is that of `shift_span` with one patch after the other.
    """

    def __init__(self) -> None:
        self._starts: list[Position] = []  # in the text before
        self._groups: list[_Group] = []

    def add(self, patch: Patch) -> bool:
        """Add a patch of the text as those before left it; False if it starts before the last of them."""
        start, end, new_end = patch.start, patch.end, patch.new_end
        if not self._groups:
            self._starts.append(start)
            self._groups.append(_Group(patch, end, end, end))
            return True
        last = self._groups[-1]
        if start < last.patches[0].start:
            return False
        before, after = last.end, last.new_end
        if start > after:
            self._starts.append(carried(start, after, before))
            self._groups.append(_Group(patch, carried(end, after, before), before, after))
            return True
        last.patches.append(patch)
        if end > after:
            last.end = carried(end, after, before)
            last.new_end = new_end
        else:
            last.new_end = carried(after, end, new_end)
        return True

    def touched(self, spans: Sequence[Span]) -> tuple[int, int]:
        """Return from which to before which of `spans`, in text order and apart, any may move or shrink."""
        first = bisect_left(spans, self._starts[0], key=lambda span: span.end)
        last = self._groups[-1]
        if last.end.row != last.new_end.row:
            return first, len(spans)
        return first, bisect_right(spans, last.end.row, first, key=lambda span: span.start.row)

    def sites(self) -> list[tuple[Position, Position]]:
        """Return where the text is now that has changed, from start to end; apart, in text order."""
        return [(group.patches[0].start, group.new_end) for group in self._groups]

    def span(self, span: Span, *, is_author: bool = False) -> Span:
        """Return where `span` is; `is_author`: it is the caret of whoever made the patches."""
        head, anchor = span.head, span.anchor
        of_head = bisect_right(self._starts, head) - 1
        if head == anchor:
            place = self._shifted(head, of_head, is_author)
            return Span(place, place)
        of_anchor = bisect_right(self._starts, anchor) - 1
        if of_head == of_anchor >= 0 and max(head, anchor) <= self._groups[of_head].end:
            group = self._groups[of_head]
            span = Span(carried(head, group.before, group.after), carried(anchor, group.before, group.after))
            for patch in group.patches:
                span = shift_span(span, patch, is_author=is_author)
            return span
        return Span(
            self._shifted(head, of_head, is_author or head < anchor),
            self._shifted(anchor, of_anchor, is_author or anchor < head),
        )

    def _shifted(self, place: Position, index: int, goes_along: bool) -> Position:
        """Return where `place` is, `index` being the last group that starts at it or before."""
        if index < 0:
            return place
        group = self._groups[index]
        if place > group.end:
            return carried(place, group.end, group.new_end)
        place = carried(place, group.before, group.after)
        for patch in group.patches:
            if patch.start != patch.end:
                place = _without(place, patch)
            if patch.start != patch.new_end:
                place = _with(place, patch, goes_along=goes_along)
        return place


def passages(patches: Iterable[Patch]) -> Iterator[Passage]:
    """Return what `patches` do to places, in as few passages as their order allows."""
    passage: Passage | None = None
    for patch in patches:
        if passage is None or not passage.add(patch):
            if passage is not None:
                yield passage
            passage = Passage()
            passage.add(patch)
    if passage is not None:
        yield passage


def patches_of(edits: Sequence[Edit]) -> list[Patch]:
    """Return `edits`, which are ascending and all in positions of the same text, one after the other."""
    patches = []
    before = after = Position(0, 0)
    for start, end, text in edits:
        new_start = carried(start, before, after)
        patches.append(Patch(new_start, carried(end, before, after), end_of_text(new_start, text)))
        before, after = end, patches[-1].new_end
    return patches


def end_of_text(start: Position, text: str) -> Position:
    """Return where `text` ends that begins at `start`."""
    breaks = text.count("\n")
    if not breaks:
        return Position(start.row, start.column + len(text))
    return Position(start.row + breaks, len(text) - text.rfind("\n") - 1)
