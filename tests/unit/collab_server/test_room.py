from __future__ import annotations

import pytest

from collab_protocol import limits
from collab_protocol.codec import decode, encode
from collab_protocol.errors import FaultCode, UpdateError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import (
    Batch,
    Bye,
    Declined,
    Fault,
    Look,
    Message,
    Presence,
    Pulse,
    Receipt,
    Setting,
    Sync,
    Welcome,
)
from collab_protocol.presence import Activity, Caret, Role
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows
from collab_server.roster import COLOURS, Joiner

from .rooms import EPOCH, LINEAGE, Bench, Guest, Writer, hello


def batches(guest: Guest) -> list[Batch]:
    return [message for message in guest.told if isinstance(message, Batch)]


def receipts(guest: Guest) -> list[Receipt]:
    return [message for message in guest.told if isinstance(message, Receipt)]


def presences(guest: Guest) -> list[Presence]:
    return [message for message in guest.told if isinstance(message, Presence)]


def welcome_of(guest: Guest) -> Welcome:
    return next(message for message in guest.told if isinstance(message, Welcome))


def caret(at: int, seen: int = 0, activity: Activity = Activity.ACTIVE) -> Presence:
    return Presence(None, (Caret(at, at),), seen, activity)


class TestJoin:
    def test_welcome_then_sync_come_to_a_committed_room_at_once(self) -> None:
        bench = Bench(is_new=True)
        ana = bench.knock("ana")
        welcome, sync = ana.told
        assert isinstance(welcome, Welcome)
        assert isinstance(sync, Sync)
        assert (welcome.lineage, welcome.epoch, welcome.seq, welcome.is_new) == (LINEAGE, EPOCH, 0, True)
        assert (welcome.session, welcome.is_durable, welcome.role) == (ana.session, True, Role.WRITE)

    def test_one_is_told_who_one_is_to_the_others(self) -> None:
        bench = Bench()
        bo = bench.join("bo")
        ana = bench.knock("ana")
        [shown] = presences(bo)
        assert welcome_of(ana).person == shown.person
        assert shown.person is not None
        assert shown.person.session == ana.session

    def test_only_the_first_one_is_told_that_the_room_is_new(self) -> None:
        bench = Bench(is_new=True)
        bench.knock("ana")
        assert not welcome_of(bench.knock("bo")).is_new

    def test_welcome_waits_for_the_rows_that_its_sync_holds(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("hello"))
        bo = bench.knock("bo")
        assert bo.told == []
        assert len(bench.rows) == 1
        bench.room.committed(1)
        welcome, sync = bo.told
        assert isinstance(welcome, Welcome)
        assert isinstance(sync, Sync)
        assert welcome.seq == sync.seq == 1
        copy = Replica(12)
        copy.apply(sync.update)
        assert copy.text() == "hello"

    def test_sync_holds_only_what_the_hello_lacked(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        bench.room.update(ana, 1, writer.type("a" * 1000))
        bench.commit()
        copy = Replica(12)
        copy.apply(writer.rows[0])
        bo = bench.guest()
        bench.room.join(bo, hello("bo", state_vector=copy.state_vector()), Joiner("device:bo", Role.WRITE))
        sync = next(message for message in bo.told if isinstance(message, Sync))
        assert len(sync.update) < 100

    def test_a_row_is_in_the_sync_or_comes_as_a_batch_never_both(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        bench.room.update(ana, 1, writer.type("one"))
        bo = bench.knock("bo")
        bench.room.update(ana, 2, writer.type("two"))
        bench.commit()
        assert welcome_of(bo).seq == 1
        assert [(batch.first, batch.last) for batch in batches(bo)] == [(2, 2)]

    def test_another_lineage_is_refused(self) -> None:
        bench = Bench()
        guest = bench.guest()
        bench.room.join(guest, hello(lineage=b"x" * 16), Joiner("device:ana", Role.WRITE))
        fault = guest.told[0]
        assert isinstance(fault, Fault)
        assert (fault.code, fault.retry_ms) == (FaultCode.LINEAGE, None)
        assert bench.room.is_empty

    @pytest.mark.parametrize("lineage", [None, LINEAGE])
    def test_no_lineage_or_the_same_is_welcome(self, lineage: bytes | None) -> None:
        bench = Bench()
        guest = bench.guest()
        bench.room.join(guest, hello(lineage=lineage), Joiner("device:ana", Role.WRITE))
        assert isinstance(guest.told[0], Welcome)

    def test_the_same_nonce_ends_the_older_link_before_the_roster_is_made(self) -> None:
        bench = Bench()
        bo = bench.join("bo")
        old = bench.join("ana")
        new = bench.knock("ana")
        fault = old.told[-1]
        assert isinstance(fault, Fault)
        assert fault.code is FaultCode.REPLACED
        roster = {presence.person.session for presence in welcome_of(new).roster if presence.person}
        assert roster == {bo.session}
        assert [(p.person and p.person.session, p.activity) for p in presences(bo)] == [
            (old.session, Activity.LOST),
            (new.session, Activity.ACTIVE),
        ]

    def test_what_the_replaced_link_had_sent_is_kept(self) -> None:
        bench = Bench()
        old = bench.join("ana")
        bench.room.update(old, 1, Writer(11).type("kept"))
        new = bench.knock("ana")
        bench.commit()
        assert welcome_of(new).seq == 1
        assert bench.room.text() == "kept"

    def test_a_broken_state_vector_harms_nobody_else(self) -> None:
        bench = Bench()
        bo = bench.join("bo")
        with pytest.raises(UpdateError):
            bench.room.join(
                bench.guest(), hello("ana", state_vector=b"\xff\xff"), Joiner("device:ana", Role.WRITE)
            )
        assert bo.told == []
        bench.room.update(bo, 1, Writer(12).type("x"))
        bench.commit()
        assert receipts(bo) == [Receipt(1, 1, alone=True)]

    def test_a_room_that_is_full_says_so_and_when_to_come_back(self) -> None:
        bench = Bench(limits=RoomLimits(people=1))
        bench.join("ana")
        fault = bench.knock("bo").told[0]
        assert isinstance(fault, Fault)
        assert fault.code is FaultCode.BUSY
        assert fault.message == "notes is full: 1 connections may be in a room"
        assert fault.retry_ms


class TestUpdates:
    def test_nothing_is_shown_before_the_commit(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.present(ana, caret(1))
        bench.turn()
        assert (ana.told, bo.told) == ([], [])
        bench.room.committed(1)
        assert receipts(ana) == [Receipt(1, 1, alone=True)]
        assert [type(message) for message in bo.told] == [Batch, Presence]

    def test_an_author_alone_gets_no_echo(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        row = Writer(11).type("x")
        bench.room.update(ana, 4, row)
        bench.commit()
        assert ana.told == [Receipt(4, 1, alone=True)]
        assert bo.told == [Batch(1, 1, ((ana.session, row),))]

    def test_one_turn_of_two_authors_is_one_batch_for_both_then_their_receipts(self) -> None:
        bench = Bench()
        ana, bo, eve = bench.join("ana"), bench.join("bo"), bench.join("third")
        bench.room.update(ana, 1, Writer(11).type("a"))
        bench.room.update(bo, 7, Writer(12).type("b"))
        bench.commit()
        assert [type(message) for message in ana.told] == [Batch, Receipt]
        assert receipts(ana) == [Receipt(1, 2, alone=False)]
        assert receipts(bo) == [Receipt(7, 2, alone=False)]
        assert [type(message) for message in eve.told] == [Batch]
        batch = batches(eve)[0]
        assert (batch.first, batch.last) == (1, 2)
        assert [author for author, _ in batch.entries] == [ana.session, bo.session]
        assert batches(ana)[0] is batch, "one object, so that it is encoded once"

    def test_a_turn_of_one_author_is_one_squashed_row(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        for n in range(1, 21):
            bench.room.update(ana, n, writer.type("x"))
        bench.commit()
        assert len(bench.rows) == 1
        assert len(bench.rows[0].data) < sum(map(len, writer.rows)) / 5
        assert receipts(ana) == [Receipt(20, 1, alone=True)]

    def test_more_than_a_hundred_updates_become_rows_of_a_hundred(self) -> None:
        bench = Bench()
        ana, writer = bench.join("ana"), Writer(11)
        for n in range(1, 251):
            bench.room.update(ana, n, writer.type("x"))
        bench.commit()
        assert [receipt.n for receipt in receipts(ana)] == [100, 200, 250]
        assert [receipt.seq for receipt in receipts(ana)] == [1, 2, 3]
        assert bench.room.text() == "x" * 250

    def test_the_row_says_who_and_when(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.commit()
        row = bench.rows[0]
        assert (row.room, row.first, row.last) == ("notes", 1, 1)
        assert (row.principal, row.name) == ("device:ana", "ana")
        assert row.at == 1000.0
        assert b"d" * 32 not in row.device_hash

    def test_what_was_known_is_receipted_once_all_that_is_outstanding_is_on_disk(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        row = Writer(11).type("x")
        bench.room.update(ana, 1, row)
        bench.commit()
        ana.take()
        bench.room.update(bo, 1, Writer(12).type("y"))
        bench.turn()
        bench.room.update(ana, 1, row)
        bench.turn()
        assert ana.told == []
        bench.room.committed(2)
        receipt = receipts(ana)[0]
        assert (receipt.n, receipt.alone) == (1, False)
        assert len(bench.rows) == 2

    def test_what_was_known_is_receipted_at_once_when_nothing_is_outstanding(self) -> None:
        bench = Bench()
        ana, row = bench.join("ana"), Writer(11).type("x")
        bench.room.update(ana, 1, row)
        bench.commit()
        ana.take()
        bench.room.update(ana, 3, row)
        bench.turn()
        assert [(receipt.n, receipt.alone) for receipt in receipts(ana)] == [(3, False)]

    @pytest.mark.parametrize("data", [b"", b"\x01", b"junk", b"\xff" * 20])
    def test_bytes_that_are_no_update_harm_only_their_sender(self, data: bytes) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(bo, 1, Writer(12).type("good"))
        with pytest.raises(UpdateError):
            bench.room.update(ana, 1, data)
        bench.room.leave(ana)
        bench.commit()
        assert bench.room.text() == "good"
        assert receipts(bo) == [Receipt(1, 1, alone=True)]

    def test_a_crdt_that_breaks_down_gives_the_room_up_and_logs_nothing_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("poison"))
        bench.room.update(bo, 1, Writer(12).type("good"))
        whole = bench.replica.apply

        def panic(*updates: bytes) -> bytes | None:
            if b"poison" in updates[0]:
                raise UpdateError("an update made the CRDT panic")
            return whole(*updates)

        monkeypatch.setattr(bench.replica, "apply", panic)
        bench.commit()
        assert bench.rows == [], "a document that may be damaged makes no rows"
        assert isinstance(ana.told[-1], Fault)
        assert ana.told[-1].code is FaultCode.BROKEN
        assert bo.told[-1] == Bye("notes is loaded again", 700)
        assert bench.room.is_over

    def test_a_reader_may_not_write(self) -> None:
        bench = Bench()
        ana = bench.join("ana", role=Role.READ)
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.commit()
        assert isinstance(ana.told[-1], Fault)
        assert ana.told[-1].code is FaultCode.READ_ONLY
        assert bench.rows == []
        assert bench.room.is_empty

    def test_text_beyond_the_limit_is_refused(self) -> None:
        bench = Bench(limits=RoomLimits(text_bytes=1000))
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("x" * 100_000))
        bench.commit()
        assert isinstance(ana.told[-1], Fault)
        assert ana.told[-1].code is FaultCode.TOO_LARGE
        assert bench.rows == []

    def test_a_full_room_can_be_emptied(self) -> None:
        bench = Bench(limits=RoomLimits(text_bytes=1000))
        ana, writer = bench.join("ana"), Writer(11)
        bench.room.update(ana, 1, writer.type("x" * 33_700))
        bench.commit()
        for at in range(400):
            writer.delete(at, 1)
        everything = merge_rows(writer.rows[1:], bench.replica.state_vector())
        assert bench.replica.size_utf8 + len(everything) > 1000 + limits.PART_BYTES
        bench.room.update(ana, 2, everything)
        bench.commit()
        assert receipts(ana)[-1].n == 2
        assert bench.replica.size_utf8 == 33_300

    def test_an_encoding_beyond_the_limit_is_refused_however_short_the_text(self) -> None:
        bench = Bench(limits=RoomLimits(text_bytes=10_000, encoded_bytes=3000))
        ana, writer = bench.join("ana"), Writer(11)
        n = 0
        while not any(isinstance(message, Fault) for message in ana.told):
            n += 1
            assert n < 2000, "nothing ends the growth of an encoding"
            bench.room.update(ana, n, writer.type("ab", at=0))
            bench.room.update(ana, n, writer.type("cd", at=1))
            bench.room.update(ana, n, writer.delete(0, 2))
            bench.commit()
        fault = ana.told[-1]
        assert isinstance(fault, Fault)
        assert fault.code is FaultCode.TOO_LARGE
        assert len(bench.room.whole_update()) < 3300

    def test_a_stranger_is_not_heard(self) -> None:
        bench = Bench()
        stranger = bench.guest()
        bench.room.update(stranger, 1, Writer(11).type("x"))
        bench.room.present(stranger, caret(0))
        bench.room.set(stranger, "title", "x")
        bench.room.resync(stranger, EMPTY_STATE_VECTOR)
        bench.room.leave(stranger)
        bench.commit()
        assert (bench.rows, bench.settings, stranger.told) == ([], [], [])


class TestPresence:
    def test_it_is_stamped_and_not_echoed(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, caret(0))
        bench.commit()
        assert ana.told == []
        person = presences(bo)[0].person
        assert person is not None
        assert (person.session, person.principal, person.name) == (ana.session, "device:ana", "ana")

    def test_it_never_overtakes_the_row_that_it_follows(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.turn()
        bench.room.present(ana, caret(1))
        bench.turn()
        assert bo.told == []
        bench.room.committed(1)
        assert [type(message) for message in bo.told] == [Batch, Presence]

    def test_the_newest_wins_while_it_waits(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("xyz"))
        bench.turn()
        for at in range(4):
            bench.room.present(ana, caret(at))
            bench.turn()
        bench.room.committed(1)
        assert [presence.carets[0].head for presence in presences(bo)] == [3]

    def test_an_edit_takes_back_the_caret_that_was_said_before_it(self) -> None:
        bench = Bench()
        ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(11)
        bench.room.update(ana, 1, writer.type("x"))
        bench.turn()
        bench.room.present(ana, caret(1))
        bench.turn()
        bench.room.update(ana, 2, writer.type("y"))
        bench.commit()
        assert presences(bo) == []
        assert all(not presence.carets for presence in welcome_of(bench.knock("third")).roster)

    def test_seen_cannot_lie_in_the_future(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, caret(0, seen=2**50))
        bench.commit()
        assert presences(bo)[0].seen == 0

    def test_a_newcomer_gets_carets_that_rest_on_nothing_unseen(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.present(ana, caret(1, seen=0))
        bench.commit()
        roster = welcome_of(bench.knock("bo")).roster
        assert [(presence.carets, presence.seen) for presence in roster] == [((Caret(1, 1),), 1)]

    def test_a_newcomer_gets_no_caret_that_rows_of_others_have_passed(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, caret(0, seen=0))
        bench.commit()
        bench.room.update(bo, 1, Writer(12).type("x"))
        bench.commit()
        roster = {p.person.name: p for p in welcome_of(bench.knock("third")).roster if p.person}
        assert (roster["ana"].carets, roster["ana"].seen) == ((), 1)

    def test_leaving_is_told_at_once_even_while_a_commit_is_under_way(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.turn()
        bench.room.leave(ana, is_bye=True)
        assert [(p.activity, p.carets) for p in presences(bo)] == [(Activity.GONE, ())]
        bench.room.committed(1)
        assert [presence.activity for presence in presences(bo)] == [Activity.GONE]

    @pytest.mark.parametrize(("is_bye", "activity"), [(True, Activity.GONE), (False, Activity.LOST)])
    def test_who_said_no_goodbye_is_lost_and_may_be_back(self, is_bye: bool, activity: Activity) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.leave(ana, is_bye=is_bye)
        assert [presence.activity for presence in presences(bo)] == [activity]

    def test_who_is_sent_away_is_gone(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana", role=Role.READ), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.leave(ana)
        assert [presence.activity for presence in presences(bo)] == [Activity.GONE]

    def test_a_caret_on_its_way_does_not_bring_its_owner_back(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.turn()
        bench.room.present(ana, caret(1))
        bench.turn()
        bench.room.leave(ana)
        bench.room.committed(1)
        assert [presence.activity for presence in presences(bo)] == [Activity.LOST]

    def test_nobody_hears_before_the_welcome_of_those_who_left_meanwhile(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        third = bench.knock("third")
        bench.room.leave(ana)
        bench.room.committed(1)
        assert isinstance(third.told[0], Welcome)
        roster = {presence.person.name for presence in welcome_of(third).roster if presence.person}
        assert roster == {"bo"}
        assert presences(third) == []
        assert len(presences(bo)) == 2

    def test_one_who_left_before_the_welcome_was_never_there(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        third = bench.knock("third")
        bench.room.leave(third)
        bench.room.committed(1)
        assert third.told == []
        assert presences(bo) == []


class TestColours:
    def test_no_two_are_alike_while_there_are_free_ones(self) -> None:
        bench = Bench()
        for number in range(COLOURS):
            bench.join(f"person{number}")
        roster = welcome_of(bench.knock("late")).roster
        assert len({presence.person.colour for presence in roster if presence.person}) == COLOURS

    def test_one_person_in_two_terminals_has_one_colour(self) -> None:
        bench = Bench()
        bench.join("ana", principal="unix:ana")
        bench.join("bo")
        bench.join("again", principal="unix:ana")
        roster = {p.person.name: p.person.colour for p in welcome_of(bench.knock("x")).roster if p.person}
        assert roster["ana"] == roster["again"] != roster["bo"]

    def test_a_wish_is_granted_when_it_is_free_and_never_leaves_the_palette(self) -> None:
        bench = Bench()
        for name, wish in (("ana", 7), ("bo", 7), ("third", 255)):
            bench.room.join(bench.guest(), hello(name, colour=wish), Joiner(f"device:{name}", Role.WRITE))
        roster = {p.person.name: p.person.colour for p in welcome_of(bench.knock("x")).roster if p.person}
        assert roster["ana"] == 7
        assert roster["bo"] != 7
        assert all(colour < COLOURS for colour in roster.values())


class TestLook:
    def test_the_others_are_asked_to_look_where_one_is(self) -> None:
        bench = Bench()
        ana, bo, third = bench.join("ana"), bench.join("bo"), bench.join("third")
        bench.room.look(ana)
        person = welcome_of(bench.knock("x")).roster[0].person
        assert bo.told[0] == third.told[0] == Look(person)
        assert not any(isinstance(message, Look) for message in ana.told)

    def test_by_then_they_know_where_that_is(self) -> None:
        bench = Bench()
        ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(11)
        bench.room.present(ana, caret(0))
        bench.commit()
        bo.take()
        for n in range(1, 151):
            bench.room.update(ana, n, writer.type("x"))
        bench.room.present(ana, caret(150))
        bench.room.look(ana)
        assert bo.told == []
        bench.room.committed(bench.room.seq)
        assert [type(message) for message in bo.told] == [Batch, Batch, Presence, Look]
        bench.wait(1.0)
        assert isinstance(bo.told[-1], Look), "the caret does not come twice"

    def test_not_too_often(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        for _ in range(3):
            bench.room.look(ana)
        assert [type(message) for message in bo.told] == [Look]
        assert [type(message) for message in ana.told] == [Declined, Declined]
        bench.wait(2.0)
        bench.room.look(ana)
        assert len(bo.told) == 2

    def test_a_reader_may_not_unless_readers_may_chat(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana", role=Role.READ), bench.join("bo")
        bench.room.look(ana)
        assert [type(message) for message in ana.told] == [Declined]
        assert bo.told == []
        bench.room.setting_committed("readers_chat", "on")
        bo.take()
        bench.room.look(ana)
        assert [type(message) for message in bo.told] == [Look]

    def test_who_has_left_by_then_asks_nobody(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.look(ana)
        bench.room.leave(ana)
        bench.commit()
        assert not any(isinstance(message, Look) for message in bo.told)


class TestPulse:
    def test_it_has_the_sessions_whose_distance_is_known(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.join("third")
        ana.round_trip_ms, bo.round_trip_ms = 0, 180
        bench.room.pulse(ana)
        told: list[Message] = [Pulse(((ana.session, 0), (bo.session, 180)))]
        assert ana.told == told
        assert bo.told == []


class TestAuthors:
    def test_who_is_here_has_their_colour_and_the_others_have_one(self) -> None:
        bench = Bench()
        bench.join("ana", principal="unix:ana")
        bench.join("bo", principal="unix:bo")
        colours = {
            p.person.principal: p.person.colour for p in welcome_of(bench.knock("x")).roster if p.person
        }
        people = [
            ("unix:ana", "Ana of before"),
            *((f"unix:{n}", str(n)) for n in range(5)),
            ("unix:bo", "bo"),
        ]
        authors = bench.room.authors(people)
        assert [(each.principal, each.name) for each in authors] == people
        assert (authors[0].colour, authors[-1].colour) == (colours["unix:ana"], colours["unix:bo"])
        assert len({each.colour for each in authors}) == len(authors), (
            "no two alike while there are free ones"
        )

    def test_one_principal_under_two_names_has_one_colour(self) -> None:
        one, two = Bench().room.authors([("unix:ana", "ana"), ("unix:ana", "Ana")])
        assert one.colour == two.colour

    def test_who_is_not_here_has_the_colour_that_they_would_be_given(self) -> None:
        bench = Bench()
        [author] = bench.room.authors([("device:bo", "bo")])
        bench.join("bo")
        roster = welcome_of(bench.knock("x")).roster
        assert [p.person.colour for p in roster if p.person] == [author.colour]


class TestSettings:
    def test_everyone_is_told_once_it_is_on_disk(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.set(ana, "title", "Plan")
        bench.commit()
        assert bo.told == []
        bench.room.setting_committed("title", "Plan")
        assert ana.told == bo.told == [Setting("title", "Plan")]
        assert welcome_of(bench.knock("third")).settings == (("title", "Plan"),)

    def test_a_storm_of_keys_leaves_a_room_that_can_be_joined(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        for number in range(3 * limits.SETTINGS):
            bench.room.set(ana, f"key{number}", "x")
        for key, value in bench.settings:
            bench.room.setting_committed(key, value)
        assert len(bench.room.settings) == limits.SETTINGS
        decode(encode(welcome_of(bench.knock("bo"))))

    def test_a_key_that_exists_can_still_be_changed_then(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        for number in range(limits.SETTINGS):
            bench.room.set(ana, f"key{number}", "x")
        bench.wait(60.0)
        bench.room.set(ana, "key1", "y")
        bench.room.set(ana, "key1", "z")
        assert bench.settings[-1] == (f"key{limits.SETTINGS - 1}", "x"), "the one before is not on disk yet"
        bench.room.setting_committed("key1", "x")
        assert bench.settings[-1] == ("key1", "z"), "only the newest goes on"
        assert bench.room.settings["key1"] == "x"

    def test_a_reader_changes_nothing_and_is_told_so(self) -> None:
        bench = Bench()
        ana = bench.join("ana", role=Role.READ)
        bench.room.set(ana, "title", "x")
        assert bench.settings == []
        assert ana.take() == [Declined("you may read here, not write")]

    def test_one_key_too_many_and_too_many_at_once_are_told(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        for number in range(limits.SETTINGS):
            bench.room.set(ana, f"key{number}", "x")
        assert ana.take() == []
        bench.room.set(ana, "key1", "y")
        assert ana.take() == [Declined("too many settings at once: wait a moment")]
        bench.wait(60.0)
        bench.room.set(ana, "one more", "y")
        assert ana.take() == [Declined(f"a room has {limits.SETTINGS} settings at most")]

    def test_none_goes_to_a_disk_that_fails_and_the_newest_does_when_it_is_well_again(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.room.stop_storing("the server's disk is full")
        for key, value in (("readers_chat", "on"), ("title", "x"), ("readers_chat", "")):
            bench.room.set(ana, key, value)
        assert bench.settings == []
        bench.room.resume_storing()
        assert bench.settings == [("readers_chat", ""), ("title", "x")]
        bench.room.setting_committed("title", "x")
        assert bench.room.settings == {"title": "x"}


class TestResync:
    def test_it_comes_once_the_rows_in_it_are_on_disk(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.resync(bo, EMPTY_STATE_VECTOR)
        assert bo.told == []
        bench.room.committed(1)
        sync = next(message for message in bo.told if isinstance(message, Sync))
        copy = Replica(13)
        copy.apply(sync.update)
        assert (sync.seq, copy.text()) == (1, "x")

    def test_who_fell_a_little_behind_gets_the_rows_after_its_own(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        writer, copy = Writer(11), Replica(13)
        n = 0
        # A long history of what was deleted here and there.
        for make in (
            lambda: writer.type("ab" * 300),
            *[lambda at=at: writer.delete(at, 1) for at in range(300)],
        ):
            n += 1
            bench.room.update(ana, n, make())
            bench.commit()
        copy.apply(bench.room.whole_update())
        behind = bench.room.seq
        for _ in range(20):
            n += 1
            bench.room.update(ana, n, writer.type("x"))
            bench.commit()
        bo.take()
        state_vector = copy.state_vector()
        bench.room.resync(bo, state_vector, behind)
        [sync] = [message for message in bo.told if isinstance(message, Sync)]
        copy.apply(sync.update)
        assert (sync.seq, copy.text()) == (bench.room.seq, "b" * 300 + "x" * 20)
        assert len(sync.update) < len(bench.replica.update_since(state_vector)) / 2

    def test_who_fell_far_behind_gets_the_difference(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        writer = Writer(11)
        for n in range(1, limits.MERGED_ROWS + 10):
            bench.room.update(ana, n, writer.type("x"))
            bench.commit()
        bo.take()
        bench.room.resync(bo, EMPTY_STATE_VECTOR, 1)
        [sync] = [message for message in bo.told if isinstance(message, Sync)]
        copy = Replica(13)
        copy.apply(sync.update)
        assert copy.text() == bench.room.text()

    def test_a_position_that_is_yet_to_come_is_no_position(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.commit()
        bo.take()
        bench.room.resync(bo, EMPTY_STATE_VECTOR, 2**50)
        [sync] = [message for message in bo.told if isinstance(message, Sync)]
        copy = Replica(13)
        copy.apply(sync.update)
        assert copy.text() == "x"

    def test_a_broken_state_vector_is_refused(self) -> None:
        bench = Bench()
        with pytest.raises(UpdateError):
            bench.room.resync(bench.join("ana"), b"\xff")


class TestEndings:
    def test_who_is_sent_away_keeps_what_was_sent_and_is_gone_at_once(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.send_away(ana, FaultCode.KICKED, "bo sent you away")
        assert bench.room.person(ana) is None
        assert ana.told == [Fault(FaultCode.KICKED, "bo sent you away", None)]
        bench.commit()
        assert bench.room.text() == "x"
        over = [message.activity for message in bo.told if isinstance(message, Presence)]
        assert over == [Activity.GONE]
        bench.room.send_away(ana, FaultCode.KICKED, "again")
        assert len(ana.told) == 1

    def test_only_an_admin_may_administer(self) -> None:
        bench = Bench()
        why = [bench.room.why_no_admin(bench.join(role, role=role)) for role in Role]
        assert [bool(each) for each in why] == [True, True, False]
        assert bench.room.why_no_admin(bench.guest()), "nor who has no seat"

    def test_a_name_that_was_given_is_not_chosen(self) -> None:
        bench = Bench()
        guest = bench.guest()
        bench.room.join(guest, hello("bo"), Joiner("token:ana", Role.WRITE, "ana"))
        person = bench.room.person(guest)
        assert person is not None
        assert person.name == "ana"

    def test_a_failed_commit_sends_everyone_away_to_come_back(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.turn()
        bench.room.fail("the disk is full")
        assert ana.told == bo.told == [Bye("the disk is full", 700)]
        assert bench.room.is_over
        bench.room.committed(1)
        bench.room.update(ana, 2, Writer(12).type("y"))
        bench.turn()
        assert len(bench.rows) == 1
        assert isinstance(bench.knock("third").told[0], Fault)

    def test_it_is_idle_when_nobody_is_here_and_all_is_on_disk(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        assert not bench.room.is_idle
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.room.leave(ana)
        bench.turn()
        assert bench.room.is_empty
        assert not bench.room.is_idle
        bench.room.committed(1)
        assert bench.room.is_idle
        bench.room.close()
