from __future__ import annotations

import pytest

from collab_protocol.codec import decode
from collab_protocol.errors import FaultCode
from collab_protocol.messages import (
    Batch,
    Bye,
    Declined,
    Fault,
    Message,
    Ping,
    Pong,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Sync,
)
from collab_protocol.presence import Activity, Caret, Person, Role
from collab_protocol.sync import ClientSync, Identity
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica
from collab_server.meters import Meters
from collab_server.outbox import (
    LAG_BYTES,
    LAG_MESSAGES,
    LAG_S,
    OWED_BYTES,
    OWED_MESSAGES,
    BatchEncoder,
    Outbox,
)

from .rooms import Bench
from .test_room import welcome_of


def outbox() -> Outbox:
    return Outbox(BatchEncoder(), lambda: None)


def batch(seq: int, size: int = 10) -> Batch:
    return Batch(seq, seq, ((9, b"x" * size),))


def presence(session: int, at: int, activity: Activity = Activity.ACTIVE) -> Presence:
    person = Person(session, "device:ana", "ana", Role.WRITE, 1)
    return Presence(person, (Caret(at, at),), 0, activity)


def drain(box: Outbox) -> list[Message]:
    messages = []
    while (encoded := box.take()) is not None:
        message = decode(encoded)
        assert message is not None
        messages.append(message)
    return messages


def test_messages_leave_in_order() -> None:
    box = outbox()
    said = [batch(1), Receipt(1, 2, True), batch(3), presence(5, 1)]
    for message in said:
        box.put(message)
    assert drain(box) == said
    assert box.size_bytes == 0


@pytest.mark.parametrize("answer", [Pulse(()), Declined("too many lines at once")])
def test_of_answers_that_are_asked_for_without_being_read_a_few_wait(answer: Message) -> None:
    box = outbox()
    for n in range(1000):
        box.put(answer)
        if n % 100 == 0:
            box.put(Receipt(n, n, True))
    told = drain(box)
    assert 1 <= told.count(answer) <= 20
    assert [m.n for m in told if isinstance(m, Receipt)] == list(range(0, 1000, 100))
    box.put(answer)
    assert drain(box) == [answer], "who reads is answered again"


def test_everyone_is_told_of_what_waits() -> None:
    calls: list[None] = []
    box = Outbox(BatchEncoder(), lambda: calls.append(None))
    box.put(batch(1))
    box.put(Ping(1))
    assert len(calls) == 2


def test_a_batch_is_encoded_once_for_all() -> None:
    encoder = BatchEncoder()
    boxes = [Outbox(encoder, lambda: None) for _ in range(3)]
    shared = batch(1)
    for box in boxes:
        box.put(shared)
    first, second, third = (box.take() for box in boxes)
    assert first is second is third


def test_a_newer_presence_takes_the_place_of_an_older_and_goes_to_the_end() -> None:
    box = outbox()
    box.put(presence(5, 1))
    box.put(presence(6, 1))
    box.put(batch(1))
    box.put(presence(5, 2))
    assert drain(box) == [presence(6, 1), batch(1), presence(5, 2)]
    assert box.size_bytes == 0


def test_gone_takes_the_place_of_what_was_said_before() -> None:
    box = outbox()
    box.put(presence(5, 1))
    box.put(presence(5, 0, Activity.GONE))
    assert drain(box) == [presence(5, 0, Activity.GONE)]


