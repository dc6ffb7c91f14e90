"""Findings in the reader's language: what a measure is called, what it is about, what it says or why nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cds.cards.phrasebook import Phrasebook
from cds.committee.charter import Charter, Subgroup
from cds.committee.cohort import OTHER
from cds.committee.findings import ORDER, Level
from cds.inference.manifest import Manifest

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("inputs", ("unusable", "missing", "out_of_range", "failed", "indeterminate", "other_file")),
    ("drift", ("drift",)),
    ("right", ("arriving",
               "auc", "harrell", "auc_at", "ratio", "intercept", "slope", "index", "alive", "brier", "scaled_brier",
               "integrated_brier")),
    ("use", ("flagged", "ppv", "sensitivity", "specificity", "evaluate", "benefit", "benefit_over_all", "card_ppv",
             "looked_at", "corrected_sensitivity", "corrected_specificity")),
    ("fairness", ("gap_sensitivity", "gap_ppv", "gap_auc", "gap_observed-expected", "gap_alert-rate",
                  "group_unknown")),
    ("response", ("burden", "per_clinician_day", "repeated", "opened", "accepted", "overridden", "response",
                  "looked_within")),
)  # fmt: skip
"""Sections of a model's page, and the measures in each."""

_SHARES = frozenset(
    {
        *(
            "unusable",
            "missing",
            "out_of_range",
            "failed",
            "indeterminate",
            "other_file",
            "alive",
            "flagged",
            "ppv",
            "sensitivity",
        ),
        *(
            "specificity",
            "card_ppv",
            "looked_at",
            "corrected_sensitivity",
            "corrected_specificity",
            "repeated",
            "opened",
        ),
        *("accepted", "overridden", "looked_within", "gap_sensitivity", "gap_ppv", "gap_alert-rate", "group_unknown"),
    }
)
_YES_NO = ("male", "female", "yes", "no")
_AFTER = re.compile(r"^(\d+(?:\.\d+)?) (months|days)$")
_WHAT = {
    "events": "events",
    "people without the event": "others",
    "people": "people",
    "people in the baseline": "baseline",
    "cards": "cards",
    "calls": "calls",
    "clinician-days": "clinician_days",
    "studies": "studies",
    "people at risk": "people",
    "outcomes in the baseline": "baseline_events",
    "accepted cards in the baseline": "baseline_accepted",
    "days since the first question": "asked_days",
}


@dataclass(frozen=True)
class Line:
    """One finding as a row of a table."""

    measure: str
    about: str
    value: str
    n: str
    limit: str
    level: Level
    level_name: str
    measured: bool
    key: str
    """The measure's, as in ``GROUPS``."""
    same: bool
    """As before to the last digit shown, and raising nothing: it needs nobody's eyes."""

    @property
    def named(self) -> str:
        return f"{self.measure}, {self.about}" if self.about else self.measure


