"""The parser's process from its parent's side: colours, answers, and every way in which it may go wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collab_syntax.kinds import Kind
from collab_syntax.parser_process import COMMAND, Colours, ParserProcess, StaleAnswer
from tests.unit.collab_syntax.samples import SAMPLES, colours

BAD = str(Path(__file__).parent / "bad_worker.py")


class Desk:
    """A text that is edited, its parser, and what came of it."""

    def __init__(self, language: str, text: str, how: str = "") -> None:
        self.lines = text.split("\n")
        self.seen: list[Colours] = []
        self.reasons: list[str] = []
        self.changed = asyncio.Event()
        self.parser = ParserProcess(
            language,
            text=lambda: "\n".join(self.lines),
            on_colours=self._coloured,
            on_failed=self._failed,
            command=(sys.executable, "-P", BAD, how) if how else COMMAND,
        )

    def _coloured(self, colours: Colours) -> None:
        self.seen.append(colours)
        self.changed.set()

    def _failed(self, reason: str) -> None:
        self.reasons.append(reason)
        self.changed.set()

    def start(self) -> None:
        self.parser.look_at((0, 499))
        self.parser.start("\n".join(self.lines))

    def edit(self, first: int, last: int, text: str) -> None:
        self.lines[first : last + 1] = text.split("\n")
        self.parser.edit(first, last, text)

    async def until(self, *, version: int | None = None, failed: bool = False) -> None:
        async with asyncio.timeout(20):
            while not (self.reasons if failed else self.seen and self.seen[-1].version == version):
                assert failed or not self.reasons
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def desks() -> AsyncIterator[list[Desk]]:
    opened: list[Desk] = []
    yield opened
    pids = [desk.parser.pid for desk in opened]
    for desk in opened:
        desk.parser.close()
    for pid in pids:
        if pid is not None:
            await gone(pid)


async def gone(pid: int) -> None:
    """Wait until a process is reaped."""
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists():  # no event tells; a zombie is still there
            await asyncio.sleep(0.01)


def open_desk(desks: list[Desk], language: str, text: str, how: str = "") -> Desk:
    desk = Desk(language, text, how)
    desks.append(desk)
    desk.start()
    return desk


@pytest.mark.parametrize("language", ["python", "markdown", "diff"])
async def test_colours_come_and_follow_edits(desks: list[Desk], language: str) -> None:
    text = SAMPLES[language][0]
    desk = open_desk(desks, language, text)
    await desk.until(version=0)
    assert desk.seen[-1].stretches[0][1] == colours(language, text)
    desk.edit(0, 0, "first é\nsecond")
    desk.edit(1, 2, "# joined")
    await desk.until(version=2)
    assert desk.seen[-1].stretches[0][1] == colours(language, "\n".join(desk.lines))


async def test_edits_before_the_process_runs_are_not_lost(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a = 1\nb = 2")
    for number in range(50):
        desk.edit(1, 1, f"b = '{number}'")
    await desk.until(version=50)
    assert desk.seen[-1].stretches[0][1] == colours("python", "a = 1\nb = '49'")


async def test_only_the_rows_looked_at_are_told(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "\n".join(f"x = {row}" for row in range(1_000)))
    desk.parser.look_at((600, 602))
    await desk.until(version=0)
    while desk.seen[-1].stretches[0][0] != 600:
        desk.changed.clear()
        async with asyncio.timeout(5):
            await desk.changed.wait()
    assert desk.seen[-1].stretches[0][1] == [[(2, 3, Kind.OPERATOR), (4, 7, Kind.NUMBER)]] * 3


async def test_questions_are_answered(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "class A:\n    def f(self):\n        return 1\n")
    await desk.until(version=0)
    assert await desk.parser.enclosing((2, 15), (2, 16)) == ((2, 8), (2, 16))
    assert await desk.parser.fold_at(2) == (1, 2)
    assert await desk.parser.folds() == [(0, 2), (1, 2)]
    assert [tuple(symbol) for symbol in await desk.parser.symbols()] == [
        ("A", "class", 0, 6, 0),
        ("f", "method", 1, 8, 1),
    ]


async def test_what_is_answered_about_an_older_text_is_asked_again(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a = [1,\n2]")
    await desk.until(version=0)
    question = asyncio.ensure_future(desk.parser.fold_at(0))
    await asyncio.sleep(0)
    desk.edit(0, 0, "a = 1")
    desk.edit(1, 1, "def f():\n  x = 1\n  return x")
    assert await question is None
    question = asyncio.ensure_future(desk.parser.fold_at(1))
    await asyncio.sleep(0)
    desk.edit(3, 3, "  y = 2\n  return x")
    assert await question == (1, 4)


@pytest.mark.parametrize("what", ["fold_at", "folds", "symbols", "enclosing"])
async def test_a_text_that_changes_before_every_answer_is_told_from_one_that_has_nothing(
    desks: list[Desk], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    desk = open_desk(desks, "python", "0")
    await desk.until(version=0)
    arguments = {"fold_at": [0], "enclosing": [(0, 0), (0, 1)]}.get(what, [])
    ask = getattr(desk.parser, what)
    assert not await ask(*arguments)
    asked = []
    answer = ParserProcess._answer

    async def late(parser: ParserProcess, *question: object) -> object:
        asked.append(question)
        value = await answer(parser, *question)  # type: ignore[arg-type]
        if len(asked) <= changes:
            desk.edit(0, 0, f"{len(asked)}")
        return value

    monkeypatch.setattr(ParserProcess, "_answer", late)
    changes = 2
    assert not await ask(*arguments)
    assert len(asked) == 3
    asked.clear()
    changes = 3
    with pytest.raises(StaleAnswer):
        await ask(*arguments)
    assert len(asked) == 3


async def test_a_process_that_dies_while_the_text_changes_has_no_answer(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a = [1,\n2]", "dumb")
    async with asyncio.timeout(10):
        while desk.parser.pid is None:
            await asyncio.sleep(0.01)
    question = asyncio.ensure_future(desk.parser.fold_at(0))
    await asyncio.sleep(0)
    desk.edit(0, 0, "b = [1,")
    os.kill(desk.parser.pid, signal.SIGKILL)
    async with asyncio.timeout(3):
        assert await question is None


async def test_a_killed_process_is_started_again_with_the_text_of_then(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a = 1")
    await desk.until(version=0)
    pid = desk.parser.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await gone(pid)
    desk.edit(0, 0, "a = '2'")
    await desk.until(version=1)
    assert desk.seen[-1].stretches[0][1] == colours("python", "a = '2'")
    desk.edit(0, 0, "a = 3")
    await desk.until(version=2)


async def test_a_process_that_dies_of_an_edit_gets_the_text_instead(
    desks: list[Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLLAB_TEST_ONCE", str(tmp_path / "once"))
    desk = open_desk(desks, "python", "a = 1", "once")
    await desk.until(version=0)
    desk.edit(0, 0, "b = ''")
    await desk.until(version=1)
    assert desk.seen[-1].stretches[0][1] == colours("python", "b = ''")


@pytest.mark.parametrize(
    "how",
    [
        "hang",
        "dead",
        "garbage",
        "kinds",
        "order",
        "floats",
        "version",
        "row",
        "shape",
        "map",
        "rows",
        "column",
    ],
)
async def test_a_process_that_fails_thrice_leaves_plain_text(desks: list[Desk], how: str) -> None:
    desk = open_desk(desks, "python", "a = 1", how)
    await desk.until(failed=True)
    assert desk.reasons == ["The parser for Python failed three times."]
    assert desk.seen == []
    assert desk.parser.pid is None
    desk.edit(0, 0, "still typing")
    assert await desk.parser.folds() == []


async def test_a_program_that_is_not_there_is_a_failure_too(desks: list[Desk]) -> None:
    desk = Desk("python", "a")
    desks.append(desk)
    desk.parser._command = ("/nonexistent/python", "python")
    desk.start()
    await desk.until(failed=True)
    assert "failed three times" in desk.reasons[0]


async def test_a_text_too_large_is_refused_in_one_sentence(desks: list[Desk]) -> None:
    for text in ("x" * 8_000_001, "é" * 4_000_001):
        desk = open_desk(desks, "python", text)
        await desk.until(failed=True)
        assert desk.reasons == ["The text is too large to colour."]


async def test_a_process_that_does_not_end_is_killed_and_reaped(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a", "dumb")
    async with asyncio.timeout(10):
        while desk.parser.pid is None:
            await asyncio.sleep(0.01)
    pid = desk.parser.pid
    desk.parser.close()
    await gone(pid)


async def test_nothing_is_told_after_closing(desks: list[Desk]) -> None:
    desk = open_desk(desks, "python", "a = 1")
    await desk.until(version=0)
    pid = desk.parser.pid
    assert pid is not None
    desk.edit(0, 0, "b")
    desk.parser.close()
    await gone(pid)
    assert len(desk.seen) == 1
    assert desk.reasons == []
    desk.edit(0, 0, "c")
    desk.parser.look_at((0, 1))
    assert await desk.parser.symbols() == []


async def test_many_edits_at_once_become_one_text(desks: list[Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collab_syntax.parser_process._MOST_PENDING", 1_000)
    desk = open_desk(desks, "python", "a = 1")
    for number in range(100):
        desk.edit(0, 0, f"a = {number}  # " + "x" * 200)
    await desk.until(version=100)
    assert desk.seen[-1].stretches[0][1] == colours("python", desk.lines[0])


def test_no_orphan_outlives_a_killed_parent() -> None:
    code = """
        import asyncio, sys
        from collab_syntax.parser_process import ParserProcess
        async def main():
            def told(_):
                print(parser.pid, flush=True)
            parser = ParserProcess("python", text=str, on_colours=told, on_failed=print)
            parser.look_at((0, 9))
            parser.start("a = 1")
            await asyncio.sleep(60)
        asyncio.run(main())
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_editors_side_does_not_load_the_parser() -> None:
    code = """
        import sys
        from collab_syntax import detecting, kinds, languages, parser_process
        print(sorted(sys.modules))
    """
    loaded = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    ).stdout
    assert "tree_sitter" not in loaded
    assert not any(name in loaded for name in ("textual", "rich", "collab_client"))
