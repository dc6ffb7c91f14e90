"""The hospital's own table: one row a person, read here and never sent.

A CSV file with a header. Columns: ``patient`` (any local pseudonym; only to find a person twice), ``entered`` (the
day they came in), ``score`` (or ``score_6``, ``score_12`` ... for a round with horizons: the chance of having had the
event by so many months), ``event`` (1 or 0), ``months`` (until the event or the last contact; only with horizons) and
one column for each subgroup of the round. An optional ``model_sha256`` must be the round's.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from cds.errors import ValidationRoundError
from cds.validation.rounds import Round, score_column


@dataclass(frozen=True)
class Case:
    """One person, once."""

    scores: Mapping[int | None, float]
    """By horizon."""
    event: bool
    months: float
    """0 in a round without horizons."""
    groups: Mapping[str, str]


@dataclass
class Left:
    """Who was left out and why, in counts; shown to the person who reviews, not sent."""

    reasons: Counter[str] = field(default_factory=Counter)


def read(path: Path, asked: Round) -> tuple[tuple[Case, ...], Left]:
    """Raises ValidationRoundError with the line and what is wrong. Rows outside the cohort's days, without outcome or
    without score are left out and counted: they are a fact about the hospital, not a fault of the file."""
    left = Left()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(reader.fieldnames or (), asked, path)
            return tuple(_cases(reader, asked, path, left)), left
    except OSError as error:
        raise ValidationRoundError(f"{path} could not be read: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValidationRoundError(f"{path} is not a CSV file in UTF-8: {error}") from error


def _check_columns(found: Iterable[str], asked: Round, path: Path) -> None:
    need = ["patient", "entered", *(score_column(h) for h in asked.horizons), "event", *asked.subgroups]
    if asked.outcome.horizons:
        need.append("months")
    missing = [name for name in need if name not in set(found)]
    if missing:
        raise ValidationRoundError(
            f"{path} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; the round {asked.id} "
            f"needs {', '.join(need)}"
        )


def _cases(rows: Iterable[Mapping[str, str]], asked: Round, path: Path, left: Left) -> Iterator[Case]:
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        where = f"{path}, line {line}"
        if None in row or None in row.values():
            raise ValidationRoundError(f"{where}: not as many values as the header has columns")
        patient = row["patient"].strip()
        if not patient:
            raise ValidationRoundError(f"{where}: patient is empty")
        if patient in seen:
            raise ValidationRoundError(f"{where}: this patient has a row already; a person counts once")
        seen.add(patient)
        if row.get("model_sha256", "").strip() not in ("", asked.model.sha256):
            raise ValidationRoundError(
                f"{where}: scored by another model than the round's ({asked.model.sha256[:12]}…)"
            )
        entered = _day(row["entered"], where)
        if not asked.cohort.begins <= entered <= asked.cohort.ends:
            left.reasons["came in outside the cohort's days"] += 1
            continue
        if not row["event"].strip():
            left.reasons["outcome not known"] += 1
            continue
        texts = {horizon: row[score_column(horizon)].strip() for horizon in asked.horizons}
        if not all(texts.values()):
            left.reasons["the model gave no answer"] += 1
            continue
        yield Case(
            {horizon: _score(text, asked, where) for horizon, text in texts.items()},
            _yes(row["event"], where),
            _months(row["months"], where) if asked.outcome.horizons else 0.0,
            {name: row[name].strip() for name, levels in asked.subgroups.items() if row[name].strip() in levels},
        )


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise ValidationRoundError(f"{where}: entered is no day; write 2026-11-28") from error


def _number(text: str, what: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValidationRoundError(f"{where}: {what} is no number")
    return value


def _score(text: str, asked: Round, where: str) -> float:
    value = _number(text, "the score", where)
    if asked.scale == "probability" and not 0 <= value <= 1:
        raise ValidationRoundError(f"{where}: the score is outside 0 to 1; this round wants chances, not percentages")
    if not asked.edges[0] <= value <= asked.edges[-1]:
        raise ValidationRoundError(f"{where}: the score is outside {asked.edges[0]:g} to {asked.edges[-1]:g}")
    return value


def _months(text: str, where: str) -> float:
    value = _number(text, "months", where)
    if value < 0:
        raise ValidationRoundError(f"{where}: months is negative")
    return value


def _yes(text: str, where: str) -> bool:
    if text.strip() not in ("0", "1"):
        raise ValidationRoundError(f"{where}: event is 1 (had it) or 0 (had not); leave it empty where nobody knows")
    return text.strip() == "1"
