"""The findings as lines for people, or as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from collab_cli.doctor.findings import Finding, State
from collab_cli.exits import printable
from collab_cli.humane import counted

_SIGNS: Final = {State.OK: "✓", State.WARNING: "!", State.WRONG: "✗"}
_ASCII_SIGNS: Final = {State.OK: "+", State.WARNING: "!", State.WRONG: "x"}
_SGR: Final = {State.OK: "32", State.WARNING: "33", State.WRONG: "31"}
_BOLD: Final = "1"
_WIDEST: Final = 100
_NARROWEST: Final = 30

Found = tuple[str, Finding]
"""The name of a group, and a finding."""


class Lines:
    """Makes lines of findings as they come, for a terminal so wide."""

    def __init__(self, *, columns: int, is_ascii: bool, has_colours: bool) -> None:
        self._columns = max(_NARROWEST, min(columns, _WIDEST))
        self._signs = _ASCII_SIGNS if is_ascii else _SIGNS
        self._arrow = "->" if is_ascii else "→"
        self._has_colours = has_colours
        self._group = ""

    def lines(self, group: str, finding: Finding) -> Iterator[str]:
        """Yield the lines of one finding, with a heading where its group begins."""
        if group != self._group:
            if self._group:
                yield ""
            self._group = group
            yield self._painted(group.capitalize(), _BOLD)
        sign = self._painted(self._signs[finding.state], _SGR[finding.state])
        first, *more = self._wrapped(finding.what, "    ")
        yield f"  {sign} {first.lstrip()}"
        yield from more
        if finding.todo:
            first, *more = self._wrapped(finding.todo, " " * (5 + len(self._arrow)))
            yield f"    {self._arrow} {first.lstrip()}"
            yield from more

    def summary(self, findings: Iterable[Finding]) -> Iterator[str]:
        """Yield what it comes to."""
        states = [finding.state for finding in findings]
        bad, doubtful = states.count(State.WRONG), states.count(State.WARNING)
        yield ""
        if bad:
            things = "1 thing is wrong" if bad == 1 else f"{bad} things are wrong"
            yield self._painted(f"{things}, {_warnings(doubtful)}", _SGR[State.WRONG])
        elif doubtful:
            yield self._painted(f"nothing is wrong, {_warnings(doubtful)}", _SGR[State.WARNING])
        else:
            yield self._painted("nothing is wrong", _SGR[State.OK])

    def _wrapped(self, text: str, indent: str) -> list[str]:
        return textwrap.wrap(
            printable(" ".join(text.split())),
            self._columns,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]

    def _painted(self, text: str, sgr: str) -> str:
        return f"\x1b[{sgr}m{text}\x1b[0m" if self._has_colours else text


def as_json(data_dir: Path, found: Iterable[Found]) -> str:
    """Return all of it as one line of JSON."""
    listed = list(found)
    note = {
        "data_dir": str(data_dir),
        "wrong": sum(finding.state is State.WRONG for _, finding in listed),
        "warnings": sum(finding.state is State.WARNING for _, finding in listed),
        "findings": [
            {"group": group, "state": finding.state, "what": finding.what, "todo": finding.todo}
            for group, finding in listed
        ],
    }
    return json.dumps(note)


def _warnings(count: int) -> str:
    return counted(count, "warning") if count else "no warnings"
