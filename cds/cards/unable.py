"""The card of a model that could not run."""

from __future__ import annotations

from cds.cards import wording
from cds.inference.prediction import Assessment
from cds.services.case import CardDraft, Case


def failed(case: Case, assessment: Assessment, topic: str, label: str) -> CardDraft:
    """Modest and visible: a model that could not run is no reassurance."""
    words, title = case.words, case.words.pick(assessment.manifest.words.title)
    return CardDraft(
        topic=f"{topic}-not-assessed",
        topic_label=label,
        rank="information",
        indicator="info",
        summary=words("engine.unable.summary", model=title),
        detail=wording.paragraphs(
            words("engine.unable.failed", model=title),
            wording.rests_on(words, [assessment], case.policy, case.record),
        ),
        source_label=words("engine.source"),
        models=(assessment.manifest.id,),
        repeat="always",
    )
