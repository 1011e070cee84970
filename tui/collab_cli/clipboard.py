"""The clipboard outside: a tool of this desktop, tmux, or the terminal itself by OSC 52.

    on the person's own desktop   wl-copy, xclip, xsel, pbcopy: what other programs paste, and we from them
    in tmux                       `tmux load-buffer -w`: to tmux's buffers and to the terminal's clipboard
    anywhere else                 OSC 52, which goes wherever the screen goes: through SSH, out of screen

Measured with tmux 3.3a: a plain OSC 52 arrives only with `set-clipboard on`, one wrapped for passing
through only with `allow-passthrough on`, neither of which is the default; `load-buffer -w` always does. tmux
before 3.2 knows no `-w`, and passes through what is wrapped.

Over SSH no tool is used, not with X forwarding either: xclip holds the text only as long as it runs and the
connection is up, and what would be pasted is more often not what the person sees in front of them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from collab_cli.terminal_traits import Traits
from collab_protocol.limits import TEXT_BYTES

_OSC52_BYTES: Final = 100_000
"""The whole sequence. hterm takes no more (etc/osc52.sh), and what yank scripts and editor plugins keep to;
kitty takes 256 KiB, xterm 600 kB, Ghostty 8 MiB (ghostty pull request 13633). None says that it took less."""

_SCREEN_BYTES: Final = 768
"""What screen takes in one string since 4.2.1 (hterm's etc/osc52.sh, of screen's history)."""

_READ_BYTES: Final = 65_536
_DEADLINE_S: Final = 1.0

_HERE_ONLY: Final = "copied here only"
"""Pasting within the editor works all the same: it keeps what was copied last."""


class _Tool(NamedTuple):
    """How to copy (text on stdin) and how to paste (text on stdout); no way to paste for tmux."""

    copy: tuple[str, ...]
    paste: tuple[str, ...] = ()


_WAYLAND: Final = (_Tool(("wl-copy",), ("wl-paste", "--no-newline", "--type", "text")),)
_X11: Final = (
    _Tool(("xclip", "-selection", "clipboard", "-in"), ("xclip", "-selection", "clipboard", "-out")),
    _Tool(("xsel", "--clipboard", "--input"), ("xsel", "--clipboard", "--output")),
)
_MACOS: Final = (_Tool(("pbcopy",), ("pbpaste",)),)
_TMUX: Final = _Tool(("tmux", "load-buffer", "-w", "-"))


class Clipboard:
    """Copies to and pastes from outside; lives on the event loop, and never holds it.

    `write(data)` is to write to the terminal in one piece. `on_notice(line)` is told when a copy that was
    under way has failed, or went another way than was said.
    """

    def __init__(
        self,
        traits: Traits,
        environ: Mapping[str, str],
        *,
        write: Callable[[str], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self._traits = traits
        self._environ = dict(environ)
        self._write = write
        self._on_notice = on_notice
        self._tool = _find_tool(traits, environ)
        self._copying: asyncio.Task[None] | None = None

    def copy(self, text: str) -> str:
        """Put `text` on the clipboard; return a line for the person. What follows is told by `on_notice`."""
        tool = self._tool
        if tool is None:
            return self._copy_to_terminal(text)
        self._copying = asyncio.get_running_loop().create_task(
            self._copy_by(tool, text, after=self._copying), name="copy"
        )
        return f"copied {_amount(text)}" if tool is _TMUX else f"copied {_amount(text)} by {tool.copy[0]}"

    async def paste(self) -> str | None:
        """Return what is on the desktop's clipboard; None when that cannot be known. Takes at most 1 s."""
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await self._copied()
                if self._tool is None or not self._tool.paste:
                    return None
                return await self._read(self._tool.paste)
        except (TimeoutError, OSError):
            return None

    async def close(self) -> None:
        """Wait for a copy that is under way, at most 1 s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DEADLINE_S):
                await self._copied()

    async def _copied(self) -> None:
        if self._copying is not None:
            await asyncio.wait([self._copying])

    async def _copy_by(self, tool: _Tool, text: str, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])  # or the older text might come last
        if self._tool is not tool:  # which has failed meanwhile
            self._on_notice(self._copy_to_terminal(text))
        elif failure := await self._feed(tool.copy, text):
            # Not used again: what it would paste is not what was copied last.
            self._tool = None
            told = self._copy_to_terminal(text)
            if tool is not _TMUX:
                self._on_notice(f"{tool.copy[0]} {failure}; {told}")
            elif told.startswith(_HERE_ONLY):
                self._on_notice(told)

    async def _feed(self, command: tuple[str, ...], text: str) -> str:
        """Run `command` with `text` on its stdin; return what went wrong, empty if nothing.

        A tool of X or Wayland goes on in the background to hold the text: in a session of its own, and
        with no pipe of ours, so that it outlives us and keeps nobody waiting.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be run ({error.strerror})"
        try:
            async with asyncio.timeout(_DEADLINE_S):
                await process.communicate(text.encode("utf-8", "replace"))
        except TimeoutError:
            return "did not answer"
        finally:
            await _end(process)
        return "" if process.returncode == 0 else f"failed (exit code {process.returncode})"

    async def _read(self, command: tuple[str, ...]) -> str | None:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environ,
            start_new_session=True,
        )
        try:
            data = bytearray()
            while process.stdout is not None and (chunk := await process.stdout.read(_READ_BYTES)):
                data += chunk
                if len(data) > TEXT_BYTES:  # no room takes more than that
                    return None
            return data.decode("utf-8", "replace") if await process.wait() == 0 else None
        finally:
            await _end(process)

    def _copy_to_terminal(self, text: str) -> str:
        if self._traits.is_linux_console:
            return f"{_HERE_ONLY}; this terminal has no clipboard"
        payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
        sequence = f"\x1b]52;c;{payload}\x07"
        if len(sequence) > _OSC52_BYTES:
            return f"{_HERE_ONLY}; too large for the terminal's clipboard ({_kilobytes(text)})"
        self._write(_wrapped(sequence, self._traits.multiplexer))
        return f"copied {_amount(text)}"


