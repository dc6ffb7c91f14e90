"""What an edition says otherwise than the rules in force, in lines a committee reads: rule by rule, test by test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cds.guidelines.expression import conditions
from cds.inference.guideline import edition_of
from cds.inference.manifest import Manifest, Rule
from cds.record.inputs import Input

_HEAD = {
    "version": "version", "title": "title", "publisher": "publisher", "published": "published",
    "review_by": "review by", "owner": "owner", "citation": "source", "where": "place in it", "url": "address",
    "otherwise": "otherwise",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    what: str
    """``version``, ``rule NG12-1.2.4``, or its label, sentence, category or place."""
    before: tuple[str, ...]
    """Lines that are gone."""
    after: tuple[str, ...]
    """Lines that have come."""


def differences(before: Manifest, after: Manifest) -> list[Difference]:
    """Of two manifests of one guideline."""
    return [*_of_head(before, after), *_of_rules(before, after)]


def sentences_kept(before: Manifest, after: Manifest) -> list[str]:
    """Rules whose tests change while their label and sentence, which may name an age or a limit, do not."""
    old = {rule.id: rule for rule in before.runtime.rules}
    pairs = [(old[rule.id], rule) for rule in after.runtime.rules if rule.id in old]
    return [
        new.id
        for one, new in pairs
        if (one.all, one.any, one.needs) != (new.all, new.any, new.needs)
        and (one.label, one.says) == (new.label, new.says)
    ]


def _of_head(before: Manifest, after: Manifest) -> Iterator[Difference]:
    one, other = edition_of(before), edition_of(after)
    for key, name in _HEAD.items():
        old, new = getattr(one, key), getattr(other, key)
        if old != new:
            yield Difference(name, _lines(old), _lines(new))


def _lines(value: object) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(f"{language}: {text}" for language, text in value.items())
    return () if value is None else (str(value),)


def _of_rules(before: Manifest, after: Manifest) -> Iterator[Difference]:
    inputs = {spec.name: spec for spec in before.inputs}
    old = {rule.id: rule for rule in before.runtime.rules}
    new = {rule.id: rule for rule in after.runtime.rules}
    for id in dict.fromkeys((*old, *new)):
        if id not in new:
            yield Difference(f"rule {id}", _tests(old[id], inputs), ("removed",))
        elif id not in old:
            yield Difference(f"rule {id}", ("new",), _tests(new[id], inputs))
        else:
            yield from _of_rule(old[id], new[id], inputs)
    kept = [id for id in old if id in new]
    if kept != [id for id in new if id in old]:
        yield Difference("order: of several rules that hold the first decides", tuple(old), tuple(new))


def _of_rule(old: Rule, new: Rule, inputs: Mapping[str, Input]) -> Iterator[Difference]:
    one, other = _tests(old, inputs), _tests(new, inputs)
    if one != other:
        yield Difference(
            f"rule {old.id}", tuple(t for t in one if t not in other), tuple(t for t in other if t not in one)
        )
    for key, name in (("gives", "category"), ("label", "label"), ("says", "sentence")):
        if getattr(old, key) != getattr(new, key):
            yield Difference(f"rule {old.id}, {name}", _lines(getattr(old, key)), _lines(getattr(new, key)))


def _tests(rule: Rule, inputs: Mapping[str, Input]) -> tuple[str, ...]:
    return tuple(conditions(rule, inputs)) or ("holds for everybody",)
