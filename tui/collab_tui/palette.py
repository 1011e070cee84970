"""What a theme is made of: inks, people's colours, and their making into styles. `themes` has the colours."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from rich.style import Style


class Theme(StrEnum):
    """Which set of inks is drawn."""

    DARK = "dark"
    LIGHT = "light"
    HIGH_CONTRAST = "high-contrast"
    ANSI = "16-colour"
    """The terminal's own colours, whatever it makes of them: for consoles and for people who chose theirs."""

    MONO = "mono"
    """No colour at all (https://no-color.org)."""

    @property
    def is_native(self) -> bool:
        """Whether colours must reach the terminal by name, not as RGB."""
        return self in (Theme.ANSI, Theme.MONO)


class Ink(NamedTuple):
    """How a cell is drawn; None leaves what lies below. Colours are `#rrggbb`, or Rich's names of ANSI's."""

    fg: str | None = None
    bg: str | None = None
    bold: bool = False
    underline: bool = False
    reverse: bool = False
    dim: bool = False
    italic: bool = False

    def over(self, below: Ink) -> Ink:
        """Return this ink laid over `below`.

        With both colours it covers what lies below. Otherwise bold, italic and underline add up; reverse, a
        kind of background, and dim, a kind of foreground, show through until the ink above has one of its
        own. Reverse over reverse stays reversed.
        """
        if self.fg and self.bg:
            return self
        return Ink(
            self.fg or below.fg,
            self.bg or below.bg,
            self.bold or below.bold,
            self.underline or below.underline,
            self.reverse or (below.reverse and self.bg is None),
            self.dim or (below.dim and self.fg is None and not self.reverse),
            self.italic or below.italic,
        )


SELECTION_BLEND: Final = 0.2
"""Of a person's colour in the background of what they selected: seen, and the text stays readable."""

AUTHOR_BLEND: Final = 0.08
"""Of a person's colour in the background of what they wrote: all of a text may lie on it, code too."""

_IDLE_BLEND: Final = 0.5
_DIMMED_BLEND: Final = 0.55


def blend(colour: str, into: str, share: float) -> str:
    """Return `share` of `colour` mixed into `into`."""
    return "#" + "".join(
        f"{round(b + (a - b) * share):02x}" for a, b in zip(_rgb(colour), _rgb(into), strict=True)
    )


def contrasting(colour: str) -> str:
    """Return black or white, whichever is easier to read on `colour`."""
    light = luminance(colour) + 0.05
    return "#000000" if light / 0.05 >= 1.05 / light else "#ffffff"


def luminance(colour: str) -> float:
    """Return the relative luminance of `colour` (WCAG 2.2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in _rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


class PersonInks(NamedTuple):
    """One person's colour in its three uses; a faint caret is that of who is idle."""

    caret: Ink
    faint_caret: Ink
    selection: Ink


@dataclass(frozen=True, slots=True)
class Palette:
    """One set of inks. `people` are caret colours by the index that the room gives.

    `person_inks` says what becomes of each index where that is not a matter of mixing colours.
    """

    text: Ink
    line: Ink
    caret: Ink
    faint_caret: Ink
    selection: Ink
    match: Ink
    match_current: Ink
    invisible: Ink
    ruler: Ink
    gutter: Ink
    gutter_line: Ink
    scroll_track: Ink
    scroll_thumb: Ink
    scroll_match: Ink
    bar: Ink
    bar_muted: Ink
    bar_good: Ink
    bar_warn: Ink
    bar_bad: Ink
    badge: Ink
    hint: Ink
    hint_key: Ink
    panel: Ink
    panel_muted: Ink
    panel_title: Ink
    panel_choice: Ink
    panel_key: Ink
    field: Ink
    field_selection: Ink
    field_caret: Ink
    field_bad: Ink
    fold: Ink
    bracket: Ink
    change: Ink
    change_both: Ink
    scroll_change: Ink
    people: tuple[str, ...] = ()
    person_inks: tuple[PersonInks, ...] = ()
    syntax: tuple[Ink, ...] = ()
    """Inks of code over the text's, by `collab_syntax.kinds.Kind`."""

    author_inks: tuple[Ink, ...] = ()
    """Backgrounds of what people wrote; none where colours cannot be mixed."""

    def __post_init__(self) -> None:
        if not self.person_inks:
            inks = tuple(_person_inks(colour, self.background) for colour in self.people)
            object.__setattr__(self, "person_inks", inks)
        if not self.author_inks and self.background.startswith("#"):
            tints = tuple(Ink(bg=blend(colour, self.background, AUTHOR_BLEND)) for colour in self.people)
            object.__setattr__(self, "author_inks", tints)

    @property
    def background(self) -> str:
        return self.text.bg or "default"

    def person(self, colour: int, *, is_faint: bool = False) -> Ink:
        """Return the ink of a person's caret and name: their colour, with text that stands out on it."""
        inks = self.person_inks[colour % len(self.person_inks)]
        return inks.faint_caret if is_faint else inks.caret

    def person_selection(self, colour: int) -> Ink:
        """Return the ink of what a person has selected."""
        return self.person_inks[colour % len(self.person_inks)].selection

    def author(self, colour: int) -> Ink:
        """Return the ink that lies under what a person wrote."""
        return self.author_inks[colour % len(self.author_inks)] if self.author_inks else Ink()

    def author_sign(self, colour: int) -> Ink:
        """Return the ink of a person's sign where it is written in their colour, on the text's ground."""
        return Ink(self.people[colour % len(self.people)], bold=True) if self.people else Ink(bold=True)


def _person_inks(colour: str, background: str) -> PersonInks:
    faint = blend(colour, background, _IDLE_BLEND)
    return PersonInks(
        caret=Ink(contrasting(colour), colour),
        faint_caret=Ink(contrasting(faint), faint),
        selection=Ink(bg=blend(colour, background, SELECTION_BLEND)),
    )


def palette_of(theme: Theme) -> Palette:
    """Return the inks of `theme`."""
    from collab_tui.themes import PALETTES  # they are made of what is defined here

    return PALETTES[theme]


def next_theme(theme: Theme) -> Theme:
    """Return the theme that follows `theme` when a person goes through them all."""
    themes = list(Theme)
    return themes[(themes.index(theme) + 1) % len(themes)]


class Styles:
    """Inks as Rich styles, each made once."""

    def __init__(self) -> None:
        self._made: dict[Ink, Style] = {}

    def __getitem__(self, ink: Ink) -> Style:
        style = self._made.get(ink)
        if style is None:
            style = Style(
                color=ink.fg,
                bgcolor=ink.bg,
                bold=ink.bold or None,
                underline=ink.underline or None,
                reverse=ink.reverse or None,
                dim=ink.dim or None,
                italic=ink.italic or None,
            )
            self._made[ink] = style
        return style
