"""order-select: a first-line regimen is being chosen; what would the prognosis information still need?"""

from __future__ import annotations

from collections.abc import Iterable

from cds.cards import wording
from cds.inference.prediction import NotAssessed, Prediction
from cds.services import CardDraft, Case, Finding, Proposal, Suppressed, service
from hooks import regimens, stage
from hooks.first_line_sign import READS, FirstLineParameters, passed_over, resected
from hooks.line import line
from hooks.regimens import Recognised
from hooks.stage import Extent
from hooks.standing_in import FULL, MODELS, asked

TOPIC = "pancreas-first-line-data"


@service(
    id="pancreas-first-line",
    hook="order-select",
    title="Pancreatic cancer: data before first-line treatment",
    description="When a first-line regimen is selected: names what is missing for the prognosis shown on signing.",
    models=MODELS,
    reads=READS,
    parameters=FirstLineParameters,
    orders=("blood-count-differential",),
)
def first_line_select(case: Case) -> Iterable[Finding]:
    found = regimens.recognise(case.record, case.drafts)
    if regimens.unread(case.record, case.drafts):
        yield Suppressed(TOPIC, "patient-facing" if case.patient_facing else "orders-unreadable", models=MODELS)
        return
    if found is None:
        if reason := passed_over(case):
            yield Suppressed(TOPIC, reason, models=MODELS)
        return
    extent = stage.extent(case.record)
    if reason := _silent(case, found, extent):
        yield Suppressed(TOPIC, reason, models=MODELS)
        return
    lacking = _lacking(case, extent)
    if lacking:
        yield _card(case, found.regimen.title, lacking)


def _silent(case: Case, found: Recognised, extent: Extent) -> str | None:
    if case.patient_facing:
        return "patient-facing"
    if case.record.deceased:
        return "deceased"
    if extent.known not in ("metastatic", "unknown", "unread-stage"):
        return f"cancer-{extent.known}"
    if extent.known != "metastatic" and resected(case.record):
        return "after-resection"  # adjuvant: on signing nobody misses the stage
    if line(case.record, found, extent).kind != "first":
        return "not-before-first-line"
    return None


def _lacking(case: Case, extent: Extent) -> list[str]:
    """What the estimate on signing would lack, as catalogue keys: just what its model could not read or assumed."""
    full = case.assessments.get(FULL)
    features = full.features if isinstance(full, Prediction | NotAssessed) else ()
    absent = {f.input.name for f in features if not f.found and not f.unread}
    lacking = []
    if absent & {"neutrophils", "lymphocytes", "monocytes"}:
        lacking.append("differential")
    if "ecog" in absent:
        lacking.append("ecog")
    stage = {"unknown": ("stage",), "unread-stage": ("readable_stage",)}.get(extent.known, ())
    return [*lacking, *stage]


def _card(case: Case, regimen: str, lacking: list[str]) -> CardDraft:
    words = case.words
    items = words.join(words(f"select.{name}") for name in lacking)
    reason = words("order_reason_first_line")
    orders = {"differential": "blood-count-differential"}
    proposals = [
        Proposal(orders[name], words(f"survival.order.{name}"), "routine", reason)
        for name in lacking
        if orders.get(name) in case.policy.orders
    ]
    return CardDraft(
        topic=TOPIC,
        rank="information",
        indicator="info",
        summary=wording.capital(words("select.summary", regimen=regimen, items=items)),
        detail=wording.paragraphs(
            words("select.detail", items=items),
            wording.bullets(wording.gaps(words, case.evidence, case.record)),
            wording.rests_on(words, list(case.assessments.values()), case.policy, case.record),
        ),
        source_label=words("select.source"),
        proposals=tuple(proposals),
        models=asked(case),
    )
