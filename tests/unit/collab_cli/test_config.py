"""Tests of `collab_cli.config`: flags over variables over the file over defaults; wrong values say where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collab_cli.config import (
    DEFAULT_IDLE_EXIT_S,
    JoinSettings,
    ServeSettings,
    Theme,
    join_settings,
    serve_settings,
)
from collab_cli.exits import UsageError
from collab_cli.flags import DEFAULT_PORT, JoinFlags, ServeFlags
from collab_cli.identity import account_name
from collab_cli.targets import Server

Configure = Callable[[str], None]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def write(text: str) -> None:
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "config.toml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., JoinSettings]:
    def settings(flags: JoinFlags | None = None, *, unicode: bool = True, **environ: str) -> JoinSettings:
        return join_settings(
            flags or JoinFlags(), {"COLLAB_HOME": str(tmp_path), **environ}, can_draw_unicode=unicode
        )

    return settings


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., ServeSettings]:
    def settings(flags: ServeFlags | None = None, **environ: str) -> ServeSettings:
        return serve_settings(flags or ServeFlags(), {"COLLAB_HOME": str(tmp_path), **environ})

    return settings


def test_defaults(join: Callable[..., JoinSettings]) -> None:
    settings = join()
    assert settings.name == account_name()
    assert settings.colour is None
    assert settings.server is None
    assert settings.theme is Theme.DARK
    assert not (settings.is_ascii or settings.is_read_only or settings.is_insecure)
    assert settings.complaints == ()


def test_each_layer_covers_the_one_below(join: Callable[..., JoinSettings], configure: Configure) -> None:
    configure('name = "file"\ncolour = 3\ntheme = "light"\nascii = true\nserver = "wss://file.example"\n')
    assert join().name == "file"
    assert join().colour == 2
    assert join().theme is Theme.LIGHT
    assert join().is_ascii
    assert join().server == Server(url="wss://file.example")
    from_variables = join(
        COLLAB_NAME="variable",
        COLLAB_COLOUR="4",
        COLLAB_THEME="dark",
        COLLAB_ASCII="no",
        COLLAB_SERVER="unix:///variable.sock",
    )
    assert from_variables.name == "variable"
    assert from_variables.colour == 3
    assert from_variables.theme is Theme.DARK
    assert not from_variables.is_ascii
    assert from_variables.server == Server(unix_path=Path("/variable.sock"))
    flags = JoinFlags(name="flag", colour=5, theme="light", ascii=True, server="ws://localhost:1")
    typed = join(flags, COLLAB_NAME="variable", COLLAB_COLOUR="4", COLLAB_THEME="dark", COLLAB_ASCII="no")
    assert typed.name == "flag"
    assert typed.colour == 4
    assert typed.theme is Theme.LIGHT
    assert typed.is_ascii
    assert typed.server == Server(url="ws://localhost:1")


def test_a_terminal_without_unicode_gets_ascii(join: Callable[..., JoinSettings]) -> None:
    assert join(unicode=False).is_ascii


def test_names_are_cleaned(join: Callable[..., JoinSettings]) -> None:
    assert join(JoinFlags(name="  a\x1b[31mna \u202e")).name == "a[31mna"
    with pytest.raises(UsageError, match="--name"):
        join(JoinFlags(name="\u202e\x07"))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"COLLAB_COLOUR": "blue"}, "COLLAB_COLOUR: 'blue' is not a whole number"),
        ({"COLLAB_COLOUR": "13"}, "13 is not one of 1 to 12"),
        ({"COLLAB_ASCII": "perhaps"}, "COLLAB_ASCII: 'perhaps' is not true or false"),
        ({"COLLAB_THEME": "pink"}, "COLLAB_THEME: 'pink' is not one of dark, light"),
        ({"COLLAB_SERVER": "example.org"}, "no address"),
        ({"COLLAB_NAME": " "}, "COLLAB_NAME: ' ' is not a text"),
    ],
)
def test_a_wrong_variable_says_which(
    join: Callable[..., JoinSettings], variables: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        join(**variables)
    assert words in str(refusal.value)


def test_a_wrong_value_in_the_file_says_where(
    join: Callable[..., JoinSettings], configure: Configure
) -> None:
    configure('# mine\nname = "ana"\n\ncolour = "red"\n')
    with pytest.raises(UsageError, match=r"config\.toml:4: 'red' is not a whole number"):
        join()


def test_a_broken_file_says_where(join: Callable[..., JoinSettings], configure: Configure) -> None:
    configure('name = "ana"\ncolour = = 3\n')
    with pytest.raises(UsageError, match=r"config\.toml: .*line 2"):
        join()


def test_a_file_that_is_not_utf8_is_one_line(join: Callable[..., JoinSettings], tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8"):
        join()


def test_unknown_keys_are_reported_with_their_line_and_ignored(
    join: Callable[..., JoinSettings], configure: Configure
) -> None:
    configure(
        'nmae = "ana"\nname = "bo"\nplugins = { a = 1 }\n\n'
        "[serve]\nport = 1\nprot = 2\n\n[keys.editor]\nundo = 'x'\n"
    )
    settings = join()
    assert settings.name == "bo"
    found = [complaint.split(": ")[0].rpartition(":")[2] for complaint in settings.complaints]
    assert found == ["1", "3", "7", "9"]
    for key, complaint in zip(("nmae", "plugins", "serve.prot", "keys"), settings.complaints, strict=True):
        assert repr(key) in complaint


def test_serving_needs_no_tcp(serve: Callable[..., ServeSettings], tmp_path: Path) -> None:
    settings = serve()
    assert settings.host is settings.port is settings.idle_exit_s is None
    assert settings.data_dir == tmp_path / "data"
    assert settings.unix_path.parent == tmp_path / "run"
    assert not settings.is_private


def test_tcp_is_loopback_and_asked_for(serve: Callable[..., ServeSettings]) -> None:
    with pytest.raises(UsageError, match="--insecure"):
        serve(ServeFlags(port=0))
    with pytest.raises(UsageError, match="--insecure"):
        serve(ServeFlags(host="127.0.0.1"))
    with pytest.raises(UsageError, match="other machines"):
        serve(ServeFlags(host="0.0.0.0", insecure=True))
    with pytest.raises(UsageError, match="not one of 0 to 65535"):
        serve(ServeFlags(port=70000, insecure=True))
    with pytest.raises(UsageError, match="--port"):
        serve(ServeFlags(insecure=True))
    settings = serve(ServeFlags(host="::1", insecure=True))
    assert (settings.host, settings.port) == ("::1", DEFAULT_PORT)
    settings = serve(ServeFlags(port=0, insecure=True))
    assert (settings.host, settings.port) == ("127.0.0.1", 0)


def test_serving_is_layered_too(
    serve: Callable[..., ServeSettings], configure: Configure, tmp_path: Path
) -> None:
    configure('[serve]\nport = 1\nunix = "/file.sock"\n')
    flags = ServeFlags(insecure=True)
    assert serve(flags).port == 1
    assert serve(flags).unix_path == Path("/file.sock")
    assert serve(flags, COLLAB_PORT="2", COLLAB_UNIX="/variable.sock").port == 2
    typed = ServeFlags(insecure=True, port=3, unix=Path("/flag.sock"), data_dir=tmp_path / "rooms")
    assert serve(typed, COLLAB_PORT="2").port == 3
    assert serve(typed, COLLAB_UNIX="/variable.sock").unix_path == Path("/flag.sock")
    assert serve(typed).data_dir == tmp_path / "rooms"


def test_nothing_but_the_command_line_gives_up_protection(
    serve: Callable[..., ServeSettings], join: Callable[..., JoinSettings], configure: Configure
) -> None:
    configure("insecure = true\nmemory = true\n[serve]\ninsecure = true\nmemory = true\n")
    settings = serve(COLLAB_INSECURE="1", COLLAB_MEMORY="1")
    assert not settings.is_insecure
    assert not settings.is_memory
    assert len(settings.complaints) == 4
    assert not join(COLLAB_INSECURE="1").is_insecure


def test_a_private_server_serves_only_its_socket(
    serve: Callable[..., ServeSettings], configure: Configure
) -> None:
    configure('[serve]\nport = 1\nunix = "/file.sock"\n')
    settings = serve(ServeFlags(private=True), COLLAB_PORT="2")
    assert settings.host is settings.port is None
    assert settings.unix_path.name.startswith("private-")
    assert settings.idle_exit_s == DEFAULT_IDLE_EXIT_S
    assert serve(ServeFlags(private=True), COLLAB_IDLE_EXIT_S="1.5").idle_exit_s == 1.5
    assert serve(ServeFlags(private=True, idle_exit_s=2), COLLAB_IDLE_EXIT_S="1.5").idle_exit_s == 2
    with pytest.raises(UsageError, match="COLLAB_IDLE_EXIT_S"):
        serve(ServeFlags(private=True), COLLAB_IDLE_EXIT_S="never")
