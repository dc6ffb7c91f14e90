"""What the report rests on: models with their evidence and limits, the data they read, and what could not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.inference.manifest import Manifest
from cds.ledger import CallEntry
from cds.pages.report import words as say
from cds.pages.report.reading import reading
from cds.pages.report.stored import Told
from cds.record.concepts import Text


@dataclass(frozen=True)
class EvidenceRow:
    stage: str
    cohort: str
    n: str
    metric: str
    value: str


@dataclass(frozen=True)
class Said:
    """Words of a manifest that may be in another language than the page."""

    text: str
    language: str
    """Empty where it is the page's."""


@dataclass(frozen=True)
class SourceRow:
    citation: Said
    where: Said
    """Where in it."""
    url: str


@dataclass(frozen=True)
class ModelRow:
    id: str
    title: str
    version: str
    sha256: str
    """Of its graph, or of its rules; empty in old rows of rules."""
    status: str
    changed: bool
    """Another version is installed now."""
    overdue: str
    """Of a guideline nobody has looked at again in time: since when. Empty for all others."""
    summary: str
    population: str
    evidence: tuple[EvidenceRow, ...]
    limits: tuple[str, ...]
    sources: tuple[SourceRow, ...]
    licence: Said
    verbatim: bool
    """The licence's own text, which this page does not translate."""
    modalities: str
    """Kinds of evidence that spoke."""


@dataclass(frozen=True)
class DataRow:
    label: str
    value: str
    date: str
    sources: tuple[str, ...]
    reference: str = ""
    """The laboratory's reference range; empty where it sent none."""


@dataclass(frozen=True)
class Gap:
    source: str
    state: str
    code: str


def models(words: Phrasebook, answers: tuple[Told, ...], overdue: Callable[[Manifest], str]) -> tuple[ModelRow, ...]:
    """``overdue``: the sentence of a guideline that is, empty for all others."""
    return tuple(_model(words, told, overdue(told.manifest)) for told in answers)


def _model(words: Phrasebook, told: Told, overdue: str) -> ModelRow:
    found, status = told.manifest, told.manifest.status.value
    notice = _said(words, found.licence.notice)
    spoke = dict.fromkeys(i.spec.modality.value for i in told.inputs if i.told and i.spec.graph)
    return ModelRow(
        id=found.id,
        title=words.pick(found.words.title),
        version=told.entry.model_version,
        sha256=told.entry.model_sha256,
        status=words(f"report.status.{status}"),
        changed=not told.same_model,
        overdue=overdue,
        summary=words.pick(found.words.summary),
        population=words.pick(found.population.description),
        evidence=tuple(
            EvidenceRow(
                stage=words(f"engine.stage.{e.stage}"),
                cohort=words.pick(e.cohort),
                n=words.number(e.n, 0) if e.n is not None else "",
                metric=words.pick(e.metric) if isinstance(e.metric, dict) else e.metric,
                value=_figure(words, e.value, e.interval),
            )
            for e in found.evidence
        ),
        limits=found.words.limits.get(words.language) or found.words.limits.get("en", ()),
        sources=tuple(
            SourceRow(_said(words, s.citation), _said(words, s.where), s.url or "") for s in found.sources.values()
        ),
        licence=notice,
        verbatim=bool(notice.language) and isinstance(found.licence.notice, str),
        modalities=words.join(words(f"engine.modality.{m}") for m in spoke),
    )


def _said(words: Phrasebook, told: str | Text) -> Said:
    """What a manifest gives in no language of its own, a title or a licence's text, is read as English."""
    if isinstance(told, str):
        return Said(told, "" if words.language == "en" else "en")
    if own := told.get(words.language):
        return Said(own, "")
    text = words.pick(told)
    return Said(text, next((tag for tag, said in told.items() if said == text), ""))


def _figure(words: Phrasebook, value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return ""
    told = words.number(value, 3)
    if interval is None:
        return told
    between = words("engine.performance.interval", low=words.number(interval[0], 3), high=words.number(interval[1], 3))
    return f"{told} {between}"


def data(words: Phrasebook, answers: tuple[Told, ...], beside: Iterable[Mapping[str, str]] = ()) -> tuple[DataRow, ...]:
    """Every value that a model read, once, the newest first; several models may have read the same. ``beside``: what
    the card tells of and no model read, as the ledger keeps it."""
    found: dict[tuple[str, str, str], tuple[str, DataRow]] = {}
    for told in answers:
        if (seen := reading(words, told)) is not None:
            day = str(told.entry.inputs["scan"].get("date") or "")
            row = DataRow(words("report.reading.scan"), seen.modality, seen.day, (f"studies/{seen.study}",))
            found.setdefault((row.label, seen.study, day), (day, row))
        for given in told.inputs:
            if not given.told or not given.sources:
                continue
            row = DataRow(
                label=say.label(words, given.spec),
                value=say.read(words, given),
                date=say.day(words, given.date),
                sources=given.sources,
                reference=say.reference(words, given),
            )
            found.setdefault((row.label, row.value, given.date), (given.date, row))
    for one in beside:
        row = DataRow(
            label=wording.capital(words.concept(one["concept"])),
            value=say.spelt(words, one["written"]),
            date=say.day(words, one["date"]),
            sources=(one["from"],),
        )
        found.setdefault((row.label, row.value, one["date"]), (one["date"], row))
    return tuple(row for _, row in sorted(found.values(), key=lambda pair: pair[0], reverse=True))


def gaps(words: Phrasebook, call: CallEntry) -> tuple[Gap, ...]:
    """What of the record could not be had, or not whole, when the call was answered."""
    found = []
    for key, state in call.data_state.items():
        if isinstance(state, dict) and state.get("state") in ("failed", "partly", "missing"):
            name = words(f"engine.sources.{key}") if f"engine.sources.{key}" in words.texts else key
            found.append(Gap(name, words(f"report.gap.{state['state']}"), str(state.get("error", ""))))
    return tuple(found)
