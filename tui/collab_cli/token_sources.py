"""Where the token comes from that a server asks for.

The first of these that is there: what follows '#' in the link, COLLAB_TOKEN, --token-file, and what an
earlier invite was exchanged for (`credentials`). None of them is ever repeated in a message.
"""

from __future__ import annotations

import os
import stat
from collections.abc import MutableMapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from collab_cli.exits import UsageError, say
from collab_cli.paths import full_path
from collab_cli.settings.values import short_repr
from collab_cli.targets import Target
from collab_protocol.names import is_token

_VARIABLE: Final = "COLLAB_TOKEN"
_ASK: Final = "-"
_MOST_BYTES: Final = 4096
_OTHERS: Final = 0o077


def take_token(environ: MutableMapping[str, str]) -> str | None:
    """Return COLLAB_TOKEN and take it out of `environ`: what this process starts has no business with it."""
    return environ.pop(_VARIABLE, None) or None


def with_token(
    target: Target, variable: str | None, token_file: str | None, credentials_file: Path
) -> Target:
    """Return `target` with the token to say there, if there is one; may ask the person.

    `variable` is what COLLAB_TOKEN was, `token_file` what --token-file names, "-" for a prompt. A server
    on this machine's socket knows who comes, and is never shown one.

    Raises:
        UsageError: what was given is no token, or cannot be read.
    """
    if target.server is None or not target.server.takes_token:
        if token_file is not None:
            raise UsageError("--token-file is for rooms at ws:// or wss://: leave it out")
        return target
    if target.token is not None:
        return target
    if variable is not None:
        return replace(target, token=_checked(variable, _VARIABLE))
    if token_file == _ASK:
        return replace(target, token=_checked(_ask(str(target)), "what was typed"))
    if token_file is not None:
        return replace(target, token=_checked(_read(token_file), f"what is in {token_file}"))
    return _with_stored(target, str(target.server), credentials_file)


def _with_stored(target: Target, url: str, credentials_file: Path) -> Target:
    """A file that cannot be used is told, and keeps nobody from a server that asks for no token."""
    if not credentials_file.exists():
        return target
    from collab_cli.credentials import Credentials

    stored = Credentials(credentials_file)
    found = None
    try:
        found = stored.find(url, target.room)
    except UsageError as error:
        say(str(error))
    for complaint in stored.complaints:
        say(complaint)
    return target if found is None else replace(target, token=found.token)


def _checked(text: str, source: str) -> str:
    token = text.strip().rpartition("#")[2]  # a whole link will do
    if is_token(token):
        return token
    raise UsageError(f"{source} is no token: give what follows '#' in an invite link, which begins with ci1.")


def _ask(place: str) -> str:
    import getpass

    try:
        return getpass.getpass(f"token for {place}: ")
    except EOFError as error:
        raise UsageError("--token-file -: no token was typed") from error


def _read(typed: str) -> str:
    try:
        with full_path(Path(typed)).open("rb") as stream:
            found = os.fstat(stream.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_mode & _OTHERS:
                say(f"{typed} can be read by others on this machine: chmod 600 {typed}")
            return stream.read(_MOST_BYTES).decode(errors="replace")
    except ValueError as error:
        raise UsageError(f"--token-file: {short_repr(typed)} is not {error}") from error
    except OSError as error:
        raise UsageError(
            f"--token-file: cannot read {short_repr(typed)}: {error.strerror or error}"
        ) from error
