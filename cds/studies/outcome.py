"""What one analysis came to, as the job keeps it and as rows of the ledger. No name, no number, no image is in it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from cds.imaging.series import Choice
from cds.inference.manifest import Manifest
from cds.inference.volumes.analyse import Assessed, Indeterminate
from cds.jobs.job import Job
from cds.ledger import CallEntry, PredictionEntry
from cds.ledger.cohort import SCANNER, language_of
from cds.ledger.database import store_within
from cds.studies.again import number
from cds.studies.plan import ASSESSED, INDETERMINATE

_NAMESPACE = uuid.UUID("6f1f6f2e-4c0e-5d33-9d0b-3a6a2f4f5b11")
_MOST_CONSIDERED = 20


@dataclass(frozen=True)
class Reason:
    """Nothing can be said of the scan, and that is no reassurance."""

    code: str
    stage: str = ""


def result_of(
    manifest: Manifest, choice: Choice | None, found: Assessed | Indeterminate | Reason, job: Job, **more: Any
) -> dict[str, Any]:
    """As JSON. ``outcome`` is ``assessed`` or ``indeterminate``; never anything that could read as "negative"."""
    result: dict[str, Any] = {
        "outcome": ASSESSED if isinstance(found, Assessed) else INDETERMINATE,
        "prediction": prediction_id(job),
        "model": manifest.id,
        "version": manifest.version,
        "scan": job.payload.get("scan"),
        **more,
    }
    if isinstance(found, Assessed):
        result |= {
            "likelihood": found.likelihood,
            "category": found.category,
            "outputs": outputs_of(manifest, found),
            "candidates": [
                {
                    "likelihood": c.likelihood,
                    "volume_ml": c.volume_ml,
                    "longest_mm": c.longest_mm,
                    "centre_mm": [
                        o + (at + 0.5) * s
                        for o, at, s in zip(found.origin_mm, c.centre, found.grid.spacing, strict=True)
                    ],
                }
                for c in found.found.candidates
            ],
            "distances": found.distances,
        }
        if found.cut_off:
            result["cut_off"] = True
    else:
        result["reason"] = found.code if isinstance(found, Reason) else found.reason
        result["stage"] = found.stage
        if isinstance(found, Indeterminate):
            result["distances"] = found.distances
    if choice is not None:
        result["considered"] = [
            {"series": v.series_uid, "score": v.score, "refused": v.refused.value if v.refused else None}
            for v in choice.considered[:_MOST_CONSIDERED]
        ]
        if choice.chosen is not None:
            result["series"] = choice.chosen.series_uid
            result["scanner"] = choice.chosen.scanner
            result["choice"] = choice.chosen.explained("en")
            result["remarks"] = [[r.note.value, r.measure] for r in choice.chosen.remarks]
    return result


def outputs_of(manifest: Manifest, found: Assessed) -> dict[str, float]:
    """The manifest's outputs: ``likelihood`` or a probability is the patient's likelihood, a category that of the
    operating points, ``lesions`` the number of candidates, ``longest_mm`` and ``volume_ml`` the largest one's. Others
    have no value, and a card that needs them says that it can't be made."""
    candidates = found.found.candidates
    values = {
        "lesions": float(len(candidates)),
        "longest_mm": max((c.longest_mm for c in candidates), default=0.0),
        "volume_ml": max((c.volume_ml for c in candidates), default=0.0),
    }
    made: dict[str, float] = {}
    for output in manifest.outputs:
        number = next((n for n, name in output.categories.items() if name == found.category), None)
        if output.name == "likelihood" or output.kind == "probability":
            made[output.name] = found.likelihood
        elif output.kind == "category" and number is not None:
            made[output.name] = float(number)
        elif output.name in values:
            made[output.name] = values[output.name]
    return made


def prediction_id(job: Job) -> str:
    """The same for every attempt: a reading has one prediction."""
    return str(uuid.uuid5(_NAMESPACE, _reading(job)))


def _reading(job: Job) -> str:
    count = number(job.payload)
    return job.key if count == 1 else f"{job.key}#{count}"


def rows(
    job: Job,
    manifest: Manifest,
    result: Mapping[str, Any],
    at: datetime,
    policy_version: str,
    timings: dict[str, float],
) -> Callable[[Connection], None]:
    """The prediction and the work that made it, for the transaction that ends the job."""
    assessed = result["outcome"] == ASSESSED
    prediction = PredictionEntry(
        id=str(result["prediction"]),
        model=manifest.id,
        model_version=manifest.version,
        model_sha256=str(job.payload["sha256"]),
        outcome="predicted" if assessed else "not-assessed",
        reason=None if assessed else str(result["reason"]),
        inputs={
            "scan": {"state": "found", "value": job.item, "date": job.payload.get("scan")},
            SCANNER: {"state": "found", "value": made_by}
            if (made_by := result.get("scanner"))
            else {"state": "missing"},
        },
        outputs={k: v for k, v in result.items() if k in ("likelihood", "category", "outputs", "candidates")},
    )
    entry = CallEntry(
        id=str(uuid.uuid5(_NAMESPACE, f"call/{_reading(job)}")),
        at=at,
        client=str(job.payload["client"]),
        service="studies",
        hook="study-job",
        hook_instance=f"job-{job.id}",
        patient_key=job.subject or "",
        user_key=None,
        policy_version=policy_version,
        service_version="",
        language="",
        data_state={},
        status="answered",
        error_code=None,
        duration_ms=sum(timings.values()),
        timings={stage: round(ms, 1) for stage, ms in timings.items()},
        predictions=(prediction,),
    )

    def store(connection: Connection) -> None:
        # news of a study comes without its patient; calls have said what language that is
        spoken = language_of(connection, entry.client, entry.patient_key) if entry.patient_key else None
        store_within(connection, replace(entry, patient_language=spoken))

    return store
