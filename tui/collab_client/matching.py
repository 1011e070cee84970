"""What a query matches in a line: literally, or by a regular expression whose time is bounded.

A literal is found with `str.find`, in many lines at once. Without `match_case` both sides are folded one
character to one, so that columns stay columns. Regular expressions are those of the `regex` package, which
gives up after a time; the standard library's `re` holds the interpreter for as long as a pattern likes.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from collab_client.clusters import is_word as is_word
from collab_client.clusters import previous_boundary
from collab_protocol.errors import CollabError

if TYPE_CHECKING:
    import regex

MOST_MATCHES: Final = 100_000
"""So many matches are counted, and replaced in one go; and found in one line."""

LINE_TIMEOUT_S: Final = 0.02
"""How long a regular expression may take over one line, in processor time of this process.

It is looked at between steps, the longest of which takes 1.8 us a character of the line (`\\p{L}+\\d`).
"""

STEP_S: Final = 0.001
"""After so long the search goes back to the person's keys."""

_REGEX_CHARACTERS: Final = 20_000
"""What a regular expression sees of a line: a step over so much takes 40 ms."""

_PATTERN_CHARACTERS: Final = 300
"""Nothing bounds the time in which its tables are built: 10 ms for 300 characters, 5 s for 2000."""

_PATTERN_SIZE: Final = 10_000
"""A pattern with its counted repeats written out: 10 ms. `(((a{50}){50}){50}){50}` would eat the memory."""

_CLUSTER_REACH: Final = 256
"""Characters looked at to see whether a cluster goes on; that costs as much as there are."""

_PATTERN_ITEM: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(\d+)[^}]*\}|.", re.DOTALL)
"""An escape, a set, a counted repeat with its least count, or any other character."""

# `clusters` has the same rule as a function: what is part of a word, ASCII and other.
_WORD: Final = r"(?:[\p{L}\p{N}\p{M}_\u200d]|(?![\x00-\x7f])\p{S})"
_WORD_EDGE: Final = rf"(?!(?<={_WORD}){_WORD})"


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; `whole_word`: neither of its ends may lie inside a word."""

    text: str
    match_case: bool = False
    whole_word: bool = False
    is_regex: bool = False


Found = tuple[int, int, int]
"""A match: its row, and the columns where it starts and ends."""


class BadPattern(CollabError):
    """A regular expression or its template is wrong; the text says what and at which character, from 1."""


class SlowPattern(CollabError):
    """A regular expression takes too long over this text."""


class Matcher(ABC):
    """A query made ready. Matches are not empty, don't overlap, and lie in one line each.

    A query with a line break therefore matches nothing. No more than MOST_MATCHES are found in one call.
    """

    @abstractmethod
    def spans(self, line: str, timeout_s: float = LINE_TIMEOUT_S) -> list[tuple[int, int]]:
        """Return the columns [start, end) of the matches in `line`, ascending.

        Raises:
            SlowPattern: it took longer than `timeout_s`.
        """

    @abstractmethod
    def found_in(self, rows: Sequence[str], timeout_s: float) -> tuple[list[Found], int]:
        """Return the matches in the first lines of `rows`, and how many lines were searched.

        A literal takes them all at once; a regular expression begins no line after STEP_S.

        Raises:
            SlowPattern: one line took longer than `timeout_s`.
        """

    @abstractmethod
    def replacements(self, line: str, template: str) -> list[tuple[int, int, str]]:
        """Return (start, end, what to put there) for each match in `line`.

        That is the template itself, or for a regular expression with \\1, \\g<name>, \\n, \\t expanded.

        Raises:
            BadPattern: the template is wrong.
            SlowPattern: it took longer than LINE_TIMEOUT_S.
        """

    def replacement(self, line: str, span: tuple[int, int], template: str) -> str:
        """Return what to put in the place of the match at `span`. Raises as `replacements`.

        Raises:
            ValueError: there is no such match.
        """
        for start, end, text in self.replacements(line, template):
            if (start, end) == span:
                return text
        raise ValueError(f"no match at {span}")


def compile_query(query: Query) -> Matcher:
    """Make `query` ready; a query without text matches nothing.

    Raises:
        BadPattern: it is no regular expression, or one too large to be compiled at once.
    """
    return _Regex(query) if query.is_regex and query.text else _Literal(query)


class _Literal(Matcher):
    """A text as it is. A match that would begin or end inside a grapheme cluster is none."""

    def __init__(self, query: Query) -> None:
        self._matches_case = query.match_case
        self._whole_word = query.whole_word
        needle = query.text if query.match_case else folded(query.text)
        self._needle = "" if "\n" in needle else needle

    def spans(self, line: str, timeout_s: float = LINE_TIMEOUT_S) -> list[tuple[int, int]]:
        length = len(self._needle)
        return [(start, start + length) for start in islice(self._starts(line), MOST_MATCHES)]

    def found_in(self, rows: Sequence[str], timeout_s: float) -> tuple[list[Found], int]:
        found = []
        length = len(self._needle)
        row = first = 0  # the row looked at, and where it begins
        for start in islice(self._starts("\n".join(rows)), MOST_MATCHES):
            while start > first + len(rows[row]):
                first += len(rows[row]) + 1
                row += 1
            found.append((row, start - first, start - first + length))
        return found, len(rows)

    def replacements(self, line: str, template: str) -> list[tuple[int, int, str]]:
        return [(start, end, template) for start, end in self.spans(line)]

    def _starts(self, text: str) -> Iterator[int]:
        needle = self._needle
        if not needle:
            return
        find = (text if self._matches_case else folded(text)).find
        length = len(needle)
        accepts_all = text.isascii() and not self._whole_word
        start = find(needle)
        while start >= 0:
            if accepts_all or self._accepts(text, start, start + length):
                yield start
                start = find(needle, start + length)
            else:
                start = find(needle, start + 1)

    def _accepts(self, text: str, start: int, end: int) -> bool:
        """Whether both ends lie between clusters and, if so wished, not inside a word."""
        return all(
            _is_boundary(text, at) and not (self._whole_word and is_word(text[at - 1]) and is_word(text[at]))
            for at in (start, end)
            if 0 < at < len(text)
        )


class _Regex(Matcher):
    """A regular expression. It matches code points, so `\\p{M}` finds the marks inside clusters.

    A line's first _REGEX_CHARACTERS are all that it sees.
    """

    def __init__(self, query: Query) -> None:
        import regex  # 35 ms, and most sessions never need it

        self._pattern = _compiled(query)
        self._is_reverse = bool(self._pattern.flags & regex.REVERSE)  # `(?r)`: it finds the last one first

    def spans(self, line: str, timeout_s: float = LINE_TIMEOUT_S) -> list[tuple[int, int]]:
        return [match.span() for match in self._matches(line, timeout_s)]

    def found_in(self, rows: Sequence[str], timeout_s: float) -> tuple[list[Found], int]:
        found: list[Found] = []
        until = time.perf_counter() + STEP_S
        for row, line in enumerate(rows):
            if row and time.perf_counter() > until:
                return found, row
            for start, end in self.spans(line, timeout_s):
                found.append((row, start, end))
        return found, len(rows)

    def replacements(self, line: str, template: str) -> list[tuple[int, int, str]]:
        import regex

        try:
            found = [(*match.span(), match.expand(template)) for match in self._matches(line, LINE_TIMEOUT_S)]
            for _, _, text in found:
                text.encode()
        except UnicodeEncodeError as error:
            raise BadPattern("the replacement holds half a character") from error
        except (regex.error, IndexError, ValueError, OverflowError) as error:
            raise BadPattern(_told(error)) from error
        return found

    def _matches(self, line: str, timeout_s: float) -> list[regex.Match[str]]:
        found = self._pattern.finditer(line[:_REGEX_CHARACTERS], timeout=timeout_s)
        try:
            matches = [match for match in found if match.start() < match.end()]
        except TimeoutError as error:
            raise SlowPattern("the pattern takes too long over this text") from error
        return matches[::-1] if self._is_reverse else matches


def _is_boundary(text: str, at: int) -> bool:
    """Whether a cluster begins at `at`, which is neither the text's start nor its end."""
    if text[at - 1] < "\u0300" and text[at] < "\u0300":  # nothing below joins what is before it
        return True
    first = max(0, at - _CLUSTER_REACH)
    return first + previous_boundary(text[first : at + 1], at + 1 - first) == at


