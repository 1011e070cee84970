"""Tests of `collab join` on a real terminal: what it leaves behind, and how it ends when a part of it breaks.

How it ends for people is in tests/e2e.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collab_cli.commands.join import _ending
from collab_cli.exits import ExitCode, UsageError
from collab_cli.recent import recent_rooms
from collab_cli.targets import Server, Target
from collab_client.session import JoinRefused
from collab_protocol.errors import FaultCode, LinkError, StoreError
from collab_tui.app_config import Outcome
from tests.e2e.home import Home
from tests.e2e.terminal import Terminal

CTRL_Q = "\x11"

BROKEN = """
import asyncio, os, sys
import collab_cli.window as window

class Panic(BaseException): ...

async def start(*arguments):
    os.write(2, b"native panic")
    if {where!r} == "start":
        raise RuntimeError("broken on purpose")
    buffer, session = await original(*arguments)
    def break_(*_):
        raise {error}("broken on purpose")
    from collab_tui.widgets.editor import Editor
    Editor.typed = break_
    return buffer, session

original, window.start_session = window.start_session, start
sys.argv = ["collab", "join", "notes"]
from collab_cli.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with Home() as home:
        yield home


def last_words(terminal: Terminal) -> str:
    """Return what was said once the terminal was given back, which it must have been."""
    assert terminal.attributes() == terminal.initial_attributes
    assert terminal.screen.modes == {7, 25}
    return terminal.raw.rpartition(b"\x1b[?1049l")[2].decode()


def join_and_quit(home: Home, *arguments: str) -> Terminal:
    terminal = home.open("join", *arguments)
    terminal.wait_for("saved")
    terminal.send(CTRL_Q)
    assert terminal.wait_exit() == 0
    return terminal


def test_quitting_says_nothing_and_remembers_the_room(home: Home) -> None:
    assert "collab:" not in last_words(join_and_quit(home, "notes"))
    assert recent_rooms(home.path / "state" / "recent-rooms") == ["notes"]
    again = home.open("join")
    again.wait_for("saved")
    assert "notes" in again.status


def test_all_that_is_kept_is_for_us_alone(home: Home) -> None:
    join_and_quit(home, "notes")
    found = [path for path in home.path.rglob("*") if not path.is_socket()]
    assert {path.name for path in found} >= {
        "data",
        "state",
        "logs",
        "run",
        "device",
        "client.log",
        "server.log",
    }
    modes = {path.relative_to(home.path): path.stat().st_mode & 0o777 for path in found}
    assert {path: mode for path, mode in modes.items() if mode not in (0o600, 0o700)} == {}


def test_an_interrupt_from_outside_ends_it_in_good_order(home: Home) -> None:
    """Ctrl-C is a key; `kill -INT` is not."""
    terminal = home.open("join", "notes")
    terminal.wait_for("saved")
    terminal.signal(signal.SIGINT)
    assert terminal.wait_exit() == 128 + signal.SIGINT
    assert "collab: ended by SIGINT; the log is " in last_words(terminal)


@pytest.mark.parametrize(
    ("where", "error"), [("start", "RuntimeError"), ("key", "RuntimeError"), ("key", "Panic")]
)
def test_a_crash_gives_the_terminal_back_and_names_the_log(home: Home, where: str, error: str) -> None:
    terminal = home.spawn([sys.executable, "-c", BROKEN.format(where=where, error=error)])
    if where == "key":
        terminal.wait_for("saved")
        terminal.send("x")
    assert terminal.wait_exit() == 1
    log = home.path / "state" / "logs" / "client.log"
    assert f"collab: collab broke; the log is {log}" in last_words(terminal)
    assert b"native panic" not in terminal.raw
    assert "native panic" in log.read_text()
    assert "broken on purpose" in log.read_text()


def test_a_server_that_cannot_start_is_said_with_its_reason(home: Home) -> None:
    home.data.mkdir()
    (home.data / "rooms.sqlite3").write_bytes(b"this is no database, and stays what it is" * 100)
    terminal = home.open("join", "notes")
    assert terminal.wait_exit() == 4
    words = last_words(terminal)
    assert "cannot start a private server: " in words
    assert "rooms.sqlite3" in words


def test_unknown_keys_are_said_and_keep_nobody_out(home: Home) -> None:
    (home.path / "config").mkdir()
    (home.path / "config" / "config.toml").write_text('\nnmae = "ana"\n')
    terminal = join_and_quit(home, "notes")
    assert b"config.toml:2: nobody knows the key 'nmae'" in terminal.raw


def test_rooms_are_listed_when_none_was_joined_here(home: Home) -> None:
    for room in ("notes", "agenda"):
        join_and_quit(home, room)
    (home.path / "state" / "recent-rooms").unlink()
    done = home.run("join")
    assert (done.returncode, done.stdout) == (0, "collab join agenda\ncollab join notes\n")


