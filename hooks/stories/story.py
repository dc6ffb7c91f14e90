"""What a row of the table of stories may say, and how its compact notation is read.

Offsets are days before today (negative). A fact is written ``name@when``: ``weight-loss@-45``, or with the precision
a real record has: ``hypertension@y-7`` (only the year, seven years ago), ``hypertension@m-40`` (only the month).
A series is ``offset:value`` pairs: ``"-400:5.6 -30:7.4"``; ``<2`` is a value below the assay's limit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Literal

from hooks.stories.codes import Flavour
from hooks.stories.dutch import TELLS as DUTCH

_POINT = re.compile(r"^(-?\d+):([<>]?)(-?\d+(?:\.\d+)?)$")
_WHEN = re.compile(r"^(?:(-?\d+)|y(-\d+)|m(-\d+))$")


@dataclass(frozen=True)
class When:
    """A moment before today, with the precision it was recorded at."""

    days: int
    precision: Literal["day", "month", "year"] = "day"

    def on(self, today: date) -> date:
        return today + timedelta(days=self.days)

    def text(self, today: date) -> str:
        """FHIR date of that precision."""
        if self.precision == "year":
            return f"{today.year + round(self.days / 365.25):04d}"
        iso = self.on(today).isoformat()
        return iso[:7] if self.precision == "month" else iso


@dataclass(frozen=True)
class Dated:
    name: str
    when: When


@dataclass(frozen=True)
class Point:
    offset: int
    value: float
    comparator: str = ""


def when(text: str) -> When:
    """Raises ValueError naming what was written, when it is not the notation above."""
    match = _WHEN.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a moment: write -30, m-40 or y-7")
    if match[1] is not None:
        return When(int(match[1]))
    if match[2] is not None:
        return When(round(int(match[2]) * 365.25), "year")
    return When(round(int(match[3]) * 30.44), "month")


def dated(text: str) -> tuple[Dated, ...]:
    facts = []
    for word in text.split():
        name, at, moment = word.partition("@")
        if not at:
            raise ValueError(f"{word!r} has no moment: write name@-30")
        facts.append(Dated(name, when(moment)))
    return tuple(facts)


def points(text: str) -> tuple[Point, ...]:
    series = []
    for word in text.split():
        match = _POINT.match(word)
        if match is None:
            raise ValueError(f"{word!r} is not offset:value, such as -30:7.4 or -30:<2")
        series.append(Point(int(match[1]), float(match[3]), match[2]))
    return tuple(series)


@dataclass(frozen=True)
class Unit:
    """A unit other than the flavour's own; empty: the laboratory sent none."""

    unit: str
    ucum: str = ""


@dataclass(frozen=True)
class Expect:
    """What a clinician should see when the hook fires for the story."""

    hook: Literal["patient-view", "order-sign"]
    topics: tuple[str, ...] = ()
    """Findings that must be told, each in a card or inside one; see TOPICS. Empty: no card."""
    reason: str = ""
    """Why there is no card, or why a finding is left out; see REASONS."""
    words: str = ""


TOPICS: dict[str, str] = {
    "ng12-jaundice": "NG12 1.2.4: jaundice at 40 or over, suspected cancer pathway referral",
    "ng12-weight-loss": "NG12 1.2.5: weight loss with another symptom at 60 or over, CT within 2 weeks",
    "endpac-high": "END-PAC score 3 or more in new-onset diabetes",
    "qcancer-raised": "QCancer risk of pancreatic cancer at or above the policy's threshold",
    "survival": "survival estimate for metastatic disease by the full model",
    "marker-rising": "CA 19-9 has risen under treatment: review and CT",
    "marker-falling": "CA 19-9 is falling under treatment",
    "marker-not-made": "CA 19-9 can't show the course: the patient doesn't make it",
    "cyst-worrisome": "worrisome features of a pancreatic cyst: endoscopic ultrasound",
    "dpyd-reduce": "DPYD variant: half the starting dose of fluoropyrimidine",
    "dpyd-not-tested": "no DPYD result before the first fluoropyrimidine",
    "ugt1a1-reduce": "UGT1A1 *28/*28: 70% of the starting dose of irinotecan",
    "msi-option": "MSI-high: a treatment was studied",
    "gbrca-in-use": "germline BRCA variant, olaparib on record: what the trial showed",
    "surveillance-offer": "surveillance of the pancreas can be offered (CAPS 2020)",
    "resected-outlook": "survival estimate after resection, when adjuvant treatment is signed",
    "survival-fallback": "survival estimate from albumin and neutrophils/lymphocytes alone",
}

REASONS: dict[str, str] = {
    "known-cancer": "pancreatic cancer is already known",
    "hospice-or-palliative": "the patient is in hospice or palliative care",
    "deceased": "the patient has died",
    "recent-imaging": "CT or MR of the pancreas in the last three months",
    "work-up-ordered": "a CT, MR or referral for this is already under way",
    "below-threshold": "nothing reaches a threshold",
    "no-regimen": "the orders are not a first-line regimen for pancreatic cancer",
}


@dataclass(frozen=True, eq=False)
class Story:
    """One row of the table: a patient's key facts; the years around them are made by ``history``. Each is itself
    alone, however alike another is, so that what was made of it can be kept by it."""

    id: str
    given: str
    age: int
    sex: Literal["female", "male"]
    tells: str
    """The clinical story in one line."""
    flavour: Flavour = "us"
    height: int | None = 170
    smoking: Literal["never", "ex", "daily"] | None = "never"
    series: Mapping[str, str] = field(default_factory=dict)
    """Analyte -> points, in the flavour's own unit."""
    units: Mapping[str, Unit] = field(default_factory=dict)
    """Series sent in another unit."""
    usual: Mapping[str, float] = field(default_factory=dict)
    """Analytes whose routine level is not a healthy adult's."""
    without: tuple[str, ...] = ()
    """Analytes this record has never held."""
    problems: str = ""
    drugs: str = ""
    """Active prescriptions."""
    given_cycles: str = ""
    """Regimens or drugs administered."""
    procedures: str = ""
    studies: str = ""
    orders: str = ""
    """Active ServiceRequests."""
    findings: tuple[str, ...] = ()
    """Molecular findings, by their name in ``genes``."""
    pathology: str = ""
    """Of a resected tumour, by the names in ``pathology``."""
    stage_four: int | None = None
    """Offset at which stage IV was recorded."""
    died: int | None = None
    drafts: tuple[str, ...] = ()
    """Drugs or regimens waiting for a signature."""
    history: Literal["full", "sparse"] = "full"
    """``sparse``: visits and blood pressure only."""
    expects: tuple[Expect, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.given} Testpatient"

    def told(self, language: str) -> str:
        """The clinical story in one line; in English where there is none in that language."""
        return DUTCH.get(self.id, self.tells) if language == "nl" else self.tells

    def expected(self, hook: str) -> Expect | None:
        return next((e for e in self.expects if e.hook == hook), None)
