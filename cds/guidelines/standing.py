"""How current a guideline is on a day: in date, overdue and still speaking, or past its grace and no longer cited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from cds.inference.guideline import under
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.policy.schema import Policy
from cds.record.inputs import days


@dataclass(frozen=True)
class Currency:
    """One guideline on one day."""

    model: str
    title: Mapping[str, str]
    """By language."""
    version: str
    """Of its rules, as they are in force."""
    citation: str
    """In English."""
    publisher: str
    published: str
    """Year, or year and month, or day."""
    review_by: date
    """The last day by which somebody was, or is, to look at it again."""
    owner: str
    speaks_until: date
    """The last day on which it is cited, unless somebody looks: ``review_by`` and the policy's grace."""
    runs: bool
    """The policy lets it speak."""
    state: Literal["in date", "overdue", "lapsed"]

    @property
    def overdue(self) -> bool:
        """Lapsed ones, too."""
        return self.state != "in date"

    @property
    def lapsed(self) -> bool:
        return self.state == "lapsed"


def currency(manifest: Manifest, policy: Policy, today: date) -> Currency | None:
    """Of a manifest as it is in force; None for a model that states no guideline. ``today``: of the hospital."""
    guideline = manifest.guideline
    if guideline is None:
        return None
    review_by, owner = guideline.review_by, guideline.owner
    looked = policy.guidelines.reviewed.get(manifest.id)
    if looked is not None and looked.review_by > review_by:
        review_by, owner = looked.review_by, looked.owner
    until = review_by + timedelta(days=round(days(policy.guidelines.grace)))
    return Currency(
        model=manifest.id,
        title=manifest.words.title,
        version=manifest.version,
        citation=manifest.sources[guideline.source].cited,
        publisher=guideline.publisher,
        published=guideline.published,
        review_by=review_by,
        owner=owner,
        speaks_until=until,
        runs=policy.model_enabled(manifest.id, needs_enabling=manifest.status.needs_enabling),
        state="in date" if today <= review_by else "overdue" if today <= until else "lapsed",
    )


def standing_of(models: Iterable[Model], policy: Policy, today: date) -> tuple[Currency, ...]:
    """Every guideline with the edition that the policy has in force, the one to be looked at first coming first."""
    whole = (m for m in models if not m.refused)
    found = (currency(under(m, policy.guidelines.editions).manifest, policy, today) for m in whole)
    return tuple(sorted(filter(None, found), key=lambda c: (c.review_by, c.model)))


def overdue(models: Iterable[Model], policy: Policy, today: date) -> tuple[Currency, ...]:
    """Guidelines that somebody should have looked at, the longest overdue first: for a committee's page. Those that the
    policy does not let speak are among them (``runs``)."""
    return tuple(each for each in standing_of(models, policy, today) if each.overdue)
