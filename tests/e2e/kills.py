"""Kill -9 of servers and of writers while lines are typed, and the count of what came through.

    python -m tests.e2e.kills --server 200 --client 200 --seed 7

Each campaign is drawn from its seed, as far as processes that run at their own pace can be. It prints one
line of numbers; what is lost or doubled ends it with AssertionError.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from tests.e2e.home import Home
from tests.e2e.peer import Peer
from tests.e2e.proxy import Proxy
from tests.e2e.server import Server

DEADLINE_S: Final = 20.0
_ROOM: Final = "kills"
_RETRY_EVERY_S: Final = 0.1


@dataclass(slots=True)
class Run:
    """What one life of a writer has said."""

    first: int
    typed: int
    saved: int
    kept: int
    statuses: list[str] = field(default_factory=list)
    is_done: bool = False


class WriterProcess:
    """`tests.e2e.writer` on a folder of its own, over as many lives as it is started; use it in a `with`."""

    def __init__(
        self,
        name: str,
        url: str,
        *flags: str,
        home: Home | None = None,
        retry_every_s: float | None = _RETRY_EVERY_S,
    ) -> None:
        """Get ready, on a folder of its own or on `home`, which others may use at the same time.

        `retry_every_s` is how often it asks for a link at once; without it, it waits as it is told.
        """
        self.name = name
        self.home = Home() if home is None else home
        self._is_own_home = home is None
        self.runs: list[Run] = []
        self._url = url
        self._flags = list(flags)
        if retry_every_s is not None:
            self._flags += ["--retry-every", str(retry_every_s)]
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._is_own_home:
            self.home.close()

    @property
    def run(self) -> Run:
        """The life that it lives now, or lived last."""
        return self.runs[-1]

    def start(self) -> None:
        """Start to type behind the last line that was typed."""
        # One further on: it may have been killed between typing a line and saying so.
        typed = self.runs[-1].typed + 1 if self.runs else 0
        self.runs.append(Run(typed + 1, typed, 0, 0))
        command = [sys.executable, "-m", "tests.e2e.writer", self._url, "--name", self.name]
        with (self.home.path / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [*command, "--first", str(typed + 1), *self._flags],
                env=self.home.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._reader = threading.Thread(target=self._read, args=(self._process, self.run), daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """End it with kill -9, and take what it had said by then."""
        self._end(signal.SIGKILL)

    def leave(self) -> int:
        """Let it leave the room; returns its exit code."""
        return self._end(signal.SIGTERM)

    def finish(self) -> None:
        """Let it type no more, and wait until all is saved."""
        self.wait_typed(1)  # so that it listens to signals
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        self.wait_for(lambda run: run.is_done, "the end of its work")

    def wait_for(self, is_true: Callable[[Run], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until it has said what makes `is_true` so. Raises: AssertionError."""
        with self._news:
            if not self._news.wait_for(lambda: is_true(self.run) or self._is_over(), deadline_s):
                raise AssertionError(f"{self.name}: waited {deadline_s:.0f} s for {what}\n{self._story()}")
            if not is_true(self.run):
                raise AssertionError(f"{self.name} ended by itself\n{self._story()}")

    def wait_typed(self, more: int) -> None:
        """Wait until it has typed so many more lines."""
        goal = self.run.typed + more
        self.wait_for(lambda run: run.typed >= goal, f"line {goal}")

    def wait_saved(self) -> None:
        """Wait until something that it types from now on is saved."""
        goal = self.run.typed + 1
        self.wait_for(lambda run: run.saved >= goal, f"line {goal} to be saved")

    def wait_promise(self) -> None:
        """Return the moment that it says of something more that it is saved or kept, if that can be so."""
        run = self.run
        before = max(run.saved, run.kept)
        self.wait_for(lambda run: max(run.saved, run.kept) > before, f"more than {before} to be kept")

    def promised(self) -> set[str]:
        """Return the lines that were said to be saved or kept."""
        ends = ((run.first, max(run.saved, run.kept)) for run in self.runs)
        return {f"{self.name}:{i}" for first, end in ends for i in range(first, end + 1)}

    def all_typed(self) -> set[str]:
        """Return every line that was typed, as far as it could still be said."""
        return {f"{self.name}:{i}" for run in self.runs for i in range(run.first, run.typed + 1)}

    def _is_over(self) -> bool:
        return self._reader is None or not self._reader.is_alive()

    def _story(self) -> str:
        said = (self.home.path / "stderr").read_text()
        run = self.run
        return f"typed {run.typed}, saved {run.saved}, kept {run.kept}\n{run.statuses[-12:]}\n{said[-4000:]}"

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with process:
            process.send_signal(number)
            try:
                return process.wait(DEADLINE_S)
            finally:
                process.kill()
                assert self._reader is not None
                self._reader.join(DEADLINE_S)

    def _read(self, process: subprocess.Popen[bytes], run: Run) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break  # killed in the middle of a word
            word, _, rest = line.decode().strip().partition(" ")
            with self._news:
                match word:
                    case "typed":
                        run.typed = int(rest)
                    case "saved":
                        run.saved = int(rest)
                    case "kept":
                        run.kept = int(rest)
                    case "status":
                        run.statuses.append(rest)
                    case "done":
                        run.is_done = True
                    case _:
                        pass
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@dataclass(frozen=True, slots=True)
class Tally:
    """What a campaign has counted."""

    kills: int
    typed: int
    promised: int
    arrived: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.typed} lines typed, {self.promised} promised, "
            f"{self.arrived} arrived, 0 promised lines lost, 0 doubled, in {self.seconds:.0f} s"
        )


