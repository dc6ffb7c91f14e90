"""Which groups of people verdicts speak of, so that pages and their files can be about one of them alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cds.cards.phrasebook import Phrasebook
from cds.committee.charter import Charter
from cds.committee.cohort import OTHER, UNKNOWN, own_group
from cds.inference.manifest import Manifest
from cds.ledger.cohort import PredictedRow
from cds.pages.committee.words import about

Findings = Iterable[Mapping[str, Any]]


def of_group(findings: Findings, group: str) -> tuple[Mapping[str, Any], ...]:
    """``group``: as findings write it (``sex: male``), which is its name in addresses, too; empty: all."""
    return tuple(f for f in findings if group in ("", f["about"]))


def groups_of(words: Phrasebook, charter: Charter, findings: Findings) -> dict[str, str]:
    """Name -> what it is called, by that. A group too small to be named is in no finding, so in no list either."""
    called = {
        name: about(words, {"measure": "gap_auc", "about": name}, None, charter) for name in named(charter, findings)
    }
    return dict(sorted(called.items(), key=lambda one: one[1]))


def named(charter: Charter, findings: Findings) -> frozenset[str]:
    return frozenset(name for f in findings if _divides(charter, name := str(f["about"])))


def placed(
    name: str, row: PredictedRow, manifest: Manifest | None, charter: Charter, told: Collection[str]
) -> str | None:
    """Which of the groups of one kind (``sex``) one prediction's patient is in. ``told``: the groups that are named
    where it was made: who is in none of them is in the one of all others, since a list of a smaller group would tell
    who they are. None: the prediction does not tell, or no verdict there names the group."""
    own = own_group(charter.subgroups[name], manifest, row) if name in charter.subgroups else UNKNOWN
    if own == UNKNOWN:
        return None
    return next((group for group in (f"{name}: {own}", f"{name}: {OTHER}") if group in told), None)


def kind_of(group: str) -> str:
    return group.partition(": ")[0]


def holds(group: str, row: PredictedRow, manifest: Manifest | None, charter: Charter, told: Collection[str]) -> bool:
    """Whether one prediction's patient is in it, as ``placed`` says."""
    return placed(kind_of(group), row, manifest, charter, told) == group


def _divides(charter: Charter, told: str) -> bool:
    name, colon, _ = told.partition(": ")
    return bool(colon) and name in charter.subgroups
