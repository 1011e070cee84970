"""Screens of what goes on beside the text: changes, who wrote what, chat, what is announced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from textual.pilot import Pilot

from collab_protocol.messages import Authors, Said, pack_ids
from collab_protocol.presence import Author, Person, Role
from collab_tui.palette import Theme
from tests.unit.collab_tui.scene import LARGE, SMALL, THEMES, USUAL, Scene, in_ascii, in_looks, press
from tests.unit.collab_tui.scenes_text import MINUTES, PYTHON, settled
from tests.unit.collab_tui.stage import OTHER_SESSION, Stage, until

_OWN: Final = Person(1, "account:dee", "dee", Role.WRITE, 3)
_DEE: Final = Author(_OWN.principal, _OWN.name, _OWN.colour)
_ANA: Final = Author("account:ana", "ana", 0)
_BO: Final = Author("account:bo", "bo", 1)
_KAWABATA: Final = Author("account:川端", "川端", 4)
_OTHER_CLIENT: Final = 2
"""The one under which `World.other` writes."""

_AFTERNOON: Final = time.mktime((2026, 11, 27, 14, 2, 0, 0, 0, -1))
"""Two past two, wherever the tests run."""

_LONG: Final = MINUTES + "".join(f"\n{n}. and so on, and so forth" for n in range(1, 41))

_SAID: Final = (
    (_ANA, "shall we cut the second part? it says the same as the first, and nobody reads that far anyway"),
    (_BO, "yes"),
    (
        _DEE,
        "which second part, the one about the plants, or https://example.org/minutes/2026/plants-and-desks?",
    ),
    (_KAWABATA, "👩‍🌾 植物に水をやるのは私です。"),
)


async def _back_again(stage: Stage, pilot: Pilot[object]) -> None:
    """Others have changed lines, some of them those that were changed here; lines have gone."""
    away, world = stage.session.away, stage.world
    away.left(0.0, 1)
    press(stage, "ctrl+g", "7", "enter", "end", *" Really.")
    edits = (
        ("Present: ", "Present: Cy, ", ""),
        ("Nobody knows", "Nobody at all knows", "Nobody knows"),
        ("- ask about desks\n", "", "- ask about desks\n"),
        ("7. and", "7. new\nlines\nand", "7. and"),
        ("30. and so on", "30. or not", "30. and so on"),
    )
    for place, put, gone in edits:
        at = len(world.text[: world.text.index(place)].encode())
        world.edit_elsewhere(at, len((gone or place).encode()), put)
    away.back(100.0, 1 + len(edits))
    digest = away.authors((_ANA, _BO))
    assert digest is not None
    stage.session.on_away(digest)


async def _listing_changes(stage: Stage, pilot: Pilot[object]) -> None:
    await _back_again(stage, pilot)
    stage.app._act("list_changes")


async def _showing_authors(stage: Stage, pilot: Pilot[object]) -> None:
    """Three have written code, and a selection lies over it."""
    stage.session.people.own = _OWN
    world = stage.world
    world.place("bo", (9, 14), (9, 8), session=OTHER_SESSION, colour=1, principal=_BO.principal)
    stage.app._act("toggle_authorship")
    stage.session.on_authors(Authors(None, (_ANA, _BO, _DEE), pack_ids(((_OTHER_CLIENT, 0),))))
    await until(lambda: stage.rows()[0].startswith("A"))
    at = len(world.text[: world.text.index("    def greet")].encode())
    world.edit_elsewhere(at, 0, "    # whom to greet, and how loud\n    loudness = 3\n\n")
    press(stage, *["down"] * 13, "end", *"  # dee", "up", "home", "shift+down", "shift+right", "shift+right")
    await settled(stage)
    await until(lambda: any(row.startswith("B") for row in stage.rows()))


async def _chatting(stage: Stage, pilot: Pilot[object]) -> None:
    _say(stage)
    stage.app._toasts.clear()
    press(stage, "f2", *"fine with me")


async def _told_of_chat(stage: Stage, pilot: Pilot[object]) -> None:
    _say(stage)


async def _unread(stage: Stage, pilot: Pilot[object]) -> None:
    _say(stage)
    stage.app._toasts.clear()


def _say(stage: Stage) -> None:
    stage.session.people.own = _OWN
    for n, (author, text) in enumerate(_SAID, 1):
        at_ms = round((_AFTERNOON + 60 * n) * 1000)
        stage.session.chat.said(Said(n, at_ms, author, text, True), is_mine=author == _DEE)


async def _announced(stage: Stage, pilot: Pilot[object]) -> None:
    stage.world.place("ana", (2, 9), session=7, colour=0)
    stage.session.on_look(stage.world.buffer.peers[7].person)
    await until(lambda: "asks you to look" in stage.rows()[int(stage.app._announced.region.y)])


_CHANGES: Final = Scene("changes", _back_again, _LONG)
_CHANGE_LIST: Final = Scene("change-list", _listing_changes, _LONG)
_AUTHORS: Final = Scene("authors", _showing_authors, PYTHON, room="code.py")
_CHAT: Final = Scene("chat", _chatting, MINUTES)
_CHAT_TOLD: Final = Scene("chat-told", _told_of_chat, MINUTES)
_CHAT_CLOSED: Final = Scene("chat-unread", _unread, MINUTES)
_ANNOUNCED: Final = Scene("announced", _announced, MINUTES, is_announced_here=True)

ROOM_SCENES: Final[Sequence[Scene]] = (
    *in_looks(_CHANGES, USUAL, *Theme),
    *in_looks(_CHANGES, SMALL, Theme.DARK, Theme.MONO),
    in_ascii(_CHANGES, USUAL),
    *in_looks(_CHANGE_LIST, USUAL, Theme.DARK, Theme.MONO),
    *in_looks(_CHANGE_LIST, SMALL, Theme.LIGHT),
    *in_looks(_AUTHORS, USUAL, *Theme),
    *in_looks(_AUTHORS, SMALL, Theme.LIGHT),
    in_ascii(_AUTHORS, USUAL),
    *in_looks(_CHAT, USUAL, *THEMES),
    *in_looks(_CHAT, SMALL, Theme.DARK, Theme.MONO),
    *in_looks(_CHAT, LARGE, Theme.DARK),
    in_ascii(_CHAT, USUAL),
    *in_looks(_CHAT_TOLD, USUAL, Theme.LIGHT),
    *in_looks(_CHAT_CLOSED, USUAL, Theme.DARK),
    *in_looks(_CHAT_CLOSED, SMALL, Theme.MONO),
    *in_looks(_ANNOUNCED, USUAL, Theme.DARK),
    *in_looks(_ANNOUNCED, SMALL, Theme.MONO),
)
