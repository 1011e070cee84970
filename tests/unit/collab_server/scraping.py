"""What tests ask a server's monitoring: over a plain socket, and parsed as Prometheus does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from .wire import DEADLINE_S

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to one request."""

    status: int
    headers: dict[str, str]
    body: str


async def say(address: tuple[str, int] | None, request: bytes) -> Answer:
    """Send bytes, and read until the server closes."""
    assert address is not None
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(request)
            head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        finally:
            writer.close()
    first, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), headers, body)


async def get(
    address: tuple[str, int] | None, path: str, *, method: str = "GET", accept: str = "*/*"
) -> Answer:
    return await say(address, f"{method} {path} HTTP/1.1\r\nHost: here\r\nAccept: {accept}\r\n\r\n".encode())


async def scrape(address: tuple[str, int] | None, accept: str = "text/plain") -> dict[str, float]:
    """Return every sample by its name, and its labels where it has some: `name{label=value}`."""
    answer = await get(address, "/metrics", accept=accept)
    assert answer.status == 200, answer
    is_open = answer.headers["Content-Type"].startswith("application/openmetrics-text")
    parse = parse_openmetrics if is_open else text_string_to_metric_families
    samples: dict[str, float] = {}
    for family in parse(answer.body):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples
