"""What people say and do beside the text of a room: where they are, chat, settings, asking others to look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from collab_protocol.messages import Declined, Look, Presence, Pulse, Said, Setting
from collab_protocol.names import clean_line
from collab_server.chat import Chat, why_not
from collab_server.ledger import Ledger, RoomLog
from collab_server.roster import Roster, Seat
from collab_server.settings import Settings
from collab_server.showing import Showing
from collab_server.store.base import ChatLine
from collab_server.writing import Writing

_READERS_CHAT: Final = ("readers_chat", "on")
"""The setting with which who may only read may chat too."""


class Beside:
    """All of one room that is not its text."""

    def __init__(
        self,
        chat: Chat,
        settings: Settings,
        *,
        writing: Writing,
        ledger: Ledger,
        roster: Roster,
        showing: Showing,
        log: RoomLog,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """All of them are the room's; `now` gives UTC seconds, `clock` monotonic ones for what is rated."""
        self._chat = chat
        self._settings = settings
        self._writing = writing
        self._ledger = ledger
        self._roster = roster
        self._showing = showing
        self._log = log
        self._now = now
        self._clock = clock

    @property
    def settings(self) -> Mapping[str, str]:
        """What the room shares, as it is on disk."""
        return self._settings.values

    @property
    def said_lately(self) -> tuple[Said, ...]:
        """The chat that a newcomer gets."""
        return self._chat.shown

    def present(self, seat: Seat, presence: Presence) -> None:
        """Take what `seat` says of itself; others see the newest, after the edits that it rests on."""
        if self._ledger.trouble or seat.is_to_send_again:
            return  # it may rest on rows that were not taken
        view = presence.view
        seat.next_presence = replace(
            presence,
            person=seat.person,
            seen=min(presence.seen, self._ledger.seq),
            view=view if view is not None and view.top <= view.bottom else None,
        )
        self._writing.flush_later()

    def say(self, seat: Seat, text: str) -> None:
        """Take a line of chat; everybody is told once it is on disk, `seat` too, or it alone why not."""
        line = clean_line(text)
        why = self._why_quiet(seat) or why_not(line)
        if not why and not seat.lines.take(self._clock()):
            why = "too many lines at once: wait a moment"
        if why:
            seat.member.deliver(Declined(why))
        else:
            self._log.say(self._chat.next_line(seat.person, line, self._now()))

    def said(self, line: ChatLine) -> None:
        """Hear from the log that a line of chat is on disk."""
        self._roster.tell_others(None, self._chat.committed(line))

    def look(self, seat: Seat) -> None:
        """Ask the others to look where `seat` is, or tell it why not."""
        why = self._why_quiet(seat)
        if not why and not seat.looks.take(self._clock()):
            why = "they have just been asked to look: wait a moment"
        if why:
            seat.member.deliver(Declined(why))
            return
        # Where it is must be known to them by then.
        self._writing.flush()
        self._writing.flush_all_of(seat.device_hash)
        self._ledger.when_on_disk(self._ledger.seq, lambda: self._ask_to_look(seat))

    def pulse(self, seat: Seat) -> None:
        """Tell `seat` how far away everybody is, or why not."""
        if not seat.pulses.take(self._clock()):
            seat.member.deliver(Declined("too many questions at once: wait a moment"))
            return
        known = ((each.person.session, each.member.round_trip_ms) for each in self._roster if each.is_live)
        seat.member.deliver(Pulse(tuple((session, ms) for session, ms in known if ms is not None)))

    def set(self, seat: Seat, key: str, value: str) -> None:
        """Change a setting for everyone, shown when it is on disk, or tell `seat` why not."""
        why = "" if seat.person.role.may_write else "you may read here, not write"
        if not why and not seat.wishes.take(self._clock()):
            why = "too many settings at once: wait a moment"
        if not why:
            why = self._settings.set(key, value, is_put_off=bool(self._ledger.trouble))
        if why:
            seat.member.deliver(Declined(why))

    def setting_committed(self, key: str, value: str) -> None:
        """Hear from the log that a setting is on disk."""
        self._settings.committed(key, value)
        self._roster.tell_others(None, Setting(key, value))

    def resume(self) -> None:
        """Bring to disk the settings that were put off."""
        self._settings.resume()

    def _ask_to_look(self, seat: Seat) -> None:
        if seat in self._roster:
            self._showing.catch_up(seat)
            self._roster.tell_others(seat, Look(seat.person))

    def _why_quiet(self, seat: Seat) -> str:
        """Return why `seat` may not speak to the others now; empty when it may."""
        key, value = _READERS_CHAT
        if not seat.person.role.may_write and self._settings.values.get(key) != value:
            return "readers may not chat here; someone who may write can allow it: Ctrl-P, Readers may chat"
        if self._ledger.trouble:
            return f"that is not possible at present: {self._ledger.trouble}"
        return ""
