"""What sync costs behind the screen: receipts, the gate, a long offline upload, opening, the journal.

    python -m benchmarks.bench_sync [--traces ../shared/data] [--only receipts gate upload open journal]

Each figure stands beside its aim. A step is one callback on the loop, the longest of which is a stall for
everything else on it: measured as wall time, and as CPU time of the loop's thread, which is what is left
of it on a machine that others use too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import multiprocessing
import os
import random
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, Self

from benchmarks import bench_gate
from benchmarks.figures import percentile, print_table
from collab_client.document import Document
from collab_client.journal import Journal, Origin, open_journal
from collab_client.journal_file import Contents, JournalFile, Own
from collab_client.link import Address, open_link
from collab_client.replay import replay
from collab_client.session import Session
from collab_protocol.lib0 import finish
from collab_protocol.limits import MERGED_ROWS
from collab_protocol.messages import Fault, Hello, Message, Receipt, Welcome
from collab_protocol.presence import Role
from collab_protocol.sync import Identity
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows
from collab_protocol.versions import VERSIONS
from collab_server.app import serve
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.registry import Registry
from collab_server.roster import Joiner
from collab_server.store.base import Row, Snapshot
from collab_server.store.sqlite import SqliteStore

_CLIENTS: Final = 10
_RATE: Final = 2000
_TRACES: Final = Path(__file__).parents[2] / "shared" / "data"
_ROOM: Final = "notes"
_ORIGIN: Final = Origin("bench", _ROOM, b"d" * 32)


@dataclass
class Steps:
    """Times each callback of the loops of this process, in seconds."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    slowest: str = ""
    count: int = 0
    _original: Callable[..., None] = field(default=asyncio.Handle._run)

    def __enter__(self) -> Self:
        steps = self

        def run(handle: asyncio.Handle) -> None:
            wall, cpu = time.perf_counter(), time.thread_time()
            steps._original(handle)
            cpu_s, wall_s = time.thread_time() - cpu, time.perf_counter() - wall
            steps.count += 1
            steps.wall_s = max(steps.wall_s, wall_s)
            if cpu_s > steps.cpu_s:
                steps.cpu_s, steps.slowest = cpu_s, _name_of(handle)

        asyncio.Handle._run = run  # type: ignore[method-assign]  # for this process only
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._original  # type: ignore[method-assign]

    def forget(self) -> None:
        """Begin again."""
        self.wall_s, self.cpu_s, self.slowest, self.count = 0.0, 0.0, "", 0


def _name_of(handle: Any) -> str:
    callback = handle._callback
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"task {task.get_name()}"
    return str(getattr(callback, "__qualname__", callback))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traces", type=Path, default=_TRACES, help="where automerge-paper.json.gz is")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long updates come")
    parser.add_argument("--rows", type=int, default=30_000, help="rows made offline")
    parser.add_argument("--only", nargs="*", choices=list(_PARTS), default=list(_PARTS))
    options = parser.parse_args()
    rows: list[list[str]] = []
    for part in options.only:
        with tempfile.TemporaryDirectory(prefix="bench-sync-") as folder:
            rows += _PARTS[part](Path(folder), options)
    print("Sync, ms where nothing else is said\n")
    print_table(["what", "times", "p50", "p99", "max", "aim"], rows)


def _row(what: str, times_s: list[float], aim: str = "", *, unit: float = 1000) -> list[str]:
    figures = (percentile(times_s, 50), percentile(times_s, 99), max(times_s))
    return [what, f"{len(times_s):,}", *(f"{figure * unit:,.2f}" for figure in figures), aim]


def _row_of_steps(what: str, steps: dict[str, Any]) -> list[list[str]]:
    slowest = f"{what}: longest step, CPU ({steps['slowest']})"
    count = f"{steps['count']:,}"
    return [
        [slowest, count, "", "", f"{steps['cpu_s'] * 1000:.2f}", "≤ 5"],
        [f"{what}: longest step, wall", count, "", "", f"{steps['wall_s'] * 1000:.2f}", ""],
    ]


# Receipts


