"""Tests of `collab_server.admission`, on a clock of their own: no sockets, no waiting."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_protocol.backoff import Backoff
from collab_server.admission import (
    FULL_RETRY_S,
    PENDING,
    PENDING_OF_ADDRESS,
    REFUSED_MOST_S,
    REMEMBERED,
    TRIES,
    Admission,
    Refusal,
    Visit,
    draw_return_ms,
)
from collab_server.bucket import RETRY_MOST_S
from collab_server.config import Caps
from collab_server.meters import Meters, Reason

CAPS = Caps()
ROUND_TRIP_S = 0.05


class Door:
    """An Admission with hands on its clock, and a list of whom it dropped."""

    def __init__(self, caps: Caps = CAPS) -> None:
        self.now = 1000.0
        self.meters = Meters()
        self.admission = Admission(caps, lambda: self.now, meters=self.meters)
        self.dropped: list[Visit] = []

    def knock(self, address: str | None = "192.0.2.1") -> Visit:
        holder: list[Visit] = []
        visit = self.admission.knock(address, lambda _: self.dropped.append(holder[0]))
        holder.append(visit)
        return visit

    def ask(self, address: str = "192.0.2.1", client: str = "") -> tuple[Visit, Refusal | None]:
        visit = self.knock(address)
        return visit, self.admission.ask(visit, address, client)

    def enter(self, address: str = "192.0.2.1", client: str = "") -> Visit:
        """Come in, which has to succeed."""
        visit, refusal = self.ask(address, client)
        assert refusal is None, refusal
        self.admission.greeted(visit)
        return visit

    def fail(self, address: str = "192.0.2.1", client: str = "") -> None:
        """Ask and go without a Hello."""
        visit, refusal = self.ask(address, client)
        assert refusal is None, refusal
        self.admission.gone(visit)

    def refusal(self, address: str = "192.0.2.1", client: str = "") -> Refusal | None:
        """Ask, go, and return what one was told."""
        visit, refusal = self.ask(address, client)
        self.admission.gone(visit)
        return refusal


def addresses(count: int) -> list[str]:
    return [f"10.0.{number // 250}.{number % 250}" for number in range(count)]


class TestReasons:
    """Whoever is refused is counted, once, by the cap that stood in the way."""

    def counted(self, door: Door) -> dict[Reason, int]:
        return {reason: count for reason, count in door.meters.refusals.items() if count}

    def test_an_address_that_has_its_share(self) -> None:
        door = Door(replace(CAPS, connections_per_address=1))
        door.enter()
        assert door.refusal() is not None
        assert self.counted(door) == {Reason.ADDRESS_FULL: 1}

    def test_a_server_that_is_full(self) -> None:
        door = Door(replace(CAPS, connections=1))
        door.enter("192.0.2.1")
        assert door.refusal("192.0.2.2") is not None
        assert self.counted(door) == {Reason.SERVER_FULL: 1}

    def test_a_rate_of_all_and_a_rate_of_one(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=4.0))
        for address in addresses(5):
            door.ask(address)
        assert self.counted(door) == {Reason.SERVER_RATE: 1}
        door = Door(replace(CAPS, accepts_per_s=4.0, connections_per_address=1))
        door.admission.gone(door.enter())
        assert door.refusal() is not None
        assert self.counted(door) == {Reason.ADDRESS_RATE: 1}

    def test_tries_that_came_to_nothing(self) -> None:
        door = Door()
        for _ in range(TRIES):
            door.fail()
        assert door.refusal() is not None
        assert self.counted(door) == {Reason.FAILED_TRIES: 1}

    def test_one_that_gives_way_to_newer_ones(self) -> None:
        door = Door()
        for address in addresses(PENDING + 3):
            door.knock(address)
        assert len(door.dropped) == 3
        assert self.counted(door) == {Reason.CROWDED_OUT: 3}

    def test_one_that_was_told_no_and_gives_way_before_it_is_gone(self) -> None:
        door = Door(replace(CAPS, connections=1))
        door.enter("192.0.2.1")
        assert door.ask("192.0.2.2")[1] is not None
        for address in addresses(PENDING):
            door.knock(address)
        assert len(door.dropped) == 1
        assert self.counted(door) == {Reason.SERVER_FULL: 1}


class TestRate:
    def test_a_burst_of_a_second_is_taken_and_no_more(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=20.0))
        told = [door.ask(address)[1] for address in addresses(25)]
        assert told[:20] == [None] * 20
        for refusal in told[20:]:
            assert refusal is not None
            assert "20 connections a second" in refusal.message
            assert refusal.retry_s >= 1

    def test_it_fills_again_at_the_rate(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=20.0))
        for address in addresses(20):
            door.enter(address)
        door.now += 0.25
        told = [door.ask(f"10.1.0.{number}")[1] for number in range(6)]
        assert [refusal is None for refusal in told] == [True] * 5 + [False]

    def test_whom_it_turns_away_it_tells_another_time_each(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=10.0))
        told = [door.refusal(address) for address in addresses(60)]
        # A try that comes to nothing gives its place back: here they all go without a word.
        assert told == [None] * 60
        door = Door(replace(CAPS, accepts_per_s=10.0))
        waits = [refusal.retry_s for address in addresses(60) if (refusal := door.ask(address)[1])]
        assert Counter(waits) == {1: 10, 2: 10, 3: 10, 4: 10, 5: 10}

    def test_nobody_is_told_to_wait_for_ever(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=1.0, connections=10**6))
        waits = [refusal.retry_s for address in addresses(400) if (refusal := door.ask(address)[1])]
        assert max(waits) == RETRY_MOST_S

    def test_what_was_promised_is_over_with_time(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=1.0))
        for address in addresses(30):
            door.ask(address)
        door.now += 100.0
        door.enter("10.9.0.1")
        refusal = door.refusal("10.9.0.2")
        assert refusal is not None
        assert refusal.retry_s == 1

    def test_one_address_that_comes_and_goes_leaves_places_for_others(self) -> None:
        door = Door(replace(CAPS, connections_per_address=8))
        told: list[Refusal | None] = []
        for number in range(2000):
            door.now += 0.001
            visit, refusal = door.ask("192.0.2.66", f"{number:016x}")
            if refusal is None:
                door.admission.greeted(visit)
            door.admission.gone(visit)
            told.append(refusal)
            if number % 20 == 0:
                door.admission.gone(door.enter(f"10.0.0.{number % 250}"))
        taken = told.count(None)
        assert taken <= 50 + 2.0 * 50 + 1
        last = told[-1]
        assert last is not None
        assert "from your address" in last.message


class TestCaps:
    def test_of_one_address(self) -> None:
        door = Door(replace(CAPS, connections_per_address=3))
        visits = [door.enter() for _ in range(3)]
        refusal = door.refusal()
        assert refusal is not None
        assert refusal.message == "3 connections from your address: close one, or try again later"
        assert refusal.retry_s == FULL_RETRY_S
        door.enter("192.0.2.2")
        door.admission.gone(visits[0])
        door.enter()

    def test_in_all(self) -> None:
        door = Door(replace(CAPS, connections=3))
        visits = [door.enter(address) for address in addresses(3)]
        refusal = door.refusal("192.0.2.9")
        assert refusal is not None
        assert "3 connections, which is all that this server takes" in refusal.message
        door.admission.gone(visits[1])
        door.admission.gone(visits[1])
        door.enter("192.0.2.9")
        assert door.admission.people == 3

    def test_those_that_say_nothing_keep_nobody_out(self) -> None:
        door = Door(replace(CAPS, connections_per_address=4))
        door.enter()
        silent = [door.ask()[0] for _ in range(4)]
        assert door.dropped == silent[:1], "one place was taken, and three were left for them"
        door.enter()
        assert door.dropped == silent[:2]
        assert door.admission.people == 2

    def test_nor_where_all_places_in_all_are_held_by_such(self) -> None:
        door = Door(replace(CAPS, connections=4))
        for address in addresses(4):
            door.ask(address)
        door.enter("192.0.2.9")
        assert len(door.dropped) == 1

    def test_one_whose_place_was_taken_is_told_to_try_again(self) -> None:
        door = Door(replace(CAPS, connections_per_address=1))
        early = door.knock()
        later, refusal = door.ask()
        assert refusal is None
        assert door.admission.ask(early, "192.0.2.1", "") is None, "the newest step counts, not the accept"
        assert door.dropped == [later]
        refusal = door.admission.ask(later, "192.0.2.1", "")
        assert refusal is not None
        door.admission.greeted(later)
        assert door.admission.people == 0


class TestPending:
    def test_of_one_address_those_that_had_their_time_go(self) -> None:
        door = Door()
        early = [door.knock() for _ in range(PENDING_OF_ADDRESS + 4)]
        assert door.dropped == [], "they may all be finishing just now"
        door.now += 2.0
        door.knock()
        assert door.dropped == early[:5]

    def test_of_one_address_there_are_never_more_than_it_may_have(self) -> None:
        door = Door()
        early = [door.knock() for _ in range(CAPS.connections_per_address + 10)]
        assert door.dropped == early[:10]

    def test_other_addresses_are_left_alone(self) -> None:
        door = Door()
        healthy = door.knock("192.0.2.9")
        for _ in range(1000):
            door.knock()
        assert healthy not in door.dropped
        assert door.admission.ask(healthy, "192.0.2.9", "") is None

    def test_in_all_the_address_with_the_most_gives_way(self) -> None:
        door = Door()
        healthy = [door.knock(f"10.9.0.{number}") for number in range(100)]
        for address, _ in itertools.product(addresses(20), range(CAPS.connections_per_address)):
            door.knock(address)
            assert door.admission.pending <= PENDING
        assert not set(healthy) & set(door.dropped)

    def test_in_all_the_oldest_goes_where_all_have_one(self) -> None:
        door = Door()
        visits = [door.knock(address) for address in addresses(PENDING + 1)]
        assert door.dropped == visits[:1]

    def test_many_people_behind_a_proxy_are_not_one_address(self) -> None:
        door = Door(replace(CAPS, accepts_per_s=1000.0))
        visits = [door.knock(None) for _ in range(300)]
        door.now += 3.0
        door.knock(None)
        assert door.dropped == []
        for visit, address in zip(visits, addresses(300), strict=True):
            assert door.admission.ask(visit, address, "") is None
            door.admission.greeted(visit)
        assert door.admission.people == 300

    def test_a_healthy_client_comes_in_while_its_address_is_flooded(self) -> None:
        door = Door()
        dice = random.Random(7)
        for number in range(2000):
            door.now += 0.002
            if dice.random() < 0.5:
                door.knock()
            else:
                door.ask(client=f"{number:016x}")
            if number % 100 == 50:
                visit, refusal = door.ask(client="c" * 16)
                assert refusal is None, refusal
                for _ in range(int(ROUND_TRIP_S / 0.002)):
                    door.now += 0.002
                    door.knock()
                door.admission.greeted(visit)
                assert visit not in door.dropped
                door.admission.gone(visit)


class TestFailures:
    def test_tries_that_come_to_nothing_are_refused_for_longer_and_longer(self) -> None:
        door = Door()
        for _ in range(5):
            door.fail(client="a" * 16)
        waits = []
        for _ in range(12):
            refusal = door.refusal(client="a" * 16)
            assert refusal is not None
            waits.append(refusal.retry_s)
            door.now += refusal.retry_s
            door.fail(client="a" * 16)
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, REFUSED_MOST_S, REFUSED_MOST_S, REFUSED_MOST_S]

    def test_asking_while_refused_makes_it_no_longer(self) -> None:
        door = Door()
        for _ in range(6):
            door.now += 1.0
            door.fail(client="a" * 16)
        for _ in range(50):
            refusal = door.refusal(client="a" * 16)
            assert refusal is not None
            assert "6 tries" in refusal.message
        door.now += 2.0
        assert door.refusal(client="a" * 16) is None

    def test_one_that_finishes_starts_anew(self) -> None:
        door = Door()
        for _ in range(5):
            door.fail(client="a" * 16)
        door.now += 1.0
        door.admission.gone(door.enter(client="a" * 16))
        for _ in range(4):
            door.fail(client="a" * 16)
        assert door.refusal(client="a" * 16) is None

    def test_others_at_the_address_and_elsewhere_are_not_refused(self) -> None:
        door = Door()
        for _ in range(40):
            door.now += 300.0
            door.fail(client="a" * 16)
        assert door.refusal(client="a" * 16) is not None
        door.enter(client="b" * 16)
        door.enter("192.0.2.9", client="a" * 16)

    def test_who_was_pushed_out_by_others_before_it_could_finish_has_not_failed(self) -> None:
        door = Door()
        for _ in range(8):
            visit, refusal = door.ask(client="a" * 16)
            assert refusal is None, refusal
            while visit not in door.dropped:
                door.knock()
        door.enter(client="a" * 16)

    def test_who_had_its_time_before_others_pushed_it_out_has(self) -> None:
        door = Door()
        for _ in range(5):
            visit, _ = door.ask(client="a" * 16)
            door.now += 1.0
            while visit not in door.dropped:
                door.knock()
        assert door.refusal(client="a" * 16) is not None

    def test_one_that_says_no_name_counts_as_such(self) -> None:
        door = Door()
        for _ in range(5):
            door.fail()
        assert door.refusal() is not None
        door.enter(client="b" * 16)

    def test_a_connection_without_a_request_counts_for_nobody(self) -> None:
        door = Door()
        for _ in range(100):
            door.admission.gone(door.knock())
        door.enter()


def test_memory_is_bounded_whatever_comes() -> None:
    door = Door()
    for number in range(3 * REMEMBERED):
        door.now += 0.01
        door.fail(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"{number:016x}")
    admission = door.admission
    assert len(admission._failures) == len(admission._left) == REMEMBERED
    assert not admission._here
    assert not admission._pending


@given(st.lists(st.tuples(st.sampled_from("kagxt"), st.integers(0, 3), st.integers(0, 8)), max_size=200))
def test_it_counts_right_whatever_the_order(steps: list[tuple[str, int, int]]) -> None:
    caps = replace(CAPS, connections=5, connections_per_address=3, accepts_per_s=4.0)
    door = Door(caps)
    visits: list[Visit] = []
    greeted: set[Visit] = set()
    asked: set[Visit] = set()
    for step, address, which in steps:
        visit = visits[which % len(visits)] if visits else None
        match step:
            case "k":
                visits.append(door.knock(f"10.0.0.{address}" if address else None))
            case "a" if visit is not None and visit not in asked:
                asked.add(visit)
                refusal = door.admission.ask(visit, visit.address or f"10.0.0.{which}", "")
                if refusal is None:
                    greeted.add(visit)
            case "g" if visit in greeted:
                door.admission.greeted(visit)
            case "x" if visit is not None:
                door.admission.gone(visit)
                visits.remove(visit)
            case "t":
                door.now += which / 4
        assert door.admission.people <= caps.connections
        assert len(set(door.dropped)) == len(door.dropped)
    for visit in visits:
        door.admission.gone(visit)
    assert (door.admission.people, door.admission.pending) == (0, 0)
    assert not door.admission._here


class Storm:
    """Clients that all come at once, by the rules that clients go by, on a clock that is not real."""

    def __init__(self, clients: int, rate: float, seed: int, *, is_jittered: bool) -> None:
        self.dice = random.Random(seed)
        self.door = Door(replace(CAPS, accepts_per_s=rate))
        self.attempts: list[float] = []
        self.accepts: list[float] = []
        began = self.door.now
        order = itertools.count()
        backoffs = [Backoff(self.dice.random) for _ in range(clients)]
        events: list[tuple[float, int, int, Visit | None]] = []
        for number, backoff in enumerate(backoffs):
            at = began + (backoff.next_delay_s() if is_jittered else 0.0)
            heapq.heappush(events, (at, next(order), number, None))
        while events:
            self.door.now, _, number, visit = heapq.heappop(events)
            if visit is not None:
                self.door.admission.greeted(visit)
                self.accepts.append(self.door.now - began)
                continue
            self.attempts.append(self.door.now - began)
            visit, refusal = self.door.ask(f"10.0.{number // 50}.{number % 50}", f"{number:016x}")
            if refusal is None:
                heapq.heappush(events, (self.door.now + ROUND_TRIP_S, next(order), number, visit))
            else:
                self.door.admission.gone(visit)
                again = self.door.now + backoffs[number].next_delay_s(float(refusal.retry_s))
                heapq.heappush(events, (again, next(order), number, None))


@pytest.mark.parametrize("is_jittered", [True, False])
@pytest.mark.parametrize("rate", [20.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("seed", range(5))
def test_five_hundred_clients_come_back_at_the_rate(rate: float, seed: int, is_jittered: bool) -> None:
    storm = Storm(500, rate, seed, is_jittered=is_jittered)
    assert len(storm.accepts) == 500
    assert not storm.door.dropped
    for at in storm.accepts:
        within = sum(1 for other in storm.accepts if at <= other < at + 1.0)
        assert within <= 2 * rate + 1, "the rate, and the burst of a second's worth"
    # The last ones are told 500 / rate and come after up to twice that; a few have to come once more.
    assert max(storm.accepts) <= 2.5 * 500 / rate + 4.0
    later = Counter(int(at) for at in storm.attempts if at >= 1.0)
    if later:
        seconds = max(later) - min(later) + 1
        average = sum(later.values()) / seconds
        assert max(later.values()) <= min(2.0 * average, rate) + 10
    assert len(storm.attempts) <= 3 * 500


@pytest.mark.parametrize(("people", "over_s"), [(1, 2.0), (200, 2.0), (500, 5.0), (5000, 50.0)])
def test_those_who_are_sent_away_are_told_another_time_each(people: int, over_s: float) -> None:
    dice = random.Random(1)
    drawn = [draw_return_ms(people, CAPS, dice.random) for _ in range(2000)]
    assert 0 <= min(drawn) < 0.01 * over_s * 1000
    assert 0.99 * over_s * 1000 < max(drawn) <= over_s * 1000
