"""What the app is given and gives back: how a window is to be, what it needs of a session, how it ended."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from collab_client.status import Status
from collab_tui.options import Options
from collab_tui.palette import Theme
from collab_tui.widgets.copying import Clipboard

if TYPE_CHECKING:
    from collab_client.away import Away, Digest
    from collab_client.buffer import Buffer
    from collab_client.chat import Chat
    from collab_client.lines import Position
    from collab_client.people import News, People
    from collab_client.room_settings import RoomSettings
    from collab_protocol.messages import Authors
    from collab_protocol.presence import Person, Role


class Session(Protocol):
    """What the screen needs of a session."""

    on_status: Callable[[Status], None]
    on_notice: Callable[[str], None]
    on_people: Callable[[], None]
    on_news: Callable[[News], None]
    on_look: Callable[[Person], None]
    on_chat: Callable[[bool], None]
    on_away: Callable[[Digest], None]
    on_authors: Callable[[Authors], None]

    @property
    def status(self) -> Status: ...

    @property
    def people(self) -> People: ...

    @property
    def unsaved(self) -> int: ...

    @property
    def kept(self) -> int: ...

    @property
    def copies(self) -> list[str]: ...

    @property
    def journal_trouble(self) -> str: ...

    @property
    def round_trip_s(self) -> float | None: ...

    def caret_moved(self) -> None: ...

    def touched(self) -> None: ...

    def follow(self, session: int) -> None: ...

    def show_view(self, top: Position, bottom: Position) -> None: ...

    def look_here(self) -> str: ...

    def ask_pulse(self) -> None: ...

    @property
    def chat(self) -> Chat: ...

    @property
    def away(self) -> Away: ...

    def say(self, text: str) -> str: ...

    def ask_authors(self) -> str: ...

    @property
    def role(self) -> Role | None: ...

    def kick(self, session: int, ban_s: int) -> str: ...

    def close_room(self, is_closed: bool) -> str: ...

    def retry_now(self) -> None: ...

    async def run(self) -> None: ...

    async def settle(self, timeout_s: float) -> bool: ...

    def leave(self) -> None: ...

    @property
    def settings(self) -> RoomSettings: ...


Start = Callable[[], Awaitable[tuple["Buffer", Session]]]


@dataclass(frozen=True, slots=True)
class AppConfig:
    """What one window shows, and how. `start` is awaited once, after the first paint."""

    room: str
    start: Start
    theme: Theme = Theme.DARK
    options: Options = field(default_factory=Options)
    is_ascii: bool = False
    is_read_only: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by action id, where they differ from the default ones."""
    follow: str = ""
    """Whom to follow from the start, by name."""
    announce: Callable[[str], None] | None = None
    """Takes what happens, line by line, for people who cannot see it."""
    is_announced_here: bool = False
    """Whether those lines stand in a row of the screen, too."""
    address: str = ""
    """What others type behind `collab join` to come here; empty: the room's name, on this machine."""
    is_by_invite: bool = False
    """Whether others need a token to come here."""
    invitation: str = ""
    """How others come here, where it is by neither."""
    has_osc9: bool = False
    """Whether the terminal shows what it is told by OSC 9, in the place of ringing a bell."""
    server: str = "the server"
    """Where the text is kept, as Ctrl-S says it."""
    greeting: str = ""
    """What to tell at the start: what is wrong with the settings."""
    clipboard: Clipboard | None = None
    typed: bytes = b""
    """What was typed before the app had the terminal."""
    is_remote: bool = False
    """The terminal is at the other end of a line: what others do is painted less often."""
    ask: Callable[[], Awaitable[str]] | None = None
    """Asks the person, on the terminal in our place, what is asked on the way to the server, and returns what
    is to be told of it; the session then tries again."""
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: own changes that no server has, how many of them are in the journal, where copies of
    texts were kept that could not go on, the error that ended it, if one did, and why the server took no
    changes at the end, if it did not."""

    unsaved: int = 0
    kept: int = 0
    copies: tuple[str, ...] = ()
    error: Exception | None = None
    refusal: str = ""
