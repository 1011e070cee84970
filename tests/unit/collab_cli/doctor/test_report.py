"""Tests of `collab_cli.doctor.report`: lines that fit, signs that the terminal has, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collab_cli.doctor.findings import Finding, fine, warning, wrong
from collab_cli.doctor.report import Lines, as_json

FOUND: list[tuple[str, Finding]] = [
    ("folders", fine("all is well")),
    (
        "folders",
        wrong("what is wrong is told in so many words that they do not fit into a row " * 2, "mend it"),
    ),
    ("clock", warning("late\x1b[2J", "set it " * 20)),
]


def lines(**options: bool | int) -> list[str]:
    report = Lines(**{"columns": 80, "is_ascii": False, "has_colours": False, **options})
    found = [line for group, finding in FOUND for line in report.lines(group, finding)]
    return [*found, *report.summary(finding for _, finding in FOUND)]


def test_lines_of_80_columns() -> None:
    shown = lines()
    assert shown[:2] == ["Folders", "  ✓ all is well"]
    assert shown[2].startswith("  ✗ what is wrong is told")
    assert "    → mend it" in shown
    assert shown[-1] == "1 thing is wrong, 1 warning"
    assert max(map(len, shown)) <= 80
    assert "\x1b" not in "".join(shown)


@pytest.mark.parametrize("columns", [1, 40, 500])
def test_other_widths(columns: int) -> None:
    assert max(map(len, lines(columns=columns))) <= max(30, min(columns, 100))


def test_ascii_and_colours() -> None:
    assert "".join(lines(is_ascii=True)).replace("·", "").isascii()  # what was found may have any sign
    assert "  \x1b[31m✗\x1b[0m what is wrong" in "\n".join(lines(has_colours=True))


def test_what_it_comes_to() -> None:
    report = Lines(columns=80, is_ascii=True, has_colours=False)
    assert list(report.summary([fine("x")])) == ["", "nothing is wrong"]
    assert list(report.summary([warning("x", "y")] * 2)) == ["", "nothing is wrong, 2 warnings"]
    assert list(report.summary([wrong("x", "y")] * 2)) == ["", "2 things are wrong, no warnings"]


def test_json() -> None:
    note = json.loads(as_json(Path("/d"), FOUND))
    assert (note["data_dir"], note["wrong"], note["warnings"]) == ("/d", 1, 1)
    assert note["findings"][0] == {"group": "folders", "state": "ok", "what": "all is well", "todo": ""}
