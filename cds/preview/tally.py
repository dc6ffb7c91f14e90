"""What is counted of a policy's cards while past calls go by."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from cds.preview.replay import Decided


@dataclass
class Tally:
    cards: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Shown, by topic and indicator."""
    held: Counter[str] = field(default_factory=Counter)
    """Ready and not shown, by reason."""
    calls: int = 0
    """With a card shown."""
    by_user: Counter[str] = field(default_factory=Counter)
    alerted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By topic: patients of whom a card was ready. What was not shown because it was shown before was found all the
    same, and what a budget held back can be read in the report; so this is who would have been pointed out."""
    shown_to: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By topic: patients of whom a card was shown."""

    def take(self, decided: Decided) -> None:
        call = decided.call
        for would in decided.shown:
            self.cards[would.topic, would.indicator] += 1
            self.alerted[would.topic].add(call.patient)
            self.shown_to[would.topic].add(call.patient)
        for would, reason in decided.held:
            self.held[reason] += 1
            self.alerted[would.topic].add(call.patient)
        if decided.shown:
            self.calls += 1
            if call.user is not None:
                self.by_user[call.user] += len(decided.shown)

    @property
    def total(self) -> int:
        return sum(self.cards.values())

    @property
    def patients(self) -> set[str]:
        """Of whom any card was shown."""
        return set().union(*self.shown_to.values())
