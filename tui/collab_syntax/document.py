"""A text with its tree: kept right through edits, asked for colours, nodes, folds and symbols. No process.

The tree of an edited text is parsed from the one before. Where the text holds errors, that may differ from
a parse of the whole, so `settle` parses afresh; texts that take no time are always parsed afresh.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

from tree_sitter import Parser, Tree

from collab_syntax.answers import Place, Symbol
from collab_syntax.encoded_text import EncodedText
from collab_syntax.grammars import Grammars
from collab_syntax.highlighting import Highlighter
from collab_syntax.kinds import Run
from collab_syntax.limits import Budget
from collab_syntax.outline import enclosing, fold_at, folds, symbols

_QUICK_S: Final = 0.004
"""A parse afresh that took no longer is done after every edit."""

_MOST_SETTLE_S: Final = 1.5
"""A text that takes longer (several MB) stays as its edits left it: two trees of it would cost a gigabyte."""

_READ_BYTES: Final = 4_096


class Interrupted(Exception):
    """Something else became more urgent."""


class Document:
    """A text and its tree. `parse` after edits, before anything is asked."""

    def __init__(self, grammars: Grammars, language: str, text: bytes) -> None:
        """Parse `text` by the grammar of a language's id.

        Raises:
            KeyError: there is none.
            ImportError: its distribution is missing.
        """
        self._text = EncodedText(text)
        self._grammar = grammars.get(language)
        self._parser: Parser = self._grammar.parser()
        self._highlighter = Highlighter(grammars, self._grammar)
        self._afresh_s = 0.0
        self._is_parsed = self._is_settled = False
        self._tree: Tree = self._parse_afresh()

    @property
    def is_settled(self) -> bool:
        """Whether the tree is that of a parse afresh, or as good as it gets: such texts take too long."""
        return self._is_parsed and (self._is_settled or self._afresh_s > _MOST_SETTLE_S)

    def edit(self, first_row: int, old_last_row: int, text: bytes) -> None:
        """Replace rows.

        Raises:
            IndexError: a row does not exist.
            ValueError: the text would be too large.
        """
        change = self._text.replace_rows(first_row, old_last_row, text)
        if change is not None:
            self._tree.edit(*change)
            self._is_parsed = False

    def parse(self) -> None:
        """Bring the tree up to date."""
        if self._is_parsed:
            return
        if self._afresh_s <= _QUICK_S:
            self._tree = self._parse_afresh()
            return
        self._tree = self._parser.parse(self._text.content, self._tree)
        self._is_parsed = True
        self._is_settled = False

    def settle(self, is_urgent: Callable[[], bool] = lambda: False) -> None:
        """Parse afresh.

        Raises:
            Interrupted: `is_urgent` said so; the tree is as before.
        """
        content = self._text.content

        def read(byte: int, _: object, /) -> bytes:
            return bytes(content[byte : byte + _READ_BYTES])

        asked = 0

        def is_to_stop(_: int, __: bool, /) -> bool:
            nonlocal asked
            asked += 1
            return asked % 32 == 0 and is_urgent()

        started = perf_counter()
        try:
            tree = self._parser.parse(read, progress_callback=is_to_stop)
        except ValueError as error:
            self._parser.reset()
            raise Interrupted from error
        self._settled(tree, started)

    def _parse_afresh(self) -> Tree:
        started = perf_counter()
        tree = self._parser.parse(self._text.content)
        self._settled(tree, started)
        return tree

    def _settled(self, tree: Tree, started: float) -> None:
        self._tree = tree
        self._afresh_s = perf_counter() - started
        self._is_parsed = self._is_settled = True

    def colours(self, *stretches: tuple[int, int]) -> list[tuple[int, list[list[Run]]]]:
        """Return for each stretch, first row and last row, its first row and the runs of those that exist.

        What matters most comes first: at some size there are no more runs.
        """
        budget = Budget()
        self._highlighter.begin()
        return [
            (first, self._highlighter.rows(self._text, self._tree, first, last, budget))
            for first, last in stretches
        ]

    def enclosing(self, start: Place, end: Place) -> tuple[Place, Place] | None:
        """Return the smallest node larger than the range, but not the root."""
        return enclosing(self._text, self._tree, start, end)

    def fold_at(self, row: int, is_urgent: Callable[[], bool] = lambda: False) -> tuple[int, int] | None:
        """Return the rows of the innermost foldable node that begins on `row`, else of that around it.

        Raises:
            Interrupted: `is_urgent` said so.
        """
        return fold_at(self._text, self._tree, row, _hurrying(is_urgent))

    def folds(self, is_urgent: Callable[[], bool] = lambda: False) -> list[tuple[int, int]]:
        """Return first and last row of what folds, at most 10,000, in order. Raises as `fold_at`."""
        return folds(self._text, self._tree, _hurrying(is_urgent))

    def symbols(self, is_urgent: Callable[[], bool] = lambda: False) -> list[Symbol]:
        """Return what has a name, at most 5,000, in order. Raises as `fold_at`."""
        return symbols(self._text, self._tree, self._grammar.symbols, _hurrying(is_urgent))


def _hurrying(is_urgent: Callable[[], bool]) -> Callable[[], None]:
    def hurry() -> None:
        if is_urgent():
            raise Interrupted

    return hurry
