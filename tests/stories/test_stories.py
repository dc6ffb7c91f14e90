"""The authored stories: what the table says is in the FHIR, nothing around it contradicts it, and it is valid R4."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from hooks.stories import LOCAL_LABS, REASONS, STORIES, TOPICS, Story, all_resources, build, bundle, draft_orders, story
from hooks.stories.codes import ANALYTES, CONDITIONS, DRUGS, REGIMENS, STUDIES
from hooks.stories.story import dated, points, when

TODAY = date(2026, 11, 23)
BUILT = {row.id: build(row, TODAY) for row in STORIES}
every_story = pytest.mark.parametrize("row", STORIES, ids=lambda row: row.id)


def of(kind: str, resources: list[dict[str, Any]], **equal: Any) -> list[dict[str, Any]]:
    return [r for r in resources if r["resourceType"] == kind and all(r.get(k) == v for k, v in equal.items())]


def codes(concept: dict[str, Any]) -> set[tuple[str, str]]:
    return {(c["system"], c["code"]) for c in concept.get("coding", ())}


def offset(text: str, today: date = TODAY) -> int:
    return (datetime.fromisoformat(text).date() - today).days


def analyte_code(row: Story, analyte: str) -> tuple[str, str]:
    entry = ANALYTES[analyte]
    return (LOCAL_LABS, entry.local) if row.flavour == "nl" and entry.local else (entry.system, entry.loinc)


def values(row: Story, analyte: str, *, status: str = "final") -> dict[int, dict[str, Any]]:
    """Offset -> Observation of one analyte."""
    found = of("Observation", BUILT[row.id], status=status)
    return {offset(o["effectiveDateTime"]): o for o in found if analyte_code(row, analyte) in codes(o["code"])}


def has_condition(row: Story, name: str, onset: str) -> bool:
    return any(
        ("http://snomed.info/sct", CONDITIONS[name].snomed) in codes(c["code"])
        or c["code"]["text"] in (CONDITIONS[name].text, CONDITIONS[name].text_nl)
        for c in of("Condition", BUILT[row.id])
        if c["onsetDateTime"] == onset and c["verificationStatus"]["coding"][0]["code"] == "confirmed"
    )


@every_story
def test_every_resource_is_valid_r4(row: Story) -> None:
    for resource in [*BUILT[row.id], bundle(row, TODAY), draft_orders(row, TODAY)]:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_ids_are_plain_and_each_names_one_resource() -> None:
    identities = [(r["resourceType"], r["id"]) for r in all_resources(TODAY)]
    assert len(set(identities)) == len(identities)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", identity) for _, identity in identities)


@every_story
def test_every_reference_leads_to_a_resource_of_the_same_story(row: Story) -> None:
    held = {f"{r['resourceType']}/{r['id']}" for r in BUILT[row.id]}
    named = set(re.findall(r'"reference": "([^"]+)"', json.dumps(BUILT[row.id])))
    assert named <= held


def test_the_same_day_gives_the_same_bytes_in_another_process() -> None:
    script = (
        "import hashlib, json, datetime; from hooks.stories import all_resources; "
        "print(hashlib.sha256(json.dumps(all_resources(datetime.date(2026, 11, 23))).encode()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True, text=True, check=True, cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(digests) == 1


@every_story
def test_another_day_moves_every_date_with_it_and_nothing_else(row: Story) -> None:
    later = TODAY + timedelta(days=463)
    day = re.compile(r"\d{4}-\d{2}-\d{2}")

    def relative(resources: list[dict[str, Any]], today: date) -> list[str]:
        exact = [r for r in resources if r["resourceType"] != "Patient"]
        texts = [day.sub(lambda m: str((date.fromisoformat(m[0]) - today).days), json.dumps(r)) for r in exact]
        # partial dates move by whole years and months, so their days do not match exactly
        return [re.sub(r'"(\d{4}|\d{4}-\d{2})"', '"partial"', text) for text in texts]

    assert relative(BUILT[row.id], TODAY) == relative(build(row, later), later)


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2025, 3, 1), date(2026, 12, 31), date(2027, 1, 1)])
def test_the_patient_has_the_age_of_the_table_on_any_day(today: date) -> None:
    for row in STORIES:
        born = date.fromisoformat(build(row, today)[0]["birthDate"])
        assert today.year - born.year - ((today.month, today.day) < (born.month, born.day)) == row.age


@every_story
def test_every_key_value_is_there_with_its_date_and_unit(row: Story) -> None:
    for analyte, series in row.series.items():
        found = values(row, analyte)
        reported = ANALYTES[analyte].reported(row.flavour)
        unit = row.units[analyte].unit if analyte in row.units else reported.unit
        for point in points(series):
            observation = found[point.offset]
            if analyte == "ecog":
                assert observation["valueInteger"] == point.value
                continue
            assert observation["valueQuantity"]["value"] == point.value
            assert observation["valueQuantity"].get("unit", "") == unit
            assert observation["valueQuantity"].get("comparator", "") == point.comparator


@every_story
def test_every_key_condition_drug_study_and_order_is_there(row: Story) -> None:
    resources = BUILT[row.id]
    for fact in dated(row.problems):
        assert has_condition(row, fact.name, fact.when.text(TODAY)), fact.name
    for fact in dated(row.drugs):
        assert any(
            ("http://www.whocc.no/atc", DRUGS[fact.name].atc) in codes(r["medicationCodeableConcept"])
            for r in of("MedicationRequest", resources, status="active")
            if offset(r["authoredOn"]) == fact.when.days
        ), fact.name
    for fact in dated(row.given_cycles):
        given = [
            a["medicationCodeableConcept"]["text"]
            for a in of("MedicationAdministration", resources, status="completed")
            if offset(a["effectiveDateTime"]) == fact.when.days
        ]
        assert given == [DRUGS[d].text for d in REGIMENS[fact.name]]
    for fact in dated(row.studies):
        study = STUDIES[fact.name]
        assert any(
            s["series"][0]["modality"]["code"] == study.modality
            and s["series"][0]["bodySite"]["code"] == study.body_site
            and offset(s["started"]) == fact.when.days
            for s in of("ImagingStudy", resources, status="available")
        ), fact.name
    active = [offset(o["authoredOn"]) for o in of("ServiceRequest", resources, status="active")]
    assert active == [fact.when.days for fact in dated(row.orders)]


@every_story
def test_routine_values_of_a_key_analyte_end_well_before_the_story_begins(row: Story) -> None:
    for analyte, series in row.series.items():
        told = {p.offset for p in points(series)}
        assert all(o <= min(told) - 120 for o in values(row, analyte) if o not in told), analyte


def test_no_glucose_is_diabetic_before_a_new_diabetes_or_where_there_is_none() -> None:
    for row in STORIES:
        if row.usual.get("fasting-glucose"):
            continue
        limit = 110.0 if row.flavour == "us" else 6.1
        key = {p.offset for p in points(row.series.get("fasting-glucose", ""))}
        routine = [o["valueQuantity"]["value"] for d, o in values(row, "fasting-glucose").items() if d not in key]
        assert all(value < limit for value in routine)
        assert routine or row.history == "sparse"


def test_a_diabetes_of_old_never_crosses_the_threshold_anew() -> None:
    glucose = values(story("chronic-pancreatitis"), "fasting-glucose")
    assert len(glucose) >= 5
    assert all(o["valueQuantity"]["value"] > 126 for o in glucose.values())


@every_story
def test_nothing_is_dated_after_today_or_after_death(row: Story) -> None:
    last = row.died if row.died is not None else 0
    for resource in BUILT[row.id]:
        for name in ("effectiveDateTime", "authoredOn", "started"):
            if name in resource:
                assert offset(resource[name]) <= last


@every_story
def test_each_history_holds_what_must_not_count(row: Story) -> None:
    resources = BUILT[row.id]
    assert values(row, "fasting-glucose", status="entered-in-error")
    assert values(row, "ca19-9", status="cancelled")
    assert of("ImagingStudy", resources, status="cancelled")
    assert of("ServiceRequest", resources, status="revoked")
    assert of("Procedure", resources, status="not-done")
    verification = {c["verificationStatus"]["coding"][0]["code"] for c in of("Condition", resources)}
    assert verification == {"confirmed", "refuted", "entered-in-error"}


@every_story
def test_histories_are_a_few_hundred_resources_unless_the_story_is_their_absence(row: Story) -> None:
    count = len(BUILT[row.id])
    assert count < 100 if row.history == "sparse" else 250 <= count <= 500


def test_records_hold_partial_dates_and_displays_that_contradict_their_code() -> None:
    conditions = of("Condition", BUILT["new-diabetes"])
    assert {len(c["onsetDateTime"]) for c in conditions} == {4, 7, 10}
    displays = {c["code"]["coding"][0]["code"]: c["code"]["coding"][0]["display"] for c in conditions}
    assert displays["239873007"] == "Malignant tumor of pancreas"
    assert "\u200b" in json.dumps(BUILT["new-diabetes"], ensure_ascii=False)


@every_story
def test_drafts_are_unsigned_orders_of_this_patient_one_a_drug(row: Story) -> None:
    drafts = [entry["resource"] for entry in draft_orders(row, TODAY).get("entry", ())]
    wanted = [drug for word in row.drafts for drug in REGIMENS.get(word, (word,))]
    assert [d["medicationCodeableConcept"]["text"] for d in drafts] == [DRUGS[name].text for name in wanted]
    for draft in drafts:
        assert (draft["status"], draft["intent"]) == ("draft", "order")
        assert draft["subject"] == {"reference": f"Patient/{row.id}"}


def test_albumin_bound_paclitaxel_is_told_by_its_text_alone() -> None:
    drafts = [e["resource"]["medicationCodeableConcept"] for e in draft_orders(story("gemnab-rising"), TODAY)["entry"]]
    paclitaxel = next(d for d in drafts if ("http://www.nlm.nih.gov/research/umls/rxnorm", "56946") in codes(d))
    assert paclitaxel["text"] == "paclitaxel protein-bound"
    assert ("http://www.whocc.no/atc", "L01CD01") in codes(paclitaxel)


def test_the_dutch_laboratory_uses_only_its_own_codes_and_si_units() -> None:
    resources = BUILT["dutch-new-diabetes"]
    laboratory = [o for o in of("Observation", resources) if o["category"][0]["text"] == "laboratory"]
    assert {system for o in laboratory for system, _ in codes(o["code"])} == {LOCAL_LABS}
    units = {o["valueQuantity"]["unit"] for o in laboratory}
    assert {"mmol/L", "mmol/mol", "µmol/L", "g/L"} <= units
    assert not {"mg/dL", "%", "g/dL"} & units
    everything = json.dumps(resources)
    assert "rxnorm" not in everything
    assert "icd-10-cm" not in everything


def test_the_dutch_story_says_the_same_as_the_first() -> None:
    here, there = story("new-diabetes"), story("dutch-new-diabetes")
    assert [e.topics for e in here.expects] == [e.topics for e in there.expects]
    for us, nl in zip(points(here.series["fasting-glucose"]), points(there.series["fasting-glucose"]), strict=True):
        assert nl.value == pytest.approx(us.value / 18.016, abs=0.06)
    for us, nl in zip(points(here.series["hba1c"]), points(there.series["hba1c"]), strict=True):
        assert nl.value == pytest.approx((us.value - 2.15) * 10.929, abs=0.6)


def test_wrong_units_are_sent_as_the_table_says_and_are_still_valid_fhir() -> None:
    row = story("wrong-unit")
    glucose, hba1c = values(row, "fasting-glucose"), values(row, "hba1c")
    assert not {"unit", "code", "system"} & set(glucose[-28]["valueQuantity"])
    assert hba1c[-28]["valueQuantity"]["unit"] == "g/L"


@every_story
def test_expectations_use_the_listed_topics_and_reasons_and_explain_themselves(row: Story) -> None:
    assert row.expected("patient-view") is not None
    assert len({e.hook for e in row.expects}) == len(row.expects)
    assert (row.expected("order-sign") is not None) == bool(row.drafts)
    for expected in row.expects:
        assert set(expected.topics) <= set(TOPICS)
        assert expected.topics or expected.reason  # both: one card is told, another is left out
        assert expected.reason in {"", *REASONS}
        assert expected.words.endswith(".")


def test_every_topic_and_reason_is_shown_by_some_story() -> None:
    assert {t for row in STORIES for e in row.expects for t in e.topics} == set(TOPICS)
    assert {e.reason for row in STORIES for e in row.expects} - {""} == set(REASONS)


@pytest.mark.parametrize("wrong", ["yesterday", "2026-10-24", "y2019", "-30d"])
def test_a_moment_in_another_notation_is_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a moment"):
        when(wrong)


def test_an_unknown_story_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="new-diabetes"):
        story("nobody")
