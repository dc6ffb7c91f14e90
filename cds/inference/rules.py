"""Declarative rules: published criteria as data, every test traceable to its input."""

from __future__ import annotations

from collections.abc import Mapping

from cds.inference.manifest import Condition, Rule
from cds.record.features import Feature


def holds(condition: Condition, features: Mapping[str, Feature]) -> bool | None:
    """None when an input is absent: neither true nor false, unless the manifest says what to put in its place."""
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


def _value(feature: Feature) -> float | None:
    if feature.value is None and not feature.unread:
        # what was never recorded may be assumed; a source that could not be read says nothing
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
    return [name for name in reads(condition) if _value(features[name]) is None]
