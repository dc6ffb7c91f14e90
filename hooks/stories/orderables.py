"""What can be ordered in the demonstration: laboratory, imaging and treatment, as a hospital's order sets name them.

An order of several drugs is several prescriptions, as order-entry systems make it. Codes are those the stories are
written in (``codes``); a row without a general code has one of this example's own, as in the packaged policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from hooks.stories import codes
from hooks.stories.chart import Chart, Resource, concept
from hooks.stories.codes import ANALYTES, REGIMENS
from hooks.stories.story import Story

Group = Literal["laboratory", "imaging", "treatment"]
_CATEGORY = {
    "laboratory": ("108252007", "Laboratory procedure"),
    "imaging": ("363679005", "Imaging"),
}
_OWN = "urn:cds:order"
"""Orders for which no general code was verified."""


@dataclass(frozen=True)
class Orderable:
    """One line of the catalogue. ``code``: of a service (system, code, display); ``drugs``: of a prescription."""

    id: str
    group: Group
    name: Mapping[str, str]
    also: str = ""
    """Other words it is found by."""
    code: tuple[str, str, str] | None = None
    drugs: tuple[str, ...] = ()


def _lab(analyte: str, en: str, nl: str, also: str = "") -> Orderable:
    row = ANALYTES[analyte]
    return Orderable(analyte, "laboratory", {"en": en, "nl": nl}, also, (row.system, row.loinc, row.display))


def _imaging(id: str, en: str, nl: str, code: tuple[str, str, str], also: str = "") -> Orderable:
    return Orderable(id, "imaging", {"en": en, "nl": nl}, also, code)


def _regimen(id: str, en: str, nl: str, drugs: tuple[str, ...], also: str = "") -> Orderable:
    return Orderable(id, "treatment", {"en": en, "nl": nl}, f"{also} {' '.join(drugs)}".strip(), drugs=drugs)


ORDERABLES: tuple[Orderable, ...] = (
    _lab("ca19-9", "CA 19-9", "CA 19-9", "tumour marker tumormarker CA199"),
    _lab("hba1c", "HbA1c", "HbA1c", "diabetes glucose"),
    _lab("fasting-glucose", "Fasting glucose", "Glucose nuchter", "diabetes suiker"),
    _lab("bilirubin", "Total bilirubin", "Bilirubine totaal", "jaundice geelzucht liver lever"),
    _lab("albumin", "Albumin", "Albumine", "nutrition voeding"),
    _lab("crp", "CRP", "CRP", "inflammation ontsteking"),
    _lab("creatinine", "Creatinine", "Kreatinine", "kidney nier"),
    Orderable(
        "blood-count", "laboratory", {"en": "Blood count with differential", "nl": "Bloedbeeld met differentiatie"},
        "CBC neutrophils lymphocytes leukocytes neutrofielen lymfocyten",
        (codes.LOINC, "57021-8", "CBC W Auto Differential panel - Blood"),
    ),
    Orderable(
        "dpyd", "laboratory", {"en": "DPYD genotype", "nl": "DPYD-genotypering"}, "pharmacogenetics farmacogenetica",
        (_OWN, "dpyd-genotype", "DPYD genotype"),
    ),
    _imaging("ct-pancreas", "CT pancreas, pancreas protocol", "CT pancreas, pancreasprotocol",
             (codes.LOINC, "79103-8", "CT Abdomen W contrast IV"), "abdomen buik"),
    _imaging("ct-restaging", "CT chest and abdomen, restaging", "CT thorax en abdomen, restadiëring",
             (codes.SNOMED, "418891003", "CT of chest and abdomen"), "response respons"),
    _imaging("mr-pancreas", "MRI pancreas with MRCP", "MRI pancreas met MRCP",
             (_OWN, "mr-pancreas", "MRI of the pancreas with MRCP"), "bile duct galwegen cyst"),
    _imaging("eus", "Endoscopic ultrasound", "Endoscopische echografie",
             (_OWN, "eus", "Endoscopic ultrasound of the pancreas"), "EUS biopsy biopt cyst"),
    _regimen("folfirinox", "FOLFIRINOX", "FOLFIRINOX", REGIMENS["folfirinox"], "chemotherapy chemotherapie"),
    _regimen("nalirifox", "NALIRIFOX", "NALIRIFOX", REGIMENS["nalirifox"], "chemotherapy chemotherapie"),
    _regimen("gemcitabine-nab-paclitaxel", "Gemcitabine + nab-paclitaxel", "Gemcitabine + nab-paclitaxel",
             REGIMENS["gemcitabine-nab-paclitaxel"], "chemotherapy chemotherapie"),
    _regimen("gemcitabine", "Gemcitabine", "Gemcitabine", ("gemcitabine",), "chemotherapy chemotherapie"),
    _regimen("gemcitabine-capecitabine", "Gemcitabine + capecitabine", "Gemcitabine + capecitabine",
             ("gemcitabine", "capecitabine"), "chemotherapy chemotherapie adjuvant"),
    _regimen("olaparib", "Olaparib", "Olaparib", ("olaparib",), "maintenance onderhoud BRCA"),
    _regimen("pancreatic-enzymes", "Pancreatic enzymes", "Pancreasenzymen", ("pancreatic-enzymes",)),
)  # fmt: skip


def orders(orderable: Orderable, story: Story, today: date) -> list[Resource]:
    """Unsigned orders for that patient, without ids: the FHIR server gives them."""
    chart = Chart(story, today)
    common = {
        "status": "draft", "intent": "order", "subject": chart.subject, "requester": chart.practitioner,
        "authoredOn": today.isoformat(),
    }  # fmt: skip
    if orderable.drugs:
        return [
            {"resourceType": "MedicationRequest", **common, "medicationCodeableConcept": chart.medication(drug)}
            for drug in orderable.drugs
        ]
    assert orderable.code is not None
    code, display = _CATEGORY[orderable.group]
    text = orderable.name["nl" if story.flavour == "nl" else "en"]
    return [
        {
            "resourceType": "ServiceRequest", **common, "priority": "routine",
            "category": [concept(display, (codes.SNOMED, code, display))], "code": concept(text, orderable.code),
        }
    ]  # fmt: skip
