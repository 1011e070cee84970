"""The server of the data folder: whether one runs, answers, and is ready; asked over its Unix socket."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
from typing import Any, Final

from collab_cli import __version__
from collab_cli.doctor.case import Case
from collab_cli.doctor.findings import Findings, fine, warning, wrong
from collab_cli.local_server import read_endpoints
from collab_cli.office.office import exchange
from collab_server.lock import Endpoints, is_older

_ANSWER_S: Final = 3.0


class _NoAnswer(Exception):
    """What is behind the socket does not answer; the text says how."""


class _NobodyThere(Exception):
    """Nobody listens behind the socket."""


class _NotForUs(Exception):
    """It answers, and tells us nothing."""


def look_at_server(case: Case) -> Findings:
    note = case.data_dir / "server.json"
    running = read_endpoints(case.data_dir)
    if running is None:
        if _is_held(case):
            yield warning(
                f"a server has {case.data_dir} and does not say where it listens",
                "it may be starting: look again in a moment; else restart it",
            )
        elif note.exists():
            yield warning(f"{note} makes no sense, and no server runs", f"rm {shlex.quote(str(note))}")
        else:
            yield fine("no server runs (`collab join` starts one of its own, `collab serve` one for others)")
        return
    try:
        figures = _ask(running)
    except _NobodyThere:
        if _is_held(case):
            yield wrong(
                f"the server (pid {running.pid}) has {case.data_dir}, and nobody listens at {running.unix}",
                "restart it: something removed its socket",
            )
        else:
            yield warning(
                f"{note} is of a server that ended without a word (pid {running.pid})",
                "nothing is lost: the next start clears it; its log or dmesg says why it was killed",
            )
        return
    except _NoAnswer as error:
        yield wrong(f"the server (pid {running.pid}) does not answer: {error}", "restart it, and see its log")
        return
    except _NotForUs:
        figures = {}
    yield from _version(running)
    trouble = str(figures.get("trouble") or "")
    if trouble:
        yield wrong(f"the server (pid {running.pid}) is in trouble: {trouble}", "see its log")
    elif figures.get("ready") is False:
        yield warning(f"the server (pid {running.pid}) is not ready", "it may be stopping: look again")
    else:
        yield fine(f"a server runs (pid {running.pid}, collab {running.version}) and answers")


def _version(running: Endpoints) -> Findings:
    if is_older(running.version, __version__):
        yield warning(
            f"the server runs collab {running.version}, older than this {__version__}",
            "restart it when it suits: people come back by themselves",
        )
    elif is_older(__version__, running.version):
        yield warning(
            f"the server runs collab {running.version}, newer than this {__version__}", "upgrade this collab"
        )


def _is_held(case: Case) -> bool:
    """Tell whether a server has the folder, by trying for a moment to share its lock."""
    try:
        lock = os.open(case.data_dir / "server.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _ask(running: Endpoints) -> dict[str, Any]:
    """Return the server's figures. Raises: _NobodyThere, _NoAnswer, _NotForUs."""
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

    try:
        answer = json.loads(exchange(running, {"do": "figures"}, open_s=_ANSWER_S, answer_s=_ANSWER_S))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _NobodyThere from error
    except (InvalidStatus, PermissionError) as error:  # another account's, or one too old to know it
        raise _NotForUs from error
    except TimeoutError as error:
        raise _NoAnswer(f"nothing came within {_ANSWER_S:.0f} s") from error
    except (OSError, EOFError, ValueError, InvalidHandshake, ConnectionClosed) as error:
        raise _NoAnswer(str(error)) from error
    if isinstance(answer, dict) and isinstance(answer.get("ok"), dict):
        return dict(answer["ok"])
    raise _NotForUs
