"""Changes of when the person was away: their marks, when those go, and going to them."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from collab_client.away import Digest
from collab_protocol.presence import Author
from collab_tui.app_config import Outcome
from collab_tui.reviewing import digest_text
from tests.unit.collab_tui.stage import Clock, Stage, until

TEXT = "\n".join(f"line {n}" for n in range(1, 101))
ANA, BO = Author("account:ana", "ana", 1), Author("account:bo", "bo", 2)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def came_back(stage: Stage, *edits: tuple[int, int, str]) -> Digest:
    """Have somebody else edit while the person here is away; rows, how many of them go, what comes."""
    away, world = stage.session.away, stage.world
    away.left(0.0, 1)
    for row, count, text in edits:
        start = offset(stage, row)
        world.edit_elsewhere(start, offset(stage, row + count) - start, text)
    assert away.back(100.0, 1 + len(edits)) is not None
    digest = away.authors((ANA,))
    assert digest is not None
    stage.session.on_away(digest)
    return digest


def offset(stage: Stage, row: int) -> int:
    return len("".join(f"{line}\n" for line in stage.world.text.split("\n")[:row]).encode())


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._session is not None)
    await until(lambda: "line 1" in stage.rows()[0])


def signs(stage: Stage) -> dict[int, str]:
    """Return the sign before the text by line number, for those in view that have one."""
    found = {}
    for row in stage.rows()[:-1]:
        if row[4:5].strip():
            found[int(row[:3])] = row[4]
    return found


async def look(pilot: Pilot[Outcome], stage: Stage, clock: Clock, seconds: float) -> None:
    """Let time pass for the marks."""
    clock.now += seconds
    stage.app._room_life._reviewing._look_again()  # type: ignore[union-attr]  # it is there by now
    await pilot.pause()


async def test_changes_are_marked_and_told(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        came_back(stage, (1, 1, "other\n"), (4, 1, ""))
        await pilot.pause()
        assert signs(stage) == {2: "▎", 5: "▔"}
        assert "while you were away: +1 −2 by ana · F4 next" in stage.rows()[-1]


async def test_without_unicode_there_are_other_signs(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock, is_ascii=True)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        came_back(stage, (1, 1, "other\n"), (4, 1, ""))
        await pilot.pause()
        assert signs(stage) == {2: "|", 5: "^"}
        assert all(row.isascii() for row in stage.rows())


async def test_a_mark_goes_when_its_row_has_been_seen(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        came_back(stage, (1, 1, "other\n"), (50, 1, "far\n"))
        await pilot.pause()
        await look(pilot, stage, clock, 2.9)
        assert signs(stage) == {2: "▎"}
        await look(pilot, stage, clock, 0.2)
        assert signs(stage) == {}
        assert [region.first_row for region in stage.session.away.changes.regions] == [50]


async def test_rows_are_seen_wherever_others_move_them(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        came_back(stage, (3, 1, "other\n"))
        await pilot.pause()
        clock.now += 2
        stage.world.edit_elsewhere(0, 0, "new\n")
        await pilot.pause()
        assert signs(stage) == {5: "▎"}
        await look(pilot, stage, clock, 1.1)
        assert signs(stage) == {}


async def test_nothing_is_seen_while_nobody_is_at_it(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        clock.now += 70
        came_back(stage, (1, 1, "other\n"))
        await pilot.pause()
        await look(pilot, stage, clock, 30)
        assert signs(stage) == {2: "▎"}
        await pilot.press("down")
        await look(pilot, stage, clock, 2.9)
        assert signs(stage) == {2: "▎"}, "it counts from when they are back"
        await look(pilot, stage, clock, 0.2)
        assert signs(stage) == {}


async def test_keys_go_from_change_to_change(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        came_back(stage, (20, 1, "b\nc\n"), (60, 1, "other\n"))
        await pilot.press("right", "f4")
        assert stage.world.head == (20, 0)
        assert "change 1 of 2 · +2 −1" in stage.rows()[-1]
        assert stage.rows()[5].startswith(" 21 "), "in the middle"
        await pilot.press("f4")
        assert stage.world.head == (60, 0) or stage.world.head == (61, 0)
        await pilot.press("f4")
        assert stage.world.head == (20, 0), "around the end"
        await pilot.press("shift+f4", "shift+f4")
        assert stage.world.head == (20, 0)
        await look(pilot, stage, clock, 1.1)
        assert signs(stage) == {}
        await pilot.press("f4", "f4")
        await look(pilot, stage, clock, 1.1)
        await pilot.press("f4")
        assert "no changes to see" in stage.rows()[-1]


async def test_the_list_has_all_changes(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 24)) as pilot:
        await begun(stage)
        stage.app._act("list_changes")
        assert "no changes to see" in stage.rows()[-1]
        came_back(stage, (20, 1, "b\nc\n"), (60, 3, ""))
        stage.app._act("list_changes")
        await pilot.pause()
        screen = "\n".join(stage.rows())
        assert "Changes while you were away" in screen
        assert "+2 −1  21" in screen
        assert "(3 lines removed)" in screen
        stage.world.edit_elsewhere(0, 0, "new\n")
        await pilot.press("enter")
        assert stage.world.head == (21, 0)


async def test_the_scrollbar_has_them(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 11)):
        await begun(stage)
        came_back(stage, (50, 1, "other\n"), (95, 1, "last\n"))
        await until(lambda: [row[-1] for row in stage.rows()[:-1]].count("▎") == 2)
        assert stage.rows()[5][-1] == "▎"
        assert stage.rows()[9][-1] == "▎"


async def test_lines_that_went_at_the_end_are_a_change_like_others(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(100, 12)) as pilot:
        await begun(stage)
        away, world = stage.session.away, stage.world
        away.left(0.0, 1)
        start = offset(stage, 90) - 1
        world.edit_elsewhere(start, len(TEXT) - start, "")
        away.back(100.0, 2)
        stage.session.on_away(away.authors(()))
        await pilot.press("f4")
        assert stage.world.head == (89, 0)
        assert "change 1 of 1 · +0 −10" in stage.rows()[-1]
        assert signs(stage) == {90: "▔"}
        await look(pilot, stage, clock, 1.1)
        assert signs(stage) == {}


@pytest.mark.parametrize(
    ("digest", "told"),
    [
        (Digest(42, 7, (ANA, BO), 0, 60.0), "while you were away: +42 −7 by ana, bo · F4 next"),
        (Digest(1, 0, (), 1, 60.0), "while you were away: +1 −0 · 1 by both · F4 next"),
        (
            Digest(1234, 0, (ANA, BO, ANA, BO, BO), 0, 60.0),
            "while you were away: +1,234 −0 by ana, bo, ana and 2 more · F4 next",
        ),
    ],
)
def test_the_digest_in_words(digest: Digest, told: str) -> None:
    assert digest_text(digest, "F4") == told
    assert "next change" not in digest_text(digest, "")


async def test_what_both_sides_changed_stands_out(clock: Clock) -> None:
    stage = Stage(TEXT, clock=clock)
    async with stage.app.run_test(size=(120, 24)) as pilot:
        await begun(stage)
        away, world = stage.session.away, stage.world
        away.left(0.0, 1)
        await pilot.press(*["down"] * 4, "x")
        world.edit_elsewhere(offset(stage, 1), 0, "a")
        world.edit_elsewhere(offset(stage, 4), 0, "b")
        away.back(100.0, 3)
        stage.session.on_away(away.authors((ANA,)))
        await pilot.pause()
        assert signs(stage) == {2: "▎", 5: "!"}
        assert "+2 −2 by ana · 1 by both · F4 next" in stage.rows()[-1]
        stage.app._act("list_changes")
        await pilot.press("enter")
        assert stage.world.head == (4, 0), "it comes first in the list"
        await pilot.press("f4", "f4")
        assert "change 2 of 2 · +1 −1 · by both" in stage.rows()[-1]
