"""Which first-line regimen is being ordered, from its drugs.

Regimen codes are not reliable, so a regimen is inferred from ingredients ordered within one cycle (three days). Two
formulations share their ingredient's code with the plain drug (liposomal irinotecan, albumin-bound paclitaxel); there
the order's text decides, and only there. Gemcitabine with paclitaxel is read as the albumin-bound regimen: the
combination is not used otherwise in this disease; the card says so. Where its brand says that it is not, no regimen is
taken for granted.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import Enum

import msgspec

from cds.cards import nameless
from cds.record.facts import Fact, Record
from cds.record.systems import canonical_system
from hooks import drug_names, supportive
from hooks.drug_names import PARTNER
from hooks.used_elsewhere import used_elsewhere

_CYCLE_DAYS = 3.0
_STANDING = frozenset({"active", "draft"})
_DONE = "completed"
_GIVEN = frozenset({_DONE, "in-progress"})
_ADMINISTRATION = "MedicationAdministration/"

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
    after: Fact | None = None
    """Given in this same cycle, of another regimen that is whole without these drugs: the newest of it."""


def recognise(record: Record, drafts: Record) -> Recognised | None:
    """The regimen that the drafted drugs, with those ordered in the same cycle, make up. None if none of ours."""
    if (next_one := _after_another(record, drafts)) is not None:
        return next_one
    drugs = _told_apart(_ordered(record, drafts))
    regimen = _by_drugs(frozenset(drugs))
    return Recognised(regimen, tuple(drugs.values())) if regimen else None


def _after_another(record: Record, drafts: Record) -> Recognised | None:
    """A whole regimen that is drafted within days of another that has no drug in common with it. A combination alone
    is one that was given: of a single drug it may be the partner."""
    drugs = _told_apart(drafted := drafts.of(*DRUGS))
    regimen = _by_drugs(frozenset(drugs))
    given = [f for f in _recent(record, *DRUGS) if _administered(f) or f.status == _DONE]
    before = frozenset(_told_apart(given)) - _RESCUE
    if regimen is None or len(before) < 2 or _by_drugs(before) is None or not before.isdisjoint(drugs):
        return None
    ours = {f.source for f in drafted}
    if any(f.source not in ours and not used_elsewhere(f) for f in drafts.of(PARTNER)):
        return None
    last = max(given, key=lambda f: (plain(f) not in _RESCUE, f.when.stamp if f.when else 0.0))
    return Recognised(regimen, tuple(drugs.values()), last)


def unread(record: Record, drafts: Record) -> int:
    """Orders that could not be read and that may make another regimen of what could."""
    lost = drafts.foreign + drafts.malformed
    ordered = _ordered(record, drafts)
    drugs = frozenset(_told_apart(ordered))
    regimen = _by_drugs(drugs)
    if regimen is None and not any(_begins(drugs, whole) for whole in _MADE_OF):
        # a text says nothing where no drug is ours, nor where no further drug would make it so
        ours = any(f.concept not in _RESCUE for f in drafts.of(*DRUGS))
        if ours or not all(map(used_elsewhere, drafts.of(PARTNER))):
            return lost + not_albumin_bound(record, drafts)
        lost += len(nameless.drafted(drafts))
        return lost + sum(_names_more(f, drugs) for f in drafts.supposed) + _by_text_alone(drafts)
    if regimen in (Regimen.folfirinox, Regimen.nalirifox):
        return lost
    standing = _standing_untold(record, drafts)
    if regimen is Regimen.gemcitabine_nab_paclitaxel:
        # premedication as a text is no third drug; one that its text names is
        beside = (*drafts.untold, *drafts.unrecognised, *drafts.supposed, *standing)
        return lost + sum(_names_more(f, drugs) for f in beside)
    if _OF_EITHER_KIND in drugs:
        lost += sum(plain(f) == _OF_EITHER_KIND for f in ordered) or 1
    lost += sum(not supportive.alone(_called(f)) for f in (*drafts.untold, *drafts.unrecognised))
    return lost + sum(_names_more(f, drugs) for f in drafts.supposed) + sum(_may_be_more(f, drugs) for f in standing)


def not_albumin_bound(record: Record, drafts: Record) -> int:
    """Orders of paclitaxel whose brand is of the other form, where the albumin-bound one would make the regimen."""
    ordered = _ordered(record, drafts)
    meant = frozenset("nab-paclitaxel" if f.concept == "paclitaxel" else plain(f) for f in ordered)
    other = sum(plain(f) == "paclitaxel" for f in ordered)
    return other if _by_drugs(meant) is Regimen.gemcitabine_nab_paclitaxel else 0


def _by_text_alone(drafts: Record) -> int:
    """Orders whose texts name drugs that are a regimen here, or that a further drug would make one: that a hospital
    orders in its own words must not be silence. With another drug among them it is none, as with their codes."""
    named = {f.source: written_for(f) for f in (*drafts.untold, *drafts.unrecognised)}
    drugs = frozenset(plain(f) for facts in named.values() for f in facts)
    return sum(map(bool, named.values())) if any(_begins(drugs, whole) for whole in _MADE_OF) else 0


def written(drafts: Record) -> tuple[str, ...]:
    """Concepts of the cancer drugs that the texts of orders without a code name as to be given, each once."""
    texts = (*drafts.untold, *drafts.unrecognised, *drafts.supposed)
    return tuple(dict.fromkeys(f.concept for untold in texts for f in written_for(untold)))


def of_either_kind(record: Record, drafts: Record) -> bool:
    """An order of irinotecan whose texts contradict one another, or what was given of it, on its formulation."""
    return _OF_EITHER_KIND in _told_apart(_ordered(record, drafts))


def untold(record: Record, drafts: Record) -> int:
    """Orders of this cycle that no code tells, drafted or standing already. Of those that stand, what is coded in
    systems that are not known here is told of with the record's gaps."""
    told = {f.source for f in record.unrecognised}
    standing = sum(f.source not in told for f in _standing_untold(record, drafts))
    drugs = frozenset(_told_apart(_ordered(record, drafts)))
    # a plan that names what is ordered beside it in codes is no further order
    supposed = sum(_names_more(f, drugs) for f in drafts.supposed)
    return len(drafts.untold) + len(drafts.unrecognised) + supposed + standing


