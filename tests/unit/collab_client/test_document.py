from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from collab_client.document import Document, sha256_of
from collab_client.journal_file import RECEIPTED_KEPT_S, Contents, Entry, Origin
from collab_client.replay import Replayed, replay
from collab_protocol.errors import FaultCode, StoreError, UpdateError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Check,
    Fault,
    Hello,
    Message,
    Receipt,
    Resync,
    Sync,
    Trouble,
    Update,
    Welcome,
)
from collab_protocol.presence import Role
from collab_protocol.sync import Identity, Phase
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica, merge_rows

ORIGIN = Origin("ws://host", "notes", b"d" * 32)
EMPTY = Contents(ORIGIN)
HERE, THERE = b"l" * 16, b"m" * 16
EPOCH, LATER = b"e" * 16, b"f" * 16
MY_SESSION, OTHER_SESSION = 7, 8
FIRST_ID = 100
NOW = 1_000_000.0


class Tape:
    """A journal that writes down what it is told."""

    def __init__(self) -> None:
        self.on_kept: Callable[[int, int], None] = lambda client_id, n: None
        self.on_trouble: Callable[[str], None] = lambda message: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_left_behind: Callable[[str], None] = lambda text: None
        self.anew_rows: tuple[tuple[int, int], ...] = ()
        self.steps: list[tuple[object, ...]] = []

    def own(self, client_id: int, n: int, data: bytes, lineage: bytes | None) -> None:
        self.steps.append(("own", client_id, n, data, lineage))

    def came(self, data: bytes, seq: int, lineage: bytes | None) -> None:
        self.steps.append(("came", data, seq))

    def stands(self, lineage: bytes, epoch: bytes) -> None:
        self.steps.append(("stands", lineage, epoch))

    def receipted(self, client_id: int, n: int) -> None:
        self.steps.append(("receipted", client_id, n))

    def begin_anew(
        self, lineage: bytes, epoch: bytes, rows: tuple[tuple[int, int], ...], aside: str | None
    ) -> None:
        self.steps += [("anew", aside), ("stands", lineage, epoch)]
        self.anew_rows = rows

    def put_aside(self, rows: tuple[tuple[int, int], ...], reason: str) -> None:
        self.steps.append(("aside", rows, reason))

    def taken(self) -> list[tuple[object, ...]]:
        steps, self.steps = self.steps, []
        return steps


class Person:
    """Somebody whose rows the server has, or has not."""

    def __init__(self, client_id: int) -> None:
        self.replica = Replica(client_id)
        self.rows: list[bytes] = []
        self.replica.on_update = self.rows.append

    def type(self, text: str, at: int | None = None) -> bytes:
        """Type; returns the row."""
        self.replica.edit(self.replica.size_utf8 if at is None else at, 0, text)
        return self.rows[-1]


class Desk:
    """A document, its journal, and a server that the test plays."""

    def __init__(self, contents: Contents = EMPTY, *, has_journal: bool = True) -> None:
        self.tape = Tape()
        self.now = NOW
        self.copies: list[str] = []
        self.is_full = False
        self.notices: list[str] = []
        self.edits = 0
        self.ids = itertools.count(FIRST_ID)
        self.document = Document(
            replayed(contents, self.make_replica()),
            contents,
            Identity(b"n" * 16, b"d" * 32, "ana"),
            journal=self.tape if has_journal else None,
            make_replica=self.make_replica,
            keep_copy=self.keep_copy,
            now=lambda: self.now,
        )
        self.document.on_notice = self.notices.append
        self.document.on_local_edit = self.edited
        self.sync = self.document.sync

    def make_replica(self) -> Replica:
        return Replica(next(self.ids), has_undo=True)

    def keep_copy(self, text: str) -> str:
        if self.is_full:
            raise StoreError("the disk is full")
        self.copies.append(text)
        return f"copy-{len(self.copies)}"

    def edited(self) -> None:
        self.edits += 1

    def receive(self, *messages: Message) -> None:
        for message in messages:
            self.sync.receive(message)
            for event in self.sync.events():
                self.document.handle(event)

    def hello(self) -> Hello:
        self.sync.disconnected()
        self.sync.connected()
        [hello] = self.sync.to_send()
        assert isinstance(hello, Hello)
        return hello

    def enter(
        self, server: Replica, *, seq: int, lineage: bytes = HERE, epoch: bytes = EPOCH, sync: bool = True
    ) -> Hello:
        """Let the document in, where the text is `server`; unless `sync` says not to go so far."""
        hello = self.hello()
        vector = server.state_vector()
        allowed = RoomLimits()
        self.receive(
            Welcome(2, MY_SESSION, lineage, epoch, seq, Role.WRITE, allowed, True, False, (), (), vector)
        )
        if sync:
            self.receive(Sync(seq, vector, server.update_since(hello.state_vector)))
        return hello

    def updates(self) -> list[Update]:
        sent: list[Update] = []
        while messages := self.sync.to_send():
            sent += [message for message in messages if isinstance(message, Update)]
        return sent

    def send_to(self, server: Replica) -> int:
        """Bring what is unsent to the server; returns the last number."""
        updates = self.updates()
        server.apply(*(update.data for update in updates))
        return updates[-1].n

    def type(self, text: str) -> None:
        self.document.buffer.document_end()
        self.document.buffer.type_text(text)

    @property
    def text(self) -> str:
        text = self.document.buffer.lines.text()
        assert text == self.document.replica.text()
        return text


