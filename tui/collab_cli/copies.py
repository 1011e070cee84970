"""Copies of texts that could not go on in their room: plain files, for their owner alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

from collab_cli.paths import make_folder, sync_folder
from collab_protocol.errors import CollabError, StoreError


def keep_copy(folder: Path, room: str, text: str) -> str:
    """Write `text` to a new file (0600) in `folder`, on disk on return; returns its path.

    Raises:
        StoreError: that cannot be done.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        make_folder(folder)
        path, number = folder / f"{room}-{stamp}.txt", 1
        while True:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                break
            except FileExistsError:
                path, number = folder / f"{room}-{stamp}-{number}.txt", number + 1
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            sync_folder(folder)
        except OSError:
            path.unlink(missing_ok=True)  # half a text is no copy
            raise
    except OSError as error:
        raise StoreError(
            f"a copy of your text cannot be kept in {folder}: {error.strerror or error}"
        ) from error
    except CollabError as error:
        raise StoreError(str(error)) from error
    return str(path)
