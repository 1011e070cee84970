"""Screens about who may be here and do what: an admin's list and questions, and how refusals are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual.pilot import Pilot

from collab_client import status as say
from collab_protocol.presence import Person, Role
from collab_tui.palette import Theme
from tests.unit.collab_tui.scene import LARGE, SMALL, USUAL, Play, Scene, in_ascii, in_looks, press
from tests.unit.collab_tui.scenes_text import MINUTES
from tests.unit.collab_tui.stage import Stage, until

_MEDIUM: Final = (40, 24)
_ADMIN: Final = Person(1, "account:dee", "dee", Role.ADMIN, 3)
_WRITER: Final = Person(1, "account:dee", "dee", Role.WRITE, 3)

_ENDINGS: Final = {
    "denied": "this token ended at 2026-11-28 06:00 (UTC)",
    "kicked": "ana sent you away",
    "closed": "the room is closed",
    "deleted": "this room was deleted",
}


def _company(stage: Stage, own: Person) -> None:
    world = stage.world
    stage.session.people.own = own
    world.place("ana", (2, 9), session=7, colour=0)
    world.place("Maximiliane von und zu Hohenstein", (3, 12), (2, 14), session=8, colour=1)
    world.place("dee", (6, 2), session=9, principal=own.principal, colour=3)
    stage.app._toasts.clear()


async def _listing_as_writer(stage: Stage, pilot: Pilot[object]) -> None:
    _company(stage, _WRITER)
    press(stage, "f8")


async def _listing_as_admin(stage: Stage, pilot: Pilot[object]) -> None:
    _company(stage, _ADMIN)
    press(stage, "f8", "down")


async def _asking_how_long(stage: Stage, pilot: Pilot[object]) -> None:
    await _listing_as_admin(stage, pilot)
    press(stage, "delete")


async def _asking_whom(stage: Stage, pilot: Pilot[object]) -> None:
    _company(stage, _ADMIN)
    press(stage, "ctrl+p", *"send away", "enter")


async def _asking_to_close(stage: Stage, pilot: Pilot[object]) -> None:
    _company(stage, _ADMIN)
    press(stage, "ctrl+p", *"close the room", "enter")


async def _choosing_as_admin(stage: Stage, pilot: Pilot[object]) -> None:
    _company(stage, _ADMIN)
    press(stage, "ctrl+p", *"room")


async def _sent_away(stage: Stage, pilot: Pilot[object]) -> None:
    await _asking_how_long(stage, pilot)
    press(stage, "down", "enter")


def _over(reason: str) -> Play:
    async def play(stage: Stage, pilot: Pilot[object]) -> None:
        stage.session.say(say.refused(3, reason, 3, is_over=True), kept=3)
        await until(lambda: stage.app._bars.is_over)

    return play


async def _over_for_nothing(stage: Stage, pilot: Pilot[object]) -> None:
    """Everything is on the server."""
    stage.session.say(say.refused(0, _ENDINGS["denied"], is_over=True))


async def _reading_with_changes(stage: Stage, pilot: Pilot[object]) -> None:
    """What was typed while one might is kept, and what others type goes on coming."""
    _company(stage, Person(1, "account:dee", "dee", Role.READ, 3))
    stage.world.buffer.read_only = True
    stage.session.say(say.refused(3, "you may only read here", 3), kept=3)


_AS_WRITER: Final = Scene("panel-writer", _listing_as_writer, MINUTES)
_AS_ADMIN: Final = Scene("panel-admin", _listing_as_admin, MINUTES)
_HOW_LONG: Final = Scene("send-away", _asking_how_long, MINUTES)
_WHOM: Final = Scene("send-whom", _asking_whom, MINUTES)
_AWAY: Final = Scene("sent-away", _sent_away, MINUTES)
_CLOSE: Final = Scene("close-room", _asking_to_close, MINUTES)
_COMMANDS: Final = Scene("commands-admin", _choosing_as_admin, MINUTES)
_READING: Final = Scene("reading-with-changes", _reading_with_changes, MINUTES)
_NOTHING: Final = Scene("denied-all-saved", _over_for_nothing, MINUTES)

ACCESS_SCENES: Final[Sequence[Scene]] = (
    *in_looks(_AS_WRITER, USUAL, Theme.DARK),
    *in_looks(_AS_WRITER, SMALL, Theme.MONO),
    *in_looks(_AS_ADMIN, USUAL, Theme.DARK, Theme.MONO),
    *in_looks(_AS_ADMIN, SMALL, Theme.LIGHT),
    *in_looks(_AS_ADMIN, LARGE, Theme.DARK),
    in_ascii(_AS_ADMIN, USUAL),
    *in_looks(_HOW_LONG, USUAL, *Theme),
    *in_looks(_HOW_LONG, SMALL, Theme.DARK),
    in_ascii(_HOW_LONG, USUAL),
    *in_looks(_WHOM, USUAL, Theme.LIGHT),
    *in_looks(_WHOM, SMALL, Theme.MONO),
    *in_looks(_AWAY, USUAL, Theme.DARK),
    *in_looks(_CLOSE, USUAL, Theme.DARK),
    *in_looks(_CLOSE, SMALL, Theme.LIGHT),
    *in_looks(_COMMANDS, USUAL, Theme.DARK),
    *(
        scene
        for name, reason in _ENDINGS.items()
        for scene in (
            *in_looks(Scene(name, _over(reason), MINUTES), USUAL, Theme.DARK),
            *in_looks(Scene(name, _over(reason), MINUTES), SMALL, Theme.MONO),
        )
    ),
    *in_looks(Scene("kicked", _over(_ENDINGS["kicked"]), MINUTES), _MEDIUM, Theme.LIGHT),
    in_ascii(Scene("denied", _over(_ENDINGS["denied"]), MINUTES), USUAL),
    *in_looks(_NOTHING, USUAL, Theme.LIGHT),
    *in_looks(_READING, USUAL, *Theme),
    *in_looks(_READING, SMALL, Theme.DARK),
    in_ascii(_READING, USUAL),
)
