"""From (system, code) to concepts, a hospital's own codes included.

Matching is on system + code, never on display: public and private data mislabel codes often. ICD-10 concepts written
``C25*`` take their children. A site's local codes join through one FHIR ConceptMap whose targets are codes the
vocabulary knows (or, with target system ``urn:cds:concept``, concept names).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError

from cds.errors import VocabularyError
from cds.fhir.resources import Coding, Quantity
from cds.plain_faults import plainly
from cds.record import genomic_codes, hgvs, reference_ranges, units
from cds.record.concepts import Carried, Concept, Variant
from cds.record.facts import ReferenceRange
from cds.record.quantities import Spelling, spelling
from cds.record.systems import ATC, HIERARCHICAL, NO_PROBLEMS, RXNORM, SYSTEMS, canonical_code, canonical_system
from cds.yaml_lines import YamlFault, parse, read_text

CONCEPT_SYSTEM = "urn:cds:concept"
GENOMIC = "urn:cds:genomic"
"""Stands for no concept of its own: a site's codes that mean a genomic result in general."""

Key = tuple[str, str]
_Spelt = tuple[str, str | None, str | None, Key | None]
"""Concept, unit as text and as code, and the code it was sent under."""

# codes and units come from outside: what is remembered of them must not grow for ever
_MOST_KEPT = 50_000
_LONGEST_KEPT = 100
_MOST_RANGES, _LONGEST_RANGE = 10_000, 1_000


class GenomicCode(NamedTuple):
    """What a genomic result's code means."""

    kind: Key
    """One of ``genomic_codes.ASKED_FOR``."""
    concepts: tuple[str, ...] = ()
    """Concepts it is about; none where the result itself says of which gene it is."""


