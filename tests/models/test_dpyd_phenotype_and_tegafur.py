"""A DPYD phenotype counts where no genotype was read, and tegafur is told of the enzyme it shares, without a dose."""

from __future__ import annotations

from typing import Any

import pytest
from genomic_chart import coded, gene, genotype, observation, order, read

from cds.cards.speech import chosen
from cds.inference.contribution import Speech
from cds.inference.prediction import Prediction
from cds.inference.registry import Registry
from cds.record.facts import Fact

CAPECITABINE, TEGAFUR, OXALIPLATIN = "194000", "4582", "32592"
POOR, INTERMEDIATE, NORMAL, ULTRARAPID = "LA9657-3", "LA10317-8", "LA25391-6", "LA10315-2"


def phenotype(answer: str, day: str = "2026-11-01") -> dict[str, Any]:
    return observation("79719-1", coded(answer)) | {"effectiveDateTime": day}


WORDS = observation("79719-1", {"valueCodeableConcept": {"text": "Poor metaboliser"}})
PLAIN = observation("79719-1", {"valueString": "trage metaboliseerder"})


def speech(registry: Registry, *resources: dict[str, Any], drugs: tuple[str, ...] = (CAPECITABINE,)) -> Speech | None:
    model = registry["dpyd-dosing"]
    assessed = model.assess(read(registry, *resources, drafts=tuple(map(order, drugs))))
    assert isinstance(assessed, Prediction)
    card = model.manifest.card
    assert card is not None
    return chosen(card, assessed, {})


def said(registry: Registry, *resources: dict[str, Any], drugs: tuple[str, ...] = (CAPECITABINE,)) -> str:
    found = speech(registry, *resources, drugs=drugs)
    return found.summary["en"] if found else ""


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([phenotype(POOR)], "DPYD poor metaboliser on record: avoid fluorouracil and capecitabine"),
        ([phenotype(INTERMEDIATE)], "DPYD intermediate metaboliser on record: start fluoropyrimidine at half dose"),
        # not relied on alone, as no other answer that is not known here; and none of them is a missing one
        ([phenotype(NORMAL)], "A DPYD result is on record that this service can't read"),
        ([phenotype(ULTRARAPID)], "A DPYD result is on record that this service can't read"),
        ([WORDS], "A DPYD result is on record that this service can't read"),
        ([PLAIN], "A DPYD result is on record that this service can't read"),
        # of several the lowest activity counts, whichever is newer
        ([phenotype(POOR, "2020-01-01"), phenotype(NORMAL)], "DPYD poor metaboliser"),
        ([phenotype(INTERMEDIATE, "2020-01-01"), phenotype(NORMAL)], "DPYD intermediate metaboliser"),
        # a genotype is read first, unless the phenotype asks for less
        ([phenotype(INTERMEDIATE), genotype("DPYD *1/*2A")], "DPYD activity score {advice}: start"),
        ([phenotype(POOR), genotype("DPYD *1/*2A")], "DPYD poor metaboliser"),
        ([phenotype(INTERMEDIATE), genotype("DPYD *1/*1")], "DPYD intermediate metaboliser"),
        ([phenotype(NORMAL), genotype("DPYD *1/*2A")], "DPYD activity score {advice}: start"),
        ([], "No DPYD result on record before the first fluoropyrimidine"),
    ],
)
def test_a_phenotype_asks_for_the_dose_of_its_group(
    registry: Registry, results: list[dict[str, Any]], expected: str
) -> None:
    told = said(registry, *results)
    assert told.startswith(expected) and bool(told) is bool(expected)


@pytest.mark.parametrize(
    ("results", "expected", "kind"),
    [
        ([genotype("DPYD *1/*2A")], "DPYD variant on record (activity score {advice}): tegafur", "reduce"),
        ([genotype("DPYD *2A/*13")], "DPYD activity score 0: avoid tegafur", "avoid"),
        ([phenotype(POOR)], "DPYD poor metaboliser on record: tegafur is broken down", "avoid"),
        ([phenotype(INTERMEDIATE)], "DPYD intermediate metaboliser on record: tegafur", "reduce"),
        ([phenotype(POOR), genotype("DPYD *1/*2A")], "DPYD poor metaboliser on record: tegafur is", "avoid"),
        ([genotype("DPYD *1/*1")], "", ""),
        ([WORDS], "A DPYD result is on record that this service can't read", "unknown"),
        ([], "No DPYD result on record before tegafur", "not-tested"),
        ([order(OXALIPLATIN, status="completed")], "No DPYD result on record before tegafur", "not-tested"),
        ([order(TEGAFUR, status="completed")], "", ""),
    ],
)
def test_tegafur_is_told_of_the_enzyme_and_given_no_dose(
    registry: Registry, results: list[dict[str, Any]], expected: str, kind: str
) -> None:
    found = speech(registry, *results, drugs=(TEGAFUR,))
    assert (found.kind if found else "") == kind
    if found is not None:
        assert found.summary["en"].startswith(expected)
        texts = [*found.summary.values(), *found.recommendation.values(), *found.more.values()]
        assert not any("%" in text or "half" in text or "CPIC" in text for text in texts)


@pytest.mark.parametrize(
    ("results", "expected", "of_tegafur"),
    [
        (
            [genotype("DPYD *2A/*13")],
            "DPYD activity score 0: avoid fluorouracil, capecitabine and tegafur",
            "don't give tegafur",
        ),
        (
            [genotype("DPYD *2A/c.2846A>T")],
            "DPYD activity score {advice}: avoid fluorouracil and capecitabine, and don't start tegafur yet",
            "Don't start tegafur before a specialist",
        ),
        ([phenotype(POOR)], "DPYD poor metaboliser on record: avoid fluorouracil and capecitabine, and", "Don't start"),
        ([phenotype(POOR), genotype("DPYD *1/*2A")], "DPYD poor metaboliser on record: avoid", "Don't start tegafur"),
        (
            [genotype("DPYD *1/*2A")],
            "DPYD activity score {advice}: fluorouracil or capecitabine at half dose, tegafur by a specialist",
            "Have a specialist set the dose of tegafur",
        ),
        ([phenotype(INTERMEDIATE)], "DPYD intermediate metaboliser on record: fluorouracil or", "Have a specialist"),
    ],
)
def test_beside_capecitabine_the_dose_is_capecitabine_s_and_tegafur_is_told_too(
    registry: Registry, results: list[dict[str, Any]], expected: str, of_tegafur: str
) -> None:
    found = speech(registry, *results, drugs=(CAPECITABINE, TEGAFUR))
    assert found is not None and found.indicator == "warning"
    assert found.summary["en"].startswith(expected)
    assert of_tegafur in found.recommendation["en"]
    alone = speech(registry, *results, drugs=(CAPECITABINE,))
    assert alone is not None and alone.kind == found.kind
    assert not any("tegafur" in text for text in (*alone.summary.values(), *alone.recommendation.values()))


UNDATED = [phenotype(POOR) | {"effectiveDateTime": None}, phenotype(POOR) | {"effectiveDateTime": "2062-11-01"}]


@pytest.mark.parametrize("result", UNDATED, ids=["no date", "a date to come"])
def test_what_one_is_born_with_needs_no_date(registry: Registry, result: dict[str, Any]) -> None:
    assert said(registry, result) == "DPYD poor metaboliser on record: avoid fluorouracil and capecitabine"
    both = genotype("DPYD *2A/*13") | {"effectiveDateTime": result["effectiveDateTime"]}
    assert said(registry, both) == "DPYD activity score 0: avoid fluorouracil and capecitabine"
    normal = genotype("DPYD *1/*1") | {"effectiveDateTime": result["effectiveDateTime"]}
    assert said(registry, normal) == ""


NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
NO_CODE = {"coding": [{"system": NULL_FLAVOR, "code": "NI", "display": "no information"}]}
NO_RESULT = "No DPYD result on record before the first fluoropyrimidine"
UNREAD = "A DPYD result is on record that this service can't read"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueString": "Not performed"}, NO_RESULT),
        ({"valueString": "DPYD: not performed, insufficient material"}, NO_RESULT),
        ({"valueString": "niet bepaald wegens hemolyse"}, NO_RESULT),
        ({"valueString": "Uitslag volgt"}, NO_RESULT),
        ({"valueString": "nog niet uitgevoerd"}, NO_RESULT),
        ({"valueCodeableConcept": {"text": "Unknown"}}, NO_RESULT),
        ({"valueCodeableConcept": {"text": "onbekend"}}, NO_RESULT),
        ({"valueCodeableConcept": {"coding": [{"system": "urn:lab", "code": "77", "display": "Pending"}]}}, NO_RESULT),
        (coded("not-performed", "http://terminology.hl7.org/CodeSystem/data-absent-reason"), NO_RESULT),
        # something was found, or may have been
        (coded("masked", "http://terminology.hl7.org/CodeSystem/data-absent-reason"), UNREAD),
        ({"valueString": "not tested for HapB3, *2A heterozygous"}, UNREAD),
        ({"valueString": "not tested, known carrier of a variant"}, UNREAD),
        ({"valueString": "unknown metaboliser status, see report"}, UNREAD),
        ({"valueString": "indeterminate"}, UNREAD),
        ({"valueCodeableConcept": {"text": "poor metaboliser", "coding": [{"display": "Unknown"}]}}, UNREAD),
        (coded("some-local-answer", "urn:lab"), UNREAD),
        ({"valueCodeableConcept": {**NO_CODE, "text": "zie verslag"}}, UNREAD),
        ({"valueCodeableConcept": {**NO_CODE, "text": "Onbekend"}}, NO_RESULT),
        ({"valueCodeableConcept": {**NO_CODE, "text": "no information"}}, NO_RESULT),  # as the code is called
    ],
)
@pytest.mark.parametrize("code", ["79719-1", "84413-4"], ids=["phenotype", "genotype"])
def test_a_result_that_says_there_is_none_is_none(
    registry: Registry, code: str, value: dict[str, Any], expected: str
) -> None:
    told = observation(code, value, *([gene("HGNC:3012")] if code == "84413-4" else []))
    assert said(registry, told) == expected


@pytest.mark.parametrize("system", ["http://loinc.org/", "2.16.840.1.113883.6.1", "https://loinc.org/"])
def test_a_genotype_is_known_under_every_address_of_its_system(registry: Registry, system: str) -> None:
    sent = genotype("DPYD *2A/*13")
    sent["code"]["coding"][0]["system"] = system
    assert said(registry, sent) == "DPYD activity score 0: avoid fluorouracil and capecitabine"


def test_beside_an_order_that_was_lost_tegafur_is_told_all_the_same(registry: Registry) -> None:
    record = read(registry, genotype("DPYD *1/*2A"), drafts=(order(TEGAFUR),))
    assert record.drafts is not None
    record.drafts.unrecognised.append(Fact("", "MedicationRequest/lost", None))
    model = registry["dpyd-dosing"]
    assessed = model.assess(record)
    assert isinstance(assessed, Prediction) and model.manifest.card is not None
    found = chosen(model.manifest.card, assessed, {})
    assert found is not None and "tegafur" in found.summary["en"]
