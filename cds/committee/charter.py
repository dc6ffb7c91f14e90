"""The committee's charter, ``committee.yaml``: what is watched of which model, and from where on it is too bad.

It comes packaged with the services, since outcomes are diseases; a site puts its own in place
(``committee.charter_file``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from cds.record.concepts import Text
from cds.record.inputs import Length

FILE = "committee.yaml"
_THRESHOLD = r"^(services\.[a-z0-9-]+|models\.[a-z0-9-]+)\.[a-z][a-z0-9_]*$"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Member(_Block):
    """Somebody who may act for the committee."""

    name: str = Field(min_length=2, description="As they sign.")
    until: date | None = Field(None, description="Last day of their term; none: open.")


class Outcome(_Block):
    """What is looked for in the record of a predicted patient."""

    label: Text = Field(description="What it is called, by language.")
    concepts: tuple[str, ...] = Field((), description="Concepts of the vocabulary, any of which is the outcome.")
    death: bool = Field(False, description="true: the outcome is death, from whatever cause.")
    looked: tuple[str, ...] = Field(
        (), description="Concepts (imaging, procedures) which show that somebody looked for it."
    )

    @model_validator(mode="after")
    def _something(self) -> Outcome:
        if self.death is bool(self.concepts):
            raise ValueError("an outcome is either 'death: true' or some 'concepts'")
        return self


class Limits(_Block):
    """From where on a measure is watched, acted upon, and stopped for. Reached when the whole interval lies beyond."""

    watch: float | None = Field(None, description="Verdict 'watch' from here on.")
    act: float | None = Field(None, description="Verdict 'act' from here on.")
    stop: float | None = Field(None, description="The declared floor: the model is stopped from here on.")


def _in_order(lower_is_worse: bool) -> Any:
    def check(limits: Limits) -> Limits:
        given = [x for x in (limits.watch, limits.act, limits.stop) if x is not None]
        if given != sorted(given, reverse=lower_is_worse):
            way = "fall" if lower_is_worse else "rise"
            raise ValueError(f"the limits must {way} from 'watch' to 'act' to 'stop'")
        return limits

    return AfterValidator(check)


Falling = Annotated[Limits, _in_order(True)]
"""Of what is worse the lower it is."""
Rising = Annotated[Limits, _in_order(False)]


class Watched(_Block):
    """Limits of every measure. A model's own replace these, measure by measure."""

    unusable: Rising = Field(
        Limits(watch=0.02, act=0.10, stop=0.50),
        description="Share of an input's values with a unit or code nobody here knows, or that could not be read.",
    )
    missing: Rising = Field(
        Limits(watch=0.05, act=0.20, stop=0.60), description="Rise of an input's missing share since the baseline."
    )
    out_of_range: Rising = Field(
        Limits(watch=0.05, act=0.20, stop=None), description="Share of an input's values outside the model's range."
    )
    failed: Rising = Field(
        Limits(watch=0.01, act=0.05, stop=0.50), description="Share of the model's runs that failed."
    )
    drift: Rising = Field(
        Limits(watch=0.10, act=0.25, stop=None),
        description="Stability index of an input or of the answer, where it is more than chance.",
    )
    auc: Falling = Field(
        Limits(watch=0.70, act=0.65, stop=None), description="Area under the ROC curve; for survival the C-index (Uno)."
    )
    ratio: Rising = Field(
        Limits(watch=1.25, act=2.0, stop=None),
        description="Observed over expected events, or its inverse, whichever is larger.",
    )
    slope: Falling = Field(Limits(watch=0.8, act=0.5, stop=None), description="Calibration slope.")
    ppv: Falling = Field(Limits(watch=None, act=None, stop=None), description="Positive predictive value of its cards.")
    benefit: Falling = Field(
        Limits(watch=0.0, act=None, stop=None), description="Net benefit at the threshold: below 0 it does harm."
    )
    gap: Rising = Field(
        Limits(watch=0.05, act=0.15, stop=None),
        description="Sensitivity, positive predictive value or area under the ROC curve of a group, below that of all "
        "others, in parts of 1; of a chance, less what the group's own chances explain. How a group's observed over "
        "expected differs from that of the others is held to `ratio`.",
    )
    burden: Rising = Field(Limits(watch=10.0, act=25.0, stop=None), description="Cards per 100 calls of the service.")
    response: Falling = Field(
        Limits(watch=0.75, act=0.5, stop=None),
        description="Share of its cards that are accepted, over what that share was in the baseline.",
    )
    arriving: Falling = Field(
        Limits(watch=0.75, act=0.5, stop=None),
        description="Outcomes that reach the record in time (`maturity`), for the people there are, over what it was "
        "`baseline` before.",
    )


class Minimum(_Block):
    """How many people a measure needs before it is told."""

    events: int = Field(100, ge=10, description="With the outcome, for ranking and calibration.")
    others: int = Field(100, ge=10, description="Without it.")
    curve_events: int = Field(200, ge=50, description="With the outcome, for a calibration curve.")
    share: int = Field(30, ge=10, description="People of whom a share is told.")
    drift: int = Field(200, ge=100, description="People in a period before drift is judged.")
    cell: int = Field(5, ge=3, description="No count below this is shown of a subgroup.")


