"""The settings of `collab join`: who one is, where rooms are, and how all looks."""

from __future__ import annotations

from typing import Any, Final

from collab_cli.settings import values
from collab_cli.settings.flags import COLOURS, Theme
from collab_cli.settings.setting import Setting
from collab_cli.settings.values import DEFAULT_RULER

NAME: Final = Setting(
    "name", values.person_name, None, '"ana"', "The name that others see; without it, your account's."
)
COLOUR: Final = Setting(
    "colour",
    values.within(1, COLOURS),
    None,
    "3",
    f"Your colour, 1 to {COLOURS}; given to you if it is free.",
)
SERVER: Final = Setting(
    "server",
    values.server,
    None,
    '"wss://example.org"',
    "Where `collab join ROOM` looks, instead of this machine.",
    is_needed_right=True,
)
SSH: Final = Setting(
    "ssh",
    values.command,
    "ssh",
    '"ssh -F /home/ana/.ssh/pair"',
    "What runs ssh for rooms at ssh://HOST, with arguments that it always gets.",
)
THEME: Final = Setting(
    "theme",
    values.theme,
    Theme.AUTO,
    '"auto"',
    f"{', '.join(Theme)}. auto asks the terminal for its background.",
)
ASCII: Final = Setting("ascii", values.is_on, False, "true", "Draw with ASCII signs only.")
WRAP: Final = Setting("wrap", values.is_on, True, "false", "Show long lines on several rows.")
WHITESPACE: Final = Setting("whitespace", values.is_on, False, "true", "Show blanks and tabs.")
LINE_NUMBERS: Final = Setting("line_numbers", values.is_on, True, "false", "Number the lines.")
HINTS: Final = Setting("hints", values.is_on, True, "false", "Show the most used keys in the last row.")
RULER: Final = Setting(
    "ruler", values.ruler, 0, "true", f"A line at this column, true for {DEFAULT_RULER}; 0 or false for none."
)
INDENT: Final = Setting(
    "indent",
    values.indent,
    "auto",
    "4",
    'What Tab inserts: "tabs", a number of blanks, or "auto", what the text has.',
)

AUTO_CLOSE: Final = Setting(
    "auto_close", values.is_on, True, "false", "Whether brackets and quotes close themselves in code."
)

JOIN_MESSAGES: Final = Setting("join_messages", values.is_on, True, "false", "Tell who comes and goes.")
BELL: Final = Setting(
    "bell", values.is_on, False, "true", "Ring the terminal's bell when somebody asks you to look."
)
READ_ONLY: Final = Setting("read_only", values.is_on, False, "true", "Look, but change nothing.")
OFFLINE: Final = Setting(
    "offline", values.is_on, False, "true", "Leave the network alone; changes are kept on this machine."
)
FOLLOW: Final = Setting(
    "follow", values.person_name, None, '"bo"', "Whom to follow from the start: you see what they see."
)
ANNOUNCE: Final = Setting(
    "announce",
    values.text,
    None,
    '"region"',
    "Write what happens in plain lines: into a file, a FIFO, or a row of the screen (region).",
)
TOKEN_FILE: Final = Setting(
    "token_file",
    values.text,
    None,
    '"~/.config/collab/token"',
    "Where the token is that `server` asks for; it is shown to no other server.",
)

JOIN_SETTINGS: Final[tuple[Setting[Any], ...]] = (
    NAME,
    COLOUR,
    SERVER,
    SSH,
    THEME,
    ASCII,
    WRAP,
    WHITESPACE,
    LINE_NUMBERS,
    HINTS,
    RULER,
    INDENT,
    AUTO_CLOSE,
    JOIN_MESSAGES,
    BELL,
    READ_ONLY,
    OFFLINE,
    FOLLOW,
    ANNOUNCE,
    TOKEN_FILE,
)
"""In the order in which they are shown."""
