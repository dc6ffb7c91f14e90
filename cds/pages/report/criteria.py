"""Which criteria of a guideline held, which did not and which could not be decided: each test with the fact it met."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cds.cards import doubts, wording
from cds.cards.phrasebook import Phrasebook
from cds.inference import rules
from cds.inference.manifest import Condition, Rule
from cds.pages.report import words as say
from cds.pages.report.stored import StoredInput, Told
from cds.record.features import Feature
from cds.record.inputs import Reduce

_COMPARISONS = ("at_least", "at_most", "below", "above")


@dataclass(frozen=True)
class Test:
    text: str
    fact: str
    """What is on record, with its date."""
    held: bool | None
    """None: not known."""


@dataclass(frozen=True)
class Criterion:
    name: str
    says: str
    held: bool | None
    """None: what is missing would decide it."""
    tests: tuple[Test, ...]
    """Empty for a model that has been replaced: its tests may have been others."""
    needs: str
    """How many of them must hold, where not all."""


def criteria(words: Phrasebook, told: Told) -> tuple[Criterion, ...]:
    """Those that held first, then those not decided, each in the guideline's order."""
    features = {i.spec.name: i.feature for i in told.inputs} if told.askable else {}
    given = {i.spec.name: i for i in told.inputs}
    found = [_criterion(words, rule, told, features, given) for rule in told.manifest.runtime.rules]
    return tuple(sorted(found, key=lambda one: {True: 0, None: 1, False: 2}[one.held]))


def _criterion(
    words: Phrasebook, rule: Rule, told: Told, features: Mapping[str, Feature], given: Mapping[str, StoredInput]
) -> Criterion:
    held: bool | None = rule.id in told.rules
    if not held and features and rules.almost(rule, features):
        held = None
    tests = tuple(_test(words, c, features, given) for c in (*rule.all, *rule.any)) if features else ()
    needs = ""
    if features and len(rule.any) > 1:
        key = "report.criteria.needs_and" if rule.all else "report.criteria.needs"
        counts = {"n": rule.needs, "of": len(rule.any)}
        needs = words.counted(key, len(rule.all), **counts) if rule.all else words(key, **counts)
    older = _older(rule, features, _possibly(told)) if held else ()
    return Criterion(
        doubts.marked(words, "named", wording.capital(words.pick(rule.label)), older),
        doubts.marked(words, "said", words.pick(rule.says), older),
        held,
        tests,
        needs,
    )


def named(
    words: Phrasebook,
    told: Told,
    held: Collection[str],
    features: Mapping[str, Feature],
    supposed: Collection[str] = (),
) -> list[str]:
    """Names of the criteria ``held``, in the guideline's order. ``supposed``: inputs given another value than was read,
    which no doubt about the record concerns."""
    older = {name: concepts for name, concepts in _possibly(told).items() if name not in supposed}
    found = (rule for rule in told.manifest.runtime.rules if rule.id in held)
    return [doubts.marked(words, "named", words.pick(rule.label), _older(rule, features, older)) for rule in found]


def _possibly(told: Told) -> dict[str, tuple[str, ...]]:
    """By input: what may be older."""
    return {i.spec.name: i.older for i in told.inputs if i.older}


def _older(rule: Rule, features: Mapping[str, Feature], older: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What may be older, where the criterion holds by that alone; of a model that has been replaced, where it reads
    it."""
    hangs = rules.hangs_on(rule, features, older) if features else True
    return doubts.of_rule(rule, older) if hangs else ()


def _test(
    words: Phrasebook, test: Condition, features: Mapping[str, Feature], given: Mapping[str, StoredInput]
) -> Test:
    one = given[test.input]
    spec, name = one.spec, say.label(words, one.spec)
    if test.minus is not None:
        name = words("report.criteria.minus", one=name, other=words.pick(given[test.minus].spec.label))
    if test.present is not None:
        text = name if test.present else words("report.criteria.without", label=name)
    elif spec.reduce is Reduce.first_at_least and not test.at_least:
        text = name  # that it was ever reached is the test
    else:
        key = next(k for k in _COMPARISONS if getattr(test, k) is not None)
        number = float(getattr(test, key))
        plain = f"{words.number(number, 2)} {say.unit(words, spec.unit)}".strip()
        limit = plain if test.minus is not None else say.value(words, spec, number)
        text = words(f"report.criteria.{key}", label=name, limit=limit)
    fact = _fact(words, one)
    if test.minus is not None:  # of a difference neither value alone can be held against the limit
        other = given[test.minus]
        fact = words("report.criteria.and", one=fact, label=words.pick(other.spec.label), other=_fact(words, other))
    return Test(text, fact, rules.holds(test, features))


def _fact(words: Phrasebook, one: StoredInput) -> str:
    if not one.found:
        return _taken(words, one) or say.absence(words, one)
    if one.spec.is_flag and not one.value and not one.sources and one.spec.source == "record":
        # nobody wrote "no"; what has no date, or has been known for longer, may be on record all the same
        return words("report.value.not_as_new" if one.spec.reduce is Reduce.new else "report.value.not_on_record")
    return say.tested(words, one)


def _taken(words: Phrasebook, one: StoredInput) -> str:
    """What was put in the place of a value that nobody recorded, in the manifest's words: "does not hold: not recorded"
    would read as if somebody had looked."""
    absent = one.spec.absent
    return words.pick(absent.why) if one.state == "missing" and absent.does == "assume" else ""