def _standing_untold(record: Record, drafts: Record) -> list[Fact]:
    elsewhere = {f.source for f in (*drafts.untold, *drafts.unrecognised, *drafts.supposed)} | _ended(record, drafts)
    found = [*record.untold, *record.unrecognised, *(f for f in record.supposed if named(f))]
    found = [f for f in found if _of_this_cycle(f, record) and f.source not in elsewhere]
    # every infusion and every tablet is given once more: of those only what is named for a cancer drug
    return [f for f in found if not (_administered(f) or f.status == _DONE) or named(f)]


def _names_more(untold: Fact, drugs: frozenset[str]) -> bool:
    return any(plain(f) not in drugs | _RESCUE for f in named(untold)) and not supportive.alone(_called(untold))


def _may_be_more(untold: Fact, drugs: frozenset[str]) -> bool:
    """A cancer drug beside these: its text names one, or there is none to tell."""
    return not _called(untold) or _names_more(untold, drugs)


def _ended(record: Record, drafts: Record) -> set[str]:
    """What is being signed ends or replaces them: by their id, by a reference to them, or by the drug where it is an
    agreement to stop one. What was given of an order that they end is of another cycle with it."""
    standing = _in_the_chart(record) if drafts.ended or drafts.replaced or record.stops or record.replaced else []
    stopped = {key for f in drafts.stops for key in _keys(f)}
    signed = {f.source for f in drafts.ended} | drafts.replaced
    signed |= {f.source for f in standing if not stopped.isdisjoint(_keys(f))}
    recent = [f for f in standing if _of_this_cycle(f, record)]
    earlier = record.replaced | {f.source for f in recent if any(_stopped_by(stop, f) for stop in record.stops)}
    ended = [*(f for f in standing if f.source in signed), *(f for f in recent if f.source in earlier)]
    over = {key for f in (*drafts.ended, *ended) for key in _keys(f)}
    return signed | earlier | {f.source for f in standing if _administered(f) and not over.isdisjoint(_keys(f))}


def _in_the_chart(record: Record) -> list[Fact]:
    return [*_of(record, *DRUGS, PARTNER), *record.untold, *record.unrecognised, *record.supposed]


def _of(record: Record, *concepts: str) -> list[Fact]:
    """Whatever its day: an infusion of tomorrow is ordered today."""
    ahead = (f for f in record.ahead if f.concept in concepts and f.status in _STANDING and not _administered(f))
    return [*ahead, *record.of(*concepts)]


def _stopped_by(stop: Fact, order: Fact) -> bool:
    """On record: of the same drug, and ordered before that day. A restart on the very day is no part of what ended."""
    if stop.when is None or order.when is None or order.when.middle >= stop.when.earliest:
        return False
    return not _keys(stop).isdisjoint(_keys(order))


def _keys(fact: Fact) -> set[object]:
    """What two orders of one drug have in common. The class of cancer drugs is not it."""
    codes = {(canonical_system(system), code) for system, code in fact.codes if not system.endswith(_OF_NOTHING)}
    found: set[object] = {fact.concept, *codes, *(text.lower() for text in fact.texts)}
    return found - {"", PARTNER}


