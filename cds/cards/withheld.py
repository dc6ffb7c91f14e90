"""Cards when the committee withholds a model, or nobody has looked at its guideline in time: what the others say goes
out, and where it would have spoken, a card says so. Its own answer is computed and kept, so that the committee sees
whether it has recovered; nobody else sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol

from cds.cards import wording
from cds.guidelines import currency
from cds.inference.prediction import Prediction
from cds.services.case import CardDraft, Case, Finding, Suppressed, Weighed

KIND = "withheld"
OVERDUE = "guideline-overdue"
"""Cause of a stop that no person ordered: the day came, and nobody had looked."""


class Stopped(Protocol):
    """What is told of a stop."""

    @property
    def since(self) -> str: ...
    @property
    def cause(self) -> str: ...


@dataclass(frozen=True)
class Lapsed:
    """A guideline that is no longer cited."""

    since: str
    cause: str = OVERDUE


def lapsed(case: Case) -> dict[str, Lapsed]:
    """By model id: guidelines past their review and the policy's grace."""
    found = (currency(a.manifest, case.policy, case.record.today) for a in case.assessments.values())
    return {
        each.model: Lapsed((each.speaks_until + timedelta(days=1)).isoformat())
        for each in found
        if each is not None and each.lapsed
    }


def without(case: Case, withheld: Iterable[str]) -> Case:
    """The case as a service sees it that knows nothing of these models: as if the policy had switched them off."""
    gone = frozenset(withheld)
    return replace(
        case,
        assessments={id: a for id, a in case.assessments.items() if id not in gone},
        studies={id: s for id, s in case.studies.items() if id not in gone},
    )


def said(
    everything: Sequence[Finding], rest: Sequence[Finding], case: Case, stopped: Mapping[str, Stopped]
) -> list[Finding]:
    """``everything``: what would have been said with all models; ``rest``: what is said without the withheld ones.

    A card of the same topic that rests on another model's answer stays, with a note. One that only says why there is
    no answer would give a wrong reason, and one that is missing would be silence: both become a card that says
    "withheld by the committee".
    """
    by_topic: dict[str, tuple[CardDraft, set[str]]] = {}
    for finding in everything:
        if isinstance(finding, CardDraft) and (gone := set(finding.models) & set(stopped)):
            _, before = by_topic.get(finding.topic, (finding, set()))
            by_topic[finding.topic] = (finding, before | gone)
    # what decisions depended on is kept as with all models: another policy is tried with all their answers
    found: list[Finding] = [finding for finding in everything if isinstance(finding, Weighed)]
    answered: set[str] = set()
    for finding in rest:
        if isinstance(finding, Weighed):
            continue
        if not isinstance(finding, CardDraft) or finding.topic not in by_topic:
            found.append(finding)
        elif any(isinstance(case.assessments.get(m), Prediction) and m not in stopped for m in finding.models):
            _, gone = by_topic[finding.topic]
            note = _sentence(case, gone, stopped)
            found.append(replace(finding, detail=wording.paragraphs(finding.detail, note)))
            answered.add(finding.topic)
        else:
            found.append(Suppressed(finding.topic, KIND, models=tuple(sorted(by_topic[finding.topic][1]))))
    for topic, (draft, gone) in by_topic.items():
        if topic not in answered:
            found.append(_card(case, draft, gone, stopped))
    return found


def _card(case: Case, draft: CardDraft, gone: set[str], stopped: Mapping[str, Stopped]) -> CardDraft:
    words = case.words
    label = draft.topic_label or words(f"topic.{draft.topic}")
    headline = "lapsed" if all(stopped[id].cause == OVERDUE for id in gone) else "summary"
    return CardDraft(
        topic=draft.topic,
        topic_label=label,
        kind=KIND,
        # who has silenced what it would have said has silenced this, too
        quieted_by=tuple(dict.fromkeys((draft.kind, *draft.quieted_by))),
        # a place as good as that of what it stands for: a warning that nobody gets is told like one
        rank=draft.rank,
        repeat="always" if draft.indicator == "warning" or draft.rank == "safety" else draft.repeat,
        indicator="info",
        summary=words(f"engine.withheld.{headline}", topic=wording.capital(label)),
        detail=wording.paragraphs(
            _sentence(case, gone, stopped),
            words("engine.withheld.no_reassurance"),
            *wording.gaps(words, case.evidence, case.record),
        ),
        source_label=words("engine.source"),
        # rests on nobody's answer: a report behind it must not show the one that is withheld
        models=(),
    )


def _sentence(case: Case, gone: Iterable[str], stopped: Mapping[str, Stopped]) -> str:
    words = case.words
    lines = [
        words(
            f"engine.withheld.by.{stopped[id].cause.replace('-', '_')}",
            model=words.pick(case.assessments[id].manifest.words.title) if id in case.assessments else id,
            day=words.day(date.fromisoformat(stopped[id].since)),
        )
        for id in sorted(gone)
    ]
    return " ".join(lines)