def replayed(contents: Contents, replica: Replica) -> Replayed:
    replaying = replay(contents, replica)
    while True:
        try:
            next(replaying)
        except StopIteration as done:
            found: Replayed = done.value
            return found


@contextmanager
def desks(*contents: Contents, has_journal: bool = True) -> Iterator[Desk]:
    desk = Desk(*contents, has_journal=has_journal)
    try:
        yield desk
    finally:
        desk.document.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with desks() as desk:
        yield desk


@pytest.fixture
def server() -> Iterator[Replica]:
    replica = Replica(1)
    yield replica
    replica.close()


@pytest.fixture
def other() -> Iterator[Person]:
    person = Person(50)
    yield person
    person.replica.close()


# Own rows


def test_inherited_rows_are_sent_and_receipted_under_their_own_numbers(server: Replica) -> None:
    one, two = Person(5), Person(6)
    rows = [one.type("a"), one.type("b"), two.type("c"), one.type("d")]
    entries = (
        Entry(5, 1, rows[0], NOW - 10),
        Entry(5, 2, rows[1]),
        Entry(6, 4, rows[2]),
        Entry(5, 3, rows[3]),
    )
    with desks(Contents(ORIGIN, HERE, EPOCH, 3, None, entries)) as desk:
        assert (desk.document.unsaved, desk.document.kept, desk.document.has_text) == (3, 3, True)
        desk.type("mine")
        server.apply(rows[0])
        hello = desk.enter(server, seq=3)
        assert set(hello.client_ids) == {FIRST_ID, 5, 6}
        desk.tape.taken()
        assert desk.send_to(server) == 4
        assert server.text() == desk.text
        desk.receive(Receipt(2, 4, alone=True))
        assert desk.tape.taken() == [("receipted", 5, 2), ("receipted", 6, 4)]
        assert desk.document.unsaved == 2
        desk.receive(Receipt(4, 5, alone=True))
        assert desk.tape.taken() == [("receipted", 5, 3), ("receipted", FIRST_ID, 1)]
        assert desk.document.unsaved == 0
    one.replica.close()
    two.replica.close()


def test_rows_of_the_text_that_hold_unsaved_changes_are_known_after_a_restart(server: Replica) -> None:
    server.edit(0, 0, "a\nb\nc\nd")
    with person(5) as me:
        me.replica.apply(server.update_since())
        saved, unsaved = me.type("x", 0), me.type("y", len("xa\nb\n"))
    entries = (Entry(5, 1, saved, NOW - 10), Entry(5, 2, unsaved))
    with desks(Contents(ORIGIN, HERE, EPOCH, 3, server.update_since(), entries)) as desk:
        assert desk.text == "xa\nb\nyc\nd"
        assert desk.document.unsent_places() == [(2, 3)]
        desk.type("z")
        assert sorted(desk.document.unsent_places()) == [(2, 3), (3, 4)]


def test_an_own_row_is_journalled_as_it_is_made(desk: Desk) -> None:
    desk.type("a")
    desk.type("b")
    assert desk.edits == 2
    steps = desk.tape.taken()
    assert [step[:3] + step[4:] for step in steps] == [
        ("own", FIRST_ID, 1, None),
        ("own", FIRST_ID, 2, None),
    ]
    copy = Replica(2)
    copy.apply(*(step[3] for step in steps))  # type: ignore[arg-type]  # bytes
    assert copy.text() == "ab"
    copy.close()


