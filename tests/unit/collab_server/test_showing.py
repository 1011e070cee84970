"""Tests of `collab_server.showing`, in a room: what is shown of whom, when, and to whom."""

from __future__ import annotations

from itertools import pairwise

import pytest

from collab_protocol.messages import Batch, Presence
from collab_protocol.presence import Activity, Caret, View
from collab_protocol.text import EMPTY_STATE_VECTOR

from .rooms import Bench, Guest, Writer
from .test_room import caret, presences, welcome_of


def heads(guest: Guest) -> list[int]:
    """Return where those that `guest` was shown had their first caret."""
    return [presence.carets[0].head for presence in presences(guest) if presence.carets]


def crowd(bench: Bench, people: int) -> list[Guest]:
    return [bench.join(f"person{number}") for number in range(people)]


def move(bench: Bench, guest: Guest, at: int) -> None:
    bench.room.present(guest, caret(at))
    bench.turn()


class TestInACrowd:
    def test_two_are_shown_each_move_twenty_times_a_second(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        for at in range(20):
            move(bench, ana, at)
            bench.wait(0.05)
        assert heads(bo) == list(range(20))

    @pytest.mark.parametrize(("people", "gap_s"), [(2, 0.05), (10, 0.05), (40, 0.2)])
    def test_the_more_there_are_the_less_often_each_is_shown(self, people: int, gap_s: float) -> None:
        bench = Bench()
        ana, bo, *_ = crowd(bench, people)
        shown_at = []
        for at in range(200):
            before = len(heads(bo))
            move(bench, ana, at)
            bench.wait(0.01)
            if len(heads(bo)) > before:
                shown_at.append(bench.now)
        assert min(later - one for one, later in pairwise(shown_at)) > gap_s - 0.02
        assert len(shown_at) >= 2.0 / (gap_s + 0.02), "and no less often than that"

    def test_the_newest_is_shown_when_its_turn_comes_and_nothing_after_it(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        for at in (1, 2, 3):
            move(bench, ana, at)
        assert heads(bo) == [1]
        bench.wait(0.05)
        assert heads(bo) == [1, 3]
        bench.wait(60.0)
        assert heads(bo) == [1, 3]
        assert bench.timers == []

    def test_one_who_moves_all_the_time_keeps_nobody_else_waiting(self) -> None:
        bench = Bench()
        ana, bo, eve = bench.join("ana"), bench.join("bo"), bench.join("eve")
        move(bench, ana, 1)
        move(bench, ana, 2)
        move(bench, bo, 7)
        assert heads(eve) == [1, 7]

    def test_an_edit_takes_back_what_was_still_to_be_shown(self) -> None:
        bench = Bench()
        ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(11)
        bench.room.update(ana, 1, writer.type("xy"))
        bench.commit()
        move(bench, ana, 1)
        move(bench, ana, 2)
        bench.room.update(ana, 2, writer.type("z"))
        bench.wait(1.0)
        bench.commit()
        assert heads(bo) == [1]
        assert isinstance(bo.told[-1], Batch)
        move(bench, ana, 3)
        assert heads(bo) == [1, 3]

    def test_who_types_all_the_time_is_seen_to_move(self) -> None:
        bench = Bench()
        ana, bo, *_ = crowd(bench, 50)
        bench.room.leave(ana)
        ana, writer = bench.join("ana"), Writer(11)
        bo.take()
        for n in range(1, 101):
            bench.room.update(ana, n, writer.type("x"))
            bench.room.present(ana, caret(n, seen=n))
            bench.commit()
            bench.wait(0.03)
        assert len(heads(bo)) >= 3.0 / 0.3

    def test_who_leaves_is_not_brought_back_by_what_was_still_to_be_shown(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        move(bench, ana, 1)
        move(bench, ana, 2)
        bench.room.leave(ana, is_bye=True)
        bench.wait(1.0)
        assert presences(bo)[-1].activity is Activity.GONE

    def test_a_room_that_is_over_shows_nothing_more(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        move(bench, ana, 1)
        move(bench, ana, 2)
        bench.room.fail("over")
        told = len(bo.told)
        bench.wait(1.0)
        assert len(bo.told) == told

    def test_a_newcomer_knows_what_was_still_to_be_shown(self) -> None:
        bench = Bench()
        ana = bench.join("ana")
        bench.join("bo")
        move(bench, ana, 1)
        move(bench, ana, 2)
        roster = {p.person.name: p for p in welcome_of(bench.knock("third")).roster if p.person}
        assert roster["ana"].carets == (Caret(2, 2),)


class TestOnASlowDisk:
    def test_rows_of_others_on_their_way_keep_nobody_from_being_shown(self) -> None:
        """Each move is said while yet another row is on its way to the disk."""
        bench = Bench()
        ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(12)
        eve = bench.join("eve")
        for n in range(1, 21):
            bench.room.update(bo, n, writer.type("x"))
            move(bench, ana, n)
            bench.room.committed(bench.room.seq - 1)
            bench.wait(0.06)
        assert heads(eve) == list(range(1, 20))
        bench.commit()
        assert heads(eve)[-1] == 20

    def test_only_the_newest_is_shown_when_many_come_to_disk_at_once(self) -> None:
        bench = Bench()
        ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(12)
        eve = bench.join("eve")
        for n in range(1, 6):
            bench.room.update(bo, n, writer.type("x"))
            move(bench, ana, n)
        bench.room.committed(3)
        assert heads(eve) == [3]
        bench.wait(1.0)
        bench.room.committed(5)
        assert heads(eve) == [3, 5]


class TestFollowingAndViews:
    def test_both_are_passed_on_and_stamped(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, Presence(None, (), 0, Activity.IDLE, bo.session, View(0, 0)))
        bench.commit()
        [shown] = presences(bo)
        assert shown.person is not None
        assert (shown.person.session, shown.following, shown.view) == (ana.session, bo.session, View(0, 0))
        assert shown.activity is Activity.IDLE

    def test_a_view_upside_down_is_none(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, Presence(None, (Caret(0, 0),), 0, Activity.ACTIVE, 0, View(5, 4)))
        bench.commit()
        assert [(shown.view, shown.carets) for shown in presences(bo)] == [(None, (Caret(0, 0),))]

    def test_an_edit_takes_the_view_and_leaves_whom_one_follows(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, Presence(None, (Caret(0, 0),), 0, Activity.AWAY, bo.session, View(0, 0)))
        bench.commit()
        bench.room.update(ana, 1, Writer(11).type("x"))
        bench.commit()
        [known] = [p for p in welcome_of(bench.knock("third")).roster if p.person and p.person.name == "ana"]
        assert (known.carets, known.view) == ((), None)
        assert (known.following, known.activity) == (bo.session, Activity.AWAY)

    def test_a_view_that_rows_of_others_have_passed_is_left_out_for_who_cannot_shift_it(self) -> None:
        bench = Bench()
        ana, bo = bench.join("ana"), bench.join("bo")
        bench.room.present(ana, Presence(None, (Caret(0, 0),), 0, Activity.ACTIVE, bo.session, View(0, 0)))
        bench.commit()
        roster = {p.person.name: p for p in welcome_of(bench.knock("third")).roster if p.person}
        assert (roster["ana"].view, roster["ana"].following) == (View(0, 0), bo.session)
        bench.room.update(bo, 1, Writer(12).type("x"))
        bench.commit()
        eve = bench.knock("eve")
        roster = {p.person.name: p for p in welcome_of(eve).roster if p.person}
        assert (roster["ana"].view, roster["ana"].following) == (None, bo.session)
        eve.take()
        bench.room.resync(eve, EMPTY_STATE_VECTOR)
        resynced = {p.person.name: p for p in presences(eve) if p.person}
        assert (resynced["ana"].view, resynced["ana"].following) == (None, bo.session)


class Compared(int):
    """A row's number that counts how often it is compared."""

    times = 0

    def __ge__(self, other: int) -> bool:
        Compared.times += 1
        return int(self) >= other


def test_what_has_gathered_before_a_slow_disk_is_gone_through_once() -> None:
    bench = Bench()
    ana, bo, writer = bench.join("ana"), bench.join("bo"), Writer(11)
    rows = 300
    for n in range(1, rows + 1):
        bench.room.update(ana, n, writer.type("x"))
        move(bench, bo, n)
    Compared.times = 0
    for row in bench.rows:
        bench.room.committed(Compared(row.last))
    assert Compared.times < 10 * rows
    bench.wait(1)
    assert heads(ana)[-1] == rows
