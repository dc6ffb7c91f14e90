"""Whether there is a risk card, and for which of four reasons: decided from the models' answers and a few facts of the
record, so that a past call is decided again by the very same lines under another policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import msgspec
from msgspec import structs
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cds.policy.schema import Policy
from cds.record.inputs import Length, days
from cds.services import Past, Would
from hooks import gates, risk_jaundice
from hooks.gates import Held, Standing
from hooks.risk_jaundice import Reading

TOPIC = "pancreas-risk"
NOT_ASSESSED = "pancreas-risk-not-assessed"
TOPICS = (TOPIC, NOT_ASSESSED)
REFERRAL_RULE = "NG12-1.2.4"
_REFERRED_FROM = 40
"""Years, for jaundice: the same recommendation."""
RAISED = "raised-bilirubin"
"""Of a card that a score leads and that tells of a high bilirubin first, since the guideline could not be asked."""
RAISED_ALONE = f"{RAISED}-alone"
"""Of a card in place of an answer that tells of it, and asks for no scan."""
KINDS = ("referral", RAISED, "ct", "endpac", "risk")
"""The heaviest first: a snooze of one silences it and those after it. What tells of bilirubin beside a score says
nothing of the guideline's scan, and does not silence it."""

Modality = Literal[
    "CT", "MR", "PT", "US", "ES", "NM", "XA", "RF", "CR", "DX", "RG", "OT", "AR", "BDUS", "BI", "BMD", "CFM", "DG",
    "DMS", "GM", "IO", "IVOCT", "IVUS", "KER", "LEN", "LS", "MG", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV", "OPTENF",
    "OPV", "OSS", "PA", "PX", "RTIMAGE", "SM", "SRF", "TG", "VA", "XC",
]  # fmt: skip
"""Those DICOM has for taking images (PS3.16, CID 29), and OT for what is none of them; of the abdomen first."""
_MOST_BILIRUBIN = 20.0
"""In mg/dL, as a limit: 342 µmol/L. Whoever writes more thinks in µmol/L, and would have silenced what it limits."""
LEAST_SCORE, MOST_SCORE = -6, 11
"""Of END-PAC, by its table (models/endpac): -1 to 1 for age, 1 to 4 categories that glucose rose by to 126 mg/dL or
more, -6 to 6 for weight. From lower a card would come of every score, from higher of none."""
Kind = Literal["guideline", "bilirubin", "endpac", "risk"]
MODEL_OF: dict[Kind, str] = {
    "guideline": "nice-ng12",
    "bilirubin": "nice-ng12",
    "endpac": "endpac",
    "risk": "qcancer-2013-pancreas",
}


class RiskParameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    ages: tuple[int, int] = Field((40, 99), description="Youngest and oldest age, in years, that get a risk card.")
    risk_at_least: float = Field(
        0.02, gt=0, lt=1, description="Two-year risk from which a card is given; 0.02 is 2 in 100."
    )
    risk_bands: tuple[float, ...] = Field(
        (0.03, 0.05, 0.1),
        description="Two-year risks that begin a higher band: a card shown before comes again when one is reached.",
    )
    endpac_at_least: float = Field(
        3, ge=LEAST_SCORE, le=MOST_SCORE, description="END-PAC score from which a card is given; it goes from -6 to 11."
    )
    guideline_indicator: Literal["info", "warning"] = Field(
        "warning", description="Urgency of a card whose reason is the guideline's referral criteria."
    )
    model_indicator: Literal["info", "warning"] = Field("info", description="Urgency of a card that rests on a model.")
    recent_imaging: Length = Field("3m", description="A CT or MR of the abdomen this recent holds the card back.")
    active_order: Length = Field("3m", description="A work-up ordered this recently holds the card back.")
    imaging_modalities: tuple[Modality, ...] = Field(
        ("CT", "MR"),
        description="DICOM modalities that count as imaging, such as CT, MR, PT for PET, US for ultrasound, ES for "
        "endoscopy (how some sites file endoscopic ultrasound).",
    )
    marker_within: Length = Field("6m", description="A CA 19-9 or bilirubin older than this is not mentioned.")
    marker_above: float = Field(
        37,
        gt=0,
        allow_inf_nan=True,
        description="CA 19-9 in U/mL from which a card mentions it, and its limits; .inf: never.",
    )
    bilirubin_confounds_above: float = Field(
        2.0,
        gt=0,
        allow_inf_nan=True,
        description="Bilirubin in mg/dL above which a raised CA 19-9 is put down to cholestasis first; .inf: never.",
    )
    bilirubin_as_jaundice: float | None = Field(
        risk_jaundice.USUALLY_SHOWS,
        ge=2,
        allow_inf_nan=True,
        description="Bilirubin in mg/dL from which, at 40 or over, a card asks to look for jaundice nobody recorded; "
        "3 is 51 µmol/L, from where it usually shows. Empty: bilirubin never brings a card.",
    )
    say_when_not_assessed: bool = Field(
        True, description="true: an info card says so when data could not be read and no card could be given."
    )

    @field_validator("ages")
    @classmethod
    def _ordered(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"nobody is from {value[0]} to {value[1]} years old: the youngest age comes first")
        return value

    @field_validator("bilirubin_confounds_above", "bilirubin_as_jaundice")
    @classmethod
    def _in_mg_dl(cls, value: float | None) -> float | None:
        if value is not None and _MOST_BILIRUBIN < value < math.inf:
            meant = value / risk_jaundice.UMOL_PER_MG_DL
            raise ValueError(f"is in mg/dL, and no limit is {value:g}: {value:g} µmol/L is {meant:.2g}; .inf: never")
        return value

    @field_validator("risk_bands")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < limit < 1 for limit in value) or list(value) != sorted(set(value)):
            raise ValueError("bands are risks between 0 and 1, each above the one before")
        return value


