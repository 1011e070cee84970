"""Tests of `collab_cli.settings.serving`: how to serve, and what would let strangers in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collab_cli.exits import UsageError
from collab_cli.settings.flags import DEFAULT_PORT, LogFormat, LogLevel, ServeFlags
from collab_cli.settings.serving import (
    DEFAULT_IDLE_EXIT_S,
    Capacity,
    Doors,
    ServeSettings,
    Upkeep,
    WrongConfig,
    find_data_dir,
    find_url,
    serve_settings,
)
from collab_cli.settings.values import Address
from collab_cli.socket_group import Group, group_called
from collab_protocol.limits import RoomLimits
from collab_server.config import Caps

Configure = Callable[[str], None]
Serve = Callable[..., ServeSettings]
CERT = Path("/etc/cert.pem")


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def write(text: str) -> None:
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "config.toml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    def settings(flags: ServeFlags | None = None, **environ: str) -> ServeSettings:
        return serve_settings(flags or ServeFlags(), {"COLLAB_HOME": str(tmp_path), **environ})

    return settings


def test_a_wrong_value_of_serving_ends_it(serve: Serve, configure: Configure) -> None:
    configure('colour = 99\n[serve]\nport = "x"\n')
    with pytest.raises(UsageError, match=r"config\.toml:3: 'x' is not a whole number"):
        serve(ServeFlags(insecure=True))
    with pytest.raises(UsageError, match=r"config\.toml:3: 'x'"):  # also where it would not count
        serve(ServeFlags(insecure=True, port=1))
    configure("[serve]\nunix = 3\n")
    with pytest.raises(UsageError, match=r"config\.toml:2: 3 is not a text"):
        serve()
    configure("[serve]\nport = = 3\n")
    with pytest.raises(UsageError, match=r"config\.toml:2: "):
        serve()


@pytest.mark.parametrize("text", ["[serve]\nport = = 3\n", '[serve]\nport = "x"\n', "\x00"])
def test_the_private_server_starts_whatever_the_file_says(
    serve: Serve, configure: Configure, text: str
) -> None:
    configure(text)
    settings = serve(ServeFlags(private=True))
    assert settings.doors.port is None
    assert len(settings.complaints) == 1


def test_serving_needs_no_tcp(serve: Serve, tmp_path: Path) -> None:
    settings = serve()
    assert settings.doors == Doors()
    assert settings.idle_exit_s is None
    assert settings.data_dir == tmp_path / "data"
    assert settings.unix_path.parent == tmp_path / "run"
    assert not settings.is_private


def test_tcp_has_to_be_asked_for(serve: Serve) -> None:
    with pytest.raises(UsageError, match="--insecure"):
        serve(ServeFlags(port=0))
    with pytest.raises(UsageError, match="--insecure"):
        serve(ServeFlags(host="127.0.0.1"))
    with pytest.raises(UsageError, match="not one of 0 to 65535"):
        serve(ServeFlags(port=70000, insecure=True))
    with pytest.raises(UsageError, match="--port"):
        serve(ServeFlags(insecure=True))
    settings = serve(ServeFlags(host="::1", insecure=True))
    assert (settings.doors.host, settings.doors.port) == ("::1", DEFAULT_PORT)
    settings = serve(ServeFlags(port=0, insecure=True))
    assert (settings.doors.host, settings.doors.port) == ("127.0.0.1", 0)


def test_serving_is_layered_too(serve: Serve, configure: Configure, tmp_path: Path) -> None:
    configure('[serve]\nport = 1\nunix = "/file.sock"\n')
    flags = ServeFlags(insecure=True)
    assert serve(flags).doors.port == 1
    assert serve(flags).unix_path == Path("/file.sock")
    assert serve(flags, COLLAB_PORT="2", COLLAB_UNIX="/variable.sock").doors.port == 2
    typed = ServeFlags(insecure=True, port=3, unix=Path("/flag.sock"), data_dir=tmp_path / "rooms")
    assert serve(typed, COLLAB_PORT="2").doors.port == 3
    assert serve(typed, COLLAB_UNIX="/variable.sock").unix_path == Path("/flag.sock")
    assert serve(typed).data_dir == tmp_path / "rooms"


def test_a_private_server_serves_only_its_socket(serve: Serve, configure: Configure) -> None:
    configure('[serve]\nport = 1\nunix = "/file.sock"\n')
    settings = serve(ServeFlags(private=True), COLLAB_PORT="2")
    assert settings.doors == Doors()
    assert settings.unix_path.name.startswith("private-")
    assert settings.idle_exit_s == DEFAULT_IDLE_EXIT_S
    assert serve(ServeFlags(private=True), COLLAB_IDLE_EXIT_S="1.5").idle_exit_s == 1.5
    assert serve(ServeFlags(private=True, idle_exit_s=2), COLLAB_IDLE_EXIT_S="1.5").idle_exit_s == 2
    with pytest.raises(UsageError, match="COLLAB_IDLE_EXIT_S"):
        serve(ServeFlags(private=True), COLLAB_IDLE_EXIT_S="never")


def test_the_group_of_the_socket(serve: Serve, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    own = group_called(str(os.getegid()))
    at = Path("/run/x.sock")
    assert serve().unix_group is None
    assert serve(ServeFlags(unix=at, group=own.name)).unix_group == own
    assert serve(ServeFlags(unix=at), COLLAB_GROUP=str(own.number)).unix_group == own
    configure(f'[serve]\nunix = "/run/y.sock"\ngroup = {own.number}\n')
    assert serve().unix_group == own
    assert serve(ServeFlags(private=True), COLLAB_GROUP=own.name).unix_group is None
    configure('[serve]\nunix = "/run/y.sock"\ngroup = "no such group"\n')
    with pytest.raises(UsageError, match=r"config\.toml:3: 'no such group' is not a group of this machine"):
        serve()
    configure("")
    with pytest.raises(UsageError, match=r"^--group is for a socket .*: add --unix PATH, in a folder that"):
        serve(ServeFlags(group=own.name))
    with pytest.raises(UsageError, match=r"^COLLAB_GROUP is for a socket"):
        serve(COLLAB_GROUP=own.name)
    monkeypatch.setattr(Group, "is_ours_to_give", False)
    with pytest.raises(UsageError, match=f"^--group: only an account that is in the group {own.name} can"):
        serve(ServeFlags(unix=at, group=own.name))


@pytest.mark.parametrize("written", ["~no-such-account/x", "/a\0b"])
def test_what_is_no_path_is_told_with_its_place(serve: Serve, configure: Configure, written: str) -> None:
    with pytest.raises(UsageError, match=r"^--data-dir: .* is not a path: "):
        serve(ServeFlags(data_dir=Path(written)))
    with pytest.raises(UsageError, match=r"^--unix: .* is not a path: "):
        serve(ServeFlags(unix=Path(written)))
    configure('[serve]\nunix = "' + written.replace("\0", "\\u0000") + '"\n')
    with pytest.raises(UsageError, match=r"config\.toml:2: .* is not a path: "):
        serve()


def test_a_port_of_5000_digits_ends_it_in_one_line(serve: Serve, configure: Configure) -> None:
    configure(f"[serve]\nport = 0x{'f' * 5000}\n")
    with pytest.raises(UsageError, match=r"config.toml:2: a very long number is not one of 0 to 65535"):
        serve(ServeFlags(insecure=True))


@pytest.mark.parametrize(
    "flags",
    [
        ServeFlags(port=1, auth=True),
        ServeFlags(port=1, insecure=True),
        ServeFlags(host="::1", auth=True),
        ServeFlags(host="0.0.0.0", auth=True, tls_cert=CERT),
        ServeFlags(host="192.0.2.1", insecure=True, tls_cert=CERT, tls_key=CERT),
        ServeFlags(host="0.0.0.0", auth=True, trusted_proxies=("10.0.0.0/8",)),
    ],
)
def test_tcp_with_tokens_and_beyond_loopback_with_tls(serve: Serve, flags: ServeFlags) -> None:
    assert serve(flags).doors.host == (flags.host or "127.0.0.1")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (ServeFlags(port=1), "every account of this machine could join .*--auth.*--insecure"),
        (ServeFlags(host="0.0.0.0", tls_cert=CERT), "everybody who reaches it could join .*--auth"),
        (ServeFlags(host="0.0.0.0", auth=True), "other machines.*--tls-cert.*--trusted-proxy"),
        (ServeFlags(host="example.org", insecure=True), "other machines.*--tls-cert.*--trusted-proxy"),
        (ServeFlags(port=1, auth=True, insecure=True), "--auth asks for a token: leave one of them out"),
        (ServeFlags(port=1, auth=True, tls_key=CERT), "--tls-key needs the certificate.*--tls-cert"),
        (
            ServeFlags(port=1, auth=True, trusted_proxies=("proxy",)),
            "--trusted-proxy: 'proxy' is not .*10.0.0.0/8",
        ),
        (ServeFlags(port=1, auth=True, trusted_proxies=("10.0.0.1/8",)), "--trusted-proxy: .*10.0.0.0/8"),
        (
            ServeFlags(port=1, auth=True, origins=("https://example.org/x",)),
            "--origin: .*https://example.org",
        ),
        (ServeFlags(port=1, auth=True, origins=("null",)), "--origin: .*https://example.org"),
        (ServeFlags(port=1, auth=True, origins=("https://a:b@example.org",)), "--origin: "),
        (ServeFlags(port=1, auth=True, url="https://example.org"), "--url: .*wss://example.org"),
        (ServeFlags(port=1, auth=True, url="unix:///x.sock"), "--url: .*wss://example.org"),
        (ServeFlags(port=1, auth=True, url="wss://example.org/notes"), "--url: .*wss://example.org"),
        (ServeFlags(connections=0), "--connections: .*1 to"),
        (ServeFlags(rooms=-1), "--rooms: .*1 to"),
    ],
)
def test_what_lets_strangers_in_or_makes_no_sense_is_refused(
    serve: Serve, flags: ServeFlags, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        serve(flags)


def test_all_of_it_may_stand_in_the_file(serve: Serve, configure: Configure) -> None:
    configure(
        '[serve]\nhost = "0.0.0.0"\nport = 1\nauth = true\ntls_cert = "/c"\ntls_key = "/k"\n'
        'trusted_proxy = ["10.0.0.7", "fd00::/8"]\norigin = "https://a.org,https://b.org:8443"\n'
        'url = "wss://example.org/"\nconnections = 1\nconnections_per_address = 2\n'
        "connections_per_room = 3\naccept_rate = 4\nrooms = 5\nloaded_rooms = 6\nrooms_per_day = 7\n"
        'messages_per_second = 8\nbytes_per_second = "1M"\nroom_bytes = 2048\n'
    )
    settings = serve()
    assert settings.complaints == ()
    assert settings.doors == Doors(
        "0.0.0.0",
        1,
        has_auth=True,
        tls_cert=Path("/c"),
        tls_key=Path("/k"),
        trusted_proxies=("10.0.0.7", "fd00::/8"),
        origins=("https://a.org", "https://b.org:8443"),
        url="wss://example.org",
    )
    assert settings.capacity == Capacity(
        1,
        2,
        3,
        accept_rate=4,
        rooms=5,
        loaded_rooms=6,
        rooms_per_day=7,
        messages_per_second=8,
        bytes_per_second=1024**2,
        room_bytes=2048,
    )
    typed = serve(ServeFlags(url="wss://b.org", rooms=6, trusted_proxies=("::1",)), COLLAB_CONNECTIONS="7")
    assert (typed.doors.url, typed.doors.trusted_proxies) == ("wss://b.org", ("::1",))
    assert (typed.capacity.rooms, typed.capacity.connections) == (6, 7)
    with pytest.raises(UsageError, match=r"config\.toml:4 asks for a token"):
        serve(ServeFlags(insecure=True))


@pytest.mark.parametrize(
    "line", ["auth = 3", "tls_cert = true", "trusted_proxy = [1]", "origin = []", "url = 7", "rooms = 0"]
)
def test_a_wrong_entry_of_it_ends_the_command(serve: Serve, configure: Configure, line: str) -> None:
    configure(f"[serve]\n{line}\n")
    with pytest.raises(UsageError, match=r"config\.toml:2: "):
        serve()


def test_upkeep_is_layered(serve: Serve, configure: Configure) -> None:
    assert serve().upkeep == Upkeep(None, LogLevel.INFO, LogFormat.TEXT, None, None)
    configure(
        '[serve]\nmonitor = 9100\nlog_level = "debug"\nlog_format = "json"\nhistory_age = "90d"\n'
        'history_size = "100M"\n'
    )
    from_file = serve().upkeep
    assert from_file == Upkeep(
        Address("127.0.0.1", 9100), LogLevel.DEBUG, LogFormat.JSON, 90 * 86_400, 100 * 1024**2
    )
    typed = serve(
        ServeFlags(monitor="[::1]:1", log_level="error", history_size="1G"), COLLAB_LOG_FORMAT="text"
    )
    assert typed.upkeep == Upkeep(Address("::1", 1), LogLevel.ERROR, LogFormat.TEXT, 90 * 86_400, 1024**3)
    with pytest.raises(UsageError, match="--monitor: 'x' is not "):
        serve(ServeFlags(monitor="x"))
    assert serve(ServeFlags(private=True)).upkeep == Upkeep(None, LogLevel.INFO, LogFormat.TEXT, None, None)


def test_all_that_is_wrong_with_serving_is_said_at_once(serve: Serve, configure: Configure) -> None:
    configure('theme = "pink"\nwhat = 1\n[serve]\nprot = 1\nport = "x"\n')
    with pytest.raises(WrongConfig) as refusal:
        serve(ServeFlags(insecure=True))
    assert [text.partition(": ")[0].rpartition(":")[2] for text in refusal.value.complaints] == [
        "2",
        "4",
        "5",
    ]
    assert refusal.value.code == 2
    configure('theme = "pink"\n')
    assert len(serve().complaints) == 1


def test_a_file_may_be_named(serve: Serve, configure: Configure, tmp_path: Path) -> None:
    configure("[serve]\nrooms = 1\n")
    other = tmp_path / "other.toml"
    with pytest.raises(WrongConfig, match=r"cannot read .*other\.toml: there is no such file"):
        serve(ServeFlags(config=other))
    with pytest.raises(WrongConfig, match="there is no such file"):
        serve(COLLAB_CONFIG=str(other))
    assert serve(ServeFlags(private=True), COLLAB_CONFIG=str(other)).complaints  # and it starts
    other.write_text("[serve]\nrooms = 2\n")
    (tmp_path / "third.toml").write_text("[serve]\nrooms = 3\n")
    assert serve(COLLAB_CONFIG=str(other)).capacity.rooms == 2
    assert serve(ServeFlags(config=tmp_path / "third.toml"), COLLAB_CONFIG=str(other)).capacity.rooms == 3
    with pytest.raises(UsageError, match=r"^--config: .* is not a path"):
        serve(ServeFlags(config=Path("/a\0b")))
    with pytest.raises(UsageError, match=r"^COLLAB_CONFIG: .* is not a path"):
        serve(COLLAB_CONFIG="~no-such-account/x")


def test_the_folder_of_a_server_is_layered(serve: Serve, configure: Configure, tmp_path: Path) -> None:
    folders = serve().folders
    configure('[serve]\ndata_dir = "/srv/rooms"\n')
    assert find_data_dir(None, folders, {}) == serve().data_dir == Path("/srv/rooms")
    assert find_data_dir(None, folders, {"COLLAB_DATA_DIR": "/variable"}) == Path("/variable")
    assert serve(COLLAB_DATA_DIR="/variable").data_dir == Path("/variable")
    assert find_data_dir(Path("/typed"), folders, {"COLLAB_DATA_DIR": "/variable"}) == Path("/typed")
    assert serve(ServeFlags(private=True), COLLAB_DATA_DIR="/variable").data_dir == tmp_path / "data"
    configure("[serve]\ndata_dir = 3\n")
    with pytest.raises(UsageError, match=r"config\.toml:2: 3 is not a text"):
        find_data_dir(None, folders, {})


def test_what_the_file_turns_on_a_flag_turns_off(serve: Serve, configure: Configure) -> None:
    configure("[serve]\nport = 1\nauth = true\n")
    assert serve(ServeFlags(auth=False, insecure=True)).doors.is_insecure
    configure("[serve]\nport = 1\ninsecure = true\n")
    with pytest.raises(
        UsageError, match=r"config\.toml:3 lets in whoever comes, and --auth asks for a token"
    ):
        serve(ServeFlags(auth=True))
    assert serve(ServeFlags(auth=True, insecure=False)).doors.has_auth


def test_without_being_told_the_server_takes_as_much_as_it_would(serve: Serve) -> None:
    """The numbers are written down twice, as those of the server take long to load."""
    caps = Caps()
    assert serve().capacity == Capacity(
        caps.connections,
        caps.connections_per_address,
        caps.connections_per_room,
        accept_rate=int(caps.accepts_per_s),
        rooms=caps.rooms,
        loaded_rooms=caps.loaded_rooms,
        rooms_per_day=caps.rooms_per_day,
        messages_per_second=caps.messages_per_s,
        bytes_per_second=caps.bytes_per_s,
        room_bytes=RoomLimits().text_bytes,
    )
    assert caps.accepts_per_s == int(caps.accepts_per_s)


def test_the_address_for_links_is_layered(tmp_path: Path, serve: Serve, configure: Configure) -> None:
    folders = serve().folders
    assert find_url(None, {}, folders) is None
    configure('[serve]\nurl = "wss://file.org"\n')
    assert find_url(None, {}, folders) == "wss://file.org"
    assert find_url(None, {"COLLAB_URL": "wss://variable.org:444/"}, folders) == "wss://variable.org:444"
    assert find_url("wss://typed.org", {"COLLAB_URL": "wss://variable.org"}, folders) == "wss://typed.org"
