"""Tests of `collab top` without a screen: --json, --once, and what is said where there is nothing to show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from collab_cli.commands import top
from collab_cli.exits import ExitCode
from collab_cli.main import run
from collab_server.monitoring.catalogue import METRICS
from collab_tui.top.rates import COUNTERS
from tests.unit.collab_server.wire import short_folder
from tests.unit.collab_tui.keyed import HOSTILE
from tests.unit.collab_tui.top.played import PlayedServer, figures, room


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as home:
        monkeypatch.setenv("COLLAB_HOME", str(home))
        yield home


class PlayedLink(PlayedServer):
    """A link to a server that is played; each answer has taken more updates."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, request: Any) -> dict[str, Any]:
        await super().ask(request)
        updates = 100 * len(self.asked)
        return figures(
            rooms=[room("notes", updates=updates), room(HOSTILE, lagging=2, oldest_unsettled_s=1.5)],
            updates=updates,
        )


@pytest.fixture
def link(home: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedLink:
    made = PlayedLink()
    monkeypatch.setattr(top, "link_maker", lambda place: lambda: made)
    return made


def test_json_is_what_the_server_says(link: PlayedLink, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--json"]) == ExitCode.OK
    printed = json.loads(capsys.readouterr().out)
    assert printed["counters"]["collab_updates_total"] == 100
    assert printed["started"] == "2023-11-14T22:13:20+00:00"
    assert [each["room"] for each in printed["rooms"]] == ["notes", HOSTILE]
    assert len(link.asked) == 1
    assert link.is_closed


def test_once_prints_a_table_with_rates(link: PlayedLink, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--once", "--interval", "0.5"]) == ExitCode.OK
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    told = dict(line.split(None, 1) for line in printed.split("\n\n")[0].splitlines())
    assert told["state"] == "ready"
    assert told["version"] == "collab 0.9.0, pid 4711, up 3 d 4 h"
    assert 0 < float(told["updates"].removesuffix("/s").replace(",", "")) <= 200
    assert told["commit"] == "1.1 ms, p99 9.0 ms"
    head, notes, other = printed.split("\n\n")[1].splitlines()
    assert head.split()[:3] == ["room", "id", "people"]
    assert notes.startswith("notes ")
    assert "1.5 s" in other
    assert len(link.asked) == 2
    assert link.is_closed


def test_no_server_is_said_in_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--once", "--json"):
        assert run(["top", flag]) == ExitCode.UNREACHABLE
        said = capsys.readouterr()
        assert said.out == ""
        assert "no server runs on" in said.err
        assert said.err.count("\n") == 1


def test_it_needs_a_terminal(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top"]) == ExitCode.USAGE
    assert "add --once or --json" in capsys.readouterr().err


def test_an_interval_has_bounds(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for interval in ("0", "61", "often"):
        assert run(["top", "--interval", interval]) == ExitCode.USAGE
    assert "see: collab top --help" in capsys.readouterr().err


def test_the_server_counts_what_is_shown() -> None:
    assert set(COUNTERS.values()) <= {metric.name for metric in METRICS}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--server", "wss://example.org", "--data-dir", "/nowhere"],
            "--data-dir is for a server on this machine",
        ),
        (["--insecure"], "name it with --server"),
        (["--server", "wss://example.org"], "wants a token"),
    ],
)
def test_which_server(
    flags: list[str],
    said: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("COLLAB_TOKEN", raising=False)
    assert run(["top", "--json", *flags]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
