"""One preview: past calls under the policy in force and under another, and under each value of its thresholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from cds.errors import PolicyError
from cds.inference.registry import Registry
from cds.ledger.past import Before, PastCall
from cds.policy.differences import Difference, differences
from cds.policy.schema import Known, Policy
from cds.preview import cells
from cds.preview.dials import Threshold, grid, thresholds
from cds.preview.followed import NEEDED, Cohort, Outcomes, cohort
from cds.preview.replay import Beginning, Memory, PolicyOf, Replay
from cds.preview.tally import Tally
from cds.services import Service, ServiceRegistry

_WEEK_S = 7 * 86400.0
_MOST_SEEN = 20_000
"""Values of an output kept to choose what to try of its threshold."""


@dataclass(frozen=True)
class House:
    services: ServiceRegistry
    models: Registry
    known: Known
    zone: ZoneInfo


@dataclass(frozen=True)
class Asked:
    """What is previewed, and how it is told."""

    before: PolicyOf
    after: PolicyOf
    since: datetime
    until: datetime
    outcomes: Outcomes | None = None
    """None: nobody keeps outcomes here."""
    within_days: int | None = None
    """How long after a call an outcome counts; None: as the service says."""
    least: int = cells.LEAST
    needed: int = NEEDED
    broken: int = 0
    """Lines of an export that are no resource."""


@dataclass
class Seen:
    """The past calls themselves, whatever the policy."""

    calls: int = 0
    predictions: int = 0
    shown: int = 0
    """Cards that were shown then."""
    unweighed: int = 0
    """Calls from before decisions were kept, of services that would need that."""
    patients: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    months: set[str] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    other_versions: Counter[str] = field(default_factory=Counter)
    """Answers of another version of a model than is installed, by model."""
    withheld: Counter[str] = field(default_factory=Counter)
    """Answers made while the committee withheld the model, by model."""
    asked: dict[str, dict[tuple[str, str], datetime]] = field(default_factory=dict)
    """By service: (client, patient) -> first call at which its question was open."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """By threshold: the values its output had."""
    chances: dict[str, dict[str, float]] = field(default_factory=dict)
    """By threshold on a chance: each patient's newest."""

    @property
    def weeks(self) -> float:
        """Between the first call and the last; a window mostly empty must not thin the figures out."""
        if self.first is None or self.last is None:
            return 0.0
        return (self.last - self.first).total_seconds() / _WEEK_S


@dataclass(frozen=True)
class Row:
    """A threshold at one value."""

    value: float
    tally: Tally


@dataclass(frozen=True)
class Dial:
    threshold: Threshold
    before: float
    after: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Preview:
    asked: Asked
    policy: Policy
    """The one tried, as the site's calls are under it."""
    seen: Seen
    before: Tally
    after: Tally
    differences: list[Difference]
    dials: tuple[Dial, ...]
    cohorts: Mapping[str, Cohort]
    """By service; only where outcomes are kept."""


Calls = Callable[[], Iterator[PastCall]]
"""The past calls, oldest first; read twice."""


def preview(calls: Calls, memory: Before, house: House, asked: Asked, only: Iterable[str] = ()) -> Preview:
    """``only``: keys of the thresholds to move; by default all that the calls' services have. Raises PolicyError where
    there is no call to decide again, or no such threshold."""
    replay, beginning = Replay(house.services, house.models), Beginning(memory)
    seen, before, after = _first_pass(calls(), beginning, house, asked, replay)
    if not seen.calls:
        raise PolicyError(
            f"no call was answered between {asked.since:%Y-%m-%d} and {asked.until:%Y-%m-%d}: there is nothing to "
            "decide again. Take a longer time (--days), or records from a FHIR bulk export (--bulk FOLDER)"
        )
    chosen = _chosen(thresholds(seen.services.values(), house.models), only, seen)
    dials = _second_pass(calls(), beginning, house, asked, replay, chosen, seen)
    policy = asked.after("", "")
    return Preview(
        asked, policy, seen, before, after, differences(asked.before("", ""), policy, house.known), dials,
        _cohorts(seen, asked),
    )  # fmt: skip


def _first_pass(
    calls: Iterator[PastCall], beginning: Beginning, house: House, asked: Asked, replay: Replay
) -> tuple[Seen, Tally, Tally]:
    seen, tallies = Seen(), (Tally(), Tally())
    policies = (asked.before, asked.after)
    remembered = [(t, of, Memory(house.zone, beginning)) for t, of in zip(tallies, policies, strict=True)]
    watched: dict[tuple[str, str], list[Threshold]] = {}
    for call in calls:
        service = replay.known(call)
        if service is None:
            continue
        if (service.id, service.hook) not in watched:
            watched[service.id, service.hook] = thresholds([service], house.models)
        _see(seen, call, service, watched[service.id, service.hook], house.models)
        for tally, policy_of, past in remembered:
            policy = policy_of(call.client, call.service)
            ready = replay.ready(call, policy)
            if ready:
                tally.take(past.hold_back(call, ready, policy))
    return seen, *tallies


