"""What the tests of the doctor share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.collab_cli.doctor.ward import Ward


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ward:
    for name in list(os.environ):
        if name.startswith("COLLAB_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    ward = Ward(tmp_path)
    ward.set_up()
    return ward
