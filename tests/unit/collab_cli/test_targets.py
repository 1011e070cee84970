"""Tests of `collab_cli.targets`: what people type becomes a room and a server, or one line of help."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.exits import UsageError
from collab_cli.targets import Server, Target, is_loopback, parse_server, parse_target

TOKEN = "ci1.k1.cGF5bG9hZA.c2lnbmF0dXJl"
ROOMS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("notes", Target("notes")),
        ("ws://127.0.0.1:8765/notes", Target("notes", Server(url="ws://127.0.0.1:8765"))),
        ("ws://localhost/notes/", Target("notes", Server(url="ws://localhost"))),
        ("ws://[::1]:9/notes", Target("notes", Server(url="ws://[::1]:9"))),
        ("wss://example.org/notes", Target("notes", Server(url="wss://example.org"))),
        ("unix:///run/a.sock?room=notes", Target("notes", Server(unix_path=Path("/run/a.sock")))),
        ("unix:///run/a%20b.sock?room=notes", Target("notes", Server(unix_path=Path("/run/a b.sock")))),
    ],
)
def test_what_is_typed_names_a_room(typed: str, expected: Target) -> None:
    assert parse_target(typed) == expected


@pytest.mark.parametrize(
    ("typed", "help_given"),
    [
        ("", "cannot name a room"),
        ("two words", "cannot name a room"),
        ("../etc", "cannot name a room"),
        ("http://localhost/notes", "write ROOM, ws://"),
        ("ws://localhost", "add one, as in ws://localhost/notes"),
        ("ana@pair:notes", "for a room elsewhere write ssh://[USER@]HOST/ROOM"),
        ("ssh:/pair/notes", "for a room elsewhere write ssh://[USER@]HOST/ROOM"),
        ("ws://localhost/", "names no room"),
        ("ws:///notes", "names no host"),
        ("ws://localhost/rooms/notes", "cannot name a room"),
        ("ws://localhost/notes?x=1", "has a '?'"),
        ("ws://localhost/notes#secret", "is no token: copy the whole link"),
        ("ws://localhost/notes#", "is no token: copy the whole link"),
        (f"ws://localhost/notes#{TOKEN}x/", "is no token: copy the whole link"),
        (f"notes#{TOKEN}", "as in wss://HOST/notes#TOKEN"),
        (TOKEN, "as in wss://HOST/ROOM#TOKEN"),
        (f"unix:///run/a.sock?room=notes#{TOKEN}", "as in wss://HOST/notes#TOKEN"),
        (f"wss://localhost/no/tes#{TOKEN}", "cannot name a room"),
        (f"https://localhost/notes#{TOKEN}", "write ROOM, ws://"),
        ("ws://ana:secret@localhost/notes", "no user or password"),
        ("ws://localhost:99999/notes", "a port is a number"),
        ("ws://[::1/notes", "is no address"),
        ("unix:///run/a.sock", "names no room"),
        ("unix://run/a.sock?room=notes", "three slashes"),
        ("unix:///?room=notes", "three slashes"),
        ("unix:///run/a.sock?room=no/tes", "cannot name a room"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(typed: str, help_given: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_target(typed)
    assert help_given in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "ci1." not in str(refusal.value)


def test_a_link_holds_a_token_which_is_shown_nowhere() -> None:
    link = f"wss://example.org:444/notes#{TOKEN}"
    target = parse_target(link)
    assert target == Target("notes", Server(url="wss://example.org:444"), TOKEN)
    assert str(target) == "wss://example.org:444/notes"
    assert "ci1." not in repr(target)
    assert parse_target(f"notes#{TOKEN}", parse_server("wss://example.org")).token == TOKEN
    with pytest.raises(UsageError) as refusal:
        parse_server(f"wss://example.org#{TOKEN}")
    assert "ci1." not in str(refusal.value)


def test_plain_text_to_another_machine_must_be_asked_for() -> None:
    with pytest.raises(UsageError, match="not encrypted"):
        parse_target("ws://example.org/notes")
    with pytest.raises(UsageError, match="not encrypted"):
        parse_server("ws://192.0.2.7:80")
    assert parse_target("ws://example.org/notes", is_insecure=True).room == "notes"


def test_a_server_goes_with_bare_names_only() -> None:
    server = parse_server("wss://example.org:444")
    assert parse_target("notes", server) == Target("notes", server)
    assert parse_target("ws://localhost/notes", server).server == Server(url="ws://localhost")


@pytest.mark.parametrize(
    "typed", ["localhost", "ws://localhost/notes", "unix:///a.sock?room=notes", "ssh://a/notes", "http://a"]
)
def test_what_is_no_server_is_refused(typed: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_server(typed)
    assert "ROOM" not in str(refusal.value), "a server is written without one"


def test_loopback_is_known_by_address_not_by_looks() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(
        is_loopback(host) for host in ("127.0.0.1.example.org", "0.0.0.0", "::", "example.org", "")
    )


@given(
    room=ROOMS,
    server=st.sampled_from(
        [None, Server(url="wss://example.org:1"), Server(url="ws://[::1]:80"), Server(unix_path=Path("/a/b"))]
    ),
)
def test_a_target_is_written_as_it_is_typed(room: str, server: Server | None) -> None:
    target = Target(room, server)
    assert parse_target(str(target)) == target


@given(st.text(max_size=40))
def test_no_input_does_more_than_be_refused(typed: str) -> None:
    for text in (typed, f"ws://{typed}", f"unix://{typed}", f"ws://localhost/{typed}"):
        try:
            target = parse_target(text)
        except UsageError as refusal:
            assert str(refusal)
        else:
            assert parse_target(str(target)) == target
