"""Tests of `collab_cli.tables`: columns stand below each other, whatever is in them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from collab_cli.tables import print_table


def test_columns_are_as_wide_as_a_terminal_draws_them(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([("name", "who"), ("Émile 😀", "WHO"), ("日本", "WHO"), ("a\x1b[2J", "WHO")])
    rows = capsys.readouterr().out.splitlines()
    assert {cell_len(row.upper().partition("WHO")[0]) for row in rows} == {10}
