"""The plain card of a network whose manifest puts none of its own: what it read on which scan, or why nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from cds.cards import by_study, measured, wording
from cds.cards.answers import text_of
from cds.cards.unable import failed
from cds.inference.prediction import Failed, Prediction
from cds.services.case import CardDraft, Case, Finding, Suppressed

_log = logging.getLogger("cds.cards")


def findings(case: Case) -> Iterator[Finding]:
    """One card a network of this case; nothing for one that the policy, or its not being for clinical use, holds
    back."""
    for id, assessment in case.assessments.items():
        manifest = assessment.manifest
        if id not in case.studies or manifest.card is not None:
            continue
        topic, label = f"{id}-scan", case.words.pick(manifest.words.title)
        if case.record.deceased or case.patient_facing:
            yield Suppressed(topic, "deceased" if case.record.deceased else "patient-facing", models=(id,))
        elif isinstance(assessment, Failed):
            yield failed(case, assessment, topic, label)
        elif isinstance(assessment, Prediction):
            yield _guarded(case, assessment, topic, label)
        else:
            yield from by_study.unread(case, assessment, topic, label)


def _guarded(case: Case, prediction: Prediction, topic: str, label: str) -> CardDraft:
    try:
        return _card(case, prediction, topic, label)
    except Exception as error:  # a stored reading that this manifest can't put in words is said so, not kept silent
        _log.error("card.failed model=%s error=%s", prediction.manifest.id, type(error).__name__)
        return failed(case, prediction, topic, label)


def _card(case: Case, prediction: Prediction, topic: str, label: str) -> CardDraft:
    words, manifest = case.words, prediction.manifest
    shown = [o for o in manifest.outputs if o.shown and o.name in prediction.outputs]
    lines = [
        words(
            "engine.said.plain",
            label=wording.capital(wording.output_label(words, o)),
            value=text_of(case, prediction, o),
        )
        for o in shown
    ]
    main = next((o for o in shown if o.kind == "category"), shown[0])
    summary = words(
        "engine.study.summary",
        model=label,
        label=wording.output_label(words, main),
        value=text_of(case, prediction, main),
    )
    source = next((s for s in manifest.sources.values() if s.url), None)
    return CardDraft(
        topic=topic,
        topic_label=label,
        rank="information",
        indicator="info",
        summary=by_study.labelled(words, manifest, summary),
        detail=wording.paragraphs(
            f"**{words('engine.study.read_it')}**",
            by_study.warning(words, manifest),
            _section(case, "scan", by_study.lines(case, manifest.id)),
            _section(case, "says", lines),
            _section(case, "measured", measured.lines(words, manifest, case.studies.get(manifest.id))),
            _section(case, "sure", [wording.performance(words, manifest)]),
            wording.rests_on(
                words, [prediction], case.policy, case.record, by_study.day_of(words, case.studies[manifest.id])
            ),
        ),
        source_label=label,
        source_url=source.url if source else None,
        models=(manifest.id,),
        flags=by_study.flags(case, manifest.id),
    )


def _section(case: Case, name: str, lines: list[str]) -> str:
    return f"**{case.words(f'engine.heading.{name}')}**\n{wording.bullets(lines)}" if lines else ""
