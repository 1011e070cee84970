"""How long an event loop is kept from its turn while a text on it is parsed elsewhere and typed into.

There are no screens: a buffer with the text, what follows its edits, and a ticker on the same loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from benchmarks.processes import waited_s
from collab_client.buffer import Buffer, Change
from collab_client.lines import Position
from collab_protocol.text import Replica
from collab_syntax.languages import by_id
from collab_syntax.parser_process import ParserProcess
from collab_tui.syntax import Syntax

_TICK_S: Final = 0.001
_KEY_GAP_S: Final = 0.008
_QUIET_S: Final = 0.25
_PARSED_S: Final = 20.0
_WITHOUT_S: Final = 1.0
"""How long the loop without a parser is watched where the others wait for one."""

_SEEN_ROWS: Final = 40
_LETTERS: Final = "abcdefghijklmnopqrst = "


class Follows(StrEnum):
    """What follows the edits."""

    NOTHING = "no parser"
    PARSER = "ParserProcess"
    SYNTAX = "Syntax, as in the app"


class Phase(StrEnum):
    """What is going on meanwhile."""

    PARSING = "parsing"
    TYPING = "typing"
    BOTH = "typing while parsing"


@dataclass
class Gaps:
    """The times between the ticks of one phase, in order."""

    wall_s: list[float] = field(default_factory=list)
    own_s: list[float] = field(default_factory=list)
    """What the loop's thread computed in them: the rest it waited for something."""
    kept_s: list[float] = field(default_factory=list)
    """How long it was ready in them and had no processor: the machine's noise."""
    parsed_s: float = float("nan")
    """From the start until the first colours."""

    @property
    def unkept_s(self) -> list[float]:
        """The times as they would be on a machine that has nothing else to do."""
        return [wall_s - kept_s for wall_s, kept_s in zip(self.wall_s, self.kept_s, strict=True)]


class _Ticker:
    """Ticks each millisecond in a `with`."""

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps

    def __enter__(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __exit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        wall_s, own_s, kept_s = _now()
        while True:
            await asyncio.sleep(_TICK_S)
            now_s, now_own_s, now_kept_s = _now()
            self._gaps.wall_s.append(now_s - wall_s)
            self._gaps.own_s.append(now_own_s - own_s)
            self._gaps.kept_s.append(now_kept_s - kept_s)
            wall_s, own_s, kept_s = now_s, now_own_s, now_kept_s


class _Desk:
    """A buffer, the caret in its middle, and what follows it."""

    def __init__(self, text: str, follows: Follows) -> None:
        replica, source = Replica(1, has_undo=True), Replica(2)
        source.edit(0, 0, text)
        replica.apply(source.update_since())
        source.close()
        self.buffer = Buffer(replica)
        row = self.buffer.lines.row_count // 2
        self.buffer.move_to(Position(row, len(self.buffer.lines.line(row))))
        self.buffer.newline()
        self.coloured = asyncio.Event()
        self.pids: list[int] = []
        self._rows = range(row, row + _SEEN_ROWS)
        self._begin, self._close = self._following(follows, text)

    def begin(self) -> None:
        """Have the text parsed from now on."""
        self._begin()

    async def parsed(self) -> None:
        """Wait for the first colours. Raises: TimeoutError."""
        async with asyncio.timeout(_PARSED_S):
            await self.coloured.wait()

    async def type(self, keys: int) -> None:
        """Type that many letters into lines of 60."""
        for at in range(keys):
            if at % 60 == 59:
                self.buffer.newline()
            else:
                self.buffer.type_text(_LETTERS[at % len(_LETTERS)])
            await asyncio.sleep(_KEY_GAP_S)

    async def close(self) -> None:
        """End the parser, and wait until it is gone."""
        pid = self._close()
        self.buffer.close()
        with contextlib.suppress(ProcessLookupError):
            while pid is not None:
                os.kill(pid, 0)
                await asyncio.sleep(0.01)

    def _following(self, follows: Follows, text: str) -> tuple[Callable[[], None], Callable[[], int | None]]:
        """Return what begins it, and what ends it and returns the parser's pid."""
        lines = self.buffer.lines
        if follows is Follows.NOTHING:
            asyncio.get_running_loop().call_later(_WITHOUT_S, self.coloured.set)
            return lambda: None, lambda: None
        if follows is Follows.SYNTAX:
            syntax = Syntax(lines, on_colours=self.coloured.set, on_failed=_failed)
            syntax.look_at(self._rows)
            self.buffer.on_change = syntax.text_changed

            def close_syntax() -> int | None:
                pid = syntax.parser.pid if syntax.parser else None
                syntax.close()
                return pid

            return lambda: syntax.speak(by_id["python"]), close_syntax
        parser = ParserProcess(
            "python", text=lines.text, on_colours=lambda _: self.coloured.set(), on_failed=_failed
        )
        text = lines.text()
        first, behind = self._rows.start, self._rows.stop
        parser.look_at((first - _SEEN_ROWS, behind - 1 + _SEEN_ROWS))

        def changed(change: Change) -> None:
            rows = range(change.first_row, change.new_last_row + 1)
            parser.edit(change.first_row, change.old_last_row, "\n".join(map(lines.line, rows)))

        self.buffer.on_change = changed

        def close() -> int | None:
            pid = parser.pid
            parser.close()
            return pid

        return lambda: parser.start(text), close


def stalls(text: str, follows: Follows, keys: int) -> dict[Phase, Gaps]:
    """Return the gaps of each phase, with `keys` keys in those that have some."""
    return asyncio.run(_phases(text, follows, keys))


async def _phases(text: str, follows: Follows, keys: int) -> dict[Phase, Gaps]:
    found = {phase: Gaps() for phase in Phase}
    for is_typed in (False, True):
        gc.collect()
        gc.freeze()  # as the editor does before it opens a room
        desk = _Desk(text, follows)
        gaps = found[Phase.BOTH if is_typed else Phase.PARSING]
        began_at = time.perf_counter()
        with _Ticker(gaps):
            await asyncio.sleep(_TICK_S)
            desk.begin()
            if is_typed:
                await desk.type(keys)
            await desk.parsed()
            gaps.parsed_s = time.perf_counter() - began_at
            await asyncio.sleep(_QUIET_S)
        if not is_typed:
            with _Ticker(found[Phase.TYPING]):
                await desk.type(keys)
                await asyncio.sleep(_QUIET_S)
        await desk.close()
    return found


def _failed(reason: str) -> None:
    raise AssertionError(reason)


def _now() -> tuple[float, float, float]:
    return time.perf_counter(), time.thread_time(), waited_s(os.getpid())
