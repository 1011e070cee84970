"""The man pages: of every command from its help text, and of config.toml from the table of settings.

They are made by the version that they describe, and are the same each time: a date is in them only where
SOURCE_DATE_EPOCH gives one (reproducible-builds.org/specs/source-date-epoch).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import typer
from typer.main import get_command

from collab_cli import __version__
from collab_cli.exits import SIGNAL, ExitCode
from collab_cli.roff import (
    bold,
    escape,
    example,
    filled,
    italic,
    items,
    paragraph,
    section,
    subsection,
    title,
)
from collab_cli.settings.join_table import JOIN_SETTINGS
from collab_cli.settings.serve_table import SERVE_SETTINGS
from collab_cli.settings.setting import Setting

_COLLAB: Final = "collab"
_COMMANDS: Final = 1
_FILES: Final = 5
_VOLUMES: Final = {_COMMANDS: "User Commands", _FILES: "File Formats"}

_CONFIG_FILE: Final = "collab-config"

_DESCRIPTION: Final = (
    (
        "Several people edit one text at the same time, each in their own terminal. What one types is on the"
        " screens of the others at once, and kept on this machine while there is no network."
    ),
    (
        "`collab join notes` edits the room notes on this machine, where others of this account join it the"
        " same way. `collab serve` lets others in, from here or from elsewhere."
    ),
)

_EXIT_CODES: Final = {
    ExitCode.OK: "All is well.",
    ExitCode.INTERNAL: "A fault of collab, or it was given up.",
    ExitCode.USAGE: "What was typed, set or configured cannot be done.",
    ExitCode.REFUSED: "It was refused, or something was found wrong.",
    ExitCode.UNREACHABLE: "The server cannot be reached.",
    ExitCode.UNSAVED: "Changes are kept on this machine that no server has yet; see `collab status`.",
}

_VARIABLES: Final = {
    "COLLAB_CONFIG": "The file with the settings, instead of config.toml.",
    "COLLAB_HOME": "Folder for all that collab keeps, instead of the places that the system has for it.",
    "COLLAB_TOKEN": "The token that a server asks for.",
    "COLLAB_NAME": "And so on: each setting has a variable, of which collab\\-config(5) tells.",
    "NO_COLOR": "Draw without colours.",
    "VISUAL, EDITOR": "What `collab config edit` opens.",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One man page."""

    name: str
    section: int
    about: str
    """In a few words, as in a list of pages."""
    roff: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.section}"


def man_pages(app: typer.Typer, environ: Mapping[str, str]) -> list[Page]:
    """Return the pages of all commands of `app`, and that of its config file."""
    root = _Command(get_command(app), _COLLAB, None)
    commands = [command for command in root.commands() if command.is_shown]
    date = _date(environ)
    names = [_COLLAB, *(command.page_name for command in commands)]
    pages = [_main_page(root, commands, date)]
    pages += [_command_page(command, date, names) for command in commands]
    pages.append(_config_page(date))
    return pages


class _Command:
    """A command of the tree that Typer makes, with what its `--help` says."""

    def __init__(self, command: Any, name: str, parent: _Command | None) -> None:
        # Any: the classes of the tree are no public part of Typer.
        self._command = command
        self._context: Any = command.context_class(
            command,
            info_name=name,
            parent=None if parent is None else parent._context,
            **command.context_settings,
        )
        self.name = name

    @property
    def path(self) -> str:
        """As it is typed: collab admin kick."""
        return str(self._context.command_path)

    @property
    def page_name(self) -> str:
        return self.path.replace(" ", "-")

    @property
    def is_shown(self) -> bool:
        return not self._command.hidden

    @property
    def help(self) -> str:
        return " ".join((self._command.help or "").split())

    @property
    def about(self) -> str:
        """The first sentence of its help, in the way of a list."""
        first = re.split(r"[.;:,] ", self.help, maxsplit=1)[0].rstrip(".")
        return first[:1].lower() + first[1:]

    def synopsis(self) -> str:
        return " ".join(
            [bold(self.path), *map(_placeholder, self._command.collect_usage_pieces(self._context))]
        )

    def commands(self) -> list[_Command]:
        """Return what is below it, in order."""
        found: Mapping[str, Any] = getattr(self._command, "commands", {})
        return [_Command(each, name, self) for name, each in sorted(found.items())]

    def arguments(self) -> list[tuple[str, str]]:
        return [(italic(name), escape(said)) for name, said in self._records("argument") if said]

    def options(self) -> list[tuple[str, str]]:
        return [(_flags(name), escape(said)) for name, said in self._records("option")]

    def _records(self, kind: str) -> Iterator[tuple[str, str]]:
        for parameter in self._command.get_params(self._context):
            if parameter.param_type_name == kind and not getattr(parameter, "hidden", False):
                record = parameter.get_help_record(self._context)
                if record is not None:
                    yield record[0], record[1]


