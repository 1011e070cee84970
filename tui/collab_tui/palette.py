"""The colours of the screen: one dark and one light set, and twelve people's colours in each."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from rich.style import Style


class Theme(StrEnum):
    """Which of the two sets is drawn; chosen by the terminal's background."""

    DARK = "dark"
    LIGHT = "light"


class Ink(NamedTuple):
    """How a cell is drawn; None leaves what lies below. Colours are `#rrggbb`."""

    fg: str | None = None
    bg: str | None = None
    bold: bool = False
    underline: bool = False

    def over(self, below: Ink) -> Ink:
        """Return this ink laid over `below`."""
        return Ink(
            self.fg or below.fg,
            self.bg or below.bg,
            self.bold or below.bold,
            self.underline or below.underline,
        )


# Searched for the largest least distance (OKLab) between any two as normal, protan, deutan and tritan
# eyes see them (Machado 2009), with at least 4.5:1 (dark) and 3.2:1 (light) against the background.
# The first seven have about the same hue in both sets. The tests hold the distances.
_DARK_PEOPLE: Final = (
    "#0fb4ff", "#f0960f", "#00ffa5", "#c369b4", "#e1d22d", "#9669ff",
    "#ff2d2d", "#2d965a", "#c3ffff", "#b4d2f0", "#a5b4a5", "#f0ff00",
)  # fmt: skip
_LIGHT_PEOPLE: Final = (
    "#113366", "#662200", "#007755", "#ee00ff", "#aa8811", "#6611aa",
    "#bb3300", "#2299aa", "#335555", "#9944aa", "#0011ee", "#ff2288",
)  # fmt: skip

SELECTION_BLEND: Final = 0.24
"""Of a person's colour in the background of what they selected: seen, and the text stays readable."""

_IDLE_BLEND: Final = 0.5


def blend(colour: str, into: str, share: float) -> str:
    """Return `share` of `colour` mixed into `into`."""
    return "#" + "".join(
        f"{round(b + (a - b) * share):02x}" for a, b in zip(_rgb(colour), _rgb(into), strict=True)
    )


def contrasting(colour: str) -> str:
    """Return near-black or white, whichever is easier to read on `colour`."""
    light = luminance(colour)
    return "#101114" if (light + 0.05) / 0.056 >= 1.05 / (light + 0.05) else "#ffffff"


def luminance(colour: str) -> float:
    """Return the relative luminance of `colour` (WCAG 2.2)."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in _rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


class _PersonInks(NamedTuple):
    """One person's colour in its three uses."""

    caret: Ink
    faint_caret: Ink
    selection: Ink


@dataclass(frozen=True, slots=True)
class Palette:
    """One set of colours as inks. `people` are caret colours by the index that the room gives."""

    text: Ink
    line: Ink
    caret: Ink
    faint_caret: Ink
    selection: Ink
    gutter: Ink
    gutter_line: Ink
    bar: Ink
    bar_muted: Ink
    bar_good: Ink
    bar_warn: Ink
    bar_bad: Ink
    badge: Ink
    people: tuple[str, ...]
    _people_inks: tuple[_PersonInks, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        inks = tuple(_person_inks(colour, self.background) for colour in self.people)
        object.__setattr__(self, "_people_inks", inks)

    @property
    def background(self) -> str:
        return self.text.bg or "#000000"

    def person(self, colour: int, *, is_faint: bool = False) -> Ink:
        """Return the ink of a person's caret and name: their colour, with text that stands out on it."""
        inks = self._people_inks[colour % len(self.people)]
        return inks.faint_caret if is_faint else inks.caret

    def person_selection(self, colour: int) -> Ink:
        """Return the ink of what a person has selected."""
        return self._people_inks[colour % len(self.people)].selection


def _person_inks(colour: str, background: str) -> _PersonInks:
    faint = blend(colour, background, _IDLE_BLEND)
    return _PersonInks(
        caret=Ink(contrasting(colour), colour),
        faint_caret=Ink(contrasting(faint), faint),
        selection=Ink(bg=blend(colour, background, SELECTION_BLEND)),
    )


_DARK: Final = Palette(
    text=Ink("#d5d8df", "#1b1d23"),
    line=Ink(bg="#23262e"),
    caret=Ink("#1b1d23", "#f2f3f5"),
    faint_caret=Ink(bg="#4a4f5a"),
    selection=Ink(bg="#2c4a78"),
    gutter=Ink("#666c78", "#1b1d23"),
    gutter_line=Ink("#c3c8d2", "#1b1d23"),
    bar=Ink("#d5d8df", "#2e323c"),
    bar_muted=Ink("#9aa1ae", "#2e323c"),
    bar_good=Ink("#8fd3a6", "#2e323c"),
    bar_warn=Ink("#1b1d23", "#f2c14e", bold=True),
    bar_bad=Ink("#ffffff", "#c4314b", bold=True),
    badge=Ink("#1b1d23", "#9aa1ae", bold=True),
    people=_DARK_PEOPLE,
)
_LIGHT: Final = Palette(
    text=Ink("#24272e", "#fafaf8"),
    line=Ink(bg="#f0f0ec"),
    caret=Ink("#fafaf8", "#24272e"),
    faint_caret=Ink(bg="#c9cbd0"),
    selection=Ink(bg="#bcd4f6"),
    gutter=Ink("#8d929b", "#fafaf8"),
    gutter_line=Ink("#4a4f58", "#fafaf8"),
    bar=Ink("#24272e", "#e2e3e0"),
    bar_muted=Ink("#5f656f", "#e2e3e0"),
    bar_good=Ink("#1d6b3a", "#e2e3e0"),
    bar_warn=Ink("#24272e", "#f2c14e", bold=True),
    bar_bad=Ink("#ffffff", "#b3253e", bold=True),
    badge=Ink("#fafaf8", "#5f656f", bold=True),
    people=_LIGHT_PEOPLE,
)


def palette_of(theme: Theme) -> Palette:
    """Return the colours of `theme`."""
    return _LIGHT if theme is Theme.LIGHT else _DARK


class Styles:
    """Inks as Rich styles, each made once."""

    def __init__(self) -> None:
        self._made: dict[Ink, Style] = {}

    def __getitem__(self, ink: Ink) -> Style:
        style = self._made.get(ink)
        if style is None:
            style = Style(
                color=ink.fg, bgcolor=ink.bg, bold=ink.bold or None, underline=ink.underline or None
            )
            self._made[ink] = style
        return style


def dimmed(ink: Ink, background: str) -> Ink:
    """Return `ink` with its text half way to `background`."""
    return ink._replace(fg=blend(ink.fg or background, background, 0.55))
