"""Tests of `collab_cli.clipboard`: which way text goes, and that what is told of it is true."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli import clipboard
from collab_cli.clipboard import Clipboard
from collab_cli.terminal_traits import Traits

TERMINAL = Traits(
    "dark", is_ascii=False, is_remote=False, is_linux_console=False, multiplexer="", has_osc9=False, typed=b""
)
REMOTE = Traits(
    "dark", is_ascii=False, is_remote=True, is_linux_console=False, multiplexer="", has_osc9=False, typed=b""
)
IN_TMUX = Traits(
    "dark",
    is_ascii=False,
    is_remote=False,
    is_linux_console=False,
    multiplexer="tmux",
    has_osc9=False,
    typed=b"",
)
IN_SCREEN = Traits(
    "dark",
    is_ascii=False,
    is_remote=False,
    is_linux_console=False,
    multiplexer="screen",
    has_osc9=False,
    typed=b"",
)
CONSOLE = Traits(
    "dark", is_ascii=True, is_remote=False, is_linux_console=True, multiplexer="", has_osc9=False, typed=b""
)

KEEPS = "cat > '{}'"
FAILS = "cat > /dev/null; exit 1"
HANGS = "exec sleep 3600"


@dataclass
class Desk:
    """A place with fake tools, and what was written to the terminal and told."""

    path: Path
    written: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def kept(self) -> Path:
        return self.path / "kept"

    def tool(self, name: str, script: str) -> None:
        file = self.path / name
        file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script.format(self.kept)}\n")
        file.chmod(0o755)

    def clipboard(self, traits: Traits, **environ: str) -> Clipboard:
        return Clipboard(
            traits,
            {"PATH": str(self.path), **environ},
            write=self.written.append,
            on_notice=self.told.append,
        )


@pytest.fixture(autouse=True, scope="module")
def never_late() -> Iterator[None]:
    """Have no tool be too slow, however busy this machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clipboard, "_DEADLINE_S", 30)
        yield


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def payload(sequence: str) -> str:
    """Return the text of an OSC 52."""
    found = re.fullmatch("\x1b\\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found, sequence
    return base64.b64decode(found[1]).decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a", "copied 1 character"),
        ("añ語", "copied 3 characters"),
        ("a\n", "copied 1 line"),
        ("a\nb", "copied 2 lines"),
        ("a\nb\n", "copied 2 lines"),
    ],
)
def test_without_tools_the_terminal_is_told(desk: Desk, text: str, told: str) -> None:
    assert desk.clipboard(TERMINAL).copy(text) == told
    assert [payload(each) for each in desk.written] == [text]


async def test_without_tools_nothing_can_be_pasted(desk: Desk) -> None:
    assert await desk.clipboard(TERMINAL).paste() is None


def test_what_is_too_large_is_not_sent_and_told(desk: Desk) -> None:
    board = desk.clipboard(REMOTE)
    most = (100_000 - len("\x1b]52;c;\x07")) // 4 * 3
    assert board.copy("x" * most) == f"copied {most} characters"
    assert [len(each) for each in desk.written] == [100_000]
    told = board.copy("x" * (most + 1))
    assert told == "copied here only; too large for the terminal's clipboard (75 kB)"
    assert len(desk.written) == 1


def test_the_linux_console_has_no_clipboard(desk: Desk) -> None:
    assert desk.clipboard(CONSOLE).copy("text") == "copied here only; this terminal has no clipboard"
    assert desk.written == []


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=100))
def test_screen_gets_pieces_that_it_takes(text: str) -> None:
    desk = Desk(Path("/nonexistent"))
    text *= 50
    desk.clipboard(IN_SCREEN).copy(text)
    pieces = re.findall("\x1bP(.*?)\x1b\\\\", desk.written[0], re.DOTALL)
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == desk.written[0]
    assert all(len(piece) + 4 <= 768 for piece in pieces)
    assert payload("".join(pieces)) == text


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("WAYLAND_DISPLAY", ("wl-copy", "wl-paste")),
        ("DISPLAY", ("xclip", "xclip")),
        ("DISPLAY", ("xsel", "xsel")),
    ],
)
async def test_the_tools_of_the_desktop(desk: Desk, variable: str, names: tuple[str, str]) -> None:
    script = "case \"$*\" in *-out*|*--no-newline*) cat '{0}';; *) cat > '{0}';; esac"
    for name in set(names):
        desk.tool(name, script)
    board = desk.clipboard(TERMINAL, **{variable: ":0"})
    assert board.copy("añ\nb\n") == f"copied 2 lines by {names[0]}"
    assert await board.paste() == "añ\nb\n"
    desk.kept.write_bytes(b"from elsewhere\xff")
    assert await board.paste() == "from elsewhere\ufffd"
    assert (desk.written, desk.told) == ([], [])


