from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol import limits
from collab_protocol.errors import FaultCode, SequenceError, VersionRefused
from collab_protocol.events import (
    AskedAgain,
    Dismissed,
    Displaced,
    Displacement,
    Entered,
    Receipted,
    Refused,
    RowsArrived,
    Synced,
    Troubled,
)
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Check,
    Fault,
    Hello,
    Message,
    Ping,
    Pong,
    Presence,
    Receipt,
    Resync,
    Setting,
    Sync,
    Trouble,
    Update,
    Welcome,
)
from collab_protocol.peer_sync import PeerPhase, PeerSync
from collab_protocol.presence import Activity, Caret, Role, View
from collab_protocol.sync import ClientSync, Identity, Phase
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica
from collab_protocol.versions import VERSIONS

LINEAGE = b"l" * 16
EPOCH = b"e" * 16


def welcome(
    seq: int = 0,
    *,
    lineage: bytes = LINEAGE,
    epoch: bytes = EPOCH,
    sv: bytes = b"\x00",
    version: int = 1,
    role: Role = Role.WRITE,
) -> Welcome:
    return Welcome(version, 5, lineage, epoch, seq, role, RoomLimits(), True, False, (), (), sv)


def client() -> tuple[ClientSync, Replica]:
    replica = Replica(11)
    sync = ClientSync(Identity(b"n" * 16, b"d" * 32, "ana"), client_id=11, state_vector=replica.state_vector)
    replica.on_update = sync.local_update
    return sync, replica


