"""Before the scan that a risk card asks for, it tells of imaging that may have been that scan, and of a pregnancy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from story_house import TODAY, House

from cds.record.facts import Fact, Record
from cds.record.moments import parse
from hooks import risk_before_scan, stories

NEW = stories.story("new-diabetes")
PREGNANCY = "A pregnancy is on record"


def imaging(days_ago: int = 7, modality: str = "CT", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ImagingStudy",
        "id": f"scan-{days_ago}",
        "status": "available",
        "subject": {"reference": f"Patient/{NEW.id}"},
        "started": (TODAY - timedelta(days=days_ago)).isoformat(),
        **({"modality": [{"code": modality}]} if modality else {}),
    } | more


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def pregnant(days_ago: int | None = 60, code: str = "77386006", status: str = "active") -> dict[str, Any]:
    system = "http://hl7.org/fhir/sid/icd-10" if code[0].isalpha() else "http://snomed.info/sct"
    onset = {} if days_ago is None else {"onsetDateTime": (TODAY - timedelta(days=days_ago)).isoformat()}
    return {
        "resourceType": "Condition",
        "id": "pregnant",
        "clinicalStatus": coded("http://terminology.hl7.org/CodeSystem/condition-clinical", status),
        "code": coded(system, code),
        "subject": {"reference": f"Patient/{NEW.id}"},
    } | onset


def pregnancy_status(answer: str, days_ago: int = 20) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"status-{days_ago}",
        "status": "final",
        "code": coded("http://loinc.org", "82810-3"),
        "subject": {"reference": f"Patient/{NEW.id}"},
        "effectiveDateTime": (TODAY - timedelta(days=days_ago)).isoformat(),
        "valueCodeableConcept": coded("http://loinc.org", answer),
    }


def card(house: House, *beside: dict[str, Any], language: str = "en") -> dict[str, Any]:
    (found,) = house.ask(NEW, "patient-view", language, beside)["pancreas-risk"]
    return found


def first_paragraph(card: dict[str, Any]) -> str:
    return str(card["detail"]).partition("\n\n")[0]


def recommended(card: dict[str, Any]) -> list[str]:
    return [s["label"] for s in card["suggestions"] if s.get("isRecommended")]


@pytest.mark.parametrize(
    ("study", "told"),
    [
        pytest.param(imaging(description="CT abdomen"), "CT of 16 Nov 2026 (“CT abdomen”)", id="described"),
        pytest.param(
            imaging(procedureCode=[coded("http://snomed.info/sct", "169070004")]),
            "CT of 16 Nov 2026",
            id="another code",
        ),
        pytest.param(imaging(modality="MR", description="MRCP"), "MR of 16 Nov 2026 (“MRCP”)", id="MR"),
        pytest.param(
            imaging(modality="", description="CT buik"), "a study of 16 Nov 2026 (“CT buik”)", id="no modality"
        ),
        pytest.param(
            imaging(description="[CT](http://x.example) <b>abdomen"),
            "CT of 16 Nov 2026 (“CT (http //x example) b abdomen”)",
            id="what Markdown would read is taken out",
        ),
    ],
)
def test_imaging_whose_region_no_code_tells_is_named_and_holds_no_card_back(
    house: House, study: dict[str, Any], told: str
) -> None:
    found = card(house, study)
    sentence = f"Imaging is on record whose region or kind this service can't read: {told}. See it first."
    assert first_paragraph(found).endswith(f"** {sentence}")
    assert "Order CT of the pancreas (pancreas protocol), urgent" in recommended(found)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "(“CT abdomen”). See it as well; the referral need not wait for it."),
        ("nl", "(‘CT abdomen’). Bekijk die ook; de verwijzing hoeft er niet op te wachten."),
    ],
)
def test_a_referral_waits_for_no_imaging_of_nobody_knows_what(house: House, language: str, said: str) -> None:
    story = stories.story("jaundice-head")
    study = imaging(days_ago=2, description="CT abdomen") | {"subject": {"reference": f"Patient/{story.id}"}}
    (found,) = house.ask(story, "patient-view", language, (study,))["pancreas-risk"]
    assert first_paragraph(found).endswith(said)


def test_it_is_named_in_dutch(house: House) -> None:
    text = first_paragraph(card(house, imaging(description="CT abdomen"), language="nl"))
    assert "lichaamsdeel of soort niet kan lezen: CT van 16 nov 2026 (‘CT abdomen’). Bekijk die eerst." in text


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(imaging(60), id="before the finding"),
        pytest.param(imaging(-3), id="in the future"),
        pytest.param(imaging(modality="US", description="Echo abdomen"), id="no modality that counts"),
        pytest.param(imaging(status="cancelled", description="CT abdomen"), id="never made"),
    ],
)
def test_what_could_not_have_answered_is_not(house: House, study: dict[str, Any]) -> None:
    assert "Imaging is on record" not in card(house, study)["detail"]


def test_a_scan_beside_an_ultrasound_of_the_abdomen_is_named_too(house: House) -> None:
    abdomen = {"system": "http://snomed.info/sct", "code": "818983003"}
    series = [{"modality": {"code": "US"}, "bodySite": abdomen}, {"modality": {"code": "CT"}, "description": "buik"}]
    assert "CT of 16 Nov 2026 (“buik”)" in first_paragraph(card(house, imaging(modality="", series=series)))


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param((pregnant(),), id="SNOMED CT"),
        pytest.param((pregnant(code="O24.4"),), id="ICD-10"),
        pytest.param((pregnant(code="Z34"),), id="supervision"),
        pytest.param((pregnancy_status("LA15173-0"),), id="status"),
        pytest.param((pregnancy_status("LA26683-5", 90), pregnant(60)), id="denied before"),
    ],
)
def test_a_pregnancy_is_told_and_the_ct_is_not_chosen_beforehand(
    house: House, beside: tuple[dict[str, Any], ...]
) -> None:
    found = card(house, *beside)
    assert f"{PREGNANCY} (" in first_paragraph(found)
    assert "weigh ultrasound or MRI against CT" in first_paragraph(found)
    assert "Order CT of the pancreas (pancreas protocol), urgent" in [s["label"] for s in found["suggestions"]]
    assert recommended(found) == [s for s in recommended(found) if "CT" not in s]


def test_a_pregnancy_is_told_in_dutch(house: House) -> None:
    assert "Er is een zwangerschap vastgelegd (24 sep 2026)" in first_paragraph(card(house, pregnant(), language="nl"))


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param((pregnant(330),), id="longer ago than ten months"),
        pytest.param((pregnant(None),), id="without a date, at 67"),
        pytest.param((pregnant(status="resolved"),), id="over"),
        pytest.param((pregnant(60), pregnancy_status("LA26683-5")), id="denied since"),
        pytest.param((pregnancy_status("LA15173-0", 330),), id="a status of long ago"),
        pytest.param((pregnant(code="O80"),), id="delivery"),
    ],
)
def test_a_pregnancy_that_is_over_is_not(house: House, beside: tuple[dict[str, Any], ...]) -> None:
    found = card(house, *beside)
    assert PREGNANCY not in found["detail"]
    assert "Order CT of the pancreas (pancreas protocol), urgent" in recommended(found)


@pytest.mark.parametrize(("age", "told"), [(44, True), (55, True), (56, False)])
def test_without_a_date_it_counts_in_who_may_be_pregnant(age: int, told: bool) -> None:
    record = Record(now=TODAY, patient_id="p", birth=parse(f"{TODAY.year - age}-01-01"))
    record.add(Fact(risk_before_scan.PREGNANCY, "Condition/pregnant", None, status="active"))
    assert (risk_before_scan.pregnancy(record) is not None) is told
