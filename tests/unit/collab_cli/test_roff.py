"""Tests of `collab_cli.roff`: whatever a text holds, it is shown as it is."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from collab_cli.roff import bold, escape, example, filled, items, paragraph, section, title

TEXTS = [
    r"a\b \n \fB",
    ".TH is no request here",
    "'tis",
    "say \"yes\" to 'no'",
    "--flag=~/x^2 `code` -1",
    "naïve … → 日本",
    "a",
]


def test_signs_of_roff_are_escaped() -> None:
    assert escape(r"\n") == r"\(rsn"
    assert escape("--all") == r"\-\-all"
    assert escape("see `collab join`!") == r"see \fBcollab join\fR!"
    assert escape("é") == r"\[u00E9]"
    assert "".join(filled(".so /etc/passwd")) == r"\&.so /etc/passwd"


def test_no_line_of_a_paragraph_begins_as_a_request() -> None:
    lines = list(paragraph(escape("word " * 15 + "........................................ 'and' .so on")))
    assert lines[0] == ".PP"
    assert len(lines) > 2
    assert not [line for line in lines[1:] if line.startswith((".", "'"))]


def test_a_term_without_text_does_not_take_the_next() -> None:
    assert list(items([("one", ""), ("two", "second")])) == [".TP", "one", r"\&", ".TP", "two", "second"]


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_groff_shows_every_text_as_it_is() -> None:
    roff = [title("X", 1, "2026-01-01", "collab", "Tests"), section("TEXT")]
    for text in TEXTS:
        roff += paragraph(escape(text.replace("`", "")))
        roff += paragraph(bold(text))
        roff += example(text)
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-P-c", "-ww", "-rLL=200n"],
        input="\n".join(roff),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""
    shown = subprocess.run(
        ["col", "-b"], input=done.stdout, capture_output=True, encoding="utf-8", check=True
    )
    for text in TEXTS:
        assert shown.stdout.count(text) >= 2, text
