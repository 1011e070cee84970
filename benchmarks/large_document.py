"""A document with a long history: 180,000 letters typed and 80,000 taken back, all over the text."""

from __future__ import annotations

import random
from typing import Final

from pycrdt import Doc, Text, TransactionEvent

from collab_protocol.text import ROOT

LETTERS: Final = 100_000
"""How long the text is in the end."""

_ROUNDS: Final = 2500
_TYPED: Final = (36, 36)
_TAKEN_BACK: Final = 32
"""Letters in one round: typed at two places, taken back at a third. One operation each."""


def large_document(client_id: int) -> list[bytes]:
    """Return its rows, the same at every call: each is what somebody typed at one place, or took back."""
    dice = random.Random(260)
    rows: list[bytes] = []
    doc: Doc[Text] = Doc(client_id=client_id)
    text = doc.get(ROOT, type=Text)

    def keep(event: TransactionEvent) -> None:
        rows.append(event.update)

    subscription = doc.observe(keep)
    size = 0
    for _ in range(_ROUNDS):
        for letters in _TYPED:
            typed = "".join(dice.choices("abcdefghijklmnopqrstuvwxyz     \n", k=letters))
            text.insert(dice.randint(0, size), typed)
            size += len(typed)
        begin = dice.randint(0, size - _TAKEN_BACK)
        del text[begin : begin + _TAKEN_BACK]
        size -= _TAKEN_BACK
    doc.unobserve(subscription)
    return rows
