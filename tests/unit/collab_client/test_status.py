from __future__ import annotations

import pytest

from collab_client import status as say
from collab_client.status import Status, status_line


@pytest.mark.parametrize(
    ("status", "words", "in_ascii"),
    [
        (say.connecting(), "… connecting", ".. connecting"),
        (say.loading(), "… loading", ".. loading"),
        (say.saved(is_durable=True), "✓ saved", "ok: saved"),
        (say.saved(is_durable=False), "✓ shared, not stored", "ok: shared, not stored"),
        (say.saving(3), "↑ 3 saving", "^ 3 saving"),
        (say.offline(0, None), "! offline", "! offline"),
        (
            say.offline(12, 6.7),
            "! offline – 12 changes only in this window · retry in 7 s",
            "! offline - 12 changes only in this window | retry in 7 s",
        ),
        (say.offline(1, None), "! offline – 1 change only in this window", None),
        (say.busy(0, 20), "⧗ server busy – retry in 20 s", "~ server busy - retry in 20 s"),
        (say.refused(0, "too old"), "✗ too old", "error: too old"),
        (say.refused(2, "too old"), "✗ too old – 2 changes only in this window", None),
    ],
)
def test_the_words(status: Status, words: str, in_ascii: str | None) -> None:
    assert status_line(status, ascii=False) == words
    if in_ascii is not None:
        assert status_line(status, ascii=True) == in_ascii
    assert status_line(status, ascii=True).isascii()
