"""What an operator asks for while no server runs: the store is opened for one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from collab_protocol.errors import CollabError, StoreError
from collab_server.access import Access
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.keys import load_keys
from collab_server.lock import FolderLock
from collab_server.log_fields import set_key
from collab_server.office.office import Office
from collab_server.office.roles import SCOPES
from collab_server.registry import Registry
from collab_server.retention import Retention
from collab_server.store.sqlite import SqliteStore

_PREPARES: Final = frozenset({"invite", "token", "rotate-keys"})
"""What may be asked for before there has been a server."""


async def administer(config: ServerConfig, request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what `request` asks for, as `Office.do` does, holding the data folder meanwhile.

    Raises:
        FolderTaken: a server runs on the folder; ask it.
        StoreError: the store or the keys cannot be opened, or hold nothing yet.
        CollabError: as `Office.do`.
    """
    path = config.data_dir / "rooms.sqlite3"
    does = request.get("do")
    if does not in _PREPARES and not path.exists():
        raise StoreError(f"no server has kept anything in {config.data_dir} yet")
    with FolderLock(config.data_dir):
        # Made, if they are not there, only where something is to be signed.
        keys = load_keys(config.keys_file) if does in _PREPARES else None
        store = SqliteStore(path)
        committer = Committer(store, asyncio.get_running_loop())
        try:
            set_key(store.epoch)
            registry = Registry(config, committer, epoch=store.epoch, is_durable=store.is_durable)
            stored = await committer.run(lambda store: store.load_access())
            access = Access(committer, stored, keys=keys, now=time.time)
            try:
                office = Office(config, registry, access, lambda: ())
                office.add(Retention(config, committer, may_rewrite=True).requests())
                if does in SCOPES and not office.knows(does):
                    raise CollabError(
                        f"no server runs on {config.data_dir}, and only a running one can do this"
                    )
                return await office.do(request)
            finally:
                await registry.close("done")
                registry.dispose()
        finally:
            await committer.close()
