"""What comes into a room's text: gaps, other people's ids, and a store that takes nothing for a while."""

from __future__ import annotations

import hashlib

import pytest

from collab_protocol.errors import FaultCode, UpdateError
from collab_protocol.lib0 import encode_state_vector
from collab_protocol.messages import Fault, Receipt, Resync, Sync, Trouble
from collab_protocol.presence import Role
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, Replica
from collab_server.roster import Joiner

from .rooms import Bench, Guest, Writer, hello


def receipts(guest: Guest) -> list[Receipt]:
    return [message for message in guest.told if isinstance(message, Receipt)]


def faults(guest: Guest) -> list[FaultCode]:
    return [message.code for message in guest.told if isinstance(message, Fault)]


def seat(bench: Bench, name: str, *, device: bytes, client_ids: tuple[int, ...]) -> Guest:
    guest = bench.guest()
    bench.room.join(guest, hello(name, device=device, client_ids=client_ids), Joiner(name, Role.WRITE))
    bench.commit()
    return guest


class TestStale:
    def test_a_gap_is_answered_with_a_resync_and_nothing_is_taken_until_it_is_answered(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        first, second, third = writer.type("one"), writer.type(" two"), writer.type(" three")
        bench.room.update(ana, 1, first)
        bench.commit()
        bench.room.update(ana, 3, third)
        bench.room.update(ana, 2, second)  # under way already when the Resync was sent
        bench.commit()
        assert [each.n for each in receipts(ana)] == [1]
        resync = ana.told[-1]
        assert isinstance(resync, Resync)
        assert resync.state_vector == bench.replica.state_vector()
        bench.room.sends_again(ana)
        bench.room.update(ana, 2, second)
        bench.room.update(ana, 3, third)
        bench.commit()
        assert bench.room.text() == "one two three"
        assert receipts(ana)[-1].n == 3
        assert faults(ana) == []

    def test_the_third_in_a_row_ends_in_a_fault_with_which_one_may_come_back(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        writer.type("lost")
        row = writer.type(" base")
        for _ in range(3):
            bench.room.sends_again(ana)
            bench.room.update(ana, 2, row)
            bench.commit()
        fault = ana.told[-1]
        assert isinstance(fault, Fault)
        assert (fault.code, fault.retry_ms) == (FaultCode.STALE, 200)
        assert receipts(ana) == []
        assert bench.room.text() == ""

    def test_one_that_fits_starts_the_count_again(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        rows = [writer.type(str(n)) for n in range(6)]
        for n in range(4):
            bench.room.update(ana, n + 2, rows[n + 1])  # its predecessor is missing
            bench.room.sends_again(ana)
            bench.room.update(ana, n + 1, rows[n])
            bench.commit()
        assert faults(ana) == []
        assert bench.room.text() == "0123"

    def test_a_client_of_version_1_comes_back_instead(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        ana.answers_resync = False
        writer.type("lost")
        bench.room.update(ana, 2, writer.type(" base"))
        bench.commit()
        assert faults(ana) == [FaultCode.STALE]

    def test_what_is_known_is_receipted_and_not_logged_again(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        row = writer.type("x")
        bench.room.update(ana, 1, row)
        bench.commit()
        bench.room.update(ana, 1, row)
        bench.commit()
        assert [each.n for each in receipts(ana)] == [1, 1]
        assert len(bench.rows) == 1


class TestIds:
    def test_rows_under_an_id_that_was_not_claimed_are_hostile(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(bo, 1, Writer(12).type("good"))
        with pytest.raises(UpdateError, match="not the sender"):
            bench.room.update(ana, 1, Writer(12).type("evil"))
        bench.room.leave(ana)
        bench.commit()
        assert bench.room.text() == "good"
        assert receipts(bo) == [Receipt(1, 1, alone=True)]

    def test_an_id_belongs_to_the_device_that_wrote_under_it_first(self) -> None:
        bench = Bench()
        ana = seat(bench, "ana", device=b"a" * 32, client_ids=(11,))
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.commit()
        assert bench.rows[0].new_ids == (11,)
        bench.room.leave(ana)
        thief = seat(bench, "eve", device=b"e" * 32, client_ids=(66, 11))
        assert faults(thief) == [FaultCode.IDENTITY]
        again = seat(bench, "ana", device=b"a" * 32, client_ids=(12, 11))
        assert faults(again) == []

    def test_two_devices_may_not_claim_one_id_at_once(self) -> None:
        bench = Bench()
        seat(bench, "ana", device=b"a" * 32, client_ids=(11,))
        assert faults(seat(bench, "eve", device=b"e" * 32, client_ids=(11,))) == [FaultCode.IDENTITY]

    def test_bindings_from_the_store_hold(self) -> None:
        bench = Bench(bindings={11: hashlib.sha256(b"a" * 32).digest()})
        assert faults(seat(bench, "eve", device=b"e" * 32, client_ids=(11,))) == [FaultCode.IDENTITY]
        assert faults(seat(bench, "ana", device=b"a" * 32, client_ids=(11,))) == []

    def test_two_windows_of_one_device_send_the_same_rows_and_what_rests_on_them(self) -> None:
        bench = Bench()
        one = seat(bench, "ana", device=b"a" * 32, client_ids=(11,))
        two = bench.guest()
        greeting = hello("ana", nonce=b"2" * 16, device=b"a" * 32, client_ids=(12, 11))
        bench.room.join(two, greeting, Joiner("ana", Role.WRITE))
        bench.commit()
        writer, other = Writer(11), Writer(12)
        row = writer.type("first")
        other.replica.apply(row)
        on_top = other.type(" second")
        bench.room.update(two, 1, row)  # from the journal
        bench.room.update(one, 1, row)
        bench.room.update(two, 2, on_top)
        bench.commit()
        assert bench.room.text() == "first second"
        assert [each.n for each in receipts(two)][-1] == 2
        assert receipts(one)[-1].n == 1
        replayed = Replica(3)
        for stored in bench.rows:
            replayed.apply(stored.data)
        assert replayed.text() == "first second"

    def test_two_windows_that_write_different_text_under_one_id_get_only_one_of_them_in(self) -> None:
        """Else the CRDT skips the overlap, cuts characters, and panics for everybody."""
        bench = Bench()
        one = seat(bench, "ana", device=b"a" * 32, client_ids=(11, 50))
        two = bench.guest()
        greeting = hello("ana", nonce=b"2" * 16, device=b"a" * 32, client_ids=(12, 50))
        bench.room.join(two, greeting, Joiner("ana", Role.WRITE))
        bench.commit()
        writer = Writer(11)
        for n in range(150):  # more than are applied in one turn
            bench.room.update(one, n + 1, writer.type("x"))
        bench.room.update(one, 151, Writer(50).type("abc"))
        bench.room.update(two, 1, Writer(50).type("🙂🙂🙂"))
        bench.commit()
        assert not bench.room.is_over
        assert sorted(bench.room.text()) == sorted("x" * 150 + "abc")
        assert [each.n for each in receipts(one)][-1] == 151
        assert receipts(two) == []

    def test_a_small_update_waits_while_another_window_of_the_device_is_judged_in_slices(self) -> None:
        bench = Bench()
        one = seat(bench, "ana", device=b"a" * 32, client_ids=(50,))
        two = bench.guest()
        greeting = hello("ana", nonce=b"2" * 16, device=b"a" * 32, client_ids=(50,))
        bench.room.join(two, greeting, Joiner("ana", Role.WRITE))
        bench.commit()
        long = Writer(50)
        for n in range(3000):
            long.type("abc", at=0 if n % 2 else None)
        slices = bench.room.updating(one, 1, long.replica.update_since())
        next(slices)
        fork = bench.room.updating(two, 1, Writer(50).type("🙂"))
        assert next(fork, "done") is None, "it waits"
        for _ in slices:
            pass
        for _ in fork:
            pass
        bench.commit()
        assert bench.room.text() == long.replica.text()
        assert receipts(two) == []

    def test_leaving_loses_nothing_of_what_was_sent(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        for n in range(250):
            bench.room.update(ana, n + 1, writer.type("x"))
        bench.room.leave(ana)
        bench.commit()
        assert bench.room.text() == "x" * 250

    def test_what_is_under_way_to_the_disk_is_weighed(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        bench.room.update(ana, 1, writer.type("x" * 1000))
        bench.turn()
        assert bench.room.unsettled_bytes(ana) > 1000
        bench.commit()
        assert bench.room.unsettled_bytes(ana) == 0


class TestTrouble:
    def test_nothing_is_taken_while_the_store_fails_and_all_is_asked_for_after(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        bench.room.stop_storing("the disk is full")
        first, second = writer.type("one"), writer.type(" two")
        bench.room.update(ana, 1, first)
        bench.commit()
        assert (ana.take(), bench.rows) == ([Trouble("the disk is full")], [])
        late = bench.knock("bo")
        bench.commit()
        assert Trouble("the disk is full") in late.told, "one who comes meanwhile is told too"
        ana.take()
        bench.room.resume_storing()
        over, resync = ana.take()
        assert over == Trouble("")
        assert isinstance(resync, Resync)
        bench.room.update(ana, 2, second)  # under way before the Resync was read
        bench.room.sends_again(ana)
        bench.room.update(ana, 1, first)
        bench.room.update(ana, 2, second)
        bench.commit()
        assert bench.room.text() == "one two"
        assert receipts(ana)[-1].n == 2


class TestStateVectors:
    @pytest.mark.parametrize("state_vector", [b"", b"\x80\x80\x80\x40\x01\x01", b"\x01\x0b", b"\x00\x00"])
    def test_one_that_no_client_makes_is_hostile(self, state_vector: bytes) -> None:
        bench = Bench()
        with pytest.raises(UpdateError):
            bench.room.join(bench.guest(), hello("ana", state_vector=state_vector), Joiner("ana", Role.WRITE))
        bo = bench.join("bo")
        with pytest.raises(UpdateError):
            bench.room.resync(bo, state_vector)

    def test_clients_that_never_wrote_here_are_left_out_of_it(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("hello"))
        bench.commit()
        bo = bench.guest()
        strange = encode_state_vector({11: 5, **{1000 + n: 1 for n in range(500)}})
        bench.room.join(bo, hello("bo", state_vector=strange), Joiner("bo", Role.WRITE))
        bench.commit()
        [sync] = [message for message in bo.told if isinstance(message, Sync)]
        assert sync.update == EMPTY_UPDATE
        many = encode_state_vector({1000 + n: 1 for n in range(100_000)})
        with pytest.raises(UpdateError):
            bench.room.join(bench.guest(), hello("eve", state_vector=many), Joiner("eve", Role.WRITE))

    def test_one_sync_at_a_time_is_owed(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("hello"))
        bench.turn()
        for _ in range(100):
            bench.room.resync(bo, EMPTY_STATE_VECTOR)
        bench.commit()
        assert len([message for message in bo.told if isinstance(message, Sync)]) == 1


class TestCheck:
    @pytest.mark.parametrize("text", ["hello", "hello\nwörld 🙂"])
    def test_the_same_text_at_the_head_is_nothing_to_speak_of(self, text: str) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type(text))
        bench.commit()
        ana.take()
        bench.room.check(ana, 1, hashlib.sha256(text.encode()).digest())
        assert ana.told == []

    def test_another_text_at_the_head_is_told(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("hello"))
        bench.commit()
        bench.room.check(ana, 1, hashlib.sha256(b"hellO").digest())
        assert faults(ana) == [FaultCode.DIVERGED]
        assert ana.told[-1] == Fault(FaultCode.DIVERGED, ana.told[-1].message, 0)  # type: ignore[union-attr]

    def test_off_the_head_or_before_it_is_on_disk_nothing_is_said(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("hello"))
        bench.turn()
        wrong = hashlib.sha256(b"wrong").digest()
        for seq in (0, 1, 2):
            bench.room.check(ana, seq, wrong)
        assert faults(ana) == []
