"""Tests of `collab_cli.completion` and `collab completion`: in the shells themselves, where they are here."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collab_cli.completion import Shell, rooms_to_join, script, stored_rooms
from collab_cli.main import run
from collab_server.store.sqlite import SqliteStore

BASH = """
eval "$(collab completion bash)"
for line in "$@"; do
    read -r -a COMP_WORDS <<< "$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    COMPREPLY=()
    _collab_completion collab
    echo "${COMPREPLY[*]}"
done
complete -p collab
"""
ZSH = """
compdef() { }
_arguments() { print -r -- "$@" }
_files() { print -r -- FILES }
eval "$(collab completion zsh)"
for line in "$@"; do
    words=(${(z)line})
    [[ $line == *" " ]] && words+=("")
    CURRENT=${#words}
    _collab_completion
done
"""
FISH = """
collab completion fish | source
for line in $argv
    echo (complete -C $line | string replace -r '\\t.*' '')
end
"""


class Context:
    """What Typer tells of the words before."""

    def __init__(self, parent: Context | None = None, **params: object) -> None:
        self.params = params
        self.parent = parent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An account with three rooms, of which it joined one, and one elsewhere."""
    store = SqliteStore(tmp_path / "home" / "data" / "rooms.sqlite3")
    for room in ("notes", "nightly", "plans"):
        store.create(room, os.urandom(16), time.time())
    store.close()
    (tmp_path / "home" / "state").mkdir()
    (tmp_path / "home" / "state" / "recent-rooms").write_text("notes\nwss://example.org/novel\nnever-made\n")
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path / "home"))
    command = tmp_path / "bin" / "collab"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m collab_cli "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "home"


def _ask(arguments: list[str], *lines: str) -> list[str]:
    done = subprocess.run(
        [*arguments, *lines], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
@pytest.mark.usefixtures("home")
def test_bash_completes() -> None:
    *answers, registered = _ask(
        ["bash", "--norc", "-c", BASH, "bash"],
        "collab jo",
        "collab join n",
        "collab admin kick pl",
        "collab serve --log-format ",
        "collab serve ",
    )
    # Nothing for a folder: bash then offers its files.
    assert answers == ["join", "notes never-made nightly", "plans", "text json", ""]
    assert registered == "complete -o default -F _collab_completion collab"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not here")
@pytest.mark.usefixtures("home")
def test_zsh_completes() -> None:
    lines = _ask(["zsh", "-f", "-c", ZSH, "zsh"], "collab inv", "collab join ni", "collab serve x ")
    answer = " ".join(lines)
    assert answer.startswith("*: :((")
    assert '"invite"' in answer or "invite" in answer
    assert "nightly" in answer
    assert lines[-1] == "FILES"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not here")
@pytest.mark.usefixtures("home")
def test_fish_completes() -> None:
    assert _ask(["fish", "--no-config", "-c", FISH], "collab jo", "collab join ni", "collab admin ki") == [
        "join",
        "nightly",
        "kick",
    ]


@pytest.mark.usefixtures("home")
def test_rooms_to_join_are_those_joined_last_and_those_of_this_account() -> None:
    assert rooms_to_join(Context(), "") == ["notes", "never-made", "nightly", "plans"]  # type: ignore[arg-type]
    assert rooms_to_join(Context(), "p") == ["plans"]  # type: ignore[arg-type]
    assert rooms_to_join(Context(server="wss://example.org"), "") == []  # type: ignore[arg-type]
    assert rooms_to_join(Context(target="notes"), "") == []  # type: ignore[arg-type]


def test_rooms_of_a_server_are_those_in_its_folder(home: Path, tmp_path: Path) -> None:
    assert stored_rooms(Context(), "n") == ["nightly", "notes"]  # type: ignore[arg-type]
    assert stored_rooms(Context(data_dir=tmp_path), "") == []  # type: ignore[arg-type]
    assert stored_rooms(Context(data_dir=str(home / "data")), "pl") == ["plans"]  # type: ignore[arg-type]
    assert stored_rooms(Context(server="wss://example.org"), "") == []  # type: ignore[arg-type]
    of_group = Context(Context(server="wss://example.org"), server=None)
    assert stored_rooms(of_group, "") == []  # type: ignore[arg-type]
    (tmp_path / "rooms.sqlite3").write_text("no database")
    assert stored_rooms(Context(data_dir=tmp_path), "") == []  # type: ignore[arg-type]


def test_what_no_room_may_be_called_is_not_offered_to_a_shell(tmp_path: Path, home: Path) -> None:
    assert home.exists()
    folder = tmp_path / "foreign"
    store = SqliteStore(folder / "rooms.sqlite3")
    store.create("fine", os.urandom(16), time.time())
    store.close()
    with sqlite3.connect(folder / "rooms.sqlite3") as db:
        db.execute("UPDATE room SET name = '$(touch /tmp/x)`y`'")
        db.execute("INSERT INTO room SELECT 'good', lineage, 0 FROM room")
    db.close()
    assert stored_rooms(Context(data_dir=folder), "") == ["good"]  # type: ignore[arg-type]


@pytest.mark.parametrize("shell", Shell)
def test_the_command_prints_the_script(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    shown = capsys.readouterr()
    assert shown.out == script(shell)
    assert "_COLLAB_COMPLETE" in shown.out
    assert shown.err == ""


def test_a_shell_without_a_script_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "csh"]) == 2
    assert "there is no script for 'csh': use bash, zsh, fish" in capsys.readouterr().err
