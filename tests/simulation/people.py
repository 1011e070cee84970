"""The people of a simulated world: one journal each, and the windows that they open on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from collab_client.carets import Span
from collab_client.clusters import next_boundary
from collab_client.document import Document, sha256_of
from collab_client.journal_file import (
    Anew,
    Came,
    JournalFile,
    Origin,
    Own,
    PutAside,
    Stands,
    Step,
)
from collab_client.journal_file import (
    Receipted as RowsReceipted,
)
from collab_client.lines import Position
from collab_client.replay import replay, text_of
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.events import (
    AskedAgain,
    Dismissed,
    Displaced,
    Event,
    Receipted,
    Refused,
    RowsArrived,
    Seen,
    Synced,
)
from collab_protocol.lib0 import finish
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, PresencePacer, View
from collab_protocol.sync import Identity, Phase
from collab_protocol.text import Replica
from tests.simulation.links import Link, Peer
from tests.simulation.server import MARKER, WorldError

if TYPE_CHECKING:
    from tests.simulation.world import World

FILLERS = ["", "\n", "日", "🙂", "é", "e\u0301", "a b"]


class QueuedJournal:
    """What one window has said to its journal, brought to disk when the world says so."""

    def __init__(self, person: Person) -> None:
        self.on_kept: Callable[[int, int], None] = lambda client_id, n: None
        self.on_trouble: Callable[[str], None] = lambda message: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_left_behind: Callable[[str], None] = lambda text: None
        self._person = person
        self._steps: list[Step] = []

    def own(self, client_id: int, n: int, data: bytes, lineage: bytes | None) -> None:
        self._steps.append(Own(client_id, n, data, self._person.world.now, lineage))

    def came(self, data: bytes, seq: int, lineage: bytes | None) -> None:
        self._steps.append(Came(data, seq, lineage))

    def stands(self, lineage: bytes, epoch: bytes) -> None:
        self._steps.append(Stands(lineage, epoch))

    def receipted(self, client_id: int, n: int) -> None:
        self._steps.append(RowsReceipted(client_id, n, self._person.world.now))

    def begin_anew(
        self, lineage: bytes, epoch: bytes, rows: tuple[tuple[int, int], ...], aside: str | None
    ) -> None:
        self._steps.append(Anew(self._person.world.now, lineage, epoch, rows, aside))

    def put_aside(self, rows: tuple[tuple[int, int], ...], reason: str) -> None:
        self._steps.append(PutAside(rows, self._person.world.now, reason))

    def commit(self, count: int | None = None) -> None:
        """Bring the next `count` steps to disk, or all."""
        steps = self._steps[:count]
        del self._steps[: len(steps)]
        if steps:
            written = self._person.file.write(steps)
            if not written.is_all_queued:
                self.on_lost()
            if written.left_behind is not None:
                self.on_left_behind(text_of(*written.left_behind))
            for step in steps:
                if isinstance(step, Own):
                    self.on_kept(step.client_id, step.n)


class Person:
    """Somebody with a machine: a device, a journal on its disk, and windows."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.device = bytes([number] * 32)
        self.file = JournalFile(None, Origin("server", "notes", self.device))
        self.windows: list[Window] = []
        self.markers: list[str] = []
        self.owed: set[str] = set()
        """Markers that must be in the final text: saved, kept, or in a window that lives."""
        self.copies: list[str] = []
        self._backup: bytes | None = None

    def open_window(self) -> Window:
        window = Window(self)
        self.windows.append(window)
        return window

    def quit(self, window: Window) -> None:
        """End a window as its person would: it says goodbye behind its rows, which are kept first."""
        window.journal.commit()
        window.document.sync.leave()
        window.flush()
        self.kill(window)

    def kill(self, window: Window) -> None:
        """End a window as a power cut would: what its journal had not brought to disk is gone."""
        window.lose_link()
        self.windows.remove(window)
        self.owed -= window.markers.keys() - window.safe
        self.world.undone |= window.deletions.keys() - window.safe_deletions
        window.close()
        self.reassess()

    def reassess(self) -> None:
        """Take from what is owed what a disaster of this world has taken from disk, journal and windows."""
        if self.world.disasters:
            waiting = [window.waiting for window in self.windows]
            here = self._markers_in_journal().union(
                *(MARKER.findall(text) for text in (self.world.on_disk.text(), *self.copies)),
                *(MARKER.findall(window.text) for window in self.windows),
                *map(MARKER.findall, waiting),
            )
            self.owed &= here

    def back_up(self) -> None:
        """Copy the journal, as a backup of the home folder would."""
        self._backup = self.database.serialize()

    def restore(self) -> None:
        """Bring an old journal back; what was only in the newer one is lost, as was to be expected."""
        if self._backup is None:
            return
        for window in list(self.windows):
            self.kill(window)
        self.database.deserialize(self._backup)
        self.owed &= self.world.committed_ever | self._markers_in_journal()

    def fold(self) -> None:
        """Compact the journal, as its thread does now and then."""
        from collab_client.replay import fold

        self.file.compact(fold, self.world.now)

    @property
    def database(self) -> sqlite3.Connection:
        return self.file._db

    def _markers_in_journal(self) -> set[str]:
        """Return the markers in the text that a new window would show, and in rows without ground."""
        replica = Replica(1)
        try:
            rows = finish(replay(self.file.load(), replica)).unplaced
            waiting = "".join(row.data.decode("utf-8", "ignore") for row in rows)
            return set(MARKER.findall(replica.text())) | set(MARKER.findall(waiting))
        finally:
            replica.close()

    def close(self) -> None:
        for window in self.windows:
            window.close()
        self.file.close()


