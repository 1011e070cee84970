"""How one client comes into its room: looked up, admitted, the room loaded; or told why not."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from collab_protocol.errors import FaultCode, StoreError
from collab_protocol.messages import Credential, Fault, Hello
from collab_server.access import Denied, Grant
from collab_server.last_words import BUSY_RETRY_MS, STORE_RETRY_MS
from collab_server.log_fields import Kind, about, without_name
from collab_server.meters import Meters, Reason
from collab_server.registry import OpenRoom, Refused, Registry
from collab_server.store.base import StoreTrouble

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entered:
    """One who may come in, and the room, which is told when they have left."""

    grant: Grant
    credential: Credential | None
    opened: OpenRoom


async def enter(
    hello: Hello,
    *,
    session: int,
    room_name: str,
    admit: Callable[[Hello], Awaitable[tuple[Grant, Credential | None]]],
    on_granted: Callable[[Grant], None],
    registry: Registry,
    meters: Meters,
) -> Entered | Fault:
    """Let in who says `hello`, or return why not; `on_granted` hears at once what they may do."""
    try:
        grant, credential = await admit(hello)
    except Denied as denied:
        meters.refuse(_why_denied(denied))
        fields = about(room=room_name, session=session, kind=Kind.REFUSED)
        _log.info("may not come in: %s", denied.code, extra=fields)
        return Fault(denied.code, str(denied), None)
    except StoreError as error:
        why = without_name(error, room_name)
        fields = about(room=room_name, session=session, kind=Kind.FAILED)
        _log.error("that an invite was used cannot be stored: %s", why, extra=fields)
        return Fault(FaultCode.STORE, "your invite cannot be noted at present", STORE_RETRY_MS)
    on_granted(grant)
    try:
        return Entered(grant, credential, await registry.open(room_name, grant.principal))
    except Refused as error:
        meters.refuse(Reason.ROOMS)
        return Fault(FaultCode.BUSY, str(error), BUSY_RETRY_MS)
    except StoreError as error:
        told = without_name(error, room_name)
        fields = about(room=room_name, session=session, kind=Kind.FAILED)
        _log.error("a room is refused: %s", told, extra=fields)
        why = f": {error.reason}" if isinstance(error, StoreTrouble) else ""
        return Fault(FaultCode.STORE, f"{room_name} cannot be opened{why}", STORE_RETRY_MS)


def _why_denied(denied: Denied) -> Reason:
    if denied.is_ban:
        return Reason.BANNED
    return Reason.CLOSED if denied.code is FaultCode.CLOSED else Reason.DENIED
