"""What the app does about the others: who is here, jumps to them, following, looks that were asked for.

Places are looked up when they are used: everybody moves all the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from collab_client.people import Doing, Someone
from collab_client.status import StatusKind
from collab_protocol.presence import Person
from collab_tui.doorkeeping import Doorkeeping
from collab_tui.following import Following, Leader
from collab_tui.marks import Border, has_place
from collab_tui.people import ROLES, PeopleShown, accounts_of, signs_of
from collab_tui.safe_text import safe_name
from collab_tui.toasts import names_text
from collab_tui.widgets.commands import go_to
from collab_tui.widgets.people_panel import PersonRow
from collab_tui.widgets.status_line import LeaderShown

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.lines import Position
    from collab_tui.actions import Keymap
    from collab_tui.app_config import Session
    from collab_tui.bars import Bars
    from collab_tui.palette import Palette
    from collab_tui.widgets.editor import Editor
    from collab_tui.widgets.people_panel import PeoplePanel
    from collab_tui.widgets.scrollbar import ScrollBar
    from collab_tui.widgets.status_line import StatusLine

_LOOK_STANDS_S: Final = 15.0
_LOOK_COUNTS_S: Final = 30.0
"""So long after somebody has asked to look F9 follows them."""

_PULSE_S: Final = 2.0
_NAME_CELLS: Final = 16
_RESTING: Final = (Doing.IDLE, Doing.AWAY, Doing.OFFLINE)
_LIVE: Final = (StatusKind.SAVED, StatusKind.SAVING, StatusKind.NOT_STORED)
_ROUND_TRIP_CELLS: Final = 7
_OWN: Final = ""
"""The key of the person here in the list: other windows of theirs have the same principal."""


class Company:
    """The others in the room, as far as the screen deals with them."""

    def __init__(
        self,
        editor: Editor,
        bars: Bars,
        panel: PeoplePanel,
        line: StatusLine,
        scrollbar: ScrollBar,
        buffer: Buffer,
        session: Session,
        keymap: Keymap,
        *,
        palette: Palette,
        invitation: str,
        tell: Callable[..., None],
        clear: Callable[[], None],
        ring: Callable[[str], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float],
    ) -> None:
        """`invitation` says how others come in. `tell(text, stands_s)` shows a notice, `clear()` takes it
        away; `ring(text)` has the person look up, if they want that; `later(seconds, call)` is a timer."""
        self.on_leader: Callable[[Leader | None], object] = lambda _: None
        """Called when somebody else, or nobody, is followed, or whoever is has come or gone."""
        self._editor = editor
        self._bars = bars
        self._panel = panel
        self._line = line
        self._scrollbar = scrollbar
        self._buffer = buffer
        self._session = session
        self._people = session.people
        self._keymap = keymap
        self._palette = palette
        self._invitation = invitation
        self._tell = tell
        self._clear = clear
        self._ring = ring
        self._later = later
        self._clock = clock
        self._asked = ("", float("-inf"))  # who asked to look last, and when
        self._people_shown = PeopleShown()
        self._is_asking_pulse = False
        self._following = Following(
            session.people, buffer.peers, follow=session.follow, changed=self._leader_changed
        )
        self._doorkeeping = Doorkeeping(bars, session, tell=tell)
        self._actions: dict[str, Callable[[], None]] = {
            "people": self._open_panel,
            "follow": self._follow_or_stop,
            "next_person": lambda: self._step(back=False),
            "previous_person": lambda: self._step(back=True),
            "look_here": self._look_here,
            **self._doorkeeping.actions,
        }
        editor.sight = self._following.sight
        editor.on_own_way = self._own_way
        editor.on_unselect = self._escaped
        panel.on_go = self._go
        panel.on_follow = self._follow
        panel.on_send_away = self._send_away
        bars.company = self

    @property
    def is_admin(self) -> bool:
        """Whether the person may send others away, and close the room."""
        return self._doorkeeping.is_admin

    def act(self, action: str) -> bool:
        """Do `action`; False when it is not of this kind."""
        do = self._actions.get(action)
        if do is None:
            return False
        do()
        return True

    def wait_for(self, name: str) -> None:
        """Follow whoever is called `name`, once they are here."""
        self._following.wait_for(name)

    def set_palette(self, palette: Palette) -> None:
        """Show all of it in other inks."""
        self._palette = palette
        self._frame()

    # -- what happens

    def people_changed(self) -> None:
        """Show who is here, and follow whom there is to follow."""
        self._following.refresh()
        self._line.show(people=self._people_shown.of(self._people.everybody()))
        self._show_following()
        self.refresh()

    def refresh(self) -> None:
        """Show where people are now, if that is to be seen."""
        if self._panel.is_open:
            self._panel.show(*self._rows(), may_send_away=self._doorkeeping.may_send_away)

    def asked_to_look(self, person: Person) -> None:
        """Tell that somebody asks to look where they are."""
        now = self._clock()
        self._asked = (person.principal, now)
        peer = self._buffer.peers.get(person.session)
        text = f"{safe_name(person.name, _NAME_CELLS)} asks you to look"
        if peer is not None and peer.head is not None:
            text += f" at line {peer.head.row + 1}"
        self._ring(text)
        key = self._keymap.shown("follow")
        if key and person.principal != self._following.principal:
            text += f" · {key} follows"
        self._tell(text, _LOOK_STANDS_S)

    # -- going to people

    def place_of(self, name: str) -> Position | str:
        """Return where whoever is called `name` is, or why nobody can go there."""
        someone = self._people.find(name)
        if someone is None:
            names = self._names()
            if not names:
                return "nobody else is here"
            among = ", ".join(names)
            return f"nobody here is called {name}: {among}" if name else f"to whom? {among}"
        return self._place(someone)

    def meant_by(self, name: str) -> str:
        """Return whom `name` means so far."""
        someone = self._people.find(name)
        if someone is None:
            begun = [each for each in self._names() if each.casefold().startswith(name.casefold())]
            return ", ".join(begun)
        place = self._place(someone)
        return place if isinstance(place, str) else f"{self._name(someone)}, line {place.row + 1}"

    def _place(self, someone: Someone) -> Position | str:
        if someone.head is not None:
            return someone.head
        return f"{self._name(someone)} is {'nowhere yet' if someone.sessions else 'offline'}"

    def _names(self) -> list[str]:
        return list(dict.fromkeys(map(self._name, self._people.everybody())))

    def _name(self, someone: Someone) -> str:
        return safe_name(someone.name, _NAME_CELLS)

    def _step(self, *, back: bool) -> None:
        """Go to the next caret of somebody else, in the order of the text and around its end."""
        own = self._people.own
        names: dict[Position, list[str]] = {}
        for peer in self._buffer.peers.values():
            if has_place(peer) and peer.head is not None:
                is_me = own is not None and peer.person.principal == own.principal
                name = "your other window" if is_me else safe_name(peer.person.name, _NAME_CELLS)
                names.setdefault(peer.head, []).append(name)
        if not names:
            has_company = bool(self._people.everybody())
            self._tell("nobody else has a caret here" if has_company else "nobody else is here")
            return
        here, places = self._buffer.head, sorted(names)
        ahead = [place for place in places if (place < here if back else place > here)]
        target = (ahead or places)[-1 if back else 0]
        self._jump(target)
        self._tell(", ".join(dict.fromkeys(names[target])))

    def _jump(self, place: Position) -> None:
        self._editor.edit(lambda buffer: go_to(buffer, *place), centre=True)

    # -- following

    def _follow_or_stop(self) -> None:
        someone = self._who_asked()
        if someone is None and self._following.leader is not None:
            self._stop("")
            return
        if someone is None:
            everybody = [each for each in self._people.everybody() if each.sessions]
            others = [each for each in everybody if not each.is_me] or everybody
            last = self._people.find_principal(self._following.last)
            someone = others[0] if len(others) == 1 else last
        if someone is None:
            self._open_panel()
        else:
            self._begin(someone)

    def _who_asked(self) -> Someone | None:
        """Return whoever has just asked to look, and is not followed already."""
        principal, at = self._asked
        if principal == self._following.principal or self._clock() > at + _LOOK_COUNTS_S:
            return None
        return self._people.find_principal(principal)

    def _begin(self, someone: Someone) -> None:
        self._asked = ("", float("-inf"))
        self._clear()
        self._following.begin(someone)
        self._editor.update()

    def _own_way(self, is_scroll: bool) -> None:
        """Stop following: the person goes their own way."""
        if self._following.leader is not None:
            key = self._keymap.shown("follow")
            again = f" · {key} follows again" if key and self._following.principal else ""
            self._stop(f"{': you scrolled' if is_scroll else ''}{again}")

    def _escaped(self) -> bool:
        if self._following.leader is None:
            return False
        self._stop("")
        return True

    def _stop(self, why: str) -> None:
        leader = self._following.end()
        if leader is not None:
            did = "following" if leader.is_here else "waiting for"
            self._tell(f"no longer {did} {safe_name(leader.name, _NAME_CELLS)}{why}")
            self._editor.update()

    def _leader_changed(self) -> None:
        self._show_following()
        self._frame()
        self.on_leader(self._following.leader)

    def _show_following(self) -> None:
        leader = self._following.leader
        shown = None if leader is None else LeaderShown(leader.name, leader.colour, leader.is_here)
        self._line.show_following(shown, self._people.followers)

    def _frame(self) -> None:
        leader = self._following.leader
        if leader is None or leader.colour is None:
            border = None
        else:
            border = Border(leader.colour, is_faint=not leader.is_here)
        self._editor.frame(border)
        self._scrollbar.frame(None if border is None else border.edge(self._palette))

    # -- asking to look

    def _look_here(self) -> None:
        refusal = self._session.look_here()
        if refusal:
            self._tell(refusal)
            return
        names = [each.name for each in self._people.everybody() if each.sessions and not each.is_me]
        self._tell(f"asked {names_text(names)} to look" if names else "nobody else is here")

    # -- the list

    def _open_panel(self) -> None:
        self._bars.show(self._panel)
        digits = len(f"line {self._buffer.lines.row_count}")
        doing = max(map(len, Doing))
        role = max(map(len, ROLES.values()))
        chosen = next((one.principal for one in self._people.everybody() if not one.is_me), _OWN)
        least_cells = (digits, doing, 0, role, _ROUND_TRIP_CELLS)
        self._panel.open(*self._rows(), least_cells, chosen, may_send_away=self._doorkeeping.may_send_away)
        if not self._is_asking_pulse:
            self._ask_pulse()

    def _ask_pulse(self) -> None:
        self._is_asking_pulse = self._panel.is_open
        if self._is_asking_pulse:
            self._session.ask_pulse()
            self._later(_PULSE_S, self._ask_pulse)

    def _go(self, key: str) -> None:
        someone = self._people.find_principal(key) if key else None
        if key == _OWN:
            self._bars.close()
            self._own_way(is_scroll=False)
            self._editor.update(reveal=True, centre=True)
        elif someone is not None:
            place = self._place(someone)
            if isinstance(place, str):
                self._tell(place)
            else:
                self._bars.close()
                self._jump(place)

    def _follow(self, key: str) -> None:
        someone = self._people.find_principal(key) if key else None
        if someone is None:
            self._tell("nobody follows oneself")
        else:
            self._bars.close()
            self._begin(someone)

    def _send_away(self, key: str) -> None:
        if key == _OWN:
            self._tell("nobody sends oneself away")
        else:
            self._doorkeeping.ask_how_long(key)

    def _rows(self) -> tuple[list[PersonRow], str]:
        """Return the rows of the list, oneself first, and what stands below them."""
        everybody = sorted(self._people.everybody(), key=lambda someone: not someone.is_me)
        own = self._people.own
        signs = signs_of(everybody, own)
        accounts = accounts_of(everybody, own)
        rows = [
            self._row(someone, signs[someone.principal], accounts[someone.principal]) for someone in everybody
        ]
        if own is not None:
            trip_s = self._session.round_trip_s
            trip = None if trip_s is None else round(trip_s * 1000)
            line = f"line {self._buffer.head.row + 1}"
            columns = (line, "you", "", ROLES[own.role], _round_trip(trip))
            sign, name, account = signs[own.principal], safe_name(own.name), accounts[own.principal]
            rows.insert(0, PersonRow(_OWN, sign, own.colour, False, name, columns, account))
        if everybody:
            return rows, ""
        if self._session.status.kind not in _LIVE:
            return rows, "Not connected: nobody can tell who else is here."
        return rows, f"Nobody else is here. {self._invitation}"

    def _row(self, someone: Someone, sign: str, account: str) -> PersonRow:
        count = len(someone.sessions)
        name = safe_name(someone.name)
        if someone.is_me:
            account = ""
            name = "you, other window" if count == 1 else f"you, {count} other windows"
        elif count > 1:
            name += f" ×{count}"
        columns = (
            f"line {someone.head.row + 1}" if someone.head is not None else "",
            str(someone.doing),
            "follows you" if someone.follows_me else "",
            ROLES[someone.role],
            _round_trip(someone.round_trip_ms),
        )
        is_faint = someone.doing in _RESTING
        return PersonRow(someone.principal, sign, someone.colour, is_faint, name, columns, account)


def _round_trip(ms: int | None) -> str:
    if ms is None:
        return ""
    if ms >= 1000:
        return f"{ms / 1000:.1f} s"
    return f"{ms} ms" if ms else "<1 ms"
