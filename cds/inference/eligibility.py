"""For whom a model speaks: the tests of its manifest, over what was read and over the record itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import takewhile

from msgspec import structs

from cds.inference import rules
from cds.inference.manifest import Eligibility, Need
from cds.record.facts import Fact, Record
from cds.record.features import Feature, Kinds
from cds.record.inputs import Reduce, days, limits_of
from cds.record.reducers import risen


def holds(
    test: Eligibility,
    features: Mapping[str, Feature],
    record: Record | None,
    tests: Sequence[Eligibility] = (),
) -> bool:
    """Without a record, tests of it are taken as before. ``tests``: all of the model; those before this one confirm or
    contradict a single measurement of long ago."""
    needs = [(need, features.get(need.input or "")) for need in test.needs]
    return _one_holds(needs, features, record, tests)


def of_age(test: Eligibility) -> bool:
    """Whether it excludes those of whom something has been known for longer than a while."""
    return all(need.older_than is not None and need.present is False for need in test.needs)


def known_before(tests: Sequence[Eligibility], features: Mapping[str, Feature], record: Record) -> Fact | None:
    """What has been known for longer, of the first such test that fails."""
    found = (_for_longer(need, features, record, tests) for test in tests if of_age(test) for need in test.needs)
    return next((fact for fact in found if fact is not None), None)


def set_aside(tests: Sequence[Eligibility], record: Record) -> list[Fact]:
    """What such tests, where all of them hold, did not count: called off since, or contradicted by a lower value."""
    needs = [need for test in tests if of_age(test) for need in test.needs]
    limits = [days(need.older_than or "0d") for need in needs]
    found = (
        record.once_for(*need.concepts, longer_than=limit, at_least=need.at_least)
        for need, limit in zip(needs, limits, strict=True)
    )
    return [fact for fact in found if fact is not None]


def possibly_older(
    tests: Sequence[Eligibility], features: Sequence[Feature], record: Record, kinds: Kinds
) -> tuple[Feature, ...]:
    """The features, those that take something for a first time marked where such tests hold only as far as is known.
    The disease is the first that they name: a manifest lists the general diagnosis first."""
    first = (Reduce.new, Reduce.first_at_least)
    if not any(f.input.reduce in first and f.value and f.facts for f in features):
        return tuple(features)
    needs = [need for test in tests if of_age(test) for need in test.needs]
    disease = next((need.concepts[0] for need in needs if need.at_least is None and need.concepts), None)
    lost = record.unread.intersection(kinds.get(concept, "") for need in needs for concept in need.concepts)
    if disease is None or not (lost or set_aside(tests, record)):
        return tuple(features)
    return tuple(
        structs.replace(f, possibly=(disease,)) if f.input.reduce in first and f.value and f.facts else f
        for f in features
    )


def _one_holds(
    needs: Sequence[tuple[Need, Feature | None]],
    features: Mapping[str, Feature],
    record: Record | None,
    tests: Sequence[Eligibility],
) -> bool:
    """Of several, one that is known must hold; when nothing is known, what absence does is declared with the inputs."""
    known = [(need, feature) for need, feature in needs if feature is None or feature.value is not None]
    if len(needs) == 1 or not known:
        known = list(needs)
    return any(
        _inside(need, feature) if feature is not None else record is None or _on_record(need, features, record, tests)
        for need, feature in known
    )


def _on_record(test: Need, features: Mapping[str, Feature], record: Record, tests: Sequence[Eligibility]) -> bool:
    if test.older_than is not None:
        found = _for_longer(test, features, record, tests) is not None
    else:  # a suspicion neither makes a patient eligible nor rules one out
        facts = (f for f in record.of(*test.concepts) if not f.provisional)
        found = any(test.at_least is None or f.reaches(test.at_least) for f in facts)
    return found is test.present


def _for_longer(
    test: Need, features: Mapping[str, Feature], record: Record, tests: Sequence[Eligibility]
) -> Fact | None:
    limit = days(test.older_than or "0d")
    if test.at_least is None:
        return record.known_for(*test.concepts, longer_than=limit, risen=_risen(features, record))
    if not any(f.reaches(test.at_least) for f in record.of(*test.concepts)):
        return None
    needs = [need for other in tests for need in other.needs]
    before = takewhile(lambda need: need is not test, needs)
    first = limits_of(need for need in before if need.older_than == test.older_than)
    return record.measured_for(*test.concepts, longer_than=limit, at_least=test.at_least, beside=first)


def _risen(features: Mapping[str, Feature], record: Record) -> datetime | None:
    """As of an input's own guard; where nothing crossed a threshold, what was called off since is no longer known."""
    read = (f.otherwise or f for f in features.values() if f.input.reduce is Reduce.first_at_least)
    crossed = next((f for f in read if f.facts), None)
    return record.now if crossed is None else risen(crossed, record)


def _inside(test: Need, feature: Feature) -> bool:
    value = feature.value
    if value is None:
        # an absent input is not a failed test: what its absence does is declared with the input
        return feature.state != "out-of-range" and not rules.ruled_out(feature, test.at_least, test.at_most)
    if test.at_least is not None and value < test.at_least:
        return False
    if test.at_most is not None and value > test.at_most:
        return False
    return test.present is None or bool(value) is test.present