def by_need(findings: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of one measure, what needs eyes first: the worst level, and of drift the largest."""
    return sorted(findings, key=lambda f: (-ORDER.index(f["level"]), -f.get("value", 0) if _drifts(f) else 0))


def _drifts(finding: Mapping[str, Any]) -> bool:
    return str(finding["measure"]) == "drift"


def meanings(words: Phrasebook, lines: Iterable[Line]) -> list[tuple[str, str]]:
    """(measure, what it means), each once, for readers who are no statisticians."""
    keys = dict.fromkeys(one.key for one in lines if one.measured)
    return [(words(f"committee.measure.{key}"), words(f"committee.means.{key}")) for key in keys]


def source(words: Phrasebook, told: str) -> str:
    """``registry:national`` as people say it."""
    kind, _, name = told.partition(":")
    key = f"committee.source.{kind}_named" if name else f"committee.source.{kind}"
    return words(key, name=name) if key in words.texts else words("committee.source.otherwise", name=told)


def gaps(lines: Iterable[Line]) -> dict[str, list[str]]:
    """Why there is no number -> of what; measures that lack it of the same things stand together."""
    lacking: dict[str, dict[str, list[str]]] = {}
    for one in lines:
        if not one.measured:
            lacking.setdefault(one.value, {}).setdefault(one.measure, []).append(one.about)
    found: dict[str, list[str]] = {}
    for why, by_measure in lacking.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for measure, abouts in by_measure.items():
            alike.setdefault(tuple(about for about in abouts if about), []).append(measure)
        found[why] = [", ".join(names) + (f": {', '.join(of)}" if of else "") for of, names in alike.items()]
    return found


def line(words: Phrasebook, finding: Mapping[str, Any], manifest: Manifest | None, charter: Charter | None) -> Line:
    events = finding.get("events")
    counts = ""
    if "n" in finding:
        key = "baseline" if finding["measure"] == "drift" else "events"
        key = "about" if finding.get("detail", {}).get("rounded") else key
        counts = words(f"committee.count.{key}", n=words.number(finding["n"], 0), events=words.number(events or 0, 0))
    limit = figure(words, finding["measure"], finding["limit"]) if "limit" in finding else ""
    return Line(
        words(f"committee.measure.{finding['measure']}"),
        about(words, finding, manifest, charter),
        said(words, finding),
        counts,
        limit,
        finding["level"],
        words(f"committee.level.{finding['level']}"),
        "value" in finding,
        finding["measure"],
        finding["measure"] == "drift" and finding["level"] == "green" and round(finding.get("value", 1.0), 2) == 0,
    )


def said(words: Phrasebook, finding: Mapping[str, Any]) -> str:
    """``0.61 (0.58 to 0.64)``, or why there is nothing."""
    if "value" not in finding:
        return lacking(words, finding)
    measure = finding["measure"]
    value = figure(words, measure, finding["value"])
    if measure == "drift":
        return value
    upper = finding["upper"]
    high = words("committee.no_limit") if upper is None else figure(words, measure, upper)
    return words("committee.interval", value=value, low=figure(words, measure, finding["lower"]), high=high)


def lacking(words: Phrasebook, finding: Mapping[str, Any]) -> str:
    if "have" not in finding:
        return words("committee.not_estimable")
    key = _WHAT.get(finding["what"], "followed")
    what = words(f"committee.what.{key}")
    return words(
        "committee.lacking", what=what, have=words.number(finding["have"], 0), need=words.number(finding["need"], 0)
    )


def figure(words: Phrasebook, measure: str, value: float) -> str:
    if measure in _SHARES:
        return words("committee.percent", value=words.number(100 * value, 1))
    return words.number(value, 2) if measure == "drift" else words.significant(value, 3)


def about(words: Phrasebook, finding: Mapping[str, Any], manifest: Manifest | None, charter: Charter | None) -> str:
    """Names of inputs, outputs and groups as people call them; what nobody has a word for, as it is."""
    told = str(finding["about"])
    if finding["measure"] == "arriving" and told:
        return source(words, told)
    if match := _AFTER.match(told):
        return words(f"committee.after.{match[2]}", count=words.number(float(match[1]), 0))
    if told in ("with a card", "without a card", "of cards", "studies"):
        return words(f"committee.about.{told.replace(' ', '_')}")
    if manifest is not None and finding["measure"] not in ("gap_sensitivity", "gap_ppv"):
        for spec in manifest.inputs:
            if spec.name == told:
                return words.pick(spec.label) or told
        for output in manifest.outputs:
            if f"-> {output.name}" == told:
                return words("committee.about.answer", name=words.pick(output.label) or output.name)
    name, colon, group = told.partition(": ")
    if charter is not None and name in charter.subgroups:
        subgroup = charter.subgroups[name]
        label = words.pick(subgroup.label)
        months = finding.get("detail", {}).get("months")
        by = f" ({words('committee.after.months', count=words.number(months, 0))})" if months else ""
        return f"{label}: {_group(words, subgroup, group)}{by}" if colon else f"{label}{by}"
    return told


def _group(words: Phrasebook, subgroup: Subgroup, group: str) -> str:
    if group == OTHER:
        return words("committee.group.other")
    if subgroup.source in ("patient.language", "call.language"):
        return words.tongue(group)
    if subgroup.source == "study.scanner":
        return group
    return words(f"committee.group.{group}") if group in _YES_NO else group.replace(" to <", " – <")


def depends(words: Phrasebook, part: str) -> str:
    """What a card depends on, by the name that replays have for it, such as ``model endpac 1.1.0``."""
    kind, _, rest = part.partition(" ")
    key = f"committee.call.depends.{kind}"
    return words(key, name=rest.strip("()")) if key in words.texts else part
