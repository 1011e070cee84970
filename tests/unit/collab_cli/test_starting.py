"""A session as it is started: what the journal holds is there at once, whatever has happened to the file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collab_cli.credentials import Credentials
from collab_cli.settings.flags import JoinFlags
from collab_cli.settings.joining import JoinSettings, join_settings
from collab_cli.ssh.dialling import SshDialler
from collab_cli.starting import Connector, _last_here, has_journal, start_session
from collab_cli.targets import parse_target
from collab_client import link
from collab_client.buffer import Buffer
from collab_client.journal_steps import JournalNewer
from collab_client.session import Session
from collab_protocol.errors import LinkError
from collab_protocol.messages import Credential, Said
from collab_protocol.presence import Author
from tests.unit.collab_cli.ssh.test_dialling import DENIED, SILENT, FakeSsh

DEVICE = b"d" * 32
DEADLINE_S = 20.0


def settings_in(home: Path) -> JoinSettings:
    flags = JoinFlags(target="notes", name="ana", offline=True)
    return join_settings(flags, {"COLLAB_HOME": str(home)})


@contextlib.asynccontextmanager
async def offline(home: Path, device: bytes = DEVICE) -> AsyncIterator[tuple[Buffer, Session]]:
    """Join notes with --offline, as far as the screen; it is left when the block ends."""
    buffer, session = await start_session(parse_target("notes"), settings_in(home), device)
    running = asyncio.create_task(session.run())
    try:
        yield buffer, session
    finally:
        session.leave()
        async with asyncio.timeout(DEADLINE_S):
            await running


def journal(home: Path) -> Path:
    (path,) = (home / "state" / "journals").glob("*.sqlite3")
    return path


async def type_and_keep(home: Path, text: str, device: bytes = DEVICE) -> None:
    async with offline(home, device) as (buffer, session):
        buffer.type_text(text)
        await session.settle(DEADLINE_S)
        assert (session.unsaved, session.kept) == (1, 1)


async def test_what_an_earlier_window_left_is_there_and_counts(tmp_path: Path) -> None:
    await type_and_keep(tmp_path, "on the train")
    async with offline(tmp_path) as (buffer, session):
        assert buffer.lines.text() == "on the train"
        assert (session.unsaved, session.kept) == (1, 1)
        assert session.status.text.startswith("…") or "1 change kept" in session.status.text


async def test_a_journal_copied_from_another_machine_goes_on_as_that_ones(tmp_path: Path) -> None:
    await type_and_keep(tmp_path, "made there", device=b"t" * 32)
    async with offline(tmp_path, device=b"h" * 32) as (buffer, session):
        assert buffer.lines.text() == "made there"
        hello = session._sync  # the rows are bound to the device that made them
        hello.connected()
        [said] = hello.to_send()
        assert said.device == b"t" * 32  # type: ignore[union-attr]  # a Hello
        hello.disconnected()


async def test_a_damaged_journal_is_set_aside_told_and_replaced(tmp_path: Path) -> None:
    await type_and_keep(tmp_path, "of before")
    path = journal(tmp_path)
    path.write_bytes(b"\xff" * path.stat().st_size)
    told: list[str] = []
    flags = JoinFlags(target="notes", name="ana", offline=True)
    settings = join_settings(flags, {"COLLAB_HOME": str(tmp_path)})
    buffer, session = await start_session(parse_target("notes"), settings, DEVICE)
    session.on_notice = told.append
    running = asyncio.create_task(session.run())
    buffer.type_text("goes on")
    await session.settle(DEADLINE_S)
    assert session.kept == 1
    session.leave()
    await running
    assert "was damaged: it was set aside as" in told[0]
    assert any(b"\xff" * 100 in each.read_bytes() for each in path.parent.glob("*.damaged-*"))
    async with offline(tmp_path) as (again, _):
        assert again.lines.text() == "goes on"


async def test_rows_that_are_no_text_are_damage_too(tmp_path: Path) -> None:
    await type_and_keep(tmp_path, "of before")
    with contextlib.closing(sqlite3.connect(journal(tmp_path))) as db:
        db.execute("UPDATE entry SET data = x'0101', crc = ?", (zlib.crc32(b"\x01\x01"),))
        db.commit()
    async with offline(tmp_path) as (buffer, _):
        assert buffer.lines.text() == ""
    assert list(journal(tmp_path).parent.glob("*.damaged-*"))


async def test_a_journal_of_a_newer_collab_is_left_alone(tmp_path: Path) -> None:
    await type_and_keep(tmp_path, "of the future")
    with contextlib.closing(sqlite3.connect(journal(tmp_path))) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalNewer, match="upgrade collab"):
        async with offline(tmp_path):
            pass


async def test_without_a_place_for_journals_one_can_still_type_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journals").write_text("no folder")
    async with offline(tmp_path) as (buffer, session):
        buffer.type_text("x")
        assert (session.unsaved, session.kept) == (1, 0)
        assert session.journal_trouble


async def test_when_a_room_was_open_last_is_known_before_it_is_opened_again(tmp_path: Path) -> None:
    target, settings = parse_target("notes"), settings_in(tmp_path)
    assert _last_here(target, settings) is None
    await type_and_keep(tmp_path, "x")
    path = journal(tmp_path)
    for file in path.parent.iterdir():
        os.utime(file, (1000.0, 1000.0))
    assert _last_here(target, settings) == 1000.0
    Path(f"{path}-wal").touch()
    os.utime(f"{path}-wal", (2000.0, 2000.0))
    assert _last_here(target, settings) == 2000.0, "what was written last may stand beside the file"
    assert _last_here(parse_target("other"), settings) is None


async def test_how_far_the_chat_was_read_is_known_the_next_time(tmp_path: Path) -> None:
    async with offline(tmp_path) as (_, session):
        session.chat.said(Said(7, 0, Author("account:bo", "bo", 1), "hello", False), is_mine=False)
        assert session.chat.unread == 1
        session.chat.read()
        async with asyncio.timeout(DEADLINE_S):
            while not settings_in(tmp_path).folders.read_file.exists():  # a thread writes it
                await asyncio.sleep(0)
    async with offline(tmp_path) as (_, session):
        assert session.chat.read_n == 7


async def test_a_token_is_said_once_connected_and_what_it_is_exchanged_for_is_kept(tmp_path: Path) -> None:
    invite, credential = "ci1.k1.YQ.c2lnbmF0dXJl", "cc1.k1.Yg.c2lnbmF0dXJl"
    target = parse_target(f"wss://example.org/notes#{invite}")
    settings = settings_in(tmp_path)
    _, session = await start_session(target, settings, DEVICE)
    session._sync.connected()
    [said] = session._sync.to_send()
    assert said.token == invite  # type: ignore[union-attr]  # a Hello
    session._sync.disconnected()
    session.on_granted(Credential(credential, None))
    async with asyncio.timeout(DEADLINE_S):
        while (
            stored := Credentials(settings.folders.credentials_file).find("wss://example.org", "notes")
        ) is None:
            await asyncio.sleep(0)  # a thread writes it
    assert stored.token == credential
    session.leave()
    async with asyncio.timeout(DEADLINE_S):
        await session.run()
    written = b"".join(path.read_bytes() for path in settings.folders.state.rglob("*") if path.is_file())
    assert b"k1" not in written, "journals hold no token"


async def test_a_server_on_this_machine_gives_nothing_to_keep(tmp_path: Path) -> None:
    async with offline(tmp_path) as (_, session):
        session.on_granted(Credential("cc1.k1.Yg.c2lnbmF0dXJl", None))
    assert not settings_in(tmp_path).folders.credentials_file.exists()


async def test_a_port_behind_a_dead_master_is_tried_without_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master takes whoever comes, and nothing comes back; without it, ssh says what there is to say."""
    monkeypatch.setattr(link, "_OPEN_TIMEOUT_S", 0.1)
    ssh = FakeSsh(tmp_path)
    ssh.config.write_text("controlpath /master\n")
    ssh.master.touch()
    ssh.does(f'case "$*" in *ControlPath=none*) {DENIED};; esac; {SILENT}')
    target = parse_target("ssh://pair/notes?via=tcp")
    assert target.server is not None
    assert target.server.ssh is not None
    dialler = SshDialler(target.server.ssh, ssh.program, os.environ)
    with pytest.raises(LinkError) as end:
        await Connector(target, settings_in(tmp_path), dialler).connect()
    assert end.value.asks_person
    assert ["ControlPath=none" in call for call in ssh.calls] == [False, True]


async def test_a_journal_without_text_is_nothing_to_come_back_for(tmp_path: Path) -> None:
    target, settings = parse_target("notes"), settings_in(tmp_path)
    assert not has_journal(target, settings)
    async with offline(tmp_path):
        pass
    assert journal(tmp_path).exists()
    assert not has_journal(target, settings)
    await type_and_keep(tmp_path, "kept")
    assert has_journal(target, settings)
    for each in journal(tmp_path).parent.iterdir():
        each.write_bytes(b"damaged")
    assert has_journal(target, settings), "there may be something"
