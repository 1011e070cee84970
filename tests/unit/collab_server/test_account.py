"""Tests of `collab_server.account`: what the kernel says of the other end."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import Any, cast

import pytest
from websockets.asyncio.server import ServerConnection

from collab_server.account import account_behind


class Behind:
    """A connection whose other end is `peer`."""

    def __init__(self, peer: Any) -> None:
        self.transport = self
        self._peer = peer

    def get_extra_info(self, _: str) -> Any:
        return self._peer


def test_this_account_is_the_owner() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert account_behind(cast(ServerConnection, Behind(here))).is_owner


@pytest.mark.skipif(sys.platform != "linux", reason="SO_PEERCRED")
def test_accounts_of_containers_have_numbers_beyond_31_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    uid = 3_000_000_000

    class Peer:
        def getsockopt(self, *_: int) -> bytes:
            return struct.pack("iII", 1, uid, uid)

    connection = cast(ServerConnection, Behind(Peer()))
    assert account_behind(connection).name == f"uid {uid}"
    assert not account_behind(connection).is_owner
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert account_behind(connection).is_owner