def live(seq: int = 0, *, version: int = 1, role: Role = Role.WRITE) -> tuple[ClientSync, Replica]:
    sync, replica = client()
    sync.connected()
    sync.receive(welcome(seq, version=version, role=role))
    sync.receive(Sync(seq, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    sync.to_send()
    sync.events()
    return sync, replica


def test_hello_says_what_this_end_has() -> None:
    sync, replica = live(seq=7)
    replica.edit(0, 0, "x")
    sync.disconnected()
    sync.connected()
    (hello,) = sync.to_send()
    assert isinstance(hello, Hello)
    assert (hello.lineage, hello.epoch, hello.last_seq) == (LINEAGE, EPOCH, 7)
    assert hello.state_vector == replica.state_vector()
    assert hello.client_ids == (11,)


def test_nothing_is_sent_and_no_one_is_live_before_the_text_is_here() -> None:
    sync, replica = client()
    replica.edit(0, 0, "typed before the link")
    sync.connected()
    assert len(sync.to_send()) == 1
    sync.receive(welcome())
    assert sync.phase is Phase.LOADING
    assert sync.to_send() == []
    sync.receive(Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    assert sync.phase is Phase.LIVE
    (update,) = sync.to_send()
    assert isinstance(update, Update)
    assert update.n == 1


def test_a_row_is_unsaved_until_its_receipt() -> None:
    sync, replica = live()
    for text in "abc":
        replica.edit(0, 0, text)
    assert sync.unsaved == 3
    sync.to_send()
    sync.receive(Receipt(2, 1, alone=True))
    assert sync.unsaved == 1
    sync.receive(Receipt(3, 2, alone=True))
    assert sync.unsaved == 0
    assert sync.events() == [Receipted(2, 1), Receipted(3, 2)]
    assert sync.seq == 2


def test_rows_without_a_receipt_are_sent_again_trimmed_and_in_order() -> None:
    sync, replica = live()
    for text in "abc":
        replica.edit(replica.size_utf8, 0, text)
    server = Replica(99)
    (update,) = sync.to_send()
    assert isinstance(update, Update)
    server.apply(update.data)
    sync.disconnected()
    replica.edit(3, 0, "d")
    sync.connected()
    sync.to_send()
    sync.receive(welcome(sv=server.state_vector()))
    sync.receive(Sync(1, server.state_vector(), server.update_since(replica.state_vector())))
    (again,) = sync.to_send()
    assert isinstance(again, Update)
    assert again.n == 4
    server.apply(again.data)
    assert server.text() == "abcd"


def test_a_long_upload_comes_in_pieces() -> None:
    sync, replica = live()
    for _ in range(2 * limits.MERGED_ROWS + 1):
        replica.edit(replica.size_utf8, 0, "x")
    sync.present((Caret(0, 0),), Activity.ACTIVE)
    sent: list[Message] = []
    while messages := sync.to_send():
        assert len(messages) <= 2
        sent += messages
    server = Replica(99)
    ns = []
    for update in sent[:-1]:
        assert isinstance(update, Update)
        ns.append(update.n)
        server.apply(update.data)
    assert ns == [200, 400, 401]
    assert server.text() == replica.text()
    assert isinstance(sent[-1], Presence)


def test_a_receipt_for_what_was_never_sent_is_a_lie() -> None:
    sync, replica = live()
    replica.edit(0, 0, "a")
    sync.to_send()
    replica.edit(0, 0, "b")
    with pytest.raises(SequenceError):
        sync.receive(Receipt(2, 1, alone=True))
    assert sync.unsaved == 2


def test_a_goodbye_goes_behind_what_was_typed_before_it() -> None:
    sync, replica = live()
    for _ in range(limits.MERGED_ROWS + 1):
        replica.edit(0, 0, "x")
    sync.leave()
    sent: list[Message] = []
    while messages := sync.to_send():
        sent += messages
    assert [type(message) for message in sent] == [Update, Update, Bye]


def test_who_may_only_read_keeps_its_rows_and_tells_no_place_in_them() -> None:
    sync, replica = live(version=4, role=Role.READ)
    replica.edit(0, 0, "typed when I might")
    sync.present((Caret(3, 3),), Activity.IDLE, 8, View(0, 5))
    assert sync.to_send() == [Presence(None, (), 0, Activity.IDLE, 8, None)]
    assert sync.to_send() == []
    assert (sync.unsaved, sync.may_check) == (1, False)
    sync.receive(Resync(0, EMPTY_STATE_VECTOR))
    assert [type(message) for message in sync.to_send()] == [Sync]
    sync.leave()
    assert sync.to_send() == [Bye("left", None)]


def test_who_reads_and_holds_nothing_back_tells_where_it_is() -> None:
    sync, _ = live(version=4, role=Role.READ)
    sync.present((Caret(0, 0),), Activity.ACTIVE)
    assert sync.to_send() == [Presence(None, (Caret(0, 0),), 0, Activity.ACTIVE)]
    assert sync.may_check


@given(
    st.lists(
        st.tuples(st.sampled_from(Role), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=8
    )
)
def test_rows_wait_for_a_welcome_that_lets_one_write(links: list[tuple[Role, int, int, bool]]) -> None:
    """Each link has a role, rows made before and while it is there, and whether its receipts arrive."""
    sync, replica = client()
    server = Replica(99)
    typed = ""
    for role, before, within, arrives in [*links, (Role.WRITE, 0, 0, True)]:
        for _ in range(before):
            typed += "x"
            replica.edit(replica.size_utf8, 0, "x")
        sync.connected()
        sync.to_send()
        sync.receive(welcome(sv=server.state_vector(), role=role))
        sync.receive(Sync(0, server.state_vector(), server.update_since(replica.state_vector())))
        for _ in range(within):
            typed += "y"
            replica.edit(replica.size_utf8, 0, "y")
        held = sync.unsaved
        while messages := sync.to_send():
            for message in messages:
                assert isinstance(message, Update)
                assert role.may_write
                server.apply(message.data)
                if arrives:
                    sync.receive(Receipt(message.n, 0, alone=False))
        assert sync.unsaved == (0 if role.may_write and arrives else held)
        sync.events()
        sync.disconnected()
    assert server.text() == typed


def test_a_batch_moves_the_position_and_a_gap_asks_for_resync() -> None:
    sync, _ = live(seq=4)
    sync.receive(Batch(5, 6, ((1, b"one"), (2, b"two"))))
    assert sync.seq == 6
    assert sync.events() == [RowsArrived(1, 6, b"one"), RowsArrived(2, 6, b"two")]
    sync.receive(Batch(5, 6, ((1, b"one"),)))
    assert sync.events() == []
    sync.receive(Batch(8, 8, ((1, b"three"),)))
    (resync,) = sync.to_send()
    assert isinstance(resync, Resync)
    assert resync.from_seq == 6
    sync.receive(Batch(9, 9, ((1, b"four"),)))
    sync.receive(Sync(9, b"\x00", b"all"))
    assert sync.events() == [Synced(9, b"all", is_first=False)]
    assert sync.seq == 9


def test_an_empty_batch_is_a_gap_even_at_the_next_position() -> None:
    sync, _ = live(seq=4)
    sync.receive(Batch(5, 5, ()))
    assert sync.seq == 4
    assert any(isinstance(message, Resync) for message in sync.to_send())


def test_only_a_receipt_that_is_alone_moves_the_position() -> None:
    sync, replica = live(seq=4)
    replica.edit(0, 0, "ab")
    sync.to_send()
    sync.receive(Receipt(1, 5, alone=False))
    assert sync.seq == 4
    sync.receive(Receipt(1, 5, alone=True))
    assert sync.seq == 5
    sync.receive(Receipt(1, 9, alone=True))
    assert sync.seq == 5
    assert any(isinstance(message, Resync) for message in sync.to_send())
    with pytest.raises(SequenceError):
        sync.receive(Receipt(2, 9, alone=True))


def test_a_server_that_lacks_rows_gets_them_again() -> None:
    sync, replica = live()
    replica.edit(0, 0, "abc")
    sync.to_send()
    sync.receive(Resync(0, EMPTY_STATE_VECTOR))
    (update,) = sync.to_send()
    assert isinstance(update, Update)
    assert update.n == 1


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (welcome(3, lineage=b"x" * 16), Displacement.ANOTHER_ROOM),
        (welcome(3, lineage=b"x" * 16, epoch=b"x" * 16), Displacement.ANOTHER_ROOM),
        (welcome(3, epoch=b"x" * 16), Displacement.RESTORED),
        (welcome(2), Displacement.RESTORED),
    ],
)
def test_another_text_under_the_same_name_is_never_merged(other: Welcome, why: Displacement) -> None:
    sync, replica = live(seq=3)
    replica.edit(0, 0, "mine")
    sync.disconnected()
    sync.connected()
    sync.to_send()
    sync.receive(other)
    (displaced,) = sync.events()
    assert isinstance(displaced, Displaced)
    assert displaced.why is why
    assert (sync.to_send(), sync.unsaved, sync.seq, sync.lineage) == ([], 1, 3, LINEAGE)


def test_a_server_without_rows_that_it_acknowledged_was_restored() -> None:
    sync, replica = live()
    replica.edit(0, 0, "mine")
    sync.to_send()
    vector = replica.state_vector()
    sync.receive(Receipt(1, 1, alone=True))
    for server_vector, events in ((vector, [Entered]), (EMPTY_STATE_VECTOR, [Displaced])):
        sync.disconnected()
        sync.connected()
        sync.events()
        sync.receive(welcome(1, sv=server_vector))
        assert [type(event) for event in sync.events()] == events


@pytest.mark.parametrize("whose", ["row", "other"])
def test_rows_that_it_never_acknowledged_may_be_missing_there(whose: str) -> None:
    sync, replica = live()
    replica.on_update = (lambda data: None) if whose == "other" else sync.local_update
    replica.edit(0, 0, "mine")
    if whose == "other":
        sync.other_ids = frozenset({11})
    sync.disconnected()
    sync.connected()
    sync.receive(welcome(0))
    assert [type(event) for event in sync.events()] == [Entered]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (FaultCode.LINEAGE, Displacement.ANOTHER_ROOM),
        (FaultCode.IDENTITY, Displacement.IDENTITY),
        (FaultCode.DIVERGED, Displacement.DIVERGED),
        (FaultCode.STALE, Displacement.RESTORED),
    ],
)
@pytest.mark.parametrize("retry_ms", [None, 0, 2000])
def test_some_faults_say_that_the_text_must_begin_again(
    code: FaultCode, why: Displacement, retry_ms: int | None
) -> None:
    sync, _ = live()
    sync.receive(Fault(code, "because", retry_ms))
    assert sync.events() == [Displaced(why, "because")]
    assert sync.phase is not Phase.REFUSED


