"""Tests of `collab_cli.socket_group`: which group it is, whether we may give it, how far it gets."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from collab_cli.socket_group import Group, closed_folder, group_called

OWN = grp.getgrgid(os.getegid())


def test_a_group_is_called_by_name_or_number() -> None:
    assert group_called(OWN.gr_name) == group_called(str(OWN.gr_gid)) == Group(OWN.gr_gid, OWN.gr_name)
    assert str(group_called(OWN.gr_name)) == OWN.gr_name


@pytest.mark.parametrize("text", ["no such group", "", "4294967290", "99999999999999999999", "-1", "٣"])
def test_what_is_no_group(text: str) -> None:
    with pytest.raises(ValueError, match="a group of this machine"):
        group_called(text)


def test_only_ones_own_groups_are_ours_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getegid", lambda: 70)
    monkeypatch.setattr(os, "getgroups", lambda: [71])
    for uid, given in ((1000, {70, 71}), (0, {70, 71, 72})):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        assert {number for number in (70, 71, 72) if Group(number, "x").is_ours_to_give} == given


def test_the_first_folder_that_keeps_the_group_out_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    own, other = Group(OWN.gr_gid, ""), Group(OWN.gr_gid + 12345, "")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a").chmod(0o711)
    for mode, closed_to_own, closed_to_other in (
        (0o711, None, None),
        (0o710, None, inner),
        (0o701, inner, None),
        (0o766, inner, inner),
    ):
        inner.chmod(mode)
        assert closed_folder(inner / "s.sock", own) == closed_to_own
        assert closed_folder(inner / "s.sock", other) == closed_to_other
    (tmp_path / "a").chmod(0o700)
    assert closed_folder(inner / "s.sock", own) == tmp_path / "a"
    assert closed_folder(tmp_path / "none" / "s.sock", own) == tmp_path / "none"