def test_kept_counts_what_is_on_disk(desk: Desk, server: Replica) -> None:
    told = 0

    def on_kept() -> None:
        nonlocal told
        told += 1

    desk.document.on_kept = on_kept
    for character in "abc":
        desk.type(character)
    assert (desk.document.unsaved, desk.document.kept) == (3, 0)
    desk.tape.on_kept(FIRST_ID, 2)
    assert (desk.document.unsaved, desk.document.kept, told) == (3, 2, 1)
    desk.enter(server, seq=0)
    desk.send_to(server)
    desk.receive(Receipt(1, 1, alone=True))
    assert (desk.document.unsaved, desk.document.kept) == (2, 1)
    desk.receive(Receipt(3, 2, alone=True))
    assert (desk.document.unsaved, desk.document.kept) == (0, 0)
    desk.tape.on_kept(FIRST_ID, 3)
    desk.type("d")
    assert (desk.document.unsaved, desk.document.kept) == (1, 0)


def test_trouble_of_the_journal_is_told_and_over_again(desk: Desk) -> None:
    assert desk.document.journal_trouble == ""
    desk.tape.on_trouble("the disk is full")
    assert desk.document.journal_trouble == "the disk is full"
    desk.tape.on_trouble("")
    assert desk.document.journal_trouble == ""


def test_without_a_journal_nothing_is_kept(server: Replica) -> None:
    with desks(has_journal=False) as desk:
        assert desk.document.journal_trouble == "there is no journal"
        desk.type("a")
        desk.enter(server, seq=0)
        desk.type("b")
        assert (desk.document.unsaved, desk.document.kept) == (2, 0)
        desk.receive(Receipt(desk.send_to(server), 1, alone=True))
        assert desk.document.unsaved == 0


# What comes from the server


def test_the_room_and_its_text_are_journalled(desk: Desk, server: Replica, other: Person) -> None:
    server.apply(other.type("theirs"))
    desk.enter(server, seq=4)
    assert desk.tape.taken() == [("stands", HERE, EPOCH), ("came", server.update_since(), 4)]
    assert desk.text == "theirs"
    assert desk.sync.phase is Phase.LIVE


def test_what_others_type_is_journalled_before_what_is_typed_on_it(
    desk: Desk, server: Replica, other: Person
) -> None:
    desk.enter(server, seq=0)
    desk.tape.taken()
    row = other.type("theirs")
    desk.receive(Batch(1, 1, ((OTHER_SESSION, row),)))
    desk.type(" mine")
    kinds = [step[0] for step in desk.tape.steps]
    assert kinds == ["came", "own"]
    assert desk.tape.steps[0] == ("came", row, 1)
    assert desk.text == "theirs mine"


def test_the_echo_of_an_own_row_is_not_journalled_twice(desk: Desk, server: Replica, other: Person) -> None:
    desk.enter(server, seq=0)
    desk.type("mine")
    [update] = desk.updates()
    desk.tape.taken()
    row = other.type("theirs")
    desk.receive(Batch(1, 2, ((MY_SESSION, update.data), (OTHER_SESSION, row))))
    assert desk.tape.taken() == [("came", row, 2)]


def test_what_is_known_already_is_not_journalled(desk: Desk, server: Replica, other: Person) -> None:
    server.apply(other.type("theirs"))
    desk.enter(server, seq=1)
    desk.tape.taken()
    desk.receive(Batch(2, 2, ((OTHER_SESSION, other.rows[0]),)))
    assert desk.tape.taken() == []
    assert desk.text == "theirs"


def test_a_row_that_is_half_here_already_is_taken(desk: Desk, server: Replica, other: Person) -> None:
    server.apply(other.type("a"))
    desk.enter(server, seq=1)
    desk.tape.taken()
    other.type("b")
    desk.receive(Batch(2, 2, ((OTHER_SESSION, other.replica.update_since()),)))
    assert desk.text == "ab"
    assert [step[0] for step in desk.tape.taken()] == ["came"]


def resyncs(desk: Desk) -> int:
    return sum(isinstance(message, Resync) for message in desk.sync.to_send())


def test_a_batch_without_ground_is_asked_for_again(desk: Desk, server: Replica, other: Person) -> None:
    desk.enter(server, seq=0)
    desk.updates()
    desk.tape.taken()
    server.apply(other.type("a"), other.type("b"))
    desk.receive(Batch(1, 1, ((OTHER_SESSION, other.rows[1]),)))
    assert (desk.text, desk.tape.taken(), resyncs(desk)) == ("", [], 1)
    assert not desk.document.is_displaced
    desk.receive(Sync(2, server.state_vector(), server.update_since()))
    assert desk.text == "ab"


