"""What a record says, or may hold where nobody could read it, against a first time: a sentence each, and a mark on
whatever rests on that first time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.inference import rules
from cds.inference.manifest import Rule
from cds.inference.prediction import Prediction
from cds.record.facts import Fact
from cds.record.features import Feature

_SOURCES = {"Condition": "conditions", "Observation": "observations"}


def told(words: Phrasebook, features: Iterable[Feature]) -> list[str]:
    """Why what these features take for a first time may be older; empty for a feature of another kind."""
    aside: dict[str, str] = {}
    unread: dict[str, None] = {}
    for feature in features:
        for fact in feature.aside:
            aside.setdefault(fact.source, once(words, fact, feature.input.diagnosis(fact.concept)))
        unread |= dict.fromkeys(unsure(words, feature.unsure, feature.input.diagnosis()))
    return [*aside.values(), *unread]


def once(words: Phrasebook, fact: Fact, disease: str) -> str:
    """Of what was set aside: called off once, without a date, a high value that a lower one followed, or one that can't
    be read. ``disease``: the concept of what may be older."""
    name = words.concept(disease)
    if fact.when is None:
        return wording.capital(words("engine.reason.older.undated", disease=name))
    if fact.value is None and fact.original:
        label = wording.capital(words.concept(fact.concept))
        return words("engine.reason.older.not_read", label=label, value=wording.fact_text(words, fact), disease=name)
    if fact.value is None:
        return wording.capital(words("engine.reason.older.called_off", disease=name, year=str(fact.when.middle.year)))
    label = wording.capital(words.concept(fact.concept))
    return words("engine.reason.older.lower", label=label, value=wording.fact_text(words, fact), disease=name)


def unsure(words: Phrasebook, lost: Collection[str], disease: str) -> list[str]:
    """Where the disease may stand already: ``lost`` are the resource types that could not be had whole."""
    found = [key for kind, key in _SOURCES.items() if kind in lost]
    if set(lost) - set(_SOURCES):
        found.append("other")
    return [words(f"engine.reason.older.{key}", disease=words.concept(disease)) for key in found]


def of_rules(prediction: Prediction) -> dict[str, tuple[str, ...]]:
    """By the id of each rule that holds only by what may be no first time: the concepts of what may be older."""
    features = {f.input.name: f for f in prediction.features}
    older = {name: f.older for name, f in features.items() if f.older}
    found = (rule for rule in prediction.manifest.runtime.rules if rule.id in prediction.rules)
    return {rule.id: of_rule(rule, older) for rule in found if rules.hangs_on(rule, features, older)}


def of_rule(rule: Rule, older: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The concepts of what may be older among the inputs of a rule. ``older``: by input."""
    read = (name for test in (*rule.all, *rule.any) for name in rules.reads(test))
    return tuple(dict.fromkeys(concept for name in read for concept in older.get(name, ())))


def of_answer(prediction: Prediction) -> tuple[str, ...]:
    """The concepts of what may be older, where every rule that gives the answer holds only by that."""
    held = [rule for rule in prediction.manifest.runtime.rules if rule.id in prediction.rules]
    doubted = of_rules(prediction)
    deciding = [doubted.get(rule.id, ()) for rule in held if rule.gives == held[0].gives]
    return tuple(dict.fromkeys(concept for older in deciding for concept in older)) if all(deciding) else ()


def marked(words: Phrasebook, how: str, text: str, older: Collection[str]) -> str:
    """A text that takes something for a first time, with what may be older; as it is where nothing may. ``how``:
    ``headline``, ``named`` (a name), ``said`` (a sentence) or ``found`` (what is on record)."""
    if not older:
        return text
    return words(f"engine.older.{how}", text=text, disease=words.join(words.concept(one) for one in older))
