"""Tests of `collab_cli.main` and `collab_cli.__main__`: typed words become flags, mistakes one line."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collab_cli import __main__, __version__
from collab_cli.commands import join, serve
from collab_cli.main import run
from collab_cli.settings.flags import JoinFlags, ServeFlags, Theme


def collab(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "collab_cli", *arguments],
        env={**os.environ, "COLLAB_HOME": str(home), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_typed_shows_three_examples(tmp_path: Path) -> None:
    done = collab(home=tmp_path)
    assert done.returncode == 0
    assert (
        len([line for line in done.stdout.splitlines() if line.startswith(("collab join", "collab serve"))])
        == 3
    )
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_the_version(tmp_path: Path) -> None:
    done = collab("--version", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"collab {__version__}\n")


@pytest.mark.parametrize("arguments", [["--version"], [], ["join", "two words"]])
def test_what_is_simple_loads_little(arguments: list[str], tmp_path: Path) -> None:
    program = "import sys; from collab_cli.__main__ import main; main(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "COLLAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "collab_cli" in loaded
    assert not loaded & {"typer", "textual", "pycrdt", "websockets", "collab_server", "asyncio"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["-h"],
        ["join", "--help"],
        ["serve", "-h"],
        ["config", "--help"],
        ["invite", "--help"],
        ["admin", "--help"],
        ["admin", "ban", "-h"],
    ],
)
def test_help_is_on_stdout(arguments: list[str], tmp_path: Path) -> None:
    done = collab(*arguments, home=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: collab")
    assert "--private" not in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["srve"], 2, "collab --help"),
        (["join", "--wat"], 2, "collab join --help"),
        (["join", "a", "b"], 2, "collab join --help"),
        (["join", "two words"], 2, "cannot name a room"),
        (["join", "ws://example.org/notes"], 2, "--insecure"),
        (["join", "notes", "--server", "example.org"], 2, "no address"),
        (["join", "ws://localhost/notes", "--server", "ws://localhost"], 2, "leave out --server"),
        (["join", "notes", "--colour", "99"], 2, "1 to 12"),
        (["join", "notes", "--theme", "pink"], 2, "dark, light"),
        (["config"], 2, "collab config --help"),
        (["config", "shw"], 2, "collab config --help"),
        (["config", "show", "--wat"], 2, "collab config show --help"),
        (["join", "notes"], 2, "needs a terminal"),
        (["join"], 2, "which room?"),
        (["serve", "--port", "8765"], 2, "--auth"),
        (["serve", "--host", "0.0.0.0", "--insecure"], 2, "other machines"),
        (["invite"], 2, "collab invite --help"),
        (["invite", "no/tes"], 2, "cannot name a room"),
        (["invite", "notes", "--role", "boss"], 2, "read, write, admin"),
        (["invite", "notes", "--expires", "soon"], 2, "2h"),
        (["invite", "notes", "--reusable", "--name", "ana"], 2, "leave one of them out"),
        (["invites"], 3, "no server has kept anything"),
        (["delete", "notes"], 2, "--yes"),
        (["forget", "notes"], 2, "--yes"),
        (["revoke"], 2, "collab revoke --help"),
        (["admin", "kick", "notes"], 2, "collab admin kick --help"),
        (["admin", "kik", "notes"], 2, "collab admin --help"),
        (["admin", "ban", "notes", "ana", "--for", "ever"], 2, "30m"),
        (["admin", "sessions", "--data-dir", "/nonexistent"], 2, "/nonexistent"),
        (["serve", "/dev/null/x"], 2, "cannot keep anything in"),
        (["serve", "--unix", "/nonexistent/x.sock"], 3, "/nonexistent/x.sock"),
    ],
)
def test_a_mistake_is_one_line_and_a_code(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    done = collab(*arguments, home=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line.startswith("collab: ")]
    assert done.returncode == code
    assert done.stdout == ""
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in done.stderr


def test_help_loads_no_command(tmp_path: Path) -> None:
    program = "import sys; from collab_cli.main import run; run(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert not loaded & {
        "collab_cli.commands.config",
        "collab_cli.settings.joining",
        "collab_cli.office.office",
        "collab_server",
        "websockets",
        "asyncio",
        "collab_tui",
        "textual",
        "tomllib",
    }


def test_help_names_every_theme(tmp_path: Path) -> None:
    shown = " ".join(collab("join", "--help", home=tmp_path).stdout.split())
    assert ", ".join(Theme) in shown


def test_join_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[JoinFlags] = []
    monkeypatch.setattr(join, "run", lambda flags: seen.append(flags) or 4)
    everything = "--server ws://localhost --name ana --colour 3 --theme light --read-only --ascii --insecure"
    more = ["--follow", "bo", "--announce", "region", "--token-file", "-"]
    assert run(["join", "notes", *everything.split(), *more]) == 4
    assert run(["join"]) == 4
    assert seen == [
        JoinFlags(
            "notes",
            "ws://localhost",
            "ana",
            3,
            "light",
            read_only=True,
            ascii=True,
            insecure=True,
            follow="bo",
            announce="region",
            token_file="-",
        ),
        JoinFlags(),
    ]


def test_serve_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ServeFlags] = []
    monkeypatch.setattr(serve, "run", lambda flags: seen.append(flags) or 0)
    everything = (
        "--host ::1 --port 1 --unix u.sock --insecure --memory --private --idle-exit 2.5 --auth --tls-cert c "
        "--tls-key k --trusted-proxy ::1 --trusted-proxy ::2 --origin http://a --origin http://b "
        "--url wss://h --accept-rate 1 --connections 2 --connections-per-address 3 "
        "--connections-per-room 4 --rooms 5 --loaded-rooms 6 --rooms-per-day 7 --messages-per-second 8 "
        "--bytes-per-second 9M --room-bytes 10M --history-age 11d --history-size 12G --monitor 13 "
        "--log-level debug --log-format json --config file.toml"
    )
    assert run(["serve", "rooms", *everything.split()]) == 0
    assert run(["serve"]) == 0
    assert seen == [
        ServeFlags(
            Path("rooms"),
            "::1",
            1,
            Path("u.sock"),
            insecure=True,
            auth=True,
            tls_cert=Path("c"),
            tls_key=Path("k"),
            trusted_proxies=("::1", "::2"),
            origins=("http://a", "http://b"),
            url="wss://h",
            accept_rate=1,
            connections=2,
            connections_per_address=3,
            connections_per_room=4,
            rooms=5,
            loaded_rooms=6,
            rooms_per_day=7,
            messages_per_second=8,
            bytes_per_second="9M",
            room_bytes="10M",
            history_age="11d",
            history_size="12G",
            monitor="13",
            log_level="debug",
            log_format="json",
            memory=True,
            config=Path("file.toml"),
            private=True,
            idle_exit_s=2.5,
        ),
        ServeFlags(),
    ]


TOKEN = "ci1.k1.cGF5bG9hZA.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "arguments",
    [
        [f"wss://localhost/notes#{TOKEN}"],
        ["join", "notes", f"wss://localhost/notes#{TOKEN}"],
        ["join", f"https://localhost/notes#{TOKEN}"],
        ["join", f"wss://localhost/notes#{TOKEN}", "--server", "wss://localhost"],
        ["join", "notes", "--server", f"wss://localhost#{TOKEN}"],
        ["join", "wss://localhost/notes", "--token-file", TOKEN],
        ["join", f"--token={TOKEN}"],
        ["revoke", TOKEN],
        ["admin", TOKEN],
    ],
)
def test_a_token_is_never_repeated(arguments: list[str], tmp_path: Path) -> None:
    done = collab(*arguments, home=tmp_path)
    assert done.returncode in (2, 3)
    assert done.stderr.startswith("collab: ")
    assert "k1" not in done.stderr + done.stdout


@pytest.mark.parametrize("arguments", [["join"], ["join", "notes"], ["serve", "--private", "/a/folder"]])
def test_what_people_wait_for_means_the_same_without_typer(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[JoinFlags | ServeFlags] = []
    for command in (join, serve):
        monkeypatch.setattr(command, "run", lambda flags: seen.append(flags) or 0)
    monkeypatch.setattr(sys, "argv", ["collab", *arguments])
    try:
        __main__.main()
    finally:
        gc.enable()
    run(arguments)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("group", [[], ["admin"], ["config"]])
def test_what_each_command_is_for_is_shown_whole(group: list[str], tmp_path: Path) -> None:
    done = collab(*group, "--help", home=tmp_path)
    summaries = done.stdout.partition("Commands:\n")[2].splitlines()
    assert summaries
    assert [line for line in summaries if line.endswith("...") or len(line) > 70] == []


def test_a_command_that_was_nearly_right(tmp_path: Path) -> None:
    assert collab("serv", home=tmp_path).stderr.endswith("Did you mean 'serve'? see: collab --help\n")
