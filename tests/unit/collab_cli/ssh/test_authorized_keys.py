from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab_cli.ssh import authorized_keys
from collab_cli.ssh.authorized_keys import GuestKey, authorized_line, parse_line
from collab_cli.ssh.public_key import KeyRefused, parse_public_key
from collab_protocol.names import clean_person_name
from collab_protocol.presence import Role
from collab_protocol.restriction import Restriction

from .keys import ED25519, ED25519_ID, OF_EVERY_KIND

KEY = parse_public_key(f"{ED25519} bob's laptop")
ROOM = Restriction("notes", Role.WRITE)
RELAY = "/usr/bin/collab relay --room notes --role write"


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(authorized_keys, "_LOCAL_ZONE", tmp_path / "none")


def line(command: str = RELAY, *options: str) -> str:
    return ",".join([*options, f'command="{command}"']) + f" {ED25519} bob"


def test_the_line_as_it_is_printed(utc: None) -> None:
    assert authorized_line(KEY, ROOM, program="/usr/bin/collab", data_dir=None) == (
        'restrict,command="/usr/bin/collab relay --room notes --role write --key 182e01d3788edc9a" '
        f"{ED25519} bob's laptop"
    )
    all_of_it = Restriction("notes", Role.READ, name="bob b", until=1_798_804_799.5)
    assert authorized_line(KEY, all_of_it, program="collab", data_dir=Path("/srv/rooms")) == (
        "restrict,command=\"collab relay --room notes --role read --name 'bob b' --key 182e01d3788edc9a "
        '--until 1798804800 --data-dir /srv/rooms",expiry-time="20270101120000" '
        f"{ED25519} bob's laptop"
    )


