"""Does a result answer the round it says it answers: over its bins, for its groups, and adding up?"""

from __future__ import annotations

from itertools import pairwise

from cds.errors import ValidationRoundError
from cds.validation import rounds
from cds.validation.result import WHOLE, Result, Table
from cds.validation.rounds import Round


def fits(asked: Round, result: Result) -> None:
    """Raises ValidationRoundError, which names the hospital and what does not fit."""
    who = f"the result of {result.site}"
    if result.round_digest != rounds.digest(asked):
        raise ValidationRoundError(f"{who} answers another round ({result.round_id}) or another version of this one")
    if result.minimum_cell < asked.minimum_cell:
        raise ValidationRoundError(
            f"{who} has cells of {result.minimum_cell}; the round allows none below {asked.minimum_cell}"
        )
    groups = {WHOLE, *(f"{column}={level}" for column, levels in asked.subgroups.items() for level in levels)}
    seen: set[tuple[int | None, str]] = set()
    for table in result.tables:
        key = (table.horizon, table.group)
        if table.horizon not in asked.horizons or table.group not in groups or key in seen:
            raise ValidationRoundError(f"{who} has a table the round does not ask for, or twice: {table.group}")
        seen.add(key)
        _check_bins(asked, table, who)
    for horizon in asked.horizons:
        whole = result.table(horizon, WHOLE)
        if whole is None:
            raise ValidationRoundError(f"{who} lacks the table of all people")
        people = sum(b.people for b in whole.bins)
        for column, levels in asked.subgroups.items():
            tables = [result.table(horizon, f"{column}={level}") for level in levels]
            if sum(b.people for table in tables if table for b in table.bins) > people:
                raise ValidationRoundError(f"{who} has more people in {column} than in all")


def _check_bins(asked: Round, table: Table, who: str) -> None:
    cuts = [table.bins[0].low, *(b.high for b in table.bins)]
    meet = all(a.high == b.low for a, b in pairwise(table.bins))
    if not meet or cuts[0] != asked.edges[0] or cuts[-1] != asked.edges[-1] or not set(cuts) <= set(asked.edges):
        raise ValidationRoundError(f"{who} has bins that are not the round's, in {table.group}")
    for b in table.bins:
        if not b.people * b.low - 1e-3 <= b.score_sum <= b.people * b.high + 1e-3:
            raise ValidationRoundError(f"{who} has scores outside their bin, in {table.group}")
        if table.horizon is None and (abs(b.event_weight - b.events) > 1e-6 or abs(b.other_weight - b.others) > 1e-6):
            raise ValidationRoundError(f"{who} weighs people although nobody can be censored, in {table.group}")
    if (table.observed is None) != (table.horizon is None):
        raise ValidationRoundError(f"{who} lacks the observed share, or has one too many, in {table.group}")
