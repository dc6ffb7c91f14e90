"""Cards of models whose manifest says what to say: the same order of thought as on every other card.

Recommendation, why (the patient's own facts), what the model says and how sure that is, what is missing and what it
would change, what it rests on. Only the headline and the recommendation are the manifest's own sentences.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from cds.cards import answers, by_study, doubts, measured, nameless, wording
from cds.cards.compose import SUMMARY_LIMIT
from cds.cards.speech import chosen, limits, quieted_by
from cds.cards.unable import failed
from cds.inference.contribution import Contribution, Speech
from cds.inference.manifest import Status
from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.inference.rules import holds, reads
from cds.record.features import Feature
from cds.record.inputs import Reduce
from cds.services.case import CardDraft, Case, Finding, Proposal, Suppressed

_log = logging.getLogger("cds.cards")

_MOST_REASONS = 6


def findings(case: Case, model_ids: Sequence[str]) -> Iterator[Finding]:
    """What each contributing model has to say on this call; nothing for one the policy has switched off.

    Models that share a topic share one card: the heaviest speech leads it (of equals the one named first), and what
    the others conclude stands in it.
    """
    said: dict[str, list[tuple[Speech, Prediction]]] = {}
    unable: list[NotAssessed] = []
    for id in model_ids:
        assessment = case.assessments.get(id)
        card = assessment.manifest.card if assessment is not None else None
        if assessment is None or card is None:
            continue
        try:
            if isinstance(assessment, Prediction) and (speech := _chosen(case, assessment, card)) is not None:
                said.setdefault(card.topic, []).append((speech, assessment))
            elif isinstance(assessment, NotAssessed) and not _silenced(case, card) and _speaks_of_it(assessment, card):
                unable.append(assessment)
            else:
                yield from _unspoken(case, assessment, card)
        except Exception as error:
            yield _broken(case, assessment, card, error)
    if unable:
        yield _unable(case, unable)
    for topic, spoken in said.items():
        speech, leader = max(spoken, key=lambda pair: pair[0].weight)
        card = leader.manifest.card
        if card is None:
            continue
        try:
            yield _card(case, leader, card, speech, _beside(case, topic, leader, model_ids))
        except Exception as error:
            yield _broken(case, leader, card, error)


def _unspoken(case: Case, assessment: Assessment, card: Contribution) -> Iterator[Finding]:
    """Why a model puts no card of its own choosing."""
    models = (assessment.manifest.id,)
    if _silenced(case, card):
        yield Suppressed(card.topic, "deceased" if case.record.deceased else "patient-facing", models=models)
    elif isinstance(assessment, NotAssessed) and assessment.manifest.runtime.kind == "volume":
        yield from by_study.unread(case, assessment, card.topic, case.words.pick(card.topic_label))
    elif isinstance(assessment, Failed):
        yield _failed(case, assessment, card)
    else:
        reason = assessment.reason if isinstance(assessment, NotAssessed) else "nothing-to-say"
        yield Suppressed(card.topic, reason, models=models)


def _silenced(case: Case, card: Contribution) -> bool:
    return case.record.deceased or (case.patient_facing and not card.patient_facing)


def _chosen(case: Case, prediction: Prediction, card: Contribution) -> Speech | None:
    if _silenced(case, card):
        return None
    under = limits(card, case.policy.thresholds(prediction.manifest.id))
    return chosen(card, prediction, under)


def _broken(case: Case, assessment: Assessment, card: Contribution, error: Exception) -> CardDraft:
    """The last guard between one model's manifest and the cards of all others."""
    # the message may hold a patient's values: the type is enough to find the fault
    _log.error("card.failed model=%s error=%s", assessment.manifest.id, type(error).__name__)
    return _failed(case, assessment, card)


def _beside(case: Case, topic: str, leader: Prediction, model_ids: Sequence[str]) -> list[Prediction]:
    """What other models of the same topic concluded, whether or not they would have spoken."""
    others = [a for id in model_ids if isinstance(a := case.assessments.get(id), Prediction) and a is not leader]
    cards = ((a, a.manifest.card) for a in others)
    return [a for a, card in cards if card is not None and card.topic == topic and not _silenced(case, card)]


