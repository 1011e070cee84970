"""One sign of one cell for each person in a room, different from everybody else's."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from collab_tui.safe_text import safe_name

if TYPE_CHECKING:
    from collab_protocol.presence import Person

_SPARE: Final = "123456789*"


def initials(people: Iterable[Person]) -> dict[str, str]:
    """Return each principal's sign: a letter of the name that nobody before has, or a digit.

    Who came first keeps the first letter, so that signs do not change when others come.
    """
    signs: dict[str, str] = {}
    for person in sorted(people, key=lambda person: person.session):
        if person.principal not in signs:
            signs[person.principal] = sign_for(person.name, signs.values())
    return signs


def sign_for(name: str, taken: Container[str]) -> str:
    """Return a letter of `name` that is not taken, or a digit."""
    letters = [c.upper() for c in safe_name(name) if c.isalnum()]
    return next(
        (c for c in (*letters, *_SPARE) if c not in taken and len(c) == 1 and cell_len(c) == 1),
        _SPARE[-1],
    )
