"""A terminal window after the bytes that a program wrote: pyte, with what it chokes on taken out."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import pyte

_SEQUENCE: Final = re.compile(
    rb"\x1b(?:\[(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])|(?P<string>[\]PX^_])[^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~])"
)
"""A whole escape sequence: a control sequence, a string (OSC, DCS, …), or a short one (ECMA-48 section 5)."""

_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)\Z")

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LAYOUT: Final = frozenset("\b\t\n\r\u200d")
"""What a program may well write: moves of the cursor, and the joiner of emoji."""

_ON_AT_FIRST: Final = frozenset({7, 25})
"""DEC private modes of a fresh terminal: wrap at the right edge, cursor shown."""


def strings_in(data: bytes) -> list[bytes]:
    """Return the OSC, DCS and other strings that a program wrote, whole, in order."""
    return [sequence[0] for sequence in _SEQUENCE.finditer(data) if sequence["string"] is not None]


def invisible_in(data: bytes) -> set[str]:
    """Return the characters outside of escape sequences that a terminal obeys or that nobody can see."""
    shown = _SEQUENCE.sub(b"", data).decode("utf-8", "surrogateescape")
    return {c for c in set(shown) if unicodedata.category(c) in _INVISIBLE} - _LAYOUT


class _Canvas(pyte.Screen):
    """pyte drops the rest of a chunk at a joiner or variation selector; here that one alone is dropped."""

    def draw(self, data: str) -> None:
        for character in data:
            super().draw(character)


class Screen:
    """The cells of a window, and the private modes that the program has turned on."""

    def __init__(self, columns: int, rows: int) -> None:
        self.modes: set[int] = set(_ON_AT_FIRST)
        self._canvas = _Canvas(columns, rows)
        self._stream = pyte.ByteStream(self._canvas)
        self._held = b""

    @property
    def lines(self) -> list[str]:
        """The rows, without the blanks at their ends."""
        return [line.rstrip() for line in self._canvas.display]

    @property
    def inner_lines(self) -> list[str]:
        """The rows without their last cell, which is the editor's scrollbar's, and the blanks before it."""
        return [line[:-1].rstrip() for line in self._canvas.display]

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        return self._canvas.cursor.y, self._canvas.cursor.x

    def background(self, row: int, column: int) -> str:
        """The background colour of a cell, as six hexadecimal digits or a name."""
        return self._canvas.buffer[row][column].bg

    def foreground(self, row: int, column: int) -> str:
        """The colour of what stands in a cell, as `background` says it."""
        return self._canvas.buffer[row][column].fg

    def resize(self, columns: int, rows: int) -> None:
        self._canvas.resize(rows, columns)

    def feed(self, data: bytes) -> None:
        """Take what the program wrote; a sequence may come in pieces."""
        data = self._held + data
        self._held = b""
        position = 0
        while (begin := data.find(b"\x1b", position)) >= 0:
            self._stream.feed(data[position:begin])
            if (sequence := _SEQUENCE.match(data, begin)) is not None:
                self._obey(sequence)
                position = sequence.end()
            elif _BEGUN.match(data, begin):
                self._held = data[begin:]
                return
            else:
                position = begin + 1
        self._stream.feed(data[position:])

    def _obey(self, sequence: re.Match[bytes]) -> None:
        if sequence["string"] is not None:
            return
        parameters: bytes = sequence["parameters"] or b""
        if parameters[:1] == b"?" and sequence["final"] in (b"h", b"l"):
            numbers = {int(number) for number in parameters[1:].split(b";") if number}
            self.modes = self.modes | numbers if sequence["final"] == b"h" else self.modes - numbers
        elif parameters[:1] not in (b"<", b"=", b">", b"?"):
            self._stream.feed(sequence[0])
