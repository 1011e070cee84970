"""What a tree says besides colours: nodes around a range, what folds, what has a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from tree_sitter import Node, Query, QueryCursor, Tree

from collab_syntax.answers import Place, Symbol
from collab_syntax.encoded_text import EncodedText
from collab_syntax.limits import MOST_FOLDS, MOST_NAME, MOST_SYMBOLS

_BODIES: Final = frozenset(
    {
        "block",
        "block_mapping",
        "block_node",
        "block_sequence",
        "document",
        "list",
        "module",
        "program",
        "statement_list",
        "stream",
        "paragraph",
        "inline",
    }
)
"""Nodes that hold others and have no first line of their own, where they don't begin with a token."""

_PIECE_BYTES: Final = 200_000
"""What is searched for symbols before somebody else may have a turn."""

_HEADING: Final = re.compile(r"heading([1-6])")
_METHOD_HOLDERS: Final = frozenset({"class", "interface", "implementation"})


def enclosing(text: EncodedText, tree: Tree, start: Place, end: Place) -> tuple[Place, Place] | None:
    """Return the smallest node larger than the range, but not the root."""
    first, behind = text.byte_of(*start), text.byte_of(*end)
    node = tree.root_node.descendant_for_byte_range(first, behind)
    while node is not None and node.byte_range == (first, behind):
        node = node.parent
    if node is None or node.parent is None:
        return None
    return text.place_of(node.start_point), text.place_of(node.end_point)


def fold_at(
    text: EncodedText, tree: Tree, row: int, hurry: Callable[[], None] = lambda: None
) -> tuple[int, int] | None:
    """Return the rows of the innermost foldable node that begins on `row`, else of that around it.

    Calls `hurry` now and then, which may raise.
    """
    if row >= text.row_count:
        return None
    start = text.row_start(row)
    end = start + text.row_size(row)
    begins: tuple[int, int] | None = None
    around: tuple[int, int] | None = None
    for count, node in enumerate(_around(tree, start, end)):
        if count % 256 == 0:
            hurry()
        rows = _rows(node)
        if rows[0] == rows[1] or not _is_foldable(node):
            continue
        rows = trimmed(text, rows)
        if rows[0] == row < rows[1]:
            begins = rows
        elif rows[0] < row <= rows[1]:
            around = rows
    return begins or around


def _around(tree: Tree, start: int, end: int) -> Iterator[Node]:
    """Yield the nodes that touch two bytes or what is between, each before what it holds; not the root.

    What is in a node of one row is left out. A cursor walks, because a Node finds its next one from the root.
    """
    cursor = tree.walk()
    if not cursor.goto_first_child():
        return
    while True:
        node = cursor.node
        if node is None:
            return
        if node.start_byte <= end and node.end_byte >= start:
            yield node
            if node.start_point.row < node.end_point.row and cursor.goto_first_child():
                continue
        while node.start_byte > end or not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            node = cursor.node
            if node is None:
                return


def folds(text: EncodedText, tree: Tree, hurry: Callable[[], None]) -> list[tuple[int, int]]:
    """Return first and last row of what folds, one for each first row: the innermost.

    Calls `hurry` now and then, which may raise.
    """
    found: dict[int, int] = {}
    for count, node in enumerate(_many_rowed(tree)):
        if count % 256 == 0:
            hurry()
        first, last = trimmed(text, _rows(node))
        if first < last and _is_foldable(node):
            found[first] = last
            if len(found) >= MOST_FOLDS:
                break
    return sorted(found.items())


def _many_rowed(tree: Tree) -> Iterator[Node]:
    """Yield the nodes of two rows and more, each before what it holds; not the root."""
    cursor = tree.walk()
    if not cursor.goto_first_child():
        return
    while True:
        node = cursor.node
        if node is not None and _rows(node)[0] < _rows(node)[1]:
            yield node
            if cursor.goto_first_child():
                continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _rows(node: Node) -> tuple[int, int]:
    """Return a node's first row and the last that it covers some of."""
    first, (last, column) = node.start_point[0], node.end_point
    return first, last - 1 if column == 0 and last > first else last


def trimmed(text: EncodedText, rows: tuple[int, int]) -> tuple[int, int]:
    """Leave empty rows at the end out."""
    first, last = rows
    while last > first and text.row_size(last) == 0:
        last -= 1
    return first, last


def _is_foldable(node: Node) -> bool:
    if not node.is_named or node.is_error:
        return False
    if node.type not in _BODIES:
        return True
    child = node.child(0) if node.child_count else None
    return child is not None and not child.is_named


def _matches(
    text: EncodedText, tree: Tree, query: Query, hurry: Callable[[], None]
) -> Iterator[tuple[int, dict[str, list[Node]]]]:
    """Yield what a query finds, piece by piece; what reaches across pieces comes with each of them.

    The binding's own way to stop a query, its progress callback, crashes.
    """
    for start in range(0, len(text.content), _PIECE_BYTES):
        hurry()
        cursor = QueryCursor(query, match_limit=4_096)
        cursor.set_byte_range(start, start + _PIECE_BYTES)
        yield from cursor.matches(tree.root_node)


def symbols(
    text: EncodedText, tree: Tree, query: Query | None, hurry: Callable[[], None] = lambda: None
) -> list[Symbol]:
    """Return what has a name, in order. Calls `hurry` now and then, which may raise."""
    if query is None:
        return []
    found: dict[tuple[int, int], tuple[int, str, Node, Node]] = {}
    for rank, captures in _matches(text, tree, query, hurry):
        names = captures.get("name")
        defined = next((name for name in captures if name.startswith("definition.")), None)
        if not names or defined is None:
            continue
        whole = captures[defined][0]
        key = names[0].byte_range
        if key not in found or found[key][0] < rank:
            found[key] = rank, defined.removeprefix("definition."), whole, names[0]
    listed: list[Symbol] = []
    around: list[tuple[int, str]] = []
    for (start, end), (_, defined_as, whole, named) in sorted(
        found.items(), key=lambda item: (item[1][2].start_byte, item[0])
    ):
        while around and around[-1][0] <= whole.start_byte:
            around.pop()
        is_held = bool(around) and around[-1][1] in _METHOD_HOLDERS
        kind = "method" if defined_as == "function" and is_held else defined_as
        if kind != "implementation":
            name = bytes(text.content[start : min(end, start + 4 * MOST_NAME)]).decode("utf-8", "ignore")
            row, column_bytes = named.start_point
            column = len(bytes(text.content[start - column_bytes : start]).decode("utf-8", "replace"))
            depth = sum(other != "implementation" for _, other in around)
            if (heading := _HEADING.fullmatch(kind)) is not None:
                kind, depth = "heading", int(heading[1]) - 1
            listed.append(Symbol(" ".join(name.split())[:MOST_NAME], kind, row, column, depth))
            if len(listed) >= MOST_SYMBOLS:
                break
        around.append((whole.end_byte, kind))
    return listed
