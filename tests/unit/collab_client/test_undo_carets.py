from __future__ import annotations

from collab_client.undo_carets import Placed, UndoCarets
from collab_protocol.presence import Caret
from collab_protocol.text import Splice


def placed(*carets: Caret) -> Placed:
    return Placed(carets, 0)


def test_undo_carets_count_from_the_lowest_place_of_their_step() -> None:
    carets = UndoCarets()
    carets.edited(10, placed(Caret(12, 12)), placed(Caret(10, 10)), begins=True, extent=99, grew=1)
    carets.shift([Splice(0, 0, "xxx")])
    carets.edited(11, placed(Caret(13, 13)), placed(Caret(11, 11)), begins=False, extent=99, grew=1)
    assert carets.undone((1, 0), (0, 1)) == placed(Caret(4, 4))
    assert carets.redone((0, 1), (1, 0)) == placed(Caret(0, 0))


def test_undo_carets_that_do_not_fit_the_stacks_are_not_used() -> None:
    carets = UndoCarets()
    carets.edited(0, placed(Caret(0, 0)), placed(Caret(1, 1)), begins=True, extent=99, grew=1)
    carets.edited(5, placed(Caret(5, 5)), placed(Caret(6, 6)), begins=True, extent=99, grew=1)
    assert carets.undone((1, 0), (0, 1)) is None
    assert carets.redone((0, 1), (1, 0)) is None
    carets.edited(7, placed(Caret(7, 7)), placed(Caret(8, 8)), begins=True, extent=99, grew=1)
    assert carets.undone((2, 0), (1, 1)) == placed(Caret(0, 0))


def test_undo_carets_are_those_of_the_step_that_had_an_effect() -> None:
    carets = UndoCarets()
    for at in (3, 5, 7):
        carets.edited(at, placed(Caret(at, 0)), placed(Caret(at + 1, at + 1)), begins=True, extent=99, grew=1)
    assert carets.undone((3, 0), (1, 1)) == placed(Caret(0, -5))
    assert carets.redone((1, 1), (2, 0)) == placed(Caret(1, 1))
