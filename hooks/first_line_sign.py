"""order-sign: a first-line regimen is being signed; is prognosis information available for this patient?

Only after confirmed cancer with a stage, never on patient-facing calls, and never with a number in the headline.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from cds.inference.prediction import Failed, Prediction
from cds.services import Case, Finding, Suppressed, service
from hooks import regimens, stage, survival_words
from hooks.regimens import Recognised

TOPIC = "pancreas-survival"
FULL = "metastatic-os"
COMPARATOR = "pantheia-siri"
FALLBACK = "msk-prognostic-score"
MODELS = (FULL, COMPARATOR, FALLBACK)
READS = (*stage.READS, *regimens.DRUGS, "regimen", "albumin", "neutrophils", "lymphocytes", "ecog")


class FirstLineParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    say_when_not_possible: bool = Field(
        True, description="true: an info card says why no survival estimate can be given for a first-line regimen."
    )
    recent_labs: str = Field("1m", description="order-select asks for blood counts and albumin older than this.")


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
    derive=regimens.derive,
)
def first_line_sign(case: Case) -> Iterable[Finding]:
    found = regimens.recognise(case.record, case.drafts)
    if found is None:
        return
    if case.patient_facing:
        yield Suppressed(TOPIC, "patient-facing", models=MODELS)
    elif case.record.deceased:
        yield Suppressed(TOPIC, "deceased", models=MODELS)
    else:
        yield from _speak(case, found)


def _speak(case: Case, found: Recognised) -> Iterable[Finding]:
    extent = stage.extent(case.record)
    if extent.known == "unconfirmed":
        # these drugs treat other cancers too: without this diagnosis the order is none of our business
        yield Suppressed(TOPIC, "no-confirmed-cancer", models=MODELS)
    elif extent.known == "metastatic":
        full = case.assessments.get(FULL)
        score = case.prediction(FALLBACK)
        if isinstance(full, Prediction):
            yield survival_words.estimate(case, found, full, case.prediction(COMPARATOR), TOPIC)
        elif score is not None:
            yield survival_words.score_only(case, found, score, full, TOPIC)
        elif case.parameters.say_when_not_possible:
            why = "failed" if isinstance(full, Failed) else "lacking"
            yield survival_words.none(case, found, why, extent, full)
    elif case.parameters.say_when_not_possible:
        why = "stage" if extent.known == "unknown" else "not_metastatic"
        yield survival_words.none(case, found, why, extent, None)
