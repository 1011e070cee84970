"""Which language a text is in: a modeline says so, or its name, or the interpreter in its first line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from collab_syntax.languages import LANGUAGES, PLAIN, Language, find

MODELINE_ROWS: Final = 5
"""At each end of a text, as in Vim."""

_MOST_COLUMNS: Final = 500
_MOST_TAB_WIDTH: Final = 16

_VIM: Final = re.compile(r"(?:^|\s)(?:vi|vim|Vim|ex)(?:[<>=]?\d{1,4})?:\s*(?:set?\s)?")
_EMACS: Final = re.compile(r"-\*-(.{1,400}?)-\*-")
_WORD: Final = re.compile(r"[A-Za-z0-9+#._-]{1,40}")


@dataclass(frozen=True, slots=True)
class Modeline:
    """What a text's modelines say: of each the first that makes sense."""

    language: Language | None = None
    tab_width: int | None = None
    """In cells, 1 to 16."""
    indent: str | None = None
    """"tabs", or a number of blanks in digits."""


def detect(room: str, first_lines: Sequence[str], last_lines: Sequence[str]) -> Language:
    """Return the language of a text: by modeline, by its name, by interpreter; else PLAIN."""
    said = modeline(first_lines, last_lines).language
    return said or by_name(room) or _by_interpreter(first_lines[0] if first_lines else "") or PLAIN


def by_name(room: str) -> Language | None:
    """Return the language whose patterns fit the last part of a name."""
    name = room.replace("\\", "/").rpartition("/")[2][-200:].lower()
    name = name.removesuffix(".in").removesuffix(".orig").removesuffix(".bak").removesuffix("~")
    for language in LANGUAGES:
        if any(fnmatchcase(name, pattern) for pattern in language.names):
            return language
    return None


def modeline(first_lines: Sequence[str], last_lines: Sequence[str]) -> Modeline:
    """Return what the modelines in these lines say; looks at 500 characters of five lines at each end."""
    tail = last_lines[-MODELINE_ROWS:] if last_lines else ()
    options: dict[str, str] = {}
    for line in (*first_lines[:MODELINE_ROWS], *tail):
        for name, value in _options(line[:_MOST_COLUMNS]) or _options(line[-_MOST_COLUMNS:]):
            options.setdefault(name, value)
    width = _number(options.get("tab"))
    step = _number(options.get("shift")) or (width if "shift" in options else None)
    indent = None
    if options.get("expand") == "no":
        indent = "tabs"
    elif options.get("expand") == "yes" and (step or width):
        indent = str(step or width)
    return Modeline(find(options.get("language", "")), width, indent)


def _options(line: str) -> list[tuple[str, str]]:
    """Return options by our names: language, tab, shift, expand."""
    if (match := _EMACS.search(line)) is not None:
        return _emacs(match[1])
    if (match := _VIM.search(line)) is not None:
        return _vim(line[match.end() :])
    return []


def _vim(rest: str) -> list[tuple[str, str]]:
    found = []
    for option in re.split(r"[\s:]+", rest)[:40]:
        name, _, value = option.partition("=")
        if name in ("ft", "filetype", "syn", "syntax") and _WORD.fullmatch(value):
            found.append(("language", value))
        elif name in ("ts", "tabstop"):
            found.append(("tab", value))
        elif name in ("sw", "shiftwidth", "sts", "softtabstop"):
            found.append(("shift", value))
        elif name in ("et", "expandtab", "noet", "noexpandtab"):
            found.append(("expand", "no" if name.startswith("no") else "yes"))
    return found


def _emacs(inside: str) -> list[tuple[str, str]]:
    if ":" not in inside:
        word = inside.strip()
        return [("language", word)] if _WORD.fullmatch(word) else []
    found = []
    for option in inside.split(";")[:40]:
        name, _, value = (part.strip() for part in option.partition(":"))
        name = name.lower()
        if name == "mode" and _WORD.fullmatch(value):
            found.append(("language", value.lower().removesuffix("-mode").removesuffix("-ts")))
        elif name == "tab-width":
            found.append(("tab", value))
        elif name in ("c-basic-offset", "python-indent-offset", "js-indent-level", "sh-basic-offset"):
            found.append(("shift", value))
        elif name == "indent-tabs-mode":
            found.append(("expand", "yes" if value == "nil" else "no"))
    return found


def _number(value: str | None) -> int | None:
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 3):
        return None
    return int(value) if 1 <= int(value) <= _MOST_TAB_WIDTH else None


def _by_interpreter(line: str) -> Language | None:
    if not line.startswith("#!"):
        return None
    words = line[2:_MOST_COLUMNS].split()
    names = [PurePosixPath(word).name for word in words]
    if names and names[0] == "env":
        names = [
            name
            for word, name in zip(words[1:], names[1:], strict=True)
            if word[0] != "-" and "=" not in word
        ]
    if not names:
        return None
    interpreter = re.sub(r"[\d.]+$", "", names[0])
    return next((language for language in LANGUAGES if interpreter in language.shebangs), None)
