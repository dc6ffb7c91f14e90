"""One patient's chart being written: every kind of FHIR R4 resource a story uses, with deterministic ids.

Nothing here knows what is told; it knows how a hospital of either flavour writes it down.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import date, timedelta
from typing import Any

from hooks.stories import codes
from hooks.stories.codes import ANALYTES, CONDITIONS, DRUGS, PROCEDURES, STUDIES, USUAL, Term
from hooks.stories.story import Point, Story, Unit, When

Resource = dict[str, Any]

_ABBREVIATIONS = {
    "Observation": "obs",
    "Condition": "cond",
    "Encounter": "enc",
    "MedicationRequest": "rx",
    "MedicationAdministration": "adm",
    "Procedure": "proc",
    "ImagingStudy": "img",
    "ServiceRequest": "order",
    "DiagnosticReport": "report",
    "FamilyMemberHistory": "fam",
}
_HL7 = "http://terminology.hl7.org/CodeSystem"
_ENCOUNTERS = {
    "check-up": ("185349003", "Encounter for check up"),
    "problem": ("185347001", "Encounter for problem"),
    "follow-up": ("390906007", "Follow-up encounter"),
}
_SMOKING = {
    "never": ("266919005", "Never smoked tobacco"),
    "ex": ("8517006", "Ex-smoker"),
    "daily": ("449868002", "Smokes tobacco daily"),
}


def concept(text: str, *codings: tuple[str, str, str]) -> Resource:
    """CodeableConcept of the codings that have a code."""
    found = [{"system": s, "code": c, "display": d} for s, c, d in codings if c]
    return {"coding": found, "text": text} if found else {"text": text}


def _status(system: str, code: str) -> Resource:
    return {"coding": [{"system": f"{_HL7}/{system}", "code": code}]}


class Chart:
    """Collects the resources of one story, dated by offset from ``today``."""

    def __init__(self, story: Story, today: date) -> None:
        self.story = story
        self.today = today
        self.resources: list[Resource] = []
        self._counts: Counter[str] = Counter()
        self._zone = "-05:00" if story.flavour == "us" else "+01:00"

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.story.id}"}

    @property
    def practitioner(self) -> Resource:
        return {"reference": f"Practitioner/{self.story.id}-prac"}

    def at(self, offset: int, hour: int = 9, minute: int = 30) -> str:
        return f"{(self.today + timedelta(days=offset)).isoformat()}T{hour:02d}:{minute:02d}:00{self._zone}"

    def make(self, kind: str, **content: Any) -> Resource:
        """A resource with the next id of its kind, not yet in the chart."""
        self._counts[kind] += 1
        identity = f"{self.story.id}-{_ABBREVIATIONS[kind]}-{self._counts[kind]:04d}"
        return {"resourceType": kind, "id": identity, **content}

    def add(self, kind: str, **content: Any) -> Resource:
        resource = self.make(kind, **content)
        self.resources.append(resource)
        return resource

    def encounter(self, offset: int, why: str) -> Resource:
        code, display = _ENCOUNTERS[why]
        return self.add(
            "Encounter",
            status="finished",
            **{"class": {"system": f"{_HL7}/v3-ActCode", "code": "AMB", "display": "ambulatory"}},
            type=[concept(display, (codes.SNOMED, code, display))],
            subject=self.subject,
            participant=[{"individual": self.practitioner}],
            period={"start": self.at(offset, 9, 0), "end": self.at(offset, 9, 20)},
        )

    def measurement(
        self,
        analyte: str,
        point: Point,
        *,
        unit: Unit | None = None,
        status: str = "final",
        display: str | None = None,
        encounter: Resource | None = None,
    ) -> Resource:
        """An Observation in the flavour's code and unit, or in the unit a row says the laboratory sent."""
        row = ANALYTES[analyte]
        if self.story.flavour == "nl" and row.local:
            code = concept(row.local_display, (codes.LOCAL_LABS, row.local, row.local_display))
        else:
            code = concept(row.display, (row.system, row.loinc, display or row.display))
        reported = row.reported(self.story.flavour)
        sent = unit or Unit(reported.unit, reported.ucum)
        quantity: Resource = {"value": point.value}
        if point.comparator:
            quantity["comparator"] = point.comparator
        if sent.unit:
            quantity["unit"] = sent.unit
        if sent.ucum:
            quantity |= {"system": codes.UCUM, "code": sent.ucum}
        value: Resource = {"valueInteger": int(point.value)} if analyte == "ecog" else {"valueQuantity": quantity}
        if analyte in USUAL and unit is None:
            value["referenceRange"] = [self._usual(USUAL[analyte][self.story.flavour], sent)]
        return self._observation(row.category, code, point.offset, status, value, encounter)

    def _usual(self, limits: tuple[float | None, float], unit: Unit) -> Resource:
        told = {"unit": unit.unit, "system": codes.UCUM, "code": unit.ucum}
        return {
            name: {"value": limit, **told}
            for name, limit in zip(("low", "high"), limits, strict=True)
            if limit is not None
        }

    def smoking(self, offset: int) -> None:
        if self.story.smoking is None:
            return
        code, display = _SMOKING[self.story.smoking]
        self._observation(
            "social-history",
            concept("Tobacco smoking status", (codes.LOINC, "72166-2", "Tobacco smoking status")),
            offset,
            "final",
            {"valueCodeableConcept": concept(display, (codes.SNOMED, code, display))},
        )

    def coded(self, loinc: str, display: str, offset: int, value: Resource, **more: Any) -> Resource:
        code = concept(display, (codes.LOINC, loinc, display))
        return self._observation("laboratory", code, offset, "final", {"valueCodeableConcept": value, **more})

    def expression(self, symbol: str, offset: int, level: float) -> None:
        text = f"{symbol} expression"
        code = concept(text, (codes.EXPRESSION, symbol, text))
        quantity = {"value": level, "unit": "TPM", "system": codes.UCUM, "code": "{TPM}"}
        self._observation("laboratory", code, offset, "final", {"valueQuantity": quantity})

    def blood_pressure(self, offset: int, systolic: int, diastolic: int, encounter: Resource) -> None:
        parts = (("8480-6", "Systolic blood pressure", systolic), ("8462-4", "Diastolic blood pressure", diastolic))
        components = [
            {
                "code": concept(text, (codes.LOINC, code, text)),
                "valueQuantity": {"value": value, "unit": "mmHg", "system": codes.UCUM, "code": "mm[Hg]"},
            }
            for code, text, value in parts
        ]
        panel = concept("Blood pressure", (codes.LOINC, "85354-9", "Blood pressure panel with all children optional"))
        self._observation("vital-signs", panel, offset, "final", {"component": components}, encounter)

    def _observation(
        self,
        category: str,
        code: Resource,
        offset: int,
        status: str,
        value: Resource,
        encounter: Resource | None = None,
    ) -> Resource:
        more = {"encounter": {"reference": f"Encounter/{encounter['id']}"}} if encounter else {}
        return self.add(
            "Observation",
            status=status,
            category=[concept(category, (f"{_HL7}/observation-category", category, category))],
            code=code,
            subject=self.subject,
            effectiveDateTime=self.at(offset, 8, 10 + self._counts["Observation"] % 40),
            **more,
            **value,
        )

    def term(self, row: Term, *, display: str | None = None) -> Resource:
        classification = (codes.ICD10CM, row.cm) if self.story.flavour == "us" else (codes.ICD10, row.who)
        text = row.text if self.story.flavour == "us" else row.text_nl
        return concept(
            text,
            (codes.SNOMED, row.snomed, display or row.snomed_display),
            (*classification, text),
        )

    def condition(
        self,
        name: str,
        when: When,
        *,
        clinical: str = "active",
        verification: str = "confirmed",
        display: str | None = None,
        **more: Any,
    ) -> Resource:
        # FHIR forbids a clinical status on what was entered in error
        status = (
            {} if verification == "entered-in-error" else {"clinicalStatus": _status("condition-clinical", clinical)}
        )
        return self.add(
            "Condition",
            **status,
            verificationStatus=_status("condition-ver-status", verification),
            category=[_status("condition-category", "problem-list-item")],
            code=self.term(CONDITIONS[name], display=display),
            subject=self.subject,
            onsetDateTime=when.text(self.today),
            recordedDate=when.text(self.today),
            **more,
        )

    def medication(self, name: str) -> Resource:
        row = DRUGS[name]
        display = row.ingredient or row.text
        rxnorm = row.rxnorm if self.story.flavour == "us" else ""
        return concept(row.text, (codes.RXNORM, rxnorm, display), (codes.ATC, row.atc, display))

    def prescription(self, name: str, offset: int, status: str = "active") -> Resource:
        return self.add(
            "MedicationRequest",
            status=status,
            intent="order",
            medicationCodeableConcept=self.medication(name),
            subject=self.subject,
            authoredOn=self.at(offset, 9, 15),
            requester=self.practitioner,
        )

    def administration(self, name: str, offset: int) -> None:
        self.add(
            "MedicationAdministration",
            status="completed",
            medicationCodeableConcept=self.medication(name),
            subject=self.subject,
            effectiveDateTime=self.at(offset, 11, 0),
        )

    def procedure(self, name: str, when: When, status: str = "completed") -> None:
        performed = {"performedDateTime": when.text(self.today)} if status != "not-done" else {}
        code = self.term(PROCEDURES[name])
        self.add("Procedure", status=status, code=code, subject=self.subject, **performed)

    def order(self, name: str, offset: int, status: str = "active") -> None:
        if name in STUDIES:
            study = STUDIES[name]
            code = concept(study.text, (codes.LOINC, study.loinc, study.loinc_display))
        else:
            code = self.term(PROCEDURES[name])
        self.add(
            "ServiceRequest",
            status=status,
            intent="order",
            code=code,
            subject=self.subject,
            authoredOn=self.at(offset, 9, 18),
            requester=self.practitioner,
        )

    def study(self, name: str, offset: int, status: str = "available") -> None:
        row = STUDIES[name]
        modality = {"system": codes.DCM, "code": row.modality}
        resource = self.make(
            "ImagingStudy",
            status=status,
            modality=[modality],
            subject=self.subject,
            started=self.at(offset, 14, 5),
            procedureCode=[concept(row.text, (codes.LOINC, row.loinc, row.loinc_display))],
            description=row.text,
        )
        uid = "2.25." + str(int.from_bytes(hashlib.sha256(resource["id"].encode()).digest()[:12], "big"))
        resource["identifier"] = [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}]
        if status == "available":
            site = {"system": codes.SNOMED, "code": row.body_site, "display": row.body_site_display}
            resource["series"] = [
                {"uid": f"{uid}.1", "number": 1, "modality": modality, "bodySite": site, "numberOfInstances": 120}
            ]
        else:
            resource["procedureCode"][0]["text"] = f"{row.text} (cancelled)"
        self.resources.append(resource)

    def report(self, offset: int, loinc: str, display: str, results: list[Resource]) -> None:
        category = concept("Laboratory", (f"{_HL7}/v2-0074", "LAB", "Laboratory"))
        self.add(
            "DiagnosticReport",
            status="final",
            category=[category],
            code=concept(display, (codes.LOINC, loinc, display)),
            subject=self.subject,
            effectiveDateTime=self.at(offset, 8, 0),
            issued=self.at(offset, 12, 0),
            result=[{"reference": f"Observation/{r['id']}"} for r in results],
        )
