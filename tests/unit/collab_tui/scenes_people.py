"""Screens with others in them: their carets, the list of them, following, looks asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.pilot import Pilot

from collab_protocol.presence import Activity, Person, Role
from collab_tui.palette import Theme
from tests.unit.collab_tui.scene import LARGE, SMALL, THEMES, USUAL, Scene, in_ascii, in_looks, press
from tests.unit.collab_tui.scenes_text import MINUTES
from tests.unit.collab_tui.stage import Stage, until

_OWN: Final = Person(1, "account:dee", "dee", Role.ADMIN, 3)
_LONG: Final = MINUTES + "".join(f"\n{n}. and so on, and so forth" for n in range(1, 41))
_VIEW: Final = ((12, 0), (20, 10))


async def _in_company(stage: Stage, pilot: Pilot[object]) -> None:
    """Three select, one of them with several carets; one is idle, one away, two are off the screen."""
    world = stage.world
    world.place("ana", (0, 9), (0, 2), session=7, colour=0)
    world.place("bo", (3, 12), (2, 14), session=8, colour=1)
    world.place("cy", (5, 24), (5, 4), session=9, colour=2, more=((5, 50), (6, 6), (8, 3)))
    world.place("Maximiliane von und zu Hohenstein", (2, 3), session=10, colour=5, activity=Activity.IDLE)
    world.place("eve", (6, 2), (6, 8), session=11, colour=6, activity=Activity.AWAY)
    world.place("finn", (46, 2), session=12, colour=7)
    world.place("川端", (50, 2), session=13, colour=8)
    press(stage, *["down"] * 4, *["right"] * 3)


async def _listing_people(stage: Stage, pilot: Pilot[object]) -> None:
    """The list, of people who do all that can be told."""
    _somebody(stage)
    world = stage.world
    world.place("bo", (3, 12), (2, 14), session=8, colour=1, following=_OWN.session)
    world.place("ana", (5, 9), session=7, colour=0)
    world.edit_elsewhere(0, 0, "#")  # it is ana who types
    world.place("ana", (5, 9), session=7, colour=0)
    world.place("dee", (20, 2), session=9, principal=_OWN.principal, colour=3)
    world.place("Maximiliane von und zu Hohenstein", (2, 3), session=10, colour=5, activity=Activity.IDLE)
    world.place("eve", (6, 2), session=11, colour=6, activity=Activity.AWAY)
    world.place("川端", (48, 2), session=12, colour=8)
    world.place("川端", (50, 2), session=13, colour=8, principal="device:12")
    world.place("gus", (5, 2), session=14, colour=9)
    world.end(14, activity=Activity.LOST)
    stage.session.round_trip_s = 0.004
    stage.session.people.pulse([(7, 12), (8, 140), (9, 0), (10, 1500), (11, 99999)])
    press(stage, "f8", "down", "down")


async def _listing_nobody(stage: Stage, pilot: Pilot[object]) -> None:
    _somebody(stage)
    press(stage, "f8")


async def _following(stage: Stage, pilot: Pilot[object]) -> None:
    """Somebody leads, and somebody else is in what they see."""
    _somebody(stage)
    world = stage.world
    world.place("ana", (14, 9), (14, 3), session=7, colour=0, view=_VIEW)
    world.place("bo", (16, 2), session=8, colour=1)
    press(stage, "f8", "f9")
    await until(lambda: "following ana" in stage.rows()[_bar(stage)])


async def _waiting(stage: Stage, pilot: Pilot[object]) -> None:
    await _following(stage, pilot)
    stage.world.end(7, activity=Activity.LOST)


async def _followed(stage: Stage, pilot: Pilot[object]) -> None:
    _somebody(stage)
    world = stage.world
    world.place("ana", (0, 4), session=7, colour=0, following=_OWN.session)
    world.place("bo", (2, 4), session=8, colour=1, following=_OWN.session)


async def _asked_to_look(stage: Stage, pilot: Pilot[object]) -> None:
    _somebody(stage)
    stage.world.place("ana", (40, 9), session=7, colour=0)
    stage.session.on_look(stage.world.buffer.peers[7].person)


async def _joined(stage: Stage, pilot: Pilot[object]) -> None:
    _somebody(stage)
    for number, name in enumerate(("ana", "bo", "Maximiliane von und zu Hohenstein", "川端")):
        stage.world.place(name, (2 + number // 2, 4 * number), session=7 + number, colour=number)
    stage.app._toasts._tell_gathered()  # what a timer would bring in a moment


def _somebody(stage: Stage) -> None:
    """Be somebody in the room."""
    stage.session.people.own = _OWN


def _bar(stage: Stage) -> int:
    """Return the row of the status line."""
    return int(stage.app._line.region.y)


_COMPANY: Final = Scene("company", _in_company, _LONG)
_PANEL: Final = Scene("panel", _listing_people, _LONG)
_ALONE: Final = Scene("panel-alone", _listing_nobody, MINUTES)
_LEADER: Final = Scene("following", _following, _LONG)
_WAIT: Final = Scene("waiting", _waiting, _LONG)
_FOLLOWERS: Final = Scene("followed", _followed, MINUTES)
_LOOK: Final = Scene("look", _asked_to_look, _LONG)
_JOIN: Final = Scene("joined", _joined, MINUTES)

PEOPLE_SCENES: Final[Sequence[Scene]] = (
    *in_looks(_COMPANY, USUAL, *Theme),
    *in_looks(_COMPANY, SMALL, *THEMES),
    *in_looks(_COMPANY, LARGE, Theme.DARK),
    in_ascii(_COMPANY, USUAL),
    *in_looks(_PANEL, USUAL, *Theme),
    *in_looks(_PANEL, SMALL, Theme.DARK, Theme.MONO),
    in_ascii(_PANEL, USUAL),
    *in_looks(_ALONE, USUAL, Theme.DARK, Theme.MONO),
    *in_looks(_ALONE, SMALL, Theme.LIGHT),
    *in_looks(_LEADER, USUAL, *Theme),
    *in_looks(_LEADER, SMALL, Theme.DARK, Theme.MONO),
    in_ascii(_LEADER, USUAL),
    *in_looks(_WAIT, USUAL, Theme.DARK, Theme.MONO),
    *in_looks(_WAIT, SMALL, Theme.ANSI),
    *in_looks(_FOLLOWERS, USUAL, Theme.DARK),
    *in_looks(_FOLLOWERS, SMALL, Theme.MONO),
    *in_looks(_LOOK, USUAL, Theme.DARK),
    *in_looks(_LOOK, SMALL, Theme.LIGHT),
    *in_looks(_JOIN, USUAL, Theme.LIGHT),
    *in_looks(_JOIN, SMALL, Theme.ANSI),
)
