"""Finding by a few letters: those of the query, in order, not always next to each other.

Of all ways to find them the best one counts: letters that begin a word, and letters in a row.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_LETTER: Final = 2
_WORD_START: Final = 8
_IN_A_ROW: Final = 6
_GAP_MOST: Final = 4
"""Each letter left out between two found ones costs 1, as far as this."""


class Hit(NamedTuple):
    """How well a text fits, and the columns of it that the letters of the query are."""

    score: int
    columns: tuple[int, ...]


def find(query: str, text: str) -> Hit | None:
    """Return the best way to find `query` in `text`, case apart; None if there is none.

    The cost is that of the places at which letters of the query stand, squared, for each letter.
    """
    query = query.lower()
    letters = [character.lower() for character in text]
    rest = iter(letters)
    if not all(wanted in rest for wanted in query):
        return None  # most texts by far, and soon seen
    ways: dict[int, Hit] = {-1: Hit(0, ())}
    for wanted in query:
        ways = _with_letter(ways, [at for at, letter in enumerate(letters) if letter == wanted], text)
    return max(ways.values(), key=lambda hit: hit.score)


def _with_letter(ways: dict[int, Hit], places: list[int], text: str) -> dict[int, Hit]:
    """Return the best way to each of `places`, one letter on from `ways`; both go by the last column."""
    longer: dict[int, Hit] = {}
    for place in places:
        found = [
            Hit(hit.score + _worth(before, place, text), (*hit.columns, place))
            for before, hit in ways.items()
            if before < place
        ]
        if found:
            longer[place] = max(found, key=lambda hit: hit.score)
    return longer


def _worth(before: int, place: int, text: str) -> int:
    """Return what a letter at `place` adds when the letter before it stands at `before`."""
    worth = _LETTER
    if place == 0 or not text[place - 1].isalnum():
        worth += _WORD_START
    if before == -1:
        return worth - min(place, _GAP_MOST)
    return worth + (_IN_A_ROW if place == before + 1 else -min(place - before - 1, _GAP_MOST))
