"""What a policy that is tried sets otherwise, and for whom: a layer may be of one service or of some callers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cds.policy.differences import Difference, Path, differences
from cds.policy.schema import Known
from cds.preview.replay import PolicyOf, Scope


@dataclass(frozen=True)
class Change:
    """A key, and from what to what it goes; one that goes several ways is several of these."""

    difference: Difference
    services: tuple[str, ...] = ()
    """Whose calls alone; empty: those of every service that the key bears on."""
    some_callers: bool = False
    """Of some clients or users alone."""


def changes(before: PolicyOf, after: PolicyOf, scopes: Sequence[Scope], known: Known) -> list[Change]:
    """Key by key, in the order in which they are first met."""
    compared: dict[tuple[str, str], list[Difference]] = {}
    found: dict[Path, dict[tuple[str, str], tuple[Difference, list[Scope]]]] = {}
    for scope in scopes:
        old, new = before(*scope), after(*scope)
        if (old.version, new.version) not in compared:
            compared[old.version, new.version] = differences(old, new, known)
        for each in compared[old.version, new.version]:
            if scope in _borne_on(each.path, scopes):
                way = repr(each.before), repr(each.after)
                found.setdefault(each.path, {}).setdefault(way, (each, []))[1].append(scope)
    return [
        _change(each, whose, _borne_on(each.path, scopes)) for ways in found.values() for each, whose in ways.values()
    ]


def _borne_on(path: Path, scopes: Sequence[Scope]) -> Sequence[Scope]:
    """Those whose calls the key can have a say in: a service's own keys are its alone, and where services are named, a
    policy of none in particular is nobody's."""
    named = [scope for scope in scopes if scope[1]] or scopes
    if path[0] == "services":
        return [scope for scope in named if scope[1] == path[1]] or [scope for scope in scopes if not scope[1]]
    return named


def _change(difference: Difference, whose: list[Scope], everybody: Sequence[Scope]) -> Change:
    services, all_services = ({service for _, service, _ in each} for each in (whose, everybody))
    callers, all_callers = ({(client, user) for client, _, user in each} for each in (whose, everybody))
    return Change(difference, tuple(sorted(services)) if services != all_services else (), callers != all_callers)
