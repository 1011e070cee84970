"""All that is looked at, in order, none of it for longer than anybody waits."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from collab_cli.doctor.case import Case
from collab_cli.doctor.certificate import look_at_certificate
from collab_cli.doctor.clock import look_at_clock
from collab_cli.doctor.findings import Finding, Findings, warning
from collab_cli.doctor.machine import look_at_files_limit, look_at_versions
from collab_cli.doctor.places import look_at_places
from collab_cli.doctor.reaching import look_at_servers
from collab_cli.doctor.running import look_at_server
from collab_cli.doctor.settings import look_at_settings
from collab_cli.doctor.ssh_door import look_at_ssh_door
from collab_cli.doctor.store import look_at_store
from collab_cli.doctor.terminal import look_at_terminal

DEADLINE_S: Final = 5.0

Look = Callable[[Case], Findings]


@dataclass(frozen=True, slots=True)
class Group:
    """What belongs together, and its heading."""

    name: str
    looks: tuple[Look, ...]


GROUPS: Final = (
    Group("settings", (look_at_settings,)),
    Group("folders", (look_at_places,)),
    Group("rooms", (look_at_store,)),
    Group("server", (look_at_server, look_at_files_limit, look_at_ssh_door)),
    Group("certificate", (look_at_certificate,)),
    Group("reached from here", (look_at_servers,)),
    Group("clock", (look_at_clock,)),
    Group("versions", (look_at_versions,)),
    Group("terminal", (look_at_terminal,)),
)


def look_at_all(case: Case) -> Iterator[tuple[str, Finding]]:
    """Yield each finding with the name of its group."""
    for group in GROUPS:
        for look in group.looks:
            for finding in within(look, case):
                yield group.name, finding


def within(look: Look, case: Case, deadline_s: float = DEADLINE_S) -> list[Finding]:
    """Return what `look` finds in time: a disk of the network or a name server may hold it for minutes.

    What is held then ends with this process. A fault of ours is raised here.
    """
    said: queue.SimpleQueue[Finding | BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for finding in look(case):
                said.put(finding)
        except OSError as error:
            if not (isinstance(error, PermissionError) and case.is_hidden):
                said.put(warning(f"cannot be looked at: {error}", "run it as the account that serves"))
        except BaseException as error:  # raised again where it is seen
            said.put(error)
        said.put(None)

    threading.Thread(target=run, name=look.__name__, daemon=True).start()
    ends_at = time.monotonic() + deadline_s
    found: list[Finding] = []
    while True:
        try:
            each = said.get(timeout=max(0.0, ends_at - time.monotonic()))
        except queue.Empty:
            what = look.__name__.removeprefix("look_at_").replace("_", " ")
            late = f"no answer within {deadline_s:.0f} s ({what})"
            return [*found, warning(late, "see whether a disk or the network hangs")]
        if each is None:
            return found
        if isinstance(each, BaseException):
            raise each
        found.append(each)
