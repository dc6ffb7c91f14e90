"""``docs/abstentions.md``: why a model says nothing, by code, in every language."""

from __future__ import annotations

from collections.abc import Iterator

from cds.cards.phrasebook import Phrasebook
from cds.docs.reference import GENERATED

_HEAD = """
Each answer of each model is kept in the ledger with its outcome. Where there is no answer, this is the reason; the
words are those of the cards. A reason is never silence: what a card does not say stands in the ledger.

## Why a model did not answer

`predictions.reason` of the ledger, `outcome` of `cds models run`, and the log.
"""
_STATES = """
## Why an input could not be used

The state of each input: `predictions.inputs` of the ledger, and the table of `cds models run`. A model without an
input it cannot do without abstains with `input-absent`; other inputs are assumed as the manifest says, and the card
names them.
"""


def abstentions_page(books: dict[str, Phrasebook]) -> str:
    """``books``: by language, the engine's catalogue."""
    lines = ["# Abstentions", GENERATED, *_HEAD.splitlines(), "", *_table(books, "engine.abstained.")]
    lines += [*_STATES.splitlines(), "", *_table(books, "engine.absent.", but=("item",))]
    return "\n".join([*lines, ""])


def _table(books: dict[str, Phrasebook], prefix: str, but: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"| code | {' | '.join(books)} |"
    yield f"|---|{'---|' * len(books)}"
    english = books["en"].texts
    for key in english:
        code = key.removeprefix(prefix)
        if key.startswith(prefix) and code not in but:
            told = (book.texts[key].replace("{detail}", "…") for book in books.values())
            yield f"| `{code}` | {' | '.join(told)} |"