def _card(
    case: Case, prediction: Prediction, card: Contribution, speech: Speech, beside: list[Prediction]
) -> CardDraft:
    words, manifest = case.words, prediction.manifest
    fields = _Fields(case, prediction)
    told = telling(prediction)
    doubted = doubts.told(words, told)
    written = wording.by_text(words, prediction.features)
    also = [line for line in doubts.told(words, chain.from_iterable(map(telling, beside))) if line not in doubted]
    detail = wording.paragraphs(
        f"**{words.pick(speech.recommendation).format_map(fields)}**",
        words.pick(speech.more).format_map(fields) if speech.more else "",
        by_study.warning(words, manifest),
        _section(case, "scan", by_study.lines(case, manifest.id)),
        _section(case, "why", [*(wording.reason(words, f) for f in told[:_MOST_REASONS]), *written, *doubted]),
        _section(case, "says", _says(case, prediction)),
        _section(case, "measured", measured.lines(words, manifest, case.studies.get(manifest.id))),
        _section(case, "beside", [*(answers.concluded(case, other) for other in beside), *also]),
        _section(case, "sure", _sure(case, prediction)),
        _section(case, "missing", answers.missing(case, prediction)),
        _section(case, "gaps", wording.gaps(words, case.evidence, case.record)),
        wording.rests_on(words, [prediction, *beside], case.policy, case.record),
    )
    source = next((s for s in manifest.sources.values() if s.url), None)
    return CardDraft(
        topic=card.topic,
        topic_label=words.pick(card.topic_label),
        kind=speech.kind,
        quieted_by=quieted_by(card, speech),
        rank=card.rank,
        indicator=speech.indicator,
        summary=_headline(case, prediction, words.pick(speech.summary).format_map(fields)),
        detail=detail,
        source_label=words.pick(manifest.words.title),
        source_url=source.url if source else None,
        proposals=tuple(
            Proposal(p.order, words.pick(p.label), p.priority, words.pick(card.topic_label), recommended=p.recommended)
            for p in speech.proposals
            if p.order in case.policy.orders
        ),
        links=tuple(link for each in (prediction, *beside) for link in _links(case, each)),
        models=(manifest.id, *(other.manifest.id for other in beside)),
        flags=_flags(case, card, (prediction, *beside)),
    )


def _headline(case: Case, prediction: Prediction, summary: str) -> str:
    """With what may be older, where the answer rests on nothing else; where there is no room for that, the reasons
    alone tell it."""
    marked = doubts.marked(case.words, "headline", summary, doubts.of_answer(prediction))
    plain, longer = (by_study.labelled(case.words, prediction.manifest, text) for text in (summary, marked))
    return longer if len(longer) <= SUMMARY_LIMIT else plain


def _says(case: Case, prediction: Prediction) -> list[str]:
    parts = (answers.rules_said, answers.said, answers.ordinary)
    return [line for part in parts for line in part(case, prediction)]


def _flags(case: Case, card: Contribution, spoken: Sequence[Prediction]) -> tuple[str, ...]:
    """What the card rests on: rules that fired, whoever's, newer values of what renews it, the scan that was read."""
    found = [rule for each in spoken for rule in each.rules]
    for name in card.renewed_by:
        feature = spoken[0].feature(name)
        if feature.facts and feature.facts[0].when is not None:
            found.append(f"{name}:{feature.facts[0].when.text}")
    return (*found, *by_study.flags(case, spoken[0].manifest.id))


def _section(case: Case, name: str, lines: list[str]) -> str:
    return f"**{case.words(f'engine.heading.{name}')}**\n{wording.bullets(lines)}" if lines else ""


def telling(prediction: Prediction) -> list[Feature]:
    """The features behind the answer, the weightiest first: those of the rules that fired, or those that contribute."""
    rules = [r for r in prediction.manifest.runtime.rules if r.id in prediction.rules]
    if rules:
        features = {f.input.name: f for f in prediction.features}
        held = [
            features[name] for r in rules for c in (*r.all, *r.any) if holds(c, features) is True for name in reads(c)
        ]
        return list({f.input.name: f for f in held if f.facts}.values())
    found = [f for f in prediction.features if f.found and f.facts and f.value and f.input.graph]
    series = next((o for o in prediction.manifest.outputs if o.kind == "contributions"), None)
    if series is not None:
        weights = dict(zip((f.input.name for f in prediction.features), prediction.series(series.name), strict=True))
        found.sort(key=lambda f: -abs(weights[f.input.name]))
    return found


def _sure(case: Case, prediction: Prediction) -> list[str]:
    words, manifest = case.words, prediction.manifest
    lines = []
    if manifest.status is not Status.established:
        lines.append(words(f"engine.status.{manifest.status.value}"))
    if manifest.evidence:
        lines.append(wording.performance(words, manifest))
    lines += filter(None, [answers.spoke(case, prediction)])
    first = (manifest.words.limits.get(words.language) or manifest.words.limits.get("en") or ("",))[0]
    return [*lines, first] if first else lines


def _links(case: Case, prediction: Prediction) -> tuple[tuple[str, str], ...]:
    source = next((s for s in prediction.manifest.sources.values() if s.url), None)
    return ((case.words.pick(prediction.manifest.words.title), source.url),) if source and source.url else ()


