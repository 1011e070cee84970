"""The colours of some rows of a tree, those of text in another language among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tree_sitter import Node, Query, QueryCursor, Tree

from collab_syntax.encoded_text import EncodedText
from collab_syntax.grammars import Grammar, Grammars, grammar_names
from collab_syntax.kinds import Kind, Run
from collab_syntax.languages import find
from collab_syntax.limits import MOST_LINE_BYTES, Budget
from collab_syntax.spans import Span, flatten, rows_of

_MOST_INJECTED_BYTES: Final = 100_000
_MOST_PATTERN_STATES: Final = 1_024

_MOST_DEPTH: Final = 2
"""Of text in text in text: a script in HTML in Markdown."""

_RANK_STEP: Final = 1_000_000
"""Injected text lies above its surroundings where both cover the same bytes."""


class Highlighter:
    """Colours rows of a text by its grammar, and keeps the trees of the foreign text it saw last."""

    def __init__(self, grammars: Grammars, grammar: Grammar) -> None:
        """Use `grammar`; others are taken from `grammars` when its text holds some."""
        self._grammars = grammars
        self._grammar = grammar
        self._trees: dict[tuple[str, bytes], Tree] = {}
        self._seen: dict[tuple[str, bytes], Tree] = {}

    def begin(self) -> None:
        """Begin with rows that are looked at together: what they do not show is forgotten."""
        self._trees, self._seen = self._seen, {}

    def rows(
        self, text: EncodedText, tree: Tree, first_row: int, last_row: int, budget: Budget
    ) -> list[list[Run]]:
        """Return the runs of the rows that exist from `first_row` to `last_row`, as far as `budget` goes."""
        last_row = min(last_row, first_row + budget.rows - 1, text.row_count - 1)
        rows: list[list[Run]] = []
        for first, behind in _stretches(text, first_row, last_row, budget):
            if behind == first:
                rows.append([])  # too long, or too much
                continue
            start = text.row_start(first)
            end = text.row_start(behind) - 1
            spans = list(self._spans(self._grammar, tree, start, end)) if budget.runs > 0 else []
            for row in rows_of(bytes(text.content[start:end]), flatten(spans, start, end), start):
                rows.append(row if len(row) <= budget.runs else [])
                budget.runs -= len(row)
        budget.rows -= len(rows)
        return rows

    def _spans(self, grammar: Grammar, tree: Tree, start: int, end: int, depth: int = 0) -> Iterator[Span]:
        """Yield what the queries capture between two bytes; what is injected has the higher ranks."""
        cursor = QueryCursor(grammar.highlights, match_limit=_MOST_PATTERN_STATES)
        cursor.set_byte_range(start, max(end, start + 1))
        kinds = grammar.kinds
        spans: dict[int, Span] = {}
        for rank, captures in cursor.matches(tree.root_node):
            for name, nodes in captures.items():
                kind = kinds.get(name)
                if kind is None:
                    continue
                for node in nodes:
                    known = spans.get(node.id)
                    if known is None or known[2] <= rank:
                        spans[node.id] = (*node.byte_range, rank, kind)
        yield from spans.values()
        if grammar.injections is not None and depth < _MOST_DEPTH:
            yield from self._injected(grammar.injections, tree, start, end, depth)

    def _injected(self, query: Query, tree: Tree, start: int, end: int, depth: int) -> Iterator[Span]:
        cursor = QueryCursor(query, match_limit=_MOST_PATTERN_STATES)
        cursor.set_byte_range(start, max(end, start + 1))
        for _, captures in cursor.matches(tree.root_node):
            for capture, nodes in captures.items():
                language = _language_of(capture, captures)
                if language is None:
                    continue
                for node in nodes:
                    yield from self._injected_node(language, node, start, end, depth)

    def _injected_node(self, language: str, node: Node, start: int, end: int, depth: int) -> Iterator[Span]:
        base, behind = node.byte_range
        if not 0 < behind - base <= _MOST_INJECTED_BYTES or base >= end or behind <= start:
            return
        content = _without_children(node)
        key = (language, content)
        grammar = self._grammars.get(language)
        tree = self._seen.get(key) or self._trees.get(key) or grammar.parser().parse(content)
        self._seen[key] = tree
        rank = _RANK_STEP * (depth + 1)
        if language != "markdown_inline":
            yield base, behind, rank, Kind.NONE
        inner = self._spans(grammar, tree, max(0, start - base), min(end, behind) - base, depth + 1)
        for first, last, inner_rank, kind in inner:
            yield base + first, base + last, rank + 1 + inner_rank, kind


def _stretches(text: EncodedText, first_row: int, last_row: int, budget: Budget) -> Iterator[tuple[int, int]]:
    """Cut rows at those that are too long: yield each stretch as its first row and the row behind.

    For a row that has no colours it is that row twice.
    """
    first = first_row
    for row in range(first_row, last_row + 1):
        size = text.row_size(row)
        if size > MOST_LINE_BYTES or size > budget.size_bytes:
            if first < row:
                yield first, row
            yield row, row
            first = row + 1
        else:
            budget.size_bytes -= size
    if first <= last_row:
        yield first, last_row + 1


def _language_of(capture: str, captures: dict[str, list[Node]]) -> str | None:
    """Return the grammar for a capture of an injection query."""
    if capture == "inject":
        named = captures.get("language")
        said = (named[0].text or b"")[:40] if named else b""
        language = find(said.decode("utf-8", "replace").strip())
        name = language.id if language is not None else ""
    elif capture.startswith("inject."):
        name = capture.removeprefix("inject.")
    else:
        return None
    return name if name in grammar_names() else None


def _without_children(node: Node) -> bytes:
    """Return a node's text with its named children blanked: the `> ` inside a quoted paragraph."""
    content = bytearray(node.text or b"")
    for child in node.named_children:
        if child.type == "block_continuation":
            start, end = child.start_byte - node.start_byte, child.end_byte - node.start_byte
            content[start:end] = b" " * (end - start)
    return bytes(content)
