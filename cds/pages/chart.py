"""The summary of one chart, read from a FHIR R4 server: what is said of a patient, without knowing what it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from cds.pages.fhir_record import FhirRecord, Resource
from cds.pages.scans import Study
from cds.record.moments import Moment, parse

_UNREAL = frozenset({"entered-in-error", "cancelled", "refuted", "not-done"})
_LOINC = "http://loinc.org"
_UNITS = {"10*3/uL": "10³/µL", "10*9/L": "10⁹/L", "10^9/L": "10⁹/L", "Cel": "°C", "kg/m2": "kg/m²", "{score}": ""}
"""Spellings of machines, as people write them."""


@dataclass(frozen=True)
class Line:
    """One thing of the chart, and since or at when."""

    text: str
    when: Moment | None
    note: str = ""


@dataclass(frozen=True)
class Value:
    text: str
    unit: str
    when: Moment | None
    number: float | None = None


@dataclass(frozen=True)
class Measured:
    """One test's values, newest first."""

    name: str
    full_name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Order:
    reference: str
    text: str
    kind: str
    resource: Resource
    proposed: bool = False
    """Accepted from a card, as against written by the clinician."""


@dataclass(frozen=True)
class Person:
    name: str
    sex: str
    born: Moment | None
    died: Moment | None
    dead: bool

    def age(self, today: date) -> int | None:
        """At death, if they have died."""
        if self.born is None or len(self.born.text) < 10:
            return None
        end = date.fromisoformat(self.died.text[:10]) if self.died and len(self.died.text) >= 10 else today
        born = date.fromisoformat(self.born.text[:10])
        return end.year - born.year - ((end.month, end.day) < (born.month, born.day))


@dataclass(frozen=True)
class Chart:
    person: Person
    problems: tuple[Line, ...]
    history: tuple[Line, ...]
    """Problems that are over, and procedures."""
    labs: tuple[Measured, ...]
    vitals: tuple[Measured, ...]
    medication: tuple[Line, ...]
    given: tuple[Line, ...]
    """Administered here: the last time of each, and how often in ``note``."""
    imaging: tuple[Line, ...]
    studies: tuple[Study, ...]
    """The same, as an image archive knows them: the newest first, without those that have no identifier there."""
    orders: tuple[Line, ...]
    drafts: tuple[Order, ...]


def read_chart(record: FhirRecord, patient: str) -> Chart:
    """Raises SourceError."""
    conditions = record.search(f"Condition?patient={patient}&_count=100")
    prescriptions = record.search(f"MedicationRequest?patient={patient}&_count=100")
    requests = record.search(f"ServiceRequest?patient={patient}&_count=100")
    procedures = record.search(f"Procedure?patient={patient}&_count=100")
    imaging = _imaging(record, patient)
    return Chart(
        person=_person(record.read(f"Patient/{patient}")),
        problems=_newest(_condition(c) for c in conditions if _is_real(c) and _state(c) == "active"),
        history=_newest(
            [_condition(c) for c in conditions if _is_real(c) and _state(c) != "active"]
            + [_line(p, "code", "performedDateTime") for p in procedures if _is_real(p)]
        ),
        labs=_measured(record.search(f"Observation?patient={patient}&category=laboratory&_sort=-date&_count=250")),
        vitals=_measured(record.search(f"Observation?patient={patient}&category=vital-signs&_sort=-date&_count=250")),
        medication=_newest(
            _line(m, "medicationCodeableConcept", "authoredOn") for m in prescriptions if m.get("status") == "active"
        ),
        given=_given(record.search(f"MedicationAdministration?patient={patient}&_count=100")),
        imaging=_newest(_study(s) for s in imaging),
        studies=_archived(imaging),
        orders=_newest(_line(r, "code", "authoredOn") for r in requests if r.get("status") == "active"),
        drafts=tuple(order_of(r, proposed=True) for r in requests if r.get("status") == "draft"),
    )


def read_studies(record: FhirRecord, patient: str) -> tuple[Study, ...]:
    """As in the chart. Raises SourceError."""
    return _archived(_imaging(record, patient))


def _imaging(record: FhirRecord, patient: str) -> list[Resource]:
    return [s for s in record.search(f"ImagingStudy?patient={patient}&_count=100") if _is_real(s)]


def order_of(resource: Resource, *, proposed: bool = False) -> Order:
    kind = str(resource["resourceType"])
    named = resource.get("medicationCodeableConcept") or resource.get("code") or {}
    return Order(f"{kind}/{resource.get('id', '')}", words_of(named), kind, resource, proposed)


def words_of(concept: Resource) -> str:
    codings = concept.get("coding") or [{}]
    return str(concept.get("text") or codings[0].get("display") or codings[0].get("code") or "?")


def _person(patient: Resource) -> Person:
    name = (patient.get("name") or [{}])[0]
    parts = [*name.get("given", []), name.get("family", "")]
    died = patient.get("deceasedDateTime")
    return Person(
        name=name.get("text") or " ".join(p for p in parts if p),
        sex=str(patient.get("gender", "unknown")),
        born=parse(patient.get("birthDate", "")),
        died=parse(died) if died else None,
        dead=bool(died) or str(patient.get("deceasedBoolean")).lower() == "true",
    )


