"""Declarative rules: published criteria as data, every test traceable to its input."""

from __future__ import annotations

from collections.abc import Mapping

from cds.inference.manifest import Condition, Rule
from cds.record.features import Feature


def holds(condition: Condition, feature: Feature) -> bool | None:
    """None when the input is absent: neither true nor false, unless the manifest says what to put in its place."""
    value = feature.value
    if value is None and feature.state != "unread":
        # what was never recorded may be assumed; a source that could not be read says nothing
        value = feature.input.absent.value
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


def fires(rule: Rule, features: Mapping[str, Feature]) -> bool:
    """All of ``all`` and ``needs`` of ``any``; an absent input never makes a rule true."""
    if any(holds(c, features[c.input]) is not True for c in rule.all):
        return False
    return not rule.any or sum(holds(c, features[c.input]) is True for c in rule.any) >= rule.needs


def almost(rule: Rule, features: Mapping[str, Feature]) -> tuple[str, ...]:
    """Names of absent inputs that alone keep the rule from being decided."""
    if any(holds(c, features[c.input]) is False for c in rule.all):
        return ()
    absent = [c.input for c in rule.all if holds(c, features[c.input]) is None]
    if rule.any:
        answers = [holds(c, features[c.input]) for c in rule.any]
        held, open_ = answers.count(True), answers.count(None)
        if held < rule.needs:
            if held + open_ < rule.needs:
                return ()
            absent += [c.input for c, answer in zip(rule.any, answers, strict=True) if answer is None]
    return tuple(absent)
