"""What the tests of the screens share: a buffer, people in it, a session that plays along, a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from textual.drivers.headless_driver import HeadlessDriver

from collab_client import status as say
from collab_client.away import Away, Digest
from collab_client.buffer import Buffer
from collab_client.chat import Chat
from collab_client.lines import Position
from collab_client.people import News, People
from collab_client.room_settings import RoomSettings
from collab_client.status import Status, StatusKind
from collab_protocol.messages import Authors, Presence
from collab_protocol.presence import Activity, Caret, Person, Role, View
from collab_protocol.text import Replica
from collab_tui.app import CollabApp
from collab_tui.app_config import AppConfig
from collab_tui.options import Options
from collab_tui.palette import Theme

OTHER_SESSION = 7


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """One buffer on the screen, and the replica of somebody else who edits the same text."""

    def __init__(self, text: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.other = Replica(2)
        self.other.edit(0, 0, text)
        replica = Replica(1, has_undo=True)
        if text:
            replica.apply(self.other.update_since())
        self.buffer = Buffer(replica)
        self.heard: Callable[[Presence], object] = lambda _: None
        self._seq = 1

    def edit_elsewhere(self, offset: int, deleted: int, inserted: str) -> None:
        """Let the other person edit the text as it is here."""
        self.other.apply(self.buffer.replica.update_since(self.other.state_vector()))
        before = self.other.state_vector()
        self.other.edit(offset, deleted, inserted)
        self._seq += 1
        self.buffer.apply_remote(self.other.update_since(before), OTHER_SESSION, self._seq)

    def place(
        self,
        name: str,
        head: tuple[int, int],
        anchor: tuple[int, int] | None = None,
        *,
        session: int = OTHER_SESSION,
        colour: int = 0,
        activity: Activity = Activity.ACTIVE,
        principal: str = "",
        following: int = 0,
        view: tuple[tuple[int, int], tuple[int, int]] | None = None,
        more: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Put somebody's caret at `head`, and `more` of them, without selections, elsewhere.

        `principal` is another one for each session, if it is not said.
        """
        offset = self.buffer.lines.offset
        seen = None if view is None else View(*(offset(Position(*place)) for place in view))
        presence = Presence(
            person=Person(session, principal or f"device:{session}", name, Role.WRITE, colour),
            carets=tuple(
                Caret(offset(Position(*to)), offset(Position(*start)))
                for to, start in ((head, anchor or head), *((place, place) for place in more))
            ),
            seen=self._seq,
            activity=activity,
            following=following,
            view=seen,
        )
        self.buffer.place(presence, self.clock())
        self.heard(presence)

    def end(self, session: int, *, activity: Activity = Activity.GONE) -> None:
        """Let a session end."""
        person = self.buffer.peers[session].person
        presence = Presence(person, (), self._seq, activity)
        self.buffer.place(presence, self.clock())
        self.heard(presence)

    @property
    def text(self) -> str:
        return self.buffer.lines.text()

    @property
    def head(self) -> tuple[int, int]:
        return tuple(self.buffer.head)


