"""What a record says, or may hold where nobody could read it, against a first time: a sentence each."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.record.facts import Fact
from cds.record.features import Feature
from cds.record.inputs import Input

_SOURCES = {"Condition": "conditions", "Observation": "observations"}


def told(words: Phrasebook, features: Iterable[Feature]) -> list[str]:
    """Why what these features take for a first time may be older; empty for a feature of another kind."""
    aside: dict[str, str] = {}
    unread: dict[str, None] = {}
    for feature in features:
        for fact in feature.aside:
            aside.setdefault(fact.source, once(words, fact, _disease(feature.input, fact.concept)))
        unread |= dict.fromkeys(unsure(words, feature.unsure, _disease(feature.input)))
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


def _disease(spec: Input, concept: str = "") -> str:
    """What the first time is one of: a manifest lists the general diagnosis first; without one, what is read itself."""
    diagnoses = [known.concepts for known in spec.unless if known.at_least is None] or [spec.concepts]
    return next((names[0] for names in diagnoses if concept in names), diagnoses[0][0])