def kill_servers(count: int, seed: int, *, writers: int = 3) -> Tally:
    """Kill the server `count` times under `writers` that type all the while.

    Raises:
        AssertionError: a line is lost, there twice, or in the wrong place.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(Home())
        server = stack.enter_context(Server(home))
        people = [
            stack.enter_context(
                WriterProcess(f"w{i}", server.url(_ROOM), "--rate", "100", "--burst", str(rng.choice((1, 5))))
            )
            for i in range(writers)
        ]
        for _ in range(count):
            if rng.random() < 0.7:
                for person in people:
                    person.wait_saved()
            rng.choice(people).wait_typed(rng.randrange(1, 30))
            server.kill()
            rng.choice(people).wait_typed(rng.randrange(1, 30))
            server.start()
        for person in people:
            person.finish()
        text = final_text(home, server)
        arrived = check_lines(text, people, must={line for person in people for line in person.all_typed()})
        for person in people:
            mine = [line for line in text.splitlines() if line.startswith(f"{person.name}:")]
            assert mine == [f"{person.name}:{i}" for i in range(1, len(mine) + 1)], f"{person.name}: order"
        return _tally(count, people, arrived, began)


def kill_writers(count: int, seed: int) -> Tally:
    """Kill writers `count` times, half of them while their link or the server is down.

    Two of them share a folder, and with it a journal, as two windows of one person do; a third, elsewhere,
    lives on.

    Raises:
        AssertionError: a line that was said to be saved or kept is lost, or a line is there twice.
    """
    rng = random.Random(seed)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(Home())
        server = stack.enter_context(Server(home))
        proxy = stack.enter_context(Proxy(server.port))
        shared = stack.enter_context(Home())
        other = stack.enter_context(WriterProcess("other", server.url(_ROOM), "--rate", "20"))
        victims = [
            stack.enter_context(
                WriterProcess(name, proxy.url(_ROOM), "--rate", "80", "--burst", burst, home=shared)
            )
            for name, burst in (("left", "1"), ("right", "4"))
        ]
        for i in range(count):
            fault = ("none", "server", "none", "stall")[i % 4]
            victim = rng.choice(victims)
            if rng.random() < 0.7:
                victim.wait_saved()
            if fault == "server":
                server.kill()
            elif fault == "stall":
                proxy.stall()
            victim.wait_typed(rng.randrange(1, 40))
            if rng.random() < 0.5:
                victim.wait_promise()
            victim.kill()
            # Sometimes the next life begins, and types, while it is still alone.
            is_healed_first = fault == "none" or rng.random() < 0.5
            if is_healed_first:
                _heal(fault, server, proxy)
            if rng.random() < 0.3:  # a life that ends somewhere in its beginning
                victim.start()
                time.sleep(rng.uniform(0.1, 0.5))
                victim.kill()
            victim.start()
            if not is_healed_first:
                victim.wait_typed(rng.randrange(1, 20))
                _heal(fault, server, proxy)
        people = (*victims, other)
        for person in people:
            person.finish()
        must = {line for victim in victims for line in victim.promised()} | other.all_typed()
        arrived = check_lines(final_text(home, server), people, must)
        lives = [run for victim in victims for run in victim.runs if run.typed >= run.first]
        kept = [run for run in lives if run.kept >= run.first]
        assert len(kept) > len(lives) // 2, "next to nothing was kept"
        return _tally(count, people, arrived, began)


def _heal(fault: str, server: Server, proxy: Proxy) -> None:
    if fault == "server":
        server.start()
    elif fault == "stall":
        proxy.heal()


def final_text(home: Home, server: Server, room: str = _ROOM) -> str:
    """Return the text as a newcomer gets it, which is what the store holds."""
    with Peer(room, server.port) as peer:
        text = peer.text
    assert text == home.stored_text(room), "a newcomer gets another text than the store holds"
    return text


def check_lines(text: str, people: Iterable[WriterProcess], must: set[str]) -> int:
    """Compare `text` with what was typed; returns how many lines there are.

    Raises:
        AssertionError: a line of `must` is lost, one is there twice, or nobody has typed it.
    """
    lines = text.splitlines()
    counts = Counter(lines)
    lost = sorted(must - counts.keys(), key=_number)
    doubled = sorted((line for line, count in counts.items() if count > 1), key=_number)
    # A line may be in the text though its writer died before it could say so.
    unsaid = {f"{person.name}:{run.typed + 1}" for person in people for run in person.runs}
    typed = {line for person in people for line in person.all_typed()}
    unknown = sorted(counts.keys() - typed - unsaid)
    assert not (lost or doubled or unknown), (
        f"lost {len(lost)}: {lost[:20]}; doubled {len(doubled)}: {doubled[:20]}; unknown: {unknown[:20]}\n"
        + "\n".join(
            f"{person.name}: {[(run.first, run.typed, run.saved, run.kept) for run in person.runs]}"
            for person in people
        )
    )
    return len(lines)


def _number(line: str) -> tuple[str, int]:
    name, _, number = line.partition(":")
    return name, int(number) if number.isdecimal() else -1


def _tally(count: int, people: Sequence[WriterProcess], arrived: int, began: float) -> Tally:
    return Tally(
        kills=count,
        typed=sum(len(person.all_typed()) for person in people),
        promised=sum(len(person.promised()) for person in people),
        arrived=arrived,
        seconds=time.monotonic() - began,
    )


def main() -> int:
    """Run longer campaigns than the tests do."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.kills")
    parser.add_argument("--server", type=int, default=0, help="how often the server is killed")
    parser.add_argument("--client", type=int, default=0, help="how often a writer is killed")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    if asked.server:
        print(f"servers: {kill_servers(asked.server, asked.seed)}", flush=True)
    if asked.client:
        print(f"writers: {kill_writers(asked.client, asked.seed)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
