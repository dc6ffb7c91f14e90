"""Exactly what would leave, for the person who says that it may."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fhir.resources.R4B.measurereport import MeasureReport
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds.validation.result import Result, digest

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SHORT = 12
"""Characters of the digest that a reviewer types: enough that it can't be guessed without having read."""


def code(one: Result) -> str:
    return digest(one)[:SHORT]


def text(one: Result) -> str:
    """Every number of the file, in tables."""
    lines = [
        f"Result of {one.site} for round {one.round_id} ({one.round_digest[:12]}…)",
        f"Counted on {one.counted_on} by {one.software}; no cell below {one.minimum_cell}.",
    ]
    if one.hidden:
        lines.append(f"Not sent, too few people: {', '.join(one.hidden)}.")
    for table in one.tables:
        lines += ["", table.group + ("" if table.horizon is None else f", within {table.horizon} months")]
        if table.observed is not None:
            lines.append(f"  had the event: {table.observed.share:.4f} (standard error {table.observed.error:.4f})")
        lines.append("  score from        to    people  event  none  weight event  weight none  sum of scores")
        lines += [
            f"  {b.low:<10.6g} {b.high:>10.6g} {b.people:>8} {b.events:>6} {b.others:>5} "
            f"{b.event_weight:>13.3f} {b.other_weight:>12.3f} {b.score_sum:>14.4f}"
            for b in table.bins
        ]
    lines += ["", "This is all of it: no row of a person, no date, no free text.", f"Code of this review: {code(one)}"]
    return "\n".join(lines)


def page(one: Result) -> str:
    return TEMPLATES.get_template("review.html").render(result=one, code=code(one))


def measure_report(one: Result, begins: str, ends: str) -> str:
    """The same counts as a FHIR R4B MeasureReport of type summary: a group for each table, a stratum for each bin,
    the sum of scores as its measure score."""
    report = {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"urn:cds:validation-round:{one.round_digest}",
        "date": datetime.combine(one.counted_on, datetime.min.time(), UTC).isoformat(),
        "reporter": {"display": one.site},
        "period": {"start": begins, "end": ends},
        "group": [
            {
                "code": {"text": table.group + ("" if table.horizon is None else f", {table.horizon} months")},
                "population": [_population("initial-population", sum(b.people for b in table.bins))],
                **(
                    {}
                    if table.observed is None
                    else {"measureScore": {"value": table.observed.share, "unit": "1", "system": UCUM, "code": "1"}}
                ),
                "stratifier": [
                    {
                        "code": [{"text": "score"}],
                        "stratum": [
                            {
                                "value": {"text": f"{b.low:g} to {b.high:g}"},
                                "population": [
                                    _population("initial-population", b.people),
                                    _population("numerator", b.events),
                                    _population("denominator-exclusion", b.people - b.events - b.others),
                                ],
                                "measureScore": {"value": b.score_sum, "unit": "1", "system": UCUM, "code": "1"},
                            }
                            for b in table.bins
                        ],
                    }
                ],
            }
            for table in one.tables
        ],
    }
    return str(MeasureReport.model_validate(report).model_dump_json(indent=1)) + "\n"


UCUM = "http://unitsofmeasure.org"


def _population(name: str, count: int) -> dict[str, object]:
    system = "http://terminology.hl7.org/CodeSystem/measure-population"
    return {"code": {"coding": [{"system": system, "code": name}]}, "count": count}
