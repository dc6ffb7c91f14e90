"""What each model will be able to say here: tried on the test patients, with what it lacked where it could not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from cds.fhir.evidence import Evidence
from cds.fhir.queries import Query
from cds.imaging.reasons import Reason
from cds.inference.model import Model
from cds.inference.prediction import Failed, NotAssessed, Prediction
from cds.inference.registry import Registry
from cds.policy.schema import Policy
from cds.record.facts import Record
from cds.record.reading import Reader
from cds.settings import Settings
from cds.studies.plan import allowed, bundle_of

_HELD = {
    "licence-not-acknowledged": "the policy does not acknowledge its licence, so it reads none",
    Reason.NOT_CLINICAL.value: "it is not for clinical use and reads only those that somebody asks for by hand",
    "policy-disabled": "the policy does not enable it; it reads only those that somebody asks for by hand",
}
"""By what keeps a network from reading unasked."""


@dataclass
class Answers:
    """One model over all test patients."""

    model: str
    title: str
    speaks: bool
    """The policy lets it."""
    patients: int = 0
    eligible: int = 0
    """Those it is for, as far as could be read."""
    answered: int = 0
    failed: int = 0
    lacking: Counter[str] = field(default_factory=Counter)
    """Input -> patients it kept from an answer."""
    assumed: Counter[str] = field(default_factory=Counter)
    """Input -> patients where it was absent and the answer is less certain."""
    apart: str = ""
    """Why it was not tried on patients; "" where it was."""

    @property
    def told(self) -> str:
        if self.apart:
            return self.apart
        if not self.eligible:
            return f"none of the {self.patients} test patients is one it is for: not known"
        share = f"would answer for {self.answered} of {self.eligible} patients it is for ({self._share:.0%})"
        missing = ", ".join(f"{name} ({count})" for name, count in self.lacking.most_common(5))
        unsure = ", ".join(f"{name} ({count})" for name, count in self.assumed.most_common(5))
        broke = f"; failed for {self.failed}" if self.failed else ""
        return (
            share
            + (f"; missing: {missing}" if missing else "")
            + (f"; less certain without: {unsure}" if unsure else "")
            + broke
        )

    @property
    def _share(self) -> float:
        return self.answered / self.eligible if self.eligible else 0.0


def records(
    evidence: Iterable[Evidence],
    patients: Iterable[str],
    queries: tuple[Query, ...],
    models: Registry,
    now: datetime,
    timezone: str,
) -> list[Record]:
    found = []
    for one, patient in zip(evidence, patients, strict=True):
        reader = Reader(models.vocabulary, patient, now, ZoneInfo(timezone))
        reader.read(one.resources)
        record = reader.finish()
        record.malformed += one.malformed
        record.unread, record.unsupported = one.unread(queries), one.unsupported(queries)
        found.append(record)
    return found


def answers(
    records: Iterable[Record], models: Registry, policy: Policy, language: str, settings: Settings
) -> list[Answers]:
    """One row a model: those that read the record are tried, of the others it is said why not."""
    rows = {id: _row(model, policy, language) for id, model in models.models.items()}
    for id, row in rows.items():
        row.apart = _apart(models[id], policy, settings)
    for record in records:
        for id, row in rows.items():
            if not row.apart:
                _count(row, models[id], record, language)
    return list(rows.values())


def _apart(model: Model, policy: Policy, settings: Settings) -> str:
    if model.refused:
        told = model.refused.replace("\n", "; ")
        return f"could not be loaded and fails whenever it is asked: {told}"
    if bundle_of(model) is None:
        return ""
    held = _HELD.get(allowed(model, policy, settings.environment, by_hand=False), "its answers come of study jobs")
    why = held if settings.pacs else "without a [pacs.NAME] there is none to read"
    return f"reads scans, not records, so it was not tried on patients: {why}"


def _row(model: Model, policy: Policy, language: str) -> Answers:
    manifest = model.manifest
    title = manifest.words.title.get(language) or manifest.words.title.get("en", manifest.id)
    speaks = policy.model_enabled(manifest.id, needs_enabling=manifest.status.needs_enabling)
    return Answers(model.folder.name, title, speaks)


def _count(row: Answers, model: Model, record: Record, language: str) -> None:
    row.patients += 1
    said = model.assess(record)
    if isinstance(said, NotAssessed) and said.reason == "not-eligible":
        return
    row.eligible += 1
    if isinstance(said, Failed):
        row.failed += 1
    elif isinstance(said, Prediction):
        row.answered += 1
        row.assumed.update(_labels(said, language))
    elif said.lacking:
        row.lacking.update(f.input.label.get(language) or f.input.label.get("en", f.input.name) for f in said.lacking)
    else:
        row.lacking["what decides whether it is for them"] += 1


def _labels(said: Prediction, language: str) -> list[str]:
    """Flags are always an answer; only what is assumed counts."""
    return [
        f.input.label.get(language) or f.input.label.get("en", f.input.name)
        for f in said.absent
        if not f.input.is_flag and f.input.absent.does == "assume"
    ]
