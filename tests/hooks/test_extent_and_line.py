"""Survival needs a confirmed cancer, a stage that stands, and the start of first-line treatment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest
from msgspec import structs

from cds.record.facts import Fact, Record
from cds.record.moments import parse
from hooks import drug_names, regimens, stage
from hooks.line import line
from hooks.regimens import Regimen

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def fact(concept: str, days_ago: int, **more: Any) -> Fact:
    return Fact(concept, f"X/{concept}-{days_ago}", parse((NOW - timedelta(days=days_ago)).date().isoformat()), **more)


def record(*facts: Fact) -> Record:
    made = Record(now=NOW, patient_id="p1")
    for item in facts:
        made.add(item)
    made.arrange()
    return made


def cancer(days_ago: int = 60, **more: Any) -> Fact:
    return fact("pancreatic-cancer", days_ago, **{"status": "active", "verification": "confirmed"} | more)


def liver(days_ago: int) -> Fact:
    return fact("metastasis-liver", days_ago, status="active", verification="confirmed")


STAGE_IV, STAGE_II = {"answers": ("stage-iv",)}, {"answers": ("stage-ii",)}
M1, M0 = {"answers": ("m1",)}, {"answers": ("m0",)}
OTHER = fact("other-primary-cancer", 400, status="active")


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        ((), "absent"),
        ((cancer(verification="provisional"), fact("stage-group", 5, **STAGE_IV)), "absent"),
        ((cancer(verification="provisional", status="inactive"), fact("stage-group", 5, **STAGE_IV)), "absent"),
        ((cancer(verification=None), fact("stage-group", 5, **STAGE_IV)), "unverified"),
        ((cancer(),), "unknown"),
        # over, and something has spread since
        ((cancer(400, status="inactive"), liver(50)), "over"),
        ((cancer(400, status="inactive"), liver(400)), "over"),
        ((cancer(400, status="inactive"), liver(500)), "absent"),
        # without a day either may have come after the other
        ((cancer(400, status="inactive"), structs.replace(liver(5), when=None)), "over"),
        ((structs.replace(cancer(status="inactive"), when=None), liver(500)), "over"),
        # a stage says it as metastases do, where it is the newest of this disease
        ((cancer(400, status="inactive"), fact("stage-group", 50, **STAGE_IV)), "over"),
        ((cancer(400, status="inactive"), fact("tnm-m", 50, **M1)), "over"),
        ((cancer(400, status="inactive"), fact("stage-group", 500, **STAGE_IV)), "absent"),
        ((cancer(400, status="inactive"), fact("stage-group", 300, **STAGE_IV), fact("tnm-m", 50, **M0)), "absent"),
        ((cancer(400, status="inactive"), fact("stage-group", 50, **STAGE_II)), "absent"),
        ((cancer(400, status="inactive", verification=None), fact("stage-group", 50, **STAGE_IV)), "absent"),
        ((cancer(400, status="inactive"),), "absent"),
        ((cancer(400, status="inactive", verification=None), liver(50)), "absent"),
        ((cancer(), fact("stage-group", 50, **STAGE_IV)), "metastatic"),
        ((cancer(), fact("stage-group", 50, **STAGE_II)), "not-metastatic"),
        ((cancer(), liver(50)), "metastatic"),
        # the newest staging decides
        ((cancer(400), fact("tnm-m", 300, **M1), fact("tnm-m", 10, **M0)), "not-metastatic"),
        ((cancer(400), fact("tnm-m", 300, **M0), fact("tnm-m", 10, **M1)), "metastatic"),
        # spread after the last staging is progression; before it, a contradiction
        ((cancer(400), fact("stage-group", 300, **STAGE_II), liver(10)), "metastatic"),
        ((cancer(400), liver(300), fact("stage-group", 10, **STAGE_II)), "conflict"),
        # the stage of another disease, years before
        ((cancer(), fact("stage-group", 4000, **STAGE_IV)), "unknown"),
        # whose metastases are they?
        ((cancer(), OTHER, liver(50)), "another-cancer"),
        ((cancer(), OTHER, fact("stage-group", 50, **STAGE_IV), liver(50)), "metastatic"),
    ],
)
def test_the_extent_of_the_cancer(facts: tuple[Fact, ...], known: str) -> None:
    assert stage.extent(record(*facts)).known == known


def drugs(*names: str, days_ago: int = 0, status: str = "draft") -> list[Fact]:
    return [fact(name, days_ago, status=status) for name in names]


FOLFIRINOX = ("fluorouracil", "leucovorin", "irinotecan", "oxaliplatin")


@pytest.mark.parametrize(
    ("drafted", "regimen"),
    [
        (FOLFIRINOX, Regimen.folfirinox),
        (("gemcitabine", "paclitaxel"), Regimen.gemcitabine_nab_paclitaxel),
        (("gemcitabine",), Regimen.gemcitabine),
        (("paclitaxel",), None),
        ((*FOLFIRINOX, "gemcitabine"), None),
        (("gemcitabine", "nab-paclitaxel", "oxaliplatin"), None),
        (("leucovorin", "irinotecan", "oxaliplatin"), None),
        (("gemcitabine", "antineoplastic"), None),  # with cisplatin, say: another regimen than gemcitabine alone
    ],
)
def test_a_regimen_is_its_drugs_and_no_others(drafted: tuple[str, ...], regimen: Regimen | None) -> None:
    found = regimens.recognise(record(), record(*drugs(*drafted)))
    assert (found.regimen if found else None) is regimen


def test_one_drug_drafted_in_place_of_a_regimen_that_still_stands_is_not_that_regimen() -> None:
    """The card would name what is not being signed."""
    standing = record(*drugs(*FOLFIRINOX, days_ago=2, status="active"))
    assert regimens.recognise(standing, record(*drugs("gemcitabine"))) is None


def test_a_partner_ordered_the_day_before_makes_it_another_regimen() -> None:
    standing = record(fact("antineoplastic", 1, status="active"))
    assert regimens.recognise(standing, record(*drugs("gemcitabine"))) is None


def test_a_regimen_drug_is_not_its_own_partner() -> None:
    """The class code matches the regimen's own drugs as well: the same order is no second drug."""
    gemcitabine = fact("gemcitabine", 0, status="draft")
    same = Fact("antineoplastic", gemcitabine.source, gemcitabine.when, status="draft")
    found = regimens.recognise(record(), record(gemcitabine, same))
    assert found is not None
    assert found.regimen is Regimen.gemcitabine


@pytest.mark.parametrize(
    ("drafted", "regimen"),
    [
        (("fluorouracil", *FOLFIRINOX), Regimen.folfirinox),
        (("gemcitabine", "nab-paclitaxel") * 3, Regimen.gemcitabine_nab_paclitaxel),
        (("gemcitabine",) * 2, Regimen.gemcitabine),
        (("gemcitabine", "gemcitabine", "cisplatin"), None),
    ],
)
def test_a_drug_ordered_twice_is_no_partner_of_itself(drafted: tuple[str, ...], regimen: Regimen | None) -> None:
    """As order sets in ATC codes have it: each order is of the class as well, the second of a drug too."""
    made = []
    for number, name in enumerate(drafted):
        source = f"MedicationRequest/{number}"
        named = ("antineoplastic",) if name == "cisplatin" else (name, "antineoplastic")
        made += [Fact(concept, source, parse("2026-11-23"), status="draft") for concept in named]
    found = regimens.recognise(record(), record(*made))
    assert (found.regimen if found else None) is regimen


@pytest.mark.parametrize(
    ("metastatic_since", "given", "days_ago", "kind"),
    [
        (60, (), 0, "first"),
        (60, FOLFIRINOX, 46, "later-cycle"),
        (120, FOLFIRINOX, 110, "not-first"),  # months into it: the estimate was for its start
        (200, ("gemcitabine",), 180, "not-first"),  # another regimen before
        (440, ("gemcitabine",), 430, "not-first"),  # however long ago, for the spread disease
        (30, ("gemcitabine",), 430, "first"),  # adjuvant, before it came back
        (30, ("gemcitabine",), 100, "not-first"),  # it came back under treatment
        (60, ("leucovorin",), 46, "later-cycle"),
    ],
)
def test_the_line_of_treatment(metastatic_since: int, given: tuple[str, ...], days_ago: int, kind: str) -> None:
    made = record(cancer(500), liver(metastatic_since), *drugs(*given, days_ago=days_ago, status="completed"))
    found = regimens.recognise(made, record(*drugs(*FOLFIRINOX)))
    assert found is not None
    assert line(made, found, stage.extent(made)).kind == kind


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mFOLFIRINOX kuur 3", {"fluorouracil", "irinotecan", "oxaliplatin"}),
        ("FOLFIRI", {"fluorouracil", "irinotecan"}),
        ("NALIRIFOX", {"fluorouracil", "irinotecan-liposomal", "oxaliplatin"}),
        ("FOLFOX-6", {"fluorouracil", "oxaliplatin"}),
        ("XELOX", {"capecitabine", "oxaliplatin"}),
        ("CAPOX", {"capecitabine", "oxaliplatin"}),
        ("GEMOX", {"gemcitabine", "oxaliplatin"}),
        ("S-1 40 mg", {"tegafur"}),
        ("TS\u20111", {"tegafur"}),
        ("Teysuno", {"tegafur"}),
        ("Xeloda 500 mg", {"capecitabine"}),
        ("Abraxane", {"paclitaxel"}),
        ("Onivyde", {"irinotecan"}),
        ("cisplatine", {"antineoplastic"}),
        ("S-1/oxaliplatin", {"tegafur", "oxaliplatin"}),
        ("5 FU 2400 mg/m2", {"fluorouracil"}),
        ("5\u2011FU pomp", {"fluorouracil"}),
        ("5\u00a0FU", {"fluorouracil"}),
        ("Pazenir 100 mg", {"paclitaxel"}),
        ("Apexelsin, Naveruclif", {"paclitaxel"}),
        ("Taxol 6 mg/ml", {"paclitaxel"}),
        ("Campto 20 mg/ml", {"irinotecan"}),
        ("Eloxatin", {"oxaliplatin"}),
        ("fluoruracil inf", {"fluorouracil"}),
        ("Ecansya", {"capecitabine"}),
        ("Taxotere", {"antineoplastic"}),
        ("gem-nab", {"gemcitabine", "paclitaxel"}),
        ("gem\u2011cap", {"gemcitabine", "capecitabine"}),
        ("NMS-10 zalf, L5-S1", set()),
        ("natriumchloride 0,9% 2 mL.s-1", set()),
        ("2 mL\u00b7s\u22121", set()),
        ("paracetamol 500 mg", set()),
    ],
)
def test_the_cancer_drugs_that_a_text_names(text: str, names: set[str]) -> None:
    assert {f.concept for f in regimens.named(fact("", 40, title=text))} == names


