"""The room's chat: the bar with its lines, what is said while it is closed, and what could not be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from collab_client.chat import READERS_CHAT
from collab_protocol.names import clean_line
from collab_tui.safe_text import crop_cells, safe_name, safe_text

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.chat import Chat, Line
    from collab_client.room_settings import RoomSettings
    from collab_tui.bars import Bars
    from collab_tui.widgets.chat_bar import ChatBar

_NAME_CELLS: Final = 16
_TOAST_CELLS: Final = 60


class Session(Protocol):
    """Who says it to the others."""

    @property
    def chat(self) -> Chat: ...

    @property
    def settings(self) -> RoomSettings: ...

    def say(self, text: str) -> str: ...


class Chatting:
    """Opens the bar and keeps it up to date. `show_unread(count)` shows how many lines wait to be read."""

    def __init__(
        self,
        bar: ChatBar,
        bars: Bars,
        buffer: Buffer,
        session: Session,
        *,
        tell: Callable[[str], None],
        show_unread: Callable[[int], None],
    ) -> None:
        self._bar = bar
        self._bars = bars
        self._buffer = buffer
        self._session = session
        self._tell = tell
        self._show_unread = show_unread
        self._sent = ""  # what nobody has taken yet
        bar.on_send = self._send
        bar.on_seen = session.chat.read
        show_unread(session.chat.unread)

    def open(self) -> None:
        """Open the bar; all that was said has been read then."""
        self._bars.show(self._bar)
        self._bar.open(self._session.chat.lines)
        self._session.chat.read()

    def changed(self, is_new: bool) -> Line | None:
        """Take note that a line came or was read; returns the line if somebody else has just said it."""
        chat = self._session.chat
        newest = chat.lines[-1] if chat.lines else None
        if newest is not None and newest.is_mine and newest.text == self._sent:
            if self._bar.draft == self._sent:  # it was put back, and had been taken after all
                self._bar.put_draft("")
            self._sent = ""
        if self._bar.is_open:
            self._bar.show(chat.lines)
            if chat.unread and self._bar.is_at_end:
                chat.read()
        elif is_new and newest is not None:
            self._tell(self._toast(newest))
        self._show_unread(chat.unread)
        return newest if is_new else None

    def not_taken(self) -> None:
        """Put back what was sent last: the server declined something, or the link is gone."""
        sent, self._sent = self._sent, ""
        if sent and not self._bar.draft:
            self._bar.put_draft(sent)
            self._sent = sent  # should it come after all, it is not to be sent twice

    def toggle_readers(self) -> None:
        """Let those who may only read chat, or not."""
        if self._buffer.read_only:
            self._tell("this room is read-only for you")
            return
        settings = self._session.settings
        may_chat = settings.get(READERS_CHAT) != "on"
        settings.set(READERS_CHAT, "on" if may_chat else "")
        self._tell(f"who may only read {'may chat, too' if may_chat else 'may not chat'}")

    def _send(self, text: str) -> None:
        text = clean_line(text)  # as it comes back
        refusal = self._session.say(text)
        if refusal:
            self._bar.refuse(refusal)
            return
        self._sent = text
        self._bar.put_draft("")

    def _toast(self, line: Line) -> str:
        text = safe_text(" ".join(line.text.split()))
        shown = crop_cells(text, _TOAST_CELLS)
        return f"{safe_name(line.author.name, _NAME_CELLS)}: {shown}{'…' if shown != text else ''}"
