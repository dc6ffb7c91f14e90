"""What leaves a hospital: counts by score bin, and nothing else. Made here, shown to a person, signed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from joserfc.jwk import OKPKey
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from cds import __version__
from cds.errors import ValidationRoundError
from cds.validation import keys, rounds
from cds.validation.bins import Bin, Floats, cut, join_small, joined, safe, tabulate
from cds.validation.cases import Case
from cds.validation.observed import Known, known_by
from cds.validation.rounds import Round, Strict

KIND = "cds-validation-result"
WHOLE = "all"
Count = Annotated[int, Field(ge=0)]
Sum = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class BinRow(Strict):
    low: float
    high: float
    people: Count
    events: Count
    others: Count
    event_weight: Sum
    other_weight: Sum
    score_sum: float = Field(allow_inf_nan=False)


class Observed(Strict):
    """Kaplan-Meier at the horizon: the share that had the event, and Greenwood's standard error of it."""

    share: float = Field(ge=0, le=1)
    error: float = Field(ge=0, allow_inf_nan=False)


class Table(Strict):
    horizon: int | None
    group: str
    """"all", or "sex=female"."""
    bins: tuple[BinRow, ...] = Field(min_length=1)
    observed: Observed | None = None
    """Only with horizons."""

    def rows(self) -> tuple[Bin, ...]:
        return tuple(Bin(**row.model_dump()) for row in self.bins)


class Result(Strict):
    format: Literal["cds-validation-result/1"] = "cds-validation-result/1"
    round_id: str
    round_digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    site: str = Field(min_length=2, max_length=100)
    counted_on: date
    minimum_cell: int = Field(ge=3, le=20)
    tables: tuple[Table, ...] = Field(min_length=1)
    hidden: tuple[str, ...] = ()
    """Groups that were too small to send, or would have given a smaller one away."""
    software: str

    @model_validator(mode="after")
    def _no_small_cell(self) -> Result:
        for table in self.tables:
            if not safe(table.rows(), self.minimum_cell):
                raise ValueError(f"{table.group} has a cell below {self.minimum_cell}")
            if any(b.events + b.others > b.people for b in table.bins):
                raise ValueError(f"{table.group} counts more outcomes than people")
        return self

    def table(self, horizon: int | None, group: str) -> Table | None:
        return next((t for t in self.tables if (t.horizon, t.group) == (horizon, group)), None)


def counted(asked: Round, cases: Sequence[Case], site: str, today: date, minimum: int | None = None) -> Result:
    """``minimum``: the hospital's own smallest cell, if stricter than the round's. Raises ValidationRoundError when
    there are too few people to send anything."""
    smallest = max(asked.minimum_cell, minimum or 0)
    tables: list[Table] = []
    hidden: set[str] = set()
    for horizon in asked.horizons:
        for table in _tables(asked, cases, horizon, smallest, hidden):
            tables.append(table)
    # a group hidden at one horizon would be the whole less the others at the next, where people are the same
    kept = tuple(t for t in tables if t.group not in hidden)
    try:
        return Result(
            round_id=asked.id,
            round_digest=rounds.digest(asked),
            site=site,
            counted_on=today,
            minimum_cell=smallest,
            tables=kept,
            hidden=tuple(sorted(hidden)),
            software=f"cds {__version__}",
        )
    except ValidationError as error:
        raise ValidationRoundError(rounds.sentence(error, "the result")) from error


def _tables(
    asked: Round, cases: Sequence[Case], horizon: int | None, smallest: int, hidden: set[str]
) -> Iterator[Table]:
    scores = np.array([case.scores[horizon] for case in cases], dtype=float)
    events = np.array([case.event for case in cases], dtype=bool)
    months = np.array([case.months for case in cases], dtype=float)
    known = known_by(horizon, events, months)
    everybody = np.ones(len(cases), dtype=bool)
    fine = _fine(asked, scores, known, everybody)
    cuts = join_small([fine], smallest)
    if cuts is None or not cases:
        whole = joined(fine)
        raise ValidationRoundError(
            f"not enough data: {whole.people} people, {whole.events} with the event"
            f"{'' if horizon is None else f' within {horizon} months'}; a cell of fewer than {smallest} may not leave "
            "the hospital"
        )
    yield _table(horizon, WHOLE, cut(fine, cuts), known, everybody)
    for column, levels in asked.subgroups.items():
        names = np.array([case.groups.get(column, "") for case in cases])
        members = {f"{column}={level}": names == level for level in levels}
        # bins of a subgroup are joined bins of the whole, so that no difference of the two is smaller than a cell
        coarse = {name: cut(_fine(asked, scores, known, who), cuts) for name, who in members.items()}
        rest = cut(_fine(asked, scores, known, ~np.logical_or.reduce(list(members.values()))), cuts)
        shown, inner = _shown(coarse, rest, smallest)
        hidden.update(set(members) - set(shown))
        for name in shown:
            yield _table(horizon, name, cut(coarse[name], inner), known, members[name])


def _shown(
    levels: Mapping[str, Sequence[Bin]], rest: Sequence[Bin], smallest: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Which levels may be sent, over which cuts. Those left out are, together with who has no level, a cell too:
    hiding one small level alone would leave it as the whole less the others."""
    shown = sorted(levels, key=lambda name: joined(levels[name]).people)
    away = list(rest)
    while shown:
        cuts = join_small([*(levels[name] for name in shown), away], smallest)
        if cuts is not None:
            return tuple(name for name in levels if name in shown), cuts
        smaller = levels[shown.pop(0)]
        away = [joined([a, b]) for a, b in zip(away, smaller, strict=True)]
    return (), ()


def _fine(asked: Round, scores: Floats, known: Known, who: NDArray[np.bool_]) -> tuple[Bin, ...]:
    return tabulate(asked.edges, scores[who], known.events[who], known.known[who], known.weights[who])


def _table(horizon: int | None, group: str, bins: Sequence[Bin], known: Known, who: NDArray[np.bool_]) -> Table:
    share = None if horizon is None else known.share(who)
    return Table(
        horizon=horizon,
        group=group,
        bins=tuple(
            BinRow(
                **{
                    **b.__dict__,
                    # five digits: sums of a few people's scores need no more, and say no more
                    "event_weight": round(b.event_weight, 5),
                    "other_weight": round(b.other_weight, 5),
                    "score_sum": round(b.score_sum, 5),
                }
            )
            for b in bins
        ),
        observed=None if share is None else Observed(share=round(share[0], 6), error=round(share[1], 6)),
    )


def plain(one: Result) -> bytes:
    return (one.model_dump_json(indent=1) + "\n").encode()


def digest(one: Result) -> str:
    return hashlib.sha256(plain(one)).hexdigest()


def parsed(text: bytes, where: str) -> Result:
    try:
        return Result.model_validate_json(text)
    except ValidationError as error:
        raise ValidationRoundError(rounds.sentence(error, where)) from error


def drafted(path: Path) -> Result:
    """A result that nobody has signed yet."""
    return parsed(keys.read(path), str(path))


def signed(one: Result, key: OKPKey) -> str:
    return keys.sign(plain(one), key, KIND)


def opened(path: Path, site: OKPKey) -> Result:
    return parsed(keys.opened(path, site, KIND), str(path))