def test_a_hyphen_that_does_not_break_denies_too() -> None:
    assert drug_names.liposomal(["irinotecan, non\u2011liposomal"]) is False
    assert drug_names.liposomal(["nal\u2011IRI"]) is True


def test_a_long_text_costs_no_more_than_its_length() -> None:
    """An order's text comes from outside: ten times as long, ten times the work and not a hundred times."""
    times = {}
    for words in (2_000, 20_000):
        text = "irinotecan " + "lipos" * words
        start = process_time()
        drug_names.liposomal([text])
        times[words] = process_time() - start
    assert times[20_000] < 40 * times[2_000]


def test_many_standing_orders_cost_no_more_than_their_number() -> None:
    times = {}
    for orders in (500, 5_000):
        standing = record(*(Fact("gemcitabine", f"X/{n}", parse("2026-11-22"), status="active") for n in range(orders)))
        start = process_time()
        assert regimens.recognise(standing, record(*drugs("gemcitabine"))) is not None
        times[orders] = process_time() - start
    assert times[5_000] < 40 * times[500]


def test_a_drug_that_the_site_did_not_map_is_another_unless_its_text_names_a_cancer_drug() -> None:
    for text, known in (("omeprazol", True), ("cisplatine", False)):
        drafts = record(*drugs("gemcitabine"))
        drafts.supposed.append(fact("", 0, status="draft", title=text))
        assert (regimens.unread(record(), drafts), regimens.untold(record(), drafts)) == ((0, 0) if known else (1, 1))
        past = record()
        past.supposed.append(fact("", 40, status="completed", title=text))
        assert bool(regimens.previous(past)) is not known


def test_a_cancer_drug_alone_that_the_site_did_not_map_is_an_order_that_could_not_be_read() -> None:
    """Else it would get neither card nor reason."""
    for text, unread in (("gemcitabine 2000 mg", 1), ("omeprazol", 0)):
        drafts = record()
        drafts.supposed.append(fact("", 0, status="draft", title=text))
        assert regimens.unread(record(), drafts) == unread
        drafts.add(fact("antineoplastic", 0, status="draft"))  # none of ours, whatever it is
        assert regimens.unread(record(), drafts) == 0


def test_an_earlier_irinotecan_whose_texts_contradict_each_other_may_be_the_same_line() -> None:
    given = fact("irinotecan", 46, status="completed", texts=("irinotecan, non-liposomal", "Onivyde"))
    made = record(cancer(500), liver(60), given)
    found = regimens.recognise(made, record(*drugs(*FOLFIRINOX)))
    assert found is not None and line(made, found, stage.extent(made)).kind == "later-cycle"
