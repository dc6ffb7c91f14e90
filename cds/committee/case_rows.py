"""People a model spoke of and what became of them, as the table that a validation round counts: a row each, and nothing
in it that names anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

import numpy as np

from cds.committee.cohort import UNKNOWN, alive_at
from cds.committee.evaluate import Following
from cds.errors import ValidationRoundError
from cds.inference.manifest import Manifest
from cds.ledger.cohort import PredictedRow
from cds.record.moments import day_beside


def case_rows(
    following: Following,
    manifest: Manifest,
    horizons: Sequence[int],
    subgroups: Sequence[str],
    begins: date,
    ends: date,
) -> Iterator[dict[str, str]]:
    """``horizons``: months, of a round about survival; empty for one about having the outcome or not. Of people whose
    outcome is not known the row says so by an empty ``event``. Raises ValidationRoundError where the round asks what
    the model, or the committee's charter, does not tell."""
    target, people, found = following.target, following.people, following.found
    if bool(horizons) != target.survival:
        raise ValidationRoundError(
            f"the round asks {'for horizons, which' if horizons else 'for one outcome, but'} {manifest.id} "
            f"{'does not have' if horizons else 'tells survival: ask for horizons'}"
        )
    missing = [name for name in subgroups if following.groups.get(name, {}).keys() <= {UNKNOWN}]
    if missing:
        raise ValidationRoundError(
            f"the ledger can't tell {', '.join(missing)}: neither the inputs of {manifest.id} nor its calls do (or the "
            "charter has no such subgroup); ask the coordinator for a round without, or write the table from another "
            "source"
        )
    if target.survival:
        scores = _dead_by(following, horizons, manifest)
    else:
        scores = {"score": people.values}
    kept = iter(range(len(found.people)))
    for index, row in enumerate(people.rows):
        if not found.kept[index]:
            continue
        place = next(kept)
        if not begins <= day_beside(row.at, following.now) <= ends:
            continue
        months, event = float(found.people.months[place]), bool(found.people.event[place])
        told = {"patient": str(place + 1), "entered": day_beside(row.at, following.now).isoformat()}
        told |= {column: f"{values[index]:.6g}" for column, values in scores.items()}
        if target.survival:
            told |= {"event": str(int(event)), "months": f"{months:.3f}"}
        else:
            told["event"] = _by(months, event, target.months or 0.0)
        for name in subgroups:
            told[name] = next((g for g, members in following.groups[name].items() if members[index]), UNKNOWN)
        yield told


def left_out(rows: Iterable[PredictedRow], manifest: Manifest, begins: date, ends: date, now: datetime) -> list[str]:
    """How many of these answers, which another model gave, are of the cohort's days, and why each is no row; a sentence
    for each reason. ``now``: in the hospital's time zone, whose days they are."""
    about: dict[str, list[str]] = {}
    for row in rows:
        if begins <= day_beside(row.at, now) <= ends:
            why = f"by version {row.model_version}, the round's is {manifest.version}"
            if row.model_version == manifest.version:
                why = f"by another file under version {row.model_version}, whose answers may differ from the round's"
            about.setdefault(why, []).append(row.patient_key)
    return [
        f"left out, given {why}: {len(people)} answer{'s' * (len(people) != 1)} about {len(set(people))} of the people"
        for why, people in sorted(about.items())
    ]


def _by(months: float, event: bool, horizon: float) -> str:
    """Had it by then, had it not, or was lost before."""
    if event and months <= horizon:
        return "1"
    return "0" if months >= horizon else ""


def _dead_by(following: Following, horizons: Sequence[int], manifest: Manifest) -> dict[str, np.ndarray]:
    output, values = following.target.output, following.people.values
    found: dict[str, np.ndarray] = {}
    for horizon in horizons:
        alive = alive_at(values, output.times, horizon)
        if alive is None:
            raise ValidationRoundError(f"the curve of {manifest.id} does not reach {horizon} months")
        found[f"score_{horizon}"] = 1 - alive
    return found
