"""What a journal holds, as text again; and the same, folded into one update.

Own rows whose ground is missing are left over, in order: they may find their place later, when the
server has sent what they rest on, and are never thrown away here.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from collab_client.journal_steps import Contents, Entry, JournalDamaged
from collab_protocol import limits
from collab_protocol.errors import UpdateError
from collab_protocol.gate import Gate, Verdict
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows

_FOLDING_ID: Final = 1
"""The client id of copies that nobody edits."""


@dataclass(slots=True)
class Replayed:
    """A replica with what a journal holds, the gate in front of it, and own rows that had no place."""

    replica: Replica
    gate: Gate
    unplaced: list[Entry]


def replay(contents: Contents, replica: Replica) -> Generator[None, None, Replayed]:
    """Apply a journal to `replica`, a fresh one, which is handed back; yields between slices.

    Raises:
        JournalDamaged: what is in it is no text.
    """
    if contents.base is not None:
        _apply(replica, contents.base)
    gate = Gate(replica)
    yield
    unplaced: list[Entry] = []
    for begin in range(0, len(contents.entries), limits.MERGED_ROWS):
        group = contents.entries[begin : begin + limits.MERGED_ROWS]
        if not _apply_merged(replica, gate, [entry.data for entry in group]):
            unplaced += place(replica, gate, group)
        yield
    return Replayed(replica, gate, place(replica, gate, unplaced) if unplaced else [])


def place(replica: Replica, gate: Gate, entries: Sequence[Entry]) -> list[Entry]:
    """Apply each of `entries` that has its ground; return own ones that have not.

    What came from the server and has none is let go: the server sends it again.

    Raises:
        JournalDamaged: one of them is no text.
    """
    left: list[Entry] = []
    for entry in entries:
        data, judgement = entry.data, gate.judge(entry.data, may_try=False)
        if judgement.verdict is Verdict.STALE:
            # Its first part may be here: rows are squashed on their way round.
            data = merge_rows([data], replica.state_vector())
            judgement = gate.judge(data, may_try=False)
        match judgement.verdict:
            case Verdict.ACCEPT:
                _apply(replica, data)
                gate.applied(judgement)
            case Verdict.KNOWN:
                pass
            case Verdict.STALE:
                if entry.client_id is not None:
                    left.append(entry)
            case Verdict.HOSTILE:
                raise JournalDamaged(f"a row of the journal is no text: {judgement.reason}")
    return left


def fold(base: bytes | None, updates: Sequence[bytes]) -> bytes | None:
    """Return one update with all of it, read back and compared; None when something has no place yet."""
    whole, copy = Replica(_FOLDING_ID), Replica(_FOLDING_ID)
    try:
        contents = [Entry(_FOLDING_ID, n, data) for n, data in enumerate(updates)]
        if base is not None:
            _apply(whole, base)
        gate = Gate(whole)
        unplaced: list[Entry] = []
        for begin in range(0, len(contents), limits.MERGED_ROWS):
            group = contents[begin : begin + limits.MERGED_ROWS]
            if not _apply_merged(whole, gate, [entry.data for entry in group]):
                unplaced += place(whole, gate, group)
        if unplaced and place(whole, gate, unplaced):
            return None
        folded = whole.update_since()
        _apply(copy, folded)
        if (copy.state_vector(), copy.text()) != (whole.state_vector(), whole.text()):
            return None
        return folded
    except JournalDamaged:
        return None
    finally:
        whole.close()
        copy.close()


def text_of(base: bytes | None, updates: Sequence[bytes]) -> str:
    """Return the text that a journal shows, as far as its rows have their ground. Costs a replay."""
    replica = Replica(_FOLDING_ID)
    try:
        if base is not None:
            _apply(replica, base)
        gate = Gate(replica)
        left = place(replica, gate, [Entry(_FOLDING_ID, n, data) for n, data in enumerate(updates)])
        if left:
            place(replica, gate, left)
        return replica.text()
    finally:
        replica.close()


def _apply_merged(replica: Replica, gate: Gate, updates: Sequence[bytes]) -> bool:
    """Apply `updates` as one if they go together; returns whether they did."""
    try:
        merged = merge_rows(updates, EMPTY_STATE_VECTOR)
    except UpdateError:
        return False
    judgement = gate.judge(merged, may_try=False)
    if judgement.verdict is Verdict.ACCEPT:
        _apply(replica, merged)
        gate.applied(judgement)
    return judgement.verdict in (Verdict.ACCEPT, Verdict.KNOWN)


def _apply(replica: Replica, update: bytes) -> None:
    try:
        replica.apply(update)
    except UpdateError as error:
        raise JournalDamaged(f"the journal is damaged: {error}") from error
