"""Who wrote what of a text: learned from the server's word on whose each client id is, kept right by splices.

Learning takes a while, and the text is edited meanwhile: what is learned is how it stood at the beginning,
and the splices since then are done to the result at the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from itertools import pairwise
from typing import Final

from collab_client.author_runs import UNKNOWN, AuthorRuns
from collab_client.buffer import OWN, Buffer
from collab_client.lines import Position
from collab_client.who_wrote import NoOrder, finding_authors
from collab_protocol import limits
from collab_protocol.lib0 import decode_state_vector
from collab_protocol.messages import Authors, unpacking_ids
from collab_protocol.presence import Author
from collab_protocol.text import Splice, utf8_length

_SLICE_SPLICES: Final = 50
"""Splices between two yields: some 1 ms."""

_SLICE_IDS: Final = 5000
"""Client ids between two yields: some 1 ms. All that ever wrote here come, be they of this text or not."""

_PEOPLE_MOST: Final = 16 * limits.AUTHORS
"""People who are told apart; to `who_wrote` each is one UTF-16 unit, and surrogates are none."""

_Step = tuple[int, int, int, int]
"""A splice: offset, bytes deleted, bytes added, and the number of who did it."""


class Authorship:
    """The authors of a buffer's text, once `learning` has run to its end.

    `on_changed()` is called when that is so, and when `needs_learning` becomes true.
    """

    def __init__(self, buffer: Buffer, own: Author, author_of: Callable[[int], Author | None]) -> None:
        """Listen to `buffer`; `own` is who writes here, `author_of` tells whose a session is."""
        self.on_changed: Callable[[], None] = lambda: None
        self.needs_learning = True
        """Whether there is text here of which only the server can tell who wrote it: ask AskAuthors."""
        self._buffer = buffer
        self._author_of = author_of
        self._people: list[Author] = []
        self._numbers: dict[str, int] = {}
        self._own = self._number(own)
        self._runs: AuthorRuns | None = None
        self._steps: deque[_Step] | None = None
        buffer.splice_listeners.append(self._spliced)

    def close(self) -> None:
        """Listen no more; what is being learned comes to nothing."""
        self._steps = self._runs = None
        if self._spliced in self._buffer.splice_listeners:
            self._buffer.splice_listeners.remove(self._spliced)

    @property
    def is_ready(self) -> bool:
        """Whether it is known who wrote what."""
        return self._runs is not None

    @property
    def people(self) -> Sequence[Author]:
        """Who has written here, oneself among them; a number stays that person's."""
        return self._people

    def learning(self, authors: Authors) -> Generator[None, None, None]:
        """Learn in slices of 2 ms or less who wrote what, from an answer to AskAuthors without `since`.

        What was known so far counts until the end. To begin again lets an earlier run come to nothing.
        The first slice is the longest in a large text: 9 ms for 10 MB.
        """
        numbers = [self._number(author) for author in authors.people]
        replica = self._buffer.replica
        own_id = replica.client_id
        known: dict[int, int] = {}
        steps: deque[_Step] = deque()
        self._steps = steps
        self.needs_learning = False
        clients = decode_state_vector(replica.state_vector())
        finding = finding_authors(replica.update_since(), self._buffer.lines.blocks(), known)
        yield
        for done, (client, index) in enumerate(unpacking_ids(authors.ids), 1):
            if client in clients and index < len(numbers):
                known[client] = numbers[index]
            if done % _SLICE_IDS == 0:
                yield
        known[own_id] = self._own
        try:
            runs = yield from finding
        except NoOrder:
            runs = AuthorRuns()
            runs.append(self._buffer.lines.size_utf8, UNKNOWN)
            steps.clear()
        done = 0
        while steps:
            runs.splice(*steps.popleft())
            done += 1
            if done % _SLICE_SPLICES == 0:
                yield
        if self._steps is steps:
            self._steps = None
            self._runs = runs
            self.on_changed()

    def of_row(self, row: int) -> tuple[tuple[int, int, int], ...]:
        """Return (first column, end column, index in `people`) of all that stands in `row`; -1: unknown."""
        lines = self._buffer.lines
        if self._runs is None or not 0 <= row < lines.row_count:
            return ()
        line = lines.line(row)
        start = lines.offset(Position(row, 0))
        if line.isascii():
            runs = self._runs.between(start, start + len(line))
            places = _places([length for length, _ in runs])
        else:
            encoded = line.encode()
            runs = self._runs.between(start, start + len(encoded))
            ends = _places([length for length, _ in runs])
            widths = [len(encoded[begin:end].decode(errors="replace")) for begin, end in pairwise(ends)]
            places = _places(widths)
        return tuple(
            (begin, end, author) for (begin, end), (_, author) in zip(pairwise(places), runs, strict=True)
        )

    def main_of_row(self, row: int) -> int | None:
        """Return the index in `people` of who wrote most of `row`; None if it is empty or nobody knows."""
        columns: dict[int, int] = {}
        for begin, end, author in self.of_row(row):
            columns[author] = columns.get(author, 0) + end - begin
        most = max(columns, key=columns.__getitem__, default=UNKNOWN)
        return None if most == UNKNOWN else most

    def _number(self, author: Author) -> int:
        """Return the index of a person, who is known by the principal; name and colour are the newest.

        UNKNOWN for one too many.
        """
        if len(self._people) >= _PEOPLE_MOST and author.principal not in self._numbers:
            return UNKNOWN
        number = self._numbers.setdefault(author.principal, len(self._people))
        if number == len(self._people):
            self._people.append(author)
        else:
            self._people[number] = author
        return number

    def _spliced(self, splices: Sequence[Splice], session: int | None) -> None:
        if self._runs is None and self._steps is None:
            return
        author = self._author(session)
        is_news = False
        for offset_utf8, deleted_utf8, inserted in splices:
            step = (offset_utf8, deleted_utf8, utf8_length(inserted), author)
            if self._runs is not None:
                self._runs.splice(*step)
            if self._steps is not None:
                self._steps.append(step)
            is_news |= author == UNKNOWN and bool(inserted)
        if is_news and not self.needs_learning:
            self.needs_learning = True
            self.on_changed()

    def _author(self, session: int | None) -> int:
        if session == OWN:
            return self._own
        author = None if session is None else self._author_of(session)
        return UNKNOWN if author is None else self._number(author)


def _places(lengths: Sequence[int]) -> list[int]:
    """Return where stretches of these lengths begin, and the last of them ends."""
    places = [0]
    for length in lengths:
        places.append(places[-1] + length)
    return places
