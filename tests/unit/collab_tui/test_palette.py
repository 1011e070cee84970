"""Text can be read in every theme, people can be told apart, and what means something looks like it."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ANSI_COLOR_NAMES
from textual import events

from collab_client import status as say
from collab_tui.options import Options
from collab_tui.palette import (
    Ink,
    Palette,
    Styles,
    Theme,
    blend,
    contrasting,
    luminance,
    next_theme,
    palette_of,
)
from collab_tui.widgets.editor import Editor
from tests.unit.collab_tui.stage import RecordingDriver, Stage, until

MIXED = [theme for theme in Theme if not theme.is_native]
"""Those of RGB colours, of which contrast can be known."""

# Machado, Oliveira, Fernandes 2009, severity 1.0: what protan, deutan and tritan eyes make of linear RGB.
_EYES = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def linear(colour: str) -> list[float]:
    values = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def oklab(rgb: list[float]) -> tuple[float, float, float]:
    r, g, b = (max(0.0, min(1.0, value)) for value in rgb)
    long = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    middle = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    short = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
    )


def seen(colour: str, eye: str) -> tuple[float, float, float]:
    rgb = linear(colour)
    return oklab([sum(a * b for a, b in zip(row, rgb, strict=True)) for row in _EYES[eye]])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def distance(one: str, other: str, eye: str = "normal") -> float:
    """Return how far apart two colours are seen; 2 is about the least that is noticed side by side."""
    return math.dist(seen(one, eye), seen(other, eye)) * 100


def inks_of(palette: Palette) -> dict[str, Ink]:
    """Return every ink of `palette` by name, people's too."""
    inks = {f.name: value for f in fields(palette) if isinstance(value := getattr(palette, f.name), Ink)}
    for at, person in enumerate(palette.person_inks):
        inks |= {f"person {at} {use}": ink for use, ink in person._asdict().items()}
    return inks


def readability(ink: Ink) -> float:
    assert ink.fg is not None
    assert ink.bg is not None
    return contrast(ink.fg, ink.bg)


@pytest.mark.parametrize("theme", MIXED)
@pytest.mark.parametrize("eye", _EYES)
def test_people_can_be_told_apart(theme: Theme, eye: str) -> None:
    people = palette_of(theme).people
    assert len(set(people)) == 12
    for one, other in combinations(people, 2):
        assert distance(one, other, eye) >= 7, (one, other)


@pytest.mark.parametrize("theme", MIXED)
def test_people_stand_out_and_their_names_can_be_read(theme: Theme) -> None:
    palette = palette_of(theme)
    for colour in range(12):
        for is_faint in (False, True):
            assert readability(palette.person(colour, is_faint=is_faint)) >= 4.5
        assert contrast(palette.people[colour], palette.background) >= 3
        assert distance(palette.people[colour], palette.caret.bg or "") >= 7, (
            "one's own caret is nobody else's"
        )


@pytest.mark.parametrize("theme", MIXED)
def test_text_can_be_read_whatever_lies_under_it(theme: Theme) -> None:
    palette = palette_of(theme)
    selections = [palette.person_selection(colour) for colour in range(12)]
    below = [Ink(), palette.line, palette.ruler, palette.selection, palette.match, palette.match_current]
    for ink in (*below, *selections):
        assert readability(ink.over(palette.text)) >= 7, ink
    for colour in range(12):
        ground = palette.author(colour).over(palette.text)
        assert readability(ground) >= 7, colour
        assert all(readability(kind.over(ground)) >= 4 for kind in palette.syntax), colour
    assert readability(palette.field_selection.over(palette.field)) >= 7


@pytest.mark.parametrize("theme", MIXED)
def test_bars_and_panels_can_be_read(theme: Theme) -> None:
    palette = palette_of(theme)
    for ink in (palette.bar, palette.panel, palette.field):
        assert readability(ink) >= 7, ink
    for ink in (
        palette.gutter,
        palette.gutter_line,
        palette.bar_muted,
        palette.bar_good,
        palette.bar_warn,
        palette.bar_bad,
        palette.badge,
        palette.hint,
        palette.hint_key.over(palette.hint),
        palette.panel_muted,
        palette.panel_title,
        palette.panel_choice,
        palette.panel_key,
        palette.panel_muted._replace(bg=None).over(palette.field),
        palette.field_bad.over(palette.field),
        palette.field_bad.over(palette.panel),
    ):
        assert readability(ink) >= 4.5, ink
    assert readability(palette.invisible.over(palette.text)) >= 3
    for mark in (palette.scroll_track, palette.scroll_thumb):
        assert readability(palette.scroll_match.over(mark)) >= 3, mark
        assert readability(palette.scroll_change.over(mark)) >= 3, mark
    for ink in (palette.change, palette.change_both):
        for ground in (palette.text, palette.line.over(palette.text)):
            assert readability(ink.over(ground)) >= 4.5, ink
    for colour in range(12):
        assert readability(palette.author_sign(colour).over(palette.line.over(palette.text))) >= 2.9


