"""The gate: judges every foreign update before pycrdt sees it.

pycrdt trusts what it applies: a gap in the clocks kills the process, nested content overflows its stack, a
14-byte struct forged under another's client id erases what that person types from then on. So an update
is parsed here first (`lib0`), and then held against what the replica has: that every run begins exactly
where its client's items end, that all it refers to is known, that no cut falls inside a character, and
that left is left of right. What honest races make is STALE and costs nothing; only malice is HOSTILE.
What may part copies that get it in another order is tried on a copy first (docs/adr/0004).

Judging keeps a record of the runs that passed (`runs`), so that a typed character costs 5 µs and a jump of
the caret rarely asks pycrdt where an item stands. What the replica held before is learnt when needed, or by
`indexing` when its owner has time.
"""

from __future__ import annotations

import re
from collections.abc import Container, Generator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from collab_protocol.errors import UpdateError
from collab_protocol.hearing import SLICE, Hearing, Held
from collab_protocol.lib0 import (
    Id,
    decode_state_vector,
    encode_state_vector,
    finish,
    new_ids,
    parsing,
    write_number,
)
from collab_protocol.runs import Runs
from collab_protocol.text import Replica

__all__ = ["Gate", "Judgement", "Verdict", "decode_state_vector", "encode_state_vector", "new_ids"]

_NONE: Final[Mapping[int, int]] = MappingProxyType({})

_TRIAL_ID: Final = 1
"""The client id of copies that nobody edits."""

_HEAD: Final = re.compile(rb"\x01\x01([\x80-\xff]{0,7}[\x00-\x7f])")
"""One block of one struct, and its client."""


class Verdict(Enum):
    """What to do with an update."""

    ACCEPT = auto()
    """Apply it."""
    KNOWN = auto()
    """Nothing in it is new: acknowledge, do not apply."""
    STALE = auto()
    """An honest race can make it, but it does not fit what the replica has: resync."""
    HOSTILE = auto()
    """No honest program makes it: close the connection."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The gate's answer.

    `reason` is for a log, and empty for ACCEPT and KNOWN. `ends` is, for ACCEPT, the next clock after this
    update of every client id that gets new structs: empty for an update that only deletes; `begins` is the
    clock where these start. `is_doubtful` says of a STALE one that it has to be tried on a copy, once what is
    ahead has been applied: judge it again then.
    """

    verdict: Verdict
    reason: str = ""
    ends: Mapping[int, int] = field(default_factory=lambda: _NONE)
    begins: Mapping[int, int] = field(default_factory=lambda: _NONE)
    is_doubtful: bool = False


class _Tail:
    """How an update begins that types on at the end of a client's last run."""

    __slots__ = ("_encoded", "_right", "client", "end", "prefix")

    def __init__(self, client: int, end: int, right: Id | None) -> None:
        self.client = client
        self._encoded = write_number(client)
        self._right = b"" if right is None else write_number(right[0]) + write_number(right[1])
        self.move(end)

    def move(self, end: int) -> None:
        self.end = end
        self.prefix = b"".join(
            (
                b"\x01\x01",
                self._encoded,
                write_number(end),
                b"\xc4" if self._right else b"\x84",
                self._encoded,
                write_number(end - 1),
                self._right,
            )
        )


