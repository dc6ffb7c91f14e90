"""Genomic results -> findings of the vocabulary's ``variant`` concepts.

Read are: HL7 Genomics Reporting variants and genotypes, with a clinical significance on the variant itself or on a
diagnostic implication derived from it; and one-line results of older systems (``cds.record.hgvs``) under a code the
vocabulary or the site's ConceptMap gives to a finding. The conclusion of a report is not read: free text has no
grammar.

What counts, once and for all:

- only pathogenic and likely pathogenic changes, unless the concept names its changes itself;
- an origin that was not said is neither germline nor somatic;
- a change that a newer result calls no longer pathogenic is not;
- "tested, not found" needs a result that says absent: of the whole gene, of this very change, or another exchange of
  the same amino acid. Anything else that was not found is unknown;
- copies of an allele need its allelic state, or a diplotype whose two alleles are both known to the vocabulary; a
  result of the tumour counts none;
- a result of a named gene that can't be read is on record all the same, and nothing more is known from it; one that
  says that no test was made, or that its answer is still to come, is none (``cds.record.unmade``);
- what one is born with (copies of an allele) needs no date, nor one that can be.

References inside a Bundle by ``urn:uuid`` are not followed: an implication then stays without its variant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TypeVar

import msgspec

from cds.fhir import resources as fhir
from cds.record import genomic_codes as codes
from cds.record import hgvs, unmade
from cds.record.concepts import Variant
from cds.record.facts import Fact, Record, Refused
from cds.record.moments import Moment
from cds.record.systems import canonical_system
from cds.record.vocabulary import Vocabulary

T = TypeVar("T")

TOLERATED_AHEAD = timedelta(days=1)
"""A clock that is a little ahead is common; a result from next week is a mistake."""
_WORD = re.compile(r"\b[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_SYMBOL = re.compile(r"^[A-Z][A-Z0-9-]{1,14}$")


class Statement(msgspec.Struct, frozen=True):
    """What one resource says of one gene."""

    source: str
    when: Moment | None
    genes: frozenset[str]
    """HGNC ids and symbols, as far as they were given."""
    said: hgvs.Line
    alleles: tuple[str, str] | None = None
    """Of a diplotype."""


class Genomics:
    """Keeps the genomic results of one patient until all are in, then writes what they amount to."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._codes = vocabulary.genomic
        self._variants = vocabulary.variants
        self._statements: list[Statement] = []
        self._significance: dict[str, bool] = {}
        """``Type/id`` of a variant -> pathogenic, from its implications; one that says so is enough."""

    def take(self, observation: fhir.Observation, when: Moment | None) -> bool:
        """True if the Observation is a genomic result: kept, and nothing else to be read from it."""
        for coding in observation.code.coding if observation.code else ():
            found = self._codes.get((canonical_system(coding.system or ""), coding.code or ""))
            if found is None:
                continue
            if found.kind == codes.GENOTYPE:
                self._genotype(observation, when)
            elif found.kind == codes.VARIANT:
                about = (self._variants[name] for name in found.concepts)
                self._variant(observation, when, {gene for v in about for gene in (v.gene, v.hgnc)})
            else:
                self._imply(observation)
            return True
        return False

    def into(self, record: Record) -> None:
        """Adds facts, what was tested and not found, and what can't be used with its reason."""
        if not self._statements:
            return
        known = _known_alleles(self._variants.values())
        explained = [self._explained(statement) for statement in self._statements]
        for statement in explained:
            if any(_reclassified(statement, other) for other in explained):
                continue
            for name, variant in self._variants.items():
                if variant.gene in statement.genes or variant.hgnc in statement.genes:
                    _judge(name, variant, statement, known, record)

    def _explained(self, statement: Statement) -> Statement:
        """With the significance its implications gave, where it had none of its own."""
        pathogenic = self._significance.get(statement.source)
        if pathogenic is None or statement.said.pathogenic is not None:
            return statement
        said = msgspec.structs.replace(statement.said, pathogenic=pathogenic)
        return msgspec.structs.replace(statement, said=said)

    def _imply(self, observation: fhir.Observation) -> None:
        own = _looked_up(observation.valueCodeableConcept, codes.PATHOGENIC)
        of_component = _components(observation.component)[1].pathogenic
        pathogenic = [p for p in (own, of_component) if p is not None]
        for reference in observation.derivedFrom if pathogenic else ():
            if reference.reference:
                source = _local(reference.reference)
                self._significance[source] = any(pathogenic) or self._significance.get(source, False)

    def _variant(self, observation: fhir.Observation, when: Moment | None, about: set[str]) -> None:
        value = observation.valueCodeableConcept
        lines = (hgvs.line(text) for text in _texts(value, observation.valueString))
        told = next((line for line in lines if line), hgvs.Line())
        present = _looked_up(value, codes.PRESENT)
        if present is None and not _answered(value):
            present = told.present
        named, parts = _components(observation.component)
        if present is None:
            if _says(value, observation.valueString) or parts.names:
                self._unread(observation, when, named | about)
            return
        said = hgvs.Line(
            names=parts.names | told.names,
            present=present,
            fusion=parts.fusion or told.fusion,
            origin=parts.origin or told.origin,
            pathogenic=told.pathogenic if parts.pathogenic is None else parts.pathogenic,
            copies=parts.copies or told.copies,
        )
        # a result that names its gene is about that one, whatever code it came under
        genes = named | ({told.gene} if told.gene else set()) or about
        if genes:
            self._statements.append(Statement(_reference(observation), when, frozenset(genes), said))

    def _genotype(self, observation: fhir.Observation, when: Moment | None) -> None:
        value = observation.valueCodeableConcept
        # the display name is what this code asks for, so that is where it stands
        displays = [c.display for c in value.coding if c.display] if value else []
        texts = [*_texts(value, observation.valueString), *_codes(value), *displays]
        found = {pair for text in texts if (pair := hgvs.pair(text))}
        # several genes under one genotype: only its name tells which one it is of
        named = _components(observation.component)[0]
        genes = {pair.gene for pair in found if pair.gene} or named
        if len(genes) == 1 and len({pair.alleles for pair in found}) == 1:
            alleles = next(iter(found)).alleles
            source = _reference(observation)
            self._statements.append(Statement(source, when, frozenset(genes), hgvs.Line(), alleles))
        elif _says(value, observation.valueString):
            self._unread(observation, when, named)

    def _unread(self, observation: fhir.Observation, when: Moment | None, genes: Iterable[str]) -> None:
        """Whose gene it is may stand in words alone: enough to say that a result is there, too little to read it."""
        if unmade.says(observation):
            return
        words = {word for text in _written(observation) for word in _WORD.findall(text)}
        told = frozenset(genes) | {v.gene for v in self._variants.values() if v.gene in words}
        if told:
            self._statements.append(Statement(_reference(observation), when, told, hgvs.Line()))


