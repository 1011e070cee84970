"""The bars and lists that take keys in the editor's place: find, go to line, commands, help, who is here.

One is open at a time. The editor stays focused and hands each key to it; what it does not want, such as
Ctrl-Q, is done as always.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from collab_tui.actions import ACTIONS, FOR_ADMINS, Action, Keymap, shown_key
from collab_tui.widgets.command_list import CommandList, Entry
from collab_tui.widgets.editor import Editor
from collab_tui.widgets.field_widget import FieldWidget
from collab_tui.widgets.find_bar import FindBar
from collab_tui.widgets.people_panel import PeoplePanel
from collab_tui.widgets.prompt import Prompt

if TYPE_CHECKING:
    from collab_client.buffer import Buffer
    from collab_client.lines import Position
    from collab_tui.company import Company
    from collab_tui.finding import Finding

_PLACE: Final = re.compile(r"\s*(\d{1,9})?\s*(?:[:,]\s*(\d{1,9})\s*)?")

_HINTS: Final = ("help", "commands", "quit", "find", "save", "undo", "go_to_line", "cut", "paste")
_HINTS_FINDING: Final = ("find_next", "find_previous", "replace", "unselect")
_HINTS_OVER: Final = ("retry", "quit", "save", "select_all", "copy", "help")
_HINTS_PEOPLE: Final = ("unselect", "look_here", "commands", "help", "quit")

_HELP: Final = (
    (
        "Everybody in this room types in one text at once. What you type is on your screen at once, and with"
        " the others a moment later; undo takes back your own changes and nobody else's."
    ),
    (
        "The status line says what is true of your text: saved = on the server's disk · saving = on the way ·"
        " offline = kept on this machine, and sent when the server is back · only in this window = on no disk"
        " yet."
    ),
    (
        "In the find bar Alt-C minds upper and lower case, Alt-W finds whole words, Alt-X takes a regular"
        " expression, Alt-S looks in the selection, Alt-A replaces all; each can be clicked, too."
    ),
    ("Keys can be changed in the settings: collab config edit. Type to search; Enter runs what is chosen."),
)


class Bars:
    """Opens and closes them. `run(action)` does what was chosen; `changed()` is called after either."""

    def __init__(
        self,
        editor: Editor,
        find_bar: FindBar,
        prompt: Prompt,
        commands: CommandList,
        panel: PeoplePanel,
        keymap: Keymap,
        *,
        run: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._editor = editor
        self._find_bar = find_bar
        self._prompt = prompt
        self._commands = commands
        self._panel = panel
        self._keymap = keymap
        self._run = run
        self._changed = changed
        self.finding: Finding | None = None
        self.company: Company | None = None
        self.is_over = False
        """Whether the session has ended for good, unless the person tries again."""
        self._open: FieldWidget | PeoplePanel | None = None
        for bar in (find_bar, prompt, commands):
            self.add(bar)
        panel.on_close = self.close
        panel.is_heard = lambda: editor.is_listening

    def add(self, bar: FieldWidget) -> None:
        """Take care of `bar`, so that `show` can open it."""
        bar.on_close = self.close
        bar.on_copy = self._editor.copy_text
        bar.on_paste = self._editor.paste_to
        bar.is_heard = lambda: self._editor.is_listening

    def show(self, bar: FieldWidget | PeoplePanel) -> None:
        """Give the keys to `bar`, which its owner fills."""
        self._begin(bar)

    @property
    def is_any_open(self) -> bool:
        """Whether something takes the keys in the editor's place, be it a question."""
        return self._open is not None or not self._editor.is_listening

    @property
    def is_list_open(self) -> bool:
        """Whether a list lies over the text."""
        return self._open is self._commands or self._open is self._panel

    @property
    def hints(self) -> Sequence[str]:
        """The actions that matter most now."""
        if self._open is self._panel:
            return _HINTS_PEOPLE
        if self._open is self._find_bar:
            return _HINTS_FINDING
        return _HINTS_OVER if self.is_over else _HINTS

    def find(self, *, with_replace: bool) -> None:
        """Open the find bar."""
        if self.finding is not None:
            self._begin(self._find_bar)
            self.finding.open(with_replace=with_replace)

    def go_to_line(self, buffer: Buffer) -> None:
        """Ask for a line, a line and a column, or `@` and a name."""
        self._begin(self._prompt)

        def accept(text: str) -> None:
            self._accept_line(buffer, text)

        count = buffer.lines.row_count
        hint = f"1 to {count:,}, line:column, or @name"

        def change(text: str) -> None:
            self._prompt.show("")
            name = _name_in(text)
            meant = "" if name is None or self.company is None else self.company.meant_by(name)
            self._prompt.suggest(meant or hint)

        self._prompt.on_accept = accept
        self._prompt.on_change = change
        self._prompt.open("Go to line", hint=hint)

    def list_commands(self) -> None:
        """Open the list of all commands."""
        self._begin(self._commands)
        self._commands.on_choose = self._chosen
        entries = [
            Entry(a.id, a.title, self._keymap.shown(a.id), a.group)
            for a in self._shown_actions()
            if a.id != "commands"
        ]
        self._commands.open(entries, title="Commands", is_help=False)

    def choose(
        self,
        entries: Sequence[Entry],
        title: str,
        on_choose: Callable[[str], object],
        *,
        chosen: str | None = None,
    ) -> None:
        """Open a list of other things than commands; `chosen` is the id of the one to begin at."""
        self._begin(self._commands)

        def choose(id_: str) -> None:
            self.close()
            on_choose(id_)

        self._commands.on_choose = choose
        self._commands.open(entries, title=title, is_help=False, is_recent_first=False, chosen=chosen)

    def help(self) -> None:
        """Open the help: every action with all of its keys."""
        self._begin(self._commands)
        self._commands.on_choose = self._chosen
        entries = [Entry(a.id, a.title, self._all_keys(a.id), a.group) for a in self._shown_actions()]
        self._commands.open(entries, title="Help", is_help=True, intro=_HELP)

    def close(self) -> None:
        """Close what is open, and give the keys back to the text."""
        opened, self._open = self._open, None
        self._editor.keys_to = None
        if opened is not None:
            opened.close()
        if self.finding is not None:
            self.finding.closed()
        self._changed()
        self._editor.update()

    def _begin(self, bar: FieldWidget | PeoplePanel) -> None:
        if self._open is not bar:
            self.close()
            self._open = bar
        self._editor.keys_to = bar.typed
        self._changed()

    def _shown_actions(self) -> list[Action]:
        is_admin = self.company is not None and self.company.is_admin
        return [action for action in ACTIONS if is_admin or action.id not in FOR_ADMINS]

    def _chosen(self, action: str) -> None:
        self.close()
        self._run(action)

    def _all_keys(self, action: str) -> str:
        return ", ".join(map(shown_key, self._keymap.keys(action)))

    def _accept_line(self, buffer: Buffer, text: str) -> None:
        from collab_client.lines import Position  # what the buffer has loaded, not before

        name = _name_in(text)
        if name is not None and self.company is not None:
            place = self.company.place_of(name)
            if isinstance(place, str):
                self._prompt.show(place)
            else:
                self._go_to(place)
            return
        match = _PLACE.fullmatch(text)
        if match is None or match.lastindex is None:
            self._prompt.show("a line, or a line and a column: 120 or 120:4")
            return
        row = buffer.head.row if match[1] is None else int(match[1]) - 1
        column = 0 if match[2] is None else int(match[2]) - 1
        self._go_to(Position(row, column))

    def _go_to(self, place: Position) -> None:
        from collab_tui.widgets.commands import go_to  # what the buffer has loaded, not before

        self.close()
        self._editor.edit(lambda buffer: go_to(buffer, *place), centre=True)


def _name_in(text: str) -> str | None:
    """Return the name behind an `@`, if it is a person that is asked for."""
    text = text.strip()
    return text[1:].strip() if text.startswith("@") else None
