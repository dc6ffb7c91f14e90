"""The full survival model and the score that stands in for it: about whom, and on whose answers a card then rests."""

from __future__ import annotations

from cds.inference.prediction import Assessment, Failed, NotAssessed, Prediction
from cds.services import Case

FULL = "metastatic-os"
COMPARATOR = "pantheia-siri"
FALLBACK = "msk-prognostic-score"
MODELS = (FULL, COMPARATOR, FALLBACK)


def may_stand_in(full: Assessment | None) -> bool:
    """The score reads less: it speaks where the full model lacks an input, failed or is not in use here, never about a
    patient whom the full model refused. That it does not read what they were refused for makes it no surer of them."""
    return not isinstance(full, NotAssessed) or full.reason == "input-absent"


def silent(case: Case) -> tuple[str, ...]:
    """Ids of the models that gave no answer: what a card without an estimate rests on. The report behind a card shows
    the answers it rests on, so one that is not given on the card must not be among them."""
    return tuple(id for id, told in case.assessments.items() if not isinstance(told, Prediction))


def asked(case: Case) -> tuple[str, ...]:
    """Ids of the models whose answers may be shown: none but refusals where the full model refused."""
    return tuple(case.assessments) if may_stand_in(case.assessments.get(FULL)) else silent(case)


def why_not(full: Assessment | None, score: Assessment | None) -> tuple[str, Assessment | None]:
    """(key of the catalogue, whose reason it is): the full model's; where that one is not in use, the score's."""
    whose = full or score
    if isinstance(whose, Failed):
        return "failed", whose
    reason = whose.reason if isinstance(whose, NotAssessed) else ""
    return {"not-eligible": "not_eligible", "eligibility-unread": "eligibility_unread"}.get(reason, "lacking"), whose
