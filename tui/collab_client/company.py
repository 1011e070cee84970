"""The others, beside the text: who is here, what they say and ask, what they did while one was away.

events of ClientSync ─▶ Company ─▶ People, Chat, Absence ─▶ Listeners
the person ───────────▶ Company ─▶ ClientSync.ask
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

from collab_client.absence import Absence
from collab_client.alarm import Alarm
from collab_client.away import Away
from collab_client.chat import READERS_CHAT, Chat
from collab_client.document import Document
from collab_client.listeners import Listeners
from collab_client.people import People
from collab_client.room_settings import RoomSettings
from collab_protocol import limits
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    CloseRoom,
    Declined,
    Kick,
    Look,
    Pulse,
    Said,
    Say,
    Welcome,
)
from collab_protocol.names import clean_line
from collab_protocol.presence import Role
from collab_protocol.sync import Phase


class Company:
    """All of a session that is about other people. `on_ask()` is called when there is something to send."""

    def __init__(
        self,
        document: Document,
        settings: RoomSettings,
        listeners: Listeners,
        chat: Chat,
        away: Away,
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        last_here: float | None,
    ) -> None:
        self.on_ask: Callable[[], None] = lambda: None
        self.people = People(document.buffer.peers, clock)
        self.chat = chat
        self.absence = Absence(
            away, document.sync, listeners, unsent=document.unsent_places, utc=utc, last_here=last_here
        )
        self._document = document
        self._sync = document.sync
        self._settings = settings
        self._listeners = listeners
        self._is_in = False
        self._alarm = Alarm(self.people.due_at, self.people.tick, clock)
        self._settling: asyncio.Handle | None = None
        self.people.on_change = self._settle_soon
        self.chat.on_change = self._chat_changed

    # What happens

    def entered(self, welcome: Welcome) -> None:
        """Take what the first Sync of a link has brought, once the buffer has it."""
        self._is_in = True
        self.people.entered(welcome.person)
        self.chat.entered(welcome.lineage, welcome.epoch)
        self.absence.synced()

    def link_ended(self) -> None:
        """Note that a link has ended, whether we were let in or not."""
        if self._is_in:
            self._is_in = False
            self.people.link_ended()
            self.absence.link_ended()

    def close(self) -> None:
        """Tell nothing more."""
        self._alarm.stop()
        if self._settling is not None:
            self._settling.cancel()

    def told(self, message: Said | Look | Authors | Pulse | Declined) -> None:
        """Take what the server told."""
        match message:
            case Said():
                is_mine = message.author.principal == self._own_principal
                self.chat.said(message, is_mine=is_mine)
            case Look(person):
                if person is not None:
                    self._listeners.on_look(person)
            case Authors(None):
                self._listeners.on_authors(message)
            case Authors():
                self.absence.answered(message, self._own_principal)
            case Pulse(entries):
                self.people.pulse(entries)
            case Declined(text):
                self._listeners.on_notice(text)
            case _:
                assert_never(message)

    @property
    def _own_principal(self) -> str | None:
        return None if self.people.own is None else self.people.own.principal

    # What the person asks for; each returns why it cannot be, for people, or nothing

    def say(self, text: str) -> str:
        """Say a line of chat."""
        text = clean_line(text.encode(errors="replace").decode())
        if not text:
            return "there is nothing to say yet"
        if len(text) > limits.CHAT_CHARACTERS:
            return f"a line has at most {limits.CHAT_CHARACTERS} characters; this one has {len(text)}"
        return self._refusal("chat") or self._ask(Say(text), "has no chat")

    def look_here(self) -> str:
        """Ask the others to look at where the person is."""
        return self._refusal("ask that") or self._ask(Look(None), "cannot pass that on")

    def ask_pulse(self) -> None:
        """Ask how far away everybody is."""
        self._ask(AskPulse(), "knows no round trips")

    def ask_authors(self) -> str:
        """Ask who wrote in the room."""
        return self._ask(AskAuthors(None), "cannot tell who wrote what")

    def kick(self, session: int, ban_s: int) -> str:
        """Send `session` away, and keep it out for `ban_s` seconds."""
        return self._if_admin() or self._ask(Kick(session, ban_s), "can send nobody away")

    def close_room(self, is_closed: bool) -> str:
        """Close the room to all but admins, or open it again."""
        return self._if_admin() or self._ask(CloseRoom(is_closed), "can close no rooms")

    @property
    def role(self) -> Role | None:
        """What the person may do here, as far as the server has said it."""
        return None if self._document.welcome is None else self._document.welcome.role

    def _if_admin(self) -> str:
        return "only admins of the room can do that" if self.role not in (None, Role.ADMIN) else ""

    def _refusal(self, what: str) -> str:
        welcome = self._document.welcome
        may = welcome is None or welcome.role.may_write or self._settings.get(READERS_CHAT) == "on"
        return "" if may else f"readers may not {what} here; someone who may write can allow readers to chat"

    def _ask(self, message: Say | Look | AskAuthors | AskPulse | Kick | CloseRoom, lacks: str) -> str:
        if self._sync.ask(message):
            self.on_ask()
            return ""
        if self._sync.phase is Phase.LIVE:
            return f"the server is older and {lacks}"
        return "not connected: try again when the link is back"

    # Within

    def _chat_changed(self, is_new: bool) -> None:
        self._listeners.on_chat(is_new)

    def _settle_soon(self) -> None:
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._settling = None
        has_changed, news = self.people.settle()
        self._alarm.look()
        if has_changed:
            self._listeners.on_people()
        if news is not None:
            self._listeners.on_news(news)
