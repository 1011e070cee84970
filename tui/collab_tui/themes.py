"""The five themes.

Dark and light are quiet: text has a contrast of at least 7:1 and what is secondary 4.5:1 (WCAG 2.2, 1.4.6 and
1.4.3). High contrast has 7:1 everywhere. The other two use what any terminal has. The tests hold the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from collab_tui.palette import Ink, Palette, PersonInks, Theme, blend
from collab_tui.syntax_inks import SYNTAX_INKS

# Searched for the largest least distance (OKLab) between any two as normal, protan, deutan and tritan
# eyes see them (Machado 2009), with at least 4.5:1 (dark), 3.2:1 (light) and 7:1 (high contrast) against the
# background. The first seven have about the same hue in dark and light. The tests hold the distances.
_DARK_PEOPLE: Final = (
    "#0fb4ff", "#f0960f", "#00ffa5", "#c369b4", "#e1d22d", "#9669ff",
    "#ff2d2d", "#2d965a", "#c3ffff", "#b4d2f0", "#a5b4a5", "#f0ff00",
)  # fmt: skip
_LIGHT_PEOPLE: Final = (
    "#113366", "#662200", "#007755", "#ee00ff", "#aa8811", "#6611aa",
    "#bb3300", "#2299aa", "#335555", "#9944aa", "#0011ee", "#ff2288",
)  # fmt: skip
_HIGH_CONTRAST_PEOPLE: Final = (
    "#2da5ff", "#ffc3a5", "#4be100", "#ff87c3", "#ffffa5", "#c3c3ff",
    "#ff4be1", "#87a500", "#69ffff", "#c38787", "#87c369", "#a5ff00",
)  # fmt: skip

_DARK: Final = Palette(
    text=Ink("#e1e4ea", "#1b1d23"),
    line=Ink(bg="#23262e"),
    caret=Ink("#1b1d23", "#ffffff"),
    faint_caret=Ink(bg="#4a4f5a"),
    selection=Ink(bg="#2b4675"),
    match=Ink(bg="#702b61"),
    match_current=Ink("#1b1d23", "#ff9ed2", bold=True),
    invisible=Ink("#666d7a"),
    ruler=Ink(bg="#2a2e37"),
    gutter=Ink("#838a98", "#1b1d23"),
    gutter_line=Ink("#e1e4ea", "#1b1d23"),
    scroll_track=Ink("#838a98", "#1f2229"),
    scroll_thumb=Ink("#e1e4ea", "#3d434f"),
    scroll_match=Ink("#ff9ed2"),
    bar=Ink("#e1e4ea", "#2b2f38"),
    bar_muted=Ink("#a2a9b6", "#2b2f38"),
    bar_good=Ink("#8fd3a6", "#2b2f38"),
    bar_warn=Ink("#1b1d23", "#f2c14e", bold=True),
    bar_bad=Ink("#ffffff", "#a82a42", bold=True),
    badge=Ink("#1b1d23", "#a2a9b6", bold=True),
    hint=Ink("#8d94a2", "#1b1d23"),
    hint_key=Ink("#c3cad6", bold=True),
    panel=Ink("#e1e4ea", "#262a33"),
    panel_muted=Ink("#9aa1af", "#262a33"),
    panel_title=Ink("#8ec1ff", "#262a33", bold=True),
    panel_choice=Ink("#ffffff", "#335488"),
    panel_key=Ink("#8ec1ff", "#262a33"),
    field=Ink("#e1e4ea", "#16181d"),
    field_selection=Ink(bg="#2b4675"),
    field_caret=Ink("#16181d", "#ffffff"),
    field_bad=Ink("#ff9aa8"),
    fold=Ink("#a2a9b6", "#33373f"),
    bracket=Ink(bg="#4a4f5a", bold=True),
    change=Ink("#8ec1ff"),
    change_both=Ink("#ff9aa8", bold=True),
    scroll_change=Ink("#8ec1ff"),
    people=_DARK_PEOPLE,
)

_LIGHT: Final = Palette(
    text=Ink("#24272e", "#fafaf8"),
    line=Ink(bg="#f1f1ed"),
    caret=Ink("#fafaf8", "#000000"),
    faint_caret=Ink(bg="#c9cbd0"),
    selection=Ink(bg="#bcd4f6"),
    match=Ink(bg="#ffde85"),
    match_current=Ink("#15171c", "#ff9838", bold=True),
    invisible=Ink("#868b94"),
    ruler=Ink(bg="#e9e9e4"),
    gutter=Ink("#6b7079", "#fafaf8"),
    gutter_line=Ink("#24272e", "#fafaf8"),
    scroll_track=Ink("#6b7079", "#f1f1ed"),
    scroll_thumb=Ink("#24272e", "#cdcfcc"),
    scroll_match=Ink("#a34700"),
    bar=Ink("#24272e", "#e4e5e1"),
    bar_muted=Ink("#595f69", "#e4e5e1"),
    bar_good=Ink("#1d6b3a", "#e4e5e1"),
    bar_warn=Ink("#24272e", "#f2c14e", bold=True),
    bar_bad=Ink("#ffffff", "#a51f37", bold=True),
    badge=Ink("#ffffff", "#595f69", bold=True),
    hint=Ink("#666b75", "#fafaf8"),
    hint_key=Ink("#3a3f48", bold=True),
    panel=Ink("#24272e", "#eeefeb"),
    panel_muted=Ink("#5c626c", "#eeefeb"),
    panel_title=Ink("#1a56a8", "#eeefeb", bold=True),
    panel_choice=Ink("#ffffff", "#2461b3"),
    panel_key=Ink("#1a56a8", "#eeefeb"),
    field=Ink("#24272e", "#ffffff"),
    field_selection=Ink(bg="#bcd4f6"),
    field_caret=Ink("#ffffff", "#000000"),
    field_bad=Ink("#a51f37"),
    fold=Ink("#595f69", "#e4e5e1"),
    bracket=Ink(bg="#cdd3dc", bold=True),
    change=Ink("#1a56a8"),
    change_both=Ink("#a51f37", bold=True),
    scroll_change=Ink("#1a56a8"),
    people=_LIGHT_PEOPLE,
)

_HIGH_CONTRAST: Final = Palette(
    text=Ink("#ffffff", "#000000"),
    line=Ink(),
    caret=Ink("#000000", "#ffff00", bold=True),
    faint_caret=Ink("#ffff00", "#000000", bold=True, underline=True),
    selection=Ink("#000000", "#ffffff"),
    match=Ink("#ffffff", "#0038b8", underline=True),
    match_current=Ink("#000000", "#ff8a00", bold=True),
    invisible=Ink("#a0a0a0"),
    ruler=Ink("#ffffff", "#303030"),
    gutter=Ink("#b8b8b8", "#000000"),
    gutter_line=Ink("#ffff00", "#000000", bold=True),
    scroll_track=Ink("#ffffff", "#262626"),
    scroll_thumb=Ink("#000000", "#ffffff"),
    scroll_match=Ink("#ff8a00", "#000000", bold=True),
    bar=Ink("#000000", "#ffffff"),
    bar_muted=Ink("#383838", "#ffffff"),
    bar_good=Ink("#00500f", "#ffffff", bold=True),
    bar_warn=Ink("#000000", "#ffd000", bold=True),
    bar_bad=Ink("#ffffff", "#a00018", bold=True),
    badge=Ink("#ffffff", "#000000", bold=True),
    hint=Ink("#e0e0e0", "#000000"),
    hint_key=Ink("#ffff00", bold=True),
    panel=Ink("#ffffff", "#1a1a1a"),
    panel_muted=Ink("#d0d0d0", "#1a1a1a"),
    panel_title=Ink("#ffff00", "#1a1a1a", bold=True),
    panel_choice=Ink("#000000", "#ffffff", bold=True),
    panel_key=Ink("#8cd2ff", "#1a1a1a", bold=True),
    field=Ink("#ffffff", "#000000", underline=True),
    field_selection=Ink("#000000", "#ffffff"),
    field_caret=Ink("#000000", "#ffff00", bold=True),
    field_bad=Ink("#ffffff", "#a00018", bold=True),
    fold=Ink("#000000", "#b8b8b8"),
    bracket=Ink("#ffff00", "#303030", bold=True, underline=True),
    change=Ink("#8cd2ff", bold=True),
    change_both=Ink("#ffffff", "#a00018", bold=True),
    scroll_change=Ink("#8cd2ff", "#000000", bold=True),
    people=_HIGH_CONTRAST_PEOPLE,
    person_inks=tuple(
        # Half a colour has 7:1 with nothing: who is idle has a line instead of a block.
        PersonInks(
            caret=Ink("#000000", colour),
            faint_caret=Ink(colour, "#000000", underline=True),
            selection=Ink(bg=blend(colour, "#000000", 0.32)),
        )
        for colour in _HIGH_CONTRAST_PEOPLE
    ),
    author_inks=tuple(Ink(bg=blend(colour, "#000000", 0.17)) for colour in _HIGH_CONTRAST_PEOPLE),
)

# The terminal's own foreground and background, of which nobody knows which is dark, and six hues under text
# that can be read on them in most sets of colours. No bright backgrounds: the Linux console has none. There
# bold is bright, so black is never bold, and what is underlined is cyan (drivers/tty/vt/vt.c, build_attr).
_READABLE_ON: Final = {
    "cyan": "black", "red": "bright_white", "green": "black",
    "magenta": "bright_white", "yellow": "black", "blue": "bright_white",
}  # fmt: skip
_ANSI_PEOPLE: Final = (
    "cyan", "red", "green", "magenta", "yellow", "blue",
    "red", "green", "cyan", "blue", "magenta", "yellow",
)  # fmt: skip
_PLAIN: Final = Ink("default", "default")
_REVERSED: Final = Ink("default", "default", reverse=True)
_GREY: Final = Ink("black", "white")

_ANSI: Final = Palette(
    text=_PLAIN,
    line=Ink(),
    caret=Ink("default", "default", bold=True, reverse=True),
    faint_caret=_GREY,
    selection=_REVERSED,
    match=Ink("black", "cyan"),
    match_current=Ink("black", "yellow"),
    invisible=Ink(dim=True),
    ruler=_GREY,
    gutter=Ink("default", "default", dim=True),
    gutter_line=Ink("default", "default", bold=True),
    scroll_track=_PLAIN,
    scroll_thumb=_REVERSED,
    scroll_match=Ink(bold=True),
    bar=_REVERSED,
    bar_muted=_REVERSED,
    bar_good=_REVERSED,
    bar_warn=Ink("black", "yellow"),
    bar_bad=Ink("bright_white", "red", bold=True),
    badge=_PLAIN,
    hint=_PLAIN,
    hint_key=Ink(bold=True),
    panel=_PLAIN,
    panel_muted=Ink("default", "default", dim=True),
    panel_title=Ink("default", "default", bold=True),
    panel_choice=_REVERSED,
    panel_key=Ink("default", "default", bold=True),
    field=Ink("default", "default", underline=True),
    field_selection=_REVERSED,
    field_caret=Ink("default", "default", bold=True, reverse=True),
    field_bad=Ink("bright_white", "red", bold=True),
    fold=_GREY,
    bracket=Ink(bold=True, underline=True),
    change=Ink("default", bold=True),
    change_both=Ink("bright_white", "red", bold=True),
    scroll_change=Ink(bold=True),
    people=_ANSI_PEOPLE,
    person_inks=tuple(
        # Whose selection it is, the caret at its end says; who is idle is grey.
        PersonInks(caret=Ink(_READABLE_ON[hue], hue), faint_caret=_GREY, selection=Ink(underline=True))
        for hue in _ANSI_PEOPLE
    ),
)

_MONO: Final = Palette(
    text=Ink(),
    line=Ink(),
    caret=Ink(bold=True, reverse=True),
    faint_caret=Ink(reverse=True, dim=True),
    selection=Ink(reverse=True),
    match=Ink(bold=True, underline=True),
    match_current=Ink(bold=True, underline=True, reverse=True),
    invisible=Ink(dim=True),
    ruler=Ink(underline=True),
    gutter=Ink(dim=True),
    gutter_line=Ink(bold=True),
    scroll_track=Ink(),
    scroll_thumb=Ink(reverse=True),
    scroll_match=Ink(bold=True),
    bar=Ink(reverse=True),
    bar_muted=Ink(reverse=True),
    bar_good=Ink(reverse=True),
    bar_warn=Ink(bold=True, reverse=True),
    bar_bad=Ink(bold=True, underline=True, reverse=True),
    badge=Ink(bold=True, underline=True, reverse=True),
    hint=Ink(),
    hint_key=Ink(bold=True),
    panel=Ink(),
    panel_muted=Ink(dim=True),
    panel_title=Ink(bold=True),
    panel_choice=Ink(reverse=True),
    panel_key=Ink(bold=True),
    field=Ink(underline=True),
    field_selection=Ink(reverse=True),
    field_caret=Ink(bold=True, reverse=True),
    field_bad=Ink(bold=True, underline=True),
    fold=Ink(reverse=True, dim=True),
    bracket=Ink(bold=True, underline=True),
    change=Ink(bold=True),
    change_both=Ink(bold=True, reverse=True),
    scroll_change=Ink(bold=True),
    person_inks=(
        PersonInks(
            caret=Ink(underline=True, reverse=True),
            faint_caret=Ink(underline=True, reverse=True, dim=True),
            selection=Ink(underline=True),
        ),
    ),
)

PALETTES: Final[Mapping[Theme, Palette]] = {
    theme: replace(palette, syntax=SYNTAX_INKS[theme])
    for theme, palette in (
        (Theme.DARK, _DARK),
        (Theme.LIGHT, _LIGHT),
        (Theme.HIGH_CONTRAST, _HIGH_CONTRAST),
        (Theme.ANSI, _ANSI),
        (Theme.MONO, _MONO),
    )
}
