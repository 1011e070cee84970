"""What an admin of a room does about the others: sends them away, closes the room, opens it again.

The server has the last word on each: what it declines it says, and who has gone is seen to go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from collab_protocol.presence import Role
from collab_tui.people import ROLES
from collab_tui.safe_text import safe_name
from collab_tui.widgets.command_list import Entry

if TYPE_CHECKING:
    from collab_client.people import Someone
    from collab_tui.app_config import Session
    from collab_tui.bars import Bars

_NAME_CELLS: Final = 16
_BANS_S: Final = {"once": 0, "minutes": 600, "day": 86_400}
_NOT_ADMIN: Final = "only admins of the room can do that"


class Doorkeeping:
    """Does the actions of its kind. `tell(text)` shows a notice."""

    def __init__(self, bars: Bars, session: Session, *, tell: Callable[[str], None]) -> None:
        self._bars = bars
        self._session = session
        self._tell = tell
        self.actions: dict[str, Callable[[], None]] = {
            "send_away": self._ask_whom,
            "close_room": self._ask_to_close,
            "open_room": lambda: self._close_room(False),
        }

    @property
    def is_admin(self) -> bool:
        """Whether the person may do any of it here."""
        return self._session.role is Role.ADMIN

    @property
    def may_send_away(self) -> bool:
        """Whether there is somebody whom the person may send away."""
        return self.is_admin and bool(self._others())

    def ask_how_long(self, principal: str) -> None:
        """Ask for how long whoever is `principal` is sent away, and do it."""
        someone = self._session.people.find_principal(principal)
        if not self.is_admin:
            self._tell(_NOT_ADMIN)
        elif someone is None:
            self._tell("they have just left")
        elif someone.is_me:
            self._tell("nobody sends oneself away")
        elif not someone.sessions:
            self._tell(f"{_name(someone)} is offline")
        else:
            entries = [
                Entry("once", "Once", "", "may come back at once"),
                Entry("minutes", "For 10 minutes", "", ""),
                Entry("day", "For a day", "", ""),
            ]
            self._bars.choose(
                entries,
                f"Send {_name(someone)} away",
                lambda id_: self._send_away(principal, _BANS_S[id_]),
            )

    def _ask_whom(self) -> None:
        others = self._others()
        if not self.is_admin:
            self._tell(_NOT_ADMIN)
        elif not others:
            self._tell("nobody else is here")
        else:
            entries = [Entry(each.principal, _name(each), "", ROLES[each.role]) for each in others]
            self._bars.choose(entries, "Send away", self.ask_how_long)

    def _send_away(self, principal: str, ban_s: int) -> None:
        someone = self._session.people.find_principal(principal)
        if someone is None or not someone.sessions:
            self._tell("they have just left")
            return
        refusal = ""
        # A ban is of the person: it ends all their sessions.
        for session in someone.sessions[:1] if ban_s else someone.sessions:
            refusal = refusal or self._session.kick(session, ban_s)
        self._tell(refusal or f"sending {_name(someone)} away")

    def _others(self) -> list[Someone]:
        return [each for each in self._session.people.everybody() if each.sessions and not each.is_me]

    def _ask_to_close(self) -> None:
        if not self.is_admin:
            self._tell(_NOT_ADMIN)
            return
        entries = [
            Entry("close", "Close it", "", "all but admins are sent away"),
            Entry("leave", "Leave it open", "", ""),
        ]
        self._bars.choose(
            entries, "Close the room", lambda id_: self._close_room(True) if id_ == "close" else None
        )

    def _close_room(self, is_closed: bool) -> None:
        refusal = self._session.close_room(is_closed) if self.is_admin else _NOT_ADMIN
        words = "closing the room: admins alone may come in" if is_closed else "opening the room"
        self._tell(refusal or words)


def _name(someone: Someone) -> str:
    return safe_name(someone.name, _NAME_CELLS)
