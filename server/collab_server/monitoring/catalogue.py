"""What there is to measure: names by Prometheus' conventions, what they mean, and where they are read.

Names, and values of labels, are few and say nothing of rooms or people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

from collab_server.meters import Histogram

if TYPE_CHECKING:
    from collab_server.monitoring.figures import Survey

Value = float | Mapping[Any, float] | Histogram | None
"""One value, or one for each value of the label, or a histogram; None while it is not known."""


class Kind(Enum):
    """What a metric does: a counter only grows."""

    COUNTER = auto()
    GAUGE = auto()
    HISTOGRAM = auto()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, and how it is read; `label` is the name of its only label, if it has one."""

    name: str
    kind: Kind
    help: str
    read: Callable[[Survey], Value]
    label: str = ""

    @property
    def unit(self) -> str:
        """What it is in, where that is a base unit; else empty."""
        name = self.name.removesuffix("_total")
        return next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "")


def _counter(name: str, help_: str, read: Callable[[Survey], Value], label: str = "") -> Metric:
    return Metric(f"collab_{name}_total", Kind.COUNTER, help_, read, label)


def _gauge(name: str, help_: str, read: Callable[[Survey], Value], label: str = "") -> Metric:
    return Metric(f"collab_{name}", Kind.GAUGE, help_, read, label)


def _histogram(name: str, help_: str, read: Callable[[Survey], Value]) -> Metric:
    return Metric(f"collab_{name}", Kind.HISTOGRAM, help_, read)


METRICS: Final = (
    # How it is.
    _gauge("ready", "Whether people may be sent here: 1, or 0 as /readyz says.", lambda now: now.is_ready),
    _gauge("store_writable", "Whether the store takes writes: 1, or 0.", lambda now: now.is_storing),
    # Connections.
    _gauge("connections", "Connections that are open, by how they came.", lambda now: now.connections, "way"),
    _gauge(
        "pending_connections", "TCP connections that have not said who they are.", lambda now: now.pending
    ),
    _gauge("sessions", "Sessions that are in a room.", lambda now: now.sessions),
    _gauge("people", "Different people who are in rooms.", lambda now: now.people),
    _counter(
        "accepted_sockets",
        "TCP connections taken, whatever became of them.",
        lambda now: now.meters.sockets_accepted,
    ),
    _counter(
        "opened_connections",
        "Connections whose handshake was done, by how they came.",
        lambda now: now.meters.connections_opened,
        "way",
    ),
    _counter("joined_sessions", "Sessions that came into a room.", lambda now: now.meters.sessions_joined),
    _counter("refusals", "Those who were not let in, by why.", lambda now: now.meters.refusals, "reason"),
    _counter(
        "dropped_connections",
        "Connections given up because nothing came or went.",
        lambda now: now.meters.drops,
        "reason",
    ),
    _counter(
        "slowed_connections",
        "Times that somebody sent too fast and was not read for a while.",
        lambda now: now.meters.slowed,
    ),
    # Messages.
    _counter("received_messages", "Messages from clients.", lambda now: now.meters.messages_received),
    _counter("received_bytes", "Bytes of messages from clients.", lambda now: now.meters.bytes_received),
    _counter("sent_messages", "Messages to clients.", lambda now: now.meters.messages_sent),
    _counter("sent_bytes", "Bytes of messages to clients.", lambda now: now.meters.bytes_sent),
    _counter(
        "faults",
        "Sessions ended or refused with a fault, by its code.",
        lambda now: now.meters.faults,
        "code",
    ),
    _counter("declined_requests", "Requests that were declined.", lambda now: now.meters.declined),
    _counter("hostile_messages", "Messages that no client of ours makes.", lambda now: now.meters.hostile),
    _counter("malformed_messages", "Messages that break the protocol.", lambda now: now.meters.malformed),
    _gauge(
        "reassembly_bytes",
        "Bytes of large messages that are on their way in.",
        lambda now: now.reassembly_bytes,
    ),
    _gauge(
        "large_message_bytes",
        "Bytes of large messages that wait for their readers.",
        lambda now: now.holding_bytes,
    ),
    # The text, from hand to disk to hand.
    _counter("updates", "Updates that were applied.", lambda now: now.meters.updates),
    _counter(
        "receipts",
        "Receipts: updates are on disk, and their author was told.",
        lambda now: now.meters.receipts,
    ),
    _histogram(
        "receipt_latency_seconds",
        "Time from an update's arrival until its receipt was on its way.",
        lambda now: now.meters.receipt_s,
    ),
    _gauge(
        "oldest_unsettled_seconds",
        "For how long the oldest update that is not on disk has waited.",
        lambda now: now.unsettled_s,
    ),
    _counter("stale_updates", "Updates that rest on text that is not here.", lambda now: now.meters.stale),
    _counter(
        "resyncs",
        "Times that an end was brought up to date, by who asked.",
        lambda now: {"client": now.meters.resyncs_asked, "server": now.meters.resyncs_sent},
        "asked_by",
    ),
    _counter(
        "text_checks",
        "Comparisons of a client's text with the server's, by how they came out.",
        lambda now: {"match": now.meters.check_matches, "mismatch": now.meters.check_mismatches},
        "result",
    ),
    _counter("lags", "Times that a reader fell behind.", lambda now: now.meters.fell_behind),
    _gauge("lagging_readers", "Readers that are behind now.", lambda now: now.meters.lagging),
    # Rooms.
    _gauge("loaded_rooms", "Rooms in memory.", lambda now: now.rooms_loaded),
    _gauge("stored_rooms", "Rooms on disk, once they were counted.", lambda now: now.rooms_stored),
    _histogram("room_load_seconds", "Time to load a room.", lambda now: now.meters.load_s),
    _counter("failed_room_loads", "Rooms that could not be loaded.", lambda now: now.meters.load_failures),
    _counter("unloaded_rooms", "Rooms that were unloaded.", lambda now: now.meters.unloads),
    _counter(
        "room_breakdowns",
        "Rooms given up because of a fault in this program.",
        lambda now: now.meters.room_breakdowns,
    ),
    _counter("snapshots", "Snapshots of rooms that were stored.", lambda now: now.meters.snapshots),
    _counter(
        "failed_snapshots", "Snapshots that could not be made.", lambda now: now.meters.snapshot_failures
    ),
    # The store.
    _counter("committed_rows", "Rows brought to disk.", lambda now: now.meters.rows),
    _counter("committed_chat_lines", "Lines of chat brought to disk.", lambda now: now.meters.chat_lines),
    _histogram("commit_latency_seconds", "Time that a commit took.", lambda now: now.meters.commit_s),
    _histogram("commit_size_rows", "What was in one commit.", lambda now: now.meters.commit_rows),
    _counter("failed_commits", "Commits that failed.", lambda now: now.meters.commit_failures),
    _gauge(
        "running_commit_seconds",
        "How long the commit under way has taken so far.",
        lambda now: now.meters.commit_age_s(),
    ),
    _gauge("store_size_bytes", "Size of the store's files.", lambda now: now.disk.store_bytes),
    _gauge("store_free_bytes", "Free space beside the store.", lambda now: now.disk.free_bytes),
    # The loop.
    _histogram(
        "loop_stall_seconds",
        "How late the event loop was, asked ten times a second.",
        lambda now: now.meters.stall_s,
    ),
    _gauge("loop_stall_worst_seconds", "How late it ever was.", lambda now: now.meters.stall_worst),
)
"""Everything that is measured, beside what the process as such costs."""
