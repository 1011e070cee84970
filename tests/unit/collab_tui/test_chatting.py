"""The chat behind its bar: what is read, what is toasted, what comes back when it was not taken."""

from __future__ import annotations

import pytest

from collab_client.chat import READERS_CHAT, Chat
from collab_client.room_settings import RoomSettings
from collab_protocol.messages import Said
from collab_protocol.presence import Author
from collab_tui.chatting import Chatting
from collab_tui.palette import Theme, palette_of
from collab_tui.widgets.chat_bar import ChatBar
from tests.unit.collab_tui.keyed import KEYMAP, press
from tests.unit.collab_tui.stage import World

ANA = Author("account:ana", "ana", 3)


class Bars:
    """Remembers what is open."""

    def show(self, bar: ChatBar) -> None:
        self.bar = bar


class Bar(ChatBar):
    """A bar without a screen."""

    def open(self, lines: object) -> None:
        self.is_shown = True

    @property
    def is_open(self) -> bool:
        return getattr(self, "is_shown", False)

    def dismiss(self) -> None:
        self.is_shown = False


class Room:
    """A room's chat, its bar, and what is told of it."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.chat = Chat(0, self.read.append)
        self.settings = RoomSettings()
        self.refusal = ""
        self.sent: list[str] = []
        self.told: list[str] = []
        self.unread: list[int] = []
        self.world = World()
        self.bar = Bar(palette_of(Theme.DARK), KEYMAP)
        self.chatting = Chatting(
            self.bar,
            Bars(),  # type: ignore[arg-type]  # as much of them as is needed
            self.world.buffer,
            self,
            tell=self.told.append,
            show_unread=self.unread.append,
        )
        self.chat.on_change = self.chatting.changed

    def say(self, text: str) -> str:
        if not self.refusal:
            self.sent.append(text)
        return self.refusal

    def said(self, n: int, text: str, *, is_mine: bool = False, is_backlog: bool = False) -> None:
        self.chat.said(Said(n, 0, ANA, text, not is_backlog), is_mine=is_mine)


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_line_of_somebody_else_is_told_and_counted_until_it_is_read(room: Room) -> None:
    room.said(1, "hello", is_backlog=True)
    room.said(2, "are you there?")
    room.said(3, "yes", is_mine=True)
    assert room.told == ["ana: are you there?"]
    assert room.unread == [0, 1, 2, 2]
    room.chatting.open()
    assert room.unread[-1] == 0
    assert room.read == [3]
    room.said(4, "good")
    assert room.told == ["ana: are you there?"], "it is in view"
    assert (room.unread[-1], room.read[-1]) == (0, 4)
    press(room.bar, "escape")
    room.said(5, "bye")
    assert (room.unread[-1], room.read[-1]) == (1, 4)


def test_who_looks_back_has_not_read_what_comes(room: Room) -> None:
    room.chatting.open()
    room.bar._back = 3
    room.said(1, "new")
    assert room.unread[-1] == 1
    room.bar.on_seen()
    assert room.unread[-1] == 0


def test_a_long_line_is_told_in_part_and_a_hostile_one_harmlessly(room: Room) -> None:
    room.said(1, "word " * 50)
    room.said(2, "a\x1b[2J\tb")
    assert room.told[0].startswith("ana: word word")
    assert room.told[0].endswith("…")
    assert len(room.told[0]) < 80
    assert room.told[1] == "ana: a␛[2J b"


def type_and_send(room: Room, text: str) -> None:
    press(room.bar, *text, "enter")


def test_what_is_sent_leaves_the_field(room: Room) -> None:
    room.chatting.open()
    type_and_send(room, "hi")
    assert room.sent == ["hi"]
    assert room.bar.draft == ""


def test_what_cannot_be_sent_stays(room: Room) -> None:
    room.chatting.open()
    room.refusal = "not connected"
    type_and_send(room, "hi")
    assert room.bar.draft == "hi"
    assert room.bar._error == "not connected"


def test_what_was_not_taken_comes_back(room: Room) -> None:
    room.chatting.open()
    type_and_send(room, "hi")
    room.chatting.not_taken()
    assert room.bar.draft == "hi"
    room.said(1, "hi", is_mine=True)
    assert room.bar.draft == "", "it had been taken after all"


def test_what_was_taken_does_not_come_back(room: Room) -> None:
    room.chatting.open()
    type_and_send(room, "hi")
    room.said(1, "hi", is_mine=True)
    room.chatting.not_taken()
    assert room.bar.draft == ""


def test_what_comes_back_takes_the_place_of_nothing(room: Room) -> None:
    room.chatting.open()
    type_and_send(room, "hi")
    press(room.bar, *"more")
    room.chatting.not_taken()
    assert room.bar.draft == "more"


def test_readers_may_be_let_in(room: Room) -> None:
    room.chatting.toggle_readers()
    assert room.settings.get(READERS_CHAT) == "on"
    room.chatting.toggle_readers()
    assert room.settings.get(READERS_CHAT) == ""
    assert room.told == ["who may only read may chat, too", "who may only read may not chat"]
    room.world.buffer.read_only = True
    room.chatting.toggle_readers()
    assert room.settings.get(READERS_CHAT) == ""


def test_a_line_that_the_room_has_as_one_line_was_taken(room: Room) -> None:
    room.chatting.open()
    room.bar.on_send("a\tb")
    room.said(1, "a b", is_mine=True)
    room.chatting.not_taken()
    assert room.bar.draft == ""