def test_high_contrast_is_high_everywhere() -> None:
    palette = palette_of(Theme.HIGH_CONTRAST)
    assert palette.text == Ink("#ffffff", "#000000")
    for name, ink in inks_of(palette).items():
        base = palette.text
        for group, ground in (("bar", palette.bar), ("panel", palette.panel), ("field", palette.field)):
            base = ground if name.startswith(group) else base
        if not name.startswith("scroll_"):
            assert readability(ink.over(base)) >= 7, name


@pytest.mark.parametrize("theme", MIXED)
def test_what_somebody_wrote_is_fainter_than_what_they_have_selected(theme: Theme) -> None:
    palette = palette_of(theme)
    for colour in range(12):
        tint, selected = palette.author(colour).bg, palette.person_selection(colour).bg
        assert 2 <= distance(tint or "", palette.background) < distance(selected or "", palette.background)


@pytest.mark.parametrize("theme", [Theme.ANSI, Theme.MONO])
def test_without_colours_to_mix_what_somebody_wrote_has_a_sign_alone(theme: Theme) -> None:
    palette = palette_of(theme)
    assert palette.author(3) == Ink()
    assert palette.author_sign(3).bg is None


@pytest.mark.parametrize("theme", MIXED)
def test_what_find_has_found_is_seen(theme: Theme) -> None:
    palette = palette_of(theme)
    match, current = palette.match.bg, palette.match_current.bg
    assert match is not None
    assert current is not None
    grounds = [palette.text, palette.line.over(palette.text), palette.selection]
    for ground in (*grounds, *(palette.person_selection(colour) for colour in range(12))):
        assert distance(match, ground.bg or "") >= 6, ground
        assert distance(current, ground.bg or "") >= 15, ground
    assert distance(match, current) >= 15
    for caret in (*palette.people, palette.caret.bg or ""):
        assert distance(caret, current) >= 9, caret
        assert distance(caret, match) >= 15, caret


@pytest.mark.parametrize("theme", Theme)
def test_what_means_something_differs_from_what_lies_below(theme: Theme) -> None:
    palette = palette_of(theme)
    text = palette.text
    over_text = (
        palette.caret,
        palette.faint_caret,
        palette.selection,
        palette.match,
        palette.match_current,
        palette.ruler,
        *(ink for person in palette.person_inks for ink in person),
    )
    for ink in over_text:
        assert ink.over(text) != text, ink
        if ink is not palette.selection:
            assert (
                ink.over(palette.selection.over(text)) != palette.selection.over(text) or ink == palette.ruler
            )
    assert len({ink.over(text) for ink in over_text[:5]}) == 5
    assert len({text, *(ink.over(text) for ink in (palette.change, palette.change_both))}) == 3
    assert palette.scroll_change.over(palette.scroll_track) != palette.scroll_track
    assert palette.gutter != palette.gutter_line
    assert palette.scroll_thumb != palette.scroll_track
    assert palette.panel_choice.over(palette.panel) != palette.panel
    assert palette.field_selection.over(palette.field) != palette.field
    assert palette.field_caret.over(palette.field_selection) != palette.field_selection
    assert palette.field_bad.over(palette.field) != palette.field


def test_sixteen_colours_are_the_terminals_own() -> None:
    for name, ink in inks_of(palette_of(Theme.ANSI)).items():
        for colour in (ink.fg, ink.bg):
            assert colour in (None, "default") or ANSI_COLOR_NAMES[colour or ""] < 16, name


def test_sixteen_colours_can_be_read_on_the_linux_console() -> None:
    palette = palette_of(Theme.ANSI)
    inks = inks_of(palette).values()
    carets = [ink for person in palette.person_inks for ink in (person.caret, person.faint_caret)]
    marks = [palette.match, palette.match_current, palette.caret, palette.faint_caret, *carets]
    for ink in (*inks, *(mark.over(below) for mark in marks for below in inks)):
        # It has eight backgrounds, its bold black is grey and what is underlined has a colour of its own.
        assert not (ink.bg or "").startswith("bright"), ink
        assert not (ink.bold and ink.fg == "black"), ink
        assert not (ink.underline and ink.bg not in (None, "default")), ink


def test_six_people_have_hues_of_their_own_in_sixteen_colours() -> None:
    palette = palette_of(Theme.ANSI)
    assert len({palette.person(colour) for colour in range(6)}) == 6
    assert len({palette.person(colour) for colour in range(6, 12)}) == 6


def test_without_colour_there_is_none() -> None:
    for name, ink in inks_of(palette_of(Theme.MONO)).items():
        assert (ink.fg, ink.bg) == (None, None), name


def test_colours_beyond_the_palette_go_round() -> None:
    palette = palette_of(Theme.DARK)
    assert palette.person(12) == palette.person(0)


def test_every_theme_has_its_turn() -> None:
    theme, turns = Theme.DARK, []
    for _ in Theme:
        turns.append(theme)
        theme = next_theme(theme)
    assert theme is Theme.DARK
    assert set(turns) == set(Theme)
    assert next_theme(Theme.DARK) is Theme.LIGHT


