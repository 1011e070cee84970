"""What may truthfully be said about a person's text, in the words of the status line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StatusKind(StrEnum):
    """The state behind the words; a screen chooses colours by it."""

    CONNECTING = "connecting"
    LOADING = "loading"
    SAVED = "saved"
    NOT_STORED = "not-stored"
    SAVING = "saving"
    OFFLINE = "offline"
    BUSY = "busy"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Status:
    """One state of the status line: the words, and how many rows have no receipt.

    Where there is no room for all of a refusal, `reason` is what may be cut of it, and `brief` says behind it
    in fewer words where changes are. `is_over`: nothing is tried again until the person asks for it;
    `asks_person`: nor is it before the person has answered what is asked on the way to the server.
    """

    kind: StatusKind
    text: str
    unsaved: int = 0
    reason: str = ""
    brief: str = ""
    is_over: bool = False
    asks_person: bool = False


_ASCII: Final = str.maketrans({"…": "..", "✓": "ok:", "↑": "^", "⧗": "~", "✗": "error:", "–": "-", "·": "|"})


def status_line(status: Status, *, ascii: bool) -> str:  # noqa: A002  # the flag is called --ascii
    """Return the words of `status`, in ASCII signs where the terminal has no others."""
    return status.text.translate(_ASCII) if ascii else status.text


def where_saved(status: Status, kept: int, server: str) -> str:
    """Return in a sentence where the text is, for who asks; `server` names the one that keeps it.

    `kept` of the unsaved changes are on this machine's disk.
    """
    if not status.unsaved:
        match status.kind:
            case StatusKind.SAVED:
                return f"all of it is on disk, at {server}"
            case StatusKind.NOT_STORED:
                return f"everybody here has it, but {server} keeps nothing on disk"
            case StatusKind.REFUSED if status.is_over:
                return f"nothing of yours is unsaved; {status.reason}"
            case StatusKind.REFUSED:
                return status.text.removeprefix("✗ ")
            case _:
                return f"nothing of yours is unsaved; not connected to {server}"
    # The server's name comes last: it may be long, and is what may be cut.
    count = _changes(status.unsaved)
    if kept == status.unsaved:
        return f"{count} kept on this machine's disk, not on {server} yet"
    if kept:
        return f"{status.unsaved - kept} of {count} on no disk, {kept} only on this machine's"
    return f"{count} on no disk, nor on {server} yet"


def connecting(unsaved: int = 0) -> Status:
    return Status(StatusKind.CONNECTING, "… connecting", unsaved)


def loading(unsaved: int = 0) -> Status:
    return Status(StatusKind.LOADING, "… loading", unsaved)


def saved(*, is_durable: bool) -> Status:
    """Everything typed here is on the server's disk, or on no disk at all with a `--memory` server."""
    if is_durable:
        return Status(StatusKind.SAVED, "✓ saved")
    return Status(StatusKind.NOT_STORED, "✓ shared, not stored")


def saving(unsaved: int) -> Status:
    return Status(StatusKind.SAVING, f"↑ {unsaved} saving", unsaved)


def offline(
    unsaved: int,
    retry_in_s: float | None,
    kept: int = 0,
    *,
    is_connecting: bool = False,
    asks_person: bool = False,
) -> Status:
    """There is no link; `kept` of the unsaved changes are in the journal, on this machine's disk."""
    what_next = " · connecting" if is_connecting else _retry(retry_in_s, " · ")
    if asks_person:
        what_next = " · ssh asks: F5"  # short: it stands behind all else, and must be there in 80 cells
    words = "! offline" + _kept(unsaved, kept, " – ") + what_next
    return Status(StatusKind.OFFLINE, words, unsaved, is_over=asks_person, asks_person=asks_person)


def busy(unsaved: int, retry_in_s: float | None, kept: int = 0) -> Status:
    return Status(
        StatusKind.BUSY, "⧗ server busy" + _retry(retry_in_s, " – ") + _kept(unsaved, kept, " · "), unsaved
    )


def refused(unsaved: int, reason: str, kept: int = 0, *, is_over: bool = False) -> Status:
    """The server does not take what is typed here, for `reason`; `is_over`: nor does it let us in again."""
    words = f"✗ {reason}" + _kept(unsaved, kept, " – ")
    return Status(StatusKind.REFUSED, words, unsaved, reason, _briefly(unsaved, kept), is_over)


def _briefly(unsaved: int, kept: int) -> str:
    if not unsaved:
        return ""
    if not kept:
        return f" – {unsaved} only here"
    return f" – {kept} kept" if kept == unsaved else f" – {kept} kept, {unsaved - kept} only here"


def _kept(unsaved: int, kept: int, joint: str) -> str:
    """Say where unsaved changes are: on disk, or in this window alone."""
    if not unsaved:
        return ""
    if not kept:
        return f"{joint}{_changes(unsaved)} only in this window"
    words = f"{joint}{_changes(kept)} kept on this machine"
    return words if kept == unsaved else f"{words}, {unsaved - kept} only here"


def _changes(count: int) -> str:
    return f"{count} {'change' if count == 1 else 'changes'}"


def _retry(retry_in_s: float | None, joint: str) -> str:
    return "" if retry_in_s is None else f"{joint}retry in {max(1, math.ceil(retry_in_s))} s"
