"""Which version of each layer holds today: it follows from what people did, in order, and from the layers' dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from cds.ledger import PolicyEvent, PolicyRecord
from cds.policy.layers import Layer, parse_layer


@dataclass(frozen=True)
class Canary:
    """A version that holds for some before it holds for all. All that is given must fit."""

    version: str
    clients: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    users: tuple[str, ...] = ()

    def fits(self, client: str, service: str, user: str) -> bool:
        return (
            (not self.clients or client in self.clients)
            and (not self.services or service in self.services)
            and (not self.users or user in self.users)
        )


@dataclass
class Course:
    """One layer: what was activated, newest last, what is tried on some, what is computed and not shown."""

    activated: list[str] = field(default_factory=list)
    canary: Canary | None = None
    shadow: str | None = None

    def take(self, event: PolicyEvent) -> None:
        match event.act:
            case "activated" if event.version is not None:
                self.activated.append(event.version)
                self.canary = None
                self.shadow = None if self.shadow == event.version else self.shadow
            case "canary" if event.version is not None:
                scope = {name: tuple(values) for name, values in (event.canary or {}).items()}
                self.canary = Canary(event.version, **scope)
            case "shadow":
                self.shadow = event.version
            case "shadow-ended":
                self.shadow = None
            case "rolled-back":
                # what was tried on some is taken back first, then what was activated for all
                if self.canary is not None:
                    self.canary = None
                elif self.activated:
                    self.activated.pop()
            case _:
                pass  # proposals and approvals change nothing in force


def courses(events: Iterable[PolicyEvent]) -> dict[str, Course]:
    found: dict[str, Course] = {}
    for event in events:
        found.setdefault(event.layer, Course()).take(event)
    return found


@dataclass(frozen=True)
class Approved:
    layer: Layer
    approver: str


@dataclass(frozen=True)
class Standing:
    """What holds on one day."""

    live: Mapping[str, Approved]
    """By layer."""
    canaries: Mapping[str, tuple[Canary, Approved]]
    shadows: Mapping[str, Approved]
    waiting: Mapping[str, tuple[str, date]] = field(default_factory=dict)
    """By layer: a version that is activated and not yet effective, and from when it is."""

    def layers(self, client: str, service: str, user: str) -> tuple[Approved, ...]:
        """Those that a call is under, the site's first."""
        found = []
        for name in sorted({*self.live, *self.canaries}, key=_rank):
            canary = self.canaries.get(name)
            chosen = self.live.get(name)
            if canary is not None and canary[0].fits(client, service, user):
                chosen = canary[1]
            if chosen is not None and chosen.layer.concerns(client, service, user):
                found.append(chosen)
        return tuple(found)

    def in_shadow(self, client: str, service: str, user: str) -> tuple[Approved, ...]:
        """The layers a call would be under with those in the shadow in force; none where none concerns it."""
        over = {n: a for n, a in self.shadows.items() if a.layer.concerns(client, service, user)}
        if not over:
            return ()
        under = {a.layer.head.layer: a for a in self.layers(client, service, user)}
        return tuple((under | over)[name] for name in sorted({*under, *over}, key=_rank))


def _rank(layer: str) -> tuple[int, str]:
    return ("site", "service", "department").index(layer.partition("/")[0]), layer


def standing(record: PolicyRecord, day: date) -> Standing:
    """Raises PolicyError when a stored layer can't be read, which only another version of this service could have
    stored."""
    approvers = {e.version: e.person for e in record.events if e.act == "approved" and e.version is not None}
    read: dict[str, Approved] = {}

    def approved(version: str) -> Approved:
        if version not in read:
            text = record.versions[version].content
            read[version] = Approved(parse_layer(text, f"policy version {version}"), approvers.get(version, "nobody"))
        return read[version]

    live: dict[str, Approved] = {}
    canaries: dict[str, tuple[Canary, Approved]] = {}
    shadows: dict[str, Approved] = {}
    waiting: dict[str, tuple[str, date]] = {}
    for layer, course in courses(record.events).items():
        for version in reversed(course.activated):
            found = approved(version)
            if found.layer.head.holds_on(day):
                live[layer] = found
                break
            if found.layer.head.effective > day:
                waiting.setdefault(layer, (version, found.layer.head.effective))
        if course.canary is not None and approved(course.canary.version).layer.head.holds_on(day):
            canaries[layer] = (course.canary, approved(course.canary.version))
        if course.shadow is not None:
            shadows[layer] = approved(course.shadow)
    return Standing(live, canaries, shadows, waiting)
