"""Family history -> facts of the vocabulary's ``relatives`` concepts: which blood relative had what, and how young.

Relationships are read from v3-RoleCode (HL7 Terminology). In-laws, step, adoptive and foster relatives are no blood
relatives; a relationship that is only text, or only "family member", has no degree and is left out.

A kindred is approximated. One patient's list of relatives does not say who is whose parent, so two affected relatives
count as first-degree relatives of each other only where their own relation to the patient proves it: a parent and a
brother or sister, brothers and sisters among each other, children among each other, a parent and that parent's own
brother, sister or parent (which needs the side: maternal or paternal). Mother and father are not related.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from cds.fhir import resources as fhir
from cds.record.concepts import Relatives
from cds.record.facts import Fact, Record
from cds.record.moments import Moment
from cds.record.onset import years
from cds.record.vocabulary import Vocabulary

_READ = frozenset({"completed", "partial", None})

Kind = Literal["parent", "sibling", "child", "above", "beside"]


class Kinship(NamedTuple):
    degree: Literal["first", "second"]
    kind: Kind
    """``above``: grandparents, aunts and uncles; ``beside``: the other second-degree relatives."""
    side: Literal["mother", "father"] | None = None


def _table() -> dict[str, Kinship]:
    rows: tuple[tuple[Kinship, str], ...] = (
        (Kinship("first", "parent", "mother"), "MTH NMTH"),
        (Kinship("first", "parent", "father"), "FTH NFTH"),
        (Kinship("first", "parent"), "PRN NPRN"),
        (Kinship("first", "sibling"), "SIB NSIB BRO NBRO SIS NSIS TWIN TWINBRO TWINSIS FTWIN FTWINBRO FTWINSIS "
                                      "ITWIN ITWINBRO ITWINSIS"),
        (Kinship("first", "child"), "CHILD NCHILD SON SONC DAU DAUC"),
        (Kinship("second", "above", "mother"), "MGRPRN MGRMTH MGRFTH MAUNT MUNCLE"),
        (Kinship("second", "above", "father"), "PGRPRN PGRMTH PGRFTH PAUNT PUNCLE"),
        (Kinship("second", "above"), "GRPRN GRMTH GRFTH AUNT UNCLE"),
        (Kinship("second", "beside"), "HSIB HBRO HSIS NIENEPH NIECE NEPHEW GRNDCHILD GRNDDAU GRNDSON"),
    )  # fmt: skip
    return {code: kinship for kinship, codes in rows for code in codes.split()}


KINSHIPS = _table()


class _Affected(msgspec.Struct, frozen=True):
    source: str
    kinship: Kinship
    when: Moment | None
    onset: float | None
    """Age in years; of one who died with it, age at death, as a bound."""
    bound: bool


class Family:
    """Keeps one patient's affected relatives until all are in."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._affected: dict[str, list[_Affected]] = {}

    def take(self, history: fhir.FamilyMemberHistory, when: Moment | None) -> None:
        kinship = _kinship(history.relationship)
        if kinship is None or history.status not in _READ:
            return
        for condition in history.condition:
            coded = condition.code.coding if condition.code else ()
            names = {n for c in coded if c.system and c.code for n in self._vocabulary.names(c.system, c.code)}
            onset, bound = years(condition.onsetAge), False
            if onset is None and (died := years(history.deceasedAge)) is not None:
                onset, bound = died, True
            relative = _Affected(f"FamilyMemberHistory/{history.id or ''}", kinship, when, onset, bound)
            for name in names:
                if self._vocabulary.concepts[name].relatives is not None:
                    self._affected.setdefault(name, []).append(relative)

    def into(self, record: Record) -> None:
        """One fact a relative and concept: of two codes for one illness, the younger onset."""
        for name, affected in self._affected.items():
            wanted = self._vocabulary.concepts[name].relatives or Relatives()
            one_each: dict[str, _Affected] = {}
            for relative in sorted(affected, key=lambda a: (a.onset is None, a.bound, a.onset or 0.0)):
                one_each.setdefault(relative.source, relative)
            relatives = list(one_each.values())
            for relative in relatives:
                if wanted.degree not in ("any", relative.kinship.degree):
                    continue
                if wanted.kindred and not any(_related(relative, r) for r in relatives if r is not relative):
                    continue
                record.add(_fact(name, relative))


def _fact(name: str, relative: _Affected) -> Fact:
    age = "" if relative.onset is None else f"{'<=' if relative.bound else ''}{relative.onset:g} a"
    return Fact(
        name,
        relative.source,
        relative.when,
        value=relative.onset,
        unit="a",
        original=age,
        comparator="<=" if relative.bound else None,
        status="active",
    )


def _kinship(relationship: fhir.CodeableConcept | None) -> Kinship | None:
    for coding in relationship.coding if relationship else ():
        if (coding.system or "").endswith("RoleCode") and coding.code in KINSHIPS:
            return KINSHIPS[coding.code]
    return None


def _related(one: _Affected, other: _Affected) -> bool:
    """Whether each is certain to be the other's first-degree relative."""
    a, b = one.kinship, other.kinship
    kinds = {a.kind, b.kind}
    if kinds == {"parent", "above"}:
        return a.side is not None and a.side == b.side
    return kinds in ({"parent", "sibling"}, {"sibling"}, {"child"})
