"""Tests of `collab_cli.credential_keeper`: the newest is stored, and trouble with it is told."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from collab_cli.credential_keeper import CredentialKeeper
from collab_cli.credentials import Credentials, Stored
from collab_protocol.messages import Credential

URL = "wss://example.org"
FIRST, SECOND = "cc1.k1.YQ.c2lnbmF0dXJl", "cc1.k1.Yg.c2lnbmF0dXJl"
DEADLINE_S = 20.0


async def written(keeper: CredentialKeeper) -> None:
    assert keeper._writing is not None
    async with asyncio.timeout(DEADLINE_S):
        await keeper._writing


async def test_the_newest_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    keeper = CredentialKeeper(Credentials(file), URL, "notes")
    told: list[str] = []
    keeper.on_trouble = told.append
    keeper.granted(Credential(FIRST, 1_700_000_000_500))
    keeper.granted(Credential(SECOND, None))
    await written(keeper)
    assert Credentials(file).find(URL, "notes") == Stored(SECOND, None)
    keeper.granted(Credential(FIRST, 4_000_000_000_500))
    await written(keeper)
    assert Credentials(file).find(URL, "notes") == Stored(FIRST, 4_000_000_000.5)
    assert told == []


async def test_trouble_is_told_without_the_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "no folder").touch()
    keeper = CredentialKeeper(Credentials(tmp_path / "no folder" / "credentials.json"), URL, "notes")
    told: list[str] = []
    keeper.on_trouble = told.append
    keeper.granted(Credential(FIRST, None))
    await written(keeper)
    [text] = told
    assert text.startswith("your access to this room is not kept on this machine: ")
    assert FIRST not in text + caplog.text


async def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    keeper = CredentialKeeper(Credentials(tmp_path / "credentials.json"), URL, "notes")
    told: list[str] = []
    keeper.on_trouble = told.append
    keeper.granted(Credential(FIRST, None))
    await written(keeper)
    [text] = told
    assert "was damaged" in text
    assert FIRST in json.dumps(json.loads((tmp_path / "credentials.json").read_text()))
