"""The blocks ``[committee]`` and ``[audit]``: who watches the models, and how long what happened is kept."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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
