"""From a row of the table to FHIR R4: the key facts, inside the years that ``history`` writes around them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import cast

from hooks.stories import codes, genes, history, pathology
from hooks.stories.chart import Chart, Resource, concept
from hooks.stories.codes import REGIMENS
from hooks.stories.story import Story, dated, points

_TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
_POUND = 0.45359237


def build(story: Story, today: date) -> list[Resource]:
    """Every resource of the story, Patient first. The same story and day give the same resources, anew each time."""
    return cast(list[Resource], json.loads(_written(story, today)))


@lru_cache(maxsize=64)
def _written(story: Story, today: date) -> str:
    """As JSON: years of visits cost more to write than to read, and every page of the demonstration reads them."""
    chart = Chart(story, today)
    chart.resources += [_patient(story, today), _practitioner(story)]
    history.write(chart)
    _values(chart)
    _facts(chart)
    _stage(chart)
    for finding in story.findings:
        genes.FINDINGS[finding](chart)
    for resource in chart.resources:
        resource["meta"] = {"tag": [_TEST_DATA]}
    return json.dumps(chart.resources)


def bundle(story: Story, today: date) -> Resource:
    """A transaction that loads the story into any FHIR server, and can be run again."""
    entries = [
        {
            "fullUrl": f"https://stories.invalid/fhir/{r['resourceType']}/{r['id']}",
            "resource": r,
            "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"},
        }
        for r in build(story, today)
    ]
    return {"resourceType": "Bundle", "id": story.id, "type": "transaction", "entry": entries}


def draft_orders(story: Story, today: date) -> Resource:
    """The ``draftOrders`` of order-select and order-sign: unsigned prescriptions, one a drug; may be empty."""
    chart = Chart(story, today)
    counts: Counter[str] = Counter()
    entries = []
    for name in (drug for word in story.drafts for drug in REGIMENS.get(word, (word,))):
        counts[name] += 1
        resource = {
            "resourceType": "MedicationRequest",
            "id": f"{story.id}-draft-{sum(counts.values()):02d}",
            "meta": {"tag": [_TEST_DATA]},
            "status": "draft",
            "intent": "order",
            "medicationCodeableConcept": chart.medication(name),
            "subject": chart.subject,
            "authoredOn": today.isoformat(),
            "requester": chart.practitioner,
        }
        entries.append({"resource": resource})
    content: Resource = {"resourceType": "Bundle", "id": f"{story.id}-drafts", "type": "collection"}
    return content | ({"entry": entries} if entries else {})


def _patient(story: Story, today: date) -> Resource:
    # born so that the age holds today, whatever day that is
    since_birthday = Random(f"{story.id} birthday").randint(20, 330)  # nosec B311
    birthday = today - timedelta(days=since_birthday)
    leap_safe = birthday.replace(day=28) if (birthday.month, birthday.day) == (2, 29) else birthday
    patient: Resource = {
        "resourceType": "Patient",
        "id": story.id,
        "active": True,
        "name": [{"use": "official", "family": "Testpatient", "given": [story.given]}],
        "gender": story.sex,
        "birthDate": leap_safe.replace(year=leap_safe.year - story.age).isoformat(),
        "address": [{"country": "US" if story.flavour == "us" else "NL"}],
        "communication": [
            {
                "language": concept(
                    "English" if story.flavour == "us" else "Nederlands",
                    ("urn:ietf:bcp:47", "en-US" if story.flavour == "us" else "nl-NL", ""),
                )
            }
        ],
    }
    for coding in patient["communication"][0]["language"]["coding"]:
        del coding["display"]
    if story.died is not None:
        patient["deceasedDateTime"] = (today + timedelta(days=story.died)).isoformat()
    return patient


def _practitioner(story: Story) -> Resource:
    family = "Demo" if story.flavour == "us" else "Voorbeeld"
    return {
        "resourceType": "Practitioner",
        "id": f"{story.id}-prac",
        "active": True,
        "name": [{"family": family, "given": ["Robin"], "prefix": ["Dr."]}],
    }


def _values(chart: Chart) -> None:
    story = chart.story
    for analyte, series in story.series.items():
        unit = story.units.get(analyte)
        for point in points(series):
            chart.measurement(analyte, point, unit=unit)
            if analyte == "weight":
                pounds = unit is not None and unit.ucum == "[lb_av]"
                history.body_mass(chart, point.offset, point.value * _POUND if pounds else point.value)


def _facts(chart: Chart) -> None:
    story = chart.story
    for fact in dated(story.problems):
        chart.condition(fact.name, fact.when)
    for fact in dated(story.drugs):
        chart.prescription(fact.name, fact.when.days)
    for fact in dated(story.given_cycles):
        for drug in REGIMENS.get(fact.name, (fact.name,)):
            chart.administration(drug, fact.when.days)
    for fact in dated(story.procedures):
        chart.procedure(fact.name, fact.when)
    for fact in dated(story.pathology):
        pathology.add(chart, fact)
    for fact in dated(story.studies):
        chart.study(fact.name, fact.when.days)
    for fact in dated(story.orders):
        chart.order(fact.name, fact.when.days)


def _stage(chart: Chart) -> None:
    offset = chart.story.stage_four
    if offset is None:
        return
    stage = concept("Stage IV", (codes.AJCC, "4", "IV"))
    chart.coded("21908-9", "Stage group.clinical Cancer", offset, stage)
    chart.coded(
        "21907-1", "Distant metastases.clinical [Class] Cancer", offset, concept("cM1", (codes.AJCC, "cM1", "M1"))
    )
