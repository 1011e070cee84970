"""A pipe to a relay on another machine: one `ssh`, whose input and output are one socket of ours.

    ssh says:  what the shell there prints │ collab-relay/1 VERSION │ ready ║ bytes of the server
                                           │                        ╰ or why not, and it ends
    on stderr: passed on as it comes, and its last lines kept: they say why ssh could not

What is before the bar is taken off line by line, and nothing behind it: the socket is then as if it led to
the server. All of it blocks, and is for threads; `give_up` may be called from any.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, cast

from collab_protocol.versions import RELAY

GREETING: Final = f"{RELAY} ".encode()
READY: Final = "ready"

_NOISE_BYTES: Final = 64 * 1024
"""What a shell may print before the relay speaks."""

_PEEK_BYTES: Final = 4096
_LOOK_S: Final = 0.25
"""How often ssh is looked at while it says nothing: a child of its own may keep the socket open."""

_GRACE_S: Final = 0.5
_LAST_WAIT_S: Final = 5.0
_SAID_BYTES: Final = 8192
_LAST_WORDS_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Ending:
    """How a pipe ended before it was ready. `code` is ssh's exit code; None when it was made to end.

    `word` and `text` are the relay's, if `has_greeted`; `said` are the last lines on stderr, `noise` is the
    last that came before the relay's greeting, and `is_noise_endless` tells that it was too much.
    """

    code: int | None
    has_greeted: bool = False
    word: str = ""
    text: str = ""
    said: tuple[str, ...] = ()
    noise: str = ""
    is_noise_endless: bool = False


class PipeFailed(Exception):
    """The pipe is not ready, and will not be; `ending` says how that came. All of it is cleared away."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


class _NoiseEndless(EOFError):
    """More came than any shell says at its start."""