class PlayedSession:
    """A session without a link: it says what it is told to."""

    def __init__(self, buffer: Buffer, clock: Callable[[], float] = time.monotonic) -> None:
        self.on_status: Callable[[Status], None] = lambda _: None
        self.on_notice: Callable[[str], None] = lambda _: None
        self.on_people: Callable[[], None] = lambda: None
        self.on_news: Callable[[News], None] = lambda _: None
        self.on_look: Callable[[Person], None] = lambda _: None
        self.people = People(buffer.peers, clock)
        self._buffer = buffer
        self.on_chat: Callable[[bool], None] = lambda _: None
        self.on_away: Callable[[Digest], None] = lambda _: None
        self.on_authors: Callable[[Authors], None] = lambda _: None
        self.chat = Chat(0, lambda _: None)
        self.chat.on_change = self._chat_changed
        self.chatted: list[str] = []
        self.away = Away(buffer)
        self.touches = self.looks = self.pulses = self.asks = 0
        self.followed: list[int] = []
        self.kicked: list[tuple[int, int]] = []
        self.closed: list[bool] = []
        self.views: list[tuple[Position, Position]] = []
        self.refusal = ""
        self.round_trip_s: float | None = None
        self.settings = RoomSettings()
        self.status = say.saved(is_durable=True)
        self.unsaved = 0
        self.kept = 0
        self.copies: list[str] = []
        self.journal_trouble = ""
        self.moves = 0
        self.retries = 0
        self.is_settling = self.has_left = False
        self.stays = False
        self.saved = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        buffer.on_local_update = lambda _: None

    def say(self, said: Status | str, *, kept: int = 0) -> str:
        """Say a status to the screen; or, asked by it, a line of chat to the others."""
        if isinstance(said, str):
            if not self.refusal:
                self.chatted.append(said)
            return self.refusal
        self.status, self.unsaved, self.kept = said, said.unsaved, kept
        if not said.unsaved:
            self.saved.set()
        self.on_status(said)
        return ""

    def _chat_changed(self, is_new: bool) -> None:
        self.on_chat(is_new)

    def caret_moved(self) -> None:
        self.moves += 1

    def heard(self, presence: Presence) -> None:
        """Tell at once what a real session tells at the end of a turn of the loop."""
        self.people.heard(presence)
        self.settle_people()

    def lose_link(self) -> None:
        """Let everybody go, as when the link ends."""
        self._buffer.clear_peers()
        self.people.link_ended()
        self.settle_people()

    def settle_people(self) -> None:
        """Tell what has come together."""
        has_changed, news = self.people.settle()
        if has_changed:
            self.on_people()
        if news is not None:
            self.on_news(news)

    def touched(self) -> None:
        self.touches += 1

    def follow(self, session: int) -> None:
        self.followed.append(session)

    def show_view(self, top: Position, bottom: Position) -> None:
        self.views.append((top, bottom))

    def look_here(self) -> str:
        self.looks += 1
        return self.refusal

    def ask_pulse(self) -> None:
        self.pulses += 1

    def ask_authors(self) -> str:
        self.asks += 1
        return self.refusal

    @property
    def role(self) -> Role | None:
        return None if self.people.own is None else self.people.own.role

    def kick(self, session: int, ban_s: int) -> str:
        self.kicked.append((session, ban_s))
        return self.refusal

    def close_room(self, is_closed: bool) -> str:
        self.closed.append(is_closed)
        return self.refusal

    def retry_now(self) -> None:
        self.retries += 1

    async def settle(self, timeout_s: float) -> bool:
        if self.status.kind in (StatusKind.OFFLINE, StatusKind.CONNECTING, StatusKind.REFUSED):
            return self.unsaved == 0
        self.is_settling = True
        await self.saved.wait()
        return self.unsaved == 0

    def leave(self) -> None:
        self.has_left = True
        if not self.stays:
            self.ended.set()

    async def run(self) -> None:
        await self.ended.wait()
        if self.error is not None:
            raise self.error


class PlayedClipboard:
    """A clipboard that holds what was copied; `notice` is what it answers."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.notice = "copied"

    def copy(self, text: str) -> str:
        self.text = text
        return self.notice

    async def paste(self) -> str | None:
        return self.text

    async def close(self) -> None:
        pass


class Stage:
    """An app over a world; `gate` holds the start back until it is set."""

    def __init__(
        self,
        text: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
        theme: Theme = Theme.DARK,
        is_ascii: bool = False,
        is_read_only: bool = False,
        room: str = "notes",
        options: Options = Options(hints=False),  # noqa: B008  # a frozen value
        keys: Mapping[str, str] | None = None,
        greeting: str = "",
        follow: str = "",
        has_osc9: bool = False,
        is_announced_here: bool = False,
        is_by_invite: bool = False,
        invitation: str = "",
        ask: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self.clipboard = PlayedClipboard()
        self.world = World(text, clock=clock)
        self.session = PlayedSession(self.world.buffer, clock)
        self.world.heard = self.session.heard
        self.announced: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.app = CollabApp(
            AppConfig(
                room=room,
                start=self._start,
                theme=theme,
                is_ascii=is_ascii,
                is_read_only=is_read_only,
                options=options,
                keys=keys or {},
                greeting=greeting,
                follow=follow,
                has_osc9=has_osc9,
                announce=self.announced.append,
                is_announced_here=is_announced_here,
                is_by_invite=is_by_invite,
                invitation=invitation,
                ask=ask,
                clipboard=self.clipboard,
                clock=clock,
            )
        )

    async def _start(self) -> tuple[Buffer, PlayedSession]:
        await self.gate.wait()
        return self.world.buffer, self.session

    def show_surroundings(self) -> None:
        """Show at once what a timer would in a moment."""
        if self.app._surroundings is not None:
            self.app._surroundings.show()

    def rows(self) -> list[str]:
        """Return what is on the screen, row by row."""
        screen = self.app.screen
        return [
            "".join(s.text for s in strip if not s.control) for strip in screen._compositor.render_strips()
        ]

    def styles(self, row: int) -> list[tuple[str, str | None]]:
        """Return (character, background) of every character of a row of the screen."""
        strip = self.app.screen._compositor.render_strips()[row]
        found: list[tuple[str, str | None]] = []
        for segment in strip:
            if segment.control:
                continue
            colour = None if segment.style is None or segment.style.bgcolor is None else segment.style.bgcolor
            found += [(c, colour.name if colour else None) for c in segment.text]
        return found


class RecordingDriver(HeadlessDriver):
    """A terminal that keeps what is written to it."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # whatever Textual passes
        self.written: list[str] = []

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        self.written.append(data)


async def until(claim: Callable[[], object], *, deadline_s: float = 5.0) -> None:
    """Let the app run until `claim` holds.

    Raises:
        TimeoutError: it does not within the deadline.
    """
    async with asyncio.timeout(deadline_s):
        while not claim():  # the app has no event for what a test looks at
            await asyncio.sleep(0)
