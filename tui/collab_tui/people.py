"""Who is in the room, as status line and panel show it: one person for all of their sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from collab_protocol.presence import Activity, Person, Role, account_of
from collab_tui.initials import initials
from collab_tui.safe_text import safe_name
from collab_tui.widgets.status_line import PersonShown

if TYPE_CHECKING:
    from collab_client.people import Someone

ROLES: Final = {Role.READ: "reader", Role.WRITE: "writer", Role.ADMIN: "admin"}

_LAST: Final = 1 << 62
"""A number for sessions that are none: who has no other gets the sign that is left."""

_ACTIVITIES: Final = {"idle": Activity.IDLE, "away": Activity.AWAY, "offline": Activity.LOST}
"""What is said of people who do nothing, by `Doing`."""


def signs_of(everybody: Iterable[Someone], own: Person | None = None) -> Mapping[str, str]:
    """Return everybody's sign by principal, as the editor has them, and last one for the person here."""
    people = [_as_person(someone) for someone in everybody]
    if own is not None:
        people.append(Person(_LAST, own.principal, own.name, own.role, own.colour))
    return initials(people)


def accounts_of(everybody: Iterable[Someone], own: Person | None = None) -> Mapping[str, str]:
    """Return what account to show behind everybody's name, by principal; "" where that says nothing new.

    People choose their names, and the server's kernel tells their accounts: nobody passes as another
    account's person, nor as one of two who are called the same.
    """
    names = {someone.principal: someone.name for someone in everybody}
    if own is not None:
        names[own.principal] = own.name
    called = Counter(name.casefold() for name in names.values())
    accounts = {principal: account_of(principal) for principal in names}
    return {
        principal: safe_name(account) if account and _is_news(account, names[principal], called) else ""
        for principal, account in accounts.items()
    }


def _is_news(account: str, name: str, called: Mapping[str, int]) -> bool:
    return account != name or called[name.casefold()] > 1


class PeopleShown:
    """Makes what the status line shows of people, anew only when that is another: they type all the time."""

    def __init__(self) -> None:
        self._seen: list[tuple[object, ...]] = []
        self._shown: list[PersonShown] = []

    def of(self, everybody: Iterable[Someone]) -> list[PersonShown]:
        """Return them in the same order."""
        everybody = list(everybody)
        seen: list[tuple[object, ...]] = [
            (each.principal, each.name, each.colour, _activity(each), len(each.sessions), _session(each))
            for each in everybody
        ]
        if seen != self._seen:
            self._seen = seen
            signs = signs_of(everybody)
            self._shown = [_person_shown(each, signs[each.principal]) for each in everybody]
        return self._shown


def _person_shown(someone: Someone, sign: str) -> PersonShown:
    count = max(1, len(someone.sessions))
    return PersonShown(someone.name, sign, someone.colour, _activity(someone), count)


def _activity(someone: Someone) -> Activity:
    return _ACTIVITIES.get(someone.doing, Activity.ACTIVE)


def _session(someone: Someone) -> int:
    return min(someone.sessions, default=_LAST)


def _as_person(someone: Someone) -> Person:
    return Person(_session(someone), someone.principal, someone.name, someone.role, someone.colour)
