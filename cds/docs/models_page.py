"""``docs/models.md``: every model with its status, for whom it speaks, on what evidence, and what it can't do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds.docs.reference import GENERATED
from cds.inference.model import Model
from cds.modelcards import words
from cds.modelcards.markdown import table

_HEAD = """
All that is known of each stands in its card (`models/ID/card.md`), which is made from its `model.yaml`; `cds models
show ID` prints the same. A research, demonstration or unverified model runs only where the policy names it. How to add
one: [add-a-model.md](add-a-model.md). Why a model may say nothing: [abstentions.md](abstentions.md).
"""


def models_page(models: Iterable[Model]) -> str:
    known = sorted((m for m in models if not m.refused), key=lambda m: (m.manifest.task.value, m.manifest.id))
    lines = ["# Models", GENERATED, *_HEAD.splitlines(), ""]
    lines += table(("model", "version", "task", "status", "best evidence"), (_row(m) for m in known))
    for model in known:
        lines += _model(model)
    return "\n".join(lines).rstrip() + "\n"


def _row(model: Model) -> tuple[str, ...]:
    m = model.manifest
    return (f"[{m.id}](#{m.id})", m.version, m.task.value, m.status.value, evidence(model))


def evidence(model: Model) -> str:
    best = words.headline(model.manifest)
    if best is None:
        return "None."
    size = f", {words.size(best)}" if words.size(best) else ""
    missing = "" if best.interval or best.value is None else " (no interval published)"
    return f"{words.figure(best)}{missing}; {words.pick(best.cohort)}{size}; {words.STAGES[best.stage].lower()}"


def _model(model: Model) -> Iterator[str]:
    m = model.manifest
    yield f"## {m.id}"
    yield ""
    yield f"**{words.pick(m.words.title)}.** {words.pick(m.words.summary)} [Card](../models/{m.id}/card.md)."
    yield ""
    yield f"- For whom: {words.pick(m.population.description)}"
    yield f"- Status: {words.STATUSES[m.status.value]}"
    yield f"- Evidence: {evidence(model)}."
    yield f"- Licence: {m.licence.name}."
    yield ""
    yield "What it can't do:"
    yield ""
    yield from (f"- {limit}" for limit in m.words.limits.get("en", ()))
    yield ""
