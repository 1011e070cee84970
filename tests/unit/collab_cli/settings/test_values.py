"""Tests of `collab_cli.settings.values`: sizes, times and addresses, as people write them and as shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.settings import values


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (4096, 4096),
        ("1", 1),
        ("500k", 500 * 1024),
        ("100M", 100 * 1024**2),
        (" 2 GiB ", 2 * 1024**3),
        ("2GB", 2 * 1024**3),
        ("1T", 1024**4),
    ],
)
def test_sizes(written: object, size: int) -> None:
    assert values.size_bytes(written) == size


@pytest.mark.parametrize("written", [0, -1, True, 1.5, "", "M", "1.5G", "-1M", "1X", "9999T", None, [1]])
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="as in 500K, 100M or 2G"):
        values.size_bytes(written)


@given(st.integers(1, 1024**5))
def test_sizes_are_shown_as_they_are_read(size: int) -> None:
    assert values.size_bytes(values.shown_size(size)) == size


def test_sizes_have_their_bounds() -> None:
    parse = values.size_within(1024, 32 * 1024**2)
    assert parse("1K") == 1024
    for written in ("1023", "33M"):
        with pytest.raises(ValueError, match="a size from 1K to 32M"):
            parse(written)


@given(st.integers(1, 10 * 366 * 86_400))
def test_times_are_shown_as_they_are_read(length_s: int) -> None:
    assert values.duration_s(values.shown_duration(length_s)) == length_s


@pytest.mark.parametrize("written", [0, 90, "", "90", "0d", "9999w", "1y", True])
def test_what_is_no_time(written: object) -> None:
    with pytest.raises(ValueError, match="as in 90s, 30m, 2h, 7d or 1w"):
        values.duration_s(written)


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        (9100, "127.0.0.1", 9100),
        ("9100", "127.0.0.1", 9100),
        ("0", "127.0.0.1", 0),
        ("localhost:1", "localhost", 1),
        ("0.0.0.0:9100", "0.0.0.0", 9100),
        ("[::1]:9100", "::1", 9100),
    ],
)
def test_addresses_of_monitoring(written: object, host: str, port: int) -> None:
    address = values.monitor(written)
    assert address == (host, port)
    assert values.monitor(str(address)) == address


@pytest.mark.parametrize(
    "written",
    ["", "x", ":9100", "::1:9100", "[::1]", "[x]:1", "a b:1", "a:", "a:65536", -1, True, 1.5, "a\x1b:1"],
)
def test_what_is_no_address(written: object) -> None:
    with pytest.raises(ValueError, match="PORT, as in 9100"):
        values.monitor(written)


@pytest.mark.parametrize("parse", [values.log_level, values.log_format])
def test_words_of_logging(parse: Callable[[object], str]) -> None:
    assert parse("JSON" if parse is values.log_format else "Debug") in ("json", "debug")
    with pytest.raises(ValueError, match="one of "):
        parse("loud")
