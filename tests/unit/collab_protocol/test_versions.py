from __future__ import annotations

import pytest

from collab_protocol.errors import VersionRefused
from collab_protocol.versions import VERSIONS, negotiate


def test_the_newest_common_version_is_spoken() -> None:
    assert negotiate((1, 2, 3), (2, 3, 4)) == 3
    assert negotiate(VERSIONS) == max(VERSIONS)


@pytest.mark.parametrize(
    ("theirs", "ours", "who"),
    [((1,), (2,), "this collab"), ((9,), (1, 2), "the server"), ((), (1,), "server")],
)
def test_without_a_common_version_it_says_who_must_upgrade(
    theirs: tuple[int, ...], ours: tuple[int, ...], who: str
) -> None:
    with pytest.raises(VersionRefused, match=f"upgrade.*{who}"):
        negotiate(theirs, ours)
