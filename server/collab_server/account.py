"""Who is behind a Unix socket, by the kernel's word, and what they have said that they are held to."""

from __future__ import annotations

import os
import pwd
import socket
import struct
import sys
from typing import Final

from websockets.asyncio.server import ServerConnection

from collab_server.access import Account
from collab_server.unix_room_socket import UnixRoomSocket

_LOCAL_PEERCRED: Final = 1
"""<sys/un.h> of macOS: getsockopt(0, LOCAL_PEERCRED) gives a struct xucred."""


def account_behind(websocket: ServerConnection) -> Account:
    """Return the account behind a connection over a Unix socket."""
    peer: socket.socket = websocket.transport.get_extra_info("socket")
    if sys.platform == "linux":
        _, uid, _ = struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    else:
        _, uid = struct.unpack_from("Ii", peer.getsockopt(0, _LOCAL_PEERCRED, 76))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    restriction = websocket.restriction if isinstance(websocket, UnixRoomSocket) else None
    return Account(name, is_owner=uid in (0, os.geteuid()), restriction=restriction)
