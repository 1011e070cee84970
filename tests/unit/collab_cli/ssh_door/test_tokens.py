"""Tokens as guests type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from collab_cli.ssh_door.tokens import Devices, guest_of_token, token_in

_TOKEN = "ci1.k1.eyJ9.c2ln"


@pytest.mark.parametrize(
    "typed", [_TOKEN, f" {_TOKEN}\n", f"wss://example.org/notes#{_TOKEN}", f"ws://[::1]:8765/a#{_TOKEN} "]
)
def test_a_link_and_a_token_alone_are_both_taken(typed: str) -> None:
    assert token_in(typed) == _TOKEN


@pytest.mark.parametrize(
    "typed", ["", "guessed", "wss://example.org/notes", f"{_TOKEN} and more", f"x{_TOKEN}"]
)
def test_what_is_no_token_is_none(typed: str) -> None:
    assert token_in(typed) is None


def test_a_guest_is_known_again_and_their_token_is_not_told(tmp_path: Path) -> None:
    guest = guest_of_token(_TOKEN)
    assert guest == guest_of_token(_TOKEN) != guest_of_token(_TOKEN + "x")
    assert guest_of_token(_TOKEN, "ana") == guest_of_token(_TOKEN, "ana")
    assert len({guest, guest_of_token(_TOKEN, "ana"), guest_of_token(_TOKEN, "bo")}) == 3
    assert _TOKEN not in guest
    assert "/" not in guest
    devices = Devices(tmp_path / "device")
    assert devices.of(guest) == Devices(tmp_path / "device").of(guest)
    assert devices.of(guest) != devices.of("key-0123456789abcdef")
    assert devices.of(guest) != Devices(tmp_path / "other").of(guest)
    assert len(devices.of(guest)) == 32