def _failed(case: Case, assessment: Assessment, card: Contribution) -> CardDraft:
    return failed(case, assessment, card.topic, case.words.pick(card.topic_label))


def _speaks_of_it(assessment: NotAssessed, card: Contribution) -> bool:
    """Worth a line: the manifest asks for it, a source that is normally there could not be read, or rules hang on a
    number that stands in the record and can't be used; an age that the rules are not for and a score of another scale
    are no such number. What this hospital's server keeps for nobody would be said on every chart, and is left to the
    site's own check."""
    if assessment.reason == "eligibility-unread":
        return True
    if assessment.reason != "input-absent":
        return False
    if card.when_unable == "say":
        return True
    by_rules = assessment.manifest.runtime.kind == "rules"
    doubtful = any(f.unusable and (f.state != "out-of-range" or _mistaken(f)) for f in assessment.lacking)
    return any(f.state == "unread" for f in assessment.lacking) or (by_rules and doubtful)


def _mistaken(outside: Feature) -> bool:
    """Of a number outside its range: measured, so nobody has it."""
    return bool(outside.facts) and outside.input.unit != "1"


def _unable(case: Case, unable: Sequence[NotAssessed]) -> CardDraft:
    """One modest card, however many models could not be asked."""
    words = case.words
    lacking = {f.input.name: f for a in unable for f in a.lacking}
    card = unable[0].manifest.card
    alone, title = len(unable) == 1 and card is not None, words.pick(unable[0].manifest.words.title)
    return CardDraft(
        topic=f"{card.topic}-not-assessed" if card is not None and alone else "not-assessed",
        topic_label=words.pick(card.topic_label) if card is not None and alone else words("topic.not-assessed"),
        rank="information",
        indicator="info",
        summary=words("engine.unable.summary", model=title) if alone else words("engine.unable.several"),
        detail=wording.paragraphs(
            _by_titles(case, "eligibility", [a for a in unable if not a.lacking]),
            _by_titles(case, "lacking", [a for a in unable if a.lacking]),
            wording.bullets(wording.capital(wording.absence(words, f)) for f in lacking.values()),
            _unknown_orders(case) if any(f.input.source == "drafts" for f in lacking.values()) else "",
            _section(case, "gaps", wording.gaps(words, case.evidence, case.record)),
            wording.rests_on(words, list(unable), case.policy, case.record),
        ),
        source_label=words("engine.source"),
        models=tuple(a.manifest.id for a in unable),
        repeat="each-time",
    )


def _by_titles(case: Case, said: str, unable: Sequence[NotAssessed]) -> str:
    """What is said of these models, each title in quotes of its own; nothing where there is none."""
    words = case.words
    titles = [words("engine.unable.title", model=words.pick(a.manifest.words.title)) for a in unable]
    return words.counted(f"engine.unable.{said}", len(titles), models=words.join(titles)) if titles else ""


def _unknown_orders(case: Case) -> str:
    """Of the orders in the making, those of which no code here tells the drug, by their codes."""
    orders = [*case.drafts.unrecognised, *(f for f in case.drafts.untold if not (f.texts or f.title))]
    codes = case.words.join(nameless.codes(orders))
    return case.words.counted("engine.unable.orders", len(orders), codes=codes) if codes else ""


class _Fields(dict[str, Any]):
    """Fields of a manifest's sentence: inputs and outputs by name, ``rules`` and ``found``."""

    def __init__(self, case: Case, prediction: Prediction) -> None:
        super().__init__()
        self._case, self._prediction = case, prediction

    def __missing__(self, name: str) -> str:
        case, prediction = self._case, self._prediction
        if name == "rules":
            return case.words.join(answers.rules_named(case.words, prediction))
        if name == "found":
            return case.words.join(case.words.pick(f.input.label) for f in telling(prediction))
        output = next((o for o in prediction.manifest.outputs if o.name == name), None)
        if output is not None:
            return answers.text_of(case, prediction, output)
        return _input_text(case, prediction.feature(name))


def _input_text(case: Case, feature: Feature) -> str:
    if feature.value is None and feature.state == "censored" and feature.facts:
        return wording.fact_text(case.words, feature.facts[0])
    if feature.value is None:
        return wording.why_absent(case.words, feature.state, feature.detail)
    if feature.input.reduce in (Reduce.count, Reduce.course, Reduce.days_since, Reduce.line):
        return wording.counted(case.words, feature)
    number = case.words.number(feature.value, 0 if feature.value == round(feature.value) else 1)
    # an age at a first finding is no value of that finding
    own = feature.input.reduce is not Reduce.first_at_least and len(feature.facts) == 1
    if own and feature.facts[0].original:
        return wording.fact_text(case.words, feature.facts[0])
    return number if feature.input.unit in ("1", "a") else f"{number} {feature.input.unit}"
