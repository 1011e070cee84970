"""Where guests come by ssh, as `collab serve` was told."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.settings import values
from collab_cli.settings.flags import ServeFlags
from collab_cli.settings.serving import ServeSettings, serve_settings
from collab_cli.settings.ssh_door import SshDoor
from collab_cli.settings.values import Address


def serve(home: Path, flags: ServeFlags, **environ: str) -> ServeSettings:
    return serve_settings(flags, {"COLLAB_HOME": str(home), **environ})


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (":2222", Address("", 2222)),
        (" :22 ", Address("", 22)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:2222", Address("::1", 2222)),
        ("host.example.org:2222", Address("host.example.org", 2222)),
    ],
)
def test_an_address_is_a_host_or_none_and_a_port(typed: str, address: Address) -> None:
    assert values.ssh(typed) == address


@pytest.mark.parametrize(
    "typed", ["", "2222", 2222, True, ":", ":x", ":65536", "host", "::1:22", "a b:22", None]
)
def test_what_is_no_such_address_is_refused(typed: object) -> None:
    with pytest.raises(ValueError, match=r"^\[HOST\]:PORT"):
        values.ssh(typed)


def test_without_it_there_is_no_door_whatever_the_environment(tmp_path: Path) -> None:
    assert serve(tmp_path, ServeFlags()).ssh is None
    assert serve(tmp_path, ServeFlags(), COLLAB_SSH="ssh -v").ssh is None, (
        "the command of `collab join ssh://…`"
    )
    assert serve(tmp_path, ServeFlags(private=True)).ssh is None


def test_flags_come_before_variables_and_the_file(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(
        '[serve]\nssh = ":2222"\nssh_idle = "30m"\nssh_guests = 5\n'
    )
    found = serve(tmp_path, ServeFlags(ssh="127.0.0.1:1", ssh_session="2h"), COLLAB_SSH_GUESTS="7")
    assert found.ssh == SshDoor(Address("127.0.0.1", 1), guests=7, idle_s=1800, session_s=7200)
    assert serve(tmp_path, ServeFlags()).ssh == SshDoor(Address("", 2222), 5, 1800, 86_400)


def test_flags_that_would_do_nothing_are_refused(tmp_path: Path) -> None:
    for flags in (ServeFlags(ssh_guests=3), ServeFlags(ssh_idle="1h"), ServeFlags(ssh_session="1h")):
        with pytest.raises(UsageError, match="add --ssh"):
            serve(tmp_path, flags)


def test_what_is_not_installed_is_said_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--ssh needs .*pip install 'collab-editor\[ssh\]'$"):
        serve(tmp_path, ServeFlags(ssh=":2222"))
