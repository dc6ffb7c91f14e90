"""All of what a model made of one patient: inputs, answer, reasons and what is missing, ready to be printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cds.errors import ModelError
from cds.inference import explain
from cds.inference.manifest import Output
from cds.inference.model import Model
from cds.inference.prediction import Failed, NotAssessed, Prediction, Value
from cds.inference.rules import holds, reads
from cds.record.facts import Record
from cds.record.features import Feature
from cds.record.inputs import Reduce
from cds.survival import Curve

_SHOWN_MONTHS = (6, 12, 24, 36)


@dataclass(frozen=True)
class Sent:
    source: str
    """``Type/id`` of the resource."""
    date: str
    original: str
    """Value and unit, or the code's text, as the hospital wrote them."""


@dataclass(frozen=True)
class Read:
    """One input as it was read."""

    name: str
    label: str
    value: float | None
    unit: str
    state: str
    sent: tuple[Sent, ...]
    """What it was read from, the newest first."""
    conversion: str
    """What was done to it; empty where nothing was."""
    contribution: float | None
    decides: str = ""
    """Of rules: those that held by it. Of a category: what it would be, were this as in an ordinary patient."""
    refused: str = ""
    """The value as sent, where it could not be used."""


@dataclass(frozen=True)
class Said:
    name: str
    label: str
    kind: str
    value: float | str | None
    unit: str
    lower: float | None = None
    upper: float | None = None
    at: float | None = None
    """Months, of one point of a survival curve."""
    or_more: bool = False
    """The curve ends before the share is reached: its last month stands for that or more."""


@dataclass(frozen=True)
class Open:
    """An input that is not known, and between what the main answer would lie if it were."""

    name: str
    label: str
    lowest: float
    """Of the main answer."""
    highest: float


@dataclass(frozen=True)
class Account:
    model: str
    version: str
    title: str
    status: str
    patient: str
    outcome: str
    """``predicted``, ``not-eligible``, ``input-absent`` or ``failed``"""
    why: str
    read: tuple[Read, ...]
    said: tuple[Said, ...] = ()
    rules: tuple[str, ...] = ()
    scale: str = ""
    method: str = ""
    comparator: float | None = None
    comparator_of: str = ""
    open: tuple[Open, ...] = ()
    """Missing inputs; the one that could change the answer most comes first."""
    main: str = ""
    """Name of the output that ``open`` is about."""
    main_label: str = ""
    main_kind: str = ""
    lost: int = 0
    """Resources that were there and could not be used."""

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def account_of(model: Model, record: Record, language: str) -> Account:
    """Never raises: a model that fails is an account that says so."""
    assessment = model.assess(record)
    m = model.manifest
    words = _Words(language)
    base: dict[str, Any] = {
        "model": m.id,
        "version": m.version,
        "title": words(m.words.title),
        "status": m.status.value,
        "patient": f"Patient/{record.patient_id}",
        "lost": record.lost,
    }
    if isinstance(assessment, Failed):
        read = tuple(_read(f, None, words) for f in assessment.features)
        return Account(**base, outcome="failed", why=assessment.error, read=read)
    if isinstance(assessment, NotAssessed):
        read = tuple(_read(f, None, words) for f in assessment.features)
        lacking = "; ".join(f"{words(f.input.label)} ({f.state})" for f in assessment.lacking)
        why = _why_not(assessment, lacking, words)
        return Account(**base, outcome=assessment.reason, why=why, read=read)
    return _predicted(model, assessment, base, words)


def _why_not(assessment: NotAssessed, lacking: str, words: _Words) -> str:
    says = words(dict(assessment.says))
    match assessment.reason:
        case "no-study":
            return "it reads scans, not records: its answers come of study jobs (cds study --help)"
        case "eligibility-unread":
            return f"what decides whether it is meant for the patient could not be read: {says}"
        case "not-eligible":
            return says
        case _:
            return f"it needs: {lacking}"


@dataclass(frozen=True)
class _Words:
    language: str

    def __call__(self, texts: Mapping[str, str]) -> str:
        return texts.get(self.language) or texts.get("en", "")


def _predicted(model: Model, prediction: Prediction, base: dict[str, Any], words: _Words) -> Account:
    try:
        explanation = explain.explain(model, prediction)
    except ModelError as error:
        return Account(**base, outcome="failed", why=str(error), read=())
    shares = {s.feature.input.name: s.value for s in explanation.shares} if explanation else {}
    decides = {} if shares else _decides(model, prediction, words)
    rules = {r.id: words(r.label) for r in model.manifest.runtime.rules}
    comparator, named = _comparator(prediction)
    if comparator is None and explanation is not None and explanation.compared is not None:
        comparator, named = explanation.compared, explanation.scale
    main = explain.headline(prediction)
    if comparator is None and main is not None and prediction.ordinary is not None:
        like = prediction.ordinary[main.name]
        comparator, named = (like, main.name) if isinstance(like, float) else (None, "")
    return Account(
        **base,
        outcome="predicted",
        why="",
        read=tuple(
            _read(f, shares.get(f.input.name), words, decides.get(f.input.name, "")) for f in prediction.features
        ),
        said=tuple(s for o in model.manifest.outputs for s in _said(o, prediction, words)),
        rules=tuple(f"{id}: {rules[id]}" for id in prediction.rules),
        scale=explanation.scale if explanation else "",
        method=explanation.method if explanation else "",
        comparator=comparator,
        comparator_of=named,
        open=_open(prediction, main, words),
        main=main.name if main is not None else "",
        main_label=words(main.label) or main.name if main is not None else "",
        main_kind=main.kind if main is not None else "",
    )


