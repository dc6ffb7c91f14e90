"""order-sign: a first-line regimen is being signed; is prognosis information available for this patient?

Only after confirmed cancer with a stage, never on patient-facing calls, and never with a number in the headline.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from cds.inference.prediction import Assessment, Prediction
from cds.record.facts import Fact, Record
from cds.services import Case, Finding, Suppressed, service
from hooks import regimens, stage, survival_words, trials
from hooks.drug_names import PARTNER
from hooks.line import Line, line
from hooks.regimens import Recognised
from hooks.stage import Extent
from hooks.standing_in import COMPARATOR, FALLBACK, FULL, MODELS, may_stand_in, why_not

TOPIC = "pancreas-survival"
RESECTION = "pancreatectomy"
KARNOFSKY = "karnofsky"
READS = (*stage.READS, *regimens.DRUGS, PARTNER, RESECTION, KARNOFSKY)

_AFTER_RESECTION = 366.0
"""Days for which the outlook after resection has a card of its own."""

# a Karnofsky status of 40 or less is ECOG 3 or worse by the usual table (30 and 40 are ECOG 3) and by that of 5844
# pairs of both (10 to 40 are ECOG 4: Prasad and others, World J Clin Oncol 2018, PMC6230919); of 50 they differ
_DISABLED = 40.0
_PERFORMANCE_DAYS = 90.0
"""As the models read an ECOG status."""


class FirstLineParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    say_when_not_possible: bool = Field(
        True, description="true: an info card says why no survival estimate can be given for a first-line regimen."
    )


@service(
    id="pancreas-first-line",
    hook="order-sign",
    title="Pancreatic cancer: prognosis at first-line treatment",
    description=(
        "When FOLFIRINOX, NALIRIFOX, gemcitabine + nab-paclitaxel or gemcitabine is signed for confirmed metastatic "
        "pancreatic cancer: typical, best and worst case, percentages alive, trial and real-world figures."
    ),
    models=MODELS,
    reads=READS,
    parameters=FirstLineParameters,
    orders=("blood-count-differential",),
    comparisons=trials.comparisons,
)
def first_line_sign(case: Case) -> Iterable[Finding]:
    found = regimens.recognise(case.record, case.drafts)
    unread = regimens.unread(case.record, case.drafts)
    waits = found is None and bool(regimens.awaited(case.record, case.drafts))
    if found is None and not unread and not waits:
        if reason := passed_over(case):
            yield Suppressed(TOPIC, reason, models=MODELS)
    elif case.patient_facing:
        yield Suppressed(TOPIC, "patient-facing", models=MODELS)
    elif case.record.deceased:
        yield Suppressed(TOPIC, "deceased", models=MODELS)
    elif unread or found is None:
        # with an order missing, what is left may look like another regimen
        yield from _unsure(case, "unreadable" if unread else "unplaced")
    else:
        yield from _speak(case, found)


def passed_over(case: Case) -> str | None:
    """Why nothing is said of orders that make up no regimen; None where none of them is our business."""
    if regimens.drafts_cancer_drugs(case.drafts):
        return "unrecognised-regimen"
    if regimens.ends_cancer_drugs(case.drafts):
        return "not-being-ordered"
    if (case.drafts.untold or case.drafts.unrecognised) and stage.extent(case.record).known != "absent":
        return "drugs-not-told"
    return None


def _unsure(case: Case, why: str) -> Iterable[Finding]:
    """``why``: ``unreadable`` or ``unplaced``, of orders."""
    extent = stage.extent(case.record)
    if extent.known == "absent" and "Condition" not in case.record.unread:
        yield Suppressed(TOPIC, f"orders-{why}", models=MODELS)
    elif case.parameters.say_when_not_possible:
        yield survival_words.none(case, None, why, extent, None)
    else:
        yield Suppressed(TOPIC, f"no-estimate:{why}", models=MODELS)


def _speak(case: Case, found: Recognised) -> Iterable[Finding]:
    extent = stage.extent(case.record)
    if extent.known == "absent" and "Condition" in case.record.unread:
        yield from _none(case, found, "problems_unread", extent)
    elif extent.known == "absent":
        # these drugs treat other cancers too: without this diagnosis the order is none of our business
        yield Suppressed(TOPIC, "no-confirmed-cancer", models=MODELS)
    elif extent.known in ("not-metastatic", "unknown", "unread-stage", "unverified") and resected(case.record):
        # adjuvant treatment: that no estimate is given would stand beside the one that is
        yield Suppressed(TOPIC, "after-resection", models=MODELS)
    elif extent.known != "metastatic":
        yield from _none(case, found, extent.known.replace("-", "_"), extent)
    elif (reached := line(case.record, found, extent)).kind == "not-first":
        yield from _none(case, found, "not_first", extent, begun=reached.begun)
    elif (low := _disabled(case.record)) is not None:
        yield from _none(case, found, "karnofsky", Extent(extent.known, (low,)))
    else:
        yield from _estimate(case, found, extent, reached)


def resected(record: Record) -> bool:
    """Lately, so that treatment now is adjuvant unless the cancer is known to have spread."""
    done = (f.when for f in record.of(RESECTION))
    return any(when is None or when.days_before(record.now) <= _AFTER_RESECTION for when in done)


def _disabled(record: Record) -> Fact | None:
    """A Karnofsky status for which the models have no patients, where no ECOG status was recorded since: they read that
    one alone."""
    newest = record.has(KARNOFSKY, within_days=_PERFORMANCE_DAYS)
    if newest is None or newest.value is None or newest.value > _DISABLED or newest.comparator in (">", ">="):
        return None
    since = (f.when for f in record.of("ecog") if f.when and newest.when)
    return None if any(when.middle > newest.when.middle for when in since if newest.when) else newest


def _estimate(case: Case, found: Recognised, extent: Extent, reached: Line) -> Iterable[Finding]:
    full = case.assessments.get(FULL)
    score = case.prediction(FALLBACK)
    if isinstance(full, Prediction):
        yield survival_words.estimate(case, found, full, case.prediction(COMPARATOR), reached, TOPIC)
    elif score is not None and may_stand_in(full):
        yield survival_words.score_only(case, found, score, full, reached, TOPIC)
    elif full is None and FALLBACK not in case.assessments:
        # the hospital switched both off, or its committee did, and then a card says so
        yield Suppressed(TOPIC, "no-model-in-use", models=MODELS)
    else:
        why, whose = why_not(full, case.assessments.get(FALLBACK))
        yield from _none(case, found, why, extent, whose)


def _none(
    case: Case,
    found: Recognised,
    why: str,
    extent: Extent,
    whose: Assessment | None = None,
    begun: Fact | None = None,
) -> Iterable[Finding]:
    if case.parameters.say_when_not_possible:
        yield survival_words.none(case, found, why, extent, whose, begun)
    else:
        yield Suppressed(TOPIC, f"no-estimate:{why}", models=MODELS)