class Watch(_Block):
    """One model under watch."""

    outcome: str | None = Field(None, description="Name of an outcome above; none: inputs and drift only.")
    output: str | None = Field(None, description="The output that foretells it; none: the first with a chance.")
    horizon: Length | None = Field(None, description="Within what time; none: the output's own.")
    threshold: float | Annotated[str, Field(pattern=_THRESHOLD)] | None = Field(
        None,
        description="Chance or score from which a card is given: a number, or where the policy has it, such as "
        "`services.my-service.risk_at_least` or `models.my-model.my_threshold`.",
    )
    limits: dict[str, Limits] = Field(
        default_factory=dict, description="Own limits, by measure, in place of those of `limits`."
    )

    @model_validator(mode="after")
    def _known(self) -> Watch:
        for name, limits in self.limits.items():
            if name not in Watched.model_fields:
                raise ValueError(f"'{name}' is no measure; there are: {', '.join(Watched.model_fields)}")
            # with its own order checked as the general one is
            Watched.model_validate({name: limits.model_dump()})
        return self


class Subgroup(_Block):
    """How people are divided, by something that models read or that a call says."""

    label: Text = Field(description="What it is called, by language.")
    source: Literal["patient.male", "patient.age", "patient.language", "call.language", "study.scanner", "concept"] = (
        Field(
            description="Where it is found: `patient.male` and `patient.age`, an input of this source; "
            "`patient.language`, the one the patient speaks (preferred, else the only one in the record); "
            "`call.language`, that of the cards; `study.scanner`, maker and model of what made the images that were "
            "read; `concept`, an input that reads `concept`. Who is in none, because it is not known, is counted as "
            "that and compared with nobody."
        )
    )
    concept: str | None = Field(None, description="With `source: concept`: a flag an input reads.")
    bands: tuple[float, ...] = Field((), description="With ages: where one band ends and the next begins, in years.")

    @model_validator(mode="after")
    def _whole(self) -> Subgroup:
        if (self.source == "concept") is not (self.concept is not None):
            raise ValueError("'concept' belongs to 'source: concept'")
        if (self.source == "patient.age") is not bool(self.bands):
            raise ValueError("'bands' belong to 'source: patient.age'")
        if list(self.bands) != sorted(set(self.bands)):
            raise ValueError("'bands' must rise")
        return self


class Steadiness(_Block):
    """How often in a row an evaluation must say so before the verdict changes."""

    watch: int = Field(
        2,
        ge=1,
        le=10,
        description="Evaluations in a row that say 'watch', before the verdict does. One that says more is enough.",
    )
    act: int = Field(2, ge=1, le=10, description="Evaluations in a row that call for action.")
    stop: int = Field(2, ge=1, le=10, description="Evaluations in a row below a floor. Failed inputs stop at once.")
    better: int = Field(3, ge=1, le=10, description="Evaluations in a row that are better, before the verdict is.")


class Charter(_Block):
    name: str = Field(description="What this charter is called.")
    author: str = Field(description="Who wrote it.")
    approver: str = Field(description="Who approved it.")
    effective: date = Field(description="From which day it holds.")
    members: tuple[Member, ...] = Field(
        (), description="Who may stop, resume and close; none listed: whoever may run the command."
    )
    outcomes: dict[str, Outcome] = Field(default_factory=dict, description="By name.")
    models: dict[str, Watch] = Field(
        default_factory=dict, description="By model id; others are watched by their inputs."
    )
    limits: Watched = Field(Watched(), description="For every model.")  # type: ignore[call-arg]
    minimum: Minimum = Field(Minimum(), description="How many people are enough.")  # type: ignore[call-arg]
    steadiness: Steadiness = Field(Steadiness(), description="When a verdict changes.")  # type: ignore[call-arg]
    subgroups: dict[str, Subgroup] = Field(default_factory=dict, description="By name.")
    maturity: Length = Field(
        "3m", description="How long after it happened an outcome may still be on its way into the record."
    )
    follow: Literal["sweep", "contact"] = Field(
        "sweep",
        description="Until when a patient counts as free of the outcome: `sweep`, as far as the source was asked (who "
        "went elsewhere is taken for free of it); `contact`, the last day the patient was seen (who is ill is seen "
        "more often).",
    )
    period: Length = Field("1m", description="How much of the newest calls inputs and drift are judged on.")
    baseline: Length = Field("6m", description="How much before that they are compared with.")
    quick: Length = Field("1d", description="How much of the newest calls failing inputs are looked for in.")
    chance: float = Field(
        0.001,
        gt=0,
        le=0.05,
        description="How often one evaluation may take chance for a change of what is missing, or for drift, of all "
        "inputs together. There is one a day, and each has as many tests as inputs.",
    )
    newest: int = Field(
        250,
        ge=100,
        description="How many of the newest outcomes a model is judged by: its people of earlier ones are left out, so "
        "that what was right for years does not hide what is wrong now. Of survival: at each of 6, 12 and 24 months.",
    )
    version: str = ""
    """Content address: set when the file is read."""

    @model_validator(mode="after")
    def _names_known(self) -> Charter:
        for id, watch in self.models.items():
            if watch.outcome is not None and watch.outcome not in self.outcomes:
                raise ValueError(f"models.{id}.outcome: '{watch.outcome}' is not among 'outcomes'")
        return self

    def watch(self, model: str) -> Watch:
        return self.models.get(model) or Watch()  # type: ignore[call-arg]

    def limits_of(self, model: str, measure: str) -> Limits:
        found: Limits = self.watch(model).limits.get(measure) or getattr(self.limits, measure)
        return found

    @property
    def concepts(self) -> Mapping[str, Outcome]:
        """Outcomes by the name of each concept that is one."""
        return {concept: outcome for outcome in self.outcomes.values() for concept in outcome.concepts}


def version_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
