from __future__ import annotations

import pytest

from collab_client.carets import Patch, passages
from collab_client.lines import Lines, Position
from collab_client.peer_carets import PeerCarets, Ring
from collab_client.people import Doing, News, People, Someone
from collab_protocol import limits
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person, Role

ME = Person(1, "unix:me", "me", Role.WRITE, 0)


class Room:
    """People, and what happens around them."""

    def __init__(self, *here: Presence) -> None:
        self.now = 100.0
        self.lines = Lines("one\ntwo\nthree")
        self.peers = PeerCarets(self.lines, Ring(), clock=lambda: self.now)
        self.people = People(self.peers, lambda: self.now)
        self.changes = 0
        self.people.on_change = self._changed
        self.enter(*here)
        self.people.settle()

    def _changed(self) -> None:
        self.changes += 1

    def enter(self, *here: Presence) -> None:
        self.peers.clear()
        for presence in here:
            self.peers.place(presence, self.now)
        self.people.entered(ME)

    def lose_link(self) -> None:
        self.peers.clear()
        self.people.link_ended()

    def hear(self, *said: Presence) -> None:
        for presence in said:
            self.peers.place(presence, self.now)
            self.people.heard(presence)

    def type(self, session: int) -> None:
        here = Position(0, 0)
        (passage,) = passages([Patch(here, here, self.lines.replace(here, here, "x"))])
        self.peers.shift(passage, session)
        self.people.typed(session)

    def wait(self, for_s: float) -> None:
        self.now += for_s
        self.people.tick()

    def news(self) -> News | None:
        return self.people.settle()[1]

    def has_changed(self) -> bool:
        return self.people.settle()[0]

    def only(self) -> Someone:
        (someone,) = self.people.everybody()
        return someone

    @property
    def doing(self) -> dict[str, Doing]:
        return {someone.name: someone.doing for someone in self.people.everybody()}


def says(
    session: int,
    name: str,
    activity: Activity = Activity.ACTIVE,
    *,
    at: tuple[int, ...] = (0,),
    following: int = 0,
    role: Role = Role.WRITE,
) -> Presence:
    carets = (Caret(at[0], at[-1]),) if at else ()
    return Presence(Person(session, f"unix:{name}", name, role, 5), carets, 0, activity, following)


def test_one_person_in_two_windows_is_one_with_the_caret_that_moved_last() -> None:
    room = Room(says(2, "ana", at=(4,)), says(3, "bo"))
    room.now += 1
    room.hear(says(4, "ana", at=(8,)))
    ana, bo = room.people.everybody()
    assert (ana.name, ana.sessions, ana.head) == ("ana", (4, 2), (2, 0))
    assert (bo.sessions, bo.colour, bo.role, bo.is_me) == ((3,), 5, Role.WRITE, False)
    room.now += 1
    room.hear(says(2, "ana", at=(5,)))
    ana, _ = room.people.everybody()
    assert (ana.sessions, ana.head) == ((2, 4), (1, 1))
    room.hear(says(4, "ana", Activity.GONE, at=()))
    ana, _ = room.people.everybody()
    assert ana.sessions == (2,)


def test_other_windows_of_mine_are_me_and_no_news() -> None:
    room = Room()
    room.hear(says(2, "me"))
    assert room.only().is_me
    assert room.news() is None
    room.hear(says(2, "me", Activity.LOST, at=()))
    assert room.people.everybody() == []
    assert room.news() is None


def test_a_caret_that_is_not_known_has_no_place() -> None:
    room = Room(says(2, "ana", at=()))
    assert (room.only().head, room.only().doing) == (None, Doing.HERE)


@pytest.mark.parametrize(
    ("windows", "doing"),
    [
        ([(Activity.ACTIVE, (0,))], Doing.HERE),
        ([(Activity.ACTIVE, (0, 3))], Doing.SELECTING),
        ([(Activity.IDLE, (0, 3))], Doing.IDLE),
        ([(Activity.AWAY, (0,))], Doing.AWAY),
        ([(Activity.AWAY, (0,)), (Activity.IDLE, (0,))], Doing.IDLE),
        ([(Activity.ACTIVE, (0,)), (Activity.AWAY, (0, 3))], Doing.HERE),
        ([(Activity.ACTIVE, (0, 3)), (Activity.ACTIVE, (0,))], Doing.HERE),
    ],
)
def test_what_somebody_does_is_what_the_liveliest_window_says(
    windows: list[tuple[Activity, tuple[int, ...]]], doing: Doing
) -> None:
    room = Room()
    for session, (activity, at) in enumerate(windows, 2):
        room.now += 1
        room.hear(says(session, "ana", activity, at=at))
    assert room.only().doing is doing


