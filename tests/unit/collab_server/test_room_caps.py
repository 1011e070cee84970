from __future__ import annotations

import pytest

from collab_server import room_caps
from collab_server.config import Caps
from collab_server.room_caps import Refused, RoomCaps

HOUR_S = 3600.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_one_may_make_so_many_rooms_a_day_and_then_more_as_the_day_goes_by() -> None:
    clock = Clock()
    caps = RoomCaps(Caps(rooms_per_day=3), clock)
    for number in range(3):
        caps.take(f"r{number}", "unix:ana")
    with pytest.raises(Refused, match=r"r3 cannot be made: one may make 3 new rooms a day"):
        caps.take("r3", "unix:ana")
    caps.take("r3", "unix:bo")
    clock.now += 7 * HOUR_S
    with pytest.raises(Refused):
        caps.take("r4", "unix:ana")
    clock.now += HOUR_S
    caps.take("r4", "unix:ana")
    with pytest.raises(Refused):
        caps.take("r5", "unix:ana")


def test_another_name_is_no_other_maker() -> None:
    caps = RoomCaps(Caps(rooms_per_day=1), Clock())
    caps.take("one", "unix:ana/bo")
    with pytest.raises(Refused):
        caps.take("two", "unix:ana/cy")


def test_the_server_itself_may_make_any() -> None:
    caps = RoomCaps(Caps(rooms_per_day=1), Clock())
    for number in range(5):
        caps.take(f"r{number}", "")


def test_no_more_rooms_are_made_than_the_server_keeps_until_one_is_deleted() -> None:
    caps = RoomCaps(Caps(rooms=2, rooms_per_day=10), Clock())
    caps.stored = 0
    caps.take("one", "unix:ana")
    caps.take("two", "unix:ana")
    with pytest.raises(Refused, match="keeps 2 rooms at most"):
        caps.take("three", "unix:ana")
    caps.made(-1)
    caps.take("three", "unix:ana")


def test_a_room_that_the_server_has_no_place_for_does_not_count_against_its_maker() -> None:
    caps = RoomCaps(Caps(rooms=0, rooms_per_day=1), Clock())
    caps.stored = 0
    with pytest.raises(Refused, match="keeps 0 rooms"):
        caps.take("one", "unix:ana")
    caps.made(-1)
    caps.take("one", "unix:ana")


def test_makers_are_forgotten_when_there_are_too_many_the_longest_idle_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room_caps, "_MAKERS", 3)
    caps = RoomCaps(Caps(rooms_per_day=2), Clock())
    for maker in ("a", "b", "c", "a", "d"):
        caps.take("room", maker)
    assert list(caps._makers) == ["c", "a", "d"]
    with pytest.raises(Refused):
        caps.take("room", "a")
