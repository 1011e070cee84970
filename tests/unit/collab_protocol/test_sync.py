from __future__ import annotations

import pytest

from collab_protocol import limits
from collab_protocol.errors import FaultCode, SequenceError, VersionRefused
from collab_protocol.events import Dismissed, Receipted, Refused, RowsArrived, Synced
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
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
    Update,
    Welcome,
)
from collab_protocol.presence import Activity, Caret, Role
from collab_protocol.sync import ClientSync, Identity, PeerPhase, PeerSync, Phase
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica

LINEAGE = b"l" * 16
EPOCH = b"e" * 16


def welcome(seq: int = 0, *, lineage: bytes = LINEAGE, epoch: bytes = EPOCH, sv: bytes = b"\x00") -> Welcome:
    return Welcome(1, 5, lineage, epoch, seq, Role.WRITE, RoomLimits(), True, False, (), (), sv)


def client() -> tuple[ClientSync, Replica]:
    replica = Replica(11)
    sync = ClientSync(Identity(b"n" * 16, b"d" * 32, "ana"), client_id=11, state_vector=replica.state_vector)
    replica.on_update = sync.local_update
    return sync, replica


def live(seq: int = 0) -> tuple[ClientSync, Replica]:
    sync, replica = client()
    sync.connected()
    sync.receive(welcome(seq))
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


@pytest.mark.parametrize("other", [{"lineage": b"x" * 16}, {"epoch": b"x" * 16}])
def test_another_room_under_the_same_name_is_never_merged(other: dict[str, bytes]) -> None:
    sync, replica = live()
    replica.edit(0, 0, "mine")
    sync.disconnected()
    sync.connected()
    sync.to_send()
    sync.receive(welcome(**other))
    (refused,) = sync.events()
    assert isinstance(refused, Refused)
    assert refused.code is FaultCode.LINEAGE
    sync.receive(Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    assert (sync.phase, sync.events(), sync.to_send(), sync.unsaved) == (Phase.REFUSED, [], [], 1)


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
