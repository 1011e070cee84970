"""The parent's side of the parser: a child process that is told and asked, never waited for on the loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from collab_syntax.answers import Place, Symbol
from collab_syntax.checking import checked_stretches, checked_symbols, is_count, is_rows, place_pair
from collab_syntax.child import Child
from collab_syntax.frames import frame
from collab_syntax.kinds import Run
from collab_syntax.languages import by_id
from collab_syntax.limits import MOST_BYTES, MOST_STRETCHES

__all__ = ["COMMAND", "Colours", "ParserProcess", "Place", "StaleAnswer", "Symbol"]

COMMAND: Final = (sys.executable, "-P", "-m", "collab_syntax.worker")
"""The language and the number of a socket come behind. -P: nothing is imported from where the user stands."""

_MOST_RESTARTS: Final = 2
_RESTART_S: Final = 0.1
_FORGIVEN_S: Final = 60.0
"""After so long without a failure the next one is the first."""

_ANSWER_S: Final = 5.0
_MOST_ASKS: Final = 3
"""How often a question is asked when the text changes before the answer comes."""

_PIECE: Final = 65_536
"""Characters of the text that are encoded and sent at a time."""

_MOST_PENDING: Final = MOST_BYTES
"""Characters of edits that wait: beyond, the whole text is sent again instead."""

_TOO_LARGE: Final = "The text is too large to colour."


@dataclass(frozen=True, slots=True)
class Colours:
    """The colours of some rows, after the first `version` calls of `edit`.

    Fewer rows than were wanted where the text ends, or beyond 500. A run may only end beyond its line where
    the worker is wrong: clip it.
    """

    version: int
    stretches: list[tuple[int, list[list[Run]]]]
    """Each with the row that it begins with."""


class StaleAnswer(Exception):
    """The text changed each time before the answer came; what the answer was about is gone."""


class ParserProcess:
    """A text in a language, parsed elsewhere. Used on the event loop alone.

    What it is asked is asked again when the text changes before the answer comes, with the rows and columns
    that were given: whether they still are the ones that are meant, the caller has to see.
    """

    def __init__(
        self,
        language: str,
        *,
        text: Callable[[], str],
        on_colours: Callable[[Colours], None],
        on_failed: Callable[[str], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Take the language's id. `text` gives the text as it is now, all edits in it: a restart asks for it.

        `on_failed` is called once, with a sentence, when there will be no more colours.
        """
        self._language = language
        self._text = text
        self._on_colours = on_colours
        self._on_failed = on_failed
        self._command = (*command, language)
        self._child: Child | None = None
        self._edits = 0
        self._shown = 0
        self._pending: list[tuple[int, int, str]] = []
        self._pending_size = 0
        self._is_flushing = False
        self._looked_at: tuple[tuple[int, int], ...] = ()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last_ask = 0
        self._restarts = 0
        self._failed_at = float("-inf")
        self._later: asyncio.Handle | None = None
        self._is_over = False

    @property
    def pid(self) -> int | None:
        """The id of the process that runs, if one does."""
        return None if self._child is None else self._child.pid

    def start(self, text: str) -> None:
        """Start the process and hand it `text`, a piece in each turn of the loop; returns at once."""
        self._loop = asyncio.get_running_loop()
        if len(text) > MOST_BYTES:
            self._is_over = True
            self._later = self._loop.call_soon(self._on_failed, _TOO_LARGE)
            return
        self._begin(text)

    def edit(self, first_row: int, old_last_row: int, text: str) -> None:
        """Tell that the rows `first_row` to `old_last_row` became `text`, which has no last break."""
        self._edits += 1
        if self._child is None:
            return  # the restart asks for the text
        self._pending.append((first_row, old_last_row, text))
        self._pending_size += len(text)
        self._flush_soon()

    def look_at(self, *stretches: tuple[int, int]) -> None:
        """Want the colours of these rows, first and last of each stretch, now and after every edit.

        What matters most comes first: at 500 rows, and at 12,000 runs, there is no more.
        """
        if self._looked_at != stretches:
            self._looked_at = stretches[:MOST_STRETCHES]
            if self._child is not None:
                self._flush_soon()

    async def enclosing(self, start: Place, end: Place) -> tuple[Place, Place] | None:
        """Return the smallest node larger than the range; None at the root, or when it can't be told.

        Raises:
            StaleAnswer: the text changed again and again.
        """
        return place_pair(await self._ask("enclosing", [*start, *end]))

    async def fold_at(self, row: int) -> tuple[int, int] | None:
        """Return first and last row of the innermost foldable node that begins on `row`, else of that around.

        They are at least two. None when there is none, or it can't be told.

        Raises:
            StaleAnswer: the text changed again and again.
        """
        value = await self._ask("fold_at", [row])
        return (value[0], value[1]) if is_rows(value) else None

    async def folds(self) -> list[tuple[int, int]]:
        """Return first and last row of what folds, in order, at most 10,000; none when it can't be told.

        Raises:
            StaleAnswer: the text changed again and again.
        """
        value = await self._ask("folds", [])
        if not isinstance(value, list) or not all(is_rows(rows) for rows in value):
            return []
        return [(first, last) for first, last in value]

    async def symbols(self) -> list[Symbol]:
        """Return what has a name, in order, at most 5,000; none when it can't be told.

        Raises:
            StaleAnswer: the text changed again and again.
        """
        return checked_symbols(await self._ask("symbols", []))

    def close(self) -> None:
        """End the process; nothing is called any more."""
        self._is_over = True
        self._end_child()
        if self._later is not None:
            self._later.cancel()

    def _begin(self, text: str) -> None:
        self._pending, self._pending_size = [], 0
        try:
            self._child = Child(self._command, on_message=self._heard, on_end=self._ended)
        except (OSError, RuntimeError):  # no descriptor, or no thread, is to be had
            self._later = self._loop.call_soon(self._failed_once)
            return
        self._child.send(_text_frames(self._edits, text))
        self._send_looked_at(self._child)

    def _flush_soon(self) -> None:
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flushing = False
        if self._child is None:
            return
        pending, self._pending = self._pending, []
        if self._pending_size + self._child.waiting_size > _MOST_PENDING:
            self._child.drop_unsent()
            self._child.send(_text_frames(self._edits, self._text()))
        elif pending:
            self._child.send(_edit_frames(pending), self._pending_size)
        self._pending_size = 0
        self._send_looked_at(self._child)

    def _send_looked_at(self, child: Child) -> None:
        rows = [row for stretch in self._looked_at for row in stretch]
        child.send(iter([frame(["look", rows])]))

    async def _ask(self, what: str, arguments: list[int]) -> Any:
        """Return the answer for the text as it is now; None when there is none in time, or no process.

        Raises:
            StaleAnswer: the text changed before each of three answers.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_S):
                for _ in range(_MOST_ASKS):
                    edits = self._edits
                    value = await self._answer(what, arguments)
                    if value is None and self._child is None:
                        return None
                    if self._edits == edits:
                        return value
                raise StaleAnswer
        return None

    async def _answer(self, what: str, arguments: list[int]) -> Any:
        """Return what the process answers; None when there is no process, or it ends."""
        if self._child is None:
            return None
        self._flush()
        self._last_ask += 1
        number = self._last_ask
        answer = self._waiting[number] = self._loop.create_future()
        self._child.send(iter([frame(["ask", number, what, arguments])]))
        try:
            return await answer
        finally:
            self._waiting.pop(number, None)

    def _heard(self, message: Any) -> None:
        """Take what the worker says. It parses hostile text: nothing of it is believed unseen."""
        match message:
            case ["colours", version, list(flat)] if is_count(version):
                stretches = checked_stretches(flat)
                if stretches is None or not self._shown <= version <= self._edits:
                    self._failed_once()
                else:
                    self._shown = version
                    self._on_colours(Colours(version, stretches))
            case ["answer", int(number), value]:
                answer = self._waiting.get(number)
                if answer is not None and not answer.done():
                    answer.set_result(value)
            case ["failed", str(reason)]:
                self._give_up(_sentence(reason))
            case _:
                self._failed_once()

    def _ended(self) -> None:
        if self._is_over:
            return
        self._failed_once()

    def _failed_once(self) -> None:
        """Start again, with the text as it is then, unless that was tried often enough."""
        self._end_child()
        now = self._loop.time()
        self._restarts = 1 if now - self._failed_at > _FORGIVEN_S else self._restarts + 1
        self._failed_at = now
        if self._restarts > _MOST_RESTARTS:
            known = by_id.get(self._language)
            self._give_up(f"The parser for {known.title if known else 'this language'} failed three times.")
            return
        self._later = self._loop.call_later(_RESTART_S * self._restarts, self._start_again)

    def _start_again(self) -> None:
        text = self._text()
        if len(text) > MOST_BYTES:
            self._give_up(_TOO_LARGE)
        else:
            self._begin(text)

    def _give_up(self, reason: str) -> None:
        self.close()
        self._on_failed(reason)

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(None)


def _text_frames(version: int, text: str) -> Iterator[bytes]:
    yield frame(["text", version])
    for at in range(0, len(text), _PIECE):
        yield frame(["piece", text[at : at + _PIECE].encode(errors="replace")])
    yield frame(["whole"])


def _edit_frames(edits: list[tuple[int, int, str]]) -> Iterator[bytes]:
    for first_row, old_last_row, text in edits:
        yield frame(["edit", first_row, old_last_row, text.encode(errors="replace")])


def _sentence(reason: str) -> str:
    """Return what the worker gave as a reason if it is one of those it may give."""
    return _TOO_LARGE if reason == "the text is too large to colour" else "The parser can't colour this text."
