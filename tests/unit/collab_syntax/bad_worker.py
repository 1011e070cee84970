"""Parsers' processes that misbehave: run as `python bad_worker.py HOW LANGUAGE FD`."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from collab_syntax import worker
from collab_syntax.document import Document
from collab_syntax.frames import frame


def main() -> None:
    how = sys.argv.pop(1)
    link = socket.socket(fileno=os.dup(int(sys.argv[2])))
    match how:
        case "hang":  # in native code, where no Python signal handler runs
            worker._HANG_S = 0.2
            Document.parse = lambda self: sum(range(10**12)) and None  # type: ignore[method-assign]
            worker.main()
        case "dumb":  # neither answers nor ends when its socket closes
            time.sleep(60)
        case "dead":
            pass
        case "once":  # dies at the first edit of its first life
            path = Path(os.environ["COLLAB_TEST_ONCE"])
            if not path.exists():
                path.touch()
                Document.edit = lambda *_: os._exit(3)  # type: ignore[assignment, method-assign]
            worker.main()
        case "garbage":
            link.sendall(os.urandom(4_000))
            time.sleep(60)
        case lie:
            runs = {
                "kinds": [["colours", 0, [[0, [[0, 1, 99]]]]]],
                "order": [["colours", 0, [[0, [[5, 9, 1, 3, 4, 1]]]]]],
                "floats": [["colours", 0, [[0, [[0.5, 1, 1]]]]]],
                "version": [["colours", 7, [[0, [[0, 1, 1]]]]]],
                "row": [["colours", 0, [[-1, [[0, 1, 1]]]]]],
                "shape": [["colours"]],
                "map": [[{}]],
                "rows": [["colours", 0, [[0, [[]] * 501]]]],
                "column": [["colours", 0, [[0, [[0, 1 << 40, 1]]]]]],
            }
            for message in runs[lie]:
                link.sendall(frame(message))
            time.sleep(60)


main()
