"""One preview: past calls under the policy in force and under another, and under each value of its thresholds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from cds.cards.phrasebook import Catalogues
from cds.errors import PolicyError
from cds.inference.registry import Registry
from cds.ledger.past import Before, PastCall
from cds.policy.differences import differences
from cds.policy.schema import Known, Policy
from cds.preview import cells, reach
from cds.preview.changes import Change, changes
from cds.preview.dials import Threshold, grid, thresholds
from cds.preview.followed import NEEDED, Cohort, Outcomes, cohort
from cds.preview.reach import Reach
from cds.preview.replay import Beginning, Memory, PolicyOf, Replay, Scope
from cds.preview.seen import Seen, see
from cds.preview.tally import Tally
from cds.preview.whole import Whole
from cds.services import ServiceRegistry
from cds.snapshot import Snapshots


@dataclass(frozen=True)
class House:
    services: ServiceRegistry
    models: Registry
    known: Known
    zone: ZoneInfo
    kept: tuple[Catalogues, Snapshots] | None = None
    """What calls are decided again with as a whole, where they kept enough; None: from their stored answers alone."""


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
    from_day: date | None = None
    """When the policy tried takes effect, where that is still to come."""
    trial_ends: bool = False
    """With it, a version that some calls are under now (a canary) ends."""
    others: Sequence[str] = ()
    """With it, layers of which another version holds on that day than today."""
    scopes: Sequence[Scope] = (("", "", None),)
    """Whose calls' policies are compared, since a layer may be of one service or of some callers alone."""

    @property
    def tried(self) -> Policy:
        """As the first are under it whose calls it changes anything for."""
        differ = (s for s in self.scopes if self.before(*s).version != self.after(*s).version)
        return self.after(*next(differ, ("", "", None)))


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
    seen: Seen
    before: Tally
    after: Tally
    changes: list[Change]
    reaches: list[Reach]
    dials: tuple[Dial, ...]
    cohorts: Mapping[str, Cohort]
    """By service; only where outcomes are kept."""


Calls = Callable[[Collection[str], Collection[str]], Iterator[PastCall]]
"""(models asked about, services whose calls are decided as a whole) -> the past calls, oldest first; read twice."""


def preview(calls: Calls, memory: Before, house: House, asked: Asked, only: Iterable[str] = ()) -> Preview:
    """``only``: keys of the thresholds to move; by default all that the calls' services have. Raises PolicyError where
    there is no call to decide again, or no such threshold."""
    trying = _trying(house, asked)
    beginning = Beginning(memory)
    seen, before, after = _first_pass(trying.calls(calls), beginning, house, asked, trying)
    if not seen.calls:
        raise PolicyError(
            f"no call was answered between {asked.since:%Y-%m-%d} and {asked.until:%Y-%m-%d}: there is nothing to "
            "decide again. Take a longer time (--days), or records from a FHIR bulk export (--bulk FOLDER)"
        )
    chosen = _chosen(thresholds(seen.services.values(), house.models), only, seen)
    dials = _second_pass(trying, trying.calls(calls), beginning, house, asked, chosen, seen)
    return Preview(asked, seen, before, after, trying.changes, trying.reaches, dials, _cohorts(seen, asked))


@dataclass
class _Trying:
    """What differs, and how far each past call can be decided again under it."""

    house: House
    replay: Replay
    whole: Whole | None
    changes: list[Change]
    reaches: list[Reach]
    """As far as what differs for anybody reaches."""
    own: dict[tuple[str, str, str], list[Reach]] = field(default_factory=dict)

    def reach(self, service: str, before: Policy, after: Policy) -> list[Reach]:
        """Of what differs for calls of this service under these two: a key may be switched on for some and off for
        others."""
        key = service, before.version, after.version
        if key not in self.own:
            changed = differences(before, after, self.house.known)
            self.own[key] = reach.reaches(changed, self.house.services, self.house.models, service)
        return self.own[key]

    def calls(self, calls: Calls) -> Iterator[PastCall]:
        models = {reach.model for reach in self.reaches if reach.asks}
        beyond = {key for reach in self.reaches for key, enough in reach.services.items() if reach.asks or not enough}
        return calls(sorted(models), sorted({id for id, _ in beyond}) if self.whole is not None else ())

    def under(self, call: PastCall, *policies: Policy) -> tuple[tuple[PastCall, ...], bool] | None:
        """(the call as it would have been made under each, whether by what answered then); None: not enough of it was
        kept, or its answers do."""
        if self.whole is None or (kept := self.whole.opened(call)) is None:
            return None
        as_then = self.whole.as_then(kept)
        made = [self.whole.under(call, kept, policy) for policy in policies]
        return (tuple(call for call in made if call is not None), as_then) if None not in made else None


