"""What stands around the text: the position and what is before it, and the marks on the scrollbar."""

from __future__ import annotations

from collab_tui.options import Options
from tests.unit.collab_tui.stage import Stage, until


def bar(stage: Stage) -> str:
    return stage.rows()[-1]


def marks(stage: Stage) -> dict[int, str]:
    """Return the signs on the scrollbar, by row."""
    stage.show_surroundings()
    return {y: row[-1] for y, row in enumerate(stage.rows()[:-1]) if row[-1] in "▬▎◆"}


async def begun(stage: Stage) -> None:
    await until(lambda: stage.app._surroundings is not None and "1:1" in bar(stage))


async def test_what_a_text_is_written_in_stands_there_where_there_is_room() -> None:
    for columns, is_said in ((90, True), (89, False)):
        stage = Stage("import this\n", room="notes.py", options=Options(hints=False, indent="4"))
        async with stage.app.run_test(size=(columns, 10)):
            await begun(stage)
            assert ("Python" in bar(stage)) is is_said


async def test_how_many_carets_there_are_stands_there_whatever_the_room() -> None:
    stage = Stage("one\ntwo\nthree", room="notes.py")
    async with stage.app.run_test(size=(60, 10)) as pilot:
        await begun(stage)
        await pilot.press("ctrl+alt+down", "ctrl+alt+down")
        await until(lambda: "3 carets" in bar(stage))


async def test_what_is_found_and_who_is_here_is_marked_where_it_is() -> None:
    stage = Stage("\n".join("needle" if row in (0, 50) else "hay" for row in range(100)))
    async with stage.app.run_test(size=(80, 12)) as pilot:
        await begun(stage)
        assert marks(stage) == {}
        stage.world.place("ana", (90, 0), session=7)
        assert list(marks(stage).values()) == ["◆"]
        (at_ana,) = marks(stage)
        await pilot.press("ctrl+f", *"needle")
        await until(lambda: "▬" in marks(stage).values())
        found = marks(stage)
        assert [sign for _, sign in sorted(found.items())] == ["▬", "▬", "◆"]
        assert at_ana > 8 * max(found) // 10


async def test_what_changes_in_a_burst_is_shown_once() -> None:
    stage = Stage("text")
    async with stage.app.run_test(size=(80, 12)):
        await begun(stage)
        surroundings = stage.app._surroundings
        assert surroundings is not None
        later: list[float] = []
        surroundings._timer = None
        surroundings._later = lambda wait_s, call: later.append(wait_s) or stage.app.set_timer(9, call)  # type: ignore[func-returns-value]
        for _ in range(5):
            surroundings.show_soon()
        assert len(later) == 1
        surroundings.show()
        surroundings.show_soon()
        assert len(later) == 2