def _main_page(root: _Command, commands: list[_Command], date: str) -> Page:
    about = "edit text together, in terminals"
    lines = [
        *_head(_COLLAB, _COMMANDS, about, date),
        section("SYNOPSIS"),
        *paragraph(root.synopsis()),
        section("DESCRIPTION"),
        *(line for text in _DESCRIPTION for line in paragraph(escape(text))),
        section("COMMANDS"),
        *items((bold(command.path), escape(command.help)) for command in commands),
        section("OPTIONS"),
        *items(root.options()),
        section("ENVIRONMENT"),
        *items((bold(name), said if "\\" in said else escape(said)) for name, said in _VARIABLES.items()),
        *_exit_status(),
        *_see_also([*(command.page_name for command in commands)], more=[f"{_CONFIG_FILE}(5)"]),
    ]
    return _page(_COLLAB, _COMMANDS, about, lines)


def _command_page(command: _Command, date: str, names: Iterable[str]) -> Page:
    name = command.page_name
    below = [each for each in command.commands() if each.is_shown]
    lines = [*_head(name, _COMMANDS, command.about, date), section("SYNOPSIS")]
    for each in below or [command]:
        lines += paragraph(each.synopsis())
    lines += [section("DESCRIPTION"), *paragraph(escape(command.help))]
    if below:
        lines.append(section("COMMANDS"))
    for each in below:
        lines += [subsection(each.path), *paragraph(escape(each.help))]
        lines += items([*each.arguments(), *each.options()])
    if arguments := command.arguments():
        lines += [section("ARGUMENTS"), *items(arguments)]
    lines += [section("OPTIONS"), *items(command.options()), *_exit_status()]
    lines += _see_also([each for each in names if each != name], more=[f"{_CONFIG_FILE}(5)"])
    return _page(name, _COMMANDS, command.about, lines)


def _config_page(date: str) -> Page:
    about = "settings of collab"
    lines = [
        *_head(_CONFIG_FILE, _FILES, about, date),
        section("DESCRIPTION"),
        *paragraph(
            escape(
                "config.toml is TOML; `collab config path` prints where it is, `collab config edit` makes one"
                " with every setting in it, commented out. A flag wins over a variable, that over the file,"
                " and that before what a setting is by itself; `collab config show` tells what holds and"
                " where it comes from, and `collab config check` what is wrong, with its line."
            )
        ),
        section("SETTINGS OF JOIN"),
        *paragraph(escape("At the top of the file, before the first table.")),
        *items(map(_setting, JOIN_SETTINGS)),
        section("SETTINGS OF SERVE"),
        *paragraph(escape("In the table [serve]. The private server of `collab join` has none of them.")),
        *items(map(_setting, SERVE_SETTINGS)),
        section("KEYS"),
        *paragraph(
            escape(
                "In the table [keys]: an action and its keys, as in the file that `collab config edit` makes,"
                " where all of them are."
            )
        ),
        section("EXAMPLES"),
        *example('name = "ana"\n\n[serve]\nport = 8765\nauth = true\nurl = "wss://example.org"'),
        *_see_also([_COLLAB, "collab-join", "collab-serve", _CONFIG_FILE]),
    ]
    return _page(_CONFIG_FILE, _FILES, about, lines)


def _setting(setting: Setting[Any]) -> tuple[str, str]:
    said = [escape(setting.about)]
    if setting.default is not None:
        said.append(escape(f"Without it: {_shown(setting)}."))
    if setting.has_variable:
        said.append(f"Variable: {bold(setting.variable)}.")
    return f"{bold(setting.name)} = {escape(setting.example)}", " ".join(said)


def _shown(setting: Setting[Any]) -> str:
    default = setting.default
    return str(default).lower() if isinstance(default, bool) else setting.shown(default)


def _head(name: str, number: int, about: str, date: str) -> list[str]:
    return [
        r".\" Made by `collab man` from the help texts: changes belong there.",
        title(name.upper(), number, date, f"collab {__version__}", _VOLUMES[number]),
        ".nh",  # what is to be typed must not be torn apart
        section("NAME"),
        *filled(rf"{escape(name)} \- {escape(about)}"),
    ]


def _exit_status() -> Iterator[str]:
    yield section("EXIT STATUS")
    yield from items((bold(str(code.value)), escape(said)) for code, said in _EXIT_CODES.items())
    yield from items([(f"{bold(str(SIGNAL))} + {italic('n')}", escape("Ended by signal n."))])


def _see_also(names: list[str], more: Iterable[str] = ()) -> Iterator[str]:
    yield section("SEE ALSO")
    pages = [f"{bold(name)}({_COMMANDS})" for name in names]
    pages += [f"{bold(each.partition('(')[0])}({each.partition('(')[2]}" for each in more]
    yield from (f"{page}," for page in pages[:-1])
    yield pages[-1]


def _page(name: str, number: int, about: str, lines: Iterable[str]) -> Page:
    roff: list[str] = []
    for line in lines:
        # A heading begins a paragraph by itself.
        if line != ".PP" or not roff[-1].startswith((".SH", ".SS")):
            roff.append(line)
    return Page(name, number, about, "\n".join(roff) + "\n")


def _flags(record: str) -> str:
    """Return an option as Typer writes it, "-h, --help" or "--role read|write", with its flags in bold."""
    return " ".join(bold(word) if word.startswith("-") else _placeholder(word) for word in record.split(" "))


def _placeholder(word: str) -> str:
    if word in ("/", "..."):
        return word
    return italic(word)


def _date(environ: Mapping[str, str]) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(int(environ["SOURCE_DATE_EPOCH"])))
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
