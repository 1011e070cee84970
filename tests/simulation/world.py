"""A whole world from one seed: people, windows, journals, links, a server and its disk.

No socket, no thread, no sleep: room, sync machines, codec, documents, buffers and journal files are the
real ones. Around them stands what breaks:

    links      lose a random tail either way; what was under way upwards may arrive after a reconnect; one way
               is dead for a while, and either end gives up or not
    server     dies between any two steps, and comes back with what was committed; commits come late
    windows    die between any two steps, or say goodbye; several of one person share a journal, which is
               written late
    disasters  (some worlds) the server is restored from a backup, the room is made anew, a journal is
               restored from a backup, the server's disk is full for a while, a window's text rots

Checked at every step: nobody sees text of another that is not on disk; what a window counts as saved is on
disk; nobody meets a session of their own, or text of a room that was made anew since; a journal has what its
rows rest on; who is gone has said goodbye or was sent away, who is lost has not. Checked at the end, after
everything healed: all texts are equal and equal to the replayed disk; nothing is there twice; every marker
that was saved, kept in a journal, or typed in a window that lives is there exactly once, or, where a disaster
took its ground, in a copy that its author was given; nobody counts anything as unsaved; the roster is exact,
every caret, selection and view is where its owner's is, and whom one follows and what one does is known; what
was typed in a window that lives is in the room, or waits there for its ground; a stranger is refused our
client ids.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from collab_client.carets import Span
from collab_client.peer_carets import Peer as Shown
from collab_protocol.codec import decode, encode
from collab_protocol.errors import FaultCode, ProtocolError
from collab_protocol.messages import Fault, Hello
from collab_protocol.sync import Phase
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica
from collab_protocol.versions import VERSIONS
from collab_server.store.base import Row
from tests.simulation.links import Link, Peer
from tests.simulation.people import Person, Window
from tests.simulation.server import MARKER, Disk, Server, WorldError

DISASTERS = ("none", "none", "none", "restored server", "made anew", "restored journal", "full disk", "rot")


class World:
    """Everything, and the dice that move it."""

    def __init__(self, seed: int, people: int = 3) -> None:
        self.dice = random.Random(seed)
        self.now = 1000.0
        self.disaster = DISASTERS[seed % len(DISASTERS)]
        self.disk = Disk(self.dice.randbytes(16), self.dice.randbytes(16))
        self.backup = self.disk.copy()
        self.on_disk = Replica(self.draw_id())
        self.committed_ever: set[str] = set()
        self.deleted: set[str] = set()
        self.undone: set[str] = set()
        """Markers whose deletion went with a window that died before it was kept."""
        self.barred: set[str] = set()
        """Markers of a room that was made anew: no window of ours may bring them into the next."""
        self.parted: set[int] = set()
        """Sessions that ended with a goodbye, or were sent away."""
        self.steps = 0
        self.half_open_links: list[tuple[int, Window, Link]] = []
        """Until which step each of them is, and whose it is."""
        self.displaced = 0
        self.disasters = 0
        self.server = Server(self)
        self.people = [Person(self, number) for number in range(1, people + 1)]
        for person in self.people:
            person.open_window()

    @property
    def windows(self) -> list[Window]:
        return [window for person in self.people for window in person.windows]

    def draw_id(self) -> int:
        return self.dice.randrange(2, 2**31)

    def note_committed(self, rows: Sequence[Row]) -> None:
        """Note what is on disk now."""
        for row in rows:
            self.on_disk.apply(row.data)
            self.committed_ever |= set(MARKER.findall(self.on_disk.text()))

    # One step

    def step(self) -> None:
        self.steps += 1
        self._end_half_open_links()
        roll = self.dice.random()
        if roll < 0.03:
            self._step_of_person(self.dice.choice(self.people))
            return
        if not self.windows:
            return
        window = self.dice.choice(self.windows)
        # Links and disk come more often than people: else most windows would never get past their Hello.
        if roll < 0.17:
            window.type()
        elif roll < 0.21:
            window.delete()
        elif roll < 0.24:
            self.dice.choice([window.move, window.move_several, window.look_around])()
        elif roll < 0.34:
            if window.link is None:
                window.connect()
        elif roll < 0.355:
            self.break_link(window)
        elif roll < 0.36:
            self.half_open(window)
        elif roll < 0.54:
            self.deliver_up(self.dice.randint(1, 4))
        elif roll < 0.74:
            self.deliver_down(window, self.dice.randint(1, 4))
        elif roll < 0.84:
            self.server.turn()
        elif roll < 0.92:
            self.server.commit(self.dice.randint(1, 3))
        elif roll < 0.96:
            window.journal.commit(self.dice.randint(1, 4))
        elif roll < 0.965:
            self.crash()
        elif roll < 0.971:
            self._strike(window)
        elif roll < 0.98:
            self.notice_broken_links()
        else:
            self.now += self.dice.choice([0.01, 0.06, 0.4])
        window.flush()

    def _step_of_person(self, person: Person) -> None:
        roll = self.dice.random()
        if roll < 0.3 and person.windows:
            self.dice.choice([person.kill, person.quit])(self.dice.choice(person.windows))
        elif roll < 0.7:
            if len(person.windows) < 2:
                person.open_window()
        elif roll < 0.85:
            person.fold()
        else:
            person.back_up()
            self.backup = self.disk.copy()

    def _strike(self, window: Window) -> None:
        """Let the disaster of this world happen."""
        strikes: dict[str, Callable[[], None]] = {
            "none": lambda: None,
            "restored server": self._restore_server,
            "made anew": self._make_anew,
            "restored journal": window.person.restore,
            "full disk": self._fill_or_mend,
            "rot": window.rot,
        }
        if self.disaster != "none":
            self.disasters += 1
        strikes[self.disaster]()
        for person in self.people:
            person.reassess()

    def _restore_server(self) -> None:
        """Bring the backup back; by the book it gets a new epoch, by copying files it does not."""
        self.disk = self.backup.copy()
        if self.dice.random() < 0.5:
            self.disk.epoch = self.dice.randbytes(16)
        self._disk_is_another()

    def _make_anew(self) -> None:
        text = self.on_disk.text()
        for person in self.people:
            # Who never heard of the room, as far as the journal knows, may offer its rows to any.
            if person.file.load().lineage == self.disk.lineage:
                self.barred |= {marker for marker in person.markers if marker in text}
        self.disk = Disk(self.dice.randbytes(16), self.disk.epoch)
        self._disk_is_another()

    def _disk_is_another(self) -> None:
        self.on_disk.close()
        self.on_disk = Replica(self.draw_id())
        self.note_committed(self.disk.rows)
        self.crash()

    def _fill_or_mend(self) -> None:
        if self.disk.is_full:
            self.server.mend()
        else:
            self.disk.is_full = True

    def break_link(self, window: Window) -> None:
        """Lose a random tail each way. What was under way upwards may arrive even after a reconnect."""
        link = window.link
        if link is None:
            return
        link.is_broken = True
        for _ in range(self.dice.randint(0, len(link.up))):
            link.up.pop()
        for _ in range(0 if link.is_down_dead else self.dice.randint(0, len(link.down))):
            window.feed(link.down.popleft())
            if window.link is None:
                return
        window.lose_link()

    def half_open(self, window: Window) -> None:
        """Let one way of a link be dead for a while."""
        link = window.link
        if link is not None and not link.is_up_dead and not link.is_down_dead:
            link.is_up_dead = self.dice.random() < 0.5
            link.is_down_dead = not link.is_up_dead
            self.half_open_links.append((self.steps + self.dice.randint(2, 12), window, link))

    def _end_half_open_links(self) -> None:
        """Let those live again whose time has come, unless an end of theirs gives up."""
        over = [each for each in self.half_open_links if each[0] <= self.steps]
        self.half_open_links = [each for each in self.half_open_links if each[0] > self.steps]
        for _, window, link in over:
            link.is_up_dead = link.is_down_dead = False
            roll = self.dice.random()
            if roll < 0.25 and window.link is link:
                window.lose_link()  # the server still takes it for alive
            elif roll < 0.5:
                for peer in self.server.peers:
                    if peer.link is link and not peer.is_closed:
                        self._give_up(peer)

    def _give_up(self, peer: Peer) -> None:
        peer.is_closed = True
        self.server.room.leave(peer)

    def deliver_up(self, count: int) -> None:
        peers = [
            peer
            for peer in self.server.peers
            if peer.link.up and not peer.is_closed and not peer.link.is_up_dead
        ]
        if peers:
            peer = self.dice.choice(peers)
            for _ in range(min(count, len(peer.link.up))):
                if peer.is_closed:
                    return
                try:
                    peer.feed(self.server.room, peer.link.up.popleft())
                except ProtocolError as error:
                    raise WorldError(f"an honest frame was taken for hostile: {error}") from error

    def deliver_down(self, window: Window, count: int) -> None:
        for peer in self.server.peers:
            if peer.link is window.link:
                peer.write(count)
        for _ in range(count):
            if window.link is not None and window.link.down and not window.link.is_down_dead:
                window.feed(window.link.down.popleft())
        if window.link is not None and not window.link.down and self._is_closed(window.link):
            window.lose_link()

    def _is_closed(self, link: Link) -> bool:
        return all(peer.is_closed for peer in self.server.peers if peer.link is link)

    def notice_broken_links(self) -> None:
        """Let the server find out about dead links, as its ping timeout would."""
        for peer in list(self.server.peers):
            if peer.link.is_broken and not peer.is_closed:
                self._give_up(peer)
        self.server.peers = [
            peer for peer in self.server.peers if not peer.is_closed or not peer.link.is_broken
        ]

    def crash(self) -> None:
        """The server dies: what is not on disk is gone, links break, and a new one comes up."""
        for window in self.windows:
            if window.link is not None:
                window.lose_link()
        self.server.close()
        self.server = Server(self)
        if self.disk.is_full:
            self.server.room.stop_storing("the server's disk is full")

    # The end

    def heal(self) -> None:
        """Mend the disk, open a window on every journal, and let everything arrive, until nothing moves."""
        self.server.mend()
        for _, _, link in self.half_open_links:
            link.is_up_dead = link.is_down_dead = False
        for window in self.windows:
            window.journal.commit()
        for person in self.people:
            if not person.windows or person.file.unsent().rows:
                person.open_window()
        self._come_to_rest()
        for window in self.windows:
            window.check_text()
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        for _ in range(400):
            self.now += 0.5
            for window in self.windows:
                if window.link is None:
                    window.connect()
            self.notice_broken_links()
            while self._settle():
                pass
            if all(
                window.document.sync.phase is Phase.LIVE and window.pacer.due_at() is None
                for window in self.windows
            ) and not any(at > self.now for at, _ in self.server.timers):
                return
        raise WorldError("the world does not come to rest")

    def _settle(self) -> bool:
        moved = False
        for window in self.windows:
            window.flush()
            window.journal.commit()
        while any(peer.link.up and not peer.is_closed for peer in self.server.peers):
            self.deliver_up(100)
            moved = True
        if self.server.has_a_turn_to_make or self.server.uncommitted:
            self.server.turn()
            self.server.commit(len(self.server.uncommitted))
            moved = True
        for peer in self.server.peers:
            moved |= peer.write()
        for window in self.windows:
            while window.link is not None and window.link.down:
                self.deliver_down(window, 1)
                moved = True
            if window.link is not None and self._is_closed(window.link):
                window.lose_link()
        return moved

    def check(self) -> None:
        """Compare what everyone has at the end.

        Raises:
            WorldError: a promise was broken.
        """
        text = self.on_disk.text()
        if self.disk.text() != text:
            raise WorldError("the disk replays to another text")
        for window in self.windows:
            if window.text != text:
                raise WorldError(f"{window.name} has another text: {window.text!r} instead of {text!r}")
            if window.document.buffer.lines.text() != text:
                raise WorldError("the lines on screen are not the text")
            if window.document.unsaved != window.document.unplaced:
                raise WorldError(f"{window.name} still has {window.document.unsaved} unsaved")
            if window.document.unplaced and not self.disasters:
                raise WorldError(f"{window.name} has {window.document.unplaced} rows without ground")
            self._check_rows_of(window, text)
        if self.displaced and not self.disasters:
            raise WorldError("somebody's text had to begin again, and nothing had happened")
        for person in self.people:
            self._check_markers(person, text)
            if person.file.unsent().rows and not self.disasters:
                raise WorldError(f"the journal of person {person.number} counts unsaved rows")
        self._check_presence()
        self._check_ids_are_bound()

    def _check_rows_of(self, window: Window, text: str) -> None:
        """Check that what was typed in a window that lives is in the room, or waits there for its ground.

        A copy is not enough: rows are kept for ten minutes after their receipt, for a server that lost them.
        """
        if self.disaster == "made anew":
            return
        missing = {
            marker
            for marker in window.markers
            if marker not in text and marker not in window.waiting and marker not in self.deleted
        }
        if missing:
            raise WorldError(f"{window.name} has not given its rows again: {missing}")

    def _check_markers(self, person: Person, text: str) -> None:
        for marker in person.markers:
            count = text.count(marker)
            if count > 1:
                raise WorldError(f"{marker} is there {count} times")
            if marker in self.deleted:
                # A deletion may be lost with its window, or with the ground that a disaster took.
                if count and not self._may_be_back(marker):
                    raise WorldError(f"{marker} was deleted and is there")
            elif marker in person.owed and count == 0 and not self._has_copy(person, marker):
                raise WorldError(f"{marker} is lost")

    def _may_be_back(self, marker: str) -> bool:
        return bool(self.disasters) or marker in self.undone

    def _has_copy(self, person: Person, marker: str) -> bool:
        """Return whether the person has the marker in a copy, or in a row that waits for its ground."""
        waiting = [window.waiting for window in person.windows]
        return bool(self.disasters) and (
            any(marker in copy for copy in person.copies) or any(marker in each for each in waiting)
        )

    def _check_presence(self) -> None:
        for viewer in self.windows:
            sessions = {window.session for window in self.windows if window is not viewer}
            peers = viewer.document.buffer.peers
            if set(peers) != sessions:
                raise WorldError(f"{viewer.name} sees {set(peers)}, there are {sessions}")
            for owner in self.windows:
                if owner is not viewer:
                    self._check_seen(viewer, owner, peers[owner.session])

    def _check_seen(self, viewer: Window, owner: Window, peer: Shown) -> None:
        """Check what one window shows of another."""
        nearest = owner.document.buffer.lines.nearest
        carets = owner.document.buffer.carets_to_send()
        spans = tuple(Span(nearest(caret.head), nearest(caret.anchor)) for caret in carets)
        view = (nearest(owner.view.top), nearest(owner.view.bottom))
        for what, shown, there in (
            ("carets", peer.spans, spans),
            ("view", peer.view, view),
            ("activity", peer.activity, owner.activity),
            ("leader", peer.following, owner.following),
        ):
            if shown != there:
                raise WorldError(
                    f"{viewer.name} sees the {what} of {owner.name} at {shown} instead of {there}"
                )

    def _check_ids_are_bound(self) -> None:
        """Let a stranger come last who claims to write under a client id of ours."""
        if not self.disk.bindings:
            return
        stranger = Peer(Link(), self.draw_id())
        hello = Hello(
            versions=VERSIONS,
            nonce=self.dice.randbytes(16),
            device=self.dice.randbytes(32),
            client_ids=(self.dice.choice(list(self.disk.bindings)),),
            name="stranger",
            colour=None,
            token=None,
            lineage=None,
            epoch=None,
            last_seq=0,
            state_vector=EMPTY_STATE_VECTOR,
        )
        stranger.feed(self.server.room, encode(hello))
        answers = [decode(frame) for frame in stranger.link.down]
        if not any(isinstance(each, Fault) and each.code is FaultCode.IDENTITY for each in answers):
            raise WorldError("a stranger may write under a client id of ours")

    def close(self) -> None:
        self.server.close()
        self.on_disk.close()
        for person in self.people:
            person.close()


def run(seed: int, steps: int = 160) -> int:
    """Run the world of `seed`; returns how many markers were typed.

    Raises:
        WorldError: a promise was broken.
    """
    world = World(seed)
    try:
        for _ in range(steps):
            world.step()
        world.heal()
        world.check()
        return sum(len(person.markers) for person in world.people)
    finally:
        world.close()
