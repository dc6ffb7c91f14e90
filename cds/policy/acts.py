"""What people may do with a version of the policy, and when it is refused: proposing, approving, activating, rolling
back. Each gives the row to be stored, judged by the rows that are there.

Two people: who approves neither wrote nor proposed it. In a demonstration one person may play both.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from cds.errors import PolicyError
from cds.ledger import PolicyAct, PolicyEvent, PolicyRecord, PolicyVersion
from cds.policy.layers import Layer, in_order, laid_over, parse_layer
from cds.policy.people import plain, same_person
from cds.policy.schema import Known
from cds.policy.standing import Course, courses, standing


@dataclass(frozen=True)
class Person:
    """Who acts, why, and under which account of which machine."""

    name: str
    reason: str
    account: str
    now: datetime
    today: date


@dataclass(frozen=True)
class House:
    """What acts are judged by beside the ledger's rows."""

    base: str
    """Text of the file that layers are laid over."""
    where: str
    known: Known
    approvers: Mapping[str, date | None]
    """Who may approve, and the last day on which they may."""
    two_people: bool
    clients: frozenset[str]


Act = Callable[[PolicyRecord], tuple[PolicyVersion | None, PolicyEvent]]


def propose(house: House, person: Person, text: str, where: str) -> Act:
    """Put a version forward. Raises PolicyError for a layer that could not take effect over what is in force now."""
    layer = parse_layer(text, where)
    _require(person)

    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _fits(house, person, record, layer, where)
        if layer.version in record.versions:
            raise PolicyError(f"{layer.version}: the ledger has this very text already; see cds policy history")
        digest = hashlib.sha256(text.encode()).hexdigest()
        stored = PolicyVersion(
            layer.version, digest, layer.head.layer, text, layer.head.author, person.name.strip(), person.now
        )
        return stored, _event(person, layer.head.layer, layer.version, "proposed", person.reason or layer.head.reason)

    return act


def approve(house: House, person: Person, version: str) -> Act:
    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _require(person)
        found = known_version(record, version)
        if _approver(record, found.version) is not None:
            raise PolicyError(f"{found.version} is approved already, by {_approver(record, found.version)}")
        _mandate(house, person.name, person.today)
        if house.two_people:
            for role, other in (("proposed", found.proposed_by), ("wrote", found.author)):
                if same_person(other, person.name):
                    raise PolicyError(
                        f"{person.name} {role} {found.version}: another person has to approve it; "
                        "the same person twice is no second look"
                    )
        _fits(house, person, record, parse_layer(found.content, found.version), found.version)
        return None, _event(person, found.layer, found.version, "approved", person.reason)

    return act


def activate(house: House, person: Person, version: str, canary: Mapping[str, tuple[str, ...]] | None = None) -> Act:
    """For everybody, or with ``canary`` for some first."""

    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _require(person)
        found = known_version(record, version)
        _may_act(house, person, record, found)
        course = courses(record.events).get(found.layer, Course())
        if canary:
            _scope(house, canary)
            scope = {name: list(values) for name, values in canary.items() if values}
            return None, _event(person, found.layer, found.version, "canary", person.reason, scope)
        if course.activated[-1:] == [found.version] and course.canary is None:
            raise PolicyError(f"{found.version} is activated already")
        return None, _event(person, found.layer, found.version, "activated", person.reason)

    return act


def shadow(house: House, person: Person, version: str) -> Act:
    """Compute and record, show nothing: it needs no approval, since nobody is shown anything else."""

    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _require(person)
        found = known_version(record, version)
        _fits(house, person, record, parse_layer(found.content, found.version), found.version)
        return None, _event(person, found.layer, found.version, "shadow", person.reason)

    return act


def end_shadow(person: Person, layer: str) -> Act:
    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _require(person)
        course = courses(record.events).get(layer)
        if course is None or course.shadow is None:
            raise PolicyError(f"nothing of the layer '{layer}' is in the shadow")
        return None, _event(person, layer, course.shadow, "shadow-ended", person.reason)

    return act


def roll_back(person: Person, layer: str) -> Act:
    """Take back the last thing that changed what is shown: a canary, else the last version activated. It needs no
    second person: what comes back was approved before."""

    def act(record: PolicyRecord) -> tuple[PolicyVersion | None, PolicyEvent]:
        _require(person)
        course = courses(record.events).get(layer)
        if course is None or (course.canary is None and not course.activated):
            named = sorted(n for n, c in courses(record.events).items() if c.activated or c.canary)
            more = f"; layers with something in force: {', '.join(named)}" if named else ""
            raise PolicyError(f"the layer '{layer}' has nothing to roll back{more}")
        if course.canary is None:
            course.activated.pop()
        back = course.activated[-1] if course.activated else None
        return None, _event(person, layer, back, "rolled-back", person.reason)

    return act


