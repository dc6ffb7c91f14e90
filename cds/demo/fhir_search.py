"""Which resources a FHIR R4 search finds, in which order: tokens, references and dates, by a table of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cds.record.moments import Moment, parse

Resource = dict[str, Any]

_CODE, _STATUS = {"code": ("token", "code")}, {"status": ("token", "status")}
_SUBJECT = {"patient": ("reference", "subject"), "subject": ("reference", "subject")}
_MEDICATION = {"code": ("token", "medicationCodeableConcept")}
_CATEGORY = {"category": ("token", "category")}


def _date(name: str, *elements: str) -> dict[str, tuple[str, str]]:
    return {name: ("date", " ".join(elements))}


SEARCHES: dict[str, dict[str, tuple[str, str]]] = {
    "Patient": {**_date("death-date", "deceasedDateTime")},
    "Practitioner": {},
    "Encounter": {**_SUBJECT, **_STATUS, **_date("date", "period")},
    "Observation": {
        **_SUBJECT, **_CODE, **_STATUS, **_CATEGORY, **_date("date", "effectiveDateTime", "effectivePeriod"),
    },
    "Condition": {
        **_SUBJECT, **_CODE, **_CATEGORY, "clinical-status": ("token", "clinicalStatus"),
        "verification-status": ("token", "verificationStatus"), **_date("onset-date", "onsetDateTime", "onsetPeriod"),
        **_date("recorded-date", "recordedDate"),
    },
    "MedicationRequest": {
        **_SUBJECT, **_STATUS, **_MEDICATION, "intent": ("token", "intent"), **_date("authoredon", "authoredOn"),
    },
    "MedicationAdministration": {
        **_SUBJECT, **_STATUS, **_MEDICATION, **_date("effective-time", "effectiveDateTime", "effectivePeriod"),
    },
    "Procedure": {**_SUBJECT, **_CODE, **_STATUS, **_date("date", "performedDateTime", "performedPeriod")},
    "ServiceRequest": {
        **_SUBJECT, **_CODE, **_STATUS, "intent": ("token", "intent"), **_date("authored", "authoredOn"),
        **_date("occurrence", "occurrenceDateTime", "occurrencePeriod"),
    },
    "ImagingStudy": {
        **_SUBJECT, **_STATUS, "modality": ("token", "modality series.modality"),
        "bodysite": ("token", "series.bodySite"), **_date("started", "started"),
    },
    "DiagnosticReport": {
        **_SUBJECT, **_CODE, **_STATUS, **_CATEGORY, **_date("date", "effectiveDateTime", "effectivePeriod"),
    },
    "FamilyMemberHistory": {"patient": ("reference", "patient"), "code": ("token", "condition.code"), **_STATUS},
}  # fmt: skip
"""Resource type -> search parameter -> (kind, elements it looks at)."""


class Refused(Exception):
    """What is answered with an OperationOutcome."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words


def search(kind: str, resources: list[Resource], terms: Iterable[tuple[str, str]]) -> list[Resource]:
    """Repeated terms all hold, commas inside one are alternatives. Raises Refused for a value it can't read."""
    parameters, order = SEARCHES[kind], ""
    for name, value in terms:
        if name == "_id":
            resources = [r for r in resources if r["id"] in value.split(",")]
        elif name == "_sort":
            order = value
        elif name in parameters:
            matches = _matcher(*parameters[name], value)
            resources = [r for r in resources if matches(r)]
    return _sorted(resources, parameters, order)


def _matcher(kind: str, elements: str, value: str) -> Callable[[Resource], bool]:
    """Whether a resource has it. What can be read of ``value`` once is read once: a search goes over all there are."""
    paths, alternatives = [element.split(".") for element in elements.split()], value.split(",")
    if kind == "date":
        return lambda resource: any(_in_range(v, value) for path in paths for v in _values(resource, path))
    if kind == "reference":
        wanted = {v if "/" in v else f"Patient/{v}" for v in alternatives}
        return lambda resource: any(v.get("reference") in wanted for path in paths for v in _values(resource, path))
    return lambda resource: any(
        _is_token(coding, token)
        for path in paths
        for v in _values(resource, path)
        for coding in _codings(v)
        for token in alternatives
    )


def _values(resource: Resource, path: list[str]) -> list[Any]:
    found: list[Any] = [resource]
    for name in path:
        held = [node[name] for node in found if isinstance(node, dict) and name in node]
        found = [v for one in held for v in (one if isinstance(one, list) else [one])]
    return found


def _codings(value: Any) -> list[tuple[str, str]]:
    """(system, code) of a code, a Coding or a CodeableConcept."""
    if isinstance(value, str):
        return [("", value)]
    return [(c.get("system", ""), c.get("code", "")) for c in value.get("coding", [value])]


def _is_token(coding: tuple[str, str], token: str) -> bool:
    system, bar, code = token.rpartition("|")
    return (not bar or system == coding[0]) and (code == coding[1] or bool(bar and system and not code))


def _span(value: Any) -> Moment | None:
    """A date, or a Period from its start to its end."""
    if isinstance(value, str):
        return parse(value)
    start, end = parse(value.get("start", "")), parse(value.get("end", ""))
    if start is None or end is None:
        return start or end
    return Moment(start.earliest, end.latest, start.text)


def _in_range(value: Any, wanted: str) -> bool:
    prefix, text = (wanted[:2], wanted[2:]) if wanted[:2].isalpha() else ("eq", wanted)
    bound, at = parse(text.replace(" ", "+")), _span(value)
    if bound is None or prefix not in ("eq", "ge", "gt", "le", "lt"):
        raise Refused(400, "value", "A date is YYYY[-MM[-DD[Thh:mm:ssZ]]] after nothing, eq, ge, gt, le or lt.")
    if at is None:
        return False
    inside = bound.earliest <= at.earliest and at.latest <= bound.latest
    return {
        "eq": inside,
        "ge": at.latest > bound.earliest or inside,
        "gt": at.latest > bound.latest or (at.earliest >= bound.latest and not inside),
        "le": at.earliest < bound.latest or inside,
        "lt": at.earliest < bound.earliest,
    }[prefix]


def _sorted(resources: list[Resource], parameters: dict[str, tuple[str, str]], order: str) -> list[Resource]:
    """By dates, the undated last either way; by nothing else."""
    for key in reversed([k for k in order.split(",") if k]):
        kind, elements = parameters.get(key.removeprefix("-"), ("", ""))
        if kind != "date":
            raise Refused(400, "not-supported", "Only a date parameter of the resource can be sorted by.")
        dates = {id(r): next((m for e in elements.split() if e in r and (m := _span(r[e]))), None) for r in resources}
        dated = [r for r in resources if dates[id(r)] is not None]
        undated = [r for r in resources if dates[id(r)] is None]
        dated.sort(key=lambda r: dates[id(r)].earliest, reverse=key.startswith("-"))  # type: ignore[union-attr]
        resources = dated + undated
    return resources
