"""The status line: the room, what may truthfully be said of one's text, the people, notices, questions.

It is one row that gives way from the right: first people fold into `+n`, then the room's name is cut and
dropped, badges get shorter, and the status words go last. Where the caret is stands beside it, in a widget
of its own, so that a key repaints twelve cells and not the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from collab_client.status import Status, StatusKind, connecting, status_line
from collab_protocol.presence import Activity
from collab_tui.palette import Ink, Palette, Styles
from collab_tui.safe_text import crop_cells, safe_name, safe_text
from collab_tui.widgets.field_widget import cropped
from collab_tui.widgets.rows import RowsWidget

if TYPE_CHECKING:
    from collab_client.lines import Position

_ROOM_LEAST: Final = 6
_NAME_CELLS: Final = 16
_GAP: Final = "  "
_ABSENT: Final = {Activity.AWAY: " (away)", Activity.LOST: " (offline)"}
_ASCII: Final = str.maketrans({"…": "...", "·": "-", "–": "-", "−": "-", "×": "x"})


@dataclass(frozen=True, slots=True)
class PersonShown:
    """Somebody else in the room, as the line names them; `count` is in how many windows they are.

    LOST is who has been offline for a moment only.
    """

    name: str
    sign: str
    colour: int
    activity: Activity = Activity.ACTIVE
    count: int = 1


@dataclass(frozen=True, slots=True)
class LeaderShown:
    """Who is followed, as the line names them; `colour` is None before they have been here."""

    name: str
    colour: int | None
    is_here: bool


class StatusLine(RowsWidget):
    """Shows the room, the status, who is here; or a notice or a question in their place."""

    class Clicked(Message):
        """The person clicked the status: try to connect now."""

    def __init__(
        self, palette: Palette, room: str, *, is_ascii: bool = False, is_read_only: bool = False
    ) -> None:
        super().__init__()
        self.palette = palette
        self._styles = Styles()
        self._is_ascii = is_ascii
        self._room = safe_name(room, 64)
        self._status: Status = connecting()
        self._people: tuple[PersonShown, ...] = ()
        self._leader: LeaderShown | None = None
        self._followers = 0
        self._unread = 0
        self._notice = ""
        self._question = ""
        self.is_read_only = is_read_only

    def show(
        self,
        *,
        status: Status | None = None,
        people: Sequence[PersonShown] | None = None,
        notice: str | None = None,
        question: str | None = None,
        is_read_only: bool | None = None,
        unread: int | None = None,
    ) -> None:
        """Change what is said and leave the rest; repaints only when something is different."""
        before = self._all
        if status is not None:
            self._status = status
        if people is not None:
            self._people = tuple(people)
        if notice is not None:
            self._notice = self._safe(notice)
        if question is not None:
            self._question = self._safe(question)
        if is_read_only is not None:
            self.is_read_only = is_read_only
        if unread is not None:
            self._unread = unread
        self._paint_unless(before)

    def show_following(self, leader: LeaderShown | None, followers: int) -> None:
        """Say who is followed, and how many people follow."""
        before = self._all
        self._leader, self._followers = leader, followers
        self._paint_unless(before)

    @property
    def _all(self) -> tuple[object, ...]:
        said = (self._status, self._people, self._notice, self._question)
        return (*said, self.is_read_only, self._leader, self._followers, self._unread)

    def _paint_unless(self, before: tuple[object, ...]) -> None:
        if before != self._all:
            self.touch_all()
            self.paint_within_frame()

    def _safe(self, text: str) -> str:
        return safe_text(text.translate(_ASCII) if self._is_ascii else text, ascii_marks=self._is_ascii)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.post_message(self.Clicked())

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        bar = self.palette.bar
        parts = self._question_parts() if self._question else self._parts(width)
        segments: list[Segment] = []
        used = 0
        for text, ink in parts:
            shown = crop_cells(text, width - used)
            if shown:
                segments.append(Segment(shown, self._styles[ink.over(bar)]))
                used += cell_len(shown)
        segments.append(Segment(" " * (width - used), self._styles[bar]))
        return Strip(segments, width)

    def _question_parts(self) -> list[tuple[str, Ink]]:
        return [(f" {self._question} ", self.palette.bar_warn)]

    def _parts(self, width: int) -> list[tuple[str, Ink]]:
        words = self._said(status_line(self._status, ascii=self._is_ascii))
        notice = [(f"{_GAP}{self._notice}", self.palette.bar)] if self._notice else []
        badges = self._badges(is_short=False)
        if cell_len(f" {words} ") + _cells(badges) + _cells(notice) > width:
            badges = self._badges(is_short=True)
        if self._status.reason and cell_len(f" {words} ") + _cells(badges) > width:
            # That one may not write tells less than this does.
            badges = self._badges(is_short=True, has_read_only=False)
            words = self._cut_short(words, width - _cells(badges))
        if notice and cell_len(f" {words} ") + _cells(badges) + _cells(notice) > width:
            words = words.split(" ")[0]  # its sign and colour stay
        parts = [(f" {words} ", self._state_ink()), *badges]
        free = width - _cells(parts) - 2
        if free - _cells(notice) >= _ROOM_LEAST:
            room = f" {crop_cells(self._room, free - _cells(notice))} "
            parts = [(room, self.palette.bar._replace(bold=True)), *parts]
        left = width - _cells(parts)
        if notice:
            text = self._notice if _cells(notice) > left else f"{_GAP}{self._notice}"
            return [*parts, (cropped(text, left, is_ascii=self._is_ascii), self.palette.bar)]
        return [*parts, *self._others_parts(left)]

    def _cut_short(self, words: str, width: int) -> str:
        """Return what a refusal says in at most `width` cells: its reason gives way, not what is at stake."""
        if cell_len(f" {words} ") <= width:
            return words
        status = self._status
        start = words.split(" ")[0]
        end, reason = (
            self._said(status_line(replace(status, text=text), ascii=self._is_ascii))
            for text in (status.brief, status.reason)
        )
        room = max(0, width - cell_len(f" {start} {end} "))
        return f"{start} {cropped(reason, room, is_ascii=self._is_ascii)}{end}"

    def _said(self, text: str) -> str:
        return safe_text(text, ascii_marks=self._is_ascii)

    def _badges(self, *, is_short: bool, has_read_only: bool = True) -> list[tuple[str, Ink]]:
        """Return what is always to be known: that one may not write, whose view this is, what is unread."""
        gap = (_GAP, self.palette.bar)
        badges = [gap, (" read-only ", self.palette.badge)] if self.is_read_only and has_read_only else []
        leader = self._leader
        if leader is not None:
            does = "following" if leader.is_here else "waiting for"
            leave = "" if is_short else " (Esc)"
            badges += [
                gap,
                (f" {does} {safe_name(leader.name, _NAME_CELLS)}{leave} ", self._leader_ink(leader)),
            ]
        if self._unread:
            badges += [gap, (f" chat {self._unread} ", self.palette.badge)]
        return badges

    def _leader_ink(self, leader: LeaderShown) -> Ink:
        """Return a leader's colour, or that of badges where there are no colours, or faint ones are grey."""
        palette = self.palette
        has_colour = bool(palette.people) if leader.is_here else palette.background.startswith("#")
        if leader.colour is None or not has_colour:
            return palette.badge
        return palette.person(leader.colour, is_faint=not leader.is_here)

    def _state_ink(self) -> Ink:
        palette = self.palette
        match self._status.kind:
            case StatusKind.SAVED:
                return palette.bar_good
            case StatusKind.REFUSED:
                return palette.bar_bad
            case StatusKind.OFFLINE | StatusKind.BUSY:
                return palette.bar_warn
            case StatusKind.CONNECTING | StatusKind.LOADING | StatusKind.SAVING | StatusKind.NOT_STORED:
                return palette.bar_muted

    def _others_parts(self, room: int) -> list[tuple[str, Ink]]:
        """Return how many follow, if that fits, and as many people as fit behind it."""
        count = self._followers
        follow: list[tuple[str, Ink]] = []
        if count:
            text = f"{_GAP}{count} {'follows' if count == 1 else 'follow'} you"
            follow = [(text, self.palette.bar_muted)] if cell_len(text) <= room else []
        return [*follow, *self._people_parts(room - _cells(follow))]

    def _people_parts(self, room: int) -> list[tuple[str, Ink]]:
        """Return as many people as fit in `room` cells, and `+n` for the others."""
        shown: list[tuple[str, Ink]] = []
        for at, person in enumerate(self._people):
            parts = self._person_parts(person)
            others = len(self._people) - at - 1
            more = len(f"{_GAP}+{others}") if others else 0
            if _cells(shown) + _cells(parts) + more > room:
                rest = f"{_GAP}+{len(self._people) - at}"
                return [*shown, (rest, self.palette.bar)] if _cells(shown) + len(rest) <= room else shown
            shown += parts
        return shown

    def _person_parts(self, person: PersonShown) -> list[tuple[str, Ink]]:
        bar = self.palette.bar
        is_here = person.activity is Activity.ACTIVE
        name = safe_name(person.name, _NAME_CELLS)
        if person.count > 1:
            name += f" {'x' if self._is_ascii else '×'}{person.count}"
        if person.activity in _ABSENT:
            name += _ABSENT[person.activity]
        return [
            (_GAP, bar),
            (f" {person.sign} ", self.palette.person(person.colour, is_faint=not is_here)),
            (f" {name}", bar if is_here else self.palette.bar_muted),
        ]


_POSITION_CELLS: Final = 12


class CaretPosition(RowsWidget):
    """Says row and column, from 1, and before them what else is to be known; columns count characters."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self.palette = palette
        self._styles = Styles()
        self._shown = ("", "")
        self._text = self._note = ""

    def show(self, position: Position, note: str = "") -> None:
        """Show where the caret is; `note` is the language, or how many carets there are."""
        text = f"{position.row + 1}:{position.column + 1}"
        if note != self._note:
            self._note = note
            self.styles.width = _POSITION_CELLS + (cell_len(note) + 1 if note else 0)
        if (note, text) != self._shown:
            self._shown = note, text
            self._text = f"{note}  {text}" if note else text
            self.touch_all()
            self.paint_within_frame()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        text = f"{self._text} ".rjust(width)[-width:]
        return Strip([Segment(text, self._styles[self.palette.bar_muted])], width)


class Bar(Widget):
    """Holds the status line and the position side by side."""

    BLANK = True


def _cells(parts: Sequence[tuple[str, Ink]]) -> int:
    return sum(cell_len(text) for text, _ in parts)
