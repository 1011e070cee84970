"""How much the server's log tells, which can be changed while it runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from collab_protocol.errors import CollabError

if TYPE_CHECKING:
    from collab_server.asked import Asked
    from collab_server.office.office import Does

_log = logging.getLogger(__name__)

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

_OURS: Final = ("collab_server", "collab_cli")


def set_level(name: str) -> None:
    """Let the log tell what is as grave as `name`, one of LEVELS, or graver.

    Debugging is about collab alone: what libraries say then may hold what travels on the wire.
    """
    logging.getLogger().setLevel(max(LEVELS[name], logging.INFO))
    for ours in _OURS:
        logging.getLogger(ours).setLevel(LEVELS[name])


def level() -> str:
    """Return the level that the log has, one of LEVELS."""
    now = logging.getLogger(_OURS[0]).getEffectiveLevel()
    return next((name for name, least in LEVELS.items() if least >= now), "error")


def requests() -> Mapping[str, Does]:
    """Return what an operator may ask: {"do": "log-level", "level": NAME or none at all}."""
    return {"log-level": _log_level}


async def _log_level(asked: Asked) -> dict[str, Any]:
    before, name = level(), asked.text("level", "")
    if name:
        if name not in LEVELS:
            raise CollabError(f"{name!r} is no level of the log: use {', '.join(LEVELS)}")
        set_level(name)
        _log.info("the log tells %s and graver from now on", name)
    return {"level": level(), "before": before}