def _components(components: Iterable[fhir.Component]) -> tuple[frozenset[str], hgvs.Line]:
    """The genes named, and what is said of the change."""
    genes: set[str] = set()
    names: set[str] = set()
    fusion = False
    origin: codes.Origin | None = None
    pathogenic: bool | None = None
    copies: int | None = None
    for component in components:
        answer = component.valueCodeableConcept
        for code in _codes(component.code):
            if code == codes.GENE_STUDIED:
                genes |= _genes(answer)
            elif code in codes.CHANGES:
                texts = [*_codes(answer), *_texts(answer, component.valueString)]
                names |= {name for text in texts if (name := hgvs.change(text))}
                genes |= {gene for text in texts if (gene := hgvs.gene_in(text))}
            elif code in codes.KIND_OF_CHANGE:
                fusion = fusion or any(c in codes.FUSIONS for c in _codes(answer))
            elif code == codes.SOURCE_CLASS:
                origin = _looked_up(answer, codes.ORIGINS)
            elif code == codes.SIGNIFICANCE[1]:
                pathogenic = _looked_up(answer, codes.PATHOGENIC)
            elif code == codes.ALLELIC_STATE:
                copies = _looked_up(answer, codes.COPIES)
    line = hgvs.Line(None, frozenset(names), None, fusion, origin, pathogenic, copies)
    return frozenset(genes), line


def _reclassified(statement: Statement, other: Statement) -> bool:
    """Whether a newer result calls the very same change no longer pathogenic."""
    if not statement.said.pathogenic or other.said.pathogenic is not False or not other.said.present:
        return False
    if statement.when is None or other.when is None or other.when.middle <= statement.when.middle:
        return False
    return bool(statement.genes & other.genes and statement.said.names & other.said.names)


def _judge(name: str, variant: Variant, statement: Statement, known: frozenset[str], record: Record) -> None:
    """What one statement means for one concept: a fact, a negative, a refusal or nothing."""
    when = statement.when
    ahead = when is not None and when.earliest > record.now + TOLERATED_AHEAD
    if variant.gives != "presence":  # what one is born with was so on any day, also on one that was written wrongly
        statement = msgspec.structs.replace(statement, when=None if ahead else when)
    elif when is None or ahead:
        reason = "no-date" if when is None else "in-the-future"
        record.refused.append(Refused(name, statement.source, reason, when.text if when else ""))
        return
    said = statement.said
    if variant.gives == "tested":
        shown = _shown(variant, statement)
        record.add(Fact(name, statement.source, statement.when, value=1.0, status="active", original=shown))
    elif variant.gives == "copies":
        _count(name, variant, statement, known, record)
    elif said.present is False:
        specific = bool(said.names or said.fusion)
        meant = bool(said.names & set(variant.names)) or (variant.fusion and said.fusion)
        if (meant or not specific) and variant.origin in ("any", said.origin):
            _not_found(name, variant, statement, record)
    elif said.present:
        _present(name, variant, statement, record)


