"""Python that nobody wrote and that reads as if somebody had: the same at every call, and it compiles."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

_NOUNS: Final = [
    "anchor",
    "bill",
    "cargo",
    "deck",
    "engine",
    "fare",
    "gauge",
    "harbour",
    "index",
    "journal",
    "keel",
    "ledger",
    "mast",
]
_VERBS: Final = [
    "add",
    "bind",
    "check",
    "drop",
    "enter",
    "find",
    "gather",
    "hold",
    "join",
    "keep",
    "load",
    "merge",
    "note",
    "open",
    "pack",
]
_TYPES: Final = ("int", "str", "float", "bytes", "list[str]", "dict[str, int]", "tuple[int, ...]", "Path")
_REMARKS: Final = (
    "The order matters: what came first is asked first.",
    "Nothing is kept of what was refused.",
    "Both ends count from 0, and the last is not part of it.",
    "Slow, but there are never more than a handful.",
)

_HEAD: Final = '''\
"""Boats, what they carry, and what that costs."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

log = logging.getLogger(__name__)

LIMIT = 4_096
RATE = 0.175
MASK = 0xFF_00
PATTERN = re.compile(r"^(?P<name>[a-z_]+)\\s*=\\s*(?P<value>.+)$", re.MULTILINE)
'''


def python_text(lines: int) -> str:
    """Return `lines` lines (at least 30): classes, functions, constants, comments, strings of all kinds."""
    dice = random.Random(lines)
    made = _HEAD.rstrip("\n").split("\n")
    blocks: Sequence[Callable[[random.Random, int], str]] = (_class, _function, _coroutine, _enum, _table)
    for number in range(lines):
        block = dice.choices(blocks, weights=(6, 5, 2, 1, 1))[0](dice, number)
        rows = ["", "", *block.rstrip("\n").split("\n")]
        if len(made) + len(rows) > lines:
            break
        made += rows
    made += [f"# {dice.choice(_REMARKS)}" for _ in range(lines - len(made))]
    return "\n".join(made)


def _class(dice: random.Random, number: int) -> str:
    noun = dice.choice(_NOUNS)
    names = dice.sample(_NOUNS, 3)
    fields = "\n".join(f"    {name}: {dice.choice(_TYPES)}" for name in names)
    methods = "\n\n".join(_method(dice, verb, names) for verb in dice.sample(_VERBS, dice.randint(2, 5)))
    return f'''\
@dataclass(frozen=True, slots=True)
class {noun.title()}{number}:
    """One {noun}, as it stands in the {names[0]} of the day."""

{fields}
    seen: set[int] = field(default_factory=set)

    @property
    def is_{names[1]}(self) -> bool:
        return self.{names[1]} is not None and len(self.seen) > {dice.randint(1, 90)}

{methods}
'''


def _method(dice: random.Random, verb: str, names: Sequence[str]) -> str:
    first, second, third = names
    bodies = (
        f'''\
        if not self.seen or count < {dice.randint(2, 500)}:
            raise ValueError(f"{verb}: {{count!r}} of {{self.{first}}} is too few")
        total = sum(item * RATE for item in self.seen if item % {dice.randint(2, 9)})
        return round(total + count, {dice.randint(1, 4)})''',
        f"""\
        # {dice.choice(_REMARKS)}
        for position, item in enumerate(sorted(self.seen, reverse=True)):
            log.debug("%s at %d\\t%s", item, position, self.{second})
            if item == count:
                return {dice.random():.3f}
        else:
            return -1.0""",
        f"""\
        {third} = {{str(key): key << 2 for key in range(count)}}
        {third}.update({first}=1, {second}=LIMIT & MASK)
        return float(len({third}) or {dice.randint(1, 99)}e-3)""",
    )
    return f'''\
    def {verb}_{first}(self, count: int = {dice.randint(0, 40)}, *, {second}: str = "{third}") -> float:
        """Return what it takes to {verb} `count` of them."""
{dice.choice(bodies)}'''


def _function(dice: random.Random, number: int) -> str:
    verb, (one, two) = dice.choice(_VERBS), dice.sample(_NOUNS, 2)
    return f'''\
def {verb}_{one}_{number}({one}: Iterable[str], {two}: dict[str, int] | None = None) -> list[str]:
    """{verb.title()} every {one} that {two} knows.

    Raises:
        KeyError: there is no such {one}.
    """
    {two} = {two} or {{"{one}": {dice.randint(1, 999)}, '{verb}': 0b1011}}
    found = [name.strip().lower() for name in {one} if name and not name.startswith("#")]
    match found:
        case []:
            return []
        case [only] if only in {two}:
            log.info("only %s", only)
        case [first, *rest]:
            found = [first, *sorted(rest, key=lambda name: {two}.get(name, {dice.randint(1, 9)}))]
    try:
        return [f"{{name:>{dice.randint(8, 20)}}}={{{two}[name]}}" for name in found]
    except KeyError as error:
        raise KeyError(f"no {one} called {{error}}\\n") from None
'''


def _coroutine(dice: random.Random, number: int) -> str:
    verb, noun = dice.choice(_VERBS), dice.choice(_NOUNS)
    return f"""\
async def {verb}_{noun}_{number}(path: Path, *, timeout_s: float = {dice.randint(1, 30)}.5) -> bytes | None:
    async with asyncio.timeout(timeout_s):
        while True:
            await asyncio.sleep(0)  # lets others have their turn
            if (size := path.stat().st_size) >= LIMIT and path.suffix not in {{".{noun}", ".tmp"}}:
                return b"\\x00\\xff" + path.read_bytes()[:size]
            if not path.exists():
                return None
"""


def _enum(dice: random.Random, number: int) -> str:
    members = "\n".join(
        f'    {name.upper()} = "{name}"  # {at}' for at, name in enumerate(dice.sample(_NOUNS, 6))
    )
    return f'class State{number}(Enum):\n    """Where a boat may be."""\n\n{members}\n'


def _table(dice: random.Random, number: int) -> str:
    rows = "\n".join(
        f'    "{name}": ({dice.randint(1, 99)}, {dice.random():.2f}, True),'
        for name in dice.sample(_NOUNS, 8)
    )
    return f"# {dice.choice(_REMARKS)}\nFARES_{number} = {{\n{rows}\n}}\n"
