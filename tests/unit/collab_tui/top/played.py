"""A server that tests of `collab top` play: figures as a server says them, made to order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from collab_protocol.errors import CollabError
from collab_tui.palette import Theme
from collab_tui.top.app import TopApp, TopConfig
from collab_tui.top.figures import Figures
from collab_tui.top.view import TopView
from tests.unit.collab_tui.stage import Clock

STARTED = 1_700_000_000.0


def room(name: str, **said: object) -> dict[str, Any]:
    """Return one room as a server says it."""
    return {
        "room": name,
        "id": "1a2b3c4d",
        "people": 2,
        "connections": 3,
        "lagging": 0,
        "seq": 40,
        "text_bytes": 4096,
        "updates": 0,
        "bytes_in": 0,
        "oldest_unsettled_s": 0,
    } | said


def figures(*, rooms: Sequence[Mapping[str, Any]] = (), updates: float = 0, **said: object) -> dict[str, Any]:
    """Return an answer to "figures"."""
    return {
        "version": "0.9.0",
        "pid": 4711,
        "started": STARTED,
        "now": STARTED + 273_600,
        "up_s": 273_600,
        "memory_bytes": 123_456_789,
        "cpu_s": 10.0,
        "connections": 3,
        "people": 2,
        "rooms_loaded": len(rooms),
        "rooms_stored": 1203,
        "trouble": "",
        "ready": True,
        "counters": {
            "collab_updates_total": updates,
            "collab_receipts_total": updates,
            "collab_received_bytes_total": updates * 140,
            "collab_sent_bytes_total": updates * 1400,
            "collab_refusals_total": 0,
            "collab_hostile_messages_total": 0,
        },
        "receipt_s": {"p50": 0.0031, "p99": 0.0124},
        "commit_s": {"p50": 0.0011, "p99": 0.009},
        "stall_s": {"p50": 0.0001, "p99": 0.0021, "max": 0.12},
        "store_bytes": 1_234_000_000,
        "free_bytes": 34_500_000_000,
        "rooms": list(rooms),
    } | said


def person(name: str, **said: object) -> dict[str, Any]:
    """Return one of the people of an answer to "who"."""
    return {
        "session": 7,
        "name": name,
        "principal": f"account:{name}",
        "role": "write",
        "activity": "active",
        "round_trip_ms": 41,
        "since": STARTED + 273_000,
        "address": "",
        "expires": None,
    } | said


class PlayedServer:
    """Answers by `figures` and `people`; `trouble` is said in place of any answer.

    Only so many questions for figures are answered as `answers` says; the next one waits for ever.
    """

    def __init__(self, said: dict[str, Any] | None = None) -> None:
        self.answers: int | None = None
        self.figures = said or figures()
        self.people: list[dict[str, Any]] = []
        self.trouble = ""
        self.asked: list[dict[str, Any]] = []
        self.is_closed = False

    async def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(dict(request))
        if request["do"] == "figures" and self.answers is not None:
            if not self.answers:
                await asyncio.Event().wait()
            self.answers -= 1
        if self.trouble:
            raise CollabError(self.trouble)
        if request["do"] == "who":
            return {"room": request["room"], "people": self.people}
        return self.figures

    async def close(self) -> None:
        self.is_closed = True


def top_app(
    server: PlayedServer,
    clock: Clock,
    *,
    theme: Theme = Theme.DARK,
    is_ascii: bool = False,
    interval_s: float = 1.0,
    typed: bytes = b"",
) -> TopApp:
    """Return the app on a server."""
    return TopApp(
        TopConfig(
            ask=server.ask,
            close=server.close,
            interval_s=interval_s,
            theme=theme,
            is_ascii=is_ascii,
            typed=typed,
            clock=clock,
            utc=lambda: STARTED + 273_600,
        )
    )


def hear(app: TopApp, clock: Clock, said: Mapping[str, Any], *, after_s: float = 1.0) -> None:
    """Let the app hear an answer, `after_s` later than what was before."""
    clock.now += after_s
    app.state.heard(Figures.parse(said), clock.now, "14:03:22")


def rows(app: TopApp) -> list[str]:
    """Return the rows of the screen, as they are drawn now."""
    view = app.query_one(TopView)
    view._lines = []
    drawn = []
    for y in range(view.size.height):
        strip = view.render_line(y)
        assert strip.cell_length == view.size.width
        text = "".join(segment.text for segment in strip if not segment.control)
        assert text.isprintable()
        drawn.append(text)
    return drawn
