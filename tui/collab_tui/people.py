"""Who is in the room, as the status line shows them: one person for all of their sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from collab_protocol.presence import Activity
from collab_tui.initials import initials
from collab_tui.widgets.status_line import PersonShown

if TYPE_CHECKING:
    from collab_client.peer_carets import Peer

_LIVELY: Final = (Activity.ACTIVE, Activity.IDLE, Activity.AWAY, Activity.GONE)


def people_shown(peers: Iterable[Peer]) -> list[PersonShown]:
    """Return the people of these sessions, one for each principal, in the order in which they came.

    One with several sessions is as lively as the liveliest of them.
    """
    sessions = sorted(peers, key=lambda peer: peer.person.session)
    signs = initials(peer.person for peer in sessions)
    people: dict[str, PersonShown] = {}
    for peer in sessions:
        who = peer.person
        known = people.get(who.principal)
        activities = [peer.activity] if known is None else [known.activity, peer.activity]
        people[who.principal] = PersonShown(
            name=who.name,
            sign=signs[who.principal],
            colour=who.colour,
            activity=min(activities, key=_LIVELY.index),
            count=1 if known is None else known.count + 1,
        )
    return list(people.values())
