"""Tests of `collab_server.retention`: history goes while people write, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import unix_connect
from websockets.typing import Subprotocol

from collab_client.who_wrote import finding_authors
from collab_protocol.errors import CollabError, StoreError
from collab_protocol.lib0 import finish
from collab_protocol.messages import AskAuthors, Authors, Receipt, Update, unpacking_ids
from collab_server import retention as retention_module
from collab_server.administering import administer
from collab_server.asked import Asked
from collab_server.committer import Committer
from collab_server.config import HistoryLimits
from collab_server.erasing import text_alone
from collab_server.lock import Endpoints
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from collab_server.retention import Clock, Retention
from collab_server.store.base import StoreTrouble
from collab_server.store.retention import Grounds, Plan
from collab_server.store.sqlite import SqliteStore
from collab_server.store.verifying import verify

from .rooms import hello
from .stores import MINUTE_S, NOON, damage, text_in, write_room
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder

ALL = HistoryLimits(size_bytes=0)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "data" / "rooms.sqlite3"


async def ask(server: Endpoints, **request: Any) -> dict[str, Any]:
    """Return what the office answers."""
    uri, spoken = f"ws://localhost{ADMIN_PATH}", [Subprotocol(ADMIN_SUBPROTOCOL)]
    async with asyncio.timeout(DEADLINE_S), unix_connect(server.unix, uri, subprotocols=spoken) as websocket:
        await websocket.send(json.dumps({"do": "compact", **request}))
        answer: dict[str, Any] = json.loads(await websocket.recv())
    return answer


async def write(client: Client, *words: str) -> None:
    """Write words at the end, each in a row of its own."""
    for word in words:
        await client.type(word)
        await client.wait_for(Receipt)


async def who_wrote(client: Client) -> list[tuple[str, str]]:
    """Return the text in pieces, with the name of who wrote each, as an editor finds that out."""
    await client.send(AskAuthors(None))
    ever = await client.wait_for(Authors)
    numbers = dict(unpacking_ids(ever.ids))
    text = client.replica.text()
    runs = finish(finding_authors(client.replica.update_since(), [tuple(text.split("\n"))], numbers))
    pieces, at = [], 0
    for length, number in runs.between(0, runs.size_utf8):
        pieces.append((text.encode()[at : at + length].decode(), ever.people[number].name))
        at += length
    return pieces


async def test_who_wrote_what_is_known_after_it_and_people_go_on(folder: Path, path: Path) -> None:
    async with running(config(folder)) as server, joined(server, "ana") as ana:
        await write(ana, "eins ", "zwei ")
        async with joined(server, "bo") as bo:
            await write(bo, *"drei ")
            ana.replica.apply(bo.replica.update_since(ana.replica.state_vector()))
            before = await who_wrote(bo)
            assert [name for _, name in before] == ["ana", "bo"]
        would = await ask(server, larger_bytes=0, dry_run=True)
        assert [(each["room"], each["rows"]) for each in would["ok"]["rooms"]] == [("notes", 6)]
        assert verify(path).rooms[0].rows == 7
        done = await ask(server, larger_bytes=0)
        assert [(each["rows"], each["kept_rows"], each["why"]) for each in done["ok"]["rooms"]] == [
            (6, 1, "")
        ]
        await write(ana, "vier")
    found = verify(path)
    assert found.is_right, found
    assert found.rooms[0].rows == 2
    async with running(config(folder)) as server, joined(server, "cy") as cy:
        assert cy.replica.text() == "eins zwei drei vier"
        assert await who_wrote(cy) == [*before, ("vier", "ana")]


async def test_one_who_was_away_since_before_it_merges(folder: Path, path: Path) -> None:
    async with running(config(folder)) as server:
        async with joined(server, "ana") as ana:
            await write(ana, *"abcdefgh")
            away = ana.replica.update_since()
        async with joined(server, "bo") as bo:
            await write(bo, "ijk")
            bo.replica.edit(0, 2, "")
            await bo.send(Update(len(bo.rows), bo.rows[-1]))
            await bo.wait_for(Receipt)
            text = bo.replica.text()
        assert (await ask(server, larger_bytes=0))["ok"]["rooms"][0]["rows"]
    async with running(config(folder)) as server, dial(server) as back:
        back.replica.apply(away)
        back.replica.edit(0, 0, "offline ")
        row = back.rows[-1]
        greeting = hello("ana", state_vector=back.replica.state_vector())
        await back.enter(greeting)
        back.rows = [row]
        await back.send(Update(1, row))
        await back.wait_for(Receipt)
        assert back.replica.text() == f"offline {text}"
    assert text_in(path) == f"offline {text}"
    assert verify(path).is_right


class Bench:
    """A store with a room of twelve rows, and what lets go of its history."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.now = NOON + 100 * MINUTE_S
        self.config = config(folder, **options)
        self.path = self.config.data_dir / "rooms.sqlite3"
        self.store = SqliteStore(self.path)
        self.text = write_room(self.store, rows=12, snapshots=(4,))
        self.committer = Committer(self.store, asyncio.get_running_loop())
        self.retention = Retention(self.config, self.committer, now=lambda: self.now, every_s=3600)

    @property
    def rows(self) -> int:
        return verify(self.path).rooms[0].rows