def _trying(house: House, asked: Asked) -> _Trying:
    replay = Replay(house.services, house.models, house.zone)
    whole = Whole(house.services, replay.editions, *house.kept) if house.kept is not None else None
    changed = changes(asked.before, asked.after, asked.scopes, house.known)
    trying = _Trying(house, replay, whole, changed, [])
    # where services are named, a policy of none in particular is nobody's
    named = [scope for scope in asked.scopes if scope[1]] or asked.scopes
    own = (trying.reach(scope[1], asked.before(*scope), asked.after(*scope)) for scope in named)
    trying.reaches.extend(reach.together(each for of_one in own for each in of_one))
    return trying


def _first_pass(
    calls: Iterator[PastCall], beginning: Beginning, house: House, asked: Asked, trying: _Trying
) -> tuple[Seen, Tally, Tally]:
    replay = trying.replay
    seen, tallies = Seen(), (Tally(), Tally())
    remembered = [(tally, Memory(house.zone, beginning)) for tally in tallies]
    watched: dict[tuple[str, str], list[Threshold]] = {}
    for call in calls:
        service = replay.known(call)
        if service is None:
            seen.gone_services[call.service] += 1
            continue
        if (service.id, service.hook) not in watched:
            watched[service.id, service.hook] = thresholds([service], house.models)
        see(seen, call, service, watched[service.id, service.hook], replay)
        policies = [of(call.client, call.service, call.user) for of in (asked.before, asked.after)]
        again = trying.under(call, *policies)
        if again is None:
            made: tuple[PastCall, ...] = (call, call)
            seen.unseen.update(reach.unseen(call, trying.reach(call.service, *policies), replay, policies[1]))
        else:
            made, as_then = again
            seen.whole += 1
            seen.by_others += not as_then
        for (tally, past), policy, one in zip(remembered, policies, made, strict=True):
            ready = replay.ready(one, policy)
            if ready:
                tally.take(past.hold_back(one, ready, policy))
    return seen, *tallies


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
    trying: _Trying,
    calls: Iterator[PastCall],
    beginning: Beginning,
    house: House,
    asked: Asked,
    chosen: list[Threshold],
    seen: Seen,
) -> tuple[Dial, ...]:
    replay = trying.replay
    tried = [_tried(threshold, seen, house, asked, beginning) for threshold in chosen]
    for call in calls if tried else ():
        service = replay.known(call)
        if service is None:
            continue
        base = asked.after(call.client, call.service, call.user)
        (made,), _ = trying.under(call, base) or ((call,), True)
        same = replay.ready(made, base)
        for threshold, variants in tried:
            mine = threshold.service == service.id
            if not mine and not same:
                continue
            for variant in variants:
                moved = variant.policy(base)
                ready = replay.ready(made, moved) if mine else same
                if ready:
                    variant.row.tally.take(variant.memory.hold_back(made, ready, moved))
    return tuple(
        Dial(
            t,
            t.now(asked.before("", t.service, None), house.known),
            t.now(asked.after("", t.service, None), house.known),
            tuple(v.row for v in variants),
        )
        for t, variants in tried
    )


@dataclass
class _Variant:
    row: Row
    memory: Memory
    threshold: Threshold
    made: dict[str, Policy] = field(default_factory=dict)

    def policy(self, base: Policy) -> Policy:
        found = self.made.get(base.version)
        if found is None:
            found = self.made[base.version] = self.threshold.moved(base, self.row.value)
        return found


def _tried(
    threshold: Threshold, seen: Seen, house: House, asked: Asked, beginning: Beginning
) -> tuple[Threshold, list[_Variant]]:
    policy = asked.after("", threshold.service, None)
    now, before = (threshold.now(p, house.known) for p in (policy, asked.before("", threshold.service, None)))
    values = grid(threshold, sorted(seen.values.get(threshold.key, ())), now, before)
    allowed = [value for value in values if _allowed(threshold, policy, value, house.known)]
    return threshold, [_Variant(Row(v, Tally()), Memory(house.zone, beginning), threshold) for v in allowed]


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
