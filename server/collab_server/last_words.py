"""How a connection ends that is told why: when to come back, which close code, how much of the reason."""

from __future__ import annotations

from typing import Final

from collab_protocol.errors import CloseCode, FaultCode
from collab_protocol.messages import Bye, Fault

STORE_RETRY_MS: Final = 5000
BUSY_RETRY_MS: Final = 5000

_CLOSE_CODES: Final = {
    FaultCode.BUSY: CloseCode.TRY_AGAIN,
    FaultCode.SLOW: CloseCode.TRY_AGAIN,
    FaultCode.STORE: CloseCode.RESTART,
    FaultCode.TOO_LARGE: CloseCode.TOO_BIG,
    FaultCode.BROKEN: CloseCode.INTERNAL,
    FaultCode.DENIED: CloseCode.HOSTILE,
}


def closing(last_word: Fault | Bye) -> tuple[CloseCode, str]:
    """Return what the connection is closed with after that."""
    match last_word:
        case Fault(code, message):
            return _CLOSE_CODES.get(code, CloseCode.NORMAL), message
        case Bye(reason):
            return CloseCode.RESTART, reason


def short(reason: str) -> str:
    """Return what of `reason` fits into a close frame: 123 bytes (RFC 6455 section 5.5)."""
    return reason.encode()[:120].decode(errors="ignore")
