"""What is said of a patient's scans: how old the scan that was read is, and what was not read and why.

A scan that has not been read is said so as visibly as one that has: no card must be taken for "nothing there".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.manifest import Manifest
from cds.inference.prediction import Assessment, NotAssessed
from cds.inference.volumes.reading import NOTHING_THERE, StudyReading
from cds.record.moments import parse
from cds.services.case import CardDraft, Case, Finding, Suppressed

_LONGEST = 139


def flags(case: Case, model: str) -> tuple[str, ...]:
    """A newer scan is a new finding: its card comes again. More images of the same one are so when they are read."""
    reading = case.studies.get(model)
    if reading is None or not reading.read:
        return ()
    newer = reading.newer and not reading.same_scan
    read = f"scan:{reading.study or reading.scan}:{reading.prediction_id}"
    return (read, *((f"newer:{reading.newer_scan}",) if newer else ()))


def lines(case: Case, model: str) -> list[str]:
    """Of a reading that stands on the card: its scan, how old it is, and what became of a newer one."""
    reading = case.studies.get(model)
    if reading is None or not reading.read:
        return []
    words = case.words
    age = "" if reading.age_days is None else words.counted("engine.days", reading.age_days)
    found = [_of(words, "scan", reading.scan, age=age)]
    if reading.result.get("cut_off"):
        found.append(words("engine.study.cut_off"))
    if reading.state == "stale" and not reading.newer and age:
        found.append(words("engine.study.stale"))
    if reading.newer:
        state = "running" if reading.newer == "running" else "unread"
        said = f"{_which(reading)}_{state}"
        found.append(_of(words, said, reading.newer_scan, reason=words.pick(reading.says)))
    return found


def _which(reading: StudyReading) -> str:
    """``newer`` only where the days say so."""
    if reading.same_scan:
        return "more"
    if reading.newer_scan is None:
        return "newer"
    return "newer" if reading.scan is not None and reading.newer_scan > reading.scan else "other"


def _of(words: Phrasebook, key: str, day: date | None, **fields: str) -> str:
    """A sentence about the scan of ``day``; of one without a date it is another one."""
    if day is None:
        return words(f"engine.study.{key}_undated", **fields)
    return words(f"engine.study.{key}", day=_named(words, day), **fields)


def unread(case: Case, assessment: Assessment, topic: str, label: str) -> Iterator[Finding]:
    """Why there is no reading: being made, or not to be had. Never silence where a scan is on record."""
    reading = case.studies.get(assessment.manifest.id)
    models = (assessment.manifest.id,)
    reason = assessment.reason if isinstance(assessment, NotAssessed) else "failed"
    # a card on every chart would be noise
    if reading is None or reason in NOTHING_THERE:
        yield Suppressed(topic, reason, models=models)
        return
    words, title = case.words, case.words.pick(assessment.manifest.words.title)
    waits = reading.state == "running" or reading.reason == "unread"
    day, tried = day_of(words, reading), list[str]()
    if reading.state == "running" and reading.since is not None:
        minutes = max(0, round((case.record.now - reading.since).total_seconds() / 60))
        ago = _of(words, "running", reading.scan, time=_since(words, minutes))
        first = ago if minutes else _of(words, "running_now", reading.scan)
        if reading.says:
            tried = [words("engine.study.tried", reason=words.pick(reading.says))]
    else:
        said = "withdrawn" if reading.reason == "study-withdrawn" else "not_assessed"
        first = _of(words, said, reading.scan, reason=words.pick(reading.says))
    yield CardDraft(
        topic=f"{topic}-not-assessed",
        topic_label=label,
        rank="information",
        indicator="info",
        summary=labelled(
            words,
            assessment.manifest,
            words("engine.study.running_summary" if waits else "engine.unable.summary", model=title),
        ),
        detail=wording.paragraphs(
            f"**{words('engine.study.no_reassurance')}**",
            wording.bullets([first, *tried]),
            warning(words, assessment.manifest),
            wording.rests_on(words, [assessment], case.policy, case.record, day),
        ),
        source_label=words("engine.source"),
        models=models,
        repeat="each-time",
    )


def labelled(words: Phrasebook, manifest: Manifest, summary: str) -> str:
    """The headline; behind the mark of a demonstration where the network is not for clinical use."""
    if not _demonstration(manifest):
        return summary
    found = words("engine.study.demonstration_summary", summary=summary)
    return found if len(found) <= _LONGEST else f"{found[: _LONGEST - 1].rstrip()}…"


def warning(words: Phrasebook, manifest: Manifest) -> str:
    return words("engine.study.demonstration") if _demonstration(manifest) else ""


def _demonstration(manifest: Manifest) -> bool:
    return manifest.runtime.volume is not None and not manifest.clinical_use


def day_of(words: Phrasebook, reading: StudyReading) -> str:
    return _named(words, reading.scan)


def _named(words: Phrasebook, day: date | None) -> str:
    return words.day(parse(day.isoformat())) if day is not None else words("engine.undated")


def _since(words: Phrasebook, minutes: int) -> str:
    if minutes >= 120:
        return words("engine.study.hours", count=words.number(minutes / 60, 0))
    return words.counted("engine.study.minutes", minutes)
