"""The text that one person edits: lines for the screen, a replica for everybody, carets, and undo.

Local edits change the lines first, then the replica; what comes from elsewhere, and undo, goes through
the replica, and its splices patch the lines. Every caret, own or not, is shifted through each patch.
Nothing in here waits, draws, or costs O(document) once the text is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from collab_client.carets import Passage, Patch, Span, passages, patches_of
from collab_client.edits import (
    Replacements,
    ascending,
    before_caret,
    behind_caret,
    behind_it,
    by_rows,
    differences,
    edits_of,
    instead_of,
    joined,
    one_a_line,
    plain_breaks,
    splices_of,
)
from collab_client.lines import Edit, Lines, Position, Replacement
from collab_client.own_carets import OwnCarets, check_count
from collab_client.peer_carets import Peer, PeerCarets, Ring
from collab_client.undo_carets import Placed, UndoCarets, restored
from collab_client.undo_steps import Kind, UndoSteps
from collab_protocol import limits
from collab_protocol.errors import EditError, TextTooLarge
from collab_protocol.messages import Presence
from collab_protocol.text import Replica, Splice, utf8_length

OWN: Final = 0
"""The author of one's own splices; no session has this number."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows `first_row`..`old_last_row` became `first_row`..`new_last_row`."""

    first_row: int
    old_last_row: int
    new_last_row: int
    is_local: bool