def _see(seen: Seen, call: PastCall, service: Service, watched: list[Threshold], models: Registry) -> None:
    seen.calls += 1
    seen.predictions += len(call.predictions)
    seen.shown += sum(card.shown for card in call.cards)
    seen.patients.add(call.patient)
    seen.months.add(f"{call.at:%Y-%m}")
    seen.first, seen.last = seen.first or call.at, call.at
    seen.services.setdefault((service.id, service.hook), service)
    if call.user is not None:
        seen.users.add(call.user)
    outputs = {}
    for said in call.predictions:
        seen.models[said.model] += 1
        seen.withheld[said.model] += said.withheld
        outputs[said.model] = said.outputs
        model = models.models.get(said.model)
        if model is not None and not model.refused and model.manifest.version != said.version:
            seen.other_versions[said.model] += 1
    for threshold in watched:
        value = outputs.get(threshold.model, {}).get(threshold.output)
        values = seen.values.setdefault(threshold.key, [])
        if isinstance(value, int | float) and len(values) < _MOST_SEEN:
            values.append(float(value))
        if threshold.probability and isinstance(value, int | float):
            seen.chances.setdefault(threshold.key, {})[call.patient] = float(value)
    if service.again is not None:
        if call.weighed is None:
            seen.unweighed += 1
        elif service.again.outcome and service.again.asks(call.weighed):
            seen.asked.setdefault(service.id, {}).setdefault((call.client, call.patient), call.at)


def _chosen(found: list[Threshold], only: Iterable[str], seen: Seen) -> list[Threshold]:
    wanted = list(only)
    by_key = {threshold.key: threshold for threshold in found}
    for key in wanted:
        if key not in by_key:
            known = ", ".join(by_key) or "none"
            raise PolicyError(f"'{key}' is no threshold that can be moved here; there are: {known}")
    # one without a single answer to hold against it would move nothing
    return [by_key[key] for key in wanted] or [threshold for threshold in found if seen.values.get(threshold.key)]


def _second_pass(
    calls: Iterator[PastCall],
    beginning: Beginning,
    house: House,
    asked: Asked,
    replay: Replay,
    chosen: list[Threshold],
    seen: Seen,
) -> tuple[Dial, ...]:
    policy = asked.after("", "")
    tried = [_tried(threshold, seen, policy, house, asked, beginning) for threshold in chosen]
    for call in calls:
        service = replay.known(call)
        if service is None:
            continue
        same = replay.ready(call, asked.after(call.client, call.service))
        for threshold, variants in tried:
            mine = threshold.service == service.id
            if not mine and not same:
                continue
            for variant in variants:
                moved = variant.policy(call.client, call.service)
                ready = replay.ready(call, moved) if mine else same
                if ready:
                    variant.row.tally.take(variant.memory.hold_back(call, ready, moved))
    old = asked.before("", "")
    return tuple(
        Dial(t, t.now(old, house.known), t.now(policy, house.known), tuple(v.row for v in variants))
        for t, variants in tried
    )


@dataclass
class _Variant:
    row: Row
    memory: Memory
    threshold: Threshold
    after: PolicyOf
    made: dict[str, Policy] = field(default_factory=dict)

    def policy(self, client: str, service: str) -> Policy:
        base = self.after(client, service)
        found = self.made.get(base.version)
        if found is None:
            found = self.made[base.version] = self.threshold.moved(base, self.row.value)
        return found


def _tried(
    threshold: Threshold, seen: Seen, policy: Policy, house: House, asked: Asked, beginning: Beginning
) -> tuple[Threshold, list[_Variant]]:
    now, before = (threshold.now(each, house.known) for each in (policy, asked.before("", "")))
    values = grid(threshold, sorted(seen.values.get(threshold.key, ())), now, before)
    allowed = [value for value in values if _allowed(threshold, policy, value, house.known)]
    return threshold, [
        _Variant(Row(v, Tally()), Memory(house.zone, beginning), threshold, asked.after) for v in allowed
    ]


def _allowed(threshold: Threshold, policy: Policy, value: float, known: Known) -> bool:
    """The service takes it: a grid must not try what a policy could not say."""
    if threshold.path[0] != "services":
        return True
    try:
        given = threshold.moved(policy, value).service(threshold.service).parameters
        known.services[threshold.service].model_validate(given)
    except ValueError:
        return False
    return True


def _cohorts(seen: Seen, asked: Asked) -> dict[str, Cohort]:
    if asked.outcomes is None:
        return {}
    found = {}
    for service in seen.services.values():
        again = service.again
        if again is not None and service.id in seen.asked and again.outcome in asked.outcomes.charter.outcomes:
            within = asked.within_days or again.within_days
            found[service.id] = cohort(seen.asked[service.id], again.outcome, within, asked.outcomes)
    return found
