"""`collab doctor`: looks at settings, folders, server and terminal, and says what to do; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from collab_cli.doctor.case import open_case
from collab_cli.doctor.checks import look_at_all
from collab_cli.doctor.findings import Finding, State
from collab_cli.doctor.report import Lines, as_json
from collab_cli.exits import ExitCode
from collab_cli.redaction import redact
from collab_cli.terminal import can_draw_unicode


def run(data_dir: Path | None, *, config: Path | None, server: str | None, json: bool) -> int:
    """Print what was found; returns the exit code: 3 when something is wrong.

    Raises:
        UsageError: what was typed is no path.
    """
    case = open_case(os.environ, data_dir=data_dir, config=config, server=server)
    if json:
        found = list(look_at_all(case))
        sys.stdout.write(redact(as_json(case.data_dir, found)) + "\n")
        return _exit_code([finding for _, finding in found])
    lines = Lines(
        columns=shutil.get_terminal_size().columns,
        is_ascii=not can_draw_unicode(),
        has_colours=_has_colours(),
    )
    findings: list[Finding] = []
    for group, finding in look_at_all(case):
        findings.append(finding)
        for line in lines.lines(group, finding):
            _print(line)
    for line in lines.summary(findings):
        _print(line)
    return _exit_code(findings)


def _print(line: str) -> None:
    """Write one line at once: the next look may take seconds."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(redact(line).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def _has_colours() -> bool:
    """Return whether stdout is a terminal with colours, for somebody who wants them (https://no-color.org)."""
    return (
        sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") not in (None, "", "dumb")
    )


def _exit_code(findings: list[Finding]) -> int:
    return ExitCode.REFUSED if any(finding.state is State.WRONG for finding in findings) else ExitCode.OK
