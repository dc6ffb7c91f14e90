"""A month's report as FHIR: one MeasureReport (R4, type summary) for each model and site, in a Bundle.

R4 has no place for an interval, so it stands in an extension (``urn:cds:interval``). Each is validated (R4B) before it
goes out. No patient, and of a subgroup no count below the charter's smallest cell: findings hold none. Of everybody
together small ones are told: that two people had the outcome is why there is no measure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir.resources.R4B.bundle import Bundle

from cds.committee.monthly import Monthly
from cds.ledger.verdicts import Verdict

MEASURE = "urn:cds:measure"
INTERVAL = "urn:cds:interval"


def bundle(found: Monthly, reporter: str) -> dict[str, Any]:
    """Raises ValueError for what is no valid Bundle."""
    made: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": found.until.isoformat(),
        "entry": [
            {"fullUrl": f"urn:uuid:{verdict.id}", "resource": report(found, verdict, reporter)}
            for verdict in found.verdicts
        ],
    }
    if not made["entry"]:
        del made["entry"]
    Bundle.model_validate(made)
    return made


def report(found: Monthly, verdict: Verdict, reporter: str) -> dict[str, Any]:
    return {
        "resourceType": "MeasureReport",
        "id": verdict.id,
        "status": "complete",
        "type": "summary",
        "measure": f"{MEASURE}:{verdict.model}|{verdict.model_version}",
        "date": verdict.at.isoformat(),
        "reporter": {"display": f"{reporter} ({verdict.site})"},
        "period": {"start": found.since.date().isoformat(), "end": found.last_day.isoformat()},
        "group": [
            {"code": {"coding": [{"system": MEASURE, "code": "verdict"}], "text": verdict.level}},
            *(_group(finding) for finding in verdict.findings if finding["measure"] != "followed"),
        ],
    }


def _group(finding: Mapping[str, Any]) -> dict[str, Any]:
    name = f"{finding['measure']}: {finding['about']}" if finding["about"] else finding["measure"]
    group: dict[str, Any] = {"code": {"coding": [{"system": MEASURE, "code": finding["measure"]}], "text": name}}
    if "value" not in finding:
        # why there is no number is what the reader has to know
        group["measureScore"] = {"extension": [{"url": _ABSENT, "valueCode": "not-applicable"}]}
        group["code"]["text"] = f"{name}: {finding['lacking']}"
        return group
    group["measureScore"] = {"value": finding["value"]}
    if finding["measure"] != "drift":
        bounds = {"low": {"value": finding["lower"]}}
        if finding["upper"] is not None:
            bounds["high"] = {"value": finding["upper"]}
        group["measureScore"]["extension"] = [{"url": INTERVAL, "valueRange": bounds}]
    group["population"] = [
        {"code": {"coding": [{"system": _POPULATION, "code": "denominator"}]}, "count": finding["n"]},
        {"code": {"coding": [{"system": _POPULATION, "code": "numerator"}]}, "count": finding["events"]},
    ]
    return group


_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_POPULATION = "http://terminology.hl7.org/CodeSystem/measure-population"
