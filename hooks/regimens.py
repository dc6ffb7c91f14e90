"""Which first-line regimen is being ordered, from its drugs.

Regimen codes are not reliable, so a regimen is inferred from ingredients ordered within one cycle (three days). Two
formulations share their ingredient's code with the plain drug (liposomal irinotecan, albumin-bound paclitaxel); there
the order's text decides, and only there. Gemcitabine with paclitaxel is read as the albumin-bound regimen: the
combination is not used otherwise in this disease; the card says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from cds.record.facts import Fact, Record

_CYCLE_DAYS = 3.0
_LIPOSOMAL = ("lipos", "onivyde", "nal-iri")

DRUGS = (
    "fluorouracil",
    "leucovorin",
    "irinotecan",
    "irinotecan-liposomal",
    "oxaliplatin",
    "gemcitabine",
    "paclitaxel",
    "nab-paclitaxel",
    "capecitabine",
)
_NAMES = {
    "fluorouracil": "fluorouracil",
    "5-fu": "fluorouracil",
    "irinotecan": "irinotecan",
    "onivyde": "irinotecan",
    "oxaliplatin": "oxaliplatin",
    "folfirinox": "oxaliplatin",
    "nalirifox": "oxaliplatin",
    "folfox": "oxaliplatin",
    "gemcitabin": "gemcitabine",
    "paclitaxel": "paclitaxel",
    "abraxane": "paclitaxel",
    "capecitabin": "capecitabine",
}
"""Of drugs and regimens as texts have them in English and Dutch."""
PARTNER = "antineoplastic"
"""Any other anticancer drug: with one of these a combination is none of ours."""


class Regimen(Enum):
    """Value: the concept of the answer that models read."""

    folfirinox = "regimen-folfirinox"
    nalirifox = "regimen-nalirifox"
    gemcitabine_nab_paclitaxel = "regimen-gnp"
    gemcitabine = "regimen-gemcitabine"

    @property
    def title(self) -> str:
        return {
            Regimen.folfirinox: "FOLFIRINOX",
            Regimen.nalirifox: "NALIRIFOX",
            Regimen.gemcitabine_nab_paclitaxel: "gemcitabine + nab-paclitaxel",
            Regimen.gemcitabine: "gemcitabine",
        }[self]


@dataclass(frozen=True)
class Recognised:
    regimen: Regimen
    drugs: tuple[Fact, ...]


def recognise(record: Record, drafts: Record) -> Recognised | None:
    """The regimen that the drafted drugs, with those ordered in the same cycle, make up. None if none of ours."""
    drugs = _ordered(record, drafts)
    regimen = _by_drugs(frozenset(drugs))
    return Recognised(regimen, tuple(drugs.values())) if regimen else None


def unread(record: Record, drafts: Record) -> int:
    """Orders that could not be read and that may make another regimen of what could."""
    drugs = frozenset(_ordered(record, drafts))
    regimen = _by_drugs(drugs)
    # a text says nothing where no drug is ours, nor where no further drug would make it so
    begun = drugs and any(drugs - _RESCUE <= whole for whole in _MADE_OF)
    open_ended = regimen in _BUILT_ON if regimen else begun
    return drafts.lost + (untold(record, drafts) if open_ended else 0)


def untold(record: Record, drafts: Record) -> int:
    """Orders of this cycle that no code tells, drafted or standing already."""
    elsewhere = {f.source for f in (*drafts.untold, *drafts.ended)}
    return len(drafts.untold) + sum(_of_this_cycle(f, record) and f.source not in elsewhere for f in record.untold)


def _ordered(record: Record, drafts: Record) -> dict[str, Fact]:
    """The drugs of the cycle being signed; none where one of them is of no regimen here."""
    drafted = drafts.of(*DRUGS)
    if not drafted:
        return {}
    ended = {f.source for f in drafts.ended}
    recent = [f for f in _recent(record, *DRUGS, PARTNER) if f.source not in ended]
    ordered = [*(f for f in recent if f.concept != PARTNER), *drafted]
    drugs = {plain(f): f for f in ordered}
    # every order of ours, not one a drug: of a bolus and an infusion the class code matches both
    ours = {f.source for f in ordered}
    if any(f.source not in ours for f in (*recent, *drafts.of(PARTNER))):
        return {}
    return drugs


def _recent(record: Record, *concepts: str) -> list[Fact]:
    return [f for f in record.of(*concepts) if _of_this_cycle(f, record)]


def _of_this_cycle(fact: Fact, record: Record) -> bool:
    """Ordered for it, and standing."""
    if fact.when is None or fact.status not in ("active", "draft"):
        return False
    return abs(fact.when.days_before(record.now)) <= _CYCLE_DAYS


def plain(fact: Fact) -> str:
    """The drug as regimens tell it apart: by its formulation where that matters."""
    if fact.concept == "irinotecan" and any(word in fact.title.lower() for word in _LIPOSOMAL):
        return "irinotecan-liposomal"
    return "nab-paclitaxel" if fact.concept == "paclitaxel" else fact.concept


_MADE_OF = {
    frozenset({"fluorouracil", "oxaliplatin", "irinotecan"}): Regimen.folfirinox,
    frozenset({"fluorouracil", "oxaliplatin", "irinotecan-liposomal"}): Regimen.nalirifox,
    frozenset({"gemcitabine", "nab-paclitaxel"}): Regimen.gemcitabine_nab_paclitaxel,
    frozenset({"gemcitabine"}): Regimen.gemcitabine,
}
_RESCUE = frozenset({"leucovorin"})
_BUILT_ON = frozenset({Regimen.gemcitabine, Regimen.gemcitabine_nab_paclitaxel})
"""What is given with cisplatin, capecitabine or a drug under study as well; the regimens of three drugs stand."""


def _by_drugs(drugs: frozenset[str]) -> Regimen | None:
    """All of a regimen's drugs and no other: gemcitabine drafted beside a FOLFIRINOX that still stands is neither."""
    return _MADE_OF.get(drugs - _RESCUE)


def previous(record: Record) -> list[Fact]:
    """Every earlier order or administration of a first-line drug, newest first; those of this very cycle left out."""
    told = [*record.of(*DRUGS), *(fact for untold in record.untold for fact in named(untold))]
    return sorted((f for f in told if before_this_cycle(f, record)), key=lambda f: -f.when.stamp if f.when else 0.0)


def before_this_cycle(fact: Fact, record: Record) -> bool:
    return fact.when is not None and fact.when.days_before(record.now) > _CYCLE_DAYS


def named(untold: Fact) -> list[Fact]:
    """As of the first-line drugs that its text names. For what was given before, and for nothing else: there a word
    read wrongly can only hold an estimate back."""
    text = untold.title.lower()
    concepts = dict.fromkeys(concept for word, concept in _NAMES.items() if word in text)
    return [msgspec.structs.replace(untold, concept=concept) for concept in concepts]


def drafts_cancer_drugs(drafts: Record) -> bool:
    return bool(drafts.of(*DRUGS, PARTNER))


def ends_cancer_drugs(drafts: Record) -> bool:
    return any(fact.concept in (*DRUGS, PARTNER) for fact in drafts.ended)