class _Writer:
    """One client's end in the server's process: has rows ready, and notes when receipts for them come."""

    answers_resync = True

    def __init__(self, session: int, rows: int) -> None:
        self.session = session
        self.took_s: list[float] = []
        self.is_live = asyncio.Event()
        self.is_receipted = asyncio.Event()
        self._sent_at: list[float] = []
        self._receipted = 0
        self._rows: list[bytes] = []
        self._replica = Replica(secrets.randbits(32))
        self._replica.on_update = self._rows.append
        for index in range(rows):
            self._replica.edit(index, 0, "x")

    def hello(self) -> Hello:
        name = f"writer {self.session}"
        nonce, device = self.session.to_bytes(16, "big"), self.session.to_bytes(32, "big")
        ids = (self._replica.client_id,)
        return Hello(VERSIONS, nonce, device, ids, name, None, None, None, None, 0, EMPTY_STATE_VECTOR)

    def write(self) -> tuple[int, bytes]:
        """Return the next row, a typed letter, which is on its way from now on."""
        self.is_receipted.clear()
        self._sent_at.append(time.perf_counter())
        return len(self._sent_at), self._rows[len(self._sent_at) - 1]

    def deliver(self, message: Message) -> None:
        match message:
            case Welcome():
                self.is_live.set()
            case Receipt(n):
                now = time.perf_counter()
                self.took_s += [now - at for at in self._sent_at[self._receipted : n]]
                self._receipted = n
                if n == len(self._sent_at):
                    self.is_receipted.set()
            case Fault():
                raise AssertionError(message)
            case _:
                pass


def _receipts(folder: Path, options: argparse.Namespace) -> list[list[str]]:
    return _run(_receipts_of(folder, options.seconds))


