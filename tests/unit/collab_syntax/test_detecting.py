"""Which language a text is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_syntax.detecting import Modeline, by_name, detect, modeline
from collab_syntax.languages import LANGUAGES, PLAIN, by_id, find


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("notes.py", "python"),
        ("a/b/Main.JAVA", "java"),
        ("x.tsx", "tsx"),
        ("x.ts", "typescript"),
        ("x.jsx", "javascript"),
        ("lib.rs", "rust"),
        ("main.go", "go"),
        ("a.h", "c"),
        ("a.hpp", "cpp"),
        ("a.cc", "cpp"),
        ("index.html", "html"),
        ("s.css", "css"),
        ("package.json", "json"),
        ("ci.yml", "yaml"),
        ("pyproject.toml", "toml"),
        ("Cargo.lock", "toml"),
        ("README.md", "markdown"),
        ("README", "markdown"),
        (".bashrc", "bash"),
        ("run.sh", "bash"),
        ("q.sql", "sql"),
        ("Dockerfile", "dockerfile"),
        ("app.Dockerfile", "dockerfile"),
        ("dockerfile.dev", "dockerfile"),
        ("fix.patch", "diff"),
        ("COMMIT_EDITMSG", "gitcommit"),
        ("x.py~", "python"),
        ("x.yaml.in", "yaml"),
        ("standup", "text"),
        ("py", "text"),
        ("", "text"),
        ("notes.txt", "text"),
        ("weird.[ab", "text"),
        ("C:\\src\\a.rs", "rust"),
    ],
)
def test_names(name: str, language: str) -> None:
    assert detect(name, [], []).id == language


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("#!/usr/bin/python3.12 -u", "python"),
        ("#!/usr/bin/env bash", "bash"),
        ("#!/usr/bin/env -S node --x", "javascript"),
        ("#! /bin/sh", "bash"),
        ("#!/usr/bin/env LANG=C python", "python"),
        ("#!/opt/pypy", "python"),
        ("#!", "text"),
        ("#!/usr/bin/env", "text"),
        ("#!/usr/bin/perl", "text"),
        ("/bin/sh", "text"),
    ],
)
def test_interpreters(line: str, language: str) -> None:
    assert detect("room", [line], [line]).id == language


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("# vim: set ft=python ts=4 sw=4 et:", Modeline(by_id["python"], 4, "4")),
        ("/* vim: ts=8 noet ft=c */", Modeline(by_id["c"], 8, "tabs")),
        ("# vim:ft=rust:sw=2:expandtab", Modeline(by_id["rust"], None, "2")),
        ("vim: syntax=sh", Modeline(by_id["bash"])),
        ("# vi: ts=3 et", Modeline(None, 3, "3")),
        ("# vim: ft=klingon ts=0 sw=900", Modeline()),
        ("-*- python -*-", Modeline(by_id["python"])),
        (
            "/* -*- mode: C++; tab-width: 2; indent-tabs-mode: nil; c-basic-offset: 2 -*- */",
            Modeline(by_id["cpp"], 2, "2"),
        ),
        ("# -*- mode: makefile; indent-tabs-mode: t -*-", Modeline(None, None, "tabs")),
        ("# -*- coding: utf-8 -*-", Modeline()),
        ("vimming: ft=python", Modeline()),
        ("", Modeline()),
    ],
)
def test_modelines(line: str, expected: Modeline) -> None:
    assert modeline([line], []) == expected
    assert modeline([], ["a", line]) == expected


def test_modelines_count_in_five_lines_at_each_end() -> None:
    said = "# vim: ft=go"
    assert modeline(["", "", "", "", said], []).language is by_id["go"]
    assert modeline(["", "", "", "", "", said], []) == Modeline()
    assert modeline([], [said, "", "", "", ""]).language is by_id["go"]
    assert modeline([], [said, "", "", "", "", ""]) == Modeline()


def test_modelines_go_before_names_and_names_before_interpreters() -> None:
    assert detect("x.py", ["#!/bin/sh", "# vim: ft=go"], []).id == "go"
    assert detect("x.py", ["#!/bin/sh"], []).id == "python"
    assert detect("x.py", ["# vim: ft=text"], []) is PLAIN


@given(st.lists(st.text(), max_size=12), st.lists(st.text(), max_size=12), st.text())
def test_any_text_has_a_language(first: list[str], last: list[str], room: str) -> None:
    assert detect(room, first, last) in LANGUAGES


@given(st.text(st.sampled_from("vim:setfx= *-;ode20"), max_size=60))
def test_what_looks_like_a_modeline_does_no_harm(line: str) -> None:
    said = modeline([line], [line])
    assert said.tab_width is None or 1 <= said.tab_width <= 16
    assert said.indent in (None, "tabs") or 1 <= int(said.indent or "0") <= 16


@pytest.mark.parametrize(
    "piece", ["vim:", " vim: set ", "-*-", "-*- a:", " ", "vim: ft=" + "a" * 99, ":", ";"]
)
def test_no_line_keeps_anybody_waiting(piece: str) -> None:
    line = piece * (1_000_000 // len(piece))
    for _ in range(20):
        assert detect(line, [line] * 5, [line] * 5) in LANGUAGES


def test_names_of_languages_are_unique_and_found_in_any_case() -> None:
    names = [name for language in LANGUAGES for name in (language.id, *language.aliases)]
    assert len(names) == len(set(names))
    assert find("Py") is by_id["python"]
    assert find("TS") is by_id["typescript"]
    assert find("cobol") is None
    assert by_name("x.unknown") is None
    assert all(pattern == pattern.lower() for language in LANGUAGES for pattern in language.names)