class Gate:
    """What one Replica holds, as far as judging updates needs it.

    Everything that reaches the replica must pass here: foreign updates through `judge` and `applied`, its
    own edits, undos and redos through `learn`.
    """

    def __init__(self, replica: Replica) -> None:
        """Take the replica as it is now; costs about 1 ms for 100 kB of text."""
        self._replica = replica
        self._held = Held(replica)
        self._tails: dict[bytes, _Tail] = {}

    def judge(
        self,
        update: bytes,
        *,
        authors: Container[int] | None = None,
        ahead: Mapping[int, int] = _NONE,
        may_try: bool = True,
    ) -> Judgement:
        """Judge an update that is to be applied next; never raises, whatever the bytes.

        `authors` are the client ids under which new structs may come; None allows any. `ahead` has the
        clocks that accepted updates of the same sender reach which are not yet applied: the update may rest
        on them. An update that is accepted must be applied or dropped with all that rest on it. Without
        `may_try` a doubtful one is accepted untried: a trial costs O(document).
        """
        return self._judge_typed(update, authors, ahead) or finish(
            self.judging(update, authors=authors, ahead=ahead, may_try=may_try)
        )

    def judging(
        self,
        update: bytes,
        *,
        authors: Container[int] | None = None,
        ahead: Mapping[int, int] = _NONE,
        may_try: bool = True,
    ) -> Generator[None, None, Judgement]:
        """Do as `judge` does, in slices of about 0.5 ms.

        Other updates may be judged and applied between slices. One that moves a clock on which this one
        rests makes this one STALE.
        """
        held = self._held
        if held.must_index:
            yield from held.indexing()
        try:
            parsed = yield from parsing(update)
            if sum(len(block.structs) for block in parsed.blocks) > SLICE:
                yield from held.indexing()
            hearing = Hearing(held, parsed, authors, ahead)
            yield from hearing.hearing()
        except UpdateError as error:
            return Judgement(Verdict.HOSTILE, str(error))
        if held is not self._held:
            return Judgement(Verdict.STALE, "the gate has been set up anew meanwhile")
        if hearing.stale:
            return Judgement(Verdict.STALE, hearing.stale)
        if not hearing.ends and not parsed.deletions:
            return Judgement(Verdict.KNOWN)
        if hearing.doubt and ahead:
            return Judgement(Verdict.STALE, hearing.doubt, is_doubtful=True)
        if hearing.doubt and may_try and not self._agree_on(update, hearing.ends):
            return Judgement(Verdict.STALE, f"{hearing.doubt}, and copies would part over it")
        self._record(hearing.fresh, hearing.ends)
        return Judgement(Verdict.ACCEPT, "", hearing.ends, hearing.begins, is_doubtful=bool(hearing.doubt))

    def fits(self, judgement: Judgement) -> bool:
        """Return whether what was accepted still begins where the replica ends; look before applying it."""
        known = self._held.known
        return all(known.get(client, 0) == clock for client, clock in judgement.begins.items())

    def applied(self, judgement: Judgement) -> None:
        """Note that the replica has what was accepted."""
        known = self._held.known
        for client, end in judgement.ends.items():
            if end > known.get(client, 0):
                known[client] = end

    def learn(self, update: bytes) -> None:
        """Note an update that the replica made itself: an edit, undo or redo."""
        judgement = self.judge(update)
        if judgement.verdict in (Verdict.ACCEPT, Verdict.KNOWN):
            self.applied(judgement)
        else:
            self._held = Held(self._replica)
            self._tails.clear()

    def indexing(self) -> Generator[None, None, None]:
        """Learn the runs that the replica held at first, in slices: 50–110 ms for 11,000 runs.

        Until then, the order of what lies there costs two look-ups of 45 µs and more. Starting it costs an
        encoding of the replica, 1 ms for 300 kB. Nothing to do the second time.
        """
        yield from self._held.indexing()

    def _judge_typed(
        self, update: bytes, authors: Container[int] | None, ahead: Mapping[int, int]
    ) -> Judgement | None:
        """Accept ASCII that continues the last run of its client between the same neighbours, else None."""
        found = _HEAD.match(update)
        tail = self._tails.get(found[1]) if found else None
        if tail is None or not update.startswith(tail.prefix):
            return None
        client, end = tail.client, tail.end
        tail_end = end
        if max(self._held.known.get(client, 0), ahead.get(client, 0)) != end:
            return None
        if authors is not None and client not in authors:
            return None
        length_at = len(tail.prefix)
        text = update[length_at + 1 : -1]
        if not (0 < len(text) < 128 and text.isascii() and update[length_at] == len(text) and not update[-1]):
            return None
        end += len(text)
        tail.move(end)
        return Judgement(Verdict.ACCEPT, "", {client: end}, {client: tail_end})

    def _agree_on(self, update: bytes, ends: Mapping[int, int]) -> bool:
        """Try a doubtful update on a copy: does one that joins later read the same?

        Costs O(document), some 20 ms for 300 kB; only redo makes such updates, and malice.
        """
        first, later = Replica(_TRIAL_ID), Replica(_TRIAL_ID)
        try:
            first.apply(self._replica.update_since())
            first.apply(update)
            later.apply(first.update_since())
            reached = decode_state_vector(later.state_vector())
            return first.text() == later.text() and all(
                reached.get(client, 0) >= end for client, end in ends.items()
            )
        except UpdateError:
            return False
        finally:
            first.close()
            later.close()

    def _record(self, fresh: Mapping[int, Runs], ends: Mapping[int, int]) -> None:
        self._held.record(fresh)
        if len(ends) == 1:
            [(client, end)] = ends.items()
            self._tails[write_number(client)] = _Tail(client, end, self._held.runs[client].right(-1))
        elif ends:
            self._tails.clear()
