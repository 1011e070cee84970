"""Who wrote what, on the screen: asked for, learned, painted, kept right, and forgotten."""

from __future__ import annotations

from collab_client import status as say
from collab_protocol.messages import Authors, pack_ids
from collab_protocol.presence import Author, Person, Role
from collab_tui.palette import Theme, palette_of
from tests.unit.collab_tui.stage import OTHER_SESSION, Clock, Stage, until

OWN = Person(1, "account:me", "Me", Role.WRITE, 0)
ME = Author("account:me", "Me", 0)
ANA = Author("account:ana", "ana", 3)

OTHER_CLIENT = 2
"""The one under which `World.other` writes."""


async def shown(
    stage: Stage, *ids: tuple[int, int], people: tuple[Author, ...] = (ANA, ME), own: Person | None = OWN
) -> None:
    """Have it shown who wrote what, the server saying `ids`; by default that all was there is ana's."""
    await until(lambda: stage.app._room_life is not None)
    stage.session.people.own = own
    stage.app._act("toggle_authorship")
    stage.session.on_authors(Authors(None, people, pack_ids(ids or ((OTHER_CLIENT, 0),))))


def columns(stage: Stage) -> list[str]:
    """Return the signs of who wrote each row in view."""
    return [row[0] for row in stage.rows()[:-1] if row[:6].strip()]


def tinted(stage: Stage, row: int, colour: int) -> str:
    """Return what of a row lies on somebody's colour."""
    tint = palette_of(stage.app._theme).author(colour).bg
    return "".join(character for character, ground in stage.styles(row) if ground == tint)


async def test_signs_colours_and_a_legend() -> None:
    stage = Stage("one\n\ntwo")
    async with stage.app.run_test(size=(80, 8)) as pilot:
        await shown(stage)
        await until(lambda: columns(stage) == ["A", " ", "A"])
        assert stage.rows()[0].startswith("A   1  one")
        assert tinted(stage, 0, 3) == "ne", "the caret covers the first"
        assert tinted(stage, 2, 3) == "two"
        assert "A ana · M Me" in stage.rows()[-1]
        assert "unknown" not in stage.rows()[-1]
        await pilot.press("X")
        await until(lambda: tinted(stage, 0, 0) == "X")
        await pilot.press("Y", "Z", "W")
        await until(lambda: columns(stage)[0] == "M"), "most of the row"
        assert tinted(stage, 0, 0) == "XYZW"


async def test_what_others_write_meanwhile_is_theirs() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await shown(stage)
        await until(lambda: columns(stage) == ["A"])
        stage.world.place("bo", (0, 0), session=OTHER_SESSION, colour=5)
        stage.world.edit_elsewhere(3, 0, "\nbo was here")
        await until(lambda: columns(stage) == ["A", "B"])
        assert tinted(stage, 1, 5) == "bo was here"
        stage.world.edit_elsewhere(0, 0, "\n")
        await until(lambda: columns(stage) == [" ", "A", "B"])


async def test_off_again_nothing_is_left() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await shown(stage)
        await until(lambda: columns(stage) == ["A"])
        stage.app._act("toggle_authorship")
        await until(lambda: stage.rows()[0].startswith("  1  one"))
        assert tinted(stage, 0, 3) == ""
        assert stage.world.buffer.splice_listeners == []
        assert len(stage.app._editor.overlays) == 1, "changes, which are always looked at"
        stage.session.on_authors(Authors(None, (ANA,), b""))  # an answer that comes too late
        assert "not shown any more" in stage.rows()[-1]


async def test_nobody_knows_everything() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await shown(stage, (99, 0))
        await until(lambda: columns(stage) == ["?"])
        assert "? unknown" in stage.rows()[-1]
        assert tinted(stage, 0, 3) == ""


async def test_it_needs_a_link_and_says_why_it_cannot_be() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await until(lambda: stage.app._room_life is not None)
        stage.app._act("toggle_authorship")
        assert "not connected" in stage.rows()[-1]
        stage.session.people.own = OWN
        stage.session.refusal = "the server is older and cannot tell"
        stage.app._act("toggle_authorship")
        assert "the server is older" in stage.rows()[-1]
        assert stage.rows()[0].startswith("  1  one")
        stage.session.refusal = ""
        await shown(stage)
        await until(lambda: columns(stage) == ["A"])


async def test_what_a_link_did_not_answer_the_next_one_is_asked() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await until(lambda: stage.app._room_life is not None)
        stage.session.people.own = OWN
        stage.app._act("toggle_authorship")
        stage.session.say(say.offline(0, 3))
        stage.app._room_life._authors._asked_at = float("-inf")  # type: ignore[union-attr]  # it is there
        assert stage.session.asks == 1
        stage.session.say(say.saved(is_durable=True))
        assert stage.session.asks == 2


async def test_what_nobody_here_knows_is_asked_for_and_not_too_often() -> None:
    clock = Clock()
    stage = Stage("one", clock=clock)
    async with stage.app.run_test(size=(80, 8)):
        await shown(stage)
        await until(lambda: columns(stage) == ["A"])
        clock.now += 60
        world = stage.world
        world.other.edit(0, 0, "from a Sync ")
        world.buffer.apply_sync(world.other.update_since(), 9)
        await until(lambda: columns(stage) == ["?"])
        assert stage.session.asks == 2
        stage.session.on_authors(Authors(None, (ANA,), pack_ids(((OTHER_CLIENT, 0),))))
        await until(lambda: columns(stage) == ["A"])
        assert stage.session.asks == 2


async def test_a_wrapped_line_has_one_sign() -> None:
    stage = Stage("word " * 30)
    async with stage.app.run_test(size=(60, 8)):
        await shown(stage)
        await until(lambda: columns(stage) == ["A", " ", " "])
        assert tinted(stage, 1, 3).startswith("word word")


async def test_learning_that_takes_long_is_told() -> None:
    stage = Stage("one")
    async with stage.app.run_test(size=(80, 8)):
        await until(lambda: stage.app._room_life is not None)
        stage.session.people.own = OWN
        stage.app._act("toggle_authorship")
        await until(lambda: "learning who wrote what" in stage.rows()[-1])


async def test_without_colours_there_are_signs_alone() -> None:
    stage = Stage("one", theme=Theme.MONO)
    async with stage.app.run_test(size=(80, 8)):
        await shown(stage)
        await until(lambda: columns(stage) == ["A"])
        assert {ground for _, ground in stage.styles(0)} == {None}


async def test_more_people_than_fit_are_counted() -> None:
    people = tuple(Author(f"account:{n}", f"person {n}", n) for n in range(20))
    stage = Stage("one")
    async with stage.app.run_test(size=(140, 8)):
        await shown(stage, (OTHER_CLIENT, 17), people=people)
        await until(lambda: columns(stage) == ["P"])
        assert "P person 17 · M Me · " in stage.rows()[-1]
        assert "15 more" in stage.rows()[-1]