def test_the_third_without_ground_in_a_row_begins_the_text_again(
    desk: Desk, server: Replica, other: Person
) -> None:
    desk.enter(server, seq=0)
    for character in "abcdef":
        other.type(character)
    desk.receive(Batch(1, 1, ((OTHER_SESSION, other.rows[1]),)))
    desk.receive(Sync(2, server.state_vector(), other.rows[2]))
    assert not desk.document.is_displaced
    desk.receive(Sync(3, server.state_vector(), other.rows[0]))  # that one is none, and begins the count anew
    desk.receive(Batch(4, 4, ((OTHER_SESSION, other.rows[3]),)))
    desk.receive(Sync(4, server.state_vector(), other.rows[3]))
    assert not desk.document.is_displaced
    desk.receive(Sync(4, server.state_vector(), other.rows[3]))
    assert desk.document.is_displaced
    assert desk.text == "a"


HOSTILE = [b"no update", b"\x01\x01\x07", b"\x01\x01\x05\x00\x04\x01\x04root\x01x\x00"]


@pytest.mark.parametrize("data", HOSTILE)
@pytest.mark.parametrize("way", ["sync", "batch", "displaced"])
def test_what_no_honest_server_sends_changes_nothing(
    desk: Desk, server: Replica, other: Person, data: bytes, way: str
) -> None:
    server.apply(other.type("theirs"))
    desk.enter(server, seq=1)
    if way == "displaced":
        desk.receive(Fault(FaultCode.DIVERGED, "another text", 0))
        desk.enter(server, seq=1, sync=False)
    desk.tape.taken()
    with pytest.raises(UpdateError, match="what is no text"):
        if way == "batch":
            desk.receive(Batch(2, 2, ((OTHER_SESSION, data),)))
        else:
            if way == "sync":
                desk.enter(server, seq=1, sync=False)
                desk.tape.taken()
            desk.receive(Sync(1, server.state_vector(), data))
    assert desk.text == "theirs"
    assert desk.tape.taken() == []
    assert desk.copies == []


def test_trouble_of_the_server_is_told_and_over_again(desk: Desk, server: Replica) -> None:
    desk.enter(server, seq=0)
    desk.receive(Trouble("the disk is full"))
    assert desk.document.trouble == "the disk is full"
    desk.receive(Trouble(""))
    assert desk.document.trouble == ""
    desk.receive(Trouble("the disk is full"))
    desk.enter(server, seq=0)
    assert desk.document.trouble == ""