@pytest.fixture
async def bench(folder: Path) -> AsyncIterator[Bench]:
    made = Bench(folder)
    yield made
    await made.committer.close()
    assert text_in(made.path) == made.text
    assert verify(made.path).is_right


async def test_what_went_is_in_the_log_and_no_name_is(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (outcome,) = await bench.retention.tidy(HistoryLimits(age_s=94 * MINUTE_S), now=bench.now)
    assert (outcome.rows, bench.rows) == (5, 7)
    line = caplog.records[-1].getMessage()
    assert line.startswith("5 rows of history went")
    assert "from 2027-01-01T12:01:00Z to 2027-01-01T12:05:00Z" in line
    assert "notes" not in line


async def test_by_the_hour_it_is_done_where_it_is_worth_it(bench: Bench, folder: Path) -> None:
    def limited(**limits: Any) -> Retention:
        settings = config(folder, history=HistoryLimits(**limits))
        return Retention(settings, bench.committer, now=lambda: bench.now)

    await limited(age_s=94 * MINUTE_S)._look()
    assert bench.rows == 12, "twelve rows, and not for long"
    bench.now += 86_400
    await limited(size_bytes=0)._look()
    assert bench.rows == 12
    damage(bench.path, "UPDATE row SET at = ? WHERE first = 12", bench.now)
    await limited(age_s=94 * MINUTE_S)._look()
    assert bench.rows == 1, "for more than a day"


async def test_it_begins_with_the_server(folder: Path, path: Path) -> None:
    store = SqliteStore(path)
    text = write_room(store, rows=12)
    store.close()
    damage(path, "UPDATE row SET at = first WHERE first < 12")
    damage(path, "UPDATE row SET at = 4e9 WHERE first = 12")
    async with running(config(folder, history=HistoryLimits(age_s=60.0))):
        async with asyncio.timeout(DEADLINE_S):
            while verify(path).rooms[0].rows > 1:
                await asyncio.sleep(0.01)
    assert text_in(path) == text


async def test_a_room_in_doubt_keeps_its_history_and_the_others_go_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    write_room(bench.store, "plans", rows=6)
    write_room(bench.store, "zoo", rows=6)
    with bench.store._transaction() as db:
        db.execute("UPDATE row SET data = x'ff' WHERE room = 'plans' AND first = 2")
    outcomes = await bench.retention.tidy(ALL)
    assert [(each.plan.room, each.rows) for each in outcomes] == [("notes", 11), ("plans", 0), ("zoo", 5)]
    assert "row 2" in outcomes[1].why
    assert not any("plans" in record.getMessage() for record in caplog.records)
    bench.store.delete_room("plans")


async def test_each_step_is_as_long_as_others_may_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    step = retention_module._next_step
    assert (step(16, 0.001, 2000), step(16, 0.005, 2000), step(16, 0.02, 2000)) == (32, 16, 8)
    assert (step(1, 1.0, 2000), step(2000, 0.001, 2000)) == (1, 2000)
    monkeypatch.setattr(retention_module, "_ROWS_AT_FIRST", 2)
    monkeypatch.setattr(retention_module, "_next_step", lambda size, took_s, most: size)
    monkeypatch.setattr(retention_module, "_REST_S", 0)
    seen: list[int] = []
    trim_log = SqliteStore.trim_log

    def trimming(store: SqliteStore, grounds: Any, most: int) -> Any:
        seen.append(most)
        return trim_log(store, grounds, most)

    monkeypatch.setattr(SqliteStore, "trim_log", trimming)
    await bench.retention.tidy(ALL)
    assert seen == [2] * 7


async def test_a_room_that_gets_snapshots_meanwhile_is_looked_at_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = SqliteStore.keep_snapshots
    tries: list[bool] = []

    def keeping(store: SqliteStore, grounds: Any) -> bool:
        if not tries:  # the server makes one between reading and keeping
            store.save_snapshot("notes", grounds.new[-1])
        tries.append(keep(store, grounds))
        return tries[-1]

    monkeypatch.setattr(SqliteStore, "keep_snapshots", keeping)
    (outcome,) = await bench.retention.tidy(ALL)
    assert tries == [False, True]
    assert (outcome.rows, outcome.why) == (11, "")


async def test_a_server_that_stops_waits_for_nothing_of_it(bench: Bench) -> None:
    looking = asyncio.create_task(bench.retention.run())
    await asyncio.sleep(0)
    looking.cancel()
    await asyncio.wait([looking])
    with pytest.raises(StoreTrouble, match="stopping"):
        await bench.retention.tidy(ALL)
    assert bench.rows >= 1


async def test_what_is_asked_for_wrongly_is_said(bench: Bench, folder: Path) -> None:
    compact = bench.retention.requests()["compact"]
    with pytest.raises(CollabError, match="--older TIME or --larger SIZE"):
        await compact(Asked({}))
    with pytest.raises(StoreError, match="no room other"):
        await compact(Asked({"larger_bytes": 0, "rooms": ["notes", "other"]}))
    with pytest.raises(CollabError, match="less than nothing"):
        await compact(Asked({"older_s": -5}))
    with pytest.raises(CollabError, match="list of texts"):
        await compact(Asked({"larger_bytes": 0, "rooms": "notes"}))
    in_memory = Retention(config(folder, memory=True), bench.committer)
    with pytest.raises(CollabError, match="nothing on disk"):
        await in_memory.requests()["compact"](Asked({"larger_bytes": 0}))
    assert bench.rows == 12


async def test_without_a_server_the_file_is_written_anew_too(folder: Path, path: Path) -> None:
    store = SqliteStore(path)
    text = write_room(store, rows=12)
    store.close()
    done = await administer(config(folder), {"do": "compact", "larger_bytes": 0})
    assert [(each["room"], each["rows"]) for each in done["rooms"]] == [("notes", 11)]
    assert (done["free_bytes"], text_in(path)) == (0, text)


async def test_a_clock_by_which_all_is_old_at_the_start_is_not_believed_for_a_day(
    bench: Bench, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    passed = 50.0
    settings = config(folder, history=HistoryLimits(age_s=3600.0))
    bench.now += 50 * 365 * 86_400  # a machine without a clock of its own
    retention = Retention(settings, bench.committer, now=lambda: bench.now, monotonic=lambda: passed)
    for _ in range(2):
        await retention._look()
    assert bench.rows == 12
    assert [each for each in caplog.messages if "hours ahead" in each]
    passed, bench.now = passed + 90_000, bench.now + 90_000
    await retention._look()
    assert bench.rows == 1, "nobody set it right: nobody wrote for so long"


async def test_a_room_that_is_forgotten_meanwhile_is_no_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_grounds, seen = retention_module.find_grounds, list[str]()

    def late(db: sqlite3.Connection, due: Plan, **options: Any) -> Grounds:
        if not seen:
            seen.append(due.room)
            with contextlib.closing(SqliteStore(bench.path)) as store:
                store.rewrite_room("notes", b"n" * 16, text_alone(bench.text, 77), (77,))
        return find_grounds(db, due, **options)

    monkeypatch.setattr(retention_module, "find_grounds", late)
    (outcome,) = await bench.retention.tidy(ALL)
    assert (outcome.rows, outcome.why) == (0, "")


def test_a_clock_that_was_set_ahead_is_not_believed_for_a_day() -> None:
    now, passed = 1000.0, 50.0
    clock = Clock(lambda: now, lambda: passed)

    def after(wall_s: float, real_s: float) -> float | None:
        nonlocal now, passed
        now, passed = now + wall_s, passed + real_s
        return clock.trusted()

    assert after(7200, 7200) == now
    assert after(3000, 0) == now
    assert after(1e8, 60) is None
    assert after(3600, 3600) is None
    assert after(-1e8, 3600) == now, "it was set right again"
    assert after(1e8, 0) is None
    assert after(90_000, 90_000) == now, "nobody did: it is right"
    assert after(3600, 3600) == now
    assert after(-1e6, 60) == now
    assert after(1e6, 60) is None, "set back, and then ahead again"
    assert after(80_000, 80_000) is None
    assert after(1e8, 0) is None, "and still further, just before it would be believed"
    assert after(10_000, 10_000) is None
    assert after(80_000, 80_000) == now
