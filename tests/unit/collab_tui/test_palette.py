"""People's colours stay apart for every kind of eye, and text can be read on and under them."""

from __future__ import annotations

import math
from itertools import combinations

import pytest

from collab_tui.palette import Ink, Styles, Theme, blend, contrasting, luminance, palette_of

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


@pytest.mark.parametrize("theme", Theme)
@pytest.mark.parametrize("eye", _EYES)
def test_people_can_be_told_apart(theme: Theme, eye: str) -> None:
    people = palette_of(theme).people
    assert len(set(people)) == 12
    for one, other in combinations(people, 2):
        # 2 is about the smallest difference that is noticed side by side.
        assert math.dist(seen(one, eye), seen(other, eye)) * 100 >= 7, (one, other)


@pytest.mark.parametrize("theme", Theme)
def test_people_stand_out_and_their_text_can_be_read(theme: Theme) -> None:
    palette = palette_of(theme)
    for colour in range(12):
        for is_faint in (False, True):
            ink = palette.person(colour, is_faint=is_faint)
            assert ink.fg is not None
            assert ink.bg is not None
            assert contrast(ink.fg, ink.bg) >= 4.5
        assert contrast(palette.people[colour], palette.background) >= 3
        selection = palette.person_selection(colour).bg
        assert selection is not None
        assert contrast(palette.text.fg or "", selection) >= 4.5


@pytest.mark.parametrize("theme", Theme)
def test_text_of_the_screen_can_be_read(theme: Theme) -> None:
    palette = palette_of(theme)
    for ink in (
        palette.bar,
        palette.bar_muted,
        palette.bar_good,
        palette.bar_warn,
        palette.bar_bad,
        palette.badge,
    ):
        assert contrast(ink.fg or "", ink.bg or "") >= 4.5, ink
    assert contrast(palette.text.fg or "", palette.selection.bg or "") >= 4.5


def test_colours_beyond_the_palette_go_round() -> None:
    palette = palette_of(Theme.DARK)
    assert palette.person(12) == palette.person(0)


def test_inks_lie_over_each_other() -> None:
    assert Ink(bg="#111111").over(Ink("#ffffff", "#000000", bold=True)) == Ink(
        "#ffffff", "#111111", bold=True
    )


def test_colours_mix() -> None:
    assert blend("#ffffff", "#000000", 0.5) == "#808080"
    assert contrasting("#ffff00") != "#ffffff"
    assert contrasting("#000080") == "#ffffff"


def test_a_style_is_made_once() -> None:
    styles = Styles()
    assert styles[Ink("#ffffff")] is styles[Ink("#ffffff")]
