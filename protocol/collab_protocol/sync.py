"""The client's end of a session as a state machine, without I/O; the server's is `peer_sync`.

    ClientSync                                   PeerSync
    OFFLINE ── connected() ─▶ HELLO   ─ Hello ─▶ HELLO
                                │                  │  the room answers
                              LOADING ◀ Welcome ─ JOINING
                                │     ◀ Sync ────  │
                              LIVE    ⇄ …          LIVE

Drain after every call: `receive(...)` or `local_update(...)`, then `to_send()` and, on the client,
`events()`. First join, reconnect and restart of the server are this one road. The client keeps every
own row until a Receipt names it; after each Welcome it sends those it still has, in order, trimmed
against the server's state vector; where its role is to read, it keeps them for a later Welcome. Its
position in the log moves by Sync, Batch, and a Receipt that is `alone`; whatever leaves a gap is answered
with Resync.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import takewhile
from typing import Final, NamedTuple

from collab_protocol import limits
from collab_protocol.errors import FaultCode, SequenceError
from collab_protocol.events import (
    AskedAgain,
    Dismissed,
    Displaced,
    Displacement,
    Entered,
    Event,
    Granted,
    Ponged,
    Receipted,
    Refused,
    RowsArrived,
    Seen,
    SettingChanged,
    Synced,
    Told,
    Troubled,
)
from collab_protocol.lib0 import decode_state_vector
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    Bye,
    Check,
    CloseRoom,
    Credential,
    Declined,
    Fault,
    Hello,
    Kick,
    Look,
    Message,
    Ping,
    Pong,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Said,
    Say,
    Setting,
    Sync,
    Trouble,
    Update,
    Welcome,
)
from collab_protocol.presence import Activity, Caret, View
from collab_protocol.text import EMPTY_STATE_VECTOR, EMPTY_UPDATE, merge_rows
from collab_protocol.versions import VERSIONS

_RETRY_MOST_S: Final = 3600.0
"""A server's wish beyond it is taken for a mistake."""


_DISPLACING: Final = {
    FaultCode.LINEAGE: Displacement.ANOTHER_ROOM,
    FaultCode.IDENTITY: Displacement.IDENTITY,
    FaultCode.DIVERGED: Displacement.DIVERGED,
    # What was receipted here rests on text that the server has no more.
    FaultCode.STALE: Displacement.RESTORED,
}


