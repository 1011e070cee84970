"""What settings may be: each function returns the value that was meant, or raises ValueError.

A value comes from TOML, or as text from a variable or a flag. The error says what would be right: it
completes "… is not …".
"""

from __future__ import annotations

import ipaddress
import re
import reprlib
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from collab_cli.exits import UsageError
from collab_cli.flags import Theme
from collab_cli.paths import full_path
from collab_cli.targets import parse_server

DEFAULT_RULER: Final = 80
"""For `ruler = true`."""

_MOST_RULER: Final = 1000
_MOST_INDENT: Final = 16
MOST_PORT: Final = 65535
_MOST_SHOWN_BITS: Final = 128
_URL: Final = "an address as in wss://example.org or wss://example.org:8443, without more behind it"
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("", "0", "false", "no", "off")


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
