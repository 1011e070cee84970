"""What the editor's keys do to a buffer: the bindings, and a function for each action."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from textual import events
from textual.binding import Binding, BindingsMap

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.lines import Position

QUIT: Final = "quit"
COPY: Final = "copy"
CUT: Final = "cut"
PASTE: Final = "paste"

PAGES: Final = {"page_up": -1, "page_down": 1, "select_page_up": -1, "select_page_down": 1}
"""Actions that scroll by a page, and which way."""

Command = Callable[["Buffer"], object]

_MOVES: Final[dict[str, tuple[str, Callable[[Buffer, bool], object]]]] = {
    "left": ("left", lambda buffer, extend: buffer.move_left(extend)),
    "right": ("right", lambda buffer, extend: buffer.move_right(extend)),
    "up": ("up", lambda buffer, extend: buffer.move_rows(-1, extend)),
    "down": ("down", lambda buffer, extend: buffer.move_rows(1, extend)),
    "word_left": ("ctrl+left", lambda buffer, extend: buffer.move_word_left(extend)),
    "word_right": ("ctrl+right", lambda buffer, extend: buffer.move_word_right(extend)),
    "line_start": ("home", lambda buffer, extend: buffer.line_start(extend)),
    "line_end": ("end", lambda buffer, extend: buffer.line_end(extend)),
    "document_start": ("ctrl+home", lambda buffer, extend: buffer.document_start(extend)),
    "document_end": ("ctrl+end", lambda buffer, extend: buffer.document_end(extend)),
}

_COMMANDS: Final[dict[str, Command]] = {
    "select_all": lambda buffer: buffer.select_all(),
    "unselect": lambda buffer: buffer.move_to(buffer.head),
    "newline": lambda buffer: buffer.newline(),
    "tab": lambda buffer: buffer.type_text("\t"),
    "backspace": lambda buffer: buffer.backspace(),
    "delete": lambda buffer: buffer.delete(),
    "delete_word_left": lambda buffer: _delete_word(buffer, buffer.move_word_left),
    "delete_word_right": lambda buffer: _delete_word(buffer, buffer.move_word_right),
    "undo": lambda buffer: buffer.undo(),
    "redo": lambda buffer: buffer.redo(),
}

_KEYS: Final = {
    "select_all": "ctrl+a",
    "unselect": "escape",
    "newline": "enter,shift+enter,ctrl+j",
    "tab": "tab",
    "backspace": "backspace,shift+backspace,ctrl+h",
    "delete": "delete",
    # Alt-Backspace arrives as Ctrl-W from terminals that send ESC before the key.
    "delete_word_left": "ctrl+backspace,alt+backspace,ctrl+w",
    "delete_word_right": "ctrl+delete",
    "page_up": "pageup",
    "page_down": "pagedown",
    "select_page_up": "shift+pageup",
    "select_page_down": "shift+pagedown",
    COPY: "ctrl+c,super+c,ctrl+insert",
    CUT: "ctrl+x,super+x,shift+delete",
    PASTE: "ctrl+v,super+v,shift+insert",
    "undo": "ctrl+z,super+z",
    "redo": "ctrl+y,ctrl+shift+z",
    QUIT: "ctrl+q,f10",
}

_SELECT: Final = "select_"
_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")
_TYPED_THOUGH_NOT_PRINTABLE: Final = frozenset("\u00a0\u3000\u200c\u200d\u202f")
"""Spaces of some scripts, and the joiners without which an emoji typed or composed falls apart."""


def bindings() -> list[Binding]:
    """Return every key of the editor; the ids are what a keymap names."""
    keys = dict(_KEYS)
    for action, (key, _) in _MOVES.items():
        keys[action] = key
        keys[_SELECT + action] = f"ctrl+shift+{key[5:]}" if key.startswith("ctrl+") else f"shift+{key}"
    return [Binding(key, action, id=f"editor.{action}") for action, key in keys.items()]


def actions_by_key(keymap: Mapping[str, str]) -> dict[str, str]:
    """Return which key does what, with the ids in `keymap` moved to the keys that it names."""
    found = BindingsMap(bindings())
    if keymap:
        found.apply_keymap(dict(keymap))
    return {key: here[0].action for key, here in found.key_to_bindings.items()}


def run(action: str, buffer: Buffer, page_rows: int) -> None:
    """Do `action` to `buffer`. Raises EditError where the buffer does."""
    if action in PAGES:
        buffer.move_rows(PAGES[action] * page_rows, action.startswith(_SELECT))
    elif action in _MOVES:
        _MOVES[action][1](buffer, False)
    elif action in _COMMANDS:
        _COMMANDS[action](buffer)
    else:
        _MOVES[action.removeprefix(_SELECT)][1](buffer, True)


def text_of(event: events.Key) -> str | None:
    """Return what a key types; None for keys that type nothing."""
    character = event.character
    *modifiers, _ = event.key.split("+")
    if character is None or any(modifier != "shift" for modifier in modifiers):
        return None
    if character.isprintable() or character in _TYPED_THOUGH_NOT_PRINTABLE:
        return character
    return None


def copied(buffer: Buffer) -> str:
    """Return the selected text; without a selection, the whole line."""
    return buffer.selected_text or buffer.lines.line(buffer.head.row) + "\n"


def cut(buffer: Buffer) -> str:
    """Delete what `copied` returns, and return it. Raises EditError where the buffer does."""
    if buffer.selection is None:
        select_line(buffer, buffer.head)
    return buffer.cut()


def select_word(buffer: Buffer, at: Position) -> None:
    """Select the word, blanks or sign at `at`."""
    for match in _WORD.finditer(buffer.lines.line(at.row)):
        if match.end() > at.column:
            buffer.move_to(at._replace(column=match.start()))
            buffer.move_to(at._replace(column=match.end()), extend=True)
            return


def select_line(buffer: Buffer, at: Position) -> None:
    """Select the line of `at` with its line break."""
    buffer.move_to(at._replace(column=0))
    is_last = at.row + 1 >= buffer.lines.row_count
    end = (
        at._replace(column=len(buffer.lines.line(at.row)))
        if is_last
        else at._replace(row=at.row + 1, column=0)
    )
    buffer.move_to(end, extend=True)


def _delete_word(buffer: Buffer, move: Callable[[bool], None]) -> None:
    if buffer.selection is None:
        move(True)
    buffer.backspace()
