"""Tests of `collab_cli.man_pages`: all commands and settings have pages, which readers of man pages take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from collab_cli.main import app, run
from collab_cli.man_pages import Page, man_pages
from collab_cli.settings.table import SETTINGS

DATE = {"SOURCE_DATE_EPOCH": "1767225600"}


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return {page.file_name: page for page in man_pages(app, DATE)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pages: dict[str, Page]) -> Path:
    folder = tmp_path_factory.mktemp("man")
    for page in pages.values():
        (folder / page.file_name).write_text(page.roff, encoding="ascii")
    return folder


def test_every_command_has_a_page(pages: dict[str, Page]) -> None:
    named = [command.name for command in app.registered_commands if not command.hidden]
    named += [group.name for group in app.registered_groups]
    assert set(pages) == {"collab.1", "collab-config.5", *(f"collab-{name}.1" for name in named)}
    assert "collab-join.1" in pages
    for name in named:
        assert rf"\fBcollab {name}\fR".replace("-", r"\-") in pages["collab.1"].roff


def test_a_page_says_what_help_says(pages: dict[str, Page]) -> None:
    roff = pages["collab-join.1"].roff
    assert "Edit a room together. Starts a server for this account if none runs." in roff
    assert r"\fB\-\-announce\fR \fIFILE|FIFO|region\fR" in roff
    assert r"\fB\-h,\fR \fB\-\-help\fR" in roff


def test_a_group_has_all_its_commands_on_its_page(pages: dict[str, Page]) -> None:
    roff = pages["collab-admin.1"].roff
    for name in ("kick", "ban", "rotate-keys"):
        assert f'.SS "collab admin {name}"'.replace("-", r"\-") in roff


def test_what_is_hidden_is_on_no_page(pages: dict[str, Page]) -> None:
    assert "private" not in "".join(
        line for line in pages["collab-serve.1"].roff.splitlines() if line.startswith(r"\fB\-\-")
    )


def test_every_setting_is_on_the_page_of_the_file(pages: dict[str, Page]) -> None:
    roff = pages["collab-config.5"].roff
    for setting in SETTINGS:
        assert rf"\fB{setting.name}\fR = " in roff, setting.key


def test_pages_are_the_same_each_time_and_have_no_date_of_today(pages: dict[str, Page]) -> None:
    assert [page.roff for page in man_pages(app, DATE)] == [page.roff for page in pages.values()]
    assert '"2026-01-01"' in pages["collab.1"].roff
    undated = {page.file_name: page for page in man_pages(app, {})}
    assert undated["collab.1"].roff.splitlines()[1].startswith('.TH "COLLAB" "1" "" "collab ')
    assert all(page.roff.isascii() for page in pages.values())


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_groff_warns_of_nothing(folder: Path) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", *sorted(map(str, folder.iterdir()))],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not here")
def test_mandoc_finds_no_fault(folder: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", *sorted(map(str, folder.iterdir()))],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    # It says so of pages that are not installed where it looks.
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert said == []


@pytest.mark.skipif(shutil.which("lexgrog") is None, reason="man-db is not here")
def test_whatis_finds_what_each_is_about(folder: Path, pages: dict[str, Page]) -> None:
    done = subprocess.run(
        ["lexgrog", *sorted(map(str, folder.iterdir()))], capture_output=True, encoding="utf-8", check=True
    )
    assert len(done.stdout.splitlines()) == len(pages)
    assert '"collab-join - edit a room together"' in done.stdout


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["man"]) == 0
    shown = capsys.readouterr()
    assert "collab-serve(1)" in shown.out
    assert "collab-config(5)" in shown.out
    assert "collab man DIR" in shown.err


def test_the_command_writes_them_where_man_looks(
    tmp_path: Path,
    pages: dict[str, Page],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE["SOURCE_DATE_EPOCH"])
    assert run(["man", str(tmp_path / "man")]) == 0
    written = {str(path.relative_to(tmp_path / "man")): path for path in (tmp_path / "man").rglob("*.*")}
    assert set(written) == {f"man{name[-1]}/{name}" for name in pages}
    assert written["man1/collab.1"].read_text() == pages["collab.1"].roff
    assert "man -M" in capsys.readouterr().out


def test_where_they_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "man").write_text("a file")
    assert run(["man", str(tmp_path / "man")]) == 2
    assert "cannot write man pages" in capsys.readouterr().err
