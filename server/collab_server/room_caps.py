"""How many rooms there may be, and how fast one person may make new ones."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.allowance import Allowance
from collab_server.config import Caps

_DAY_S: Final = 86_400.0

_MAKERS: Final = 4096
"""Makers that are remembered; of those beyond, the one that has made none for longest is forgotten."""


class Refused(StoreError):
    """A cap of the server stands in the way; the text says which, and trying again later may help."""


class RoomCaps:
    """Counts the rooms that are stored, and the new ones of each maker."""

    def __init__(self, caps: Caps, clock: Callable[[], float] = time.monotonic) -> None:
        self._caps = caps
        self._clock = clock
        self._makers: OrderedDict[str, Allowance] = OrderedDict()
        self.stored: int | None = None
        """Rooms on disk; None until somebody has counted them."""

    def take(self, room: str, maker: str) -> None:
        """Count `room` as made by `maker`, a principal; "" is the server itself, which may make any.

        Names that people give themselves do not count: `unix:ana/bo` is `unix:ana`.

        Raises:
            Refused: it may not be made.
        """
        if self.stored is not None and self.stored >= self._caps.rooms:
            raise Refused(
                f"{room} cannot be made: this server keeps {self._caps.rooms} rooms at most;"
                " another one has to be deleted first"
            )
        if maker and not self._allowance(maker.partition("/")[0]).take(self._clock()):
            raise Refused(
                f"{room} cannot be made: one may make {self._caps.rooms_per_day} new rooms a day here;"
                " try again later, or go into one that is there"
            )
        self.made(1)

    def change(self, caps: Caps) -> None:
        """Heed `caps` from now on, of those too who made some already."""
        self._caps = caps
        for allowance in self._makers.values():
            allowance.change(caps.rooms_per_day, _DAY_S / max(caps.rooms_per_day, 1))

    def made(self, change: int) -> None:
        """Note that there are so many more rooms, or fewer."""
        if self.stored is not None:
            self.stored += change

    def _allowance(self, maker: str) -> Allowance:
        found = self._makers.pop(maker, None)
        if found is None:
            per_day = self._caps.rooms_per_day
            found = Allowance(burst=per_day, every_s=_DAY_S / max(per_day, 1))
        self._makers[maker] = found
        if len(self._makers) > _MAKERS:
            self._makers.popitem(last=False)
        return found
