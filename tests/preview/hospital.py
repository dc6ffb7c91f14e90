"""A hospital's ledger, made: patients of one service, with chances drawn and outcomes that follow them.

Calls have the shape the service gives them; who has the outcome is drawn from the model's own chance, so that what a
preview must find is known beforehand.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ready_ledger import ready

from cds.ledger import CallEntry, CardEntry, Ledger, PredictionEntry
from cds.ledger.book import Book
from cds.ledger.committee_tables import outcome_events, outcome_sweeps
from cds.ledger.outcomes import OutcomeEvent, Sweep

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
KEY = b"0123456789abcdef-policy-tests-xyz"
SHA = "0" * 64


@dataclass
class Hospital:
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)
    """Of the installed models."""

    def __post_init__(self) -> None:
        ready(self.url)
        self.ledger = Ledger(self.url, KEY, self.folder / "spool")
        self._calls = self._sweeps = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def call(
        self,
        patient: str,
        risk: float | None = None,
        *,
        days_ago: float = 1.0,
        user: str | None = "gp",
        score: float | None = None,
        rules: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
        standing: dict[str, Any] | None = None,
        shown: tuple[str, ...] = (),
        client: str = "demo",
        **changed: Any,
    ) -> None:
        """``risk``: of the two-year model; None: it gave no answer. ``shown``: cards that really went out."""
        self._calls += 1
        at = NOW - timedelta(days=days_ago)
        said = [self.predicted("nice-ng12", {"criteria": float(len(rules)), "rules": list(rules)})]
        if score is not None:
            said.append(self.predicted("endpac", {"score": score}))
        if risk is not None:
            said.append(self.predicted("qcancer-2013-pancreas", {"risk": risk, "reference_risk": 0.0004}))
        weighed: dict[str, Any] = {"pancreas-risk": {"standing": {"age": 66, **(standing or {})}, "flags": list(flags)}}
        entry: dict[str, Any] = {
            "id": f"call-{self._calls:07}",
            "at": at,
            "client": client,
            "service": "pancreas-risk",
            "hook": "patient-view",
            "hook_instance": f"i{self._calls}",
            "patient_key": patient,
            "user_key": user,
            "policy_version": "then",
            "service_version": "1.0.0",
            "language": "en",
            "data_state": {},
            "status": "answered",
            "error_code": None,
            "duration_ms": 5.0,
            "timings": {},
            "predictions": tuple(said),
            "cards": tuple(
                CardEntry(f"card-{self._calls}-{n}", topic, "info", {"summary": "s"}, ())
                for n, topic in enumerate(shown)
            ),
            "weighed": weighed,
        }
        self.ledger.record_call(CallEntry(**{**entry, **changed}))

    def predicted(self, model: str, outputs: dict[str, Any]) -> PredictionEntry:
        number = f"{self._calls:07}-{model}"
        version = self.versions.get(model, "1.0.0")
        inputs = {"age": {"state": "found", "value": 66.0, "unit": "a"}}
        return PredictionEntry(f"p-{number}", model, version, SHA, "predicted", None, inputs, outputs)

    def outcomes(self, *found: tuple[str, float], kind: str = "pancreatic-cancer", complete: bool = True) -> None:
        """(patient, days ago), from a registry; ``complete``: up to today."""
        with Book(self.url) as book:
            events = [
                OutcomeEvent("demo", patient, "event", kind, (NOW - timedelta(days=ago)).date(), "registry", None)
                for patient, ago in found
            ]
            self._sweeps += 1
            sweep = Sweep(
                f"sweep-{self._sweeps}",
                NOW,
                "demo",
                "registry",
                "national",
                None,
                (kind,),
                None,
                NOW.date() if complete else None,
            )
            book.put_all(outcome_events, [event.row(sweep.id, NOW) for event in events])
            book.put_all(outcome_sweeps, [sweep.row])

    def close(self) -> None:
        self.ledger.close()


def populated(hospital: Hospital, patients: int, *, seed: int = 7, outcomes: bool = False) -> Hospital:
    """Chances from 4 in 1,000 to 3 in 10, each patient called once, 800 to 1,200 days ago, by one of forty doctors."""
    draw = random.Random(seed)
    had = []
    for n in range(patients):
        risk = min(0.004 * draw.paretovariate(0.9), 0.3)
        days_ago = draw.uniform(800, 1200)
        hospital.call(f"patient-{n}", risk, days_ago=days_ago, user=f"doctor-{draw.randrange(40)}")
        if draw.random() < risk:
            had.append((f"patient-{n}", days_ago - draw.uniform(1, 700)))
    if outcomes:
        hospital.outcomes(*had)
    return hospital