class RiskWeighed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the decision depends on beside the models' answers."""

    standing: Standing
    newest: dict[str, float] = {}
    """By what may speak: how many days before the call its newest finding arose."""
    flags: tuple[str, ...] = ()
    bilirubin: tuple[Reading, ...] = ()
    unassessed: bool = False
    """Something stood in the way of an answer."""
    by_sex: tuple[float, ...] = ()
    """The two-year risk of a woman, and of a man, with the same findings, where the patient's sex is not known."""
    unasked: bool = False
    """The guideline was to be asked and could not be, or not of what it refers from an age on: whether jaundice is on
    record, or is one that it refers, is not known."""


class Answer(Protocol):
    """A prediction, just made or stored."""

    @property
    def rules(self) -> tuple[str, ...]: ...
    def number(self, name: str) -> float:
        """An output."""


def kind(answer: Callable[[str], Answer | None], weighed: RiskWeighed, parameters: RiskParameters) -> Kind | None:
    """The first of guideline, new-onset diabetes score and two-year risk that asks for a card; bilirubin comes before
    what the guideline answers with a scan. ``answer``: a model's, by id; None where it gave none."""
    rules = answer(MODEL_OF["guideline"])
    if rules is not None and REFERRAL_RULE not in rules.rules and jaundice_since(weighed, parameters) is not None:
        return "bilirubin"
    if rules is not None and rules.rules:
        return "guideline"
    score = answer(MODEL_OF["endpac"])
    if score is not None and score.number("score") >= parameters.endpac_at_least:
        return "endpac"
    risk = answer(MODEL_OF["risk"])
    if risk is not None and risk.number("risk") >= parameters.risk_at_least:
        return "risk"
    return None


def unsaid(weighed: RiskWeighed, parameters: RiskParameters) -> bool:
    """Whether "no card" would be taken for "no risk": of a sex that is not known, only where it could make a card."""
    return weighed.unassessed or hangs_on_sex(weighed, parameters)


def hangs_on_sex(weighed: RiskWeighed, parameters: RiskParameters) -> bool:
    """Whether the two-year risk would make a card, with either sex or with one of them, were the patient's known."""
    return bool(by_sex_at_least(weighed.by_sex, parameters))


def by_sex_at_least(by_sex: tuple[float, ...], parameters: RiskParameters) -> Literal["", "one", "both"]:
    """With which of the sexes the two-year risk would make a card."""
    if max(by_sex, default=0.0) < parameters.risk_at_least:
        return ""
    return "both" if min(by_sex) >= parameters.risk_at_least else "one"


def jaundice_since(weighed: RiskWeighed, parameters: RiskParameters) -> float | None:
    """For how many days bilirubin has been so high that jaundice usually shows; None when it is not, or is no reason to
    refer at this age."""
    age = weighed.standing.age
    return _raised_since(weighed, parameters) if age is not None and age >= _REFERRED_FROM else None


def unasked_jaundice(weighed: RiskWeighed, parameters: RiskParameters) -> float | None:
    """As ``jaundice_since``, where the guideline, whose finding jaundice is, could not be asked; at an age that nobody
    knows, too, for that is why."""
    age = weighed.standing.age
    of_age = age is None or age >= _REFERRED_FROM
    return _raised_since(weighed, parameters) if weighed.unasked and of_age else None


def _raised_since(weighed: RiskWeighed, parameters: RiskParameters) -> float | None:
    if parameters.bilirubin_as_jaundice is None:
        return None
    return risk_jaundice.raised_since(
        weighed.bilirubin, parameters.bilirubin_as_jaundice, days(parameters.marker_within)
    )


