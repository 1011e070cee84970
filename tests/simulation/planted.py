"""Bugs planted on purpose, to show that the simulated worlds would notice them.

    python -m tests.simulation.planted [--seeds 400] [--only NAME] [--write]

Each bug patches the real classes and breaks one promise; the first seed whose world fails with it is
printed. A bug that no seed finds is a hole in the checks of the worlds. `--write` keeps what was found
in `plans/`, which the tests replay: to be done again whenever the dice of the worlds fall otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from collab_client import document, journal_file
from collab_client.document import Document
from collab_client.journal_file import Came, JournalFile, Step
from collab_client.journal_file import Receipted as RowsReceipted
from collab_protocol.messages import Batch, Hello, Presence, Receipt, Resync, Sync
from collab_protocol.presence import Activity
from collab_protocol.sync import ClientSync
from collab_protocol.text import EMPTY_UPDATE, Replica
from collab_server.intake import Intake
from collab_server.ledger import Ledger
from collab_server.outbox import Outbox
from collab_server.room import Room
from collab_server.roster import Joiner, Member, Roster, Seat
from collab_server.showing import Showing
from collab_server.writing import Writing
from tests.simulation.people import Window
from tests.simulation.plans import FOLDER, Plan
from tests.simulation.world import DISASTERS, run

FEW = 150
"""A bug that takes more seeds than this is hardly found by a run of the tests."""


@dataclass(frozen=True, slots=True)
class Bug:
    """One planted bug: what it breaks, and what puts it into the code for a while.

    `disaster`: only worlds with it count, where others would find the bug for another reason.
    """

    name: str
    breaks: str
    plant: Callable[[], AbstractContextManager[object]]
    disaster: str | None = None

    @property
    def every(self) -> int:
        """How far apart the seeds are that count."""
        return 1 if self.disaster is None else len(DISASTERS)

    def seeds(self, first: int, end: int) -> range:
        """Return the seeds that count among those from `first` on."""
        if self.disaster is None:
            return range(first, end)
        return range(first + (DISASTERS.index(self.disaster) - first) % self.every, end, self.every)


def _instead(owner: object, name: str, replacement: object) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.object(owner, name, replacement)


def _all(
    *plants: Callable[[], AbstractContextManager[object]],
) -> Callable[[], AbstractContextManager[object]]:
    @contextlib.contextmanager
    def plant() -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for each in plants:
                stack.enter_context(each())
            yield

    return plant


# The server's promises


def _at_once(called: str) -> Callable[[], AbstractContextManager[object]]:
    """Let what waits for the disk and calls `called` not wait."""
    original = Ledger.when_on_disk

    def when_on_disk(self: Ledger, seq: int, action: Callable[[], None]) -> None:
        if called in action.__code__.co_names:
            action()
        else:
            original(self, seq, action)

    return _instead(Ledger, "when_on_disk", when_on_disk)


_apply = Writing._apply


def _apply_and_receipt(self: Writing, seat: Seat, written: list[Any]) -> None:
    before = len(written)
    _apply(self, seat, written)
    for part in written[before:]:
        self._roster.tell(seat, Receipt(part.n, self._ledger.committed, alone=False))


_tell = Roster.tell


def _tell_one_less(self: Roster, seat: Seat, message: Any) -> None:
    if isinstance(message, Receipt):
        message = Receipt(message.n - 1, message.seq, message.alone)
    _tell(self, seat, message)


_room_join = Room.join


def _join_any_room(self: Room, member: Member, hello: Hello, joiner: Joiner) -> None:
    _room_join(self, member, dataclasses.replace(hello, lineage=None), joiner)


def _join_beside_itself(self: Room, member: Member, hello: Hello, joiner: Joiner) -> None:
    nonce = member.session.to_bytes(16, "big")
    _room_join(self, member, dataclasses.replace(hello, nonce=nonce), joiner)


_send_resync = Writing.send_resync


def _resync_and_go_on(self: Writing, seat: Seat) -> None:
    _send_resync(self, seat)
    seat.is_to_send_again = False


def _resume_silently(self: Room) -> None:
    with patch.object(Writing, "send_resync", lambda self, seat: None):
        _resume(self)


_resume = Room.resume_storing


def _share_to_others_only(self: Writing, batch: Batch, written: list[Any]) -> None:
    """Leave an author out of the Batch even when others wrote in it too."""
    authors = {part.seat for part in written}
    for seat in self._roster:
        if seat.is_live and seat not in authors:
            seat.member.deliver(batch)
    for part in written:
        self._roster.tell(part.seat, Receipt(part.n, batch.last, alone=False))


def _drop_silently(self: Outbox, batch: Batch) -> None:
    encoded = self.encoder.encode(batch)
    if self._text_bytes + len(encoded) <= self._lag_bytes:
        self._queue.append((batch, encoded))
        self._text_bytes += len(encoded)


def _remove_silently(self: Roster, seat: Seat, seq: int, activity: Activity = Activity.GONE) -> None:
    del self._seats[seat.member]


_leave = Room.leave


def _leaves_always(*, is_bye: bool) -> Callable[[], AbstractContextManager[object]]:
    def leave(self: Room, member: Member, **_: bool) -> None:
        _leave(self, member, is_bye=is_bye)

    return _instead(Room, "leave", leave)


_showing_init = Showing.__init__


def _showing_that_never_waits(self: Showing, roster: Roster, clock: Any, later: Any) -> None:
    """Show what comes too soon not at all, instead of later."""
    _showing_init(self, roster, clock, lambda delay_s, call: None)


_as_seen_at = Roster._as_seen_at


def _without_view(self: Roster, seat: Seat, seq: int) -> Presence:
    return dataclasses.replace(_as_seen_at(self, seat, seq), view=None, following=0)


def _resynced_without_carets(self: Room, seat: Seat, sync: Sync) -> None:
    seat.is_sync_due = False
    self._roster.tell(seat, sync)


# The client's promises

_send_again = ClientSync._send_rows_again


def _send_newest_again(self: ClientSync, server_state_vector: bytes) -> None:
    _send_again(self, server_state_vector)
    self._sent_n = max(self._sent_n, self._last_n - 1)


_receipt = ClientSync._receipt


def _receipt_for_one_more(self: ClientSync, receipt: Receipt) -> None:
    _receipt(self, receipt)
    if self._rows and self._rows[0].n <= self._offered_n:
        self._rows.popleft()


def _receipt_jumps(self: ClientSync, receipt: Receipt) -> None:
    if receipt.alone and not self._is_resyncing:
        self._seq = max(self._seq, receipt.seq)
    _receipt(self, receipt)


_batch = ClientSync._batch


def _batch_without_gap(self: ClientSync, batch: Batch) -> None:
    """Take any Batch for the next, an empty one too: each of the two checks alone makes up for the other."""
    if not self._is_resyncing:
        entries = batch.entries or ((0, EMPTY_UPDATE),)
        batch = Batch(min(batch.first, self._seq + 1), batch.last, entries)
    _batch(self, batch)


_welcome = ClientSync._welcome


def _welcome_of_any_room(self: ClientSync, welcome: Any) -> None:
    self._lineage = None
    _welcome(self, welcome)


_client_receive = ClientSync.receive


def _deaf_to_resync(self: ClientSync, message: Any) -> None:
    if not isinstance(message, Resync):
        _client_receive(self, message)


# Journal and document

_local_update = Document._local_update
_document_init = Document.__init__
_compact = JournalFile.compact
_write = JournalFile._write


def _kept_at_once(self: Document, data: bytes) -> None:
    _local_update(self, data)
    if self._journal is not None:
        self._journal.on_kept(self.replica.client_id, self._last_n)


class _LateJournal:
    """Says what came from the server only after some own rows that were made on top of it."""

    def __init__(self, journal: Any) -> None:
        object.__setattr__(self, "journal", journal)
        object.__setattr__(self, "late", [])
        object.__setattr__(self, "left", [])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.journal, name, value)

    def came(self, *arguments: Any) -> None:
        self.late.append(arguments)

    def own(self, *arguments: Any) -> None:
        self.journal.own(*arguments)
        self.left.append(None)
        if len(self.left) % 3 == 0:
            for came in self.late:
                self.journal.came(*came)
            self.late.clear()


def _document_with_late_journal(self: Document, *arguments: Any, journal: Any, **others: Any) -> None:
    _document_init(self, *arguments, journal=_LateJournal(journal), **others)


def _write_all_but(kind: type[object]) -> Callable[[], AbstractContextManager[object]]:
    def write(self: JournalFile, db: Any, step: Step) -> bool:
        if isinstance(step, Came) and kind is Came:
            db.execute("UPDATE journal SET seq = ?", (step.seq,))
        elif not isinstance(step, kind):
            return _write(self, db, step)
        return True

    return _instead(JournalFile, "_write", write)


def _compact_everything(self: JournalFile, fold: Any, now: float) -> bool:
    is_done = _compact(self, fold, now)
    if is_done:
        self._db.execute("DELETE FROM entry")
    return is_done


def _throw_away_unplaced(self: Document, rows: list[Any]) -> None:
    self._unplaced = []
    self.sync.other_ids = frozenset()


def _replica_of_machine(self: Window) -> Replica:
    return Replica(1000 + self.person.number, has_undo=True)


BUGS = (
    Bug(
        "receipt-before-commit",
        "what counts as saved is on the server's disk",
        _instead(Writing, "_apply", _apply_and_receipt),
    ),
    Bug(
        "receipt-of-known-before-commit",
        "rows that the room has already are on disk before they are receipted again",
        _at_once("Receipt"),
    ),
    Bug("batch-before-commit", "nobody sees text that a crash could take back", _at_once("_share")),
    Bug("welcome-before-commit", "who joins sees only what is on disk", _at_once("_welcome")),
    Bug("resync-before-commit", "a Resync is answered with what is on disk", _at_once("_resynced")),
    Bug("caret-before-edit", "a caret comes after the edits that it rests on", _at_once("show")),
    Bug(
        "receipt-one-less",
        "every row that is on disk is receipted",
        _instead(Roster, "tell", _tell_one_less),
    ),
    Bug(
        "receipt-one-more",
        "a receipt takes only the rows that it names",
        _instead(ClientSync, "_receipt", _receipt_for_one_more),
    ),
    Bug(
        "stale-unanswered",
        "an update without ground is asked for again",
        _instead(Writing, "_ask_again", lambda self, seat, reason: None),
    ),
    Bug(
        "stale-answer-unheard",
        "a client that is asked sends its rows again",
        _instead(ClientSync, "receive", _deaf_to_resync),
    ),
    Bug(
        "resync-does-not-wait",
        "what was sent before our Resync was read does not count against its sender",
        _instead(Writing, "send_resync", _resync_and_go_on),
    ),
    Bug(
        "resumes-silently",
        "after a full disk the rows that were not taken are asked for",
        _instead(Room, "resume_storing", _resume_silently),
    ),
    Bug(
        "author-misses-others",
        "an author gets what others wrote in the same batch",
        _instead(Writing, "_share", _share_to_others_only),
    ),
    Bug(
        "leaves-silently",
        "the roster is exact: who leaves is gone for everybody",
        _instead(Roster, "remove", _remove_silently),
    ),
    Bug("lost-taken-for-gone", "who broke off may be back", _leaves_always(is_bye=True)),
    Bug("gone-taken-for-lost", "who said goodbye is gone", _leaves_always(is_bye=False)),
    Bug(
        "last-move-unshown",
        "what somebody did last is shown, however soon after the one before",
        _instead(Showing, "__init__", _showing_that_never_waits),
    ),
    Bug(
        "newcomer-knows-no-views",
        "a newcomer knows who sees what, and who follows whom",
        _instead(Roster, "_as_seen_at", _without_view),
    ),
    Bug(
        "lag-loses-carets",
        "a reader that fell behind gets with the text the carets that were dropped",
        _instead(Room, "_resynced", _resynced_without_carets),
    ),
    Bug(
        "ghost",
        "a session that comes back over another link is there once",
        _instead(Room, "join", _join_beside_itself),
    ),
    Bug("ids-not-bound", "a client id belongs to one device", _instead(Intake, "admits", lambda *_: True)),
    Bug(
        "text-not-checked",
        "a text that has parted from everybody's is noticed",
        _instead(Room, "check", lambda *_: None),
    ),
    Bug(
        "lag-untold",
        "a reader that fell behind is told",
        _instead(Outbox, "_put_batch", _drop_silently),
    ),
    Bug(
        "no-resend",
        "after each Welcome the rows without a receipt come again",
        _instead(ClientSync, "_send_rows_again", lambda self, state_vector: None),
    ),
    Bug(
        "resend-newest",
        "after each Welcome all rows without a receipt come again, in order",
        _instead(ClientSync, "_send_rows_again", _send_newest_again),
    ),
    Bug(
        "gap-unnoticed",
        "a reader that fell behind notices it",
        _instead(ClientSync, "_batch", _batch_without_gap),
    ),
    Bug(
        "receipt-gap",
        "a gap before a Receipt that is alone is noticed",
        _instead(ClientSync, "_receipt", _receipt_jumps),
    ),
    Bug(
        "another-room",
        "the texts of two rooms are never mixed",
        _all(
            _instead(Room, "join", _join_any_room),
            _instead(ClientSync, "_welcome", _welcome_of_any_room),
            _instead(ClientSync, "_has_lost", lambda *_: False),
        ),
    ),
    Bug(
        "restored-unnoticed",
        "a server that came back from a backup gets what it lost, or the person a copy",
        _all(
            _instead(ClientSync, "_has_lost", lambda *_: False),
            _instead(Room, "check", lambda *_: None),  # which would make up for it, half a minute later
        ),
        "restored server",
    ),
    Bug(
        "client-id-reused",
        "a client id belongs to one replica for ever",
        _instead(Window, "_make_replica", _replica_of_machine),
    ),
    Bug(
        "kept-before-commit",
        "what counts as kept is in the journal, on disk",
        _instead(Document, "_local_update", _kept_at_once),
    ),
    Bug(
        "journal-order",
        "the journal has what an own row rests on before the row",
        _instead(Document, "__init__", _document_with_late_journal),
    ),
    Bug("journal-lacks-others", "the journal has what own rows rest on", _write_all_but(Came)),
    Bug(
        "journal-lacks-receipts",
        "what the server has is not counted as unsaved for ever",
        _write_all_but(RowsReceipted),
    ),
    Bug(
        "fold-drops-rows",
        "own rows without a receipt stay in the journal",
        _instead(JournalFile, "compact", _compact_everything),
    ),
    Bug(
        "receipted-not-kept",
        "own rows stay ten minutes, for a server that lost its tail",
        _all(
            _instead(document, "RECEIPTED_KEPT_S", -1.0),
            _instead(journal_file, "RECEIPTED_KEPT_S", -1.0),
        ),
    ),
    Bug(
        "unplaced-thrown-away",
        "own rows without ground wait for it, and are counted",
        _instead(Document, "_set_unplaced", _throw_away_unplaced),
    ),
    Bug(
        "no-copy",
        "who has to begin again is given what is missing from the text",
        _instead(Document, "_keep_what_is_missing", lambda *_: None),
    ),
)


def failure(bug: Bug, seed: int, steps: int) -> Exception | None:
    """Return what breaks in the world of `seed` with `bug` in it, or None."""
    with bug.plant():
        try:
            run(seed, steps)
        except Exception as error:
            return error
    return None


def first_failure(bug: Bug, seeds: range, steps: int) -> tuple[int, Exception] | None:
    """Return the first of `seeds` that finds `bug`, and how."""
    for seed in seeds:
        error = failure(bug, seed, steps)
        if error is not None:
            return seed, error
    return None


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.planted",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=400, help="how many worlds to try for each bug")
    parser.add_argument("--steps", type=int, default=160, help="steps before everything heals")
    parser.add_argument("--only", action="append", help="names of bugs, instead of all")
    parser.add_argument("--write", action="store_true", help="keep the seeds in plans/")
    options = parser.parse_args()
    logging.disable()
    unfound = 0
    for bug in BUGS:
        if options.only and bug.name not in options.only:
            continue
        began = time.monotonic()
        found = first_failure(bug, bug.seeds(0, options.seeds), options.steps)
        took_s = time.monotonic() - began
        if found is None:
            unfound += 1
            print(f"{bug.name:32}  none of {options.seeds}  ({took_s:.1f} s)  {bug.breaks}", flush=True)
            continue
        seed, error = found
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        late = "" if seed < FEW else "  (late)"
        print(f"{bug.name:32}  {seed:4}{late}  {told[:90]}", flush=True)
        if options.write:
            Plan(f"planted: {bug.name}", seed, options.steps, f"{bug.breaks}: {told}"[:200], bug.name).write(
                FOLDER / f"planted-{bug.name}.toml"
            )
    return 1 if unfound else 0


if __name__ == "__main__":
    sys.exit(main())
