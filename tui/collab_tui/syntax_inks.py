"""What each kind of code looks like in each theme; a kind that is left out looks like plain text.

Colour alone separates nothing that matters: without it, code reads as it is written. In dark and light what
is code has a contrast of at least 7:1 (dark) and 4.5:1 (light), comments 4.5:1; in high contrast 7:1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from collab_syntax.kinds import Kind
from collab_tui.palette import Ink, Theme

_DARK: Final = {
    Kind.COMMENT: Ink("#8d94a2"),
    Kind.DOC: Ink("#9fae9f"),
    Kind.STRING: Ink("#a9d694"),
    Kind.ESCAPE: Ink("#ecc98a"),
    Kind.NUMBER: Ink("#f0b48a"),
    Kind.CONSTANT: Ink("#f0b48a"),
    Kind.KEYWORD: Ink("#cdb0f5"),
    Kind.OPERATOR: Ink("#b7c2d6"),
    Kind.PUNCTUATION: Ink("#b3bac7"),
    Kind.FUNCTION: Ink("#8ec1ff"),
    Kind.TYPE: Ink("#7fd8cc"),
    Kind.VARIABLE: Ink("#f2b0c0"),
    Kind.TAG: Ink("#8ec1ff"),
    Kind.ATTRIBUTE: Ink("#ecc98a"),
    Kind.NAMESPACE: Ink("#7fd8cc"),
    Kind.LABEL: Ink("#ecc98a"),
    Kind.HEADING: Ink("#8ec1ff", bold=True),
    Kind.EMPHASIS: Ink(italic=True),
    Kind.STRONG: Ink(bold=True),
    Kind.CODE: Ink("#a9d694"),
    Kind.LINK: Ink("#8ec1ff", underline=True),
    Kind.INSERTED: Ink("#8fd3a6"),
    Kind.DELETED: Ink("#ff9aa8"),
    Kind.CHANGED: Ink("#cdb0f5"),
}

_LIGHT: Final = {
    Kind.COMMENT: Ink("#686d76"),
    Kind.DOC: Ink("#556b55"),
    Kind.STRING: Ink("#29681e"),
    Kind.ESCAPE: Ink("#845400"),
    Kind.NUMBER: Ink("#934500"),
    Kind.CONSTANT: Ink("#934500"),
    Kind.KEYWORD: Ink("#7a2fb0"),
    Kind.OPERATOR: Ink("#47505f"),
    Kind.PUNCTUATION: Ink("#4a5260"),
    Kind.FUNCTION: Ink("#1a56a8"),
    Kind.TYPE: Ink("#0a6560"),
    Kind.VARIABLE: Ink("#9c1f5a"),
    Kind.TAG: Ink("#1a56a8"),
    Kind.ATTRIBUTE: Ink("#845400"),
    Kind.NAMESPACE: Ink("#0a6560"),
    Kind.LABEL: Ink("#845400"),
    Kind.HEADING: Ink("#1a56a8", bold=True),
    Kind.EMPHASIS: Ink(italic=True),
    Kind.STRONG: Ink(bold=True),
    Kind.CODE: Ink("#29681e"),
    Kind.LINK: Ink("#1a56a8", underline=True),
    Kind.INSERTED: Ink("#1d6b3a"),
    Kind.DELETED: Ink("#a51f37"),
    Kind.CHANGED: Ink("#7a2fb0"),
}

_HIGH_CONTRAST: Final = {
    Kind.COMMENT: Ink("#b8b8b8"),
    Kind.DOC: Ink("#b8d8b8"),
    Kind.STRING: Ink("#87ff87"),
    Kind.ESCAPE: Ink("#ffc37d"),
    Kind.NUMBER: Ink("#ffc37d"),
    Kind.CONSTANT: Ink("#ffc37d"),
    Kind.KEYWORD: Ink("#ffff00", bold=True),
    Kind.FUNCTION: Ink("#8cd2ff"),
    Kind.TYPE: Ink("#6affff"),
    Kind.VARIABLE: Ink("#ffb0d8"),
    Kind.TAG: Ink("#8cd2ff", bold=True),
    Kind.ATTRIBUTE: Ink("#ffc37d"),
    Kind.NAMESPACE: Ink("#6affff"),
    Kind.LABEL: Ink("#ffc37d"),
    Kind.HEADING: Ink("#ffff00", bold=True),
    Kind.EMPHASIS: Ink(italic=True),
    Kind.STRONG: Ink(bold=True),
    Kind.CODE: Ink("#87ff87"),
    Kind.LINK: Ink("#8cd2ff", underline=True),
    Kind.INSERTED: Ink("#87ff87"),
    Kind.DELETED: Ink("#ff9f9f"),
    Kind.CHANGED: Ink("#6affff"),
}

# Hues that can be read on black and on white in most sets of colours: not blue, not yellow.
_ANSI: Final = {
    Kind.COMMENT: Ink(dim=True),
    Kind.DOC: Ink(dim=True),
    Kind.STRING: Ink("green"),
    Kind.ESCAPE: Ink("magenta"),
    Kind.NUMBER: Ink("magenta"),
    Kind.CONSTANT: Ink("magenta"),
    Kind.KEYWORD: Ink(bold=True),
    Kind.FUNCTION: Ink("cyan"),
    Kind.TYPE: Ink("cyan"),
    Kind.TAG: Ink(bold=True),
    Kind.ATTRIBUTE: Ink("cyan"),
    Kind.HEADING: Ink(bold=True),
    Kind.EMPHASIS: Ink(italic=True),
    Kind.STRONG: Ink(bold=True),
    Kind.CODE: Ink("green"),
    Kind.LINK: Ink(underline=True),
    Kind.INSERTED: Ink("green"),
    Kind.DELETED: Ink("red"),
    Kind.CHANGED: Ink("cyan"),
}

_MONO: Final = {
    Kind.COMMENT: Ink(dim=True),
    Kind.DOC: Ink(dim=True),
    Kind.KEYWORD: Ink(bold=True),
    Kind.TAG: Ink(bold=True),
    Kind.HEADING: Ink(bold=True),
    Kind.EMPHASIS: Ink(italic=True),
    Kind.STRONG: Ink(bold=True),
    Kind.LINK: Ink(underline=True),
}


def _by_kind(inks: Mapping[Kind, Ink]) -> tuple[Ink, ...]:
    return tuple(inks.get(kind, Ink()) for kind in Kind)


SYNTAX_INKS: Final[Mapping[Theme, tuple[Ink, ...]]] = {
    Theme.DARK: _by_kind(_DARK),
    Theme.LIGHT: _by_kind(_LIGHT),
    Theme.HIGH_CONTRAST: _by_kind(_HIGH_CONTRAST),
    Theme.ANSI: _by_kind(_ANSI),
    Theme.MONO: _by_kind(_MONO),
}
"""Inks over the text's, by Kind."""
