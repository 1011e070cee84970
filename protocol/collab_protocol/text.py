"""The shared text and its offsets: the only place that hands offsets to pycrdt.

Offsets count UTF-8 bytes, because pycrdt's do (measured on 0.14.13: `len(Text("é"))` is 2). It checks
nothing: an insert inside a character lands silently at the end of the text, a delete beyond the end
raises a Rust panic, which is a `BaseException` and prints to fd 2. So `Replica` checks every range
before pycrdt sees it, and contains what still escapes as `UpdateError`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from pycrdt import Doc, StickyIndex, Text, TextEvent, TransactionEvent, UndoManager
from pycrdt import get_update as _get_update
from pycrdt import merge_updates as _merge_updates

from collab_protocol.errors import EditError, ReplicaBroken, UpdateError

ROOT: Final = "codemirror"
"""The name of the one root text: the one that web editors bind by convention."""

EMPTY_STATE_VECTOR: Final = b"\x00"
EMPTY_UPDATE: Final = b"\x00\x00"

_LOCAL: Final = 1
_REMOTE: Final = 2
_UNDO_GROUP_MS: Final = 500


def utf8_length(text: str) -> int:
    """Return the size of `text` in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode())


class Splice(NamedTuple):
    """One step of a change: at `offset_utf8`, `deleted_utf8` bytes went and `inserted` came.

    Steps of one change apply in order, each to the text that the one before left.
    """

    offset_utf8: int
    deleted_utf8: int
    inserted: str


