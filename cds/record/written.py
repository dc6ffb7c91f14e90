"""Drugs that orders in the making name in words alone: what must not be missed is read from a text, too.

Which words are a drug's name, and which order it, is a disease's own business: its package of services tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from msgspec import structs

from cds.record.facts import Record

DrugNames = Callable[[str], tuple[str, ...]]
"""Concepts of the drugs that a text names as to be given: neither those it denies nor those it stops."""


def read(drafts: Record, drug_names: Iterable[DrugNames], known: Container[str]) -> None:
    """Add what the texts of orders name that no code tells. ``known``: concepts of the vocabulary; of others nobody
    asks."""
    tellers = tuple(drug_names)
    for order in (*drafts.untold, *drafts.unrecognised, *drafts.supposed):
        named = dict.fromkeys(name for tell in tellers for text in order.texts for name in tell(text))
        drafts.written += [structs.replace(order, concept=name, in_words=True) for name in named if name in known]
