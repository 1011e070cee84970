"""Where the own carets stood before and after each step of undo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from collab_client.carets import Patch, Span, passages, shift, shifts
from collab_client.clusters import previous_boundary
from collab_client.lines import Lines, Position
from collab_protocol.presence import Caret
from collab_protocol.text import Splice


class Placed(NamedTuple):
    """All own carets as offsets, in text order, and which of them is the primary one."""

    carets: tuple[Caret, ...]
    primary: int

    @classmethod
    def one(cls, offset_utf8: int) -> Placed:
        """Return one caret that selects nothing."""
        return cls((Caret(offset_utf8, offset_utf8),), 0)

    def moved(self, by_utf8: int) -> Placed:
        """Return them so many bytes further on."""
        return Placed(
            tuple([Caret(caret.head + by_utf8, caret.anchor + by_utf8) for caret in self.carets]),
            self.primary,
        )


@dataclass(slots=True)
class _Step:
    """One step of undo: its lowest offset, and the carets around it counted from there.

    `extent` is how far from there it changed the text, `grew` by how many bytes; `others` is what others
    had done by then.
    """

    lowest: int
    before: Placed
    after: Placed
    extent: int
    grew: int
    others: int

    def is_near(self) -> bool:
        """Whether the carets stand in what the step itself changed."""
        return all(
            0 <= caret.head <= self.extent and 0 <= caret.anchor <= self.extent
            for placed in (self.before, self.after)
            for caret in placed.carets
        )


class UndoCarets:
    """The carets beside the steps of undo and redo.

    They are kept relative to the lowest place that the step changed. Undo touches that place first, so
    they come out right wherever it has gone meanwhile, and the kept ones need no shifting.
    """

    def __init__(self) -> None:
        self._undo: list[_Step | None] = []
        self._redo: list[_Step | None] = []
        self._open: _Step | None = None
        self._others = 0
        self.is_exact = True
        """Nobody has edited between the last step that was undone or redone and then."""

    def edited(
        self, offset_utf8: int, before: Placed, after: Placed, *, begins: bool, extent: int, grew: int
    ) -> None:
        """Note an own edit at `offset_utf8`; `begins` a step of its own, or goes on with the last.

        It reached `extent` bytes from there, before or after it, and made the text `grew` bytes longer.
        """
        self._redo.clear()
        step = self._open
        if begins or step is None:
            before, after = before.moved(-offset_utf8), after.moved(-offset_utf8)
            self._open = _Step(offset_utf8, before, after, extent, grew, self._others)
            self._undo.append(self._open)
            return
        step.extent += extent + abs(offset_utf8 - step.lowest)
        step.grew += grew
        if len(before.carets) == 1:
            step.others = self._others  # between several others may have edited
        if offset_utf8 < step.lowest:
            step.before = step.before.moved(step.lowest - offset_utf8)
            step.lowest = offset_utf8
        step.after = after.moved(-step.lowest)

    def shift(self, splices: Iterable[Splice]) -> None:
        """Bring the step that may still go on through somebody else's change."""
        self._others += 1
        if self._open is not None:
            for step in shifts(splices):
                self._open.lowest = shift(self._open.lowest, step)

    def undone(self, was: tuple[int, int], now: tuple[int, int]) -> Placed | None:
        """Note an undo between these depths of (undo, redo); return the carets from before the step.

        They count from the undo's first splice. None when they are not known.
        """
        step = self._step_back(self._undo, was[0], now[0])
        self._align(self._undo, now[0])
        self._redo.append(step)
        self._align(self._redo, now[1])
        return self._told(step, None if step is None else step.before)

    def redone(self, was: tuple[int, int], now: tuple[int, int]) -> Placed | None:
        """Note a redo between these depths of (undo, redo); return the carets from after the step."""
        step = self._step_back(self._redo, was[1], now[1])
        self._align(self._redo, now[1])
        self._undo.append(step)
        self._align(self._undo, now[0])
        return self._told(step, None if step is None else step.after)

    def growth(self, *, is_undo: bool) -> int:
        """Return by how many bytes the next undo or redo makes the text longer, as far as is known."""
        steps = self._undo if is_undo else self._redo
        step = steps[-1] if steps else None
        return 0 if step is None else -step.grew if is_undo else step.grew

    def _told(self, step: _Step | None, placed: Placed | None) -> Placed | None:
        """Return `placed` if it can be told: what others did between the carets and the step is not known.

        Of several carets that are not exact all that is right is how much each has selected.
        """
        if step is None or placed is None:
            return None
        self.is_exact = step.others == self._others
        return placed if self.is_exact or len(placed.carets) > 1 or step.is_near() else None

    def _step_back(self, source: list[_Step | None], was: int, now: int) -> _Step | None:
        """Return the step that took effect: the lowest of those that went from the stack."""
        self._open = None
        # Another length says that the CRDT has grouped otherwise than we: then nothing is known.
        return source[now] if len(source) == was > now else None

    def _align(self, steps: list[_Step | None], depth: int) -> None:
        if len(steps) > depth:
            del steps[depth:]
        elif len(steps) < depth:
            steps[:] = [None] * depth


def restored(
    lines: Lines, placed: Placed | None, patches: Sequence[Patch], first_utf8: int, *, is_exact: bool
) -> tuple[list[Span], int]:
    """Return the own carets after an undo or redo, and the primary one: those that were `placed`.

    `patches` are what it did, the first at `first_utf8`. When the carets are not known, one comes behind
    the last patch. When others have edited between them, each comes behind what was put back at its place,
    and selects as much of it as it did.
    """
    if placed is None:
        return [Span(patches[-1].new_end, patches[-1].new_end)], 0
    if is_exact or len(placed.carets) == 1:
        offsets = sorted({offset for caret in placed.carets for offset in (caret.head, caret.anchor)})
        size = lines.size_utf8
        found = lines.positions([max(0, min(first_utf8 + offset, size)) for offset in offsets])
        at = {
            offset: _whole(lines, place, is_exact=is_exact)
            for offset, place in zip(offsets, found, strict=True)
        }
        return [Span(at[caret.head], at[caret.anchor]) for caret in placed.carets], placed.primary
    sites = [site for passage in passages(patches) for site in passage.sites()]
    spans = [Span(end, end) for _, end in sites[: len(placed.carets)]]
    if len(sites) == len(placed.carets):
        for index, ((start, end), caret) in enumerate(zip(sites, placed.carets, strict=True)):
            size = abs(caret.head - caret.anchor)
            if size:
                low = max(start, _whole(lines, lines.nearest(lines.offset(end) - size), is_exact=False))
                spans[index] = Span(end, low) if caret.head > caret.anchor else Span(low, end)
    return spans, min(placed.primary, len(spans) - 1)


def _whole(lines: Lines, place: Position, *, is_exact: bool) -> Position:
    """Return `place`, or where the character begins that now holds it."""
    row, column = place
    line = lines.line(row)
    if column < len(line) and not line.isascii() and not is_exact:
        column = previous_boundary(line, column + 1)
    return Position(row, column)
