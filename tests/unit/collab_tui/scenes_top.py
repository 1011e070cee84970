"""Scenes of `collab top`, with a server that stands still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from textual import events

from collab_tui.palette import Theme
from collab_tui.top.app import TopApp
from collab_tui.top.state import Page
from tests.unit.collab_tui.scene import drawing
from tests.unit.collab_tui.stage import Clock, until
from tests.unit.collab_tui.top.played import STARTED, PlayedServer, figures, hear, person, room, top_app

_NAMES: Final = (
    "notes",
    "minutes-2026",
    "release plan",
    "川端さんの部屋",
    "a-very-long-name-of-a-room-that-fits-nowhere",
)
_SMALL: Final = (40, 12)
_USUAL: Final = (80, 24)
_WIDE: Final = (200, 30)


@dataclass(frozen=True, slots=True)
class TopScene:
    """One screen: a look, the keys that bring it about, and for how long the server has been silent."""

    name: str
    size: tuple[int, int] = _USUAL
    theme: Theme = Theme.DARK
    keys: Sequence[str] = ()
    is_ascii: bool = False
    silent_s: float = 0.0
    trouble: str = ""
    has_rooms: bool = True

    async def draw(self) -> str:
        """Play the scene and return its screen."""
        clock = Clock()
        server = PlayedServer(self._said(60))
        server.answers = 1  # nothing more comes while it is drawn
        server.people = [
            person("ana", role="admin", since=STARTED + 200_000, round_trip_ms=3),
            person("bo", principal="invite:3f9a", activity="idle", address="192.0.2.7"),
            person("川端", role="read", activity=None, round_trip_ms=None, address="2001:db8::1"),
        ]
        app = top_app(server, clock, theme=self.theme, is_ascii=self.is_ascii)
        for at in range(60):
            hear(app, clock, self._said(at))
        clock.now += 1
        async with app.run_test(size=self.size) as pilot:
            await until(lambda: app.state.latest is not None and app.state.latest.at == clock.now)
            for key in self.keys:
                _press(app, key)
            await until(lambda: app.state.page is not Page.PEOPLE or app.state.people is not None)
            if self.silent_s:
                clock.now += self.silent_s
                app.state.failed("the server does not answer")
                app._view.show_again()
            await pilot.pause()
            return drawing(app.screen._compositor.render_strips())

    def _said(self, at: int) -> dict[str, Any]:
        rooms = [
            room(
                name,
                people=9 - n,
                connections=11 - n,
                lagging=2 * (n == 2),
                updates=at * (40 // (n + 1)),
                bytes_in=at * 4000 // (n + 1),
                text_bytes=4096 * (n + 1) ** 3,
                oldest_unsettled_s=(0.003, 0, 1.4, 0, 0)[n],
            )
            for n, name in enumerate(_NAMES)
        ]
        return figures(
            rooms=rooms if self.has_rooms else [],
            updates=sum(round(30 * (1 + math.sin(n / 9))) for n in range(at)),
            cpu_s=10 + at * 0.12,
            trouble=self.trouble,
            ready=not self.trouble,
        )


def _press(app: TopApp, key: str) -> None:
    app.typed(events.Key({"/": "slash", "?": "question_mark"}.get(key, key), key if len(key) == 1 else None))


TOP_SCENES: Final = (
    *(
        TopScene(f"top-{columns}x{rows}-{theme.value}", (columns, rows), theme)
        for columns, rows in (_SMALL, _USUAL)
        for theme in (Theme.DARK, Theme.LIGHT, Theme.MONO)
    ),
    TopScene("top-200x30-dark", _WIDE, keys=("down", "down")),
    TopScene("top-80x24-high-contrast", theme=Theme.HIGH_CONTRAST),
    TopScene("top-80x24-16-colour-ascii", theme=Theme.ANSI, is_ascii=True, keys=("n",)),
    TopScene("top-40x12-ascii", _SMALL, Theme.MONO, is_ascii=True, keys=("p", "p")),
    TopScene("top-silent-80x24-dark", silent_s=12),
    TopScene("top-silent-40x12-mono", _SMALL, Theme.MONO, silent_s=12),
    TopScene("top-trouble-80x24-light", theme=Theme.LIGHT, trouble="the disk is full: free some space"),
    TopScene("top-people-80x24-dark", keys=("enter",)),
    TopScene("top-people-40x12-light", _SMALL, Theme.LIGHT, keys=("enter",)),
    TopScene("top-find-80x24-dark", keys=("/", "p", "l")),
    TopScene("top-find-40x12-mono", _SMALL, Theme.MONO, keys=("/", "x", "y")),
    TopScene("top-help-80x24-dark", keys=("?",)),
    TopScene("top-help-40x12-light", _SMALL, Theme.LIGHT, keys=("?",)),
    TopScene("top-empty-80x24-dark", has_rooms=False),
)