async def test_macos(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    desk.tool("pbcopy", KEEPS)
    desk.tool("pbpaste", "cat '{}'")
    board = desk.clipboard(TERMINAL)
    assert board.copy("a") == "copied 1 character by pbcopy"
    assert await board.paste() == "a"


async def test_over_ssh_the_desktop_is_somebody_elses(desk: Desk) -> None:
    desk.tool("xclip", KEEPS)
    board = desk.clipboard(REMOTE, DISPLAY="localhost:10.0")
    assert board.copy("text") == "copied 4 characters"
    assert payload(desk.written[0]) == "text"
    assert await board.paste() is None
    assert not desk.kept.exists()


async def test_a_tool_without_its_desktop_is_not_used(desk: Desk) -> None:
    desk.tool("xclip", KEEPS)
    desk.tool("wl-copy", KEEPS)  # without wl-paste
    board = desk.clipboard(TERMINAL, WAYLAND_DISPLAY="wayland-0")
    assert board.copy("text") == "copied 4 characters"
    assert payload(desk.written[0]) == "text"


@pytest.mark.parametrize(
    ("script", "words"), [(FAILS, "xclip failed (exit code 1)"), (HANGS, "xclip did not answer")]
)
async def test_a_tool_that_fails_is_told_and_given_up(
    desk: Desk, script: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clipboard, "_DEADLINE_S", 0.2)
    desk.tool("xclip", script)
    board = desk.clipboard(TERMINAL, DISPLAY=":0")
    board.copy("text\n")
    await board._copied()
    assert desk.told == [f"{words}; copied 1 line"]
    assert payload(desk.written[0]) == "text\n"
    assert await board.paste() is None
    assert board.copy("more") == "copied 4 characters"
    assert len(desk.told) == 1


async def test_a_tool_that_is_gone_is_told(desk: Desk) -> None:
    desk.tool("xclip", KEEPS)
    board = desk.clipboard(TERMINAL, DISPLAY=":0")
    (desk.path / "xclip").unlink()
    board.copy("text")
    await board.close()
    assert desk.told == ["xclip cannot be run (No such file or directory); copied 4 characters"]


@pytest.mark.parametrize("script", ["exit 1", HANGS, "cat /dev/zero"])
async def test_what_cannot_be_pasted_is_none(
    desk: Desk, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is HANGS:
        monkeypatch.setattr(clipboard, "_DEADLINE_S", 0.2)
    desk.tool("wl-copy", KEEPS)
    desk.tool("wl-paste", script)
    assert await desk.clipboard(TERMINAL, WAYLAND_DISPLAY="wayland-0").paste() is None


async def test_no_more_is_pasted_than_a_text_may_have(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clipboard, "TEXT_BYTES", 5)
    desk.tool("wl-copy", KEEPS)
    desk.tool("wl-paste", "cat '{}'")
    board = desk.clipboard(TERMINAL, WAYLAND_DISPLAY="wayland-0")
    desk.kept.write_text("12345")
    assert await board.paste() == "12345"
    desk.kept.write_text("123456")
    assert await board.paste() is None


async def test_the_last_copy_wins_and_paste_waits_for_it(desk: Desk) -> None:
    desk.tool("wl-copy", "read -r line; echo \"$line\" >> '{0}'")
    desk.tool("wl-paste", "cat '{}'")
    board = desk.clipboard(TERMINAL, WAYLAND_DISPLAY="wayland-0")
    for number in range(5):
        board.copy(f"{number}\n")
    assert await board.paste() == "0\n1\n2\n3\n4\n"


async def test_a_tool_has_a_session_of_its_own(desk: Desk) -> None:
    desk.tool("wl-copy", "cut -d' ' -f6 /proc/self/stat > '{}'")
    desk.tool("wl-paste", "")
    board = desk.clipboard(TERMINAL, WAYLAND_DISPLAY="wayland-0")
    board.copy("")
    await board.close()
    assert int(desk.kept.read_text()) != os.getsid(0)


async def test_tmux_takes_it_itself(desk: Desk) -> None:
    desk.tool("tmux", "echo \"$@\" > '{0}'; cat >> '{0}'")
    board = desk.clipboard(IN_TMUX)
    assert board.copy("text") == "copied 4 characters"
    await board.close()
    assert desk.kept.read_text() == "load-buffer -w -\ntext"
    assert (desk.written, desk.told) == ([], [])
    assert await board.paste() is None


async def test_a_tmux_that_is_too_old_passes_it_through(desk: Desk) -> None:
    desk.tool("tmux", FAILS)
    board = desk.clipboard(IN_TMUX)
    board.copy("text")
    await board.close()
    wrapped = re.fullmatch("\x1bPtmux;\x1b(\x1b.*\x07)\x1b\\\\", desk.written[0])
    assert wrapped
    assert payload(wrapped[1]) == "text"
    assert desk.told == []
    board.copy("x" * 100_000)
    assert len(desk.written) == 1


async def test_a_text_that_no_tmux_takes_is_told(desk: Desk) -> None:
    desk.tool("tmux", FAILS)
    board = desk.clipboard(IN_TMUX)
    board.copy("x" * 100_000)
    await board.close()
    assert desk.told == ["copied here only; too large for the terminal's clipboard (100 kB)"]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Callable[..., str]]:
    socket = tmp_path / "s"

    def run(*arguments: str) -> str:
        command = ["tmux", "-S", str(socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    run("new-session", "-d", "sleep 3600")
    yield run
    run("kill-server")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
async def test_a_real_tmux(tmux: Callable[..., str], tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    board = desk.clipboard(IN_TMUX, PATH=os.environ["PATH"], TMUX=f"{tmp_path / 's'},1,0")
    board.copy("añ\nb\n")
    await board.close()
    assert await asyncio.to_thread(tmux, "show-buffer") == "añ\nb\n"
    assert (desk.written, desk.told) == ([], [])