def _is_real(resource: Resource) -> bool:
    verification = (resource.get("verificationStatus", {}).get("coding") or [{}])[0].get("code")
    return resource.get("status") not in _UNREAL and verification not in _UNREAL


def _state(condition: Resource) -> str:
    return str((condition.get("clinicalStatus", {}).get("coding") or [{}])[0].get("code", "active"))


def _condition(resource: Resource) -> Line:
    since = resource.get("onsetDateTime") or resource.get("recordedDate") or ""
    return Line(words_of(resource.get("code", {})), parse(since))


def _line(resource: Resource, named: str, dated: str) -> Line:
    return Line(words_of(resource.get(named, {})), parse(resource.get(dated, "")))


def _study(resource: Resource) -> Line:
    modality = "/".join(str(m.get("code", "")) for m in resource.get("modality", []))
    text = resource.get("description") or words_of((resource.get("procedureCode") or [{}])[0])
    return Line(str(text), parse(resource.get("started", "")), modality)


def _archived(studies: Iterable[Resource]) -> tuple[Study, ...]:
    found = []
    for resource in studies:
        named = [i.get("value", "") for i in resource.get("identifier", []) if i.get("system") == "urn:dicom:uid"]
        line = _study(resource)
        if named:
            found.append(Study(str(named[0]).removeprefix("urn:oid:"), line.note, line.text, line.when))
    return tuple(sorted(found, key=lambda study: _order(study.when), reverse=True))


def _given(administrations: Iterable[Resource]) -> tuple[Line, ...]:
    times: dict[str, list[Line]] = {}
    for resource in filter(_is_real, administrations):
        line = _line(resource, "medicationCodeableConcept", "effectiveDateTime")
        times.setdefault(line.text, []).append(line)
    return _newest(Line(text, _newest(found)[0].when, f"× {len(found)}") for text, found in times.items())


def _newest(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: _order(line.when), reverse=True))


def _order(when: Moment | None) -> str:
    return when.text if when is not None else ""


def _measured(observations: Iterable[Resource]) -> tuple[Measured, ...]:
    """By test; the test measured last comes first."""
    series: dict[str, list[Value]] = {}
    names: dict[str, tuple[str, str]] = {}
    for resource in filter(_is_real, observations):
        value = _value(resource)
        if value is None:
            continue
        code = resource.get("code", {})
        coding = (code.get("coding") or [{}])[0]
        key = f"{coding.get('system')}|{coding.get('code')}" if coding.get("code") else words_of(code)
        series.setdefault(key, []).append(value)
        names.setdefault(key, _names(words_of(code), coding.get("system") == _LOINC))
    found = [
        Measured(*names[key], tuple(sorted(values, key=lambda v: _order(v.when), reverse=True)))
        for key, values in series.items()
    ]
    return tuple(sorted(sorted(found, key=lambda m: m.name), key=lambda m: _order(m.values[0].when), reverse=True))


def _names(text: str, loinc: bool) -> tuple[str, str]:
    """(short, full): a LOINC name ends with property and specimen, which a summary can do without."""
    return (text.split(" [")[0].split(" in ")[0] if loinc else text), text


def _value(resource: Resource) -> Value | None:
    when = parse(resource.get("effectiveDateTime", ""))
    if "component" in resource and not any(k.startswith("value") for k in resource):
        parts = [c["valueQuantity"] for c in resource["component"] if "value" in c.get("valueQuantity", {})]
        joined = "/".join(f"{p['value']:g}" for p in parts)
        return Value(joined, str(parts[0].get("unit", "")), when) if parts else None
    if isinstance(quantity := resource.get("valueQuantity"), dict) and "value" in quantity:
        number, unit = float(quantity["value"]), str(quantity.get("unit", ""))
        return Value(str(quantity.get("comparator", "")), _UNITS.get(unit, unit), when, number)
    if "valueInteger" in resource:
        return Value("", "", when, float(resource["valueInteger"]))
    if "valueCodeableConcept" in resource:
        return Value(words_of(resource["valueCodeableConcept"]), "", when)
    return Value(str(resource["valueString"]), "", when) if "valueString" in resource else None


def trend(measured: Measured, width: int = 72, height: int = 20) -> str:
    """Points of an SVG polyline, oldest left; empty when there is no line to draw."""
    values = [v for v in measured.values[:8] if v.number is not None and v.unit == measured.values[0].unit]
    numbers = [v.number for v in reversed(values) if v.number is not None]
    if len(numbers) < 2:
        return ""
    low, span, step = min(numbers), max(numbers) - min(numbers), (width - 4) / (len(numbers) - 1)
    heights = [0.5 if span == 0 else (n - low) / span for n in numbers]
    return " ".join(f"{2 + i * step:.1f},{height - 3 - h * (height - 6):.1f}" for i, h in enumerate(heights))
