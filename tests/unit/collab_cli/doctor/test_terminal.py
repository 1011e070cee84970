"""Tests of `collab_cli.doctor.terminal`: what a terminal is said to be good for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collab_cli.doctor.findings import Finding, State
from collab_cli.doctor.terminal import describe
from collab_cli.terminal_traits import Traits

PLAIN = Traits("dark", False, False, False, "", False, b"")


def found(traits: Traits, **environ: str) -> list[Finding]:
    return list(describe(traits, {"TERM": "xterm", "PATH": "/nonexistent", **environ}))


def said(traits: Traits, **environ: str) -> str:
    return "; ".join(finding.what for finding in found(traits, **environ))


@pytest.fixture
def tmux(tmp_path: Path) -> Callable[[str, str], str]:
    def make(version: str, escape: str) -> str:
        program = tmp_path / "tmux"
        program.write_text(f'#!/bin/sh\ncase "$1" in -V) echo tmux {version};; *) echo {escape};; esac\n')
        program.chmod(0o755)
        return f"{tmp_path}:/bin:/usr/bin"

    return make


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"COLORTERM": "truecolor"}, "all colours"),
        ({"TERM": "xterm-256color"}, "256 colours"),
        ({}, "16 colours"),
        ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, "no colours (NO_COLOR)"),
    ],
)
def test_colours(environ: dict[str, str], words: str) -> None:
    assert words in said(PLAIN, **environ)
    assert all(finding.state is State.OK for finding in found(PLAIN, **environ))


def test_without_utf_8() -> None:
    (first, *_) = found(Traits("dark", True, False, False, "", False, b""))
    assert (first.state, "UTF-8" in first.what, "LANG" in first.todo) == (State.WARNING, True, True)
    assert "Linux console" in said(Traits("dark", True, False, True, "", False, b""))


def test_the_clipboard(tmp_path: Path) -> None:
    assert "OSC 52" in said(PLAIN)
    (tmp_path / "xclip").write_text("#!/bin/sh\n")
    (tmp_path / "xclip").chmod(0o755)
    assert "clipboard by xclip" in said(PLAIN, DISPLAY=":0", PATH=str(tmp_path))


@pytest.mark.parametrize(
    ("version", "escape", "words"),
    [
        ("3.3a", "10", []),
        ("3.1", "10", ["tmux 3.1 cannot hand"]),
        ("next-3.6", "500", ["tmux waits 500 ms after Escape"]),
        ("", "", []),
    ],
)
def test_tmux(tmux: Callable[[str, str], str], version: str, escape: str, words: list[str]) -> None:
    traits = Traits("dark", False, False, False, "tmux", False, b"")
    told = [each for each in found(traits, PATH=tmux(version, escape)) if each.state is not State.OK]
    assert len(told) == len(words)
    assert all(word in each.what and each.todo for word, each in zip(words, told, strict=True))


def test_no_tmux_to_ask() -> None:
    traits = Traits("dark", False, False, False, "tmux", False, b"")
    assert all(each.state is State.OK for each in found(traits))
