"""Where a model comes from: the publications it rests on, the guideline it states, and on what terms it is used."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from cds.record.concepts import Strict, Text


def _english(told: str | Text) -> str:
    """As regulators and other systems get it."""
    return told if isinstance(told, str) else told.get("en") or next(iter(told.values()), "")


class Source(Strict):
    citation: str | Text
    """As a reader would look it up: authors, title and journal as they were published; by language where the words are
    this model's own, such as those of its own fit."""
    where: Text = Field(default_factory=dict)
    """Where in it, by language, as a sentence of its own: ``Table 3.``"""
    url: str | None = Field(None, pattern=r"^https?://")
    """Where it can be read."""
    published: str | None = None
    """Year or date."""
    note: str | None = None
    """What was found wrong or chosen in it."""

    @property
    def cited(self) -> str:
        """Citation and place, in English."""
        return " ".join(filter(None, (_english(self.citation), _english(self.where))))


class Guideline(Strict):
    """Of a model that states a guideline: how current it is, and who sees to that."""

    source: str
    """A key of ``sources``: the publication the criteria are taken from."""
    publisher: str = Field(min_length=1)
    """Who published the criteria."""
    published: str = Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")
    """When: 2018, 2018-05 or 2018-05-24, as far as it is known."""
    review_by: date
    """The last day by which somebody is to compare it with what its publisher says then. After it, cards call it
    overdue; after the policy's grace (``guidelines.grace``) it stops speaking."""
    owner: str = Field(min_length=1)
    """Who is to do so."""


class Licence(Strict):
    name: str
    """Short name."""
    notice: str | Text
    """What has to be said, and what is not included: by language, or the licence's own text as it stands."""
    acknowledge: bool = False
    """true: the model runs only where the policy names this licence (``models.<id>.licence_acknowledged``)."""

    @property
    def told(self) -> str:
        """Name and notice, in English."""
        return f"{self.name}. {_english(self.notice)}"