class Phase(Enum):
    """Where a client stands with its server."""

    OFFLINE = auto()
    HELLO = auto()
    LOADING = auto()
    LIVE = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: the session's nonce (16 bytes), the machine's secret (32), and what the person chose.

    `token` is an invite or a credential; a Credential from the server takes its place.
    """

    nonce: bytes = field(repr=False)
    device: bytes = field(repr=False)
    name: str
    colour: int | None = None
    token: str | None = field(default=None, repr=False)


class _Row(NamedTuple):
    n: int
    client_id: int
    data: bytes


class ClientSync:
    """The client's end of a session; it outlives the links."""

    def __init__(
        self,
        identity: Identity,
        *,
        client_id: int,
        state_vector: Callable[[], bytes],
        lineage: bytes | None = None,
        epoch: bytes | None = None,
        seq: int = 0,
    ) -> None:
        """`state_vector` gives the replica's own, at any time; `client_id` is the replica's.

        The rest is what an earlier process left in the journal. Give its rows to `local_update`.
        """
        self._identity = identity
        self._token = identity.token
        self.other_ids: frozenset[int] = frozenset()
        """Client ids of own rows that are still to be given to `local_update`; Hello claims them too."""
        self._client_id = client_id
        self._state_vector = state_vector
        self._lineage = lineage
        self._epoch = epoch
        self._version = 0
        self._phase = Phase.OFFLINE
        self._seq = seq
        self._rows: deque[_Row] = deque()
        self._claimed: frozenset[int] = frozenset()
        self._last_n = 0
        self._sent_n = 0
        self._offered_n = 0
        self._trim_to_n = 0
        self._server_state_vector = b""
        self._is_resyncing = False
        self._has_synced = False
        self._may_write = True
        self._presence: Presence | None = None
        self._is_leaving = False
        self._out: list[Message] = []
        self._events: list[Event] = []

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def seq(self) -> int:
        """This end's position in the room's log."""
        return self._seq

    @property
    def lineage(self) -> bytes | None:
        """Which room it is; None while no server was ever reached."""
        return self._lineage

    @property
    def first_unsaved(self) -> int:
        """The number of the first own row without a receipt, or of the next one to be made."""
        return self._rows[0].n if self._rows else self._last_n + 1

    @property
    def may_check(self) -> bool:
        """Whether this end has all that the server had, and the server all that was made here."""
        return self._phase is Phase.LIVE and not self._rows and not self._is_resyncing and self._version >= 2

    @property
    def unsaved(self) -> int:
        """Own rows without a receipt; 0 says that the server has committed everything typed here."""
        return len(self._rows)

    @property
    def has_synced(self) -> bool:
        """Whether the room's text was ever here, on this link or an earlier one."""
        return self._has_synced

    def connected(self) -> None:
        """Begin on a fresh link: says Hello."""
        self._phase = Phase.HELLO
        self._out.clear()
        self._presence = None
        self._is_resyncing = False
        client_ids = self._client_ids()
        self._claimed = frozenset(client_ids)
        self._out.append(
            Hello(
                versions=VERSIONS,
                nonce=self._identity.nonce,
                device=self._identity.device,
                client_ids=client_ids,
                name=self._identity.name,
                colour=self._identity.colour,
                token=self._token,
                lineage=self._lineage,
                epoch=self._epoch,
                last_seq=self._seq,
                state_vector=self._state_vector(),
            )
        )

    def disconnected(self) -> None:
        """Note that the link is gone; rows are kept, and what waited to be sent is made anew at Hello."""
        self._out.clear()
        self._presence = None
        if self._phase is not Phase.REFUSED:
            self._phase = Phase.OFFLINE

    def restart(self, *, client_id: int, state_vector: Callable[[], bytes], lineage: bytes | None) -> None:
        """Go on with another replica, an empty one. Rows without a receipt are forgotten: give them again."""
        self._client_id = client_id
        self._state_vector = state_vector
        self._lineage = lineage
        self._epoch = None
        self._seq = 0
        self._rows.clear()
        self._sent_n = self._last_n

    def local_update(self, data: bytes, *, client_id: int | None = None) -> int:
        """Take an own row, in the order rows are made; returns its number, which counts from 1.

        `client_id` is the one it was made under, where that is not the replica's.
        """
        self._last_n += 1
        self._rows.append(_Row(self._last_n, self._client_id if client_id is None else client_id, data))
        return self._last_n

    def present(
        self,
        carets: tuple[Caret, ...],
        activity: Activity,
        following: int = 0,
        view: View | None = None,
    ) -> None:
        """Say where our carets are; goes out behind every row made so far, the newest wins."""
        if self._phase is Phase.LIVE:
            self._presence = Presence(None, carets, self._seq, activity, following, view)

    def set(self, key: str, value: str) -> None:
        """Change what the room shares beside its text; only while live."""
        if self._phase is Phase.LIVE:
            self._out.append(Setting(key, value))

    def ask(self, message: Say | Look | AskAuthors | AskPulse | Kick | CloseRoom) -> bool:
        """Say or ask for what has nothing to do with the text; False when nobody is there who knows of it."""
        since = 4 if isinstance(message, Kick | CloseRoom) else 3
        if self._phase is not Phase.LIVE or self._version < since:
            return False
        self._out.append(message)
        return True

    def check(self, sha256: bytes) -> None:
        """Tell the server what text is here, by its SHA-256; only while `may_check`."""
        self._out.append(Check(self._seq, sha256))

    def ask_again(self) -> None:
        """Ask for all that is missing here: what came cannot be placed."""
        if self._phase is Phase.LIVE and not self._is_resyncing:
            self._resync()

    def ping(self, number: int) -> None:
        """Ask whether the server is there."""
        self._out.append(Ping(number))

    def leave(self) -> None:
        """Say goodbye, behind every row made so far, so that nobody takes us for a lost link."""
        if self._phase is Phase.LIVE:
            self._is_leaving = True
        else:
            self._out.append(Bye("left", None))

    def to_send(self) -> list[Message]:
        """Return what to send now; call until it returns nothing.

        Rows come merged, at most `limits.MERGED_ROWS` a call, so that a long upload can be interleaved.
        """
        out, self._out = self._out, []
        if self._phase is Phase.LIVE:
            is_held = self._sent_n < self._last_n and not self._may_write
            if self._sent_n < self._last_n and not is_held and (update := self._next_update()) is not None:
                out.append(update)
            is_all = self._sent_n == self._last_n or is_held
            if is_all and self._presence is not None:
                # Where one is, is a place in a text that the others do not have while rows are held back.
                presence, self._presence = self._presence, None
                out.append(replace(presence, carets=(), view=None) if is_held else presence)
            if is_all and self._is_leaving:
                out.append(Bye("left", None))
                self._is_leaving = False
        return out

    def events(self) -> list[Event]:
        """Return what happened, in order; apply it before the next `receive`."""
        events, self._events = self._events, []
        return events

    def receive(self, message: Message) -> None:
        """Take a message from the server.

        Raises:
            SequenceError: it means nothing now, or only a client may say it.
            UpdateError: it holds a malformed state vector.
        """
        match message:
            case Ping(id):
                self._out.append(Pong(id))
            case Pong(id):
                self._events.append(Ponged(id))
            case Fault():
                self._fault(message)
            case Bye(reason, retry_ms):
                self._events.append(Dismissed(reason, False, _seconds(retry_ms)))
            case Welcome() if self._phase is Phase.HELLO:
                self._welcome(message)
            case Sync() if self._phase is Phase.LOADING or (self._phase is Phase.LIVE and self._is_resyncing):
                self._sync(message)
            case Batch() if self._phase is Phase.LIVE:
                self._batch(message)
            case Receipt() if self._phase is Phase.LIVE:
                self._receipt(message)
            case Presence() if self._phase is Phase.LIVE:
                # While a Sync is awaited carets have nothing to stand on; it brings them all again.
                if not self._is_resyncing or message.activity.is_over:
                    self._events.append(Seen(message))
            case Setting(key, value) if self._phase is Phase.LIVE:
                self._events.append(SettingChanged(key, value))
            case Resync(_, state_vector) if self._phase is Phase.LIVE:
                decode_state_vector(state_vector)  # raises before the CRDT sees it
                if self._version >= 2:
                    self._out.append(Sync(self._seq, EMPTY_STATE_VECTOR, EMPTY_UPDATE))
                self._send_rows_again(state_vector)
                self._presence = None
                self._events.append(AskedAgain())
            case Said() | Look() | Authors() | Pulse() | Declined() if self._phase is Phase.LIVE:
                self._events.append(Told(message))
            case Credential():
                self._token = message.token
                self._events.append(Granted(message))
            case Trouble(text):
                self._events.append(Troubled(text))
            case _ if self._phase is Phase.REFUSED:
                pass
            case _:
                raise SequenceError(f"the server sent {type(message).__name__} while {self._phase.name}")

    def _welcome(self, welcome: Welcome) -> None:
        self._version = welcome.version
        self._may_write = welcome.role.may_write
        if self._lineage not in (None, welcome.lineage):
            self._displaced(Displacement.ANOTHER_ROOM, "the room was made anew on the server")
            return
        if self._has_lost(welcome):
            self._displaced(Displacement.RESTORED, "the server came back without some of its text")
            return
        self._lineage, self._epoch = welcome.lineage, welcome.epoch
        self._phase = Phase.LOADING
        self._send_rows_again(welcome.state_vector)
        self._events.append(Entered(welcome))

    def _sync(self, sync: Sync) -> None:
        is_first = self._phase is Phase.LOADING
        self._phase = Phase.LIVE
        self._is_resyncing = False
        self._has_synced = True
        self._seq = sync.seq
        self._events.append(Synced(sync.seq, sync.update, is_first))

    def _batch(self, batch: Batch) -> None:
        if self._is_resyncing or batch.last <= self._seq:
            return
        if batch.first > self._seq + 1 or not batch.entries:
            self._resync()
            return
        self._seq = batch.last
        self._events += [RowsArrived(author, batch.last, data) for author, data in batch.entries]

    def _receipt(self, receipt: Receipt) -> None:
        if receipt.n > self._offered_n:
            raise SequenceError(f"a receipt for row {receipt.n}, of which {self._offered_n} were sent")
        while self._rows and self._rows[0].n <= receipt.n:
            self._rows.popleft()
        self._sent_n = max(self._sent_n, receipt.n)
        self._events.append(Receipted(receipt.n, receipt.seq))
        if self._rows and self._rows[0].client_id not in self._claimed:
            self._events.append(Dismissed("a new Hello claims the ids of what is left", False, 0.0))
        if not receipt.alone or self._is_resyncing or receipt.seq <= self._seq:
            return
        if receipt.seq == self._seq + 1:
            self._seq = receipt.seq
        else:
            self._resync()

    def _resync(self) -> None:
        self._is_resyncing = True
        self._out.append(Resync(self._seq, self._state_vector()))

    def _has_lost(self, welcome: Welcome) -> bool:
        """Return whether the server lacks what it had on disk once: it was restored from a backup."""
        if self._epoch not in (None, welcome.epoch) or welcome.seq < self._seq:
            return True
        # All that is here came from the server's disk, but for rows that have no receipt yet.
        theirs, mine = decode_state_vector(welcome.state_vector), decode_state_vector(self._state_vector())
        unsaved = {*self.other_ids, *(row.client_id for row in self._rows)}
        return any(clock > theirs.get(each, 0) for each, clock in mine.items() if each not in unsaved)

    def _client_ids(self) -> tuple[int, ...]:
        others = dict.fromkeys([*(row.client_id for row in self._rows), *self.other_ids])
        others.pop(self._client_id, None)
        return (self._client_id, *list(others)[: limits.CLIENT_IDS - 1])

    def _send_rows_again(self, server_state_vector: bytes) -> None:
        self._server_state_vector = server_state_vector
        self._sent_n = self.first_unsaved - 1
        self._trim_to_n = self._last_n

    def _next_update(self) -> Update | None:
        begin = self._sent_n + 1 - self._rows[0].n
        count = min(len(self._rows) - begin, limits.MERGED_ROWS)
        rows = [self._rows[begin + i] for i in range(count)]
        rows = list(takewhile(lambda row: row.client_id in self._claimed, rows))
        if not rows:
            return None  # more ids than one Hello may claim; the next one claims the rest
        self._sent_n = rows[-1].n
        self._offered_n = max(self._offered_n, self._sent_n)
        if len(rows) == 1 and self._sent_n > self._trim_to_n:
            return Update(self._sent_n, rows[0].data)
        return Update(self._sent_n, merge_rows([row.data for row in rows], self._server_state_vector))

    def _fault(self, fault: Fault) -> None:
        why = _DISPLACING.get(fault.code)
        if why is not None:
            self._displaced(why, fault.message)
        elif fault.retry_ms is None:
            self._refuse(fault.code, fault.message)
        else:
            is_busy = fault.code is FaultCode.BUSY
            self._events.append(Dismissed(fault.message, is_busy, _seconds(fault.retry_ms)))

    def _displaced(self, why: Displacement, message: str) -> None:
        self._events.append(Displaced(why, message))

    def _refuse(self, code: FaultCode, message: str) -> None:
        self._phase = Phase.REFUSED
        self._events.append(Refused(code, message))


def _seconds(retry_ms: int | None) -> float | None:
    return None if retry_ms is None else min(retry_ms / 1000, _RETRY_MOST_S)