class Buffer(OwnCarets):
    """One session's text with its carets.

    `on_local_update(data)` is called once for each own row: edit, undo or redo; it is to keep the bytes
    and not to look at the text. `on_change(change)` is called for the rows that changed, from the text's end
    to its start: edits that have a row in common are told of once. The lines are then as that change left
    them; the carets all move with the last one, mostly the only one.
    `on_carets()` is called when other people came, moved or went, or a remote edit has moved an own caret.

    `listeners` are told of each Change before `on_change` is, in order. `splice_listeners` are told of what a
    change is to the text, step by step, before the lines have it: who made it is OWN, a session, or None
    where nobody knows, as with a Sync. None of them may edit the buffer.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        max_text_bytes: int = limits.TEXT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over `replica`, which has undo; `clock` gives seconds. Costs O(text)."""
        self.replica = replica
        super().__init__(Lines(replica.text()))
        self.max_text_bytes = max_text_bytes
        self.read_only = False
        self.on_local_update: Callable[[bytes], None] = lambda _: None
        self.on_change: Callable[[Change], None] = lambda _: None
        self.on_carets: Callable[[], None] = lambda: None
        self.listeners: list[Callable[[Change], None]] = []
        self.splice_listeners: list[Callable[[Sequence[Splice], int | None], None]] = []
        self._ring = Ring()
        self._peers = PeerCarets(self.lines, self._ring, clock=clock)
        self._own_session: int | None = None
        self._own_rows = 0
        self._undo_steps = UndoSteps(clock)
        self._undo_carets = UndoCarets()
        self._updates: list[bytes] = []
        self._splices: list[Splice] = []
        self._listen()

    def close(self) -> None:
        """Let go of the replica and of whoever listens."""
        self.replica.close()
        self.on_local_update = lambda _: None
        self.on_change = lambda _: None
        self.on_carets = lambda: None
        self.listeners.clear()
        self.splice_listeners.clear()

    # What there is

    @property
    def peers(self) -> Mapping[int, Peer]:
        """The other sessions in the room, by session number; a live view."""
        return self._peers

    # Editing

    def replace(self, start: Position, end: Position, text: str) -> None:
        """Replace the text from `start` to `end`; the one caret comes to stand behind `text`.

        Raises:
            EditError: the range is not in the text, `text` has lone surrogates, or one may not write.
            TextTooLarge: the text would pass `max_text_bytes`. Nothing was changed in either case.
        """
        self._edit((Edit(start, end, text),), Kind.OTHER, behind_it)

    def edit_all(
        self,
        edits: Sequence[Edit],
        *,
        select: tuple[Position, Position] | None = None,
        spans: Sequence[Span] | None = None,
        primary: int | None = None,
        goes_on: bool = False,
    ) -> None:
        """Make `edits`, in order and not overlapping, in positions of the text as it is, as a step of undo.

        It `goes_on` with the step of the edit just before, if so wished. `select` is (anchor, head) in the
        text as it will be, of one caret; `spans` are all, with the index of the primary one, which without it
        stays what it is. Without both they shift with the text. Raises as `replace`, and EditError when there
        are too many spans.
        """
        if select is not None:
            spans = (Span(head=select[1], anchor=select[0]),)
        if not goes_on:
            self._undo_steps.end()
        kind = self._undo_steps.go_on()
        if spans is None:
            self._edit(edits, kind)
        else:
            check_count(len(spans))
            wanted = spans
            self._edit(edits, kind, lambda _: self._clamped(wanted), primary)
        if not goes_on:
            self._undo_steps.end()

    def edit_each(
        self,
        make: Callable[[Lines, Span], Replacement | None],
        *,
        kind: Kind = Kind.OTHER,
        begins: bool = False,
    ) -> None:
        """Make the replacement that `make` has for each own caret; None leaves it where its text is.

        All are in positions of the text as it is. Where one overlaps the one before, it is dropped.
        Together they are one update and one step of undo. Of another `kind` than OTHER they join a step as
        `type_text` and `backspace` do, unless they are to begin one. Raises as `replace`.
        """
        if begins or kind is Kind.OTHER:
            self._undo_steps.end()
        self._edit_each(make, kind)
        if kind is Kind.OTHER:
            self._undo_steps.end()

    def type_text(self, text: str) -> None:
        """Put `text` in the place of each selection, as typing. Raises as `replace`."""
        self._replace_selections(text, Kind.TYPING)

    def newline(self) -> None:
        """Put a line break in the place of each selection; begins a step of undo. Raises as `replace`."""
        self._undo_steps.end()
        self._replace_selections("\n", Kind.TYPING)

    def paste(self, text: str, parts: Sequence[str] = ()) -> None:
        """Put `text` in the place of each selection, as a step of undo. Raises as `replace`.

        Line breaks of any system become "\\n": terminals send "\\r" for those of a pasted text. `parts` are
        what it was copied from at several carets; as many carets get one each. When it came from one place
        or elsewhere, and has as many lines as there are carets, each gets a line; a last line break does not
        count.
        """
        text = plain_breaks(text)
        count = len(self._spans)
        self._undo_steps.end()
        if len(parts) < 2:
            parts = text.removesuffix("\n").split("\n")
        if count > 1 and len(parts) == count:
            part = iter(parts)
            self._edit_each(lambda _, span: instead_of(span, next(part)), Kind.OTHER)
        else:
            self._replace_selections(text, Kind.OTHER)
        self._undo_steps.end()

    def cut(self) -> str:
        """Delete what is selected as a step of undo; return it as `one_a_line`. Raises as `replace`."""
        text = one_a_line(self.selected_texts)
        self._undo_steps.end()
        self._replace_selections("", Kind.DELETING)
        self._undo_steps.end()
        return text

    def backspace(self) -> None:
        """Delete each selection, or the cluster or line break before the caret. Raises as `replace`."""
        self._delete_each(before_caret)

    def delete(self) -> None:
        """Delete each selection, or the cluster or line break behind the caret. Raises as `replace`."""
        self._delete_each(behind_caret)

    def undo(self) -> bool:
        """Take back the last step of one's own; False when there is none. Raises EditError if read-only."""
        return self._step_undo(is_undo=True)

    def redo(self) -> bool:
        """Do again what `undo` took back; False when there is none. Raises EditError if read-only."""
        return self._step_undo(is_undo=False)

    # What comes from elsewhere

    def apply_remote(self, data: bytes, author: int, seq: int) -> None:
        """Apply committed rows up to `seq` by session `author`; own ones change nothing.

        Raises:
            UpdateError: `data` cannot be applied; the replica must be given up.
        """
        splices = self._apply(data, author)
        if splices and author != self._own_session:
            self._ring.add_remote(author, seq, splices)

    def apply_sync(self, data: bytes, seq: int) -> None:
        """Apply all that was missing up to `seq`, by whomever. Raises as `apply_remote`."""
        if self._apply(data, None) and self._peers:
            self._peers.place_again()
            self.on_carets()

    def restart(self, replica: Replica) -> None:
        """Go on with `replica` in the place of the present one, which is closed.

        The own carets stay where their text stayed; there is nothing to undo any more.
        """
        splices = differences(self.lines.text(), replica.text())
        self.replica.close()
        self.replica = replica
        self._listen()
        self._undo_carets = UndoCarets()
        self._undo_steps.end()
        self._ring = Ring()
        self._peers.restart(self._ring)
        if splices:
            self._patch(splices, None, is_local=False)
        self.on_carets()

    def receipted(self, n: int, seq: int) -> None:
        """Note that own rows up to number `n` are in the log, the last of them at `seq`."""
        self._ring.receipted(n, seq)
        self._peers.receipted(seq)

    def place(self, presence: Presence, now: float) -> None:
        """Take what another session says of itself; `now` in seconds."""
        if self._is_other(presence):
            self._peers.place(presence, now)
            self.on_carets()

    def set_roster(self, roster: Iterable[Presence], own_session: int, seq: int, now: float) -> None:
        """Take who is in the room on a fresh link, the text standing at `seq`."""
        self._own_session = own_session
        self._ring.begin_link()
        self._peers.clear()
        for presence in filter(self._is_other, roster):
            self._peers.place(presence, now)
        self.on_carets()

    def clear_peers(self) -> None:
        """Forget the others: the link is gone."""
        self._peers.clear()
        self.on_carets()

    # Within

    def _listen(self) -> None:
        self._updates.clear()
        self._splices.clear()
        self.replica.on_update = self._updates.append
        self.replica.on_splices = self._splices.extend

    def _edit(
        self,
        edits: Sequence[Edit],
        kind: Kind,
        own: Callable[[Sequence[Patch]], Sequence[Span]] | None = None,
        primary: int | None = None,
    ) -> bool:
        """Make `edits`; False when there is nothing to change.

        `own` tells from the patches where the own carets are then; without it they shift with the text.
        """
        self._check_may_write()
        whole = joined(edits)
        splices = splices_of(self.lines, whole)
        if not splices:
            return False
        added = sum([utf8_length(splice.inserted) for splice in splices])
        grows = added - sum([splice.deleted_utf8 for splice in splices])
        self._check_fits(grows)
        if len(splices) < len(whole):
            whole = [edit for edit in whole if edit.text or edit.start != edit.end]
        first = whole[0]
        lowest, highest = splices[-1].offset_utf8, splices[0].offset_utf8 + splices[0].deleted_utf8
        is_plain = len(self._spans) == 1 and self.anchor == self.head == first.start
        before = Placed.one(lowest) if is_plain else self._placed()
        begins = self._undo_steps.begins(kind, first.text, whole[-1].text)
        if begins:
            self.replica.end_undo_group()
        self.replica.edit_all(splices)
        for listener in self.splice_listeners:
            listener(splices, OWN)
        for start, end, text in reversed(by_rows(self.lines, whole)):
            new_end = self.lines.replace(start, end, text)
            if start == first.start:
                patches = [Patch(start, end, new_end)] if len(edits) == 1 else patches_of(edits)
                self._pass(patches, None, None if own is None else own(patches), primary)
            self._tell(Change(start.row, end.row, new_end.row, is_local=True))
        is_behind = is_plain and len(whole) == 1 and self.anchor == self.head == new_end
        after = Placed.one(lowest + added) if is_behind else self._placed()
        self._undo_carets.edited(
            lowest, before, after, begins=begins, extent=highest - lowest + added, grew=grows
        )
        self._goal_cells = {}
        self._send(splices)
        return True

    def _edit_each(self, make: Callable[[Lines, Span], Replacement | None], kind: Kind) -> None:
        made = Replacements(self.lines, self._spans, make)

        def spans(patches: Sequence[Patch]) -> Sequence[Span]:
            passage = Passage()
            for patch in patches:
                passage.add(patch)
            return made.spans(patches, passage.span)

        if not self._edit(made.edits, kind, spans):
            self._put(spans(patches_of(made.edits)), self._primary)
            self._goal_cells = {}

    def _delete_each(self, make: Callable[[Lines, Span], Replacement]) -> None:
        if len(self._spans) == 1:
            start, end, *_ = make(self.lines, self._spans[0])
            self._edit((Edit(start, end, ""),), Kind.DELETING, behind_it)
        else:
            self._edit_each(make, Kind.DELETING)

    def _replace_selections(self, text: str, kind: Kind) -> None:
        if len(self._spans) == 1:
            span = self._spans[0]
            self._edit((Edit(span.start, span.end, text),), kind, behind_it)
        else:
            self._edit_each(lambda _, span: instead_of(span, text), kind)

    def _pass(
        self,
        patches: Sequence[Patch],
        author: int | None,
        own: Sequence[Span] | None = None,
        primary: int | None = None,
    ) -> None:
        """Bring all carets through `patches`; the own ones come to `own`, if that is known."""
        if own is not None:
            self._put(own, min(self._primary if primary is None else primary % len(own), len(own) - 1))
            if not self._peers:
                return
        for passage in passages(patches):
            if own is None:
                self._shift(passage)
            self._peers.shift(passage, author)

    def _check_fits(self, grows: int) -> None:
        size = self.replica.size_utf8 + grows
        if grows > 0 and size > self.max_text_bytes:
            raise TextTooLarge(
                f"not done: the room holds at most {_size(self.max_text_bytes)} of text, "
                f"and this would make it {_size(size)}"
            )

    def _step_undo(self, *, is_undo: bool) -> bool:
        self._check_may_write()
        self._check_fits(self._undo_carets.growth(is_undo=is_undo))
        was = (self.replica.undo_depth, self.replica.redo_depth)
        if not (self.replica.undo() if is_undo else self.replica.redo()):
            return False
        now = (self.replica.undo_depth, self.replica.redo_depth)
        placed = self._undo_carets.undone(was, now) if is_undo else self._undo_carets.redone(was, now)
        self._undo_steps.end()
        self._goal_cells = {}
        splices = self._take_splices()
        self._send(splices)
        patches = self._patch(splices, None, is_local=True)
        if not splices:
            return True
        first = splices[0].offset_utf8
        spans, primary = restored(self.lines, placed, patches, first, is_exact=self._undo_carets.is_exact)
        self._put(spans, primary)
        return True

    def _apply(self, data: bytes, author: int | None) -> tuple[Splice, ...]:
        try:
            self.replica.apply(data)
        finally:  # also when it failed: the lines are what the replica holds
            spans = self._spans
            splices = self._take_splices()
            self._undo_carets.shift(splices)
            self._patch(splices, author, is_local=False)
            if self._spans != spans or (splices and self._peers):
                self.on_carets()
        return splices

    def _patch(self, splices: Sequence[Splice], author: int | None, *, is_local: bool) -> list[Patch]:
        """Do to the lines and carets what happened in the replica, and tell of the rows."""
        if splices and self.splice_listeners:
            who = OWN if is_local or (author is not None and author == self._own_session) else author
            for listener in self.splice_listeners:
                listener(splices, who)
        patches: list[Patch] = []
        left = len(splices)
        for run in ascending(splices):
            edits = edits_of(self.lines, run)
            patches += patches_of(edits)
            left -= len(run)
            for start, end, text in reversed(by_rows(self.lines, edits)):
                new_end = self.lines.replace(start, end, text)
                if not left and start == edits[0].start:
                    self._pass(patches, author)
                self._tell(Change(start.row, end.row, new_end.row, is_local))
        return patches

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)
        self.on_change(change)

    def _take_splices(self) -> tuple[Splice, ...]:
        splices = tuple(self._splices)
        self._splices.clear()
        return splices

    def _send(self, splices: tuple[Splice, ...]) -> None:
        """Number what the replica made of an own change, and hand it on."""
        rows = tuple(self._updates)
        self._updates.clear()
        for data in rows:
            self._own_rows += 1
            self._ring.add_own(self._own_rows, splices)
            splices = ()
            self.on_local_update(data)

    def _is_other(self, presence: Presence) -> bool:
        return presence.person is not None and presence.person.session != self._own_session

    def _placed(self) -> Placed:
        return Placed(self._carets(), self._primary)

    def _moved(self) -> None:
        self._undo_steps.end()

    def _check_may_write(self) -> None:
        if self.read_only:
            raise EditError("this room is read-only for you")


def _size(size_bytes: int) -> str:
    return f"{size_bytes:,} bytes" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"
