"""Text as roff with the man macros (groff_man(7), mandoc's man(7)), in ASCII, which every reader takes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Final

_LINE: Final = 78
"""Columns of the source: mandoc -Tlint wants no more than 80 bytes."""

_COMMAND: Final = re.compile(r"`([^`]+)`")
_ESCAPES: Final = {
    "\\": r"\(rs",
    "-": r"\-",
    "'": r"\(aq",
    "`": r"\(ga",
    "^": r"\(ha",
    "~": r"\(ti",
    '"': r"\(dq",
}
"""What roff would set as another sign, or take for its own; a hyphen-minus is to be one when copied."""


def escape(text: str) -> str:
    """Return `text` as roff shows it, in one line, with what stands in `...` in bold."""
    parts = _COMMAND.split(" ".join(text.split()))
    return "".join(bold(part) if index % 2 else _signs(part) for index, part in enumerate(parts))


def bold(text: str) -> str:
    return rf"\fB{_signs(text)}\fR"


def italic(text: str) -> str:
    return rf"\fI{_signs(text)}\fR"


def title(name: str, section: int, date: str, source: str, volume: str) -> str:
    """Return the line that every page begins with; `date` as 2026-01-31, or "", for mandoc reads it."""
    return f'.TH "{_signs(name)}" "{section}" "{date}" "{_signs(source)}" "{_signs(volume)}"'


def section(heading: str) -> str:
    return f'.SH "{_signs(heading)}"'


def subsection(heading: str) -> str:
    return f'.SS "{_signs(heading)}"'


def paragraph(roff: str) -> Iterator[str]:
    yield ".PP"
    yield from filled(roff)


def filled(roff: str) -> Iterator[str]:
    """Yield `roff` in lines of the source, which say nothing about the lines that are shown."""
    for line in textwrap.wrap(roff, _LINE, break_long_words=False, break_on_hyphens=False):
        yield _guard(line)


def items(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of terms, each with what is said of it below; both are roff already."""
    for term, said in pairs:
        yield ".TP"
        yield _guard(term)
        # A term with nothing below it would take the next one.
        yield from filled(said or r"\&")


def example(text: str) -> Iterator[str]:
    """Yield lines that are shown as they are."""
    yield ".PP"
    yield ".nf"
    for line in text.splitlines():
        yield _guard(_signs(line)) or r"\&"
    yield ".fi"


def _signs(text: str) -> str:
    return "".join(_ESCAPES.get(c) or (c if c.isascii() else rf"\[u{ord(c):04X}]") for c in text)


def _guard(roff: str) -> str:
    """Keep a line from being taken for a request."""
    return rf"\&{roff}" if roff.startswith((".", "'")) else roff
