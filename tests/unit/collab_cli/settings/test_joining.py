"""Tests of `settings.joining`: flags over variables over the file over defaults; what ends a command.

What the file may say is in test_file, how to serve in test_serving.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from collab_cli.commands.join import own_token_file
from collab_cli.exits import UsageError
from collab_cli.identity import account_name
from collab_cli.settings.flags import JoinFlags, ServeFlags, Theme
from collab_cli.settings.joining import JoinSettings, join_settings
from collab_cli.settings.serving import ServeSettings, serve_settings
from collab_cli.targets import Server, Target
from collab_tui.options import Options

Configure = Callable[[str], None]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def write(text: str) -> None:
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "config.toml").write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def join(tmp_path: Path) -> Callable[..., JoinSettings]:
    def settings(flags: JoinFlags | None = None, **environ: str) -> JoinSettings:
        return join_settings(flags or JoinFlags(), {"COLLAB_HOME": str(tmp_path), **environ})

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
    assert settings.theme is Theme.AUTO
    assert settings.options == Options()
    assert settings.keys == {}
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


def test_what_runs_ssh_is_split_as_a_shell_does(
    join: Callable[..., JoinSettings], configure: Configure
) -> None:
    assert join().ssh == ("ssh",)
    configure('ssh = "ssh -F /home/ana/.ssh/pair"\n')
    assert join().ssh == ("ssh", "-F", "/home/ana/.ssh/pair")
    assert join(COLLAB_SSH="'/my own/ssh' -4").ssh == ("/my own/ssh", "-4")


def test_names_are_cleaned(join: Callable[..., JoinSettings]) -> None:
    assert join(JoinFlags(name="  a\x1b[31mna \u202e")).name == "a[31mna"
    with pytest.raises(UsageError, match="--name"):
        join(JoinFlags(name="\u202e\x07"))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"COLLAB_COLOUR": "blue"}, "COLLAB_COLOUR: 'blue' is not a whole number"),
        ({"COLLAB_COLOUR": "13"}, "COLLAB_COLOUR: '13' is not one of 1 to 12"),
        ({"COLLAB_ASCII": "perhaps"}, "COLLAB_ASCII: 'perhaps' is not true or false"),
        ({"COLLAB_THEME": "pink"}, "COLLAB_THEME: 'pink' is not one of auto, dark, light, high-contrast"),
        ({"COLLAB_SERVER": "example.org"}, "no address"),
        ({"COLLAB_RULER": "1001"}, "COLLAB_RULER: '1001' is not a column from 1 to 1000, true or false"),
        ({"COLLAB_INDENT": "17"}, 'COLLAB_INDENT: \'17\' is not "auto", "tabs" or 1 to 16'),
        ({"COLLAB_WRAP": "2"}, "COLLAB_WRAP: '2' is not true or false"),
        ({"COLLAB_NAME": " "}, "COLLAB_NAME: ' ' is not a text"),
        ({"COLLAB_SSH": "ssh -F 'a"}, 'COLLAB_SSH: "ssh -F \'a" is not a command: No closing quotation'),
    ],
)
def test_a_wrong_variable_says_which(
    join: Callable[..., JoinSettings], variables: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        join(**variables)
    assert words in str(refusal.value)


@pytest.mark.parametrize("theme", list(Theme))
def test_every_theme(join: Callable[..., JoinSettings], configure: Configure, theme: Theme) -> None:
    configure(f'theme = "{theme}"\n')
    assert join().theme is theme
    assert join(COLLAB_THEME=theme.value.replace("colour", "color")).theme is theme


def test_how_the_text_is_shown(join: Callable[..., JoinSettings], configure: Configure) -> None:
    configure(
        "wrap = false\nwhitespace = true\nline_numbers = false\nhints = false\nruler = true\nindent = 4\n"
    )
    assert join().options == Options(
        wrap=False, ruler=80, whitespace=True, line_numbers=False, hints=False, indent="4"
    )
    variables = join(
        COLLAB_WRAP="on", COLLAB_RULER="100", COLLAB_WHITESPACE="no", COLLAB_INDENT="tabs", COLLAB_HINTS="yes"
    )
    assert variables.options == Options(ruler=100, line_numbers=False, indent="tabs")
    assert join(COLLAB_RULER="off").options.ruler == 0


def test_a_wrong_value_in_the_file_is_told_and_keeps_nobody_from_the_editor(
    join: Callable[..., JoinSettings], configure: Configure
) -> None:
    configure('# mine\nname = "ana"\n\ncolour = "red"\n[serve]\nport = "x"\n')
    settings = join()
    assert (settings.name, settings.colour) == ("ana", None)
    assert len(settings.complaints) == 2
    assert join(COLLAB_COLOUR="4").colour == 3
    configure("colour = = 3\n")
    settings = join()
    assert settings.name == account_name()
    assert len(settings.complaints) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('server = "wss//typo"', r"config\.toml:1: 'wss//typo' is not a server"),
        ("name = =\nserver = 'wss://example.org'", r"config\.toml:1: .*nothing in the file counts"),
        ('server = "ws://example.org"', "not encrypted"),
    ],
)
def test_text_goes_to_no_other_place_than_was_meant(
    join: Callable[..., JoinSettings], configure: Configure, text: str, words: str
) -> None:
    configure(text)
    with pytest.raises(UsageError, match=words):
        join()
    with pytest.raises(UsageError):
        join(COLLAB_SERVER="typo")
    typed = join(JoinFlags(server="wss://other.example"))
    assert typed.server == Server(url="wss://other.example")


def test_a_file_that_cannot_be_read_may_name_a_server(
    join: Callable[..., JoinSettings], configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "config" / "config.toml").mkdir(parents=True)
    with pytest.raises(UsageError, match="Is a directory"):
        join()
    assert join(COLLAB_SERVER="wss://example.org").complaints
    (tmp_path / "config" / "config.toml").rmdir()
    (tmp_path / "config" / "config.toml").write_bytes(b"name = '\xff'")
    assert len(join().complaints) == 1
    (tmp_path / "config" / "config.toml").write_bytes(b"name = '\xff'\nserver = 'wss://example.org'")
    with pytest.raises(UsageError, match="not UTF-8"):
        join()


def test_no_variable_gives_up_protection_and_no_file_that_of_joining(
    serve: Callable[..., ServeSettings], join: Callable[..., JoinSettings], configure: Configure
) -> None:
    settings = serve(ServeFlags(), COLLAB_INSECURE="1", COLLAB_MEMORY="1")
    assert not settings.doors.is_insecure
    assert not settings.is_memory
    configure("insecure = true\n[serve]\nport = 1\ninsecure = true\nmemory = true\n")
    settings = join(COLLAB_INSECURE="1")
    assert not settings.is_insecure
    (complaint,) = settings.complaints
    assert "nobody knows the key 'insecure' (did you mean 'serve.insecure'?)" in complaint
    configure("[serve]\nport = 1\ninsecure = true\nmemory = true\n")
    assert serve().doors.is_insecure
    assert serve().is_memory
    typed = serve(ServeFlags(insecure=False, auth=True, memory=False))
    assert not (typed.doors.is_insecure or typed.is_memory)


def test_a_server_behind_no_path_ends_it(join: Callable[..., JoinSettings], configure: Configure) -> None:
    configure('server = "unix:///a%00b"\n')
    with pytest.raises(UsageError, match=r"config\.toml:1: .* is not a server: a path: it has a NUL"):
        join()


def test_a_pipe_in_place_of_the_file_is_not_waited_for(
    join: Callable[..., JoinSettings], serve: Callable[..., ServeSettings], tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    os.mkfifo(tmp_path / "config" / "config.toml")
    for start in (join, serve):
        with pytest.raises(UsageError, match=r"cannot read .*config\.toml: it is not a file"):
            start()


def test_how_one_joins_may_stand_in_the_file(join: Callable[..., JoinSettings], configure: Configure) -> None:
    configure(
        'server = "wss://example.org"\nread_only = true\noffline = true\nfollow = "bo"\nannounce = "region"\n'
        'token_file = "~/token"\n'
    )
    settings = join()
    assert settings.complaints == ()
    assert (settings.is_read_only, settings.is_offline) == (True, True)
    assert (settings.follow, settings.announce, settings.token_file) == ("bo", "region", "~/token")
    typed = join(JoinFlags(read_only=False, offline=False, follow="ana", announce="/tmp/f"), COLLAB_ASCII="1")
    assert (typed.is_read_only, typed.is_offline, typed.follow, typed.announce) == (
        False,
        False,
        "ana",
        "/tmp/f",
    )
    assert join(JoinFlags(ascii=False), COLLAB_ASCII="1").is_ascii is False


def test_the_token_of_the_settings_is_for_their_server_alone(
    join: Callable[..., JoinSettings], configure: Configure
) -> None:
    configure('server = "wss://example.org"\ntoken_file = "/token"\n')
    settings = join()
    assert own_token_file(Target("notes", settings.server), settings) == "/token"
    assert own_token_file(Target("notes", Server(url="wss://other.example")), settings) is None
    assert own_token_file(Target("notes"), settings) is None
    elsewhere = join(JoinFlags(server="wss://other.example"))
    assert own_token_file(Target("notes", elsewhere.server), elsewhere) is None
    configure('server = "unix:///s"\ntoken_file = "/token"\n')
    assert own_token_file(Target("notes", join().server), join()) is None
