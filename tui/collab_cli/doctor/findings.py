"""What was found: how bad it is, what it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is. WRONG is what keeps collab from working as it was set up, or lets others in."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found; `todo` is empty where there is nothing to do."""

    state: State
    what: str
    todo: str = ""


Findings = Iterator[Finding]


def fine(what: str) -> Finding:
    return Finding(State.OK, what)


def warning(what: str, todo: str) -> Finding:
    return Finding(State.WARNING, what, todo)


def wrong(what: str, todo: str) -> Finding:
    return Finding(State.WRONG, what, todo)
