"""The blocks ``[committee]`` and ``[audit]``: who watches the models, and how long what happened is kept."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

_DURATION = re.compile(r"^(\d+)([dmy])$")
_DAYS = {"d": 1.0, "m": 365.25 / 12, "y": 365.25}


class CommitteeSettings(BaseModel):
    """The committee's charter, and how soon what it decides takes effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    charter_file: Path | None = Field(None, description="The committee's charter; empty: the packaged one.")
    poll_s: float = Field(
        5.0, gt=0, le=30, description="How often a process looks whether the committee has stopped a model, seconds."
    )
    every_h: float = Field(
        24.0, ge=0, le=720, description="How often `cds worker` evaluates every model, hours; 0: never by itself."
    )
    outcomes_h: float = Field(
        168.0, ge=0, le=8760, description="How often `cds worker` asks EHRs for outcomes, hours; 0: never by itself."
    )
    keep_snapshots: bool = Field(
        True,
        description="true: what a card was made from is kept, sealed, so that `cds replay` can make it again; false: "
        "only its predictions can be checked.",
    )


_LEAST_KEPT = 183.0
"""Days. Regulation (EU) 2024/1689, article 26(6): logs are kept for six months at least."""


class AuditSettings(BaseModel):
    """How what happened is protected, and how long it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seal_s: float = Field(
        60.0,
        ge=0,
        le=86_400,
        description="How often `cds serve` links new rows to the audit's chain, seconds; 0: never.",
    )
    keep: str = Field(
        "10y",
        description="How long rows about people are kept before `cds audit purge` removes them: six months or more.",
    )

    @field_validator("keep")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        match = _DURATION.match(value)
        if match is None:
            raise ValueError(f"{value!r} is not a duration: write a whole number and d, m or y, such as 10y")
        if int(match[1]) * _DAYS[match[2]] < _LEAST_KEPT - 1:
            raise ValueError(f"{value!r} is too short: logs of such a system are kept for six months at least")
        return value
