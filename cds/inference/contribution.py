"""What a model's manifest itself puts on a card, so that a new algorithm of a known task needs no Python.

The manifest says when to speak and the two or three sentences that are its own; values, reasons, certainty, gaps and
provenance are added by ``cds.cards.by_manifest`` in the same order as on every other card.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from cds.inference.faults import FaultAt
from cds.record.concepts import Strict, Text

COMPARISONS = ("at_least", "at_most", "below", "above")


class Threshold(Strict):
    """A limit of the card that a clinical lead may move in the policy (``models.<id>.thresholds.<name>``)."""

    value: float = Field(description="The limit as packaged.")
    says: Text = Field(description="What moving it does, in plain words, by language.")
    source: str = Field(description="A key of `sources`: where the packaged limit comes from.")


class Test(Strict):
    """One test on what the model said or read; exactly one subject and one comparison."""

    output: str | None = Field(None, description="Output to test.")
    input: str | None = Field(None, description="Input to test; an absent one holds no test.")
    rule: str | None = Field(None, description="Rule that must have fired.")
    at_least: float | str | None = Field(None, description="A number, or the name of a threshold of this card.")
    at_most: float | str | None = None
    """As at_least: a number, or the name of a threshold."""
    below: float | str | None = None
    """As at_least."""
    above: float | str | None = None
    """As at_least."""
    is_: str | None = Field(None, alias="is", description="Category the output must be.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Test:
        subjects = [s for s in (self.output, self.input, self.rule) if s is not None]
        comparisons = [k for k in (*COMPARISONS, "is_") if getattr(self, k) is not None]
        if len(subjects) != 1:
            raise ValueError("a test needs exactly one of output, input, rule")
        if len(comparisons) != (0 if self.rule is not None else 1):
            raise ValueError(
                "a test on an output or input needs exactly one of at_least, at_most, below, above, is; "
                "a test on a rule needs none"
            )
        return self


class ProposedOrder(Strict):
    order: str = Field(description="Key of the policy's `orders`; left out where the site has no code for it.")
    label: Text
    """The button's words, by language."""
    priority: Literal["routine", "urgent", "asap"] = "routine"
    """Of the order that would be drafted."""
    recommended: bool = False
    """true: marked as the recommended one."""


class Speech(Strict):
    """One thing the card may say."""

    when: tuple[Test, ...] = Field(default=(), description="All must hold; none: always.")
    indicator: Literal["info", "warning"] = "info"
    """How loud: ``warning`` only where waiting does harm."""
    kind: str = Field("", description="Names this reason where a snooze should silence it alone.")
    weight: int = Field(
        0, description="Models that share a topic share one card: the heaviest of their speeches leads it."
    )
    summary: Text = Field(description="The card's headline, under 140 characters when filled in.")
    recommendation: Text = Field(description="First line of the detail: what to do.")
    more: Text = Field(default_factory=dict, description="A further paragraph, Markdown.")
    proposals: tuple[ProposedOrder, ...] = ()
    """Orders the clinician may accept."""

    @property
    def fields(self) -> tuple[tuple[str, str, str], ...]:
        """(key, language, name) of every name in braces in its sentences."""
        return tuple(
            (key, language, name)
            for key, language, text in self._sentences()
            for _, name, _, _ in string.Formatter().parse(text)
            if name is not None
        )

    def _sentences(self) -> Iterator[tuple[str, str, str]]:
        for key in ("summary", "recommendation", "more"):
            for language, text in getattr(self, key).items():
                yield key, language, text

    @model_validator(mode="after")
    def _plain_fields(self) -> Speech:
        """Names only: ``{age.real}`` and ``{age:>99}`` are a programmer's, and may do anything."""
        for key, language, text in self._sentences():
            try:
                parsed = list(string.Formatter().parse(text))
            except ValueError as error:
                raise FaultAt(f"has a brace too many or too few: {error}", key, language) from error
            for _, name, form, conversion in parsed:
                if name is not None and (not name.isidentifier() or form or conversion):
                    raise FaultAt("has a field that is not a plain name in braces", key, language)
        return self


class CardService(Strict):
    """The service whose calls the card joins."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Several models may name the same; their cards share its limit."""
    hook: str
    """CDS Hooks hook, such as patient-view."""
    title: str | Text | None = Field(
        None, description="Needed where no hooks/ file declares the service; by language, or in English alone."
    )
    description: str | Text | None = Field(None, description="As title; what EHR integrators read in discovery.")

    @model_validator(mode="after")
    def _in_one_language_at_least(self) -> CardService:
        if isinstance(self.title, dict) and isinstance(self.description, dict):
            if not self.title.keys() & self.description.keys():
                raise ValueError("'title' and 'description' have no language in common")
        elif isinstance(self.title, dict) is not isinstance(self.description, dict) and self.title and self.description:
            raise ValueError("'title' and 'description': give both by language, or neither")
        return self


class Contribution(Strict):
    service: CardService
    """On whose calls it speaks."""
    topic: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Code of `source.topic`; overrides remember it.")
    topic_label: Text
    """What people call the topic, by language."""
    rank: Literal["safety", "action", "information"] = "information"
    """Which cards come first when there are too many: safety, then action, then information."""
    patient_facing: bool = Field(False, description="true: may be shown on calls made for a patient's own eyes.")
    when_unable: Literal["silent", "say"] = Field(
        "silent", description="What an abstention for want of an input does. A failure is never silent."
    )
    renewed_by: tuple[str, ...] = Field(
        (),
        description="Inputs of which a newer value makes the card new: it comes again although it was shown before. "
        "Without any, only a heavier speech or another rule does.",
    )
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    """Limits by name that the clinical lead may move in the policy."""
    speaks: tuple[Speech, ...] = Field(min_length=1, description="The first whose tests hold is the card.")

    @model_validator(mode="after")
    def _thresholds_exist(self) -> Contribution:
        for number, speech in enumerate(self.speaks):
            for position, test in enumerate(speech.when):
                for comparison in COMPARISONS:
                    limit = getattr(test, comparison)
                    if isinstance(limit, str) and limit not in self.thresholds:
                        known = ", ".join(sorted(self.thresholds)) or "none"
                        what = f"there is no threshold '{limit}'; declared are: {known}"
                        raise FaultAt(what, "speaks", number, "when", position, comparison)
        return self