@dataclass
class Vocabulary:
    """All concepts of the loaded models and services, indexed by code."""

    concepts: dict[str, Concept]
    local_units: dict[Key, str] = field(default_factory=dict)
    """Local code -> the unit it always means, where the site's ConceptMap says so."""
    drug_systems: set[str] = field(init=False)
    """Code systems by which drugs are told apart here; of a drug coded in none of them nobody knows which it is."""
    problem_systems: set[str] = field(init=False)
    """Those of problems, and that in which a record says that there are none."""
    derived: dict[str, Concept] = field(init=False)
    """Those computed from others where they were not recorded."""
    carried: dict[str, Carried] = field(init=False)
    """Stages that problems carry themselves."""
    variants: dict[str, Variant] = field(init=False)
    genomic: dict[Key, GenomicCode] = field(init=False)
    _mapped_drugs: dict[str, list[frozenset[str]]] = field(default_factory=lambda: defaultdict(list))
    _whole_drug_systems: set[str] = field(default_factory=set)
    _exact: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    _prefixes: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    _excluded: dict[str, frozenset[Key]] = field(default_factory=dict)
    _conversions: dict[str, tuple[tuple[str, float, float], ...]] = field(default_factory=dict)
    _local: dict[str, list[Key]] = field(default_factory=lambda: defaultdict(list))
    _resolved: dict[Key, tuple[str, ...]] = field(default_factory=dict)
    _of_kind: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    _spellings: dict[_Spelt, Spelling] = field(default_factory=dict)
    _ranges: dict[tuple[bytes, _Spelt], ReferenceRange | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.derived = {name: concept for name, concept in self.concepts.items() if concept.derive is not None}
        self.carried = {name: c.carried for name, c in self.concepts.items() if c.carried is not None}
        for name, carried in self.carried.items():
            if missing := [n for n in (carried.by, *carried.answers) if n not in self.concepts]:
                raise VocabularyError(f"concept '{name}': 'carried' names '{missing[0]}', which is no concept")
        self.variants = {name: c.variant for name, c in self.concepts.items() if c.variant is not None}
        for name, variant in self.variants.items():
            for change in variant.names:
                if hgvs.change(change) != change:
                    raise VocabularyError(f"concept '{name}': '{change}' is not the full name of a change, see hgvs.py")
        self.genomic = {}
        for asked in genomic_codes.ASKED_FOR if self.variants else ():
            self._add_genomic(asked, GenomicCode(asked))
        exact: dict[Key, list[str]] = defaultdict(list)
        prefixes: dict[Key, list[str]] = defaultdict(list)
        for name, concept in self.concepts.items():
            for code in concept.codes:
                if concept.variant is not None:
                    self._add_genomic((code.system, code.code), GenomicCode(genomic_codes.VARIANT, (name,)))
                elif code.code.endswith("*"):
                    prefixes[code.system, code.code[:-1]].append(name)
                else:
                    exact[code.system, code.code].append(name)
            self._excluded[name] = frozenset((c.system, c.code) for c in concept.exclude)
            self._conversions[name] = tuple((c.unit, c.factor, c.offset) for c in concept.conversions)
            if concept.unit is not None and not units.known(concept.unit):
                raise VocabularyError(f"concept '{name}': unit '{concept.unit}' is not one this service knows")
        drugs = (concept for concept in self.concepts.values() if concept.resource == "Medication")
        self.drug_systems = {code.system for concept in drugs for code in concept.codes}
        problems = (concept for concept in self.concepts.values() if concept.resource == "Condition")
        self.problem_systems = {NO_PROBLEMS, *(code.system for concept in problems for code in concept.codes)}
        self._exact = {key: tuple(names) for key, names in exact.items()}
        self._prefixes = {key: tuple(names) for key, names in prefixes.items()}

    def _add_genomic(self, key: Key, code: GenomicCode) -> None:
        before = self.genomic.get(key)
        concepts = tuple(dict.fromkeys((*(before.concepts if before else ()), *code.concepts)))
        for system in (key[0], *(alias for alias, meant in SYSTEMS.items() if meant == key[0])):
            self.genomic[system, key[1]] = GenomicCode(code.kind, concepts)

    def names(self, system: str, code: str) -> tuple[str, ...]:
        """Concepts a code stands for; several are possible, none is common."""
        key = (system, code)
        found = self._resolved.get(key)
        if found is None:
            found = self._look_up(canonical_system(system), canonical_code(system, code))
            if len(self._resolved) < _MOST_KEPT:
                self._resolved[key] = found
        return found

    def named(self, system: str, code: str, kind: str) -> tuple[str, ...]:
        """Those of them that are found in one type of resource, each once."""
        key = (system, code, kind)
        found = self._of_kind.get(key)
        if found is None:
            names = dict.fromkeys(self.names(system, code))
            found = tuple(name for name in names if self.concepts[name].resource == kind)
            if len(self._of_kind) < _MOST_KEPT:
                self._of_kind[key] = found
        return found

    def _look_up(self, system: str, code: str) -> tuple[str, ...]:
        names = list(self._exact.get((system, code), ()))
        if system in HIERARCHICAL:
            for length in range(len(code), 2, -1):
                for name in self._prefixes.get((system, code[:length].rstrip(".")), ()):
                    if name not in names:
                        names.append(name)
        return tuple(n for n in names if not self._is_excluded(n, system, code))

    def _is_excluded(self, name: str, system: str, code: str) -> bool:
        return any(
            system == excluded_system and (code == excluded or code.startswith(excluded + "."))
            for excluded_system, excluded in self._excluded[name]
        )

    def tells_problem(self, codings: Iterable[Coding]) -> bool:
        """Whether a code says what a problem is, were it none that anybody here asks for."""
        return any(canonical_system(c.system or "") in self.problem_systems for c in codings if c.code)

    def tells_drug(self, codings: Iterable[Coding]) -> bool:
        """False: coded, and only in systems that no drug here has a code of, so that it may be any. A drug of which
        only a text is known is left to its text."""
        systems = [canonical_system(c.system or "") for c in codings if c.code]
        return not (systems and self.drug_systems) or any(system in self.drug_systems for system in systems)

    def tells_it_is_another(self, codings: Iterable[Coding]) -> bool:
        """Of a drug that is no concept's: True where a code of a system that is known here whole says so. Of RxNorm
        ingredients are known and the products are not."""
        return any(canonical_system(c.system or "") == ATC for c in codings if c.code)

    def leaves_out(self, codings: Iterable[Coding]) -> bool:
        """Of a drug that is no concept's: True where it has a code of a system of which the site mapped all that
        matters (``_whole``), so that what is left is taken for another."""
        return any(canonical_system(c.system or "") in self._whole_drug_systems for c in codings if c.code)

    def _whole(self, mapped: list[frozenset[str]]) -> bool:
        """Every drug that is of a class here (ATC's L01, of cancer drugs) and in stock, and one more of the class. One
        that was mapped for something else, metformin say, tells nothing of a partner drug."""
        atc = {prefix: names for (system, prefix), names in self._prefixes.items() if system == ATC}
        classes = {name for names in atc.values() for name in names}
        of_a_class = {
            name
            for (system, code), names in self._exact.items()
            if system == ATC and code.startswith(tuple(atc))
            for name in names
        }
        members = {name for name in of_a_class - classes if self.concepts[name].stocked}
        further = frozenset().union(*(names for names in mapped if not names & members))
        return bool(classes) and members <= frozenset().union(*mapped) and classes <= further

    def spelling(self, name: str, text: str | None, code: str | None, matched: Key | None) -> Spelling:
        """What a unit, sent as text and code with a value of the site's code ``matched``, means for a concept."""
        key = (name, text, code, matched)
        found = self._spellings.get(key)
        if found is None:
            usual = self.local_units.get((canonical_system(matched[0]), matched[1])) if matched else None
            found = spelling(text, code, usual, self.concepts[name], partial(self.conversion, name))
            if len(self._spellings) < _MOST_KEPT and len(text or "") + len(code or "") <= _LONGEST_KEPT:
                self._spellings[key] = found
        return found

    def reference_range(
        self, raw: bytes, name: str, text: str | None, code: str | None, matched: Key | None
    ) -> ReferenceRange | None:
        """Of a result in that unit, from the element as sent; remembered, because a laboratory sends few of them."""
        key = (raw, (name, text, code, matched))
        if key in self._ranges:
            return self._ranges[key]

        def spell(limit: Quantity) -> Spelling:
            return self.spelling(name, limit.unit, limit.code, matched)

        found = reference_ranges.read(raw, self.spelling(name, text, code, matched), spell)
        if len(self._ranges) < _MOST_RANGES and len(raw) + len(text or "") + len(code or "") <= _LONGEST_RANGE:
            self._ranges[key] = found
        return found

    def conversion(self, name: str, unit: str) -> units.Linear | None:
        """How to bring a value of a concept to its canonical unit; None when there is no honest way."""
        concept = self.concepts[name]
        return units.conversion(unit, concept.unit or "1", concept.molar_mass, self._conversions[name])

    def codes_of(self, name: str) -> tuple[Key, ...]:
        """Every code a search has to ask for to find a concept, the site's own included."""
        concept = self.concepts[name]
        shared = genomic_codes.ASKED_FOR if concept.variant is not None else ()
        local = self._local.get(name, [])
        if shared:  # a site's own code for "a variant" stands for every gene
            local = [*local, *self._local.get(GENOMIC, ())]
        return tuple((c.system, c.code) for c in concept.codes) + shared + tuple(local)

    def require(self, names: Iterable[str], *, where: str) -> None:
        missing = sorted(set(names) - set(self.concepts))
        if missing:
            raise VocabularyError(f"{where} names concepts that no vocabulary defines: {', '.join(missing)}")

    def _of_concept(self, name: str) -> tuple[str, ...]:
        """And of a drug the class that its own codes put it in: a code that is mapped to the concept says no less."""
        codes = self.concepts[name].codes if name in self.concepts else ()
        medication = bool(codes) and self.concepts[name].resource == "Medication"
        classes = (
            wider
            for (system, prefix), names in self._prefixes.items()
            if medication and any(canonical_system(c.system) == system and c.code.startswith(prefix) for c in codes)
            for wider in names
        )
        return tuple(dict.fromkeys((name, *classes)))

    def add_site_codes(self, mapping: SiteCodes) -> None:
        """Raises VocabularyError when a target is unknown: a local code that maps to nothing is a silent gap."""
        for written, target in mapping.targets.items():
            key = (canonical_system(written[0]), canonical_code(*written))
            if target in self.genomic:
                self._add_genomic(key, self.genomic[target])
                self._local[GENOMIC].append(written)
                continue
            names = self._of_concept(target[1]) if target[0] == CONCEPT_SYSTEM else self._look_up(*target)
            names = tuple(n for n in names if n in self.concepts)
            if not names:
                raise VocabularyError(
                    f"{mapping.path}: local code {'|'.join(written)} maps to {target[0]}|{target[1]}, "
                    "which no concept of the vocabulary holds"
                )
            if genomic := tuple(n for n in names if n in self.variants):
                self._add_genomic(key, GenomicCode(genomic_codes.VARIANT, genomic))
            self._exact[key] = tuple(dict.fromkeys((*self._exact.get(key, ()), *names)))
            for name in names:
                self._local[name].append(written)
            if any(self.concepts[name].resource == "Condition" for name in names):
                self.problem_systems.add(key[0])
            drugs = frozenset(name for name in names if self.concepts[name].resource == "Medication")
            if drugs:
                self.drug_systems.add(key[0])
                self._mapped_drugs[key[0]].append(drugs)
        # a site's own table holds what the hospital stocks; of RxNorm's products nobody maps all
        whole = (system for system, mapped in self._mapped_drugs.items() if self._whole(mapped))
        self._whole_drug_systems = {system for system in whole if system != RXNORM}
        self.local_units.update({(canonical_system(system), code): u for (system, code), u in mapping.units.items()})
        self._resolved.clear()
        self._of_kind.clear()
        self._spellings.clear()


@dataclass(frozen=True)
class SiteCodes:
    path: Path
    targets: Mapping[Key, Key]
    """By the code system as the site writes it, since that is how its server has to be asked."""
    units: Mapping[Key, str]


_vocabulary_file: TypeAdapter[dict[str, Concept]] = TypeAdapter(dict[str, Concept])


def read_folder(folder: Path) -> dict[str, Concept]:
    """Concepts of every ``*.yaml`` in ``folder``. Raises VocabularyError naming file, concept and fault."""
    concepts: dict[str, Concept] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found = _vocabulary_file.validate_python(parse(read_text(path))[0] or {})
        except OSError as error:
            raise VocabularyError(f"{path}: {error.strerror}") from error
        except YamlFault as error:
            raise VocabularyError(error.at(path)) from error
        except ValidationError as error:
            first = error.errors()[0]
            raise VocabularyError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        for name in found.keys() & concepts.keys():
            raise VocabularyError(f"{path}: concept '{name}' is defined twice")
        concepts.update(found)
    return concepts


class _Target(BaseModel):
    code: str | None = None
    equivalence: str = "equivalent"


class _Element(BaseModel):
    code: str
    target: list[_Target] = []
    extension: list[dict[str, object]] = []


class _Group(BaseModel):
    source: str
    target: str
    element: list[_Element]


class _ConceptMap(BaseModel):
    group: list[_Group]


UNIT_EXTENSION = "urn:cds:unit"
_USABLE = frozenset({"equivalent", "equal", "wider", "subsumes", "relatedto", "inexact", "narrower", "specializes"})


def read_concept_map(path: Path) -> SiteCodes:
    """A FHIR R4 ConceptMap (JSON). An element's extension ``urn:cds:unit`` (valueString) states the unit a local
    code's bare numbers are in. Raises VocabularyError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        parsed = _ConceptMap.model_validate(content)
    except OSError as error:
        raise VocabularyError(f"the ConceptMap can't be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise VocabularyError(f"{path}: not a FHIR ConceptMap: {where}{plainly(first)}") from error
    except ValueError as error:
        raise VocabularyError(f"{path}: not JSON: {error}") from error
    targets: dict[Key, Key] = {}
    local_units: dict[Key, str] = {}
    for group in parsed.group:
        for element in group.element:
            usable = [t.code for t in element.target if t.code and t.equivalence in _USABLE]
            if not usable:
                continue
            key = (group.source, element.code)
            targets[key] = (canonical_system(group.target), canonical_code(group.target, usable[0]))
            for extension in element.extension:
                if extension.get("url") == UNIT_EXTENSION and isinstance(extension.get("valueString"), str):
                    local_units[key] = str(extension["valueString"])
    return SiteCodes(path, targets, local_units)
