"""The round: what every hospital is asked, fixed and signed before anybody counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cds.errors import ValidationRoundError
from cds.validation import keys
from cds.validation.bins import logit_edges

KIND = "cds-validation-round"
BINS = 50
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoundModel(Strict):
    id: Name
    version: str = Field(min_length=1, max_length=40)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Outcome(Strict):
    """What is predicted. With ``horizons`` a person has it by so many months or not, and may be censored before."""

    name: str = Field(min_length=3, max_length=200)
    definition: str = Field(min_length=10, max_length=2000)
    """In words, with codes and where they are looked for: hospitals must count the same thing."""
    horizons: tuple[Annotated[int, Field(ge=1, le=240)], ...] = ()
    """Months. Empty: one yes or no, known for everybody counted."""

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("horizons must rise")
        return value


class Cohort(Strict):
    definition: str = Field(min_length=10, max_length=4000)
    """In words, best with the FHIR queries: who is counted, from which moment."""
    begins: date
    ends: date
    """The first and the last day on which a person can have come in."""

    @model_validator(mode="after")
    def _order(self) -> Cohort:
        if self.ends < self.begins:
            raise ValueError("the cohort ends before it begins")
        return self


class Round(Strict):
    format: Literal["cds-validation-round/1"] = "cds-validation-round/1"
    id: Name
    title: str = Field(min_length=3, max_length=200)
    coordinator: str = Field(min_length=2, max_length=200)
    """Who asks, as people know them."""
    model: RoundModel
    outcome: Outcome
    cohort: Cohort
    scale: Literal["probability", "points"] = "probability"
    """Points rank and have no calibration."""
    edges: tuple[float, ...] = Field(min_length=4, max_length=201)
    subgroups: Mapping[Name, tuple[Annotated[str, Field(min_length=1, max_length=64)], ...]] = Field(
        default_factory=dict
    )
    """Column -> its levels. Whoever has none of them is counted in the whole and in no subgroup."""
    minimum_cell: int = Field(default=5, ge=3, le=20)
    issued: date
    expires: date

    @model_validator(mode="after")
    def _hangs_together(self) -> Round:
        if any(b <= a for a, b in pairwise(self.edges)):
            raise ValueError("edges must rise")
        if self.scale == "probability" and (self.edges[0], self.edges[-1]) != (0.0, 1.0):
            raise ValueError("edges of a probability go from 0 to 1")
        if self.expires < self.issued:
            raise ValueError("the round expires before it is issued")
        for column, levels in self.subgroups.items():
            if len(levels) < 2 or len(set(levels)) != len(levels):
                raise ValueError(f"subgroup {column} needs at least two different levels")
            if column in RESERVED:
                raise ValueError(f"subgroup {column}: the name is taken by a column of the cases")
        return self

    @property
    def horizons(self) -> tuple[int | None, ...]:
        return self.outcome.horizons or (None,)


RESERVED = frozenset({"patient", "entered", "score", "event", "months", "model_sha256"})


def score_column(horizon: int | None) -> str:
    return "score" if horizon is None else f"score_{horizon}"


def model_id(path: Path) -> str:
    """Which model a draft is about. Raises ValidationRoundError."""
    model = _written(path).get("model")
    if not isinstance(model, dict) or not isinstance(model.get("id"), str) or set(model) != {"id"}:
        raise ValidationRoundError(
            f"{path}: model: write `model: {{id: ...}}`; version and hash are the installed model's"
        )
    return str(model["id"])


def drafted(path: Path, model: RoundModel) -> Round:
    """A round from the coordinator's YAML; ``edges: {low: 0.001, high: 0.5}`` stands for 50 bins, logit-spaced. The
    model's hash is the installed model's and can't be typed."""
    written = _written(path)
    edges = written.get("edges")
    if isinstance(edges, dict):
        try:
            written["edges"] = logit_edges(float(edges["low"]), float(edges["high"]), int(edges.get("bins", BINS)))
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationRoundError(
                f"{path}: edges: write low and high between 0 and 1, and bins if not 50"
            ) from error
    written["model"] = model.model_dump()
    return _checked(written, str(path))


def _written(path: Path) -> dict[str, Any]:
    try:
        written = yaml.safe_load(keys.read(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ValidationRoundError(f"{path}{line}: this is not YAML") from error
    if not isinstance(written, dict):
        raise ValidationRoundError(
            f"{path}: a round is a table of keys and values; `cds validation new --help` has one"
        )
    return written


def signed(one: Round, key: OKPKey) -> str:
    return keys.sign(plain(one), key, KIND)


def opened(path: Path, coordinator: OKPKey, today: date) -> Round:
    """Raises ValidationRoundError: signature, form, or expired."""
    one = parsed(keys.opened(path, coordinator, KIND), str(path))
    if today > one.expires:
        raise ValidationRoundError(f"round {one.id} expired on {one.expires}; ask {one.coordinator} for a new one")
    return one


def parsed(text: bytes, where: str) -> Round:
    try:
        return Round.model_validate_json(text)
    except ValidationError as error:
        raise ValidationRoundError(sentence(error, where)) from error


def plain(one: Round) -> bytes:
    return one.model_dump_json(indent=1).encode()


def digest(one: Round) -> str:
    """Names the round beyond doubt: what a hospital's answer says it answers."""
    return hashlib.sha256(plain(one)).hexdigest()


def _checked(written: dict[str, Any], where: str) -> Round:
    try:
        return Round.model_validate(written)
    except ValidationError as error:
        raise ValidationRoundError(sentence(error, where)) from error


def sentence(error: ValidationError, where: str) -> str:
    """The first three faults; what was typed is not repeated."""
    found = error.errors(include_url=False, include_input=False)
    said = [
        f"{'.'.join(str(part) for part in one['loc']) or 'as a whole'}: {one['msg'].removeprefix('Value error, ')}"
        for one in found[:3]
    ]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return f"{where}: {'; '.join(said)}{more}"
