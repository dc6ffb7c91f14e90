"""The reference of the committee's charter, ``committee.yaml``."""

from __future__ import annotations

from pydantic import BaseModel

from cds.committee.charter import (
    Charter,
    Limits,
    Member,
    Minimum,
    Outcome,
    Steadiness,
    Subgroup,
    Watch,
    Watched,
)
from cds.docs.reference import GENERATED, table

BLOCKS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("`members`: one entry a person", Member),
    ("`outcomes.NAME`", Outcome),
    ("`models.ID`", Watch),
    ("`limits`", Watched),
    ("`limits.MEASURE` and `models.ID.limits.MEASURE`", Limits),
    ("`minimum`", Minimum),
    ("`steadiness`", Steadiness),
    ("`subgroups.NAME`", Subgroup),
)


def charter_page() -> str:
    parts = [
        "# The committee's charter",
        GENERATED,
        "",
        "`committee.yaml` says what is watched of each model, from where on it is too bad, and who may act. It comes",
        "with the services; a hospital puts its own in place (setting: `committee.charter_file`). Its version is a",
        "hash of its content; every verdict names it. A limit is reached only when the whole 95 % interval lies",
        "beyond it, so few people never make a verdict. Durations are a whole number and `d`, `m` or `y`.",
        "",
        "## Top level",
        "",
        *table(Charter, skip=("version",)),
    ]
    for title, model in BLOCKS:
        parts += ["", f"## {title}", "", *table(model)]
    return "\n".join([*parts, ""])
