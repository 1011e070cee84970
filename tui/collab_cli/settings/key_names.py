"""Names of keys in `[keys]`: as people write them, and as Textual names what a terminal sends.

    Ctrl-D, ctrl+d                        ctrl+d
    Ctrl-], Ctrl+]                        ctrl+right_square_bracket
    Shift-Ctrl-PgUp                       ctrl+shift+pageup     (modifiers in the order of the alphabet)
    Alt-Shift-U, alt+U                    alt+shift+u and alt+U (kitty's protocol; ESC before the key)

Written here once more, because Textual takes longer to load than an editor may take to start.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import Final

_MODIFIERS: Final = {
    "ctrl": "ctrl",
    "control": "ctrl",
    "alt": "alt",
    "opt": "alt",
    "option": "alt",
    "shift": "shift",
    "super": "super",
    "cmd": "super",
    "win": "super",
}

_ALIASES: Final = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "bs": "backspace",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "page_up": "pageup",
    "page_down": "pagedown",
}

_NAMED: Final = frozenset(
    (
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown"),
        *("insert", "delete", "backspace", "enter", "tab", "escape"),
        *(f"f{number}" for number in range(1, 25)),
    )
)

_REPLACED: Final = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Names that Textual has instead of Unicode's (textual.keys.KEY_NAME_REPLACEMENTS)."""

_ALSO: Final = {"ctrl+space": "ctrl+@", "ctrl+slash": "ctrl+underscore"}
"""What terminals without kitty's protocol send for a key: NUL, and US (xterm's ctlseqs, C0)."""

_ARRIVES_AS: Final = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
}
"""One byte for both since ASCII; only kitty's protocol tells them apart."""

_MODIFIER: Final = re.compile(rf"({'|'.join(_MODIFIERS)})([+-])(?=.)", re.IGNORECASE)


def parse_key(written: str) -> tuple[str, ...]:
    """Return Textual's names of a key, the first one the one to show.

    Raises:
        ValueError: no terminal sends that, or it types a character; the text says what a key must be.
    """
    rest = written.strip()
    modifiers: set[str] = set()
    is_exact = True
    while found := _MODIFIER.match(rest):
        modifiers.add(_MODIFIERS[found[1].lower()])
        is_exact &= found[1].islower() and found[2] == "+"
        rest = rest[found.end() :]
    if is_exact and modifiers == {"alt"} and len(rest) == 1 and rest.isupper():
        modifiers.add("shift")
    base = _base(rest)
    if base not in _NAMED and modifiers <= {"shift"}:
        raise ValueError("a key that can be given away, it types a character: put Ctrl or Alt before it")
    key = "+".join([*sorted(modifiers), base])
    upper = base.upper()
    if modifiers == {"alt", "shift"} and len(base) == len(upper) == 1 and base != upper:
        return key, f"alt+{upper}"
    return (key, _ALSO[key]) if key in _ALSO else (key,)


def arrives_as(key: str) -> str | None:
    """Return the key for which most terminals send the same as for `key`; None if there is none."""
    return _ARRIVES_AS.get(key)


def _base(written: str) -> str:
    if len(written) == 1 and written.isprintable():
        lower = written.lower()
        return _character(lower if len(lower) == 1 else written)  # İ is two characters in lower case
    name = re.sub(r"[ -]", "_", written.strip().lower())
    name = _ALIASES.get(name, name)
    if name in _NAMED or name in _CHARACTERS:
        return name
    raise ValueError("a key: write it like ctrl+d, alt+up or f4")


def _character(character: str) -> str:
    if character.isalnum():
        return character
    name = unicodedata.name(character, character).lower().replace("-", "_").replace(" ", "_")
    return _REPLACED.get(name, name)


_CHARACTERS: Final = frozenset(_character(c) for c in string.punctuation + " ")
"""Names of characters that may be written out, as in ctrl+comma: a comma separates keys."""