class SshPipe:
    """One pipe: `start`, `wait_ready`, then `socket` is the server's until `end`."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        is_apart: bool,
        is_greeted: bool = True,
        on_said: Callable[[bytes], None] = lambda data: None,
    ) -> None:
        """`is_apart`: in a session of its own, where it has no terminal to ask on, and hears no Ctrl-C.
        `is_greeted`: a relay speaks first, or whatever says the same; else it is ready at once.

        `on_said` takes what is written to stderr, in a thread.
        """
        self.on_said = on_said
        self.has_greeted = False
        """Whether the relay has spoken."""
        self._argv = list(argv)
        self._environ = dict(environ)
        self._is_apart = is_apart
        self._is_greeted = is_greeted
        self.socket, self._theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._is_given_up = False
        self._said = bytearray()
        self._listener: threading.Thread | None = None
        self._ends: socket.socket | None = None
        """Closed when ssh has ended: what it started may keep its stderr open."""
        self._noise = b""
        self._taken_bytes = 0

    def start(self) -> None:
        """Run ssh. Raises: OSError: there is none to run; PipeFailed: it was given up before."""
        with self._turn, self._theirs:
            if self._is_given_up:
                self.socket.close()
                raise PipeFailed(Ending(None))
            try:
                process = self._process = subprocess.Popen(  # noqa: S603  # what the settings have for it
                    self._argv,
                    stdin=self._theirs.fileno(),
                    stdout=self._theirs.fileno(),
                    stderr=subprocess.PIPE,
                    env=self._environ,
                    start_new_session=self._is_apart,
                )
            except BaseException:
                self.socket.close()
                raise
            self._ends, ends = socket.socketpair()
            listener = threading.Thread(
                target=self._listen, args=(process, ends), name="ssh-stderr", daemon=True
            )
            listener.start()
            self._listener = listener

    def wait_ready(self, *, greeting_s: float | None, ready_s: float) -> None:
        """Wait until bytes go to the server and back: `greeting_s` for the relay, `ready_s` for the server.

        Raises: PipeFailed: it came to nothing.
        """
        if not self._is_greeted:
            return
        word, text = "", ""
        try:
            ends_at = None if greeting_s is None else time.monotonic() + greeting_s
            while GREETING not in (line := self._line(ends_at)):
                self._noise = line.strip() or self._noise
            self.has_greeted = True
            ends_at = time.monotonic() + ready_s
            while not word:
                word, _, text = self._line(ends_at).decode("utf-8", "replace").strip().partition(" ")
            if word != READY:
                raise EOFError
            self.socket.settimeout(None)
        except (EOFError, OSError) as error:
            code = self.end(is_waited_for=not isinstance(error, TimeoutError | _NoiseEndless))
            ending = replace(self.ending(code), has_greeted=self.has_greeted, word=word, text=text)
            raise PipeFailed(replace(ending, is_noise_endless=isinstance(error, _NoiseEndless))) from error

    def ending(self, code: int | None) -> Ending:
        """Return how it ended: with the exit code that `end` returned, and what was said until now."""
        said = bytes(self._said).decode("utf-8", "replace").splitlines()
        lines = tuple(line.strip() for line in said if line.strip())
        return Ending(code, said=lines, noise=self._noise.decode("utf-8", "replace"))

    def give_up(self) -> None:
        """Have whoever waits for the pipe fail, soon; does not block."""
        self._is_given_up = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def end_soon(self) -> None:
        """End it in a thread of its own; a program that ends meanwhile waits for that."""
        self.give_up()
        threading.Thread(target=self.end, name="ssh-end").start()

    def end(self, *, is_waited_for: bool = True) -> int | None:
        """End ssh: it gets a moment to go by itself. Returns its exit code, None when it was made to end.

        May be called again, and blocks for a second and a half at most.
        """
        self.give_up()
        with self._turn:
            process = self._process
            self.socket.close()
            if process is None:
                self._theirs.close()
                return None
            code = _wait(process, _GRACE_S) if is_waited_for else process.poll()
            if code is None:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    self._signal(process, number)
                    if _wait(process, _GRACE_S if number == signal.SIGTERM else _LAST_WAIT_S) is not None:
                        break
            if self._ends is not None:
                self._ends.close()
        if self._listener is not None:
            self._listener.join(_LAST_WORDS_S)
        return code

    def _signal(self, process: subprocess.Popen[bytes], number: int) -> None:
        """Send a signal, also to what ssh started, or what was run in its place."""
        if self._is_apart:  # that is all that is in its session
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            return
        for pid in _descent(process.pid):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def _line(self, ends_at: float | None) -> bytes:
        """Take the next line off the socket, without its end, and nothing of what follows.

        Raises: EOFError: ssh has ended, or said too much. TimeoutError.
        """
        line = bytearray()
        while True:
            piece = self._peek(ends_at)
            end = piece.find(b"\n")
            taken = self.socket.recv(len(piece) if end < 0 else end + 1)
            line += taken
            self._taken_bytes += len(taken)
            if self._taken_bytes > _NOISE_BYTES:
                raise _NoiseEndless
            if line.endswith(b"\n"):
                return bytes(line[:-1])

    def _peek(self, ends_at: float | None) -> bytes:
        """Return what has come, without taking it. Raises: as `_line`."""
        process = self._process
        while True:
            has_ended = process is None or process.poll() is not None
            left_s = _LOOK_S if ends_at is None else min(_LOOK_S, ends_at - time.monotonic())
            self.socket.settimeout(max(0.001, left_s))
            try:
                piece = self.socket.recv(_PEEK_BYTES, socket.MSG_PEEK)
            except TimeoutError:
                if has_ended:
                    raise EOFError from None
                if ends_at is not None and time.monotonic() >= ends_at:
                    raise
                continue
            if not piece:
                raise EOFError
            return piece

    def _listen(self, process: subprocess.Popen[bytes], ends: socket.socket) -> None:
        """Take what is said until nobody can say more, or ssh has ended and there is nothing, or too much."""
        with cast(IO[bytes], process.stderr) as stream, ends:
            looking = select.poll()
            looking.register(stream, select.POLLIN)
            looking.register(ends, select.POLLIN)
            left_bytes = _NOISE_BYTES
            while left_bytes > 0:
                ready = {descriptor for descriptor, _ in looking.poll()}
                data = os.read(stream.fileno(), _PEEK_BYTES) if stream.fileno() in ready else b""
                if not data:
                    return
                if ends.fileno() in ready:
                    left_bytes -= len(data)
                self._said += data
                del self._said[:-_SAID_BYTES]
                self.on_said(data)


def ask(argv: Sequence[str], environ: Mapping[str, str], within_s: float) -> str | None:
    """Return what ssh says where it does not connect; None when it says no, too much, or nothing in time."""
    pipe = SshPipe(argv, environ=environ, is_apart=True, is_greeted=False)
    said = bytearray()
    ends_at = time.monotonic() + within_s
    try:
        pipe.start()
        pipe.socket.shutdown(socket.SHUT_WR)
        while len(said) <= _NOISE_BYTES:
            pipe.socket.settimeout(max(0.001, ends_at - time.monotonic()))
            if not (data := pipe.socket.recv(_PEEK_BYTES)):
                break
            said += data
    except (OSError, PipeFailed):
        pipe.end(is_waited_for=False)
        return None
    is_too_much = len(said) > _NOISE_BYTES
    is_yes = pipe.end(is_waited_for=not is_too_much) == 0 and not is_too_much
    return said.decode("utf-8", "replace") if is_yes else None


def _descent(pid: int) -> list[int]:
    """Return a process and all below it (Linux: proc_pid_task_children(5)); elsewhere it alone."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in _descent(int(child)))]


def _wait(process: subprocess.Popen[bytes], for_s: float) -> int | None:
    try:
        return process.wait(for_s)
    except subprocess.TimeoutExpired:
        return None