# code systems that say why there is no code: HL7's null flavours under its address of now, its older one and its OID
# (HL7 Terminology), and what FHIR has for it
_OF_NOTHING = ("NullFlavor", ":2.16.840.1.113883.5.1008", "data-absent-reason")


def _ordered(record: Record, drafts: Record) -> list[Fact]:
    """The drugs of the cycle being signed, each order; none where one of them is of no regimen here."""
    drafted = drafts.of(*DRUGS)
    if not drafted:
        return []
    ended = _ended(record, drafts)
    recent = [f for f in _recent(record, *DRUGS, PARTNER) if f.source not in ended]
    ordered = [*(f for f in recent if f.concept != PARTNER), *drafted]
    # every order of ours, not one a drug: of a bolus and an infusion the class code matches both
    of_drafts = {f.source for f in drafted}
    ours = of_drafts | {f.source for f in recent if f.concept != PARTNER}
    if any(f.source not in ours and not used_elsewhere(f) for f in recent):
        return []
    return [] if any(f.source not in of_drafts for f in drafts.of(PARTNER) if not used_elsewhere(f)) else ordered


def beside(record: Record, drafts: Record) -> tuple[Fact, ...]:
    """Cancer drugs ordered for this cycle that may be for another disease; each order once."""
    ended = _ended(record, drafts)
    standing = [f for f in _recent(record, PARTNER) if f.source not in ended]
    return tuple({f.source: f for f in (*standing, *drafts.of(PARTNER)) if used_elsewhere(f)}.values())


def _recent(record: Record, *concepts: str) -> list[Fact]:
    return [f for f in _of(record, *concepts) if _of_this_cycle(f, record)]


def _of_this_cycle(fact: Fact, record: Record) -> bool:
    """Ordered for it, and standing, or given in it: an order is completed when all of it has been given (FHIR R4,
    medicationrequest-status), and not every server keeps the doses."""
    if fact.when is None or fact.status not in (_GIVEN if _administered(fact) else _STANDING | {_DONE}):
        return False
    return abs(fact.when.days_before(record.now)) <= _CYCLE_DAYS


def _administered(fact: Fact) -> bool:
    return fact.source.startswith(_ADMINISTRATION)


def plain(fact: Fact) -> str:
    """The drug as regimens tell it apart: by its formulation where that matters."""
    if fact.concept == "irinotecan":
        liposomal = drug_names.liposomal(_called(fact))
        return _OF_EITHER_KIND if liposomal is None else "irinotecan-liposomal" if liposomal else "irinotecan"
    if fact.concept == "paclitaxel" and not drug_names.solvent_based(_called(fact)):
        return "nab-paclitaxel"
    return fact.concept


def _told_apart(ordered: list[Fact]) -> dict[str, Fact]:
    """By ``plain``, each drug once. A dose of irinotecan that says nothing of its form is of the order that does; where
    the dose says it and the order does not, nobody knows which of the two is ordered."""
    drugs = {plain(f): f for f in ordered}
    if not drugs.keys() >= _IRINOTECAN:
        return drugs
    by_order = {plain(f) for f in ordered if not _administered(f)} & _IRINOTECAN
    if len(by_order) != 1:
        return drugs
    texts = [text for f in ordered if f.concept.startswith("irinotecan") for text in _called(f)]
    given = drugs.pop("irinotecan")
    if "irinotecan" in by_order or drug_names.liposomal(texts) is None:
        del drugs["irinotecan-liposomal"]
        drugs[_OF_EITHER_KIND] = given
    return drugs


def _called(fact: Fact) -> tuple[str, ...]:
    return fact.texts or tuple(filter(None, [fact.title]))


_MADE_OF = {
    frozenset({"fluorouracil", "oxaliplatin", "irinotecan"}): Regimen.folfirinox,
    frozenset({"fluorouracil", "oxaliplatin", "irinotecan-liposomal"}): Regimen.nalirifox,
    frozenset({"gemcitabine", "nab-paclitaxel"}): Regimen.gemcitabine_nab_paclitaxel,
    frozenset({"gemcitabine"}): Regimen.gemcitabine,
}
_RESCUE = frozenset({"leucovorin"})
_OF_EITHER_KIND = "irinotecan-of-either-kind"
_IRINOTECAN = frozenset({"irinotecan", "irinotecan-liposomal"})


def _by_drugs(drugs: frozenset[str]) -> Regimen | None:
    """All of a regimen's drugs and no other: gemcitabine drafted beside a FOLFIRINOX that still stands is neither."""
    return _MADE_OF.get(drugs - _RESCUE)


