"""Resources shaped as published profiles say, one each: Nictiz nl-core (zibs 2020), US Core and mCODE STU4.

Written for these tests. Shapes and code systems are those of the profiles; the patient, the values and the numbers of
products (G-Standaard) and diagnoses (DHD) are made up, since what counts of those is the code system they stand in.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
ATC = "http://www.whocc.no/atc"
PRK, HPK = "urn:oid:2.16.840.1.113883.2.4.4.10", "urn:oid:2.16.840.1.113883.2.4.4.7"
GPK, ZI = "urn:oid:2.16.840.1.113883.2.4.4.1", "urn:oid:2.16.840.1.113883.2.4.4.8"
NHG_45 = "https://referentiemodel.nhg.org/tabellen/nhg-tabel-45-diagnostische-bepalingen"
NHG_45_OID = "urn:oid:2.16.840.1.113883.2.4.4.30.45"
DHD = "urn:oid:2.16.840.1.113883.2.4.3.120.5.1"
ICPC, ICPC_OID = "http://hl7.org/fhir/sid/icpc-1-nl", "urn:oid:2.16.840.1.113883.2.4.4.31.1"
ICD, ICD_NL = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-nl"
ICD_NL_OID = "urn:oid:2.16.840.1.113883.6.3.2"
ICD_CM = "http://hl7.org/fhir/sid/icd-10-cm"

_HL7 = "http://terminology.hl7.org/CodeSystem"
_NICTIZ = "http://nictiz.nl/fhir/StructureDefinition"
_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
_MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition"
PATIENT = {"reference": "Patient/p1"}


def coded(*codes: tuple[str, str], text: str = "") -> Json:
    found: Json = {"coding": [{"system": system, "code": code} for system, code in codes]} if codes else {}
    return found | ({"text": text} if text else {})


def quantity(value: float, unit: str, code: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def _resource(kind: str, id: str, profile: str, **content: Any) -> Json:
    return {"resourceType": kind, "id": id, "meta": {"profile": [profile]}, "subject": PATIENT, **content}


def _observation(id: str, profile: str, category: str, code: Json, at: str, **content: Any) -> Json:
    return _resource(
        "Observation",
        id,
        profile,
        status=content.pop("status", "final"),
        category=[coded((f"{_HL7}/observation-category", category)), *content.pop("beside", ())],
        code=code,
        effectiveDateTime=at,
        **content,
    )


# nl-core


def zib_panel() -> list[Json]:
    """LaboratoryTestResult of a panel: the panel itself, its two tests, and their specimen."""
    profile, at, kind = f"{_NICTIZ}/nl-core-LaboratoryTestResult", "2026-11-02T08:15:00+01:00", "laboratory"
    specimen = {"specimen": {"reference": "Specimen/s1"}}
    bilirubin = _observation(
        "test-1", profile, kind, coded((LOINC, "14631-6")), at,
        valueQuantity=quantity(85, "µmol/l", "umol/L"),
        referenceRange=[{"low": quantity(0, "µmol/l", "umol/L"), "high": quantity(17, "µmol/l", "umol/L")}],
        **specimen,
    )  # fmt: skip
    phosphatase = _observation(
        "test-2", profile, kind, coded((NHG_45, "made-up"), (LOINC, "6768-6")), at, status="preliminary",
        valueQuantity=quantity(310, "E/l", "U/L"), **specimen,
    )  # fmt: skip
    members = [{"reference": f"Observation/{test['id']}"} for test in (bilirubin, phosphatase)]
    panel = _observation("panel", profile, kind, coded((LOINC, "24325-3")), at, hasMember=members, **specimen)
    material = _resource(
        "Specimen", "s1", f"{_NICTIZ}/nl-core-LaboratoryTestResult.Specimen",
        type=coded((SNOMED, "119364003")), collection={"collectedDateTime": "2026-11-02T07:50:00+01:00"},
    )  # fmt: skip
    return [panel, bilirubin, phosphatase, material]


def zib_laboratory_test(code: Json, value: Json) -> Json:
    profile = f"{_NICTIZ}/nl-core-LaboratoryTestResult"
    return _observation("test", profile, "laboratory", code, "2026-11-02", valueQuantity=value)


def zib_body_weight() -> Json:
    """With the clothes that were worn, which are a component."""
    clothes = {"code": coded((SNOMED, "248159006")), "valueCodeableConcept": coded(text="ondergoed")}
    return _observation(
        "weight", f"{_NICTIZ}/nl-core-BodyWeight", "vital-signs", coded((LOINC, "29463-7")), "2026-11-01",
        valueQuantity=quantity(71.5, "kg", "kg"), component=[clothes],
    )  # fmt: skip


def zib_medication_agreement(*codes: tuple[str, str], stop: bool = False, period: str = "2026-03-02") -> list[Json]:
    """The agreement, and its product beside it. ``stop``: it ends the use of the drug, ten months later."""
    product = {
        "resourceType": "Medication",
        "id": "product",
        "meta": {"profile": [f"{_NICTIZ}/nl-core-PharmaceuticalProduct"]},
        "code": coded(*codes, text="een middel"),
    }
    agreement = _resource(
        "MedicationRequest", "agreement", f"{_NICTIZ}/nl-core-MedicationAgreement",
        status="stopped" if stop else "active", intent="order", category=[coded((SNOMED, "16076005"))],
        medicationReference={"reference": "Medication/product"},
        authoredOn="2026-11-10T10:00:00+01:00" if stop else "2026-03-02T10:00:00+01:00",
    )  # fmt: skip
    if period:
        agreement["extension"] = [{"url": f"{_NICTIZ}/ext-TimeInterval.Period", "valuePeriod": {"start": period}}]
    if stop:
        agreement["modifierExtension"] = [
            {"url": f"{_NICTIZ}/ext-StopType", "valueCodeableConcept": coded((SNOMED, "113371000146109"))}
        ]
    return [agreement, product]


def zib_problem(
    *codes: tuple[str, str], verification: tuple[tuple[str, str], ...] = (), clinical: tuple[str, str] | None = None
) -> Json:
    """Confirmed and active unless said otherwise, each in HL7's words with the zib's beside the first."""
    confirmed = ((f"{_HL7}/condition-ver-status", "confirmed"), (SNOMED, "410605003"))
    return _resource(
        "Condition", "problem", f"{_NICTIZ}/nl-core-Problem",
        clinicalStatus=coded(clinical or (f"{_HL7}/condition-clinical", "active")),
        verificationStatus=coded(*(verification or confirmed)),
        category=[coded((SNOMED, "282291009"))], code=coded(*codes), onsetDateTime="2026-09",
    )  # fmt: skip


# US Core


def us_core_laboratory_result() -> Json:
    return _observation(
        "lab", f"{_US_CORE}/us-core-observation-lab", "laboratory", coded((LOINC, "2345-7"), text="Glucose"),
        "2026-11-03T09:00:00-05:00", valueQuantity=quantity(141, "mg/dL", "mg/dL"),
        referenceRange=[
            {
                "low": quantity(70, "mg/dL", "mg/dL"),
                "high": quantity(99, "mg/dL", "mg/dL"),
                "type": coded((f"{_HL7}/referencerange-meaning", "normal")),
                "text": "70 - 99 mg/dL",
            }
        ],
    )  # fmt: skip


def us_core_body_weight() -> Json:
    return _observation(
        "weight", f"{_US_CORE}/us-core-body-weight", "vital-signs", coded((LOINC, "29463-7"), (LOINC, "3141-9")),
        "2026-11-03", valueQuantity=quantity(158, "lbs", "[lb_av]"),
    )  # fmt: skip


def us_core_condition() -> Json:
    return _resource(
        "Condition", "problem", f"{_US_CORE}/us-core-condition-problems-health-concerns",
        clinicalStatus=coded((f"{_HL7}/condition-clinical", "resolved")),
        verificationStatus=coded((f"{_HL7}/condition-ver-status", "confirmed")),
        category=[coded((f"{_HL7}/condition-category", "problem-list-item"))],
        code=coded((SNOMED, "18165001"), (ICD_CM, "R17")), recordedDate="2026-10-20",
    )  # fmt: skip


# mCODE


def mcode_primary_cancer() -> Json:
    histology = {"url": f"{_MCODE}/mcode-histology-morphology-behavior", "valueCodeableConcept": coded()}
    histology["valueCodeableConcept"] = coded((SNOMED, "35917007"))
    return _resource(
        "Condition", "cancer", f"{_MCODE}/mcode-primary-cancer-condition",
        extension=[histology], clinicalStatus=coded((f"{_HL7}/condition-clinical", "active")),
        verificationStatus=coded((f"{_HL7}/condition-ver-status", "confirmed")),
        category=[coded((f"{_HL7}/condition-category", "problem-list-item"))],
        code=coded((SNOMED, "372003004"), (ICD_CM, "C25.0")), bodySite=[coded((SNOMED, "15776009"))],
        onsetDateTime="2026-10-05",
    )  # fmt: skip


def mcode_stage_group(stage: tuple[str, str]) -> Json:
    return _resource(
        "Observation", "stage", f"{_MCODE}/mcode-tnm-stage-group",
        status="final", code=coded((SNOMED, "399537006")), focus=[{"reference": "Condition/cancer"}],
        effectiveDateTime="2026-10-12", method=coded((SNOMED, "897275008")), valueCodeableConcept=coded(stage),
        hasMember=[{"reference": "Observation/m"}],
    )  # fmt: skip


def mcode_tumour_marker() -> Json:
    return _observation(
        "marker", f"{_MCODE}/mcode-tumor-marker-test", "laboratory", coded((LOINC, "24108-3")), "2026-10-12",
        valueQuantity=quantity(412, "[arb'U]/mL", "[arb'U]/mL"),
    )  # fmt: skip


def mcode_ecog() -> Json:
    return _observation(
        "ecog", f"{_MCODE}/mcode-ecog-performance-status", "survey", coded((LOINC, "89247-1")), "2026-10-12",
        valueInteger=1, interpretation=[coded((LOINC, "LA9623-5"))],
    )  # fmt: skip
