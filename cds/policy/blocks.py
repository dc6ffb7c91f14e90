"""The blocks of ``policy.yaml``: each key with its default, its bounds and what it does, in its reader's words."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from cds.record.inputs import Length


class Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CardLimits(Block):
    """How much one call may say."""

    most: int = Field(3, ge=0, le=3, description="Cards one call may give, three at most, the most important first.")
    most_warnings: int = Field(1, ge=0, le=5, description="Cards shown as a warning; further ones become info.")


class Repeats(Block):
    """When a card that a clinician was shown is not shown again."""

    hooks: tuple[str, ...] = Field(
        ("patient-view",),
        description="On these hooks a card is not shown again to who was shown it. On others, such as order-sign, it "
        "answers what the clinician is doing and comes each time.",
    )
    silent_for: Length = Field(
        "90d",
        description="How long the same card for the same patient stays silent for a clinician who was shown it and "
        "said nothing. A higher risk band or a new red flag speaks at once; a reason given for an override sets its "
        "own time. 0d: cards are repeated.",
    )
    warnings_silent_for: Length = Field(
        "90d",
        description="The same for a card shown as a warning. Shorter: an urgent matter that was seen and not dealt "
        "with comes up again sooner.",
    )
    visit_minutes: int = Field(
        60,
        ge=0,
        le=1440,
        description="Minutes after it was first shown in which the card stands at each opening of the chart: they are "
        "one visit.",
    )


class Budget(Block):
    """How many cards one person, and one patient, may cost. Warnings and safety cards count and are never held back."""

    per_clinician_day: int | None = Field(
        30,
        ge=0,
        le=1000,
        description="Cards one clinician is shown a day, each topic of each patient counted once. What is over it is "
        "kept in the ledger and on the report. Empty: no limit.",
    )
    per_patient_topic: int | None = Field(
        6,
        ge=1,
        le=1000,
        description="How often one topic is shown for one patient within `patient_topic_within`, whoever opens the "
        "chart; a clinician counts once a day. Empty: no limit.",
    )
    patient_topic_within: Length = Field("90d", description="The time over which `per_patient_topic` counts.")


class ModelPolicy(Block):
    enabled: bool = Field(True, description="false: the model does not run.")
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="Limits of the model's own card, by name; those not given are as packaged."
    )
    licence_acknowledged: str | None = Field(
        None,
        description="Name of the licence of imported weights, word for word: somebody has read what it allows here. "
        "Without it they do not run.",
    )


class ReviewedGuideline(Block):
    """Somebody has looked at a guideline again and found it as it is here."""

    review_by: date = Field(description="The day by which it is to be looked at again. Of this and its own, the later.")
    owner: str = Field(min_length=1, description="Who is to look.")


class Guidelines(Block):
    """How long a guideline speaks that nobody has looked at again, and what has come after the installed ones."""

    grace: Length = Field(
        "90d",
        description="How long a guideline goes on speaking after its review-by day; its card says that it is overdue. "
        "After that it is no longer cited: where it would have spoken, a card says why it does not. 0d: at once.",
    )
    reviewed: dict[str, ReviewedGuideline] = Field(
        default_factory=dict, description="By model id: guidelines looked at again and found unchanged."
    )
    editions: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="By model id: rules that came after the installed ones. `cds guidelines import` writes them from "
        "a FHIR PlanDefinition; the newer version of the two is in force. See docs/guidelines.md.",
    )


class ServicePolicy(Block):
    enabled: bool = Field(True, description="false: the service answers with no cards.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The service's own settings; see below.")


# FHIR R4, "Data Types": what a draft order holds must be what an EHR takes
_URI = re.compile(r"\S+")
_CODE = re.compile(r"\S+(\s\S+)*")


def _uri(value: str) -> str:
    if not _URI.fullmatch(value):
        raise ValueError(f"{value!r} is no code system: write its address, without blanks, such as http://loinc.org")
    return value


def _code(value: str) -> str:
    if not _CODE.fullmatch(value):
        raise ValueError(
            f"{value!r} is no code: write at least one character, no blank at its start or end, and no two in a row"
        )
    return value


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty: write the name under which it is to be read")
    return value


class Order(Block):
    """One thing a card can propose to order, under this site's code."""

    system: Annotated[str, AfterValidator(_uri)] = Field(
        description="Code system, or the EHR's preference-list key system: an address without blanks."
    )
    code: Annotated[str, AfterValidator(_code)] = Field(
        description="Code this site orders it under: no blank at its start or end, and no two in a row."
    )
    display: Annotated[str, AfterValidator(_name)] = Field(
        description="Name of the order as it should read in the EHR."
    )


class OverrideReason(Block):
    system: str = Field(description="Code system of the reason.")
    display: dict[str, str] = Field(description="The reason in words, by language.")
    snooze: Length = Field("0d", description="How long the same topic stays silent for this patient after this reason.")
    problem: Literal["wrong-data", "wrong-advice", "unclear", "technical", "other"] | None = Field(
        None, description="Kind of problem this reason opens, for somebody to look into (`cds problems list`)."
    )
