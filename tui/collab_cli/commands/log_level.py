"""`collab admin log-level`: how much a running server tells in its log."""

from __future__ import annotations

from collab_cli.exits import ExitCode, UsageError, say
from collab_cli.office.office import ask
from collab_cli.settings.flags import LogLevel, OperatorFlags
from collab_cli.tables import print_json, write


def run(place: OperatorFlags, typed: str | None, *, as_json: bool) -> int:
    """Print the level, or set it; returns the exit code. Raises: CollabError."""
    wanted = None if typed is None else typed.lower()
    if wanted is not None and wanted not in list(LogLevel):
        raise UsageError(f"{typed!r} is no level of the log: use {', '.join(LogLevel)}")
    request = {"do": "log-level"} | ({} if wanted is None else {"level": wanted})
    answer = ask(place, request)
    if as_json:
        return print_json({"level": answer["level"], "before": answer["before"]})
    if wanted is None:
        write(answer["level"])
        return ExitCode.OK
    write(f"the log tells {answer['level']} and graver from now on (before: {answer['before']})")
    say(
        f"until the server ends; to keep it: `collab serve --log-level {wanted}`, or log_level in config.toml"
    )
    return ExitCode.OK
