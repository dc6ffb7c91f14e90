"""order-select: a first-line regimen is being chosen; what would the prognosis information still need?"""

from __future__ import annotations

from collections.abc import Iterable

from cds.cards import wording
from cds.record.inputs import days
from cds.services import CardDraft, Case, Finding, Proposal, Suppressed, service
from hooks import regimens, stage
from hooks.first_line_sign import MODELS, READS, FirstLineParameters

TOPIC = "pancreas-first-line-data"


@service(
    id="pancreas-first-line",
    hook="order-select",
    title="Pancreatic cancer: data before first-line treatment",
    description="When a first-line regimen is selected: names what is missing for the prognosis shown on signing.",
    models=MODELS,
    reads=READS,
    parameters=FirstLineParameters,
    derive=regimens.derive,
)
def first_line_select(case: Case) -> Iterable[Finding]:
    found = regimens.recognise(case.record, case.drafts)
    if found is None or case.patient_facing or case.record.deceased:
        return
    extent = stage.extent(case.record)
    if extent.known == "unconfirmed":
        yield Suppressed(TOPIC, "no-confirmed-cancer", models=MODELS)
        return
    if extent.known == "not-metastatic":
        yield Suppressed(TOPIC, "not-metastatic", models=MODELS)
        return
    lacking = _lacking(case, stage_known=extent.known == "metastatic")
    if lacking:
        yield _card(case, found.regimen.title, lacking)


def _lacking(case: Case, *, stage_known: bool) -> list[str]:
    """Names of what is missing or too old, as catalogue keys. What could not be read is not called missing."""
    if "Observation" in case.record.unread:
        return []
    window = days(case.parameters.recent_labs)
    lacking = []
    counts = ("neutrophils", "lymphocytes", "monocytes")
    if any(case.record.has(name, within_days=window) is None for name in counts):
        lacking.append("differential")
    if case.record.has("albumin", within_days=window) is None:
        lacking.append("albumin")
    if not stage_known:
        lacking.append("stage")
    if case.record.has("ecog") is None:
        lacking.append("ecog")
    return lacking


def _card(case: Case, regimen: str, lacking: list[str]) -> CardDraft:
    words = case.words
    items = words.join(words(f"select.{name}") for name in lacking)
    reason = words("order_reason_first_line")
    proposals = [
        Proposal(order, words(f"survival.order.{name}"), "routine", reason)
        for name, order in (("differential", "blood-count-differential"), ("albumin", "albumin"))
        if name in lacking and order in case.policy.orders
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
        models=tuple(case.assessments),
    )
