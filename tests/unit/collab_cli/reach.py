"""A program for the tests: reaches the server of a data folder, says its pid, and leaves when told to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from collab_cli.local_server import LocalServer, read_endpoints
from collab_client.link import Address, WebSocketLink, open_link


async def main(data: Path, private_socket: Path, output_file: Path) -> None:
    async def open_socket(path: Path) -> WebSocketLink:
        return await open_link(Address("notes", unix_path=path))

    print("ready", flush=True)
    sys.stdin.readline()
    link = await LocalServer(data, private_socket=private_socket, output_file=output_file).reach(open_socket)
    found = read_endpoints(data)
    print("nobody" if found is None else found.pid, flush=True)
    sys.stdin.readline()
    await link.close()


if __name__ == "__main__":
    asyncio.run(main(*map(Path, sys.argv[1:])))
