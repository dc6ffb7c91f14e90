"""What the answers rest on: models with version and hash, their evidence and limits, the data used and where each value
came from, the policy in force, and what has not been shown here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cds.cards import wording
from cds.cards.phrasebook import Phrasebook
from cds.engine import Engine
from cds.inference.manifest import Evidence, Manifest
from cds.pages.report import amounts
from cds.pages.report.amounts import Given
from cds.pages.report.stored import Opened, Told
from cds.record.moments import parse


@dataclass(frozen=True)
class Study:
    stage: str
    cohort: str
    measure: str
    value: str
    n: str
    note: str
    citation: str
    url: str | None


@dataclass(frozen=True)
class ModelUsed:
    id: str
    title: str
    version: str
    sha256: str
    status: str
    outcome: str
    at: str
    population: str
    studies: tuple[Study, ...]
    limits: tuple[str, ...]
    notice: str
    released: str


@dataclass(frozen=True)
class SourceRead:
    name: str
    state: str
    count: str
    good: bool


@dataclass(frozen=True)
class Provenance:
    models: tuple[ModelUsed, ...]
    data: tuple[Given, ...]
    sources: tuple[SourceRead, ...]
    odd: tuple[str, ...]
    """Of what was sent, what was not used."""
    facts: tuple[tuple[str, str], ...]
    """(what, which): call, card, service, policy."""


_WELL = frozenset({"sent", "fetched", "null"})


def provenance(engine: Engine, opened: Opened, words: Phrasebook) -> Provenance:
    call = opened.call
    zone = engine.settings.timezone
    return Provenance(
        tuple(_model(t, words, zone) for t in opened.told),
        tuple(_data(opened.told, words)),
        tuple(_sources(call.data_state, words)),
        tuple(_odd(call.data_state, words)),
        (
            (words("report.page.fact.at"), amounts.moment(words, call.at, zone)),
            (words("report.page.fact.service"), f"{call.service} {call.service_version} ({call.hook})"),
            (words("report.page.fact.policy"), call.policy_version),
            (words("report.page.fact.card"), opened.card.id),
            (words("report.page.fact.call"), call.id),
        ),
    )


def _model(told: Told, words: Phrasebook, zone: str) -> ModelUsed:
    entry = told.entry
    manifest = told.model.manifest if told.model is not None else None
    outcome = words(f"report.page.outcome.{entry.outcome}")
    at = amounts.moment(words, told.at, zone)
    if manifest is None:
        gone = words("report.page.status.gone")
        return ModelUsed(
            entry.model, entry.model, entry.model_version, entry.model_sha256, gone, outcome, at, "", (), (), "", ""
        )
    return ModelUsed(
        entry.model,
        words.pick(manifest.words.title),
        entry.model_version,
        entry.model_sha256,
        words(f"report.page.status.{manifest.status.value}"),
        outcome,
        at,
        words.pick(manifest.population.description),
        tuple(_study(e, manifest, words) for e in manifest.evidence),
        tuple(manifest.words.limits.get(words.language) or manifest.words.limits.get("en", ())),
        f"{manifest.licence.name}. {manifest.licence.notice}",
        words.day(manifest.released),
    )


def _study(one: Evidence, manifest: Manifest, words: Phrasebook) -> Study:
    value = words.number(one.value, 3) if one.value is not None else "–"
    if one.interval is not None:
        low, high = (words.number(v, 3) for v in one.interval)
        value += f" ({words('report.page.between', low=low, high=high)})"
    counts = [words("report.page.row.size", n=words.number(one.n, 0))] if one.n else []
    if one.events:
        counts.append(words("report.page.events", n=words.number(one.events, 0)))
    source = manifest.sources.get(one.source)
    return Study(
        words(f"engine.stage.{one.stage}"),
        words.pick(one.cohort),
        words.pick(one.metric) if isinstance(one.metric, dict) else one.metric,
        value,
        ", ".join(counts) or "–",
        words.pick(one.note),
        source.citation if source is not None else one.source,
        source.url if source is not None else None,
    )


def _data(told: Iterable[Told], words: Phrasebook) -> Iterable[Given]:
    """Every value once, however many models read it; what is on record before what is not."""
    rows: dict[tuple[str, str, tuple[str, ...]], Given] = {}
    for one in told:
        given = [amounts.given(words, f) for f in one.features if f.input.source != "constant"]
        for row in given or _kept(one, words):
            rows.setdefault((row.label, row.value, row.sources), replace(row, note=""))
    yield from sorted(rows.values(), key=lambda r: (not r.found, not r.sources))


def _kept(told: Told, words: Phrasebook) -> Iterable[Given]:
    """Of a model that is not the same any more: what it read, as the ledger has it, under today's names if any."""
    manifest = told.model.manifest if told.model is not None else None
    labels = {i.name: words.pick(i.label) for i in manifest.inputs} if manifest is not None else {}
    for name, kept in told.entry.inputs.items():
        found = "value" in kept
        if found:
            value = amounts.with_unit(words, words.number(float(kept["value"]), 2), kept.get("unit", "1"))
        else:
            value = wording.capital(words(f"engine.absent.{kept['state']}", detail=kept.get("sent", "")))
        day = words.day(parse(kept["date"])) if "date" in kept else ""
        label = wording.capital(labels.get(name) or name.replace("_", " "))
        yield Given(label, value, day, tuple(kept.get("from", ())), found)


def _sources(states: dict[str, object], words: Phrasebook) -> Iterable[SourceRead]:
    for key, state in states.items():
        if not isinstance(state, dict):
            continue
        kind = str(state.get("state", ""))
        said = words.texts.get(f"report.page.source_state.{kind}", kind)
        code = f" ({state['error']})" if state.get("error") else ""
        name = words.texts.get(f"engine.sources.{key}", key)
        yield SourceRead(name, f"{said}{code}", words.number(float(state.get("count") or 0), 0), kind in _WELL)


def _odd(states: dict[str, object], words: Phrasebook) -> Iterable[str]:
    for key in ("foreign", "malformed"):
        if count := states.get(key):
            yield words(f"engine.gaps.{key}", count=count)
    if count := states.get("drafts_lost"):
        yield words("report.page.drafts_lost", count=count)
