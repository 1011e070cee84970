"""Following: who leads, what is to be seen for it, when it waits."""

from __future__ import annotations

from collab_client.lines import Position
from collab_client.people import People
from collab_protocol.presence import Activity, Person, Role
from collab_tui.following import Following, Leader, Sight
from tests.unit.collab_tui.stage import Clock, World

OWN = 1
VIEW = ((10, 0), (30, 3))
TEXT = "\n".join(f"row {n}" for n in range(100))


class Scene:
    """A world, the people in it, and somebody who follows."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.world = World(TEXT, clock=self.clock)
        self.people = People(self.world.buffer.peers, self.clock)
        self.people.own = Person(OWN, "me", "dee", Role.WRITE, 3)
        self.told: list[int] = []
        self.changes = 0
        self.following = Following(
            self.people, self.world.buffer.peers, follow=self.told.append, changed=self._changed
        )
        self.world.heard = self._heard

    def _heard(self, presence: object) -> None:
        self.people.heard(presence)  # type: ignore[arg-type]  # a Presence
        self.following.refresh()

    def _changed(self) -> None:
        self.changes += 1

    def ana(self, session: int = 7, head: tuple[int, int] = (15, 0), **said: object) -> None:
        self.clock.now += 1
        said.setdefault("view", VIEW)
        self.world.place("ana", head, session=session, principal="ana", colour=4, **said)  # type: ignore[arg-type]

    def follow(self, principal: str = "ana") -> None:
        someone = self.people.find_principal(principal)
        assert someone is not None
        self.following.begin(someone)

    @property
    def sight(self) -> Sight | None:
        return self.following.sight()


def test_the_view_of_the_leader_is_to_be_seen_and_their_caret_in_it() -> None:
    scene = Scene()
    scene.ana()
    assert scene.sight is None
    scene.follow()
    assert scene.following.leader == Leader("ana", 4, is_here=True)
    assert scene.told == [7]
    assert scene.sight == Sight(Position(10, 0), Position(15, 0), is_led_by_head=True)


def test_a_caret_that_the_leader_does_not_see_leads_nowhere() -> None:
    scene = Scene()
    scene.ana(head=(90, 0))
    scene.follow()
    assert scene.sight == Sight(Position(10, 0), Position(90, 0), is_led_by_head=False)


def test_one_who_does_not_tell_their_view_leads_by_the_caret() -> None:
    scene = Scene()
    scene.ana(view=None)
    scene.follow()
    assert scene.sight == Sight(None, Position(15, 0), is_led_by_head=True)


def test_the_session_that_moved_last_leads_as_long_as_it_lives() -> None:
    scene = Scene()
    scene.ana(7)
    scene.ana(8)
    scene.follow()
    scene.ana(7, head=(50, 0))
    assert scene.told == [8]
    scene.world.end(8)
    assert scene.told == [8, 7]
    assert scene.sight is not None
    assert scene.sight.head == Position(50, 0)


def test_it_waits_while_the_leader_is_gone() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    scene.world.end(7, activity=Activity.LOST)
    assert scene.following.leader == Leader("ana", 4, is_here=False)
    assert scene.sight is None
    scene.ana(21)
    assert scene.following.leader == Leader("ana", 4, is_here=True)
    scene.world.end(21)
    assert scene.following.leader == Leader("ana", 4, is_here=False)
    scene.ana(22)
    assert scene.told == [7, 0, 21, 0, 22]


def test_it_waits_while_the_own_link_is_gone() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    scene.world.buffer.clear_peers()
    scene.people.link_ended()
    scene.following.refresh()
    assert scene.following.leader == Leader("ana", 4, is_here=False)
    scene.ana(7)
    assert scene.told == [7, 0, 7]
    assert scene.sight is not None


def test_it_ends_once() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    assert scene.following.end() == Leader("ana", 4, is_here=True)
    assert (scene.following.leader, scene.sight, scene.told) == (None, None, [7, 0])
    changes = scene.changes
    assert scene.following.end() is None
    assert scene.changes == changes
    assert scene.following.last == "ana"


def test_nothing_is_told_when_nothing_has_changed() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    changes = scene.changes
    scene.ana(head=(16, 0))
    scene.world.place("bo", (0, 0), session=9)
    assert scene.changes == changes


def test_one_who_follows_back_leads_by_the_caret_alone() -> None:
    scene = Scene()
    scene.ana(following=OWN)
    scene.follow()
    assert scene.sight == Sight(None, Position(15, 0), is_led_by_head=True)
    scene.ana(following=0)
    assert scene.sight == Sight(Position(10, 0), Position(15, 0), is_led_by_head=True)


def test_so_does_one_who_follows_somebody_who_follows_back() -> None:
    scene = Scene()
    scene.world.place("bo", (0, 0), session=9, following=OWN, view=VIEW)
    scene.ana(following=9)
    scene.follow()
    assert scene.sight == Sight(None, Position(15, 0), is_led_by_head=True)


def test_two_others_who_follow_each_other_can_be_followed() -> None:
    scene = Scene()
    scene.world.place("bo", (0, 0), session=9, following=7, view=VIEW)
    scene.ana(following=9)
    scene.follow()
    assert scene.sight is not None
    assert scene.sight.top == Position(10, 0)


def test_it_waits_for_a_name() -> None:
    scene = Scene()
    scene.following.wait_for("ana")
    assert scene.following.leader == Leader("ana", None, is_here=False)
    scene.world.place("bo", (0, 0), session=9)
    assert scene.sight is None
    scene.ana()
    assert scene.following.leader == Leader("ana", 4, is_here=True)


def test_who_is_followed_by_name_may_come_from_another_machine_later() -> None:
    scene = Scene()
    scene.following.wait_for("ana")
    scene.ana()
    scene.world.end(7)
    scene.world.place("ana", (3, 0), session=12, principal="her laptop", colour=8)
    assert scene.following.leader == Leader("ana", 8, is_here=True)
    assert scene.told == [7, 0, 12]


def test_a_namesake_of_who_was_chosen_does_not_lead() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    scene.world.end(7)
    scene.world.place("ana", (3, 0), session=12, principal="somebody else")
    assert scene.following.leader == Leader("ana", 4, is_here=False)


def test_what_is_to_be_seen_moves_with_the_text() -> None:
    scene = Scene()
    scene.ana()
    scene.follow()
    scene.world.edit_elsewhere(0, 0, "one more\n")
    assert scene.sight == Sight(Position(11, 0), Position(16, 0), is_led_by_head=True)
