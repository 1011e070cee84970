"""What holds for every test: nothing of the account that runs them is read, and no timing is asserted."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("collab", deadline=None)
settings.register_profile("few", deadline=None, max_examples=20)
settings.load_profile("few" if os.environ.get("COLLAB_FEW_EXAMPLES") else "collab")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take COLLAB_* out of the environment: a test that wants one sets it."""
    for name in [name for name in os.environ if name.startswith("COLLAB_")]:
        monkeypatch.delenv(name)