def _open(prediction: Prediction, main: Output | None, words: _Words) -> tuple[Open, ...]:
    if main is None:
        return ()
    spreads = explain.spreads(prediction.what_if, main.name, prediction.number(main.name))
    return tuple(Open(name, words(f.input.label), low, high) for name, (f, low, high) in spreads.items())


def _decides(model: Model, prediction: Prediction, words: _Words) -> dict[str, str]:
    """By input, what hangs on it, where no number can be shared out."""
    if prediction.manifest.runtime.rules:
        held = [r for r in prediction.manifest.runtime.rules if r.id in prediction.rules]
        features = {f.input.name: f for f in prediction.features}
        by_input: dict[str, list[str]] = {}
        for rule in held:
            true = [c for c in (*rule.all, *rule.any) if holds(c, features) is True]
            for name in dict.fromkeys(name for c in true for name in reads(c)):
                by_input.setdefault(name, []).append(rule.id)
        return {name: f"in {', '.join(ids)}" for name, ids in by_input.items()}
    other = explain.otherwise(model, prediction)
    output = next((o for o in prediction.manifest.outputs if o.kind == "category"), None)
    if output is None:
        return {}
    return {name: f"else {words(output.category_labels.get(told, {})) or told}" for name, told in other.items()}


def _comparator(prediction: Prediction) -> tuple[float | None, str]:
    own = next((o for o in prediction.manifest.outputs if o.kind == "comparator"), None)
    return (prediction.number(own.name), own.name) if own is not None else (None, "")


def _read(feature: Feature, contribution: float | None, words: _Words, decides: str = "") -> Read:
    sent = [
        Sent(f.source, f.when.text if f.when is not None else "", f.original or f.title or "/".join(f.answers))
        for f in {fact.source: fact for fact in reversed(feature.facts)}.values()
    ][::-1]
    if not sent and feature.found and feature.input.source.startswith("patient"):
        sent = [Sent("Patient", "", "")]
    return Read(
        name=feature.input.name,
        label=words(feature.input.label),
        value=feature.value,
        unit="" if feature.input.unit == "1" else feature.input.unit,
        state=feature.state,
        sent=tuple(sent),
        conversion=_conversion(feature),
        contribution=contribution,
        decides=decides,
        refused=feature.detail,
    )


def _conversion(feature: Feature) -> str:
    """How the hospital's value became the model's: a unit, a code's number, or a reduction of several values."""
    spec, facts = feature.input, feature.facts
    if not facts or feature.value is None:
        return ""
    if spec.values and facts[0].answers and facts[0].value is None:
        return f"{'/'.join(facts[0].answers)} = {feature.value:g}"
    converted = [f"{f.original} = {f.value:.4g} {f.unit}" for f in facts if _other_unit(f.original, f.unit or "1")]
    if spec.reduce not in (Reduce.latest, Reduce.earliest, Reduce.nearest, Reduce.coded, Reduce.presence, None):
        converted.append(spec.reduce.value.replace("_", " "))
    return "; ".join(converted)


def _other_unit(original: str, unit: str) -> bool:
    sent = original.partition(" ")[2]
    return bool(sent) and sent != unit


def _said(output: Output, prediction: Prediction, words: _Words) -> list[Said]:
    label, unit = words(output.label) or output.name, "" if output.unit == "1" else output.unit
    if output.kind in ("bound", "contributions") or (output.curve is not None and output.horizon is not None):
        return []  # a curve's points are told with it
    if output.kind == "category":
        name = prediction.category(output.name)
        told = words(output.category_labels.get(name or "", {})) or name
        return [Said(output.name, label, output.kind, told, unit)]
    lower, upper = (prediction.outputs.get(bound) if bound else None for bound in (output.lower, output.upper))
    if not output.times:
        bounds = (lower if isinstance(lower, float) else None, upper if isinstance(upper, float) else None)
        value, more = prediction.number(output.name), prediction.open_ended(output.name)
        return [Said(output.name, label, output.kind, value, unit, *bounds, or_more=more)]
    return _curve(output, prediction.series(output.name), lower, upper, label)


def _curve(
    output: Output, alive: tuple[float, ...], lower: Value | None, upper: Value | None, label: str
) -> list[Said]:
    bounded = isinstance(lower, tuple) and isinstance(upper, tuple)
    curve = Curve(output.times, alive, lower if bounded else alive, upper if bounded else alive)  # type: ignore[arg-type]
    found = []
    for months in _SHOWN_MONTHS:
        point = curve.at(months)
        if point is not None:
            low, high = (point.lower, point.upper) if bounded else (None, None)
            found.append(Said(output.name, label, output.kind, point.alive, "", low, high, months))
    return found