def test_inks_lie_over_each_other() -> None:
    assert Ink(bg="#111111").over(Ink("#ffffff", "#000000", bold=True)) == Ink(
        "#ffffff", "#111111", bold=True
    )
    assert Ink("#ffffff", "#111111").over(Ink("#000000", bold=True, underline=True)) == Ink(
        "#ffffff", "#111111"
    )


def test_reverse_shows_through_until_there_is_another_background() -> None:
    reversed_ = Ink(reverse=True)
    assert reversed_.over(reversed_) == reversed_
    assert Ink(bold=True).over(reversed_) == Ink(bold=True, reverse=True)
    assert Ink(bg="red").over(reversed_) == Ink(bg="red")
    assert reversed_.over(Ink("black", "red")) == Ink("black", "red", reverse=True)


def test_dim_shows_through_until_there_is_another_foreground() -> None:
    dim = Ink(dim=True)
    assert Ink(bold=True).over(dim) == Ink(bold=True, dim=True)
    assert Ink("red").over(dim) == Ink("red")
    assert Ink(reverse=True).over(dim) == Ink(reverse=True)


_inks = st.builds(
    Ink,
    st.none() | st.sampled_from(["red", "blue"]),
    st.none() | st.sampled_from(["red", "blue"]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(_inks)
def test_nothing_over_an_ink_is_that_ink_and_so_is_itself(ink: Ink) -> None:
    assert Ink().over(ink) == ink
    assert ink.over(Ink()) == ink
    assert ink.over(ink) == ink or ink.dim


def test_a_style_has_all_of_its_ink() -> None:
    style = Styles()[Ink("red", "default", underline=True, reverse=True, dim=True)]
    assert str(style) == "dim underline reverse red on default"
    assert str(Styles()[Ink()]) == "none"


def test_colours_mix() -> None:
    assert blend("#ffffff", "#000000", 0.5) == "#808080"
    assert contrasting("#ffff00") != "#ffffff"
    assert contrasting("#000080") == "#ffffff"


def test_a_style_is_made_once() -> None:
    styles = Styles()
    assert styles[Ink("#ffffff")] is styles[Ink("#ffffff")]


@asynccontextmanager
async def on_a_terminal(theme: Theme, size: tuple[int, int]) -> AsyncIterator[tuple[Stage, list[str]]]:
    """Run a screen of `theme`; yields it and what is written to its terminal."""
    stage = Stage("one\ntwo " + "three " * 20, theme=theme, options=Options(ruler=20, whitespace=True))
    app = stage.app
    app.driver_class = RecordingDriver
    async with asyncio.TaskGroup() as running:
        running.create_task(app.run_async(size=size))
        await until(lambda: app.is_running and app.query(Editor) and app.query_one(Editor).view)
        assert isinstance(app._driver, RecordingDriver)
        yield stage, app._driver.written
        app.exit()


async def open_everything(stage: Stage, written: list[str]) -> None:
    """Have every part of the screen painted."""
    app = stage.app
    app.call_later(stage.session.say, say.offline(3, None, kept=3))
    for key in ("ctrl+f", "f2", "f1"):
        app.call_later(app.typed, events.Key("shift+right", None))
        app.call_later(app.typed, events.Key(key, None))
        app.call_later(app.refresh)
        app.call_later(written.append, mark := f"\x1b]after {key}\x07")
        await until(lambda: mark in written[:-1])
        app.call_later(app.typed, events.Key("escape", None))


def rendition(written: list[str]) -> set[int]:
    """Return every parameter of every SGR."""
    found = re.findall(r"\x1b\[([\d;]*)m", "".join(written))
    assert len(found) > 20
    return {int(parameter or 0) for parameters in found for parameter in parameters.split(";")}


@pytest.mark.parametrize("theme", [Theme.ANSI, Theme.MONO])
@pytest.mark.parametrize("size", [(60, 16), (8, 2)])
@pytest.mark.parametrize("has_no_color", [False, True])
async def test_the_terminals_own_colours_and_none_stay_what_they_are(
    theme: Theme, size: tuple[int, int], has_no_color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    if has_no_color:  # Textual's filter makes greys of colours
        monkeypatch.setenv("NO_COLOR", "1")
    async with on_a_terminal(theme, size) as (stage, written):
        await open_everything(stage, written)
    parameters = rendition(written)
    if theme is Theme.MONO:
        assert parameters == {0, 1, 2, 4, 7}
    else:
        assert {7, 39, 49} <= parameters
        assert not {38, 48} & parameters, "RGB, or one of 256"


async def test_a_theme_may_be_left_for_one_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    async with on_a_terminal(Theme.DARK, (60, 16)) as (stage, written):
        await open_everything(stage, written)
        assert 38 in rendition(written)
        stage.app.call_later(stage.app._set_theme, Theme.MONO)
        await until(lambda: stage.app._theme is Theme.MONO)
        written.clear()
        await open_everything(stage, written)
        assert rendition(written) == {0, 1, 2, 4, 7}