def test_a_long_text_passes_in_slices_and_one_may_type_meanwhile(
    desk: Desk, server: Replica, other: Person
) -> None:
    for n in range(3000):
        other.replica.edit(n // 2, 0, "x")
    server.apply(other.replica.update_since())
    desk.enter(server, seq=0, sync=False)
    desk.sync.receive(Sync(1, server.state_vector(), server.update_since()))
    slices = 0
    for event in desk.sync.events():
        for _ in desk.document.handling(event):
            slices += 1
            desk.document.buffer.type_text("y")
    assert slices > 1
    assert desk.text.count("y") == slices
    assert desk.text.count("x") == 3000
    server.apply(*(update.data for update in desk.updates()))
    assert server.text() == desk.text


# Rows without ground


def test_unplaced_rows_find_their_place_when_their_ground_comes(server: Replica, other: Person) -> None:
    me = Person(5)
    ground = other.type("ground")
    me.replica.apply(ground)
    rows = me.type(" a"), me.type("b")
    entries = (Entry(5, 1, rows[0], NOW - 1), Entry(5, 2, rows[1]))
    with desks(Contents(ORIGIN, HERE, EPOCH, 3, None, entries)) as desk:
        assert (desk.document.unplaced, desk.document.unsaved, desk.text) == (1, 1, "")
        hello = desk.enter(server, seq=3)
        assert set(hello.client_ids) == {FIRST_ID, 5}
        assert (desk.document.unplaced, desk.updates()) == (1, [])
        assert desk.sync.phase is Phase.LIVE
        server.apply(ground, rows[0])
        desk.receive(Batch(4, 4, ((OTHER_SESSION, server.update_since()),)))
        assert (desk.document.unplaced, desk.document.unsaved, desk.text) == (0, 1, "ground ab")
        n = desk.send_to(server)
        assert server.text() == "ground ab"
        desk.tape.taken()
        desk.receive(Receipt(n, 5, alone=True))
        assert desk.tape.taken() == [("receipted", 5, 2)]
        assert desk.document.unsaved == 0
    me.replica.close()


def test_a_receipt_does_not_cover_an_earlier_row_that_has_no_place(server: Replica, other: Person) -> None:
    """Receipts count up to a number; a deletion in text that is gone must not be taken for saved by it."""
    me = Person(5)
    first = me.type("a")
    lost = other.type("lost")
    me.replica.apply(lost)
    me.replica.edit(me.replica.text().index("lost"), 4, "")
    deletion = me.rows[-1]
    last = me.type("b", at=0)
    entries = (Entry(5, 1, first), Entry(5, 2, deletion), Entry(5, 3, last))
    with desks(Contents(ORIGIN, HERE, EPOCH, 1, None, entries)) as desk:
        assert (desk.document.unplaced, desk.document.unsaved, desk.text) == (1, 3, "ba")
        desk.enter(server, seq=1)
        n = desk.send_to(server)
        desk.tape.taken()
        desk.receive(Receipt(n, 2, alone=True))
        assert desk.tape.taken() == [("receipted", 5, 1)]
        assert desk.document.unsaved == 1
        # Its ground comes, and so it is sent behind the others.
        me_too = merge_rows([first, lost], EMPTY_STATE_VECTOR)
        desk.receive(Batch(3, 3, ((OTHER_SESSION, me_too),)))
        desk.type("c")
        assert (desk.document.unplaced, desk.document.unsaved, desk.text) == (0, 2, "bac")
        n = desk.updates()[-1].n
        desk.tape.taken()
        desk.receive(Receipt(n, 4, alone=True))
        assert desk.tape.taken() == [("receipted", 5, 3), ("receipted", FIRST_ID, 1)]
    me.replica.close()


def test_rows_behind_one_that_is_given_up_are_receipted_after_all(
    desk: Desk, server: Replica, other: Person
) -> None:
    desk.enter(server, seq=0)
    desk.type("mine ")
    [update] = desk.updates()
    other.replica.apply(update.data)
    desk.receive(Batch(1, 2, ((MY_SESSION, update.data), (OTHER_SESSION, other.type("theirs")))))
    desk.document.buffer.document_end()
    desk.document.buffer.backspace()
    desk.document.buffer.document_start()
    desk.document.buffer.type_text("x")
    backup = Replica(3)
    desk.enter(backup, seq=0, sync=False)
    desk.enter(backup, seq=0)
    assert (desk.text, desk.copies, desk.document.unplaced) == ("xmine ", ["xmine their"], 1)
    n = desk.send_to(backup)
    desk.tape.taken()
    desk.receive(Receipt(n, 1, alone=True))
    assert desk.tape.taken() == [("receipted", FIRST_ID, 1)]
    desk.document.give_up_unplaced()
    assert [step[:2] for step in desk.tape.steps] == [("aside", ((FIRST_ID, 2),)), ("receipted", FIRST_ID)]
    assert desk.tape.steps[1] == ("receipted", FIRST_ID, 3)
    backup.close()


# The check


def test_a_check_is_due_when_all_is_sent_and_the_text_has_moved_on(
    desk: Desk, server: Replica, other: Person
) -> None:
    assert desk.document.lines_to_check() is None
    server.apply(other.type("one\ntwo"))
    desk.enter(server, seq=1)
    due = desk.document.lines_to_check()
    assert due is not None
    seq, blocks = due
    assert (seq, blocks) == (1, [("one", "two")])
    assert desk.document.check(seq, sha256_of(blocks))
    [check] = desk.sync.to_send()
    assert check == Check(1, hashlib.sha256(b"one\ntwo").digest())
    assert desk.document.lines_to_check() is None
    desk.type("!")
    assert desk.document.lines_to_check() is None
    desk.receive(Receipt(desk.send_to(server), 2, alone=True))
    assert desk.document.lines_to_check() == (2, [("one", "two!")])
    assert not desk.document.check(1, b"x" * 32)
    desk.type("?")
    assert not desk.document.check(2, b"x" * 32)
    assert not any(isinstance(message, Check) for message in desk.sync.to_send())


def test_the_digest_of_blocks_is_that_of_the_text() -> None:
    lines = [f"line {n} é" for n in range(1000)]
    blocks = [tuple(lines[begin : begin + 256]) for begin in range(0, 1000, 256)]
    assert sha256_of(blocks) == hashlib.sha256("\n".join(lines).encode()).digest()
    assert sha256_of([("",)]) == hashlib.sha256(b"").digest()


# Beginning again


def settled(desk: Desk, server: Replica, other: Person) -> None:
    """Let `theirs` of another person and ` mine` be on the server, receipted."""
    server.apply(other.type("theirs"))
    desk.enter(server, seq=1)
    desk.type(" mine")
    desk.receive(Receipt(desk.send_to(server), 2, alone=True))
    assert desk.document.unsaved == 0
    desk.tape.taken()


@pytest.mark.parametrize("is_told_by", ["welcome", "fault"])
def test_another_room_of_that_name_is_never_mixed_with_the_text_here(
    desk: Desk, server: Replica, other: Person, is_told_by: str
) -> None:
    settled(desk, server, other)
    desk.type(" unsaved")
    with person(60) as stranger:
        stranger.type("another text")
        if is_told_by == "welcome":
            desk.enter(stranger.replica, seq=1, lineage=THERE, sync=False)
        else:
            desk.hello()
            desk.receive(Fault(FaultCode.LINEAGE, "the room was made anew", 0))
        assert desk.document.is_displaced
        assert desk.text == "theirs mine unsaved"
        assert (desk.document.unsaved, desk.updates()) == (1, [])
        desk.type(" and more")
        assert desk.document.unsaved == 2
        before = desk.tape.taken()
        assert [step[0] for step in before] == ["own", "own"]
        hello = desk.enter(stranger.replica, seq=1, lineage=THERE)
        assert (hello.lineage, hello.epoch, hello.last_seq) == (None, None, 0)
        assert (hello.client_ids, hello.state_vector) == ((FIRST_ID + 1,), EMPTY_STATE_VECTOR)
        assert desk.tape.taken() == [
            ("anew", "the room was made anew"),
            ("stands", THERE, EPOCH),
            ("came", stranger.replica.update_since(), 1),
        ]
    assert desk.text == "another text"
    assert not desk.document.is_displaced
    assert desk.copies == ["theirs mine unsaved and more"]
    assert desk.document.copies == ["copy-1"]
    assert desk.notices == ["the room was made anew: your text of before is in copy-1"]
    assert (desk.document.unsaved, desk.updates()) == (0, [])
    desk.type("!")
    assert [step[:3] + step[4:] for step in desk.tape.taken()] == [("own", FIRST_ID + 1, 4, THERE)]
    assert desk.document.unsaved == 1


@contextmanager
def person(client_id: int) -> Iterator[Person]:
    found = Person(client_id)
    try:
        yield found
    finally:
        found.replica.close()


def test_no_copy_is_kept_of_nothing_or_of_the_same(desk: Desk, server: Replica, other: Person) -> None:
    desk.enter(server, seq=0)
    with person(60) as stranger:
        stranger.type("another text")
        for _ in range(2):
            desk.hello()
            desk.receive(Fault(FaultCode.LINEAGE, "the room was made anew", 0))
            desk.enter(stranger.replica, seq=1, lineage=THERE)
            assert desk.text == "another text"
    assert (desk.copies, desk.notices) == ([], [])


@pytest.mark.parametrize("by", ["epoch", "seq", "fault"])
def test_a_restored_server_gets_back_what_is_mine(
    desk: Desk, server: Replica, other: Person, by: str
) -> None:
    server.apply(other.type("theirs"))
    desk.enter(server, seq=1)
    backup = Replica(3)
    backup.apply(server.update_since())
    desk.type(" mine")
    desk.receive(Receipt(desk.send_to(server), 2, alone=True))
    desk.type(" unsaved")
    desk.tape.taken()
    match by:
        case "fault":
            desk.receive(Fault(FaultCode.STALE, "what it rests on is gone", 0))
        case "epoch":
            desk.enter(backup, seq=2, epoch=LATER, sync=False)
        case _:
            desk.enter(backup, seq=1, sync=False)
    assert desk.document.is_displaced
    desk.type("!")
    assert desk.text == "theirs mine unsaved!"
    desk.tape.taken()
    hello = desk.enter(backup, seq=1, epoch=LATER)
    assert (hello.lineage, hello.epoch, hello.last_seq) == (HERE, None, 0)
    assert hello.client_ids[0] == FIRST_ID + 1
    assert FIRST_ID in hello.client_ids
    assert desk.text == "theirs mine unsaved!"
    assert [step[0] for step in desk.tape.steps] == ["anew", "stands", "came"]
    assert desk.tape.steps[0] == ("anew", None)
    assert desk.tape.steps[1] == ("stands", HERE, LATER)
    assert desk.document.unsaved == 3
    assert (desk.copies, desk.document.unplaced) == ([], 0)
    n = desk.send_to(backup)
    assert backup.text() == "theirs mine unsaved!"
    desk.tape.taken()
    desk.receive(Receipt(n, 2, alone=True))
    assert desk.tape.taken() == [("receipted", FIRST_ID, 3)]
    assert desk.document.unsaved == 0
    backup.close()


def test_a_server_without_rows_that_it_had_is_a_restored_one(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    backup = Replica(3)
    backup.apply(other.rows[0])
    desk.enter(backup, seq=2, sync=False)
    assert desk.document.is_displaced
    desk.enter(backup, seq=2)
    desk.send_to(backup)
    assert backup.text() == desk.text == "theirs mine"
    backup.close()


def test_what_rested_on_lost_text_is_kept_as_a_copy_and_shown(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    desk.type("\nunsaved")
    backup = Replica(3)
    desk.enter(backup, seq=0, sync=False)
    desk.type("!")
    desk.tape.taken()
    desk.enter(backup, seq=0)
    assert desk.text == ""
    assert desk.copies == ["theirs mine\nunsaved!"]
    assert desk.notices == ["the server lost text this depends on: your text of before is in copy-1"]
    assert desk.document.unplaced == desk.document.unsaved == 3
    assert desk.document.kept == 0
    desk.tape.on_kept(FIRST_ID, 3)
    assert desk.document.kept == 3
    assert [step[0] for step in desk.tape.taken()] == ["anew", "stands", "came"]
    # The other one comes back, with what was lost.
    desk.receive(Batch(1, 1, ((OTHER_SESSION, other.rows[0]),)))
    assert desk.text == "theirs mine\nunsaved!"
    assert desk.document.unplaced == 0
    backup.apply(other.rows[0])
    desk.send_to(backup)
    assert backup.text() == desk.text
    backup.close()


def test_rows_that_found_no_place_are_let_go_when_a_copy_has_them(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    desk.document.give_up_unplaced()
    backup = Replica(3)
    desk.enter(backup, seq=0, sync=False)
    desk.enter(backup, seq=0)
    desk.tape.taken()
    desk.document.give_up_unplaced()
    assert desk.tape.taken() == [
        ("aside", ((FIRST_ID, 1),), "the server lost text this depends on"),
    ]
    assert (desk.document.unplaced, desk.document.unsaved) == (0, 0)
    backup.close()


def test_rows_that_found_no_place_stay_when_no_copy_has_them(server: Replica, other: Person) -> None:
    with person(5) as me:
        me.replica.apply(other.type("ground"))
        row = me.type("x")
    with desks(Contents(ORIGIN, HERE, EPOCH, 0, None, (Entry(5, 1, row),))) as desk:
        desk.document.give_up_unplaced()
        assert (desk.document.unplaced, desk.tape.taken()) == (1, [])


def test_rows_saved_long_ago_are_not_sent_to_a_restored_server(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    desk.now += RECEIPTED_KEPT_S + 1
    desk.type(" young")
    desk.receive(Receipt(desk.send_to(server), 3, alone=True))
    backup = Replica(3)
    backup.apply(other.rows[0])
    desk.enter(backup, seq=1, sync=False)
    desk.enter(backup, seq=1)
    # Its ground is old: theirs to bring back, and kept as a copy.
    assert desk.document.unsaved == desk.document.unplaced == 1
    assert desk.copies == ["theirs mine young"]
    assert desk.text == "theirs"
    backup.close()


@pytest.mark.parametrize("is_same", [True, False])
def test_a_text_that_parted_from_the_servers_begins_again(
    desk: Desk, server: Replica, other: Person, is_same: bool
) -> None:
    settled(desk, server, other)
    desk.receive(Fault(FaultCode.DIVERGED, "another text", 0))
    assert desk.document.is_displaced
    desk.type(" typed meanwhile")
    if not is_same:
        server.edit(0, 0, "not ")
    hello = desk.enter(server, seq=2)
    assert (hello.lineage, hello.last_seq) == (HERE, 0)
    assert desk.text == ("" if is_same else "not ") + "theirs mine typed meanwhile"
    assert desk.copies == ([] if is_same else ["theirs mine typed meanwhile"])
    desk.send_to(server)
    assert server.text() == desk.text


def test_another_machines_ids_are_given_up_with_their_rows(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    desk.type(" unsaved")
    desk.hello()
    desk.receive(Fault(FaultCode.IDENTITY, "bound to another machine", 0))
    desk.tape.taken()
    hello = desk.enter(server, seq=2)
    assert (hello.lineage, hello.client_ids) == (HERE, (FIRST_ID + 1,))
    assert desk.tape.taken()[0] == ("anew", "the server takes it for another machine's")
    assert desk.copies == ["theirs mine unsaved"]
    assert (desk.text, desk.document.unsaved, desk.updates()) == ("theirs mine", 0, [])


@pytest.mark.parametrize("code", [FaultCode.DIVERGED, FaultCode.STALE, FaultCode.LINEAGE])
def test_text_typed_while_the_new_one_passes_the_gate_is_neither_lost_nor_doubled(
    desk: Desk, server: Replica, other: Person, code: FaultCode
) -> None:
    for n in range(3000):
        other.replica.edit(n // 2, 0, "x")
    server.apply(other.replica.update_since())
    desk.enter(server, seq=1)
    desk.type("[saved]")
    desk.receive(Receipt(desk.send_to(server), 2, alone=True))
    desk.receive(Fault(code, "begin again", 0))
    desk.type("[before]")
    desk.enter(server, seq=2, sync=False)
    desk.sync.receive(Sync(2, server.state_vector(), server.update_since()))
    slices = 0
    for event in desk.sync.events():
        for _ in desk.document.handling(event):
            slices += 1
            desk.type("y")
    assert slices > 1
    typed = "[before]" + "y" * slices
    if code is FaultCode.LINEAGE:
        assert desk.copies == ["x" * 3000 + "[saved]" + typed]
        assert desk.text == "x" * 3000 + "[saved]"
    else:
        assert desk.text == "x" * 3000 + "[saved]" + typed
        server.apply(*(update.data for update in desk.updates()))
        assert server.text() == desk.text


def test_a_copy_that_cannot_be_kept_leaves_the_text_as_it_was(
    desk: Desk, server: Replica, other: Person
) -> None:
    settled(desk, server, other)
    with person(60) as stranger:
        stranger.type("another text")
        desk.enter(stranger.replica, seq=1, lineage=THERE, sync=False)
        desk.is_full = True
        with pytest.raises(StoreError, match="full"):
            desk.enter(stranger.replica, seq=1, lineage=THERE)
        assert desk.text == "theirs mine"
        assert desk.document.is_displaced
        assert (desk.tape.taken(), desk.notices, desk.document.copies) == ([], [], [])
        desk.type(" still here")
        desk.tape.taken()
        desk.is_full = False
        # The next link finds the successor filled; the journal must have all of it all the same.
        hello = desk.hello()
        vector = stranger.replica.state_vector()
        desk.receive(
            Welcome(2, MY_SESSION, THERE, EPOCH, 1, Role.WRITE, RoomLimits(), True, False, (), (), vector),
            Sync(1, vector, stranger.replica.update_since(hello.state_vector)),
        )
        assert desk.tape.taken()[-1] == ("came", stranger.replica.update_since(), 1)
    assert desk.copies == ["theirs mine still here"]
    assert desk.text == "another text"


def test_what_comes_twice_is_prepared_once_more(desk: Desk, server: Replica, other: Person) -> None:
    """A server that is restored, and restored again before the text is here, loses no row of ours."""
    settled(desk, server, other)
    backup = Replica(3)
    backup.apply(other.rows[0])
    for _ in range(2):
        desk.receive(Fault(FaultCode.STALE, "gone", 0))
        desk.type("!")
        desk.hello()
    hello = desk.enter(backup, seq=1)
    assert hello.client_ids[0] == FIRST_ID + 2
    assert desk.text == "theirs mine!!"
    assert desk.document.unsaved == 3
    desk.send_to(backup)
    assert backup.text() == "theirs mine!!"
    backup.close()


def test_no_check_is_due_while_the_text_begins_again(desk: Desk, server: Replica, other: Person) -> None:
    settled(desk, server, other)
    assert desk.document.lines_to_check() is not None
    desk.receive(Fault(FaultCode.DIVERGED, "another text", 0))
    assert desk.document.lines_to_check() is None


def test_an_empty_sync_is_no_news(desk: Desk, server: Replica, other: Person) -> None:
    settled(desk, server, other)
    desk.enter(server, seq=2, sync=False)
    desk.tape.taken()
    desk.receive(Sync(2, server.state_vector(), EMPTY_UPDATE))
    assert desk.text == "theirs mine"
    assert desk.tape.taken() == []
