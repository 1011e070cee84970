"""The screens look as they are kept; and what keeps them tells what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.segment import ControlType, Segment
from rich.style import Style
from textual.strip import Strip

from tests.unit.collab_tui.snapshots import REWRITE, SCENES, Scene, difference, drawing, leftovers


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_the_screen_is_as_it_was(scene: Scene) -> None:
    told = difference(scene.name, await scene.draw())
    if told:
        pytest.fail(told, pytrace=False)


def test_every_file_belongs_to_a_scene_of_its_own() -> None:
    assert leftovers(SCENES) == []
    assert len({scene.name for scene in SCENES}) == len(SCENES)


def test_a_drawing_has_a_letter_for_each_cell() -> None:
    plain, bold = Style(color="#ffffff", bgcolor="#000000"), Style(color="red", bold=True, reverse=True)
    odd = Segment("\x1b[5G", Style(), [(ControlType.CURSOR_MOVE_TO_COLUMN, 4)])
    strips = [Strip([Segment("漢a", bold), odd, Segment("text", plain)]), Strip([Segment("more", plain)])]
    assert drawing(strips).splitlines() == [
        "|漢atext|",
        "|aaa....|",
        "|more|",
        "|....|",
        ". = #ffffff on #000000",
        "a = bold reverse red",
    ]


def test_a_drawing_does_not_run_out_of_letters_unseen() -> None:
    with pytest.raises(ValueError, match="69 styles"):
        drawing([Strip([Segment(" ", Style(color=f"color({n})")) for n in range(70)])])


def test_a_difference_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("|a|\n|.|\n", encoding="utf-8")
    assert difference("one", "|a|\n|.|\n", tmp_path) == ""
    told = difference("one", "|b|\n|.|\n", tmp_path)
    assert "-|a|\n+|b|\n" in told
    assert REWRITE in told
    assert "+|a|" in difference("not kept yet", "|a|\n", tmp_path)


def test_files_without_a_scene_are_found(tmp_path: Path) -> None:
    (tmp_path / "gone.txt").touch()
    (tmp_path / f"{SCENES[0].name}.txt").touch()
    assert leftovers(SCENES, tmp_path) == [tmp_path / "gone.txt"]