async def _receipts_of(folder: Path, seconds: float) -> list[list[str]]:
    count = int(seconds * _RATE)
    writers = [_Writer(session, count // _CLIENTS) for session in range(1, _CLIENTS + 1)]

    async def work(registry: Registry) -> None:
        room = (await registry.open(_ROOM)).room
        for writer in writers:
            room.join(writer, writer.hello(), Joiner("principal", Role.WRITE))
        await asyncio.gather(*(writer.is_live.wait() for writer in writers))
        order = [writer for writer in writers for _ in range(count // _CLIENTS)]
        random.Random(1).shuffle(order)
        began, sent = time.perf_counter(), 0
        while sent < len(order):
            due = min(int((time.perf_counter() - began) * _RATE), len(order))
            for writer in order[sent:due]:
                room.update(writer, *writer.write())
            sent = due
            # Never sleep(0): a loop that spins keeps the store's thread from running, 5 ms each time.
            await asyncio.sleep(0.0005)
        await asyncio.gather(*(writer.is_receipted.wait() for writer in writers))

    with Steps() as steps:
        await _with_registry(folder, work)
    times_s = [took for writer in writers for took in writer.took_s][_RATE // 2 :]
    longest = f"{steps.cpu_s * 1000:.2f}"
    return [
        _row(f"receipt, {_RATE:,} updates/s of {_CLIENTS}", times_s, "p50 ≤ 1"),
        ["  longest step, CPU", f"{steps.count:,}", "", "", longest, "≤ 5"],
        [f"  one commit and fsync of a row in {folder.parent}", *_commits(folder)],
    ]


def _commits(folder: Path) -> list[str]:
    """Time what no server can do without, for scale."""
    store = SqliteStore(folder / "commits.sqlite3")
    store.create(_ROOM, b"l" * 16, 0.0)
    times_s: list[float] = []
    for seq in range(1, 301):
        row = Row(_ROOM, seq, seq, 1, "principal", "name", b"h" * 32, 0.0, b"x" * 40)
        began = time.perf_counter()
        store.write([row], [])
        times_s.append(time.perf_counter() - began)
    store.close()
    return _row("", times_s)[1:]


async def _with_registry(folder: Path, work: Callable[[Registry], Awaitable[None]]) -> None:
    store = SqliteStore(folder / "rooms.sqlite3")
    committer = Committer(store, asyncio.get_running_loop())
    registry = Registry(_config(folder), committer, epoch=store.epoch, is_durable=True)
    try:
        await work(registry)
        await registry.close("done")
        registry.dispose()
    finally:
        await committer.close()


def _config(folder: Path) -> ServerConfig:
    return ServerConfig(
        data_dir=folder,
        unix_path=folder / "socket",
        host=None,
        port=None,
        insecure=False,
        memory=False,
        idle_exit_s=None,
        version="0",
    )


# The gate


def _gate(_: Path, options: argparse.Namespace) -> list[list[str]]:
    author, _ = _trace(options.traces, keep_rows=False)
    snapshot = author.update_since()
    typed = bench_gate._typing(snapshot, 3000)
    jumps = bench_gate._jumps(snapshot, 300, indexed=True)
    return [
        _row("gate, typed letter, µs", typed, "p50 ≤ 6", unit=1e6),
        _row("gate, cursor jump, indexed, µs", jumps, "p50 ≤ 50", unit=1e6),
    ]


def _trace(folder: Path, *, keep_rows: bool) -> tuple[Replica, list[bytes]]:
    """Replay the trace, each keystroke an edit of its own; returns its author and the rows."""
    with gzip.open(folder / "automerge-paper.json.gz") as file:
        trace = json.load(file)
    author, rows = Replica(0x1F2E3D4C), list[bytes]()
    if keep_rows:
        author.on_update = rows.append
    for transaction in trace["txns"]:
        for position, deleted, inserted in transaction["patches"]:
            author.edit(position, deleted, inserted)
    return author, rows


# Rows made offline


def _upload(folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Let a server and a client in processes of their own have it out over a Unix socket."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(folder, theirs), daemon=True)
    server.start()
    try:
        ours.recv()
        client = _run(_offline_then_online(folder, options.rows))
        ours.send("stop")
        steps = ours.recv()
    finally:
        server.join(20)
        if server.is_alive():
            server.kill()
    took = client["took_s"]
    return [
        [f"{options.rows:,} offline rows, until receipted", "1", "", "", f"{took * 1000:,.0f}", ""],
        *_row_of_steps("  server", steps),
        *_row_of_steps("  client", client),
    ]


def _serve(folder: Path, pipe: Connection) -> None:
    async def until_stop(steps: Steps) -> None:
        stop = asyncio.Event()

        def ready(_: object) -> None:
            pipe.send("ready")
            steps.forget()

        def told() -> None:
            pipe.recv()
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            pipe.send(_as_dict(steps))
            stop.set()

        asyncio.get_running_loop().add_reader(pipe.fileno(), told)
        await serve(_config(folder), stop=stop, ready=ready)

    with Steps() as steps:
        asyncio.run(until_stop(steps))


def _as_dict(steps: Steps) -> dict[str, Any]:
    return {
        "wall_s": steps.wall_s,
        "cpu_s": steps.cpu_s,
        "slowest": steps.slowest,
        "count": steps.count,
    }


async def _offline_then_online(folder: Path, rows: int) -> dict[str, Any]:
    journal, document = _document(folder / "journal.sqlite3", os.urandom(16))
    journal.begin(asyncio.get_running_loop())
    for index in range(rows):
        document.buffer.type_text("\n" if index % 60 == 59 else "x")
        if index % 1000 == 0:
            await asyncio.sleep(0)
    address = Address(_ROOM, unix_path=folder / "socket")
    session = Session(document, journal=journal, connect=lambda: open_link(address), dice=random.random)
    await session.settle(60)  # until all of it is in the journal
    await asyncio.sleep(1)  # which folds it
    is_saved = asyncio.Event()
    session.on_status = lambda _: is_saved.set() if document.unsaved == 0 else None
    with Steps() as steps:
        began = time.perf_counter()
        running = asyncio.create_task(session.run(), name="session")
        async with asyncio.timeout(60):
            await is_saved.wait()
        took_s = time.perf_counter() - began
        figures = _as_dict(steps) | {"took_s": took_s}
    session.leave()
    await running
    document.close()
    return figures


def _document(path: Path, nonce: bytes) -> tuple[Journal, Document]:
    journal, contents, _ = open_journal(path, _ORIGIN)
    return journal, _document_of(contents, journal, nonce)


def _document_of(contents: Contents, journal: Journal, nonce: bytes) -> Document:
    return Document(
        finish(replay(contents, _draw_replica())),
        contents,
        Identity(nonce, _ORIGIN.device, "bench"),
        journal=journal,
        make_replica=_draw_replica,
        keep_copy=lambda text: "nowhere",
        now=time.time,
    )


def _draw_replica() -> Replica:
    return Replica(secrets.randbits(32), has_undo=True)


# Opening a room


def _open(folder: Path, options: argparse.Namespace) -> list[list[str]]:
    """Build the room once by replaying the trace, then open it from its snapshot."""
    author, rows = _trace(options.traces, keep_rows=True)
    store = SqliteStore(folder / "rooms.sqlite3")
    store.create(_ROOM, b"l" * 16, 0.0)
    merged = [
        merge_rows(rows[begin : begin + MERGED_ROWS], EMPTY_STATE_VECTOR)
        for begin in range(0, len(rows), MERGED_ROWS)
    ]
    made = [
        Row(_ROOM, seq, seq, 1, "principal", "name", b"h" * 32, 0.0, data, (author.client_id,))
        for seq, data in enumerate(merged, 1)
    ]
    store.write(made, [])
    snapshot = Snapshot(len(made), author.update_since())
    store.save_snapshot(_ROOM, snapshot)
    store.close()
    times_s: list[float] = []
    joined_s: list[float] = []
    longest = Steps()
    gc.collect()
    gc.freeze()  # what the trace has left is no server's
    for _ in range(20):
        with Steps() as steps:
            opened, joined = _run(_opening(folder))
        times_s.append(opened)
        joined_s.append(joined)
        longest = max(longest, steps, key=lambda each: each.cpu_s)
    what = f"open from a snapshot of {len(snapshot.data):,} bytes"
    return [
        _row(what, times_s, "≤ 15"),
        _row("  until Welcome to one who has nothing", joined_s),
        *_row_of_steps("  opening", _as_dict(longest)),
    ]


async def _opening(folder: Path) -> tuple[float, float]:
    figures: list[float] = []

    async def work(registry: Registry) -> None:
        began = time.perf_counter()
        room = (await registry.open(_ROOM)).room
        figures.append(time.perf_counter() - began)
        writer = _Writer(1, 0)
        room.join(writer, writer.hello(), Joiner("principal", Role.WRITE))
        await writer.is_live.wait()
        figures.append(time.perf_counter() - began)

    await _with_registry(folder, work)
    return figures[0], figures[1]


# The journal


def _journal(folder: Path, _: argparse.Namespace) -> list[list[str]]:
    return [*_run(_keeping(folder / "kept.sqlite3")), *_run(_opening_journal(folder / "long.sqlite3"))]


async def _keeping(path: Path) -> list[list[str]]:
    """Type with the gaps of a fast typist, and see when each row is on disk."""
    journal, document = _document(path, b"n" * 16)
    journal.begin(asyncio.get_running_loop())
    times_s: list[float] = []
    for _ in range(500):
        began = time.perf_counter()
        document.buffer.type_text("x")
        kept = asyncio.Event()
        document.on_kept = kept.set
        while document.kept < document.unsaved:
            kept.clear()
            await kept.wait()
        times_s.append(time.perf_counter() - began)
        await asyncio.sleep(0.005)
    await journal.close(5)
    document.close()
    return [_row("journal: own row until kept", times_s)]


async def _opening_journal(path: Path) -> list[list[str]]:
    rows: list[bytes] = []
    author = _draw_replica()
    author.on_update = rows.append
    dice = random.Random(5)
    for _ in range(5000):
        author.edit(dice.randrange(author.size_utf8 + 1), 0, "x")
    file = JournalFile(path, _ORIGIN)
    file.write([Own(author.client_id, n, data, 0.0, None) for n, data in enumerate(rows, 1)])
    file.close()
    read_s: list[float] = []
    whole_s: list[float] = []
    longest_s = 0.0
    for _ in range(10):
        began = time.perf_counter()
        journal, contents, _ = open_journal(path, _ORIGIN)
        read_s.append(time.perf_counter() - began)
        replaying = replay(contents, _draw_replica())
        while True:
            step = time.thread_time()
            try:
                next(replaying)
            except StopIteration as done:
                replayed = done.value
                break
            finally:
                longest_s = max(longest_s, time.thread_time() - step)
        step = time.thread_time()
        document = Document(
            replayed,
            contents,
            Identity(b"n" * 16, _ORIGIN.device, "bench"),
            journal=journal,
            make_replica=_draw_replica,
            keep_copy=lambda text: "nowhere",
            now=time.time,
        )
        longest_s = max(longest_s, time.thread_time() - step)
        whole_s.append(time.perf_counter() - began)
        document.close()
        journal.abandon()
    return [
        _row("journal of 5,000 scattered rows: read (in a thread)", read_s),
        _row("  until the text is there", whole_s),
        ["  longest step, CPU", "", "", "", f"{longest_s * 1000:.2f}", "≤ 5"],
    ]


def _run(work: Any) -> Any:
    return asyncio.run(work)


_PARTS: Final[dict[str, Callable[[Path, argparse.Namespace], list[list[str]]]]] = {
    "receipts": _receipts,
    "gate": _gate,
    "upload": _upload,
    "open": _open,
    "journal": _journal,
}

if __name__ == "__main__":
    main()