class Replica:
    """One copy of a room's text: a pycrdt `Doc`, its root text, and undo of this copy's own edits.

    `on_update(data)` is called with the update of every local edit, undo and redo: forward it.
    `on_splices(splices)` is called with what changed in the text by anything but `edit`: remote
    updates, undo and redo. Both run before the call that caused them returns, and must not edit.

    A client id belongs to one Replica object for ever; draw a fresh one for each (DESIGN section 4).
    """

    def __init__(self, client_id: int, *, has_undo: bool = False) -> None:
        """A copy that nobody edits (a server's) needs no undo."""
        self.client_id = client_id
        self.on_update: Callable[[bytes], None] = _ignore_update
        self.on_splices: Callable[[list[Splice]], None] = _ignore_splices
        self._doc: Doc[Text] = Doc(client_id=client_id)
        self._text: Text = self._doc.get(ROOT, type=Text)
        self._size = 0
        self._applying = False
        self._is_foreign = False
        self._editing = False
        self._squashed: bytes | None = None
        self._splices: list[Splice] = []
        self._undo: UndoManager | None = None
        # What pycrdt takes for the time: it stands still within a group. At 0 it would mean "never group".
        self._undo_group_ms = 1
        if has_undo:
            self._undo = UndoManager(
                scopes=[self._text],
                capture_timeout_millis=_UNDO_GROUP_MS,
                timestamp=lambda: self._undo_group_ms,
            )
            self._undo.include_origin(_LOCAL)
        # A bound method as observer makes a cycle that the collector cannot see; `close` breaks it.
        self._doc_subscription = self._doc.observe(self._doc_changed)
        self._text_subscription = self._text.observe(self._text_changed)

    def close(self) -> None:
        """Let go of pycrdt's callbacks; without it neither text nor owner is ever freed."""
        self._doc.unobserve(self._doc_subscription)
        self._text.unobserve(self._text_subscription)
        self._undo = None
        self.on_update = _ignore_update
        self.on_splices = _ignore_splices

    @property
    def size_utf8(self) -> int:
        """The text's length in UTF-8 bytes."""
        return self._size

    def text(self) -> str:
        """Return the whole text. Costs O(document), 11 ms at 10 MB: at load only."""
        with _no_panic():
            return str(self._text)

    def state_vector(self) -> bytes:
        """Return this copy's encoded state vector; it does not cover deletions."""
        with _no_panic():
            return self._doc.get_state()

    def update_since(self, state_vector: bytes = EMPTY_STATE_VECTOR) -> bytes:
        """Return one update with all that a copy at `state_vector` lacks, and every deletion.

        Raises:
            UpdateError: `state_vector` is malformed.
        """
        try:
            with _no_panic():
                return self._doc.get_update(state_vector)
        except ValueError as error:
            raise UpdateError(f"malformed state vector: {error}") from error

    def index_of(self, client_id: int, clock: int) -> int | None:
        """Return where in the text the item `clock` of `client_id` stands, in UTF-8 bytes, or None.

        A deleted item stands where it stood, between its neighbours.
        Ask for known items only: any other is None too, but at the cost of a panic printed to fd 2. Costs
        time in proportion to the items to its left: some 45 µs in a long history.
        """
        item = {"item": {"client": client_id, "clock": clock}, "assoc": 0}
        try:
            return StickyIndex.from_json(item, self._text).get_index()
        except (ValueError, RuntimeError):
            return None
        except BaseException as error:  # a Rust panic is not an Exception
            if type(error).__name__ != "PanicException":
                raise
            return None

    def edit(self, offset_utf8: int, deleted_utf8: int, inserted: str) -> None:
        """Replace bytes [offset, offset + deleted) by `inserted`, as a local edit that undo can take back.

        Both ends must lie between characters, which is the caller's to know.

        Raises:
            EditError: the range leaves the text, or `inserted` has lone surrogates; nothing changed.
        """
        self.edit_all((Splice(offset_utf8, deleted_utf8, inserted),))

    def edit_all(self, splices: Sequence[Splice]) -> None:
        """Make `splices` as one update and within one step of undo. Raises as `edit`.

        They lie apart, and come from the text's end to its start: each is in offsets of the text as it is.
        """
        added, behind = [], self._size
        for offset_utf8, deleted_utf8, inserted in splices:
            if not (offset_utf8 >= 0 and 0 <= deleted_utf8 <= behind - offset_utf8):
                raise EditError(
                    f"edit of {deleted_utf8} bytes at {offset_utf8} leaves a text of {behind} bytes"
                )
            behind = offset_utf8
            try:
                added.append(utf8_length(inserted) - deleted_utf8)
            except UnicodeEncodeError as error:
                raise EditError("the text to insert holds lone surrogates") from error
        self._editing = True
        try:
            with self._doc.transaction(origin=_LOCAL):
                for offset_utf8, deleted_utf8, inserted in _cheapest(splices, added):
                    if deleted_utf8:
                        del self._text[offset_utf8 : offset_utf8 + deleted_utf8]
                    if inserted:
                        self._text.insert(offset_utf8, inserted)
        finally:
            self._editing = False
        self._size += sum(added)

    def apply(self, *updates: bytes) -> bytes | None:
        """Apply foreign updates in one transaction; return the squashed update of what was new, or None.

        At most about a hundred at once: the squashing at commit is quadratic in their number.

        Raises:
            UpdateError: one of them cannot be applied. Those before it may have been: give the replica up.
        """
        self._applying = True
        self._is_foreign = False
        self._squashed = None
        try:
            with self._doc.transaction(origin=_REMOTE):
                for update in updates:
                    self._doc.apply_update(update)
        except (ValueError, RuntimeError) as error:
            raise UpdateError(f"malformed update: {error}") from error
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a Rust panic is not an Exception
            if type(error).__name__ != "PanicException":
                raise
            raise UpdateError("an update made the CRDT panic") from error
        finally:
            self._applying = False
        if self._is_foreign:
            raise UpdateError("an update holds something that is no text")
        return self._squashed

    def undo(self) -> bool:
        """Take back the last group of this copy's own edits; False when there is none."""
        return self._undo is not None and self._undo.can_undo() and self._undo.undo()

    def redo(self) -> bool:
        """Bring back what `undo` took; False when there is nothing."""
        return self._undo is not None and self._undo.can_redo() and self._undo.redo()

    @property
    def undo_depth(self) -> int:
        """How many steps `undo` can go back: grows by one whenever an edit begins a new group."""
        return 0 if self._undo is None else len(self._undo.undo_stack)

    @property
    def redo_depth(self) -> int:
        """How many steps `redo` can go forward."""
        return 0 if self._undo is None else len(self._undo.redo_stack)

    def end_undo_group(self) -> None:
        """Make the next edit begin an undo step of its own."""
        self._undo_group_ms += 2 * _UNDO_GROUP_MS

    def _doc_changed(self, event: TransactionEvent) -> None:
        # Reading the text in here raises "already mutably borrowed": bytes only.
        if self._applying:
            self._squashed = event.update
        else:
            self.on_update(event.update)

    def _text_changed(self, event: TextEvent) -> None:
        if self._editing:
            return
        splices: list[Splice] = []
        offset = 0
        for step in event.delta:  # type: ignore[attr-defined]  # missing in pycrdt's annotations
            if "retain" in step:
                offset += step["retain"]
            elif "insert" in step:
                inserted = step["insert"]
                if not isinstance(inserted, str):
                    # An embed: takes one place, and has none in a plain text. Raising here would not undo it.
                    self._is_foreign = True
                    offset += 1
                    self._size += 1
                    continue
                added = utf8_length(inserted)
                splices.append(Splice(offset, 0, inserted))
                offset += added
                self._size += added
            elif "delete" in step:
                splices.append(Splice(offset, step["delete"], ""))
                self._size -= step["delete"]
        self.on_splices(splices)


