"""Tests of `collab_cli.redaction`: whoever reads what is left cannot come in with it."""

from __future__ import annotations

import pytest

from collab_cli.redaction import redact

INVITE = "ci1.k1.cGF5bG9hZA.c2lnbmF0dXJl"
CREDENTIAL = "cc1.k-_1.cGF5bG9hZA.c2ln-_mF0dXJl"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", ""),
        ("room 1. of 2", "room 1. of 2"),
        (INVITE, "ci1.…"),
        (f"join wss://h/notes#{INVITE}, please", "join wss://h/notes#ci1.…, please"),
        (f"{INVITE} and\n'{CREDENTIAL}'", "ci1.… and\n'cc1.…'"),
        ("ci1.no-token", "ci1.no-token"),
    ],
)
def test_tokens_are_cut_down_to_their_kind(text: str, left: str) -> None:
    assert redact(text) == left
