"""What settings may be: each function returns the value that was meant, or raises ValueError.

A value comes from TOML, or as text from a variable or a flag. The error says what would be right: it
completes "… is not …".
"""

from __future__ import annotations

import ipaddress
import re
import reprlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from collab_cli.exits import UsageError
from collab_cli.paths import full_path
from collab_cli.settings.flags import DEFAULT_MONITOR_HOST, LogFormat, LogLevel, Theme
from collab_cli.targets import parse_server

DEFAULT_RULER: Final = 80
"""For `ruler = true`."""

_MOST_RULER: Final = 1000
_MOST_INDENT: Final = 16
MOST_PORT: Final = 65535
_MOST_SHOWN_BITS: Final = 128
_URL: Final = "an address as in wss://example.org or wss://example.org:8443, without more behind it"
_DURATION: Final = re.compile(r"([0-9]{1,9})\s*([smhdw])", re.ASCII | re.IGNORECASE)
_DURATION_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MOST_DURATION_S: Final = 10 * 366 * 86_400
_SIZE: Final = re.compile(r"([0-9]{1,16})\s*([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_SIZE_UNITS: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_MOST_SIZE: Final = 1024**5
_MONITOR: Final = "[HOST:]PORT, as in 9100, 127.0.0.1:9100 or [::1]:9100"
_SSH: Final = "[HOST]:PORT, as in :2222 for every address of this machine, 127.0.0.1:2222 or [::1]:2222"
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


class Address(NamedTuple):
    """Where something is served over TCP."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _ShortRepr(reprlib.Repr):
    """Like repr, with little of what is long or nested deeply: an int of 5,000 digits has no repr at all."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 100

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= _MOST_SHOWN_BITS else "a very long number"


def short_repr(value: object) -> str:
    """Return how a value is shown in a message, whatever it is; a path, and a flag given often, as text."""
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    return _ShortRepr().repr(str(value) if isinstance(value, Path) else value)


def text(value: object) -> str:
    if isinstance(value, (str, Path)) and str(value).strip():
        return str(value)
    raise ValueError("a text")


def number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return int(value)
    raise ValueError("a whole number")


def group(value: object) -> str:
    """Return the name or number of a group, which need not be one of this machine."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else text(value).strip()


def within(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        found = number(value)
        if not least <= found <= most:
            raise ValueError(f"one of {least} to {most}")
        return found

    return parse


def seconds(value: object) -> float:
    try:
        found = float(str(value))
    except ValueError:
        found = 0.0
    if 0 < found < float("inf"):
        return found
    raise ValueError("a number of seconds")


def duration_s(value: object) -> int:
    """Return the seconds of a time such as "90d"; more than 0, and at most ten years."""
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    length = 0 if found is None else int(found[1]) * _DURATION_UNITS_S[found[2].lower()]
    if 0 < length <= _MOST_DURATION_S:
        return length
    raise ValueError("a time of up to ten years: write a number and a unit, as in 90s, 30m, 2h, 7d or 1w")


def shown_duration(length_s: int) -> str:
    """Return seconds as `duration_s` reads them."""
    unit = next(unit for unit in "wdhms" if length_s % _DURATION_UNITS_S[unit] == 0)
    return f"{length_s // _DURATION_UNITS_S[unit]}{unit}"


def size_bytes(value: object) -> int:
    """Return the bytes of a size such as "100M" or 4096; more than 0."""
    length = value if isinstance(value, int) and not isinstance(value, bool) else 0
    if isinstance(value, str) and (found := _SIZE.fullmatch(value.strip())):
        length = int(found[1]) * _SIZE_UNITS[found[2].lower()]
    if 0 < length <= _MOST_SIZE:
        return length
    raise ValueError("a size: write bytes, or a number and a unit, as in 500K, 100M or 2G")


def size_within(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        found = size_bytes(value)
        if not least <= found <= most:
            raise ValueError(f"a size from {shown_size(least)} to {shown_size(most)}")
        return found

    return parse


def shown_size(length: int) -> str:
    """Return bytes as `size_bytes` reads them."""
    unit = next(unit for unit in "TGMK " if unit == " " or length % _SIZE_UNITS[unit.lower()] == 0)
    return f"{length // _SIZE_UNITS[unit.strip().lower()]}{unit.strip()}"


def monitor(value: object) -> Address:
    """Return the address of `[HOST:]PORT`; of a port alone, on this machine only."""
    written = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    host, colon, port = written.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        is_host = ":" in host
    else:
        is_host = ":" not in host and bool(host) == bool(colon)
    try:
        found = within(0, MOST_PORT)(port)
    except ValueError as error:
        raise ValueError(_MONITOR) from error
    if not is_host or any(c.isspace() or not c.isprintable() for c in host):
        raise ValueError(_MONITOR)
    return Address(host or DEFAULT_MONITOR_HOST, found)


def ssh(value: object) -> Address:
    """Return the address of `[HOST]:PORT`; without a host, of every address of this machine."""
    written = value.strip() if isinstance(value, str) else ""
    if written.startswith(":"):
        try:
            return Address("", within(0, MOST_PORT)(written[1:]))
        except ValueError as error:
            raise ValueError(_SSH) from error
    if ":" not in written:  # a port alone could mean either, and one of the two lets in the world
        raise ValueError(_SSH)
    try:
        return monitor(written)
    except ValueError as error:
        raise ValueError(_SSH) from error


def log_level(value: object) -> LogLevel:
    try:
        return LogLevel(text(value).lower())
    except ValueError as error:
        raise ValueError(f"one of {', '.join(LogLevel)}") from error


def log_format(value: object) -> LogFormat:
    try:
        return LogFormat(text(value).lower())
    except ValueError as error:
        raise ValueError(f"one of {', '.join(LogFormat)}") from error


def is_on(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
        return value.lower() in _TRUE
    raise ValueError("true or false")


def theme(value: object) -> Theme:
    try:
        return Theme(text(value).replace("color", "colour"))
    except ValueError as error:
        raise ValueError(f"one of {', '.join(Theme)}") from error


def person_name(value: object) -> str:
    name = text(value)
    if not any(c.isprintable() and not c.isspace() for c in name):
        raise ValueError("a name that others can read")
    return name


def server(value: object) -> str:
    typed = text(value)
    try:
        parsed = parse_server(typed, is_insecure=True)  # if it is too open is for the command to say
        if parsed.unix_path is not None:
            full_path(parsed.unix_path)
    except (UsageError, ValueError) as error:
        raise ValueError(f"a server: {error}") from error
    return typed


def command(value: object) -> str:
    """Return a program with its arguments, as a shell splits them."""
    typed = text(value)
    try:
        is_command = bool(shlex.split(typed))
    except ValueError as error:
        raise ValueError(f"a command: {error}") from error
    if not is_command:
        raise ValueError("a command")
    return typed


def url(value: object) -> str:
    """Return the address of a server as people elsewhere write it, without a slash at its end."""
    try:
        found = parse_server(text(value).rstrip("/"), is_insecure=True).url
    except UsageError as error:
        raise ValueError(_URL) from error
    if found is None:
        raise ValueError(_URL)
    return found


def networks(value: object) -> tuple[str, ...]:
    """Return addresses and networks, each as `ipaddress` writes it."""
    try:
        return tuple(_network(each) for each in _several(value))
    except ValueError as error:
        raise ValueError(f"an address or a network, as in 127.0.0.1 or 10.0.0.0/8: {error}") from error


def origins(value: object) -> tuple[str, ...]:
    """Return origins of web pages: a scheme, a host, perhaps a port, and nothing else."""
    found = tuple(_several(value))
    for each in found:
        try:
            parts = urlsplit(each)
            is_origin = parts.hostname is not None and f"{parts.scheme}://{parts.netloc}" == each
        except ValueError:
            is_origin = False
        if not is_origin or "@" in each or parts.scheme not in ("http", "https"):
            raise ValueError("an origin as a browser sends it, as in https://example.org")
    return found


def _network(typed: str) -> str:
    return str(ipaddress.ip_network(typed) if "/" in typed else ipaddress.ip_address(typed))


def _several(value: object) -> list[str]:
    """Return the parts of a list, or of a text with commas between them."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, str) for each in value):
        return [each.strip() for each in value]
    raise ValueError("a text, or a list of texts")


def ruler(value: object) -> int:
    try:
        return within(0, _MOST_RULER)(value)
    except ValueError as error:
        try:
            return DEFAULT_RULER if is_on(value) else 0
        except ValueError:
            raise ValueError(f"a column from 1 to {_MOST_RULER}, true or false") from error


def indent(value: object) -> str:
    if value in ("auto", "tabs"):
        return str(value)
    try:
        return str(within(1, _MOST_INDENT)(value))
    except ValueError as error:
        raise ValueError(f'"auto", "tabs" or 1 to {_MOST_INDENT}') from error


def path(value: object) -> Path:
    return full_path(Path(text(value)))