def _begins(drugs: frozenset[str], whole: frozenset[str]) -> bool:
    """A further drug could make it this one. A rescue alone begins none."""
    either = _IRINOTECAN if _OF_EITHER_KIND in drugs else whole
    return bool(drugs - _RESCUE) and drugs - _RESCUE - {_OF_EITHER_KIND} <= whole and not whole.isdisjoint(either)


def previous(record: Record) -> list[Fact]:
    """Every earlier order or administration of a cancer drug, newest first; those of this very cycle left out."""
    told = (f for f in _told(record) if before_this_cycle(f, record))
    return sorted(told, key=lambda f: -f.when.stamp if f.when else 0.0)


def unplaced(record: Record, drafts: Record, found: Recognised) -> tuple[Fact, ...]:
    """Cancer drugs beside the regimen that stand ordered without a day, or for one after this cycle, each once: nobody
    knows whether they are part of it."""
    return _each(_open(record, drafts, found.drugs))


def awaited(record: Record, drafts: Record) -> tuple[Fact, ...]:
    """The same beside drugs that are no regimen yet, where with these they would be one here."""
    ordered = _ordered(record, drafts)
    drugs = frozenset(_told_apart(ordered))
    if _by_drugs(drugs) is not None or drugs <= _RESCUE:
        return ()
    others = _open(record, drafts, ordered)
    together = drugs.union(map(plain, others))
    together |= _IRINOTECAN if _OF_EITHER_KIND in together else frozenset()
    return _each(others) if any(_begins(drugs, whole) and whole <= together for whole in _MADE_OF) else ()


def _open(record: Record, drafts: Record, drugs: Iterable[Fact]) -> list[Fact]:
    elsewhere = {f.source for f in (*drafts.untold, *drafts.unrecognised, *drafts.supposed)} | _ended(record, drafts)
    standing = (f for f in _told(record) if f.status in _STANDING and not _administered(f))
    open_ = (f for f in standing if f.when is None or f.when.days_before(record.now) < -_CYCLE_DAYS)
    return _others((f for f in open_ if f.source not in elsewhere), drugs)


def stopped_since(record: Record, drafts: Record, found: Recognised) -> tuple[Fact, ...]:
    """Cancer drugs beside the regimen that were given in this cycle of an order that was ended then, each once."""
    ended = _ended(record, drafts)
    given = (f for f in _told(record) if f.source in ended and (_administered(f) or f.status == _DONE))
    return _each(_others((f for f in given if _of_this_cycle(f, record)), found.drugs))


def _told(record: Record) -> list[Fact]:
    """Every cancer drug of the chart, by its code or by its text."""
    drugs = _of(record, *DRUGS)
    ours = {f.source for f in drugs}  # the class code matches them too
    partners = [f for f in _of(record, PARTNER) if f.source not in ours]
    texts = (*record.untold, *record.unrecognised, *record.supposed)
    return [*drugs, *partners, *(fact for untold in texts for fact in named(untold))]


def _others(drugs: Iterable[Fact], ordered: Iterable[Fact]) -> list[Fact]:
    """Those that are none of the drugs ordered."""
    own = _RESCUE.union(map(plain, ordered))
    own |= frozenset() if own.isdisjoint(_IRINOTECAN) else _IRINOTECAN
    return [f for f in drugs if not is_one_of(f, own)]


def _each(drugs: Iterable[Fact]) -> tuple[Fact, ...]:
    return tuple({(f.title.lower(), f.codes): f for f in drugs}.values())


def is_one_of(fact: Fact, drugs: Set[str]) -> bool:
    """One of these drugs as regimens tell them apart, or one that may be."""
    return not drugs.isdisjoint(_IRINOTECAN if plain(fact) == _OF_EITHER_KIND else {plain(fact)})


def before_this_cycle(fact: Fact, record: Record) -> bool:
    return fact.when is not None and fact.when.days_before(record.now) > _CYCLE_DAYS


def named(untold: Fact) -> list[Fact]:
    """As of the cancer drugs that its texts name: a word read wrongly can only hold an estimate back."""
    concepts = dict.fromkeys(concept for text in _called(untold) for concept in drug_names.named(text))
    return [msgspec.structs.replace(untold, concept=concept) for concept in concepts]


def written_for(untold: Fact) -> list[Fact]:
    """As of the cancer drugs that its texts name as to be given."""
    concepts = dict.fromkeys(concept for text in _called(untold) for concept in drug_names.ordered(text))
    return [msgspec.structs.replace(untold, concept=concept) for concept in concepts]


def drafts_cancer_drugs(drafts: Record) -> bool:
    return bool(drafts.of(*DRUGS, PARTNER))


def ends_cancer_drugs(drafts: Record) -> bool:
    return any(fact.concept in (*DRUGS, PARTNER) for fact in drafts.ended)