def _present(name: str, variant: Variant, statement: Statement, record: Record) -> None:
    said = statement.said
    if variant.fusion and not said.fusion:
        return
    if not said.fusion and statement.genes - {variant.gene, variant.hgnc}:
        return  # several genes and one change: whose?
    if variant.names and not said.names & set(variant.names):
        if {hgvs.residue(n) for n in said.names} & {r for n in variant.names if (r := hgvs.residue(n))}:
            _not_found(name, variant, statement, record)
        return
    if variant.pathogenic and said.pathogenic is False:
        return
    if variant.origin != "any" and said.origin is not None and said.origin != variant.origin:
        return
    for needed, value, reason in (
        (variant.pathogenic, said.pathogenic, "significance-unknown"),
        (variant.origin != "any", said.origin, "origin-unknown"),
    ):
        if needed and value is None:
            record.refused.append(Refused(name, statement.source, reason, _shown(variant, statement)))
            return
    record.add(
        Fact(name, statement.source, statement.when, value=1.0, status="active", original=_shown(variant, statement))
    )


def _count(name: str, variant: Variant, statement: Statement, known: frozenset[str], record: Record) -> None:
    said, alleles = statement.said, statement.alleles
    if said.origin == "somatic":
        return  # what a tumour lost or gained is not what the patient was born with
    copies: int | None = None
    if alleles is not None:
        if not known.issuperset(alleles):
            record.refused.append(Refused(name, statement.source, "allele-unknown", _shown(variant, statement)))
            return
        copies = sum(allele in variant.names for allele in alleles)
    elif said.present is False and (not said.names or said.names & set(variant.names)):
        copies = 0
    elif said.present and said.names & set(variant.names):
        copies = said.copies
        if copies is None:
            record.refused.append(Refused(name, statement.source, "copies-unknown", _shown(variant, statement)))
    if copies is not None:
        value, original = float(copies), _shown(variant, statement)
        fact = Fact(name, statement.source, statement.when, value=value, unit="1", status="active", original=original)
        record.add(fact)


def _not_found(name: str, variant: Variant, statement: Statement, record: Record) -> None:
    fact = Fact(name, statement.source, statement.when, value=0.0, status="active", original=_shown(variant, statement))
    record.negative.setdefault(name, []).append(fact)


def _shown(variant: Variant, statement: Statement) -> str:
    """Gene and changes only, in the form this service brought them to: safe on a card, in every language."""
    change = "/".join(statement.alleles) if statement.alleles else ", ".join(sorted(statement.said.names))
    return hgvs.shown(f"{variant.gene} {change}".strip())


def _known_alleles(variants: Iterable[Variant]) -> frozenset[str]:
    return frozenset({hgvs.REFERENCE} | {n for v in variants if v.gives == "copies" for n in v.names})


def _codes(concept: fhir.CodeableConcept | None) -> Iterator[str]:
    return (c.code for c in (concept.coding if concept else ()) if c.code)


def _texts(concept: fhir.CodeableConcept | None, text: str | None) -> Iterator[str]:
    return (t for t in (concept.text if concept else None, text) if t)


def _says(concept: fhir.CodeableConcept | None, text: str | None) -> bool:
    return any(_texts(concept, text)) or any(c.code or c.display for c in (concept.coding if concept else ()))


def _written(observation: fhir.Observation) -> Iterator[str]:
    """All words of a result and of what it is called."""
    yield from _texts(None, observation.valueString)
    for concept in (observation.code, observation.valueCodeableConcept):
        yield from _texts(concept, None)
        yield from (c.display for c in (concept.coding if concept else ()) if c.display)


def _looked_up(concept: fhir.CodeableConcept | None, table: Mapping[str, T]) -> T | None:
    """By code; by the whole text where there is no code at all."""
    found = list(_codes(concept))
    if not found and concept is not None and concept.text:
        found = [" ".join(concept.text.casefold().split())]
    return next((table[word] for word in found if word in table), None)


def _answered(concept: fhir.CodeableConcept | None) -> bool:
    """Whether a public code answers: if that is none we know (no call, indeterminate), words beside it don't count."""
    coded = (c for c in (concept.coding if concept else ()) if c.code)
    return any(canonical_system(c.system or "") in (codes.LOINC, codes.SNOMED) for c in coded)


def _genes(concept: fhir.CodeableConcept | None) -> set[str]:
    """HGNC ids as ``HGNC:1101``, whatever way they are written; a symbol only where no id was sent."""
    ids = {
        "HGNC:" + c.code.removeprefix("HGNC:")
        for c in (concept.coding if concept else ())
        if c.system in codes.GENES and c.code and c.code.removeprefix("HGNC:").isdigit()
    }
    if ids:
        return ids
    return {text for text in (*_codes(concept), *_texts(concept, None)) if _SYMBOL.match(text)}


def _reference(observation: fhir.Observation) -> str:
    return f"Observation/{observation.id or ''}"


def _local(reference: str) -> str:
    return "/".join(reference.split("/_history/")[0].split("/")[-2:])
