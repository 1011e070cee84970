"""What the status line tells for a while: one notice at a time, the newest; comings and goings wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from collab_tui.safe_text import safe_name

if TYPE_CHECKING:
    from collab_client.people import News

_STANDS_S: Final = 4.0
_CHARACTER_S: Final = 0.1
"""What is long, such as a path, stands longer."""

_GATHERED_S: Final = 1.0
"""Who comes or goes so soon after somebody else is told of together with them."""

_READ_S: Final = 2.0
"""So long any notice stands before somebody's coming or going takes its place."""

_NAMED_MOST: Final = 3
_NAME_CELLS: Final = 16


class Timer(Protocol):
    """Something that is to come."""

    def stop(self) -> object: ...


class Toasts:
    """Shows them by `show(text)`, empty for none; `later(seconds, call)` is a timer."""

    def __init__(
        self,
        *,
        show: Callable[[str], object],
        later: Callable[[float, Callable[[], None]], Timer],
        clock: Callable[[], float],
    ) -> None:
        self._show = show
        self._later = later
        self._clock = clock
        self._told_at = float("-inf")
        self._expiry: Timer | None = None
        self._gathering: Timer | None = None
        self._joined: list[str] = []
        self._left: list[str] = []
        self._text = ""
        self._news = ""  # who came or went, as it was told last

    def tell(self, text: str, stands_s: float | None = None) -> None:
        """Show `text` in the place of what stands there, as long as it takes to read, or `stands_s`."""
        if self._expiry is not None:
            self._expiry.stop()
        self._told_at = self._clock()
        self._text = text
        self._show(text)
        if stands_s is None:
            stands_s = _STANDS_S + len(text) * _CHARACTER_S
        self._expiry = self._later(stands_s, self._expired)

    def clear(self, only: str | None = None) -> None:
        """Take away what stands, or `only` that text: it has been done, or is true no more."""
        if self._expiry is not None and only in (None, self._text):
            self._expiry.stop()
            self._expired()

    def clear_all(self) -> None:
        """Take away what stands, and who came or went that was still to be told."""
        self._joined.clear()
        self._left.clear()
        self.clear()

    def clear_news(self) -> None:
        """Take away who came or went, told or still to be told; another notice stays."""
        self._joined.clear()
        self._left.clear()
        if self._news:
            self.clear(self._news)

    def tell_news(self, news: News) -> None:
        """Tell who came and who went, soon, and together with who comes and goes until then."""
        for name in news.joined:
            _add(name, self._joined, self._left)
        for name in news.left:
            _add(name, self._left, self._joined)
        if self._gathering is None:
            self._gathering = self._later(_GATHERED_S, self._tell_gathered)

    def _tell_gathered(self) -> None:
        self._gathering = None
        text = news_text(self._joined, self._left)
        wait_s = self._told_at + _READ_S - self._clock()
        if text and wait_s > 0:
            self._gathering = self._later(wait_s, self._tell_gathered)
            return
        self._joined.clear()
        self._left.clear()
        if text:
            self._news = text
            self.tell(text)

    def _expired(self) -> None:
        self._expiry = None
        self._text = ""
        self._show("")


def news_text(joined: Sequence[str], left: Sequence[str]) -> str:
    """Return who came and who went as a person reads it; nothing when nobody did."""
    parts = [f"{names_text(names)} {did}" for names, did in ((joined, "joined"), (left, "left")) if names]
    return " · ".join(parts)


def names_text(names: Sequence[str]) -> str:
    """Return the names as a person reads them, or two of many and how many more there are."""
    names = [safe_name(name, _NAME_CELLS) for name in names]
    if len(names) <= _NAMED_MOST:
        return ", ".join(names)
    return f"{', '.join(names[: _NAMED_MOST - 1])} and {len(names) - _NAMED_MOST + 1} more"


def _add(name: str, names: list[str], opposite: list[str]) -> None:
    """Add `name` to `names`; who came and went meanwhile is not worth a word."""
    if name in opposite:
        opposite.remove(name)
    else:
        names.append(name)
