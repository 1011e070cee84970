"""Tests of `collab_cli.paths`: folders that are ours alone, sockets that fit."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.paths import Folders, find_folders, make_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def folders(*run_choices: Path) -> Folders:
    nowhere = Path("/nowhere")
    return Folders(nowhere, nowhere, nowhere, run_choices)


def test_one_variable_moves_everything(tmp_path: Path) -> None:
    found = find_folders({"COLLAB_HOME": str(tmp_path / "home")})
    kept = (found.data, found.state, found.config, found.logs, found.device_file, found.config_file)
    assert all(path.is_relative_to(tmp_path / "home") for path in kept)
    assert found.run_choices[0] == tmp_path / "home" / "run"
    assert not (tmp_path / "home").exists()


def test_a_relative_home_does_not_follow_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_folders({"COLLAB_HOME": "here"}).data == tmp_path / "here" / "data"


def test_without_it_the_platform_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    found = find_folders({})
    assert found.data.is_relative_to(tmp_path)
    assert found.state.is_relative_to(tmp_path)
    assert found.config.is_relative_to(tmp_path)


def test_the_socket_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    run = folders(tmp_path / "a" / "run").run()
    assert mode(run) == 0o700
    assert mode(run.parent) == 0o700


def test_an_open_socket_folder_of_ours_is_closed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    assert mode(folders(tmp_path / "run").run()) == 0o700


def test_a_folder_that_is_not_ours_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    file = tmp_path / "file"
    file.touch()
    assert folders(link, file, tmp_path / "mine").run() == tmp_path / "mine"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_account_is_passed_over(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    assert folders(theirs, tmp_path / "mine").run() == tmp_path / "mine"


def test_a_long_folder_is_passed_over(tmp_path: Path) -> None:
    assert folders(tmp_path / ("x" * 90), tmp_path / "s").run() == tmp_path / "s"
    with pytest.raises(UsageError, match="COLLAB_HOME"):
        folders(tmp_path / ("x" * 90)).run()


def test_sockets_fit_and_differ_by_data_folder_and_kind(tmp_path: Path) -> None:
    here = folders(tmp_path)
    paths = {
        here.socket(tmp_path / data, is_private=is_private) for data in "ab" for is_private in (True, False)
    }
    assert len(paths) == 4
    assert all(len(os.fsencode(path)) < 100 for path in paths)
    assert here.socket(tmp_path / "a", is_private=True) == here.socket(tmp_path / "b/../a", is_private=True)


def test_folders_are_made_private_all_the_way(tmp_path: Path) -> None:
    made = make_folder(tmp_path / "a" / "b")
    assert mode(made) == mode(made.parent) == 0o700
    assert make_folder(made) == made


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot keep anything in"):
            make_folder(path)


@pytest.mark.parametrize("home", ["~no-such-account/x", "/a\0b"])
def test_a_home_that_is_no_path_is_one_line(home: str) -> None:
    with pytest.raises(UsageError, match=r"COLLAB_HOME: .* is not a path: "):
        find_folders({"COLLAB_HOME": home})
