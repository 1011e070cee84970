"""Tests of `collab config`: it says what the settings are and where from, and helps to change them."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collab_cli.commands.config import template
from collab_cli.identity import account_name
from collab_cli.main import run
from collab_cli.settings.file import read_config
from collab_cli.settings.table import SETTINGS
from collab_tui.actions import ACTIONS

Output = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith("COLLAB_") or name in ("VISUAL", "EDITOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path))
    return tmp_path / "config" / "config.toml"


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def make(script: str, name: str = "my-editor", variable: str | None = "EDITOR") -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        if variable:
            monkeypatch.setenv(variable, f"'{file}' --wait")

    return make


def configure(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_path(path: Path, capsys: Output) -> None:
    assert run(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert not path.parent.exists()


def test_show(path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(path, 'wrap = false\nruler = true\ncolour = 99\n[keys]\nundo = "Ctrl-D, f4"\nquit = ""\n')
    monkeypatch.setenv("COLLAB_THEME", "light")
    assert run(["config", "show"]) == 2
    shown = capsys.readouterr()
    rows = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in shown.out.splitlines()}
    assert rows["name"] == [account_name(), "default"]
    assert rows["wrap"] == ["false", f"{path}:1"]
    assert rows["ruler"] == ["80", f"{path}:2"]
    assert rows["colour"] == ["-", "default"]
    assert rows["theme"] == ["light", "COLLAB_THEME"]
    assert rows["keys.undo"] == ["ctrl+d, f4", f"{path}:5"]
    assert rows["keys.quit"] == ["no key", f"{path}:6"]
    assert rows["(file)"] == [str(path), "default"]
    assert set(rows) == {setting.key for setting in SETTINGS} | {"(file)", "keys.undo", "keys.quit"}
    assert shown.err.count("\n") == 1
    assert f"{path}:3: 99 is not one of 1 to 12" in shown.err


def test_show_as_json(path: Path, capsys: Output) -> None:
    configure(path, '[serve]\nunix = "/run/x.sock"\n[keys]\nundo = "Ctrl-D"\n')
    assert run(["config", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["file"] == str(path)
    assert set(shown["settings"]) == {setting.key for setting in SETTINGS}
    assert shown["settings"]["theme"] == {"value": "auto", "source": "default"}
    assert shown["settings"]["wrap"] == {"value": True, "source": "default"}
    assert shown["settings"]["serve.unix"] == {"value": "/run/x.sock", "source": f"{path}:2"}
    assert shown["keys"] == {"undo": {"value": "ctrl+d", "source": f"{path}:4"}}


def test_a_wrong_variable_ends_it(path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_WRAP", "perhaps")
    assert run(["config", "show"]) == 2
    shown = capsys.readouterr()
    assert shown.err == "collab: COLLAB_WRAP: 'perhaps' is not true or false\n"
    assert re.search(r"^wrap +- +wrong: COLLAB_WRAP$", shown.out, re.MULTILINE)


def test_a_wrong_value_that_counts_is_shown_with_its_place(path: Path, capsys: Output) -> None:
    configure(path, 'wrap = false\n[serve]\nport = "x"\n')
    assert run(["config", "show"]) == 2
    shown = capsys.readouterr()
    assert re.search(rf"^wrap +false +{path}:1$", shown.out, re.MULTILINE)
    assert re.search(rf"^serve\.port +- +wrong: {path}:3$", shown.out, re.MULTILINE)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("way", ["--config", "COLLAB_CONFIG"])
def test_another_file_may_be_named(
    path: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    configure(path, "wrap = false\n")
    other = tmp_path / "other.toml"
    named: list[str] = []
    if way == "--config":
        named = ["--config", str(other)]
    else:
        monkeypatch.setenv(way, str(other))
    assert run(["config", "path", *named]) == 0
    assert capsys.readouterr().out == f"{other}\n"
    assert run(["config", "show", *named]) == 2
    assert f"cannot read {other}: there is no such file" in capsys.readouterr().err
    monkeypatch.setenv("EDITOR", "true")
    assert run(["config", "edit", *named]) == 0
    assert other.read_text() == template()
    other.write_text(
        '[serve]\nmonitor = 9100\nhistory_age = "14d"\nhistory_size = "2048K"\norigin = "http://a"\n'
    )
    assert run(["config", "show", *named]) == 0
    rows = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["(file)"] == [str(other), way]
    assert rows["wrap"] == ["true", "default"]
    assert rows["serve.monitor"] == ["127.0.0.1:9100", f"{other}:2"]
    assert rows["serve.history_age"] == ["2w", f"{other}:3"]
    assert rows["serve.history_size"] == ["2M", f"{other}:4"]
    assert rows["serve.origin"] == ["http://a", f"{other}:5"]
    assert run(["config", "show", "--json", *named]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["file"], shown["file_source"]) == (str(other), way)
    assert shown["settings"]["serve.monitor"]["value"] == "127.0.0.1:9100"
    assert shown["settings"]["serve.history_age"]["value"] == 14 * 86_400


def test_check_says_all_that_is_wrong(path: Path, tmp_path: Path, capsys: Output) -> None:
    assert run(["config", "check"]) == 0
    assert capsys.readouterr().out == f"{path}: there is no such file, and none is needed\n"
    configure(path, "wrap = false\n[serve]\nport = 1\nauth = true\n")
    assert run(["config", "check"]) == 0
    assert capsys.readouterr().out == f"{path}: nothing is wrong in it\n"
    configure(path, 'wrpa = false\ntheme = "pink"\n[serve]\nprot = 1\n[server]\nx = 1\n')
    assert run(["config", "check"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.removeprefix(f"collab: {path}:")[0] for line in told.err.splitlines()] == list("1245")[:4]
    assert "ignored" not in told.err
    assert run(["config", "check", "--json"]) == 2
    noted = json.loads(capsys.readouterr().out)
    assert noted["file"] == str(path)
    assert len(noted["wrong"]) == 4
    assert run(["config", "check", str(tmp_path / "none")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_check_says_what_does_not_go_together(path: Path, capsys: Output) -> None:
    configure(path, '[serve]\nhost = "0.0.0.0"\nauth = true\n')
    assert run(["config", "check"]) == 2
    assert "[serve]: 0.0.0.0 is reachable from other machines" in capsys.readouterr().err


def test_edit_makes_the_file_for_us_alone(path: Path, editor: Callable[..., None], capsys: Output) -> None:
    editor(f'test "$1" = --wait && test "$2" = {path} && cp "$2" "$2.seen"')
    assert run(["config", "edit"]) == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.with_name("config.toml.seen").read_text() == template()
    assert capsys.readouterr().err == ""


def test_the_editor_does_not_inherit_a_token(
    path: Path, tmp_path: Path, editor: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(f"env > {tmp_path}/seen")
    monkeypatch.setenv("COLLAB_TOKEN", "ci1.k1.YQ.c2lnbmF0dXJl")
    assert run(["config", "edit"]) == 0
    seen = (tmp_path / "seen").read_text()
    assert "COLLAB_HOME=" in seen
    assert "k1" not in seen


def test_edit_keeps_what_is_there_and_says_what_is_wrong(
    path: Path, editor: Callable[..., None], capsys: Output
) -> None:
    configure(path, 'name = "ana"\n')
    editor('echo "wrpa = true" >> "$2"; echo "colour = 99" >> "$2"')
    assert run(["config", "edit"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"collab: {path}:2: nobody knows the key 'wrpa'")
    assert second.startswith(f"collab: {path}:3: 99 is not one of 1 to 12")
    assert path.read_text().startswith('name = "ana"\n')


def test_visual_wins_over_editor_and_that_over_what_is_there(
    path: Path, tmp_path: Path, editor: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    for name, variable in (("vi", None), ("nano", None), ("mine", "EDITOR"), ("best", "VISUAL")):
        editor(f"echo {name} >> {said}", name, variable)
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("VISUAL", "EDITOR", "PATH"):
        assert run(["config", "edit"]) == 0
        monkeypatch.setenv(variable, "")
    assert said.read_text() == "best\nmine\nnano\n"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PATH", "/nonexistent", "no editor found (editor, nano, vi): set EDITOR to one"),
        ("EDITOR", "/nonexistent/ed", "cannot run /nonexistent/ed: No such file or directory"),
        ("EDITOR", "'", 'EDITOR: "\'" is no command'),
        ("EDITOR", "false", "false ended with exit code 1"),
    ],
)
def test_edit_without_an_editor(
    path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert run(["config", "edit"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_edit_where_nothing_can_be_kept(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_HOME", "/dev/null")
    monkeypatch.setenv("EDITOR", "true")
    assert run(["config", "edit"]) == 2
    assert "cannot keep anything in /dev/null/config" in capsys.readouterr().err


def test_all_that_the_template_offers_is_right(path: Path) -> None:
    configure(path, template())
    assert read_config(path).complaints == ()
    assert read_config(path).values == read_config(path).keys == {}
    configure(path, re.sub(r"^#(?! )", "", template(), flags=re.MULTILINE))
    file = read_config(path)
    assert file.complaints == ()
    assert set(file.values) == {setting.key for setting in SETTINGS}
    assert set(file.keys) == {action.id for action in ACTIONS}


def test_no_two_settings_share_a_variable() -> None:
    variables = [setting.variable for setting in SETTINGS if setting.has_variable]
    assert len(set(variables)) == len(variables)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.key)
def test_defaults_are_right_themselves(setting: object) -> None:
    from collab_cli.settings.setting import Setting

    assert isinstance(setting, Setting)
    assert setting.default is None or setting.parse(setting.shown(setting.default)) == setting.default


def test_show_draws_nothing_that_a_terminal_would_obey(
    path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(path, '[serve]\nhost = "a\\u001b[2J\\nb"\n')
    monkeypatch.setenv("COLLAB_NAME", "ana\udcff")
    assert run(["config", "show"]) == 0
    rows = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["serve.host"] == ["a·[2J·b", f"{path}:2"]
    assert rows["name"] == ["ana·", "COLLAB_NAME"]
    assert set(rows) == {setting.key for setting in SETTINGS} | {"(file)"}


def test_show_where_ascii_is_all_there_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(path, "")
    monkeypatch.setenv("COLLAB_NAME", "andré")
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="ascii", errors="strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run(["config", "show"]) == 0
    assert b"andr\\xe9 " in written.getvalue()
