"""What goes on in the room beside the text, wired together: chat, changes, who wrote what, announcements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, ParamSpec

from collab_client.status import Status, StatusKind
from collab_tui.announcing import Announcing
from collab_tui.authors import ShownAuthors
from collab_tui.chatting import Chatting
from collab_tui.reviewing import Reviewing

if TYPE_CHECKING:
    from collab_client.away import Digest
    from collab_client.buffer import Buffer, Change
    from collab_protocol.presence import Person
    from collab_tui.actions import Keymap
    from collab_tui.app_config import Session
    from collab_tui.bars import Bars
    from collab_tui.following import Leader
    from collab_tui.palette import Palette
    from collab_tui.widgets.chat_bar import ChatBar
    from collab_tui.widgets.editor import Editor

_Asked = ParamSpec("_Asked")

_LIVE: Final = frozenset({StatusKind.SAVED, StatusKind.NOT_STORED, StatusKind.SAVING})


class RoomLife:
    """Listens to a session, behind whoever listens to it already, and does the actions of its kind."""

    def __init__(
        self,
        editor: Editor,
        bars: Bars,
        chat_bar: ChatBar,
        buffer: Buffer,
        session: Session,
        keymap: Keymap,
        *,
        palette: Callable[[], Palette],
        tell: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        show_unread: Callable[[int], None],
        changed: Callable[[], None],
        announce: Sequence[Callable[[str], object]],
        clock: Callable[[], float],
        is_ascii: bool,
    ) -> None:
        """`later(seconds, call)` is a timer, `changed()` is called when changes are marked otherwise, and
        each of `announce(line)` says what happens to those who do not see it."""
        self._editor = editor
        self._buffer = buffer
        self._session = session
        self._keymap = keymap
        self._tell = tell
        self._chatting = Chatting(chat_bar, bars, buffer, session, tell=tell, show_unread=show_unread)
        self._reviewing = Reviewing(
            editor,
            bars,
            buffer,
            session.away.changes,
            palette=palette,
            tell=tell,
            later=later,
            changed=changed,
            clock=clock,
            is_ascii=is_ascii,
        )
        self._authors = ShownAuthors(
            editor, buffer, session, palette=palette, tell=tell, later=later, clock=clock
        )
        self._announcing = (
            Announcing(announce, everybody=session.people.everybody, later=later, clock=clock)
            if announce
            else None
        )
        self._is_live = False
        self.touched = self._reviewing.touched
        self.scroll_marks = self._reviewing.scroll_marks
        self._actions: dict[str, Callable[[], object]] = {
            "chat": self._chatting.open,
            "readers_chat": self._chatting.toggle_readers,
            "next_change": lambda: self._reviewing.step(back=False),
            "previous_change": lambda: self._reviewing.step(back=True),
            "list_changes": self._reviewing.list_all,
            "toggle_authorship": self._authors.toggle,
        }
        self._listen()
        self.status_changed(session.status)

    def act(self, action: str) -> bool:
        """Do `action`; False when it is not of this kind."""
        do = self._actions.get(action)
        if do is None:
            return False
        do()
        return True

    def status_changed(self, status: Status) -> None:
        """Take note of what is true of the link and the text."""
        was_live, self._is_live = self._is_live, status.kind in _LIVE
        if self._is_live and not was_live:
            self._authors.linked()
        elif was_live and not self._is_live:
            self._chatting.not_taken()
        if self._announcing is not None:
            self._announcing.status_changed(status, self._session.kept)

    def leader_changed(self, leader: Leader | None) -> None:
        """Take note of who is followed now."""
        if self._announcing is not None:
            self._announcing.following(leader)

    def _listen(self) -> None:
        session = self._session
        session.on_chat = self._chat_changed
        session.on_away = self._came_back
        session.on_authors = self._authors.answered
        session.on_notice = _both(session.on_notice, lambda _: self._chatting.not_taken())
        announcing = self._announcing
        if announcing is not None:
            self._editor.text_listeners.append(self._text_changed)
            session.on_people = _both(session.on_people, announcing.people_changed)
            session.on_news = _both(session.on_news, announcing.came_or_went)
            session.on_look = _both(session.on_look, self._asked_to_look)

    def _text_changed(self, change: Change) -> None:
        if change.is_local and self._announcing is not None:
            self._announcing.typed()

    def _chat_changed(self, is_new: bool) -> None:
        line = self._chatting.changed(is_new)
        if line is not None and self._announcing is not None:
            self._announcing.chatted(line)

    def _came_back(self, digest: Digest) -> None:
        text = self._reviewing.told(digest, self._keymap.shown("next_change"))
        self._tell(text)
        if self._announcing is not None:
            self._announcing.say(text)

    def _asked_to_look(self, person: Person) -> None:
        peer = self._buffer.peers.get(person.session)
        head = None if peer is None else peer.head
        if self._announcing is not None:
            self._announcing.asked_to_look(person.name, None if head is None else head.row)


def _both(first: Callable[_Asked, object], second: Callable[_Asked, object]) -> Callable[_Asked, None]:
    def call(*arguments: _Asked.args, **named: _Asked.kwargs) -> None:
        first(*arguments, **named)
        second(*arguments, **named)

    return call
