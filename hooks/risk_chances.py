"""Of how many people the chances on a risk card are told: every line of its detail of as many. The headline, which is
read alone, tells its one chance of as few as will do, and the detail has it beside its own: "4 in 100" above "360 in
10,000" reads as another risk.
"""

from __future__ import annotations

from cds.cards import wording
from cds.inference.explain import spreads
from cds.inference.prediction import Prediction
from cds.services import Case
from hooks.risk_missing import RISK, SCORE, by_sex

HIGH_FROM = 3
HIGH_BAND = (0.036, 0.020, 0.026)
"""Of those with a score that is high: pancreatic cancer within 3 years where END-PAC was made, and in two other
populations (models/endpac, with its sources)."""


class Chances:
    """Of one card. ``threshold``: the guideline's, where it stands on the card."""

    def __init__(self, case: Case, threshold: float | None = None) -> None:
        self._words = case.words
        told = [*by_sex(case), *([threshold] if threshold is not None else [])]
        if (risk := case.prediction(RISK)) is not None:
            own = risk.number("risk")
            told += [own, risk.number("reference_risk")]
            told += [bound for _, *both in spreads(risk.what_if, "risk", own).values() for bound in both]
        if (score := case.prediction(SCORE)) is not None and high(score):
            told += HIGH_BAND
        self._total = wording.per(*told) if told else 100

    def __call__(self, probability: float) -> str:
        return wording.beside(self._words, probability, self._total)

    def headline(self, probability: float) -> str:
        return wording.chance(self._words, probability)

    def tied(self, probability: float) -> str:
        """As in the detail, and as the headline told it."""
        own, above = self(probability), self.headline(probability)
        return own if own == above else f"{own} ({above})"

    def published(self, probability: float) -> str:
        """A figure that somebody published with two digits, both of them."""
        count = self._words.significant(probability * self._total, 2)
        return self._words("engine.chance.about", count=count, total=self._words.number(self._total, 0))

    def between(self, low: float, high: float) -> str:
        return self._words("engine.chance.between", low=self(low), high=self(high))


def high(score: Prediction) -> bool:
    return score.number("score") >= HIGH_FROM