def known_version(record: PolicyRecord, version: str) -> PolicyVersion:
    """By its beginning, six characters or more. Raises PolicyError."""
    found = [
        v for name, v in record.versions.items() if name == version or (len(version) >= 6 and name.startswith(version))
    ]
    if len(found) == 1:
        return found[0]
    near = difflib.get_close_matches(version, record.versions, n=1)
    hint = f"did you mean {near[0]}?" if near else "cds policy history lists those that are"
    raise PolicyError(f"the ledger holds no version '{version}'; {hint}")


def _require(person: Person) -> None:
    if not plain(person.name):
        raise PolicyError("who does this? give a person's name (--by)")


def _approver(record: PolicyRecord, version: str) -> str | None:
    return next((e.person for e in record.events if e.act == "approved" and e.version == version), None)


def _mandate(house: House, name: str, day: date) -> None:
    if not house.approvers:
        if house.two_people:
            raise PolicyError('nobody may approve yet: name approvers in the settings, [approvers."Name"]')
        return
    found = next((n for n in house.approvers if same_person(n, name)), None)
    if found is None:
        raise PolicyError(f"{name} is not among the approvers of the settings: {', '.join(sorted(house.approvers))}")
    until = house.approvers[found]
    if until is not None and day > until:
        raise PolicyError(f"{found} could approve until {until}: the mandate has expired; renew it in the settings")


def _may_act(house: House, person: Person, record: PolicyRecord, found: PolicyVersion) -> None:
    approver = _approver(record, found.version)
    if approver is None:
        raise PolicyError(
            f"{found.version} is not approved: a second person has to (cds policy approve {found.version})"
        )
    _mandate(house, approver, person.today)
    layer = parse_layer(found.content, found.version)
    if layer.head.until is not None and layer.head.until < person.today:
        raise PolicyError(f"{found.version} held until {layer.head.until}, which is over: propose it with another date")
    _fits(house, person, record, layer, found.version)


def _fits(house: House, person: Person, record: PolicyRecord, layer: Layer, where: str) -> None:
    """It makes a valid policy over what is in force; for the site's also under each layer that lies over it."""
    kind, _, name = layer.head.layer.partition("/")
    if kind == "service" and name not in house.known.services:
        known = ", ".join(sorted(house.known.services))
        raise PolicyError(f"{where}: layer: there is no service '{name}'; there are: {known}")
    for client in layer.head.applies_to.clients if layer.head.applies_to is not None else ():
        _client(house, client, f"{where}: applies_to")
    live = {n: a.layer for n, a in standing(record, person.today).live.items()} | {layer.head.layer: layer}
    below = [each for each in in_order(live.values()) if _over(each, layer)]
    laid_over(house.base, house.where, [(each, "") for each in below], house.known)
    if layer.head.layer == "site":
        for upper in live.values():
            if upper is not layer:
                laid_over(house.base, house.where, [(layer, ""), (upper, "")], house.known)


def _over(each: Layer, layer: Layer) -> bool:
    return each is layer or each.head.layer == "site"


def _scope(house: House, canary: Mapping[str, tuple[str, ...]]) -> None:
    for client in canary.get("clients", ()):
        _client(house, client, "canary")
    for service in canary.get("services", ()):
        if service not in house.known.services:
            known = ", ".join(sorted(house.known.services))
            raise PolicyError(f"canary: there is no service '{service}'; there are: {known}")


def _client(house: House, client: str, where: str) -> None:
    if client not in house.clients:
        known = ", ".join(sorted(house.clients)) or "none"
        raise PolicyError(f"{where}: there is no client '{client}' in the settings; there are: {known}")


def _event(
    person: Person,
    layer: str,
    version: str | None,
    act: PolicyAct,
    reason: str,
    canary: dict[str, list[str]] | None = None,
) -> PolicyEvent:
    if not reason.strip():
        raise PolicyError("why? give a reason (--why): it is kept with the version")
    return PolicyEvent(0, person.now, layer, version, act, person.name.strip(), person.account, reason.strip(), canary)