def test_a_reader_that_lags_loses_batches_but_no_receipts_and_sees_the_gap() -> None:
    box = outbox()
    for seq in range(1, 8):
        box.put(batch(seq, LAG_BYTES // 4))
        box.put(Receipt(seq, seq, False))
    assert box.is_lagging
    assert box.size_bytes < LAG_BYTES
    messages = drain(box)
    assert [m.n for m in messages if isinstance(m, Receipt)] == list(range(1, 8))
    assert messages[-1] == Batch(7, 7, ())
    assert [m for m in messages[:-1] if isinstance(m, Batch)] == []
    assert not box.is_lagging


def test_a_reader_that_lags_loses_carets_too_but_hears_who_is_gone() -> None:
    box = outbox()
    box.put(presence(5, 1))
    for seq in range(1, 8):
        box.put(batch(seq, LAG_BYTES // 4))
    assert box.is_lagging
    for at in range(3):
        box.put(presence(6, at))
        box.put(presence(7, 0, Activity.LOST))
        box.put(presence(8, 0, Activity.GONE))
    assert drain(box) == [presence(7, 0, Activity.LOST), presence(8, 0, Activity.GONE), Batch(7, 7, ())]
    assert box.size_bytes == 0
    box.put(Sync(7, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    box.put(presence(6, 3))
    assert drain(box)[-1] == presence(6, 3)


def test_a_presence_is_encoded_once_for_all() -> None:
    encoder = BatchEncoder()
    boxes = [Outbox(encoder, lambda: None) for _ in range(3)]
    shared = presence(5, 1)
    for box in boxes:
        box.put(shared)
    first, second, third = (box.take() for box in boxes)
    assert first is second is third


def test_a_reader_that_is_two_seconds_behind_lags_however_little_waits() -> None:
    now = 100.0
    box = Outbox(BatchEncoder(), lambda: None, clock=lambda: now)
    box.put(batch(1))
    now += LAG_S - 0.1
    box.put(batch(2))
    assert not box.is_lagging
    now += 0.2
    box.put(batch(3))
    assert box.is_lagging
    assert drain(box) == [Batch(3, 3, ())]


def test_what_waits_behind_a_large_text_is_no_lag() -> None:
    now = 100.0
    box = Outbox(BatchEncoder(), lambda: None, clock=lambda: now)
    sync = Sync(7, EMPTY_STATE_VECTOR, b"x" * 100)
    box.put(sync)
    box.put(batch(8))
    now += 60
    box.put(batch(9))
    assert drain(box) == [sync, batch(8), batch(9)]


def test_carets_that_were_replaced_leave_nothing_behind() -> None:
    box = outbox()
    box.put(Receipt(1, 1, True))
    for at in range(5000):
        box.put(presence(5, at))
        box.put(presence(6, at))
    assert len(box._queue) < 1000
    assert drain(box) == [Receipt(1, 1, True), presence(5, 4999), presence(6, 4999)]
    assert box.is_empty
    assert box.size_bytes == 0


def test_a_sync_is_encoded_once_for_all_who_join() -> None:
    encoder = BatchEncoder()
    boxes = [Outbox(encoder, lambda: None) for _ in range(3)]
    sync = Sync(7, EMPTY_STATE_VECTOR, b"x" * 100)
    for box in boxes:
        box.put(Receipt(1, 1, True))
        box.put(sync)
    for box in boxes:
        box.take()
    first, second, third = (box.take() for box in boxes)
    assert first is second is third


def test_one_huge_batch_alone_is_no_lag() -> None:
    box = outbox()
    box.put(batch(1, 2 * LAG_BYTES))
    assert not box.is_lagging
    assert len(drain(box)) == 1


def test_memory_is_bounded_whatever_the_room_does() -> None:
    box = outbox()
    for seq in range(1, 5000):
        box.put(batch(seq, 10_000))
        box.put(presence(seq % 7 + 1, seq))
    assert box.size_bytes < 2 * LAG_BYTES


def test_a_lagging_reader_comes_back_whole_also_when_it_asks_early() -> None:
    """A receipt that is `alone` shows it the gap before the empty Batch does; its Sync heals all of it."""
    bench = Bench()
    guest = bench.knock()
    client = ClientSync(
        Identity(b"n" * 16, b"d" * 32, "ana"), client_id=11, state_vector=lambda: EMPTY_STATE_VECTOR
    )
    client.connected()
    client.receive(welcome_of(guest))
    client.receive(Sync(0, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
    client.local_update(b"\x00\x00")
    client.to_send()
    client.events()

    box = outbox()
    box.put(batch(1, LAG_BYTES))
    box.put(batch(2))
    box.put(Receipt(1, 3, True))
    assert box.is_lagging
    receipt = box.take()
    assert receipt is not None
    client.receive(decode(receipt))  # type: ignore[arg-type]
    assert [type(message) for message in client.to_send()] == [Resync]
    # The room answers, and somebody writes on while the answer waits.
    box.put(Sync(3, EMPTY_STATE_VECTOR, b"\x00" * 100))
    box.put(batch(4))
    rows = 0
    for message in drain(box):
        client.receive(message)
        rows += sum(type(event).__name__ == "RowsArrived" for event in client.events())
    assert client.seq < 4 or rows == 1, "its position must not pass a row that it never got"
    assert client.seq == 4


def test_pings_and_pongs_go_ahead_of_all() -> None:
    box = outbox()
    box.put(batch(1))
    box.put(Pong(7))
    assert drain(box) == [Pong(7), batch(1)]
    box.put(Ping(8))
    assert box.take_urgent() is not None
    assert box.take_urgent() is None


def test_one_who_pings_without_reading_fills_nothing() -> None:
    box = outbox()
    for number in range(100_000):
        box.put(Pong(number))
    messages = drain(box)
    assert len(messages) < 100
    assert messages[-1] == Pong(99_999)


def test_the_last_word_comes_after_the_receipts_and_nothing_after_it() -> None:
    for last in (Bye("stopping", 100), Fault(FaultCode.SLOW, "too slow", 100)):
        box = outbox()
        for seq in range(1, 8):
            box.put(batch(seq, LAG_BYTES // 4))
        box.put(Receipt(1, 1, False))
        assert box.is_lagging
        box.put(last)
        assert drain(box) == [Receipt(1, 1, False), last]


def test_what_may_not_be_dropped_ends_the_connection_at_last() -> None:
    box = outbox()
    replica = Replica(5)
    replica.edit(0, 0, "x" * OWED_BYTES)
    box.put(Sync(1, replica.state_vector(), replica.update_since()))
    assert not box.is_hopeless, "one large document is no fault of its reader"
    for seq in range(1, 4):
        box.put(Sync(seq, replica.state_vector(), replica.update_since()))
    assert box.is_hopeless
    replica.close()


def test_small_messages_count_for_more_than_their_bytes() -> None:
    """4,000 of them take 1 MB beside their own 200 kB."""
    box = outbox()
    for seq in range(1, LAG_MESSAGES + 1):
        box.put(batch(seq))
    assert not box.is_lagging
    box.put(batch(LAG_MESSAGES + 1))
    assert box.is_lagging
    assert box.is_empty is False
    assert box.size_bytes == 0
    for n in range(1, OWED_MESSAGES + 1):
        box.put(Receipt(n, n, True))
    assert not box.is_hopeless
    box.put(Receipt(OWED_MESSAGES + 1, 1, True))
    assert box.is_hopeless


def test_what_waits_behind_a_sync_that_is_leaving_is_not_late() -> None:
    """Its Parts may take a slow link a minute, and an answer to a Resync would take it as long again."""
    now = 0.0
    box = Outbox(BatchEncoder(), lambda: None, clock=lambda: now)
    box.put(Sync(0, EMPTY_STATE_VECTOR, b"x" * 100))
    box.put(batch(1))
    assert box.take() is not None
    now = 60.0
    box.put(batch(2))
    assert not box.is_lagging
    assert box.take() is not None  # so the Sync has left
    now = 60.0 + 2 * LAG_S
    box.put(batch(3))
    assert box.is_lagging


def test_who_falls_behind_is_counted_once_until_they_have_caught_up() -> None:
    meters = Meters()
    box = Outbox(BatchEncoder(), lambda: None, lag_bytes=100, meters=meters)
    for seq in range(1, 20):
        box.put(Batch(seq, seq, ((1, b"x" * 50),)))
    assert (meters.fell_behind, meters.lagging) == (1, 1)
    while box.take() is not None:
        pass
    assert (meters.fell_behind, meters.lagging) == (1, 0)
    for seq in range(20, 40):
        box.put(Batch(seq, seq, ((1, b"x" * 50),)))
    assert (meters.fell_behind, meters.lagging) == (2, 1)
    box.catch_up()
    box.catch_up()
    assert (meters.fell_behind, meters.lagging) == (2, 0)