def _cheapest(splices: Sequence[Splice], added_utf8: Sequence[int]) -> Iterator[Splice]:
    """Yield `splices`, which come from the text's end to its start, in the order that costs pycrdt least.

    A splice costs the size of the item that it splits, and the number of items before it. So the one in
    the middle halves the text, then come those behind it, then those before it (491 splices in 10 MB: 9 s
    from the end to the start, 0.1 s so). Each is in offsets of the text that the ones before it left.
    """
    parts = [(0, len(splices), 0)]
    while parts:
        first, end, shift = parts.pop()
        if first < end:
            middle = (first + end) // 2
            yield splices[middle]._replace(offset_utf8=splices[middle].offset_utf8 + shift)
            parts.append((middle + 1, end, shift))
            parts.append((first, middle, shift + added_utf8[middle]))


def merge_rows(rows: Iterable[bytes], state_vector: bytes) -> bytes:
    """Return one update with `rows`, without what a copy at `state_vector` already has.

    Rows must be in the order they were made. Merging is quadratic: at most `limits.MERGED_ROWS` at once.

    Raises:
        UpdateError: a row or the state vector is malformed.
    """
    try:
        return _get_update(_merge_updates(*rows), state_vector)
    except ValueError as error:
        raise UpdateError(f"malformed row or state vector: {error}") from error


def check_offset_unit() -> None:
    """Assert that pycrdt still counts UTF-8 bytes; called once at start on either side.

    Raises:
        EditError: it does not; going on would garble every text that is not ASCII.
    """
    doc: Doc[Text] = Doc()
    text = doc.get(ROOT, type=Text)
    text.insert(0, "é🙂")
    if len(text) != 6:
        raise EditError("this pycrdt does not count UTF-8 bytes; install the version that collab pins")


@contextlib.contextmanager
def _no_panic() -> Iterator[None]:
    """Turn a Rust panic, which no `except Exception` sees, into ReplicaBroken."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ReplicaBroken("the CRDT panicked: its document is damaged") from error


def _ignore_update(_: bytes) -> None:
    """Stand in until somebody listens."""


def _ignore_splices(_: list[Splice]) -> None:
    """Stand in until somebody listens."""