def clipboard_tool(traits: Traits, environ: Mapping[str, str]) -> str:
    """Return the program that copies here; "" where the terminal itself is asked to, by OSC 52."""
    tool = _find_tool(traits, environ)
    return "" if tool is None else tool.copy[0]


def _find_tool(traits: Traits, environ: Mapping[str, str]) -> _Tool | None:
    """Return what to copy with; None for OSC 52."""
    choices: list[_Tool] = []
    if not traits.is_remote:
        if environ.get("WAYLAND_DISPLAY"):
            choices += _WAYLAND
        if environ.get("DISPLAY"):
            choices += _X11
        if sys.platform == "darwin":
            choices += _MACOS
    if traits.multiplexer == "tmux":
        choices.append(_TMUX)
    path = environ.get("PATH")
    for tool in choices:
        commands = filter(None, (tool.copy, tool.paste))
        if all(shutil.which(command[0], path=path) for command in commands):
            return tool
    return None


def _wrapped(sequence: str, multiplexer: str) -> str:
    """Return `sequence` so that the multiplexer hands it on to the terminal it runs in, as a DCS."""
    if multiplexer == "tmux":
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    if multiplexer == "screen":
        size = _SCREEN_BYTES - len("\x1bP\x1b\\")
        pieces = (sequence[at : at + size] for at in range(0, len(sequence), size))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return sequence


async def _end(process: asyncio.subprocess.Process) -> None:
    """End `process` if it still runs; what it left in the background to hold the text goes on."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DEADLINE_S):
            while process.stdout is not None and await process.stdout.read(_READ_BYTES):
                pass  # asyncio takes no notice of an end behind what nobody reads
            await process.wait()


def _amount(text: str) -> str:
    lines = text.count("\n") + (not text.endswith("\n"))
    if "\n" in text:
        return "1 line" if lines == 1 else f"{lines} lines"
    return "1 character" if len(text) == 1 else f"{len(text)} characters"


def _kilobytes(text: str) -> str:
    return f"{max(1, round(len(text.encode('utf-8', 'replace')) / 1000))} kB"
