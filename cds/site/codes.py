"""Under which codes and units a hospital sends what the models read, and what its unknown codes might mean.

A proposal is made from a name and a unit, so it is a question to somebody who knows that laboratory, never an answer:
in the ConceptMap it stands as ``unmatched``, which the service does not use.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from cds.fhir import resources as fhir
from cds.record.concepts import Concept
from cds.record.vocabulary import CONCEPT_SYSTEM, Vocabulary

Key = tuple[str, str]
_LOINC = "http://loinc.org"
_LIKE, _AHEAD = 0.78, 0.05
"""How like a name has to be, and how far ahead of the next best."""
_OTHER_MATERIAL = frozenset(
    {"urine", "urin", "u", "liquor", "csf", "ascites", "pleura", "pleural", "feces", "faeces", "stool", "synovial"}
    | {"sputum", "saliva", "speeksel", "punctaat"}
)
_BESIDE = frozenset(["serum", "plasma", "blood", "bloed", "ser", "plas", "in", "of", "the", "van", "het", "de"])


@dataclass
class Known:
    """A concept as this hospital sends it."""

    concept: str
    label: str
    codes: Counter[Key] = field(default_factory=Counter)
    patients: set[int] = field(default_factory=set)
    units: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(unit as sent, why its values can't be used)"""

    @property
    def count(self) -> int:
        return sum(self.codes.values())


@dataclass
class Unknown:
    """A code that nothing in the vocabulary knows."""

    system: str
    code: str
    display: str
    count: int = 0
    patients: set[int] = field(default_factory=set)
    units: Counter[str] = field(default_factory=Counter)
    proposed: str = ""
    """Concept."""
    because: str = ""


@dataclass
class Codes:
    known: dict[str, Known] = field(default_factory=dict)
    unknown: dict[Key, Unknown] = field(default_factory=dict)
    uncoded: int = 0
    """Results with no code at all: they can't be found."""


def coverage(patients: Iterable[Iterable[Any]], vocabulary: Vocabulary, language: str) -> Codes:
    """``patients``: each one's resources; only Observations are looked at."""
    found = Codes()
    for number, resources in enumerate(patients):
        for resource in resources:
            if isinstance(resource, fhir.Observation):
                for concept, quantity in _parts(resource):
                    _take(found, number, concept, quantity, vocabulary, language)
    for one in found.unknown.values():
        one.proposed, one.because = _proposed(one, vocabulary)
    return found


def _parts(observation: fhir.Observation) -> Iterator[tuple[fhir.CodeableConcept | None, fhir.Quantity | None]]:
    yield observation.code, observation.valueQuantity
    for part in observation.component:
        yield part.code, part.valueQuantity


def _take(
    found: Codes,
    number: int,
    concept: fhir.CodeableConcept | None,
    quantity: fhir.Quantity | None,
    vocabulary: Vocabulary,
    language: str,
) -> None:
    codings = [c for c in (concept.coding if concept else ()) if c.code]
    unit = (quantity.unit or quantity.code or "") if quantity else ""
    for coding in codings:
        key = (coding.system or "", coding.code or "")
        for name in vocabulary.names(*key):
            label = vocabulary.concepts[name].label
            one = found.known.setdefault(name, Known(name, label.get(language) or label.get("en", name)))
            one.codes[key] += 1
            one.patients.add(number)
            if quantity is not None:
                one.units[unit] += 1
                spelt = vocabulary.spelling(name, quantity.unit, quantity.code, key)
                if spelt.convert is None:
                    one.refused[unit or "(none)", spelt.refused] += 1
            return
    if not codings:
        found.uncoded += 1
        return
    first = codings[0]
    key = (first.system or "", first.code or "")
    told = first.display or (concept.text if concept else "") or ""
    unknown = found.unknown.setdefault(key, Unknown(*key, told))
    unknown.count += 1
    unknown.patients.add(number)
    if unit:
        unknown.units[unit] += 1


def _proposed(one: Unknown, vocabulary: Vocabulary) -> tuple[str, str]:
    words = _words(one.display)
    if not words:
        return "", ""
    ranked = sorted(
        (
            (_likeness(words, name, concept), name)
            for name, concept in vocabulary.concepts.items()
            if _may_be(one, concept)
        ),
        reverse=True,
    )
    ranked = [(likeness, name) for likeness, name in ranked if _fits(one, name, vocabulary)]
    if not ranked or ranked[0][0] < _LIKE or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _AHEAD):
        return "", ""
    units = ", ".join(one.units)
    return ranked[0][1], f"its name is {ranked[0][0]:.0%} alike{f', its unit ({units}) fits' if units else ''}"


def _may_be(one: Unknown, concept: Concept) -> bool:
    if concept.resource != "Observation" or concept.variant is not None:
        return False
    named = frozenset(word for text in _names(concept) for word in _words(text, whole=True))
    # glucose in urine is not glucose
    return not (_OTHER_MATERIAL & set(_words(one.display, whole=True))) - named


def _fits(one: Unknown, name: str, vocabulary: Vocabulary) -> bool:
    if not one.units:
        return vocabulary.concepts[name].unit is None
    return all(vocabulary.conversion(name, unit) is not None for unit in one.units)


def _names(concept: Concept) -> Iterator[str]:
    for label in concept.label.values():
        yield label
        # "C-reactief proteïne (CRP)": either is what a laboratory may call it
        yield from (part for part in re.split("[()]", label) if part.strip() and part != label)
    for code in concept.codes:
        yield (code.display or "").partition("[")[0]


def _likeness(words: tuple[str, ...], name: str, concept: Concept) -> float:
    told = " ".join(words)
    names = (n for n in (name, *_names(concept)) if n)
    return max((SequenceMatcher(None, told, " ".join(_words(n))).ratio() for n in names), default=0.0)


def _words(text: str, *, whole: bool = False) -> tuple[str, ...]:
    """Plain lower-case words, in an order of their own; ``whole``: with those that say nothing of the analyte."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    found = re.findall(r"[a-z]+[0-9]*|[0-9]+", plain)
    return tuple(sorted(w for w in found if whole or w not in _BESIDE))


def concept_map(codes: Codes, vocabulary: Vocabulary) -> dict[str, Any]:
    """FHIR R4 ConceptMap of all unknown codes: those with a proposal name it, none takes effect as it is."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in sorted(codes.unknown.values(), key=lambda u: (not u.proposed, -u.count)):
        target: dict[str, Any] = {"equivalence": "unmatched"}
        system = CONCEPT_SYSTEM
        if one.proposed:
            system, code = _target(one.proposed, vocabulary)
            question = f"Is it {vocabulary.concepts[one.proposed].label.get('en', one.proposed)}? {one.because}."
            target |= {"code": code, "comment": f"{question} If so, write equivalent for unmatched."}
        element = {"code": one.code, "display": one.display, "target": [target]}
        groups.setdefault((one.system, system), []).append(element)
    return {
        "resourceType": "ConceptMap",
        "status": "draft",
        "experimental": True,
        "title": "Local codes found at this site, for review",
        "group": [{"source": s, "target": t, "element": elements} for (s, t), elements in groups.items()],
    }


def _target(name: str, vocabulary: Vocabulary) -> Key:
    for code in vocabulary.concepts[name].codes:
        if code.system == _LOINC:
            return code.system, code.code
    return CONCEPT_SYSTEM, name
