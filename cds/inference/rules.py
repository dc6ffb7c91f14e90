"""Declarative rules: published criteria as data, every test traceable to its input."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cds.inference.manifest import Condition, Rule
from cds.record.features import Feature


def holds(condition: Condition, features: Mapping[str, Feature]) -> bool | None:
    """None when an input is absent: neither true nor false, unless the manifest says what to put in its place. A value
    known as a bound only decides what it can: ``>10000`` is above 37, and whether it is above 20000 is not known."""
    bound = _known_bound(condition, features)
    if bound is not None:
        return _within(condition, *bound)
    value = _value(features[condition.input])
    if condition.minus is not None:
        other = _value(features[condition.minus])
        value = None if value is None or other is None else value - other
    if value is None:
        return None
    if condition.at_least is not None:
        return value >= condition.at_least
    if condition.at_most is not None:
        return value <= condition.at_most
    if condition.below is not None:
        return value < condition.below
    if condition.above is not None:
        return value > condition.above
    return bool(value) is condition.present


def ruled_out(feature: Feature, at_least: float | None, at_most: float | None) -> bool:
    """Known as a bound, and whatever it is, outside: ``>2`` is not at most 2."""
    bound = _bound(feature)
    if bound is None:
        return False
    name = feature.input.name
    tests = [Condition(input=name, at_least=at_least)] if at_least is not None else []
    tests += [Condition(input=name, at_most=at_most)] if at_most is not None else []
    return any(_within(test, *bound) is False for test in tests)


def _within(condition: Condition, comparator: str, limit: float) -> bool | None:
    """What holds for every number on the known side of the limit, or for none."""
    below, strict = comparator in ("<", "<="), comparator in ("<", ">")
    if condition.at_least is not None:
        wanted, upward, meets = condition.at_least, True, True
    elif condition.above is not None:
        wanted, upward, meets = condition.above, True, False
    elif condition.at_most is not None:
        wanted, upward, meets = condition.at_most, False, True
    elif condition.below is not None:
        wanted, upward, meets = condition.below, False, False
    else:
        return None
    if upward is not below:  # the known side is the wanted side: true beyond, and at the limit if one of both says so
        beyond = limit > wanted if upward else limit < wanted
        return True if beyond or (limit == wanted and (meets or strict)) else None
    short = limit < wanted if upward else limit > wanted
    return False if short or (limit == wanted and (strict or not meets)) else None


def _known_bound(condition: Condition, features: Mapping[str, Feature]) -> tuple[str, float] | None:
    """Of the input, or of the difference where one of both is a bound and the other a number."""
    own = _bound(features[condition.input])
    if condition.minus is None:
        return own
    taken_off = _bound(features[condition.minus])
    value, other = _value(features[condition.input]), _value(features[condition.minus])
    if own is not None and other is not None:
        return own[0], own[1] - other
    if taken_off is not None and value is not None:
        return taken_off[0].translate(_TURNED), value - taken_off[1]
    return None


_TURNED = str.maketrans("<>", "><")
"""What is no more than 52, taken off, leaves no less."""


def _bound(feature: Feature) -> tuple[str, float] | None:
    fact = feature.facts[0] if feature.state == "censored" and feature.facts else None
    if fact is None or fact.value is None or fact.comparator not in ("<", "<=", ">", ">="):
        return None
    return fact.comparator, fact.value


def _value(feature: Feature) -> float | None:
    if feature.value is None and not feature.unread and not feature.unusable:
        # what was never recorded may be assumed; a number that can't be used, or a source that can't be read, is not 0
        return feature.input.absent.value
    return feature.value


def reads(condition: Condition) -> tuple[str, ...]:
    """Names of the inputs a test looks at."""
    return (condition.input,) if condition.minus is None else (condition.input, condition.minus)


def fires(rule: Rule, features: Mapping[str, Feature]) -> bool:
    """All of ``all`` and ``needs`` of ``any``; an absent input never makes a rule true."""
    if any(holds(c, features) is not True for c in rule.all):
        return False
    return not rule.any or sum(holds(c, features) is True for c in rule.any) >= rule.needs


def hangs_on(rule: Rule, features: Mapping[str, Feature], names: Collection[str]) -> bool:
    """Whether the rule holds, and would not, were what these inputs take for a first time none."""
    older = {name: _older(features[name]) for name in names}
    return bool(older) and fires(rule, features) and not fires(rule, {**features, **older})


def _older(feature: Feature) -> Feature:
    """As it is read where the disease has been known for longer."""
    if feature.input.is_flag:
        return Feature(feature.input, 0.0, "found")
    return Feature(feature.input, None, "known-before")


def almost(rule: Rule, features: Mapping[str, Feature]) -> tuple[str, ...]:
    """Names of absent inputs that alone keep the rule from being decided."""
    if any(holds(c, features) is False for c in rule.all):
        return ()
    absent = [name for c in rule.all if holds(c, features) is None for name in _unknown(c, features)]
    if rule.any:
        answers = [holds(c, features) for c in rule.any]
        held, open_ = answers.count(True), answers.count(None)
        if held < rule.needs:
            if held + open_ < rule.needs:
                return ()
            open_tests = [c for c, answer in zip(rule.any, answers, strict=True) if answer is None]
            absent += [name for c in open_tests for name in _unknown(c, features)]
    return tuple(absent)


def _unknown(condition: Condition, features: Mapping[str, Feature]) -> list[str]:
    if condition.minus is None and _bound(features[condition.input]) is not None:
        return [condition.input]
    return [name for name in reads(condition) if _value(features[name]) is None]