def test_what_was_typed_without_a_server_is_kept_and_there_the_next_time(home: Home) -> None:
    journals = home.path / "state" / "journals"
    for text in ("a", "ab"):
        terminal = home.open("join", "--offline", "notes")
        terminal.wait_for("offline")
        terminal.send(text[-1])
        changes = "1 change" if text == "a" else "2 changes"
        terminal.wait_for(f"{changes} kept on this machine")
        terminal.send(CTRL_Q)
        terminal.wait_for("Quit with")
        terminal.send("y")
        assert terminal.wait_exit() == 5
        it = "it goes up" if text == "a" else "they go up"
        verb = "is" if text == "a" else "are"
        assert (
            f"collab: {changes} in notes {verb} kept in {journals}: {it} with the next: collab join notes"
            in last_words(terminal)
        )
    assert not (home.data / "rooms.sqlite3").exists()
    listed = home.run("status")
    assert listed.returncode == 0
    assert listed.stdout.startswith("notes: 2 changes not saved since ")
    join_and_quit(home, "notes")
    assert home.run("status").stdout == "everything that was typed on this machine is on a server\n"


def test_a_copy_is_named_behind_the_screen(home: Home) -> None:
    started = "buffer, session = await original(*arguments)"
    with_copy = f'{started}\n    session.copies.append("/the/copy.txt")\n    return buffer, session'
    code = BROKEN.replace(started, with_copy).format(where="", error="RuntimeError")
    terminal = home.spawn([sys.executable, "-c", code])
    terminal.wait_for("saved")
    terminal.send(CTRL_Q)
    assert terminal.wait_exit() == 0
    assert "collab: your text of before is in /the/copy.txt" in last_words(terminal)


JOURNALS = Path("/state/journals")
KEPT = "are kept in /state/journals: they go up with the next: collab join notes"
NOT_TAKEN = "kept in /state/journals, and not taken by the server"
OFFLINE = "collab join notes --offline"
LOST = "had reached neither a server nor the disk"
DROPPED = LinkError("gone")


@pytest.mark.parametrize(
    ("outcome", "code", "line"),
    [
        (Outcome(), ExitCode.OK, None),
        (Outcome(3, 3), ExitCode.UNSAVED, f"3 changes in notes {KEPT}"),
        (
            Outcome(1, 1),
            ExitCode.UNSAVED,
            "1 change in notes is kept in /state/journals: it goes up with the next: collab join notes",
        ),
        (Outcome(3, 2), ExitCode.UNSAVED, f"2 changes in notes {KEPT}; 1 change in notes {LOST}"),
        (
            Outcome(3, 3, refusal="access was taken back"),
            ExitCode.UNSAVED,
            f"3 changes in notes are {NOT_TAKEN}: access was taken back; to see them: {OFFLINE}",
        ),
        (
            Outcome(1, 1, refusal="notes was deleted"),
            ExitCode.UNSAVED,
            f"1 change in notes is {NOT_TAKEN}: notes was deleted; to see it: {OFFLINE}",
        ),
        (Outcome(refusal="access was taken back"), ExitCode.OK, None),
        (Outcome(2, 0), ExitCode.UNSAVED, f"2 changes in notes {LOST}"),
        (Outcome(error=DROPPED), ExitCode.UNREACHABLE, "gone"),
        (Outcome(error=LinkError("no", is_final=True)), ExitCode.REFUSED, "no"),
        (Outcome(error=JoinRefused(FaultCode.VERSION, "too old")), ExitCode.REFUSED, "notes: too old"),
        (Outcome(error=StoreError("upgrade collab")), ExitCode.REFUSED, "upgrade collab"),
        (Outcome(error=UsageError("which room?")), ExitCode.USAGE, "which room?"),
        (Outcome(2, 2, error=RuntimeError()), ExitCode.INTERNAL, f"collab broke; 2 changes in notes {KEPT}"),
    ],
)
def test_how_it_ends_is_said_and_coded(outcome: Outcome, code: ExitCode, line: str | None) -> None:
    assert _ending(window(outcome), Target("notes"), settings()) == (code, line)


def window(outcome: Outcome, *, ended_by: signal.Signals | None = None, has_crashed: bool = False) -> Any:
    return SimpleNamespace(outcome=outcome, ended_by=ended_by, has_crashed=has_crashed)


def settings() -> Any:
    return SimpleNamespace(folders=SimpleNamespace(journals=JOURNALS))


def test_a_signal_or_a_crash_says_what_is_kept_too() -> None:
    code, line = _ending(window(Outcome(2, 2), ended_by=signal.SIGTERM), Target("notes"), settings())
    assert (code, line) == (128 + signal.SIGTERM, f"ended by SIGTERM; 2 changes in notes {KEPT}")
    code, line = _ending(window(Outcome(2, 2), has_crashed=True), Target("notes"), settings())
    assert (code, line) == (ExitCode.INTERNAL, f"collab broke; 2 changes in notes {KEPT}")


def test_what_is_kept_for_a_server_names_it() -> None:
    target = Target("notes", Server(url="ws://host:1"))
    _, line = _ending(window(Outcome(2, 2)), target, settings())
    assert line is not None
    assert line.endswith("collab join ws://host:1/notes")


def test_what_a_shell_would_take_for_a_pattern_is_quoted() -> None:
    target = Target("notes", Server(unix_path=Path("/srv/x.sock")))
    for outcome in (Outcome(2, 2), Outcome(2, 2, refusal="no")):
        _, line = _ending(window(outcome), target, settings())
        assert "collab join 'unix:///srv/x.sock?room=notes'" in str(line)


def test_a_socket_that_one_may_not_open_is_no_server_that_is_away() -> None:
    error = LinkError("this account may not open /srv/x.sock")
    error.__cause__ = PermissionError()
    target = Target("notes", Server(unix_path=Path("/srv/x.sock")))
    assert _ending(window(Outcome(error=error)), target, settings()) == (ExitCode.REFUSED, str(error))
