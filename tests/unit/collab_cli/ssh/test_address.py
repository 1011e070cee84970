"""Tests of `collab_cli.ssh.address`: what names a machine, and what ssh or a shell could mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.exits import UsageError
from collab_cli.ssh.address import SshServer
from collab_cli.targets import Server, Target, parse_server, parse_target

TOKEN = "ci1.k1.cGF5bG9hZA.c2lnbmF0dXJl"
HOSTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.sampled_from(
    ["::1", "fe80::1%eth0"]
)
USERS = st.just("") | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,10}@", fullmatch=True)
PORTS = st.none() | st.integers(1, 65535)
PATHS = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1).map(
    "/{}".format
)


@pytest.mark.parametrize(
    ("typed", "server"),
    [
        ("ssh://pair/notes", SshServer("pair")),
        ("ssh://Pair/notes", SshServer("Pair")),
        ("ssh://ana@pair:2222/notes", SshServer("ana@pair", 2222)),
        ("ssh://ana@corp.example@pair/notes", SshServer("ana@corp.example@pair")),
        ("ssh://[::1]:22/notes", SshServer("::1", 22)),
        ("ssh://ana@[::1]/notes", SshServer("ana@::1")),
        ("ssh://pair/notes?via=tcp", SshServer("pair", via_tcp=8765)),
        ("ssh://pair/notes?via=tcp:9", SshServer("pair", via_tcp=9)),
        ("ssh://pair/notes?unix=/run/a%20b.sock", SshServer("pair", unix="/run/a b.sock")),
    ],
)
def test_what_is_typed_names_a_machine(typed: str, server: SshServer) -> None:
    target = parse_target(typed)
    assert target == Target("notes", Server(ssh=server))
    assert parse_target(str(target)) == target
    assert parse_server(str(target.server)) == target.server


@pytest.mark.parametrize(
    ("typed", "help_given"),
    [
        ("ssh://-oProxyCommand=id/notes", "cannot name a host"),
        ("ssh://-oProxyCommand=id@pair/notes", "cannot name an account"),
        ("ssh://-l@pair/notes", "cannot name an account"),
        ("ssh://-v/notes", "cannot name a host"),
        ("ssh://ana@-v/notes", "cannot name a host"),
        ("ssh://[-oX]/notes", "is no address"),
        ("ssh://a b/notes", "cannot name a host"),
        ("ssh://$(id)/notes", "cannot name a host"),
        ("ssh://`id`/notes", "cannot name a host"),
        ("ssh://a;id/notes", "cannot name a host"),
        ("ssh://a|id/notes", "cannot name a host"),
        ("ssh://a'b/notes", "cannot name a host"),
        ("ssh://a%20b/notes", "cannot name a host"),
        ("ssh://a;id@pair/notes", "cannot name an account"),
        ("ssh://a b@pair/notes", "cannot name an account"),
        ("ssh://@pair/notes", "cannot name an account"),
        ("ssh://ana:secret@pair/notes", "may hold no password"),
        ("ssh:///notes", "names no host"),
        ("ssh://pair:0/notes", "is no port"),
        ("ssh://pair:x/notes", "'x' in ssh://pair:x/notes is no port"),
        ("ssh://::1/notes", "is no"),
        ("ssh://pair/notes?via=udp", "may be via=tcp"),
        ("ssh://pair/notes?via=tcp:0", "is no port"),
        ("ssh://pair/notes?via=tcp:99999", "is no port"),
        ("ssh://pair/notes?via=tcp&unix=/a", "may be via=tcp"),
        ("ssh://pair/notes?unix=a.sock", "may be via=tcp"),
        ("ssh://pair/notes?unix=/a%00b", "may be via=tcp"),
        ("ssh://pair/notes?x=1", "may be via=tcp"),
        ("ssh://pair", "add one, as in ssh://pair/notes"),
        ("ssh://pair?via=tcp", "add one, as in ssh://pair/notes?via=tcp"),
        ("ssh://pair/no/tes", "cannot name a room"),
        (f"ssh://pair/notes#{TOKEN}", "as in wss://HOST/notes#TOKEN"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(typed: str, help_given: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_target(typed)
    assert help_given in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_token_is_for_a_port_alone() -> None:
    target = parse_target(f"ssh://pair/notes?via=tcp#{TOKEN}")
    assert target.token == TOKEN
    assert "ci1." not in str(target)
    assert parse_target(f"notes#{TOKEN}", parse_server("ssh://pair?via=tcp")).token == TOKEN


def test_a_server_is_written_without_a_room() -> None:
    server = parse_server("ssh://ana@pair:22?via=tcp")
    assert parse_target("notes", server) == parse_target("ssh://ana@pair:22/notes?via=tcp:8765")
    with pytest.raises(UsageError, match="its room apart"):
        parse_server("ssh://pair/notes")


@given(user=USERS, host=HOSTS, port=PORTS, via_tcp=PORTS, unix=PATHS)
def test_a_server_is_written_as_it_is_typed(
    user: str, host: str, port: int | None, via_tcp: int | None, unix: str | None
) -> None:
    server = SshServer(user + host, port, via_tcp, None if via_tcp is not None else unix)
    assert parse_server(str(server)).ssh == server
    assert parse_target(server.address("/notes")).server == Server(ssh=server)


@given(st.text(max_size=40))
def test_nothing_that_is_taken_begins_with_a_dash_or_means_something_to_a_shell(typed: str) -> None:
    for text in (f"ssh://{typed}/notes", f"ssh://a@{typed}/notes", f"ssh://{typed}@pair/notes"):
        try:
            target = parse_target(text)
        except UsageError:
            continue
        assert target.server is not None
        assert target.server.ssh is not None
        destination = target.server.ssh.destination
        assert not destination.startswith("-")
        assert not set(destination) & set(" \t\n'\"`$\\;&<>|(){}*?!~#")
