"""The parser's process: reads texts and edits from a socket, writes colours and answers to it.

Run as `python -P -m collab_syntax.worker LANGUAGE FD` with one end of a socket pair as FD. It ends when the
other end closes. Before native code runs, an alarm is set that the kernel keeps, and whose signal ends the
process wherever it is; memory has a limit; a crash leaves no file.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Final

from collab_syntax.document import Document, Interrupted
from collab_syntax.frames import FrameError, Frames, frame
from collab_syntax.grammars import Grammars, grammar_names
from collab_syntax.kinds import Run
from collab_syntax.limits import MOST_BYTES
from collab_syntax.line_scanner import LineDocument

_HANG_S: Final = 10.0
"""8 MB of JSON take 1 s, of Markdown that is all headings 10 s."""

_SETTLE_S: Final = 0.3
_PUT_OFF_MOST: Final = 3
"""How often a question waits for edits that come meanwhile."""

_MEMORY_BYTES: Final = 2 << 30
_READ_BYTES: Final = 1 << 20

_TOO_LARGE: Final = "the text is too large to colour"


class _Unusable(Exception):
    """There is nothing to be done, and this is why."""


class Worker:
    """One text in one language, and what the parent wants to know of it."""

    def __init__(self, link: socket.socket, language: str) -> None:
        """Speak over `link`, a blocking socket."""
        self._link = link
        self._language = language
        self._frames = Frames()
        self._grammars = Grammars()
        self._document: Document | LineDocument | None = None
        self._pieces = bytearray()
        self._is_too_large = False
        self._version = 0
        self._looked_at: list[tuple[int, int]] = []
        self._asked: list[tuple[int, int, str, list[int]]] = []
        self._put_off = 0
        self._sent: tuple[int, list[tuple[int, list[list[Run]]]]] | None = None
        self._settle_at = 0.0

    def run(self) -> None:
        """Serve until the parent is gone."""
        if self._language in grammar_names():
            with _alarm():
                _ = self._grammars.get(self._language).kinds
        while self._receive(self._patience()):
            try:
                self._work()
            except _Unusable as reason:
                self._send(["failed", str(reason)])
                return

    def _patience(self) -> float | None:
        """Return how long to wait for the parent, None for ever."""
        if self._asked:
            return 0
        if self._document is None or self._document.is_settled:
            return None
        return max(0.0, self._settle_at - monotonic())

    def _is_urgent(self) -> bool:
        return bool(select.select([self._link], [], [], 0)[0])

    def _receive(self, patience_s: float | None) -> bool:
        """Wait, then take all that is there; return whether the parent is still."""
        ready, _, _ = select.select([self._link], [], [], patience_s)
        while ready:
            received = self._link.recv(_READ_BYTES)
            if not received:
                return False
            for message in self._frames.feed(received):
                self._take(message)
            ready, _, _ = select.select([self._link], [], [], 0)
        return True

    def _take(self, message: Any) -> None:
        match message:
            case ["text", int(version)]:
                self._document, self._version = None, version
                self._pieces = bytearray()
            case ["piece", bytes(piece)]:
                self._is_too_large |= len(self._pieces) + len(piece) > MOST_BYTES
                if not self._is_too_large:
                    self._pieces += piece
            case ["whole"]:
                if not self._is_too_large:
                    self._begin()
            case ["edit", int(first), int(last), bytes(text)]:
                if self._document is not None:
                    self._edit(self._document, first, last, text)
            case ["look", list(rows)]:
                self._looked_at = list(zip(rows[::2], rows[1::2], strict=True))
            case ["ask", int(number), str(what), list(arguments)]:
                self._asked.append((number, self._version, what, arguments))
            case _:
                raise FrameError("the parent says what it can't say")

    def _begin(self) -> None:
        text = bytes(self._pieces)
        self._pieces = bytearray()
        with _alarm():
            if self._language in grammar_names():
                self._document = Document(self._grammars, self._language, text)
            else:
                self._document = LineDocument(self._language, text)

    def _edit(self, document: Document | LineDocument, first: int, last: int, text: bytes) -> None:
        self._version += 1
        self._settle_at = monotonic() + _SETTLE_S
        try:
            with _alarm():
                document.edit(first, last, text)
        except ValueError:
            self._is_too_large = True

    def _work(self) -> None:
        if self._is_too_large:
            raise _Unusable(_TOO_LARGE)
        document = self._document
        if document is None:
            return
        with _alarm():
            document.parse()
        self._show(document)
        if self._asked and not self._is_urgent():
            self._answer(document, *self._asked.pop(0))
        elif not document.is_settled and monotonic() >= self._settle_at:
            with suppress(Interrupted):
                with _alarm():
                    document.settle(self._is_urgent)
                self._show(document)
            self._settle_at = monotonic() + _SETTLE_S

    def _show(self, document: Document | LineDocument) -> None:
        """Send the colours of the rows looked at, unless the parent has them."""
        if not self._looked_at:
            return
        with _alarm():
            stretches = document.colours(*self._looked_at)
        showing = (self._version, stretches)
        if showing != self._sent:
            self._sent = showing
            flat = [[first, [[n for run in row for n in run] for row in rows]] for first, rows in stretches]
            self._send(["colours", self._version, flat])

    def _answer(
        self, document: Document | LineDocument, number: int, version: int, what: str, at: list[int]
    ) -> None:
        value: Any = None
        may_wait = self._put_off < _PUT_OFF_MOST

        def is_urgent() -> bool:
            return may_wait and self._is_urgent()

        if version == self._version:
            try:
                with _alarm():
                    match what, at:
                        case "enclosing", [row, column, end_row, end_column]:
                            value = document.enclosing((row, column), (end_row, end_column))
                        case "fold_at", [row]:
                            value = document.fold_at(row, is_urgent)
                        case "folds", []:
                            value = document.folds(is_urgent)
                        case "symbols", []:
                            value = document.symbols(is_urgent)
                        case _:
                            pass
            except Interrupted:
                self._put_off += 1
                self._asked.append((number, version, what, at))
                return
        self._put_off = 0
        self._send(["answer", number, value])

    def _send(self, message: Any) -> None:
        self._link.sendall(frame(message))


@contextmanager
def _alarm() -> Iterator[None]:
    """Let the kernel end this process if what is inside takes too long, even in native code."""
    signal.setitimer(signal.ITIMER_REAL, _HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bind(limit: int, most: int) -> None:
    _, hard = resource.getrlimit(limit)
    with suppress(ValueError, OSError):
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Serve the parent at the other end of the socket that the second argument names."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bind(resource.RLIMIT_AS, _MEMORY_BYTES)
    _bind(resource.RLIMIT_CORE, 0)
    gc.disable()  # see grammars.py: the collector is where py-tree-sitter crashes
    link = socket.socket(fileno=int(sys.argv[2]))
    with suppress(OSError, FrameError):
        Worker(link, sys.argv[1]).run()
    os._exit(0)  # without tearing trees and queries down


if __name__ == "__main__":
    main()
