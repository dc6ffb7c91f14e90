"""``cds models show``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from cds.cli.models.found import model_of, policy_if_good, registry_of, settings_of
from cds.cli.models.patients import Source, from_server, moment, some
from cds.errors import LedgerError
from cds.fhir.queries import plan
from cds.guidelines import currency
from cds.inference.guideline import under
from cds.inference.manifest import Input, Manifest
from cds.inference.model import Model
from cds.inference.registry import Registry, concepts_of
from cds.modelcards.words import needed
from cds.policy.schema import Policy
from cds.record.features import extract
from cds.settings import Settings
from cds.site.in_force import said, today_of

_UNSOURCED = "unsourced"
"""As the ledger's own count calls what was found in no resource."""
_NOT_THERE = ("missing", "unread")


@click.command()
@click.argument("model_id")
@click.option("--language", default="en", show_default=True, help="Language of the model's own words.")
@click.option("--fhir", help="Count the inputs in the patients of this FHIR server instead of in the ledger.")
@click.option("--patients", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many, with --fhir.")
@click.pass_context
def show(ctx: click.Context, model_id: str, language: str, fhir: str | None, patients: int) -> None:
    """One model: population, inputs with units and ranges, how often this site has them, evidence, limits, sources.

    How often comes from the predictions in the ledger, or with --fhir from the patients of a FHIR server.
    """
    settings = settings_of(ctx)
    found = registry_of(settings)
    model = model_of(found, model_id)
    console = Console()
    policy, unknown = policy_if_good(settings, found)
    if policy is not None:
        model = under(model, policy.guidelines.editions)
    _print(console, model.manifest, language)
    _guideline(console, model.manifest, policy, today_of(settings), unknown)
    if fhir is not None:
        count, states = _at_server(settings, found, model, fhir.rstrip("/"), patients)
        _found(console, model.manifest, language, count, states, f"patients of {fhir}")
    else:
        _in_ledger(console, settings, model.manifest, language)


def _guideline(console: Console, m: Manifest, policy: Policy | None, today: date, unknown: str) -> None:
    """How current it is, and whose care that is."""
    if m.guideline is None:
        return
    found = currency(m, policy, today) if policy is not None else None
    told = said(found) if found is not None else f"to be reviewed by {m.guideline.review_by}, as installed; {unknown}"
    by = found.owner if found is not None else m.guideline.owner
    console.print("[bold]Guideline[/] ", end="")
    console.print(
        f"{m.guideline.publisher}, {m.guideline.published}; {told}; by {by}",
        style="red" if found is not None and found.overdue else "",
        markup=False,
        highlight=False,
    )


def _in_ledger(console: Console, settings: Settings, m: Manifest, language: str) -> None:
    from cds.ledger.inputs import input_states  # SQLAlchemy: only where a ledger is read

    try:
        if settings.database_url is None and not Path(settings.ledger_url.removeprefix("sqlite:///")).exists():
            raise LedgerError("there is none yet")  # reading must not make one
        count, states = input_states(settings.ledger_url, m.id)
    except LedgerError as error:
        console.print(f"[bold]Inputs found at this site[/]: not known; ledger: {error}")
        return
    _found(console, m, language, count, states, "calls in the ledger")


def _at_server(
    settings: Settings, found: Registry, model: Model, base: str, most: int
) -> tuple[int, Mapping[str, Counter[str]]]:
    source = Source(settings, found.vocabulary, moment(None))
    queries = plan(concepts_of(model.manifest, fetched=True), found.vocabulary)
    states: dict[str, Counter[str]] = {}
    ids = some(source, base, most)
    for patient_id in ids:
        record = from_server(source, base, patient_id, queries)
        for feature in extract(model.manifest.inputs, record, model.kinds):
            state = _UNSOURCED if feature.found and not feature.facts else feature.state
            states.setdefault(feature.input.name, Counter())[state] += 1
    return len(ids), states


def _found(
    console: Console, m: Manifest, language: str, count: int, states: Mapping[str, Counter[str]], where: str
) -> None:
    if not count:
        console.print(f"[bold]Inputs found at this site[/]: no {where} yet")
        return
    table = Table("input", "found", "missing", "refused", "why refused", title_justify="left")
    table.title = f"Inputs found at this site ({count} {where})"
    for spec in m.inputs:
        seen = _seen(spec, states.get(spec.name, Counter()))
        refused = {s: n for s, n in seen.items() if s != "found" and s not in _NOT_THERE}
        why = ", ".join(f"{state} {n}" for state, n in sorted(refused.items(), key=lambda x: -x[1]))
        missing = sum(seen[s] for s in _NOT_THERE)
        table.add_row(
            _pick(spec.label, language),
            _share(seen["found"], count),
            _share(missing, count),
            _share(sum(refused.values()), count),
            why,
        )
    console.print(table)


def _seen(spec: Input, states: Mapping[str, int]) -> Counter[str]:
    """A flag is always an answer; one that nothing in the record speaks for is no find."""
    seen = Counter(states)
    unsourced = seen.pop(_UNSOURCED, 0)
    seen["missing" if spec.is_flag and spec.concepts else "found"] += unsourced
    return seen


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}"


def _pick(texts: str | Mapping[str, str], language: str) -> str:
    if isinstance(texts, str):
        return texts
    return texts.get(language) or texts.get("en", "")


def _print(console: Console, m: Manifest, language: str) -> None:
    console.print(f"[bold]{_pick(m.words.title, language)}[/] ({m.id} {m.version}, {m.released}, {m.status.value})")
    console.print(f"SHA-256 of what decides: {m.fingerprint}", highlight=False, soft_wrap=True)
    console.print(_pick(m.words.summary, language))
    console.print(f"For: {_pick(m.population.description, language)}")
    inputs = Table("input", "from", "unit", "range", "if absent", title="Inputs", title_justify="left")
    for i in m.inputs:
        bounds = f"{i.range[0]:g}–{i.range[1]:g}" if i.range else ""
        inputs.add_row(_pick(i.label, language), _from(i), i.unit, bounds, _absent(i))
    console.print(inputs)
    evidence = Table("stage", "cohort", "n", "metric", "value", "interval", title="Evidence", title_justify="left")
    for e in m.evidence:
        interval = f"{e.interval[0]:g}–{e.interval[1]:g}" if e.interval else ""
        value = f"{e.value:g}" if e.value is not None else ""
        metric = _pick(e.metric, language)
        evidence.add_row(e.stage, _pick(e.cohort, language), str(e.n or ""), metric, value, interval)
    console.print(evidence)
    console.print("[bold]Limits[/]")
    for limit in m.words.limits.get(language) or m.words.limits.get("en", ()):
        console.print(f"  · {limit}")
    console.print("[bold]Sources[/]")
    for cited in m.sources.values():
        told = (_pick(cited.citation, language), _pick(cited.where, language), cited.url)
        console.print(f"  · {' '.join(filter(None, told))}")
    console.print(f"[bold]Licence[/] {m.licence.name}: {_pick(m.licence.notice, language)}")


def _from(spec: Input) -> str:
    source = ", ".join(spec.concepts) if spec.concepts else spec.source
    return source + (f" ({spec.reduce.value}{', ' + spec.within if spec.within else ''})" if spec.reduce else "")


def _absent(spec: Input) -> str:
    if spec.absent.does == "assume":
        return f"assumes {spec.absent.value:g}"
    if spec.source == "constant":
        return "always there"
    return "abstains" if needed(spec) else "counts as no"