@given(
    st.text(max_size=40).map(clean_person_name),
    st.sampled_from(OF_EVERY_KIND),
    st.none() | st.integers(0, 4_000_000_000),
    st.none() | st.text("ab /\\\"'$`!é{}*?#\t~", max_size=20),
)
def test_what_is_written_is_read_again(
    name: str, written: str, until: int | None, folder: str | None
) -> None:
    key = parse_public_key(written)
    end = None if until is None else float(until)
    restriction = Restriction("notes", Role.WRITE, name=name, key=key.id, until=end)
    data_dir = None if folder is None else Path(f"/{folder}x")
    if data_dir is not None and "\t" in str(data_dir):
        with pytest.raises(KeyRefused, match="cannot stand in authorized_keys"):
            authorized_line(key, restriction, program="collab", data_dir=data_dir)
        return
    said = authorized_line(key, restriction, program="collab", data_dir=data_dir)
    assert parse_line(said) == GuestKey(key, restriction)


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize(
    "name",
    [
        "O'Brien",
        '"bo"',
        "a\\b",
        "$(id)",
        "`id`",
        "a\\\"b'",
        "é 漢字 🎉",
        "-x",
        "!x",
        "Bo!",
        "=x",
        "~",
        "b\\",
        "a !$",
    ],
)
def test_a_shell_gives_the_relay_the_name_as_it_is(name: str, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    said = authorized_line(KEY, Restriction("notes", Role.READ, name=name), program="printf", data_dir=None)
    [command] = [value for option, value in authorized_keys._options(said)[0] if option == "command"]
    command = command.replace("printf relay", r"printf '%s\n' relay", 1)
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert name in done.stdout.splitlines()


def test_times_are_the_machines_whatever_TZ_says(monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N802
    zone = Path("/usr/share/zoneinfo/Asia/Tokyo")
    if not zone.exists():
        pytest.skip("this machine knows no zones")
    monkeypatch.setenv("TZ", "America/New_York")
    monkeypatch.setattr(authorized_keys, "_LOCAL_ZONE", zone)
    noon = datetime(2027, 1, 1, 12, tzinfo=UTC).timestamp()
    said = authorized_line(KEY, Restriction("notes", Role.READ, until=noon), program="c", data_dir=None)
    assert 'expiry-time="20270101210000"' in said
    for written, end in (("20270101210000", noon), ("20270101210000Z", noon + 9 * 3600)):
        found = parse_line(line(RELAY, f'expiry-time="{written}"'))
        assert found is not None
        assert found.restriction.until == end


def test_no_shell_finds_signs_of_its_own() -> None:
    """As csh would "!" between quotes, and fish the backslash."""
    assert authorized_keys._shell_word("a!b\\c'd") == r"'a'\!'b'\\'c'\''d'"


@pytest.mark.parametrize(
    ("place", "until", "written"),
    [
        ("Europe/Berlin", datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "20271031023000"),
        ("Europe/Berlin", datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "20271031023000"),  # the second time
        ("Europe/Berlin", datetime(2027, 7, 1, 12, tzinfo=UTC), "20270701140000"),
        ("Europe/Dublin", datetime(2027, 7, 1, 12, tzinfo=UTC), "20270701130000"),
        ("Europe/Dublin", datetime(2027, 1, 1, 12, tzinfo=UTC), "20270101130000"),
    ],
)
def test_no_end_is_early_where_clocks_change(
    monkeypatch: pytest.MonkeyPatch, place: str, until: datetime, written: str
) -> None:
    zone = Path("/usr/share/zoneinfo", place)
    if not zone.exists():
        pytest.skip("this machine knows no zones")
    monkeypatch.setattr(authorized_keys, "_LOCAL_ZONE", zone)
    end = until.timestamp()
    said = authorized_line(KEY, Restriction("notes", Role.READ, until=end), program="c", data_dir=None)
    assert f'expiry-time="{written}"' in said
    found = parse_line(said)
    assert found is not None
    assert found.restriction.until == end


@pytest.mark.parametrize("text", ["", "  ", "\n", "# restrict", "  #"])
def test_empty_lines_and_remarks_say_nothing(text: str) -> None:
    assert parse_line(text) is None


def test_what_a_line_may_say(utc: None) -> None:
    held = Restriction("notes", Role.WRITE, key=ED25519_ID)
    for said in (
        line(),
        line(RELAY, "restrict", "pty"),
        line(RELAY, "no-pty", "no-X11-forwarding", "NO-PORT-FORWARDING", "no-agent-forwarding", "no-user-rc"),
        line(f"{RELAY} --key {ED25519_ID} --data-dir /srv"),
        f"  {line()}  ".replace(" ssh-", "\t ssh-"),
    ):
        assert parse_line(said) == GuestKey(parse_public_key(f"{ED25519} bob"), held)


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        (['expiry-time="20270101"'], "2027-01-01 00:00:00"),
        (['expiry-time="202701011230Z"'], "2027-01-01 12:30:00"),
        (['expiry-time="20270101123045z"'], "2027-01-01 12:30:45"),
        (['expiry-time="20270102"', 'expiry-time="20270101"'], "2027-01-01 00:00:00"),
    ],
)
def test_the_earliest_end_counts(utc: None, options: list[str], ends: str) -> None:
    at = datetime.fromisoformat(ends).replace(tzinfo=UTC).timestamp()
    for until in (at, at + 1, at + 1e9):
        found = parse_line(line(f"{RELAY} --until {until}", *options))
        assert found is not None
        assert found.restriction.until == at
    found = parse_line(line(f"{RELAY} --until 5", *options))
    assert found is not None
    assert found.restriction.until == 5


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (ED25519, "for no room: collab invite ROOM --ssh-key"),
        (f"restrict {ED25519}", "for no room"),
        (f"restrict,pty {ED25519} x", "for no room"),
        (line("collab join notes"), "not `collab relay`"),
        (line(""), "not `collab relay`"),
        (line("collab"), "not `collab relay`"),
        (line("collab relay 'x"), "not `collab relay`"),
        (line("collab relay"), "names no room"),
        (line("collab relay --data-dir /x"), "names no room"),
        (line("collab relay --room notes"), "--room and --role go together"),
        (line("collab relay --room ../x --role read"), "cannot name a room"),
        (line("collab relay --room notes --role boss"), "a role is one of"),
        (line(f"{RELAY} --key 0123456789abcdef"), f"another key's: this one is {ED25519_ID}"),
        (line(f"{RELAY} ; rm -rf /"), "does not know ';'"),
        (line(RELAY, 'command="collab relay"'), "names no room"),
        (line(RELAY, f'command="{RELAY}"'), "two commands"),
        (line(RELAY, 'from="10.0.0.*"'), "cannot be held to the option from"),
        (line(RELAY, "cert-authority"), "cannot be held to the option cert-authority"),
        (line(RELAY, "verify-required"), "cannot be held to the option verify-required"),
        (line(RELAY, 'expiry-time="tomorrow"'), "expiry-time: 'tomorrow' is no time"),
        (line(RELAY, 'expiry-time="20279901"'), "is no time"),
        (f'command="{RELAY} {ED25519}', "is a quote missing"),
        (f'command="{RELAY}" , {ED25519}', "options before the key"),
        (f'command="{RELAY}"', "is a quote missing"),
        (f'command="{RELAY}" ssh-ed25519 AAAA', "is it all there"),
        ("rubbish", "is a quote missing"),
        ("rubbish and more", "no public key"),
    ],
)
def test_what_lets_nobody_in_says_why(said: str, why: str) -> None:
    with pytest.raises(KeyRefused, match=why):
        parse_line(said)


def test_an_escaped_quote_ends_no_option() -> None:
    """Where sshd and we saw another end of the command, one of us would let in another person than meant."""
    with pytest.raises(KeyRefused, match="is a quote missing"):
        parse_line(f'command="{RELAY}\\" {ED25519}')
    said = line(RELAY + " --name 'a\\\"b'")
    found = parse_line(said)
    assert found is not None
    assert found.restriction.name == 'a"b'


def test_an_end_long_ago_is_one_that_the_server_takes(utc: None) -> None:
    found = parse_line(line(RELAY, 'expiry-time="00010101"'))
    assert found is not None
    assert Restriction.decode(found.restriction.encode()).until == 0.0
