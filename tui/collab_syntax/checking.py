"""What the worker sent, checked: it parses hostile text in native code and isn't believed."""

from __future__ import annotations

from typing import Any, Final, TypeGuard

from collab_syntax.answers import Place, Symbol
from collab_syntax.kinds import Kind, Run
from collab_syntax.limits import MOST_LINE_BYTES, MOST_NAME, MOST_STRETCHES, MOST_SYMBOLS, Budget

_MOST_COUNT: Final = 1 << 31
_KINDS: Final = frozenset(int(kind) for kind in Kind if kind is not Kind.NONE)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether `value` is a row, a column or a version."""
    return type(value) is int and 0 <= value < _MOST_COUNT


def is_rows(value: Any) -> TypeGuard[list[int]]:
    """Whether `value` is a first row and a last row behind it."""
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value)) and value[0] < value[1]


def checked_stretches(stretches: list[Any]) -> list[tuple[int, list[list[Run]]]] | None:
    """Return the first row of each stretch and the runs of its rows; None if one is none."""
    budget = Budget()
    found: list[tuple[int, list[list[Run]]]] = []
    if len(stretches) > MOST_STRETCHES:
        return None
    for stretch in stretches:
        match stretch:
            case [first, list(flat)] if is_count(first):
                rows = _checked_rows(flat, budget)
                if rows is None:
                    return None
                found.append((first, rows))
            case _:
                return None
    return found


def _checked_rows(flat: list[Any], budget: Budget) -> list[list[Run]] | None:
    """Return the runs of each row, None if they are none: in order, within bounds, of kinds that exist."""
    budget.rows -= len(flat)
    if budget.rows < 0:
        return None
    rows: list[list[Run]] = []
    for numbers in flat:
        if not isinstance(numbers, list) or len(numbers) % 3:
            return None
        budget.runs -= len(numbers) // 3
        if budget.runs < 0:
            return None
        runs: list[Run] = []
        at = 0
        for start, end, kind in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
            if not (type(start) is type(end) is type(kind) is int and at <= start < end and kind in _KINDS):
                return None
            runs.append((start, end, kind))
            at = end
        if at > MOST_LINE_BYTES:
            return None
        rows.append(runs)
    return rows


def place_pair(value: Any) -> tuple[Place, Place] | None:
    """Return two places, the first one first, or None."""
    match value:
        case [[row, column], [end_row, end_column]] if all(map(is_count, (row, column, end_row, end_column))):
            start, end = (row, column), (end_row, end_column)
            return (start, end) if start < end else None
        case _:
            return None


def checked_symbols(value: Any) -> list[Symbol]:
    """Return symbols, none of them if one is none."""
    if not isinstance(value, list) or len(value) > MOST_SYMBOLS:
        return []
    symbols = []
    for item in value:
        match item:
            case [str(name), str(kind), row, column, depth] if all(map(is_count, (row, column, depth))):
                if (
                    len(name) > MOST_NAME
                    or depth > MOST_SYMBOLS
                    or not (kind.isascii() and kind.isidentifier() and len(kind) < 30)
                ):
                    return []
                symbols.append(Symbol(name, kind, row, column, depth))
            case _:
                return []
    return symbols
