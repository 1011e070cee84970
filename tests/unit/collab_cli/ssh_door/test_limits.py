"""How many may knock, and how often."""

from __future__ import annotations

from collab_cli.ssh_door.limits import TRIES, DoorCaps, Limits, Visit

_ROOMY = DoorCaps(connections=1000, connections_of_address=1000, unknown=1000, unknown_of_address=1000)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def nothing() -> None:
    pass


def knocked(limits: Limits, address: str = "10.0.0.1") -> Visit:
    visit = limits.knock(address, nothing)
    assert visit is not None
    return visit


def test_the_oldest_of_an_address_that_has_not_logged_in_gives_way() -> None:
    limits = Limits(DoorCaps(100, 100, unknown=100, unknown_of_address=2), Clock())
    dropped: list[str] = []
    limits.came_in(knocked(limits))
    for name in ("first", "second", "third"):
        assert limits.knock("10.0.0.1", lambda name=name: dropped.append(name))  # type: ignore[misc]
    assert dropped == ["first"]
    assert limits.knock("10.0.0.2", nothing)
    assert dropped == ["first"], "another address has room of its own"


def test_the_oldest_of_all_gives_way_when_many_addresses_say_nothing() -> None:
    limits = Limits(DoorCaps(100, 100, unknown=3, unknown_of_address=3), Clock())
    dropped: list[int] = []
    for number in range(5):
        assert limits.knock(f"10.0.0.{number}", lambda number=number: dropped.append(number))  # type: ignore[misc]
    assert dropped == [0, 1]


def test_caps_of_an_address_and_of_all_turn_newcomers_away() -> None:
    limits = Limits(DoorCaps(connections=3, connections_of_address=2), Clock())
    first, _ = knocked(limits), knocked(limits)
    assert limits.knock("10.0.0.1", nothing) is None
    knocked(limits, "10.0.0.2")
    assert limits.knock("10.0.0.3", nothing) is None
    limits.gone(first)
    knocked(limits)


def test_tries_of_one_connection_end() -> None:
    limits = Limits(_ROOMY, Clock())
    visit = knocked(limits)
    assert [limits.failed(visit, is_guess=False) for _ in range(TRIES)] == [True] * (TRIES - 1) + [False]


def tries_of_a_visit(limits: Limits, address: str) -> int:
    visit = knocked(limits, address)
    while limits.failed(visit, is_guess=True):
        pass
    limits.gone(visit)
    return visit.tries


def test_an_address_that_guesses_is_slowed_down_and_others_are_not() -> None:
    clock = Clock()
    limits = Limits(_ROOMY, clock)
    assert sum(tries_of_a_visit(limits, "10.0.0.1") for _ in range(10)) == 60
    assert tries_of_a_visit(limits, "10.0.0.1") == 1
    assert tries_of_a_visit(limits, "10.0.0.2") == TRIES
    limits.came_in(knocked(limits, "10.0.0.1"))  # a right key behind the same router
    clock.now += 60
    assert tries_of_a_visit(limits, "10.0.0.1") == TRIES


def test_an_address_that_only_opens_connections_has_to_wait_and_not_for_long() -> None:
    clock = Clock()
    limits = Limits(_ROOMY, clock)
    count = 0
    while (visit := limits.knock("10.0.0.1", nothing)) is not None:
        count += 1
        limits.gone(visit)
    assert count == 120
    knocked(limits, "10.0.0.2")
    clock.now += 0.2
    knocked(limits)


def test_who_logs_in_pays_nothing() -> None:
    limits = Limits(_ROOMY, Clock())
    for _ in range(500):
        visit = knocked(limits)
        limits.came_in(visit)
        limits.came_in(visit)
        limits.gone(visit)


def test_what_one_person_may_have_all_of_is_one_address() -> None:
    limits = Limits(DoorCaps(connections=100, connections_of_address=1), Clock())
    knocked(limits, "2001:db8::1")
    assert limits.knock("2001:db8::2:3:4", nothing) is None
    knocked(limits, "2001:db8:0:1::1")
    knocked(limits, "::ffff:10.0.0.1")
    assert limits.knock("10.0.0.1", nothing) is None
    knocked(limits, "fe80::1%eth0")


def test_memory_is_bounded() -> None:
    limits = Limits(_ROOMY, Clock())
    for number in range(10_000):
        limits.gone(knocked(limits, f"10.0.{number // 250}.{number % 250}"))
    assert len(limits._buckets) <= 4096
    assert not limits._visits


def test_keys_that_are_offered_cost_an_address_nothing() -> None:
    limits = Limits(_ROOMY, Clock())
    for _ in range(50):
        visit = knocked(limits)
        assert limits.failed(visit, is_guess=False)
        limits.came_in(visit)
    assert tries_of_a_visit(limits, "10.0.0.1") == TRIES