def test_typing_ends_a_while_after_the_last_row() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    assert room.people.due_at() is None
    room.type(2)
    assert room.has_changed()
    assert room.doing == {"ana": Doing.TYPING, "bo": Doing.HERE}
    assert room.people.due_at() == 102.0
    room.now += 1.5
    room.type(2)
    assert not room.has_changed()
    room.wait(1.5)
    assert room.doing["ana"] is Doing.TYPING
    assert room.people.due_at() == 103.5
    room.wait(0.5)
    assert room.doing["ana"] is Doing.HERE
    assert room.has_changed()
    assert room.people.due_at() is None


def test_rows_of_mine_and_of_those_who_went_are_nobodys_typing() -> None:
    room = Room(says(2, "ana"))
    for session in (1, 9):
        room.type(session)
    assert not room.has_changed()


def test_moving_a_caret_is_no_change() -> None:
    room = Room(says(2, "ana"))
    for at in ((1,), (2,), (2, 5)):
        room.hear(says(2, "ana", at=at))
    assert room.has_changed()  # a selection begins
    room.hear(says(2, "ana", at=(3, 6)))
    assert not room.has_changed()
    room.hear(says(2, "ana", Activity.IDLE, at=(3, 6)))
    assert room.has_changed()


def test_a_change_is_told_of_once_until_it_is_looked_at() -> None:
    room = Room(says(2, "ana"))
    before = room.changes
    room.hear(says(3, "bo"), says(4, "cy"), says(2, "ana", Activity.IDLE))
    assert room.changes == before + 1


def test_another_role_or_name_is_a_change() -> None:
    room = Room(says(2, "ana"))
    room.hear(says(2, "ana", role=Role.READ))
    assert room.has_changed()
    assert room.only().role is Role.READ


def test_who_was_there_when_we_entered_is_no_news() -> None:
    room = Room()
    room.enter(says(2, "ana"))
    assert room.people.settle() == (True, None)


def test_news_of_one_turn_come_together() -> None:
    room = Room(says(2, "ana"))
    room.hear(says(3, "bo"), says(4, "cy"), says(2, "ana", Activity.GONE, at=()))
    assert room.people.settle() == (True, News(("bo", "cy"), ("ana",)))
    assert room.people.settle() == (False, None)
    room.hear(says(5, "bo"), says(3, "bo", Activity.GONE, at=()))
    assert room.news() is None


def test_who_lost_the_connection_is_offline_and_then_gone() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    room.hear(says(2, "ana", Activity.LOST, at=()))
    assert room.people.settle() == (True, None)
    ana, bo = room.people.everybody()
    assert (ana.doing, ana.sessions, ana.head) == (Doing.OFFLINE, (), None)
    assert bo.doing is Doing.HERE
    assert room.people.due_at() == 100.0 + limits.GRACE_S
    room.wait(limits.GRACE_S - 1)
    assert room.news() is None
    room.wait(1)
    assert room.people.settle() == (True, News((), ("ana",)))
    assert list(room.doing) == ["bo"]


def test_who_is_back_in_time_is_no_news_and_in_their_old_place() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    room.hear(says(2, "ana", Activity.LOST, at=()))
    room.people.settle()
    room.now += 5
    room.hear(says(4, "ana"))
    assert room.people.settle() == (True, None)
    assert room.doing == {"ana": Doing.HERE, "bo": Doing.HERE}
    room.wait(2 * limits.GRACE_S)
    assert room.people.settle() == (False, None)
    assert room.people.find("ana") is not None


def test_a_lost_window_of_two_leaves_the_person_here() -> None:
    room = Room(says(2, "ana"), says(3, "ana", Activity.IDLE))
    room.hear(says(2, "ana", Activity.LOST, at=()))
    assert (room.only().doing, room.only().sessions) == (Doing.IDLE, (3,))
    assert room.people.due_at() is None