def test_after_a_restart_nothing_of_before_is_sent() -> None:
    sync, replica = live(seq=7)
    replica.edit(0, 0, "before")
    sync.disconnected()
    successor = Replica(12)
    successor.on_update = sync.local_update
    sync.restart(client_id=12, state_vector=successor.state_vector, lineage=LINEAGE)
    assert (sync.unsaved, sync.seq, sync.lineage) == (0, 0, LINEAGE)
    sync.connected()
    (hello,) = sync.to_send()
    assert isinstance(hello, Hello)
    assert (hello.client_ids, hello.lineage, hello.epoch, hello.last_seq) == ((12,), LINEAGE, None, 0)
    assert hello.state_vector == EMPTY_STATE_VECTOR
    sync.receive(welcome(9, epoch=b"x" * 16, sv=replica.state_vector()))
    sync.receive(Sync(9, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    assert sync.to_send() == []
    successor.edit(0, 0, "after")
    (update,) = sync.to_send()
    assert isinstance(update, Update)
    assert (update.n, sync.unsaved) == (2, 1)  # numbers on the wire are never used twice
    sync.receive(Receipt(2, 10, alone=True))
    assert (sync.unsaved, sync.seq) == (0, 10)


def test_a_receipt_of_before_a_restart_covers_nothing_after_it() -> None:
    sync, replica = live()
    replica.edit(0, 0, "a")
    sync.to_send()
    successor = Replica(12)
    successor.on_update = sync.local_update
    sync.restart(client_id=12, state_vector=successor.state_vector, lineage=None)
    successor.edit(0, 0, "b")
    sync.receive(Receipt(1, 1, alone=False))
    assert sync.unsaved == 1


def test_rows_of_other_processes_go_up_under_their_own_ids() -> None:
    other = Replica(5)
    rows: list[bytes] = []
    other.on_update = rows.append
    other.edit(0, 0, "left")
    sync, _ = client()
    assert sync.local_update(rows[0], client_id=5) == 1
    sync.other_ids = frozenset({6, 11})
    sync.connected()
    (hello,) = sync.to_send()
    assert isinstance(hello, Hello)
    assert (hello.client_ids, hello.versions) == ((11, 5, 6), VERSIONS)


def test_no_more_ids_are_named_than_a_hello_takes() -> None:
    sync, _ = client()
    sync.other_ids = frozenset(range(100, 100 + 2 * limits.CLIENT_IDS))
    sync.connected()
    (hello,) = sync.to_send()
    assert isinstance(hello, Hello)
    assert len(hello.client_ids) == limits.CLIENT_IDS
    assert hello.client_ids[0] == 11


def test_a_check_is_for_a_server_that_knows_it_and_when_nothing_is_under_way() -> None:
    old, _ = live(version=1)
    assert not old.may_check
    sync, replica = live(4, version=2)
    assert sync.may_check
    sync.check(b"h" * 32)
    assert sync.to_send() == [Check(4, b"h" * 32)]
    replica.edit(0, 0, "x")
    assert not sync.may_check
    sync.to_send()
    sync.receive(Receipt(1, 5, alone=True))
    assert sync.may_check
    sync.ask_again()
    assert not sync.may_check
    sync.receive(Sync(5, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    assert sync.may_check
    sync.disconnected()
    assert not sync.may_check


def test_what_cannot_be_placed_is_asked_for_once() -> None:
    sync, _ = live(4)
    sync.ask_again()
    sync.ask_again()
    assert sync.to_send() == [Resync(4, EMPTY_STATE_VECTOR)]
    sync.receive(Batch(5, 5, ((2, b"x"),)))
    assert sync.events() == []
    sync.receive(Sync(6, EMPTY_STATE_VECTOR, b"all"))
    assert sync.events() == [Synced(6, b"all", is_first=False)]
    sync.disconnected()
    sync.ask_again()
    assert sync.to_send() == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_server_that_asks_again_is_answered_if_it_knows_the_answer(version: int) -> None:
    sync, _ = live(4, version=version)
    sync.receive(Resync(0, EMPTY_STATE_VECTOR))
    answer = [Sync(4, EMPTY_STATE_VECTOR, EMPTY_UPDATE)] if version == 2 else []
    assert sync.to_send() == answer
    assert sync.events() == [AskedAgain()]


def test_trouble_of_the_server_is_passed_on_in_any_state() -> None:
    sync, _ = client()
    sync.receive(Trouble("full"))
    sync.connected()
    sync.receive(Trouble(""))
    assert sync.events() == [Troubled("full"), Troubled("")]


def test_faults_and_goodbyes_say_when_to_come_back() -> None:
    sync, _ = live()
    sync.receive(Fault(FaultCode.BUSY, "full", 2000))
    sync.receive(Bye("restart", 500))
    assert sync.events() == [Dismissed("full", True, 2.0), Dismissed("restart", False, 0.5)]
    sync.receive(Fault(FaultCode.VERSION, "too old", None))
    assert sync.events() == [Refused(FaultCode.VERSION, "too old")]
    assert sync.phase is Phase.REFUSED
    sync.disconnected()
    assert sync.phase is Phase.REFUSED


def test_pings_are_answered_in_any_state() -> None:
    sync, _ = client()
    sync.receive(Ping(3))
    assert sync.to_send() == [Pong(3)]
    peer = PeerSync(session=1)
    assert peer.receive(Ping(4)) is None
    assert peer.to_send() == [Pong(4)]


@pytest.mark.parametrize("message", [Batch(1, 1, ()), Receipt(1, 1, True), Sync(0, b"", b""), Update(1, b"")])
def test_a_client_refuses_what_means_nothing_now(message: Message) -> None:
    sync, _ = client()
    sync.connected()
    with pytest.raises(SequenceError):
        sync.receive(message)


def hello(versions: tuple[int, ...] = (1,)) -> Hello:
    return Hello(versions, b"n" * 16, b"d" * 32, (11,), "ana", None, None, None, None, 0, b"\x00")


@pytest.mark.parametrize(
    "message", [Update(1, b""), Setting("k", "v"), Resync(0, b""), welcome(), Sync(0, b"", b"")]
)
def test_a_server_wants_hello_first(message: Message) -> None:
    with pytest.raises(SequenceError):
        PeerSync(session=1).receive(message)


def test_a_server_takes_a_client_from_hello_to_live_to_closed() -> None:
    peer = PeerSync(session=1)
    assert peer.receive(hello()) == hello()
    assert peer.phase is PeerPhase.JOINING
    with pytest.raises(SequenceError):
        peer.receive(Update(1, b""))
    peer.deliver(welcome())
    peer.deliver(Sync(0, b"", b""))
    assert peer.phase is PeerPhase.LIVE
    assert peer.receive(Update(1, b"x")) == Update(1, b"x")
    with pytest.raises(SequenceError):
        peer.receive(hello())
    assert [type(message) for message in peer.to_send()] == [Welcome, Sync]
    peer.deliver(Bye("restart", 1))
    assert peer.phase is PeerPhase.CLOSED
    assert peer.receive(Update(2, b"late")) is None


def test_nobody_speaks_for_another_or_declares_anyone_gone() -> None:
    peer = PeerSync(session=1)
    peer.receive(hello())
    peer.deliver(Sync(0, b"", b""))
    other = Presence(None, (), 0, Activity.IDLE)
    assert peer.receive(other) == other
    with pytest.raises(SequenceError):
        peer.receive(Presence(None, (), 0, Activity.GONE))


def test_a_hello_without_a_common_version_is_refused() -> None:
    with pytest.raises(VersionRefused):
        PeerSync(session=1).receive(hello((99,)))
