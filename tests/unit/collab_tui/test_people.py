"""One person for all of their sessions, with one sign everywhere."""

from __future__ import annotations

from collab_client.people import People
from collab_protocol.presence import Activity, Person, Role
from collab_tui.initials import initials
from collab_tui.people import PeopleShown, accounts_of, signs_of
from collab_tui.widgets.status_line import PersonShown
from tests.unit.collab_tui.stage import Clock, World


def room() -> tuple[World, People]:
    world = World("text", clock=Clock())
    people = People(world.buffer.peers, world.clock)
    world.heard = people.heard
    return world, people


def test_two_windows_are_one_person() -> None:
    world, people = room()
    world.place("ana", (0, 0), session=3, colour=5, principal="a", activity=Activity.IDLE)
    world.place("bo", (0, 0), session=4, colour=6, activity=Activity.AWAY)
    world.place("ana", (0, 0), session=5, colour=5, principal="a")
    assert PeopleShown().of(people.everybody()) == [
        PersonShown("ana", "A", 5, Activity.ACTIVE, 2),
        PersonShown("bo", "B", 6, Activity.AWAY, 1),
    ]


def test_who_has_lost_the_connection_is_still_named() -> None:
    world, people = room()
    world.place("ana", (0, 0), session=3, colour=5)
    world.end(3, activity=Activity.LOST)
    assert PeopleShown().of(people.everybody()) == [PersonShown("ana", "A", 5, Activity.LOST, 1)]


def test_signs_are_those_of_the_text_and_the_others_get_what_is_left() -> None:
    world, people = room()
    for session, name in ((3, "ada"), (4, "ana"), (5, "al")):
        world.place(name, (0, 0), session=session)
    world.end(3, activity=Activity.LOST)
    own = Person(1, "me", "ann", Role.WRITE, 0)
    signs = signs_of(people.everybody(), own)
    in_the_text = initials(peer.person for peer in world.buffer.peers.values())
    assert in_the_text.items() <= signs.items()
    assert signs["device:3"] == "D"
    assert signs["me"] == "N"
    assert len(set(signs.values())) == len(signs) == 4


def test_what_is_shown_is_made_anew_only_when_it_is_another() -> None:
    world, people = room()
    shown = PeopleShown()
    world.place("ana", (0, 0), session=3, colour=5)
    first = shown.of(people.everybody())
    world.place("ana", (0, 1), (0, 3), session=3, colour=5)
    assert shown.of(people.everybody()) is first
    world.place("ana", (0, 1), session=3, colour=5, activity=Activity.IDLE)
    assert shown.of(people.everybody()) == [PersonShown("ana", "A", 5, Activity.IDLE, 1)]
    world.place("ana", (0, 1), session=4, colour=5)
    assert [person.sign for person in shown.of(people.everybody())] == ["A", "N"]


def test_whose_account_it_is_stands_behind_a_name_that_is_not_the_accounts() -> None:
    world, people = room()
    world.place("ana", (0, 0), session=2, principal="unix:ana")
    world.place("Ana", (0, 0), session=3, principal="unix:bo/Ana")
    world.place("cy", (0, 0), session=4, principal="unix:cy")
    world.place("dee", (0, 0), session=5, principal="device:12/dee")
    world.place("a/b", (0, 0), session=6, principal="unix:eve/a/b")
    world.place("key", (0, 0), session=7, principal="key:0123")
    world.place("gus", (0, 0), session=8, principal="unix:g\x1b[7mus/gus")
    people.entered(Person(1, "unix:fay/cy", "cy", Role.WRITE, 0))
    assert accounts_of(people.everybody(), people.own) == {
        "unix:ana": "ana",  # two are called so
        "unix:bo/Ana": "bo",
        "unix:cy": "cy",
        "device:12/dee": "",
        "unix:eve/a/b": "eve",
        "key:0123": "",
        "unix:g\x1b[7mus/gus": "g␛[7mus",
        "unix:fay/cy": "fay",
    }