def test_the_end_of_an_unknown_session_is_nothing() -> None:
    room = Room(says(2, "ana"))
    room.hear(says(9, "bo", Activity.LOST, at=()), says(9, "ana", Activity.GONE, at=()))
    assert room.people.settle() == (False, None)
    assert room.only().sessions == (2,)


def test_without_a_link_nobody_is_here_and_that_is_no_news() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    room.hear(says(3, "bo", Activity.LOST, at=()))
    room.people.settle()
    room.lose_link()
    assert room.people.settle() == (True, None)
    assert room.people.everybody() == []
    assert room.people.due_at() is None
    room.enter(says(4, "cy"), says(5, "ana"))
    assert room.people.settle() == (True, None)
    assert list(room.doing) == ["cy", "ana"]


def test_who_was_here_and_comes_back_a_moment_after_us_is_no_news() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    room.lose_link()
    room.enter()
    room.people.settle()
    room.now += 1
    room.hear(says(4, "ana"), says(5, "cy"))
    assert room.news() == News(("cy",), ())
    room.lose_link()  # again, before bo was back
    room.enter()
    room.people.settle()
    room.hear(says(6, "bo"))
    assert room.news() is None
    room.now += limits.GRACE_S
    room.hear(says(7, "ana"))
    assert room.news() == News(("ana",), ())


def test_followers_are_people_and_not_my_own_windows() -> None:
    room = Room(says(2, "ana", following=1), says(3, "ana", following=1), says(4, "bo", following=2))
    assert room.people.followers == 1
    assert [someone.follows_me for someone in room.people.everybody()] == [True, False]
    room.hear(says(5, "me", following=1))
    assert room.people.followers == 1
    room.hear(says(4, "bo", following=1))
    assert room.has_changed()
    assert room.people.followers == 2
    room.hear(says(4, "bo", Activity.LOST, at=(), following=1))
    assert room.people.followers == 1


def test_round_trips_are_those_of_the_window_that_moved_last() -> None:
    room = Room(says(2, "ana"), says(3, "bo"))
    room.people.settle()
    room.people.pulse([(1, 5), (2, 48)])
    assert room.has_changed()
    assert [someone.round_trip_ms for someone in room.people.everybody()] == [48, None]
    room.now += 1
    room.hear(says(4, "ana", at=(2,)))
    room.people.pulse([(2, 40), (4, 90)])
    assert room.people.everybody()[0].round_trip_ms == 90


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ana", "ana"),
        ("Ana", "Ana"),
        ("ANA", "ana"),
        ("an", None),
        ("b", "Bo"),
        ("BO", "Bo"),
        ("c", "cy"),
        ("", None),
        ("dan", None),
    ],
)
def test_people_are_found_by_name(name: str, found: str | None) -> None:
    room = Room(says(2, "ana"), says(3, "Ana"), says(4, "Bo"), says(5, "cy"))
    room.hear(says(5, "cy", Activity.LOST, at=()))
    someone = room.people.find(name)
    assert (someone.name if someone else None) == found


def test_another_person_of_my_name_is_found_before_my_other_window() -> None:
    mine = Presence(Person(2, "unix:me", "ana", Role.WRITE, 0), (), 0, Activity.ACTIVE)
    room = Room(mine, says(3, "ana"))
    found = room.people.find("ana")
    assert found is not None
    assert found.sessions == (3,)


def test_people_are_found_by_principal() -> None:
    room = Room(says(2, "ana"))
    found = room.people.find_principal("unix:ana")
    assert found is not None
    assert found.name == "ana"
    assert room.people.find_principal("unix:bo") is None


def test_an_older_server_does_not_say_who_we_are() -> None:
    room = Room(says(2, "ana", following=1))
    room.people.entered(None)
    assert room.people.followers == 0
    assert not room.only().is_me


def test_of_a_crowd_that_comes_and_drops_no_more_are_offline_than_fit_into_a_room() -> None:
    room = Room()
    for session in range(2, 3 * limits.PEOPLE):
        person = Person(session, f"unix:{session}", "x", Role.WRITE, 0)
        room.hear(*(Presence(person, (), 0, said) for said in (Activity.ACTIVE, Activity.LOST)))
    assert len(room.people.everybody()) == limits.PEOPLE
    room.wait(limits.GRACE_S)
    assert room.people.everybody() == []
