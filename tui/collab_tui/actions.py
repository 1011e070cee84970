"""Everything that the editor can be told to do: names, titles, keys. Palette, help and keymap read this list.

An id is what `[keys]` in config.toml names and what the editor and the app dispatch on. Keys are Textual's
names, separated by commas; a terminal without the kitty protocol cannot send all of them, so nothing is
reachable by Ctrl-Shift or Alt alone: every action is in the palette.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Group(StrEnum):
    """A heading of the help."""

    ROOM = "Room"
    PEOPLE = "People"
    MOVE = "Move"
    SELECT = "Select"
    CHANGE = "Change"
    LINES = "Lines"
    CLIPBOARD = "Clipboard"
    FIND = "Find"
    CARETS = "Several carets"
    CODE = "Code"
    MARKDOWN = "Markdown"
    VIEW = "View"


class Action(NamedTuple):
    """One thing to do. `keys` are the default ones."""

    id: str
    title: str
    keys: str
    group: Group


_MOVES: Final = (
    ("left", "Character left", "left"),
    ("right", "Character right", "right"),
    ("up", "Line up", "up"),
    ("down", "Line down", "down"),
    ("word_left", "Word left", "ctrl+left,alt+left"),
    ("word_right", "Word right", "ctrl+right,alt+right"),
    ("line_start", "Start of line", "home"),
    ("line_end", "End of line", "end"),
    ("paragraph_up", "Paragraph up", "ctrl+up"),
    ("paragraph_down", "Paragraph down", "ctrl+down"),
    ("page_up", "Page up", "pageup"),
    ("page_down", "Page down", "pagedown"),
    ("document_start", "Start of text", "ctrl+home"),
    ("document_end", "End of text", "ctrl+end"),
    ("bracket", "Matching bracket", "ctrl+right_square_bracket"),
)

SELECT: Final = "select_"
"""An action with this before the id of a move selects to where the move goes."""


def _selecting(key: str) -> str:
    """Return the keys that select where `key` moves; none for keys that take no Shift."""
    *modifiers, base = key.split("+")
    if "square_bracket" in base:
        return ""
    return "+".join([*(m for m in modifiers if m != "shift"), "shift", base])


ACTIONS: Final[tuple[Action, ...]] = (
    Action("save", "What is saved where", "ctrl+s", Group.ROOM),
    Action("quit", "Leave", "ctrl+q,f10", Group.ROOM),
    Action("retry", "Try to connect now", "f5,alt+r", Group.ROOM),
    Action("close_room", "Close the room …", "", Group.ROOM),
    Action("open_room", "Open the room", "", Group.ROOM),
    Action("commands", "All commands", "ctrl+p,ctrl+e", Group.ROOM),
    Action("help", "Help", "f1", Group.ROOM),
    Action("people", "Who is here …", "f8", Group.PEOPLE),
    Action("follow", "Follow somebody, or stop", "f9", Group.PEOPLE),
    # Shift and F4 or F7 are F16 and F19 to terminals of the xterm family and the Linux console.
    Action("next_person", "Go to the next person", "f7", Group.PEOPLE),
    Action("previous_person", "Go to the person before", "shift+f7,f19", Group.PEOPLE),
    Action("look_here", "Ask the others to look here", "ctrl+t", Group.PEOPLE),
    Action("chat", "Chat …", "f2,alt+c", Group.PEOPLE),
    Action("readers_chat", "Let who may only read chat, or not", "", Group.PEOPLE),
    Action("send_away", "Send away …", "", Group.PEOPLE),
    Action("next_change", "Next change of when I was away", "f4", Group.PEOPLE),
    Action("previous_change", "The change before", "shift+f4,f16", Group.PEOPLE),
    Action("list_changes", "Changes of when I was away …", "", Group.PEOPLE),
    Action("toggle_authorship", "Show who wrote what, or not", "alt+a", Group.PEOPLE),
    *(Action(id_, title, keys, Group.MOVE) for id_, title, keys in _MOVES),
    Action("go_to_line", "Go to line …", "ctrl+g,ctrl+l", Group.MOVE),
    *(
        Action(
            SELECT + id_,
            f"Select: {title[0].lower()}{title[1:]}",
            ",".join(filter(None, map(_selecting, keys.split(",")))),
            Group.SELECT,
        )
        for id_, title, keys in _MOVES
    ),
    Action("select_all", "Select all", "ctrl+a", Group.SELECT),
    Action("select_word", "Select word", "", Group.SELECT),
    Action("select_line", "Select line", "", Group.SELECT),
    Action("unselect", "Select nothing", "escape", Group.SELECT),
    Action("newline", "New line", "enter,shift+enter,ctrl+j", Group.CHANGE),
    Action("tab", "Tab, or indent what is selected", "tab", Group.CHANGE),
    Action("backspace", "Delete to the left", "backspace,shift+backspace,ctrl+h", Group.CHANGE),
    Action("delete", "Delete to the right", "delete", Group.CHANGE),
    # Alt-Backspace arrives as Ctrl-W from terminals that send ESC before the key.
    Action(
        "delete_word_left", "Delete word to the left", "ctrl+backspace,alt+backspace,ctrl+w", Group.CHANGE
    ),
    Action("delete_word_right", "Delete word to the right", "ctrl+delete,alt+delete", Group.CHANGE),
    Action("delete_to_line_start", "Delete to the start of the line", "ctrl+u", Group.CHANGE),
    Action("delete_to_line_end", "Delete to the end of the line", "", Group.CHANGE),
    Action("upper_case", "Upper case", "alt+u", Group.CHANGE),
    Action("lower_case", "Lower case", "alt+shift+u,alt+U", Group.CHANGE),
    Action("title_case", "Title case", "", Group.CHANGE),
    Action("undo", "Undo", "ctrl+z,super+z", Group.CHANGE),
    Action("redo", "Redo", "ctrl+y,ctrl+shift+z", Group.CHANGE),
    Action("indent", "Indent lines", "", Group.LINES),
    Action("dedent", "Dedent lines", "shift+tab", Group.LINES),
    Action("duplicate_lines", "Duplicate lines", "ctrl+d", Group.LINES),
    Action("move_lines_up", "Move lines up", "alt+up", Group.LINES),
    Action("move_lines_down", "Move lines down", "alt+down", Group.LINES),
    Action("join_lines", "Join lines", "alt+j", Group.LINES),
    Action("delete_lines", "Delete lines", "ctrl+shift+k", Group.LINES),
    Action("sort_lines", "Sort lines", "", Group.LINES),
    Action("copy", "Copy; the line, when nothing is selected", "ctrl+c,super+c,ctrl+insert", Group.CLIPBOARD),
    Action("cut", "Cut; the line, when nothing is selected", "ctrl+x,super+x,shift+delete", Group.CLIPBOARD),
    Action("cut_lines", "Cut lines; again: add the next", "ctrl+k", Group.CLIPBOARD),
    Action("paste", "Paste", "ctrl+v,super+v,shift+insert", Group.CLIPBOARD),
    Action("find", "Find …", "ctrl+f", Group.FIND),
    # Shift-F3 is F15 to terminals of the xterm family.
    Action("find_next", "Find next", "f3", Group.FIND),
    Action("find_previous", "Find previous", "shift+f3,f15", Group.FIND),
    Action("replace", "Replace …", "ctrl+r", Group.FIND),
    Action("add_caret_above", "Add a caret above", "alt+shift+up,ctrl+alt+up", Group.CARETS),
    Action("add_caret_below", "Add a caret below", "alt+shift+down,ctrl+alt+down", Group.CARETS),
    Action("add_next_occurrence", "Select the word; again: the next one, too", "ctrl+n", Group.CARETS),
    Action("select_all_occurrences", "Select all that is alike", "alt+n,ctrl+shift+l", Group.CARETS),
    Action("split_into_lines", "Put a caret at the end of each selected line", "alt+s", Group.CARETS),
    Action("language", "Language of the room …", "", Group.CODE),
    Action("room_indent", "Indentation of the room …", "", Group.CODE),
    Action("room_tab_width", "Width of a tab in the room …", "", Group.CODE),
    Action("symbols", "Go to symbol or heading …", "ctrl+o", Group.CODE),
    # Ctrl-/ is Ctrl-_ to terminals without the kitty protocol.
    Action("toggle_comment", "Comment lines, or not", "ctrl+underscore,ctrl+slash", Group.CODE),
    Action("expand_selection", "Select the enclosing node", "alt+o", Group.CODE),
    Action("shrink_selection", "Select what was selected before", "alt+i", Group.CODE),
    Action("toggle_fold", "Fold, or open the fold", "f6,alt+f", Group.CODE),
    Action("fold_all", "Fold everything", "", Group.CODE),
    Action("unfold_all", "Open all folds", "", Group.CODE),
    Action("toggle_checkbox", "Tick the box, or not", "alt+x", Group.MARKDOWN),
    Action("align_table", "Align the table", "", Group.MARKDOWN),
    Action("follow_link", "Go where the link leads", "alt+enter", Group.MARKDOWN),
    Action("next_heading", "Next heading", "alt+pagedown", Group.MARKDOWN),
    Action("previous_heading", "Previous heading", "alt+pageup", Group.MARKDOWN),
    Action("toggle_wrap", "Soft wrap on or off", "alt+z", Group.VIEW),
    Action("toggle_whitespace", "Show blanks and tabs, or not", "", Group.VIEW),
    Action("toggle_ruler", "Ruler on or off", "", Group.VIEW),
    Action("toggle_line_numbers", "Line numbers on or off", "", Group.VIEW),
    Action("toggle_hints", "Hint bar on or off", "", Group.VIEW),
    Action("next_theme", "Next theme", "", Group.VIEW),
)
"""In the order in which the help shows them."""

FOR_ADMINS: Final = frozenset({"send_away", "close_room", "open_room"})
"""What only admins of a room may do, and only they are shown."""


class Keymap:
    """Which key does what: the defaults, with some actions moved to other keys.

    A key that a person gives to one action is taken from the one that had it.
    """

    def __init__(self, moved: Mapping[str, str] | None = None) -> None:
        """`moved` has keys by action id, separated by commas; "" leaves the action without any."""
        moved = moved or {}
        keys = {action.id: split_keys(moved.get(action.id, action.keys)) for action in ACTIONS}
        self._actions: dict[str, str] = {}
        for ids in ((a.id for a in ACTIONS if a.id not in moved), (a.id for a in ACTIONS if a.id in moved)):
            for id_ in ids:
                self._actions.update(dict.fromkeys(keys[id_], id_))
        self._keys = {
            id_: tuple(key for key in own if self._actions[key] == id_) for id_, own in keys.items()
        }

    def action(self, key: str) -> str | None:
        """Return the id of what `key` does, its modifiers in any order; None for a key that does nothing."""
        return self._actions.get(key) or self._actions.get(normal_key(key))

    def keys(self, id_: str) -> tuple[str, ...]:
        """Return the keys of an action, the first one the one to show."""
        return self._keys.get(id_, ())

    def shown(self, id_: str) -> str:
        """Return how the first key of an action is written for people; empty without one."""
        keys = self.keys(id_)
        return shown_key(keys[0]) if keys else ""


def split_keys(keys: str) -> tuple[str, ...]:
    """Return the keys of a list with commas, each once, as Textual names them."""
    return tuple(dict.fromkeys(normal_key(key.strip()) for key in keys.split(",") if key.strip()))


def normal_key(key: str) -> str:
    """Return `key` with its modifiers in the order of the alphabet, as Textual names what arrives."""
    *modifiers, base = key.split("+")
    return "+".join([*sorted(modifiers), base])


_SHOWN: Final = {
    "pageup": "PageUp",
    "pagedown": "PageDown",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "escape": "Esc",
}


def shown_key(key: str) -> str:
    """Return how `key` is written for people: `ctrl+left` is Ctrl-Left."""
    *modifiers, base = key.split("+")
    return "-".join([*(m.capitalize() for m in modifiers), _SHOWN.get(base, base.capitalize())])


def action_ids() -> Iterable[str]:
    """Return every id there is."""
    return (action.id for action in ACTIONS)
