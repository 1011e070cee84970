"""Tests of `collab_server.ledger`: what waits for the disk leaves in order, and not before."""

from __future__ import annotations

from collab_server.ledger import Ledger


def test_what_waits_leaves_in_order_as_its_rows_reach_the_disk() -> None:
    ledger, left = Ledger(4, lambda: 0.0), list[str]()
    ledger.seq = 6
    ledger.when_on_disk(5, lambda: left.append("of 5"))
    ledger.when_on_disk(6, lambda: left.append("of 6"))
    assert not left
    ledger.reached(5)
    assert left == ["of 5"]
    assert not ledger.is_settled
    ledger.reached(6)
    assert left == ["of 5", "of 6"]
    assert ledger.is_done


def test_nothing_overtakes_what_came_before_it() -> None:
    ledger, left = Ledger(4, lambda: 0.0), list[str]()
    ledger.seq = 5
    ledger.when_on_disk(5, lambda: left.append("first"))
    ledger.when_on_disk(4, lambda: left.append("rests on less"))
    assert not left
    ledger.reached(5)
    assert left == ["first", "rests on less"]


def test_what_is_added_while_the_rest_leaves_comes_behind_it() -> None:
    ledger, left = Ledger(4, lambda: 0.0), list[str]()
    ledger.seq = 5
    ledger.when_on_disk(5, lambda: ledger.when_on_disk(5, lambda: left.append("added")))
    ledger.when_on_disk(5, lambda: left.append("second"))
    ledger.reached(5)
    assert left == ["second", "added"]


def test_an_older_word_of_the_log_takes_nothing_back() -> None:
    ledger = Ledger(4, lambda: 0.0)
    ledger.reached(3)
    assert ledger.committed == 4


def test_it_says_for_how_long_the_oldest_has_waited() -> None:
    now = [10.0]
    ledger = Ledger(4, lambda: now[0])
    assert ledger.waits_s() == 0.0
    ledger.when_on_disk(5, lambda: None)
    now[0] = 12.5
    assert ledger.waits_s() == 2.5


def test_nothing_leaves_once_it_is_given_up() -> None:
    ledger, left = Ledger(4, lambda: 0.0), list[str]()
    ledger.when_on_disk(5, lambda: left.append("late"))
    ledger.give_up()
    ledger.reached(5)
    assert not left
    assert ledger.is_over