def flags(weighed: RiskWeighed, parameters: RiskParameters) -> tuple[str, ...]:
    """Red flags. Jaundice is one flag, whether the laboratory or the problem list says so: coded after the card, it is
    nothing new."""
    seen = jaundice_since(weighed, parameters) is not None
    return tuple(dict.fromkeys((*weighed.flags, *(("jaundice",) if seen else ()))))


def held_back(weighed: RiskWeighed, kind: Kind | None, parameters: RiskParameters, *, refers: bool) -> Held | None:
    """``refers``: the guideline asks for referral rather than a scan first."""
    return gates.judge(
        weighed.standing,
        ages=parameters.ages,
        recent_imaging=parameters.recent_imaging,
        active_order=parameters.active_order,
        modalities=parameters.imaging_modalities,
        since_days=since(weighed, kind, parameters),
        red_flag=refers or unasked_jaundice(weighed, parameters) is not None,
    )


def since(weighed: RiskWeighed, kind: Kind | None, parameters: RiskParameters) -> float | None:
    """How many days ago the newest finding behind a card arose."""
    if kind == "bilirubin":
        return jaundice_since(weighed, parameters)
    if kind is None and hangs_on_sex(weighed, parameters):
        kind = "risk"  # the findings are the same, and as new
    found = (weighed.newest.get(kind) if kind is not None else None, unasked_jaundice(weighed, parameters))
    return min((one for one in found if one is not None), default=None)


def indicator(kind: Kind, parameters: RiskParameters) -> Literal["info", "warning"]:
    return parameters.guideline_indicator if kind in ("guideline", "bilirubin") else parameters.model_indicator


def weight(kind: Kind, rules: tuple[str, ...], *, raised: bool) -> str:
    """The kind that snoozing remembers. ``raised``: a bilirubin is told of that the guideline could not be asked about:
    a snooze of the score alone was given without it."""
    if kind == "bilirubin":
        return "referral"
    if kind != "guideline":
        return RAISED if raised else kind
    return "referral" if REFERRAL_RULE in rules else "ct"


def quieted_by(weight: str) -> tuple[str, ...]:
    return tuple(kind for kind in KINDS[: KINDS.index(weight)] if (kind, weight) != (RAISED, "ct"))


def unassessed(*, due: bool, raised: bool) -> tuple[str, tuple[str, ...]]:
    """Of the card in place of an answer: the kind that snoozing remembers, and those that outweigh it. A high bilirubin
    is more than the scan that is ``due`` whatever the sex, and than that alone which stood in the way."""
    if due:
        return (RAISED, ()) if raised else ("risk", (RAISED,))
    return (RAISED_ALONE, (RAISED,)) if raised else ("", (RAISED_ALONE,))


def band(kind: Kind, risk: float, parameters: RiskParameters) -> int:
    """How many of the policy's bands the two-year risk has reached; the guideline and the score have one band each."""
    return sum(risk >= limit for limit in parameters.risk_bands) if kind == "risk" else 0


def asks(weighed: Mapping[str, Any]) -> bool:
    """Whether the cancer is still to be found: nobody looks for it in who has it, has died or is in hospice care."""
    return TOPIC in weighed and not msgspec.convert(weighed[TOPIC], RiskWeighed).standing.fixed


def decide(past: Past, parameters: RiskParameters, policy: Policy) -> Iterable[Would]:
    """A past call under another policy."""
    if TOPIC not in past.weighed:
        return
    weighed = msgspec.convert(past.weighed[TOPIC], RiskWeighed)
    found = kind(past.answers.get, weighed, parameters)
    answer = past.answers[MODEL_OF[found]] if found is not None else None
    raised = unasked_jaundice(weighed, parameters) is not None
    named = weight(found, answer.rules, raised=raised) if found is not None and answer is not None else ""
    if held_back(weighed, found, parameters, refers=named == "referral") is not None:
        return
    # the findings are the guideline's: where it does not answer, nobody has them; bilirubin is read all the same
    asked = MODEL_OF["guideline"] in past.answers
    seen = flags(weighed if asked else structs.replace(weighed, flags=()), parameters)
    if found is not None and answer is not None:
        yield Would(
            TOPIC,
            named,
            quieted_by(named),
            rank="action",
            indicator=indicator(found, parameters),
            band=band(found, answer.number("risk") if found == "risk" else 0.0, parameters),
            flags=seen,
        )
    elif parameters.say_when_not_assessed and unsaid(weighed, parameters):
        due = by_sex_at_least(weighed.by_sex, parameters) == "both"  # a scan is due whatever the sex
        named, heavier = unassessed(due=due, raised=raised)
        if due:
            yield Would(
                NOT_ASSESSED,
                named,
                heavier,
                rank="action",
                indicator=parameters.model_indicator,
                band=band("risk", min(weighed.by_sex), parameters),
                flags=seen,
            )
        else:
            yield Would(NOT_ASSESSED, named, heavier, repeat="each-time")
