"""Jobs and their results as an EHR, a page or a terminal may see them: no patient, and no UID of the study
or its images."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cds.jobs.job import DONE, QUEUED, RUNNING, Job
from cds.studies.again import kept, of_subject
from cds.studies.plan import ASSESSED
from cds.studies.reasons import of_stage, words

STAGES = {
    "": "waiting",
    "ask": "asking the archive",
    "fetch": "fetching images",
    "wait": "waiting for a device",
    "analyse": "analysing",
    "write": "writing results back",
    "store": "storing",
}
"""Others are the network's own stages."""


def state_of(job: Job) -> str:
    """``assessed`` and ``indeterminate`` tell apart what the queue calls done."""
    if job.state == DONE:
        return "assessed" if (job.result or {}).get("outcome") == ASSESSED else "indeterminate"
    return "failed" if job.state == "dead" else job.state


def reason_of(job: Job, language: str = "en") -> tuple[str, str]:
    """(code, sentence) of why there is no reading, or why the latest attempt gave none; ("", "") otherwise."""
    result = job.result or {}
    code, stage = str(result.get("reason", "") or job.reason), str(result.get("stage", "choice"))
    if not code:
        return "", ""
    said = of_stage(code, stage) if result.get("reason") else words(code)
    return code, said.get(language, said["en"])


def analysis(job: Job) -> dict[str, Any]:
    """One analysis of a study, as JSON."""
    code, sentence = reason_of(job)
    result = job.result or {}
    found: dict[str, Any] = {
        "id": job.id,
        "model": job.payload.get("model"),
        "version": job.payload.get("version"),
        "state": state_of(job),
        "stage": job.stage if job.state == RUNNING else "",
        "progress": round(job.progress, 3) if job.state in (QUEUED, RUNNING) else 1.0,
        "attempts": job.attempts,
        "asked": job.asked_at.isoformat(),
        "begun": _text(job.started_at),
        "ended": _text(job.finished_at),
        "scan": job.payload.get("scan"),
    }
    if code:
        found["reason"] = {"code": code, "text": sentence}
    if found["state"] == "assessed":
        found["result"] = _told(of_subject(result, job.subject))
    elif (last := kept(job)) is not None:
        found["before"] = _told(of_subject(last, job.subject))
    return found


_OF_RESULT = ("likelihood", "category", "cut_off", "candidates", "demonstration", "written", "prediction")


_OF_LESION = ("number", "category", "likelihood", "position", "volume_ml", "longest_mm", "contacts")
_OF_COMPARISON = ("since", "response", "why_not", "changes", "new", "sum_mm", "first_mm", "smallest_mm")


def _told(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: result[name] for name in _OF_RESULT if name in result} | _measured(result)


def _measured(result: Mapping[str, Any]) -> dict[str, Any]:
    """In units, without any of the identifiers under which the images lie in the archive."""
    made: dict[str, Any] = {}
    if (findings := result.get("findings")) is not None:
        lesions = [{name: one.get(name) for name in _OF_LESION} for one in findings.get("lesions", ())]
        made["measures"] = {"lesions": lesions, **{name: findings.get(name) for name in ("organ_ml", "duct_mm")}}
    if (comparison := result.get("comparison")) is not None:
        made["comparison"] = {name: comparison.get(name) for name in _OF_COMPARISON}
        made["comparison"]["gone"] = len(comparison.get("gone", ()))
    return made


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
