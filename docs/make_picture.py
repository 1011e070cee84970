"""Make the README's picture: two real clients on a real server, both screens side by side.

uv run python docs/make_picture.py        writes docs/two-terminals.svg
"""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from collab_client.buffer import Buffer
from collab_client.document import Document
from collab_client.journal import Contents, Origin
from collab_client.link import Address, open_link
from collab_client.replay import Replayed, replay
from collab_client.session import Session
from collab_client.status import StatusKind
from collab_protocol.sync import Identity
from collab_protocol.text import Replica
from collab_server.app import serve
from collab_server.config import ServerConfig
from collab_tui.app import AppConfig, CollabApp, Outcome

PICTURE = Path(__file__).with_name("two-terminals.svg")
SIZE = (64, 15)
GAP = 24
DEADLINE_S = 10.0

TEXT = """# Minutes, Tuesday

- release on the 3rd: bo writes the notes
- 日本語 and emoji 🙂 stand where they should
- offline on the train: ana

"""


def make_replica() -> Replica:
    return Replica(secrets.randbits(32), has_undo=True)


def replayed(contents: Contents) -> Replayed:
    replaying = replay(contents, make_replica())
    try:
        while True:
            next(replaying)
    except StopIteration as done:
        return done.value


class Window:
    """One person's app, and what it shows."""

    def __init__(self, name: str, address: Address) -> None:
        device = name.encode().ljust(32, b".")
        contents = Contents(Origin("", address.room, device))
        identity = Identity(secrets.token_bytes(16), device, name)
        document = Document(
            replayed(contents),
            contents,
            identity,
            journal=None,
            make_replica=make_replica,
            keep_copy=lambda text: "",
            now=time.time,
        )
        self.buffer = document.buffer
        self.session = Session(document, journal=None, connect=lambda: open_link(address), dice=random.random)
        self.app = CollabApp(AppConfig(room=address.room, start=self._start))

    async def _start(self) -> tuple[Buffer, Session]:
        return self.buffer, self.session

    @property
    def text(self) -> str:
        return self.buffer.lines.text()

    @property
    def is_saved(self) -> bool:
        return self.session.status.kind is StatusKind.SAVED


async def until(pilot: Pilot[Outcome], is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_true():
            await pilot.pause(0.02)


def side_by_side(left: str, right: str) -> str:
    """Return one SVG with both, without the fonts that the exports would fetch."""
    boxes = []
    for svg in (left, right):
        found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
        if found is None:
            raise SystemExit("the exported screen has no viewBox")
        boxes.append((float(found[1]), float(found[2])))
    width, height = sum(box[0] for box in boxes) + GAP, max(box[1] for box in boxes)
    parts, at = [], 0.0
    for svg, (wide, high) in zip((left, right), boxes, strict=True):
        fontless = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
        parts.append(fontless.replace("<svg ", f'<svg x="{at}" width="{wide}" height="{high}" ', 1))
        at += wide + GAP
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">\n{body}\n</svg>\n'


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        config = ServerConfig(data, data / "s", None, None, False, False, None, "picture")
        stop, is_up = asyncio.Event(), asyncio.Event()
        server = asyncio.create_task(serve(config, stop=stop, ready=lambda _: is_up.set()))
        await is_up.wait()
        address = Address("minutes", unix_path=config.unix_path)
        ana, bo = Window("ana", address), Window("bo", address)
        async with ana.app.run_test(size=SIZE) as left, bo.app.run_test(size=SIZE) as right:
            await until(left, lambda: ana.is_saved and bo.is_saved)
            ana.buffer.paste(TEXT)
            await until(right, lambda: bo.text == ana.text)
            await right.press("down", "down", "end", *", draft by Friday", *["shift+left"] * 6)
            await left.press(*"- next: Thursday")
            await until(left, lambda: bo.text == ana.text and ana.text.endswith("Thursday"))
            await until(left, lambda: ana.is_saved and bo.is_saved)
            await left.pause(0.4)
            pictures = ana.app.export_screenshot(title="ana"), bo.app.export_screenshot(title="bo")
        PICTURE.write_text(side_by_side(*pictures), encoding="utf-8")
        stop.set()
        await server


if __name__ == "__main__":
    asyncio.run(main())
