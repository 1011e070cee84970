"""Tests of `collab_server.log_fields`: a room is an id in the log, and nobody finds its name out by that."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

import collab_server
from collab_cli.logs import log_server
from collab_cli.settings.flags import LogFormat, LogLevel
from collab_protocol.messages import Batch, Bye, Presence, Receipt, Say, Update
from collab_protocol.names import ROOM_PATH
from collab_server.log_fields import Kind, about, room_id, set_key, without_name
from collab_server.store.sqlite import SqliteStore

from .wire import config, dial, joined, running, short_folder

EPOCH = bytes(range(16))


def test_a_room_has_one_id_for_as_long_as_the_store_lives() -> None:
    set_key(EPOCH)
    first = room_id("notes")
    assert len(first) == 8
    assert int(first, 16) >= 0
    set_key(os.urandom(16))
    assert room_id("notes") != first
    assert room_id("notes") == room_id("notes") != room_id("plans")
    set_key(EPOCH)
    assert room_id("notes") == first


def test_before_the_store_is_open_each_process_has_ids_of_its_own() -> None:
    code = "from collab_server.log_fields import room_id; print(room_id('notes'))"
    ids = {subprocess.run([sys.executable, "-c", code], stdout=-1, check=True).stdout for _ in range(2)}
    assert len(ids) == 2


def test_a_line_is_about_what_is_given() -> None:
    assert about() == {}
    assert about(room="notes", session=0) == {"room": room_id("notes"), "session": 0}
    assert about(kind=Kind.CAME) == {"kind": "came"}


@pytest.mark.parametrize("room", ["notes", "a", "room", "a.b-c_d", "2026"])
def test_an_error_is_told_without_the_name(room: str) -> None:
    told = without_name(f"room {room} lacks what lay between 3 and 5; {room}: it is full", room)
    assert told.count(room_id(room)) >= 2
    assert f" {room} " not in told
    assert f" {room}:" not in told


def test_what_only_looks_like_the_name_stays() -> None:
    assert (
        without_name("the notebook of notes-2 and my.notes", "notes")
        == "the notebook of notes-2 and my.notes"
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a server, whose log goes to the file `log` in it."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    loggers = [root, *(logging.getLogger(name) for name in ("collab_server", "collab_cli", "websockets"))]
    levels = [each.level for each in loggers]
    with short_folder() as made:
        log_server(made / "log", LogLevel.DEBUG, LogFormat.JSON)
        yield made
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


def _log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


class TestOfAServer:
    async def test_what_people_do_is_told_and_not_what_they_write_or_are_called(self, folder: Path) -> None:
        async with (
            running(config(folder, port=0, insecure=True)) as endpoints,
            joined(endpoints, "annabelle", "novel", tcp=True) as ana,
            joined(endpoints, "bonaventure", "novel", tcp=True) as bo,
        ):
            assert ana.welcome is not None
            await ana.wait_for(Presence)
            n = await ana.type("once upon a time")
            await ana.wait_for(Receipt)
            await ana.send(Say("whisper"))
            for _, data in (await bo.wait_for(Batch)).entries:
                bo.replica.apply(data)
            assert n == 1
            await ana.send(Bye("left", None))
            await ana.closed()
            await bo.send(Update(7, b"once upon a time"))
            await bo.closed()
            assert endpoints.tcp is not None
            with pytest.raises(InvalidStatus):
                await connect(
                    "ws://{}:{}{}novel".format(*endpoints.tcp, ROOM_PATH),
                    origin=Origin("https://example.org"),
                )
            async with dial(endpoints, "novel") as stranger:
                await stranger.websocket.send("novel: once upon a time")
                await stranger.closed()
        lines = _log(folder)
        written = (folder / "log").read_text()
        for secret in ("annabelle", "bonaventure", "novel", "once upon", "whisper", "device:"):
            assert secret not in written, secret

        events = [line["event"] for line in lines]
        assert events[0].startswith("serving ")
        assert "stopping: 0 connections are told to come back" in events
        assert events[-1].startswith("ended")
        (room,) = {line["room"] for line in lines if "room" in line}
        with contextlib.closing(SqliteStore(folder / "data" / "rooms.sqlite3")) as store:
            set_key(store.epoch)
        assert room == room_id("novel")
        of_ana = [line for line in lines if line.get("session") == ana.welcome.session]
        of_ana = [line for line in of_ana if line["level"] == "info"]
        assert [line["kind"] for line in of_ana] == ["came", "left"]
        assert of_ana[0]["event"].startswith("came by TCP from 127.0.0.1 as write with protocol ")
        assert "with a goodbye" in of_ana[1]["event"]
        assert of_ana[1]["event"].endswith("NORMAL 1000")
        assert {"hostile", "refused"} <= {line.get("kind") for line in lines}
        assert "127.0.0.1 was not let in: HTTP 403" in events


_PRIVATE = {"name", "room_name", "principal", "person", "token", "text", "link", "who"}
_HARMLESS = {"about", "_about", "room_id", "without_name", "len"}


def _spoken_of(call: ast.Call) -> Iterator[str]:
    """Yield what a call that logs hands over of what people wrote, or are called."""
    waiting: list[ast.AST] = [*call.args, *(each.value for each in call.keywords)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            called = node.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in _HARMLESS:
                continue
        if isinstance(node, ast.Attribute) and node.attr in _PRIVATE:
            yield ast.unparse(node)
        if isinstance(node, ast.Name) and node.id in ("room", "room_name", "principal", "person", "token"):
            yield node.id
        waiting += ast.iter_child_nodes(node)


def test_no_call_that_logs_hands_over_a_name_or_a_text() -> None:
    found, calls = [], 0
    for path in sorted(Path(collab_server.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
                calls += 1
                found += [f"{path.name}:{node.lineno}: {what}" for what in _spoken_of(node)]
    assert calls > 40
    assert found == []
