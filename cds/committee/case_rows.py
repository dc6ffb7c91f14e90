"""People a model spoke of and what became of them, as the table that a validation round counts: a row each, and nothing
in it that names anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np

from cds.committee.cohort import alive_at
from cds.committee.evaluate import Following
from cds.errors import ValidationRoundError
from cds.inference.manifest import Manifest
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
    missing = [name for name in subgroups if name not in following.groups]
    if missing:
        raise ValidationRoundError(
            f"the ledger can't tell {', '.join(missing)}: neither the inputs of {manifest.id} nor its calls do; ask "
            "the coordinator for a round without, or write the table from another source"
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
            told[name] = next((g for g, members in following.groups[name].items() if members[index]), "")
        yield told


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