class Window:
    """One process of a person: a document and at most one link."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.world = person.world
        self.journal = QueuedJournal(person)
        contents = person.file.load()
        replayed = finish(replay(contents, self._make_replica()))
        if replayed.unplaced and not self.world.disasters:
            raise WorldError(f"the journal of person {person.number} lacks what its rows rest on")
        self.document = Document(
            replayed,
            contents,
            Identity(self.world.dice.randbytes(16), person.device, f"person{person.number}"),
            journal=self.journal,
            make_replica=self._make_replica,
            keep_copy=self._keep_copy,
            now=lambda: self.world.now,
        )
        kept = self.journal.on_kept
        self.journal.on_kept = lambda client_id, n: (kept(client_id, n), self._note_kept(n))[0]
        self.pacer = PresencePacer()
        self.document.on_local_edit = self.pacer.moved
        self.link: Link | None = None
        self.session = 0
        self.activity = Activity.ACTIVE
        self.following = 0
        """The session whose view this one follows, or did when that was here."""
        self._rows_in_view = (0, 0)
        self._sessions: set[int] = set()
        """What the server called this window, on this link and earlier ones."""
        self.markers: dict[str, int] = {}
        self.deletions: dict[str, int] = {}
        self.safe: set[str] = set()
        """Markers that are kept or saved."""
        self.safe_deletions: set[str] = set()
        self.displaced_in_a_row = 0
        self._made = 0
        self._assembler = Assembler()
        self._splitter = Splitter()

    @property
    def text(self) -> str:
        return self.document.replica.text()

    @property
    def name(self) -> str:
        return f"window {self.person.windows.index(self) + 1} of person {self.person.number}"

    def connect(self) -> None:
        self.link = Link()
        self._assembler, self._splitter = Assembler(), Splitter()
        self.world.server.peers.append(Peer(self.link, self.world.draw_id(), self.world.parted))
        self.document.sync.connected()
        self.flush()

    def lose_link(self) -> None:
        if self.link is not None:
            self.link.is_broken = True
        self.document.sync.disconnected()
        self.document.buffer.clear_peers()
        self.link = None

    def type(self) -> None:
        self._move()
        marker = f"‹{self.person.number}.{len(self.person.markers)}›"
        unsaved = self.document.unsaved
        self._made += 1
        self.person.markers.append(marker)
        self.markers[marker] = self._made
        self.person.owed.add(marker)
        self.document.buffer.type_text(marker + self.world.dice.choice(FILLERS))
        if self.document.unsaved != unsaved + 1:
            raise WorldError("a typed marker is not an unsaved row")

    def delete(self) -> None:
        """Delete one whole marker, anyone's."""
        lines = self.text.split("\n")
        found = [
            (row, match.start(), match.end())
            for row, line in enumerate(lines)
            for match in MARKER.finditer(line)
        ]
        if found:
            row, begin, end = self.world.dice.choice(found)
            self._made += 1
            self.world.deleted.add(lines[row][begin:end])
            self.deletions[lines[row][begin:end]] = self._made
            self.document.buffer.replace(Position(row, begin), Position(row, end), "")

    def move(self) -> None:
        self._move()
        self.pacer.moved()

    def move_several(self) -> None:
        """Put several carets somewhere, some of them selecting."""
        dice = self.world.dice
        places = [self._draw_place() for _ in range(dice.randint(2, 8))]
        spans = [Span(place, place if dice.random() < 0.5 else dice.choice(places)) for place in places]
        self.document.buffer.set_spans(spans, dice.randrange(len(spans)))
        self.pacer.moved()

    def look_around(self) -> None:
        """See other rows, follow somebody, or do less for a while."""
        dice = self.world.dice
        first = dice.randrange(self.document.buffer.lines.row_count)
        self._rows_in_view = (first, first + dice.randrange(5))
        self.following = dice.choice([0, *self.document.buffer.peers])
        self.activity = dice.choice([Activity.ACTIVE, Activity.IDLE, Activity.AWAY])
        self.pacer.moved()

    @property
    def view(self) -> View:
        """What is seen of the text: from the begin of the first row in view to the end of the last."""
        lines = self.document.buffer.lines
        top, bottom = (min(row, lines.row_count - 1) for row in self._rows_in_view)
        return View(lines.offset(Position(top, 0)), lines.offset(Position(bottom, len(lines.line(bottom)))))

    def rot(self) -> None:
        """Let this window's text part from everybody's, as a fault of ours would.

        What is there too much shows in a state vector; what is deleted does not.
        """
        stranger = Replica(self.world.draw_id())
        updates: list[bytes] = []
        stranger.apply(self.document.replica.update_since())
        stranger.on_update = updates.append
        markers = MARKER.findall(self.text)
        if markers and self.world.dice.random() < 0.5:
            marker = self.world.dice.choice(markers)
            before = self.text[: self.text.index(marker)]
            stranger.edit(len(before.encode()), len(marker.encode()), "")
        else:
            stranger.edit(stranger.size_utf8, 0, "rot")
        stranger.close()
        self.document.buffer.apply_sync(updates[0], self.document.sync.seq)

    def flush(self) -> None:
        """Hand to the link what there is to send, own caret included when it is due."""
        if self.link is None:
            return
        sync = self.document.sync
        due_at = self.pacer.due_at()
        if due_at is not None and due_at <= self.world.now and sync.phase is Phase.LIVE:
            carets = self.document.buffer.carets_to_send()
            sync.present(carets, self.activity, self.following, self.view)
            self.pacer.sent(self.world.now)
        while messages := sync.to_send():
            for message in messages:
                self.link.up.extend(self._splitter.frames(message))

    def check_text(self) -> None:
        """Say to the server what text is here, when that is due."""
        due = self.document.lines_to_check()
        if due is not None:
            self.document.check(due[0], sha256_of(due[1]))
            self.flush()

    def feed(self, frame: bytes) -> None:
        message = self._assembler.feed(frame)
        if message is None:
            return
        begins_offline = self.document.sync.lineage is None and not self.document.is_displaced
        self.document.sync.receive(message)
        if begins_offline and self.document.sync.lineage is not None:
            # Begun where no server was: it is merged into whatever room there is now, and may be.
            self.world.barred -= set(MARKER.findall(self.text))
        for event in self.document.sync.events():
            self.document.handle(event)
            self._handle(event)
        if self.document.is_displaced and self.document.sync.phase is Phase.LIVE:
            self.lose_link()
        self._check_others_text_is_on_disk()
        self._check_rooms_are_not_mixed()

    @property
    def waiting(self) -> str:
        """What own rows say that wait for their ground."""
        return "".join(row.data.decode("utf-8", "ignore") for row in self.document._unplaced)

    def close(self) -> None:
        self.document.close()

    def _handle(self, event: Event) -> None:
        now = self.world.now
        document = self.document
        match event:
            case Synced(seq, _, is_first):
                self.displaced_in_a_row = 0
                welcome = document.welcome
                if is_first and welcome is not None:
                    self.session = welcome.session
                    self._sessions.add(welcome.session)
                    if any(peer.person and peer.person.session in self._sessions for peer in welcome.roster):
                        raise WorldError(f"{self.name} meets itself")
                    document.buffer.set_roster(welcome.roster, welcome.session, seq, now)
                    self.pacer.moved()
                else:
                    self.pacer.passed(now)
            case RowsArrived():
                self.pacer.passed(now)
            case AskedAgain():
                self.pacer.moved()
            case Receipted():
                self._note_saved()
            case Seen(presence):
                self._check_ending(presence)
                document.buffer.place(presence, now)
            case Displaced(_, message):
                self.displaced_in_a_row += 1
                if self.displaced_in_a_row > 3:
                    raise WorldError(f"{self.name} is displaced again and again: {message}")
                self.world.displaced += 1
                self.lose_link()
            case Dismissed():
                self.lose_link()
            case Refused(_, message):
                raise WorldError(f"an honest client was refused: {message}")
            case _:
                pass

    def _check_ending(self, presence: Presence) -> None:
        """Check that who is gone has said goodbye or was sent away for good, and who is lost has not."""
        person, activity = presence.person, presence.activity
        if person is not None and activity.is_over:
            has_parted = person.session in self.world.parted
            if has_parted is not (activity is Activity.GONE):
                raise WorldError(f"{self.name} takes {person.name} for {activity}")

    def _note_saved(self) -> None:
        """Check that what the status line may call saved is on the server's disk."""
        document = self.document
        open_rows = {
            *(each.row.n for each in document._unsaved),
            *(row.n for row in (*document._held, *document._unplaced)),
        }
        saved = {marker for marker, n in self.markers.items() if n not in open_rows}
        missing = saved - self.world.committed_ever - self.world.deleted
        missing -= {marker for copy in self.person.copies for marker in MARKER.findall(copy)}
        if missing:
            raise WorldError(f"saved, but not on disk: {missing}")
        self.safe |= saved
        self.safe_deletions |= {marker for marker, n in self.deletions.items() if n not in open_rows}

    def _note_kept(self, n: int) -> None:
        self.safe_deletions |= {marker for marker, at in self.deletions.items() if at <= n}
        self.safe |= {marker for marker, at in self.markers.items() if at <= n}

    def _check_others_text_is_on_disk(self) -> None:
        early = set(MARKER.findall(self.text)) - set(self.person.markers) - self.world.committed_ever
        if early:
            raise WorldError(f"{self.name} sees uncommitted text: {early}")

    def _check_rooms_are_not_mixed(self) -> None:
        if self.link is not None and self.document.sync.phase is Phase.LIVE:
            mixed = self.world.barred & set(MARKER.findall(self.text))
            if mixed:
                raise WorldError(f"{self.name} sees text of another room: {mixed}")

    def _keep_copy(self, text: str) -> str:
        self.person.copies.append(text)
        return f"copy {len(self.person.copies)}"

    def _make_replica(self) -> Replica:
        return Replica(self.world.draw_id(), has_undo=True)

    def _move(self) -> None:
        self.document.buffer.move_to(self._draw_place())

    def _draw_place(self) -> Position:
        """Return a place anywhere but inside a marker, which would be torn by what is typed there."""
        lines = self.document.buffer.lines
        row = self.world.dice.randrange(lines.row_count)
        line = lines.line(row)
        inside = {c for match in MARKER.finditer(line) for c in range(match.start() + 1, match.end())}
        columns, column = [0], 0
        while column < len(line):
            column = next_boundary(line, column)
            if column not in inside:
                columns.append(column)
        return Position(row, self.world.dice.choice(columns))