def folded(text: str) -> str:
    """Return `text` in lower case, each character one character: İ as i, every sigma as σ, ß as ß."""
    if text.isascii():
        return text.lower()
    return text.replace("İ", "i").lower().replace("ς", "σ")


def _compiled(query: Query) -> regex.Pattern[str]:
    import regex

    if len(query.text) > _PATTERN_CHARACTERS:
        raise BadPattern(f"longer than {_PATTERN_CHARACTERS} characters")
    if _written_out(query.text) > _PATTERN_SIZE:
        raise BadPattern(f"repeats make it longer than {_PATTERN_SIZE} characters")
    flags = regex.V0 if query.match_case else regex.V0 | regex.IGNORECASE
    try:
        pattern = regex.compile(query.text, flags)
        if query.whole_word:
            pattern = regex.compile(f"{_WORD_EDGE}(?:{query.text}){_WORD_EDGE}", flags)
    except (regex.error, ValueError) as error:  # ValueError: flags that exclude each other
        raise BadPattern(_told(error)) from error
    except RecursionError as error:
        raise BadPattern("nested too deeply") from error
    return pattern


def _written_out(pattern: str) -> int:
    """Return about how long `pattern` is when `(ab){3}` is written as ababab."""
    sizes = [0]  # of the groups that are open, the whole pattern outermost
    last = 0  # size of the item that a count would repeat
    for item in _PATTERN_ITEM.finditer(pattern):
        if item[0] == "(":
            sizes.append(0)
        elif item[0] == ")" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif item[1]:
            added = last * max(0, int(item[1]) - 1)
            last += added
            sizes[-1] += added
        else:
            last = 1
            sizes[-1] += 1
    return sum(sizes)


def _told(error: Exception) -> str:
    position = getattr(error, "pos", None)
    message = getattr(error, "msg", str(error))
    return message if position is None else f"{message} at {position + 1}"
