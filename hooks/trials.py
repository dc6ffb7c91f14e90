"""Randomised figures by regimen, read from ``evidence/first_line_trials.yaml``, each with its publication."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from hooks.regimens import Regimen


class HazardRatio(BaseModel):
    """Of death, the favoured arm against the other, with its 95% interval."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float
    high: float
    favours: Literal["arm", "other"]


class Arm(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trial: str
    year: int
    regimen: Regimen
    arm: str
    other: str
    n: int
    median: float
    """Months."""
    other_median: float
    hazard_ratio: HazardRatio
    alive: dict[int, float]
    """Months -> percent alive."""
    source: str


@functools.cache
def arms() -> tuple[Arm, ...]:
    text = (Path(__file__).parent / "evidence" / "first_line_trials.yaml").read_text(encoding="utf-8")
    return tuple(TypeAdapter(list[Arm]).validate_python(yaml.safe_load(text)))


def arms_of(regimen: Regimen) -> tuple[Arm, ...]:
    return tuple(arm for arm in arms() if arm.regimen is regimen)
