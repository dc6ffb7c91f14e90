"""A model where no evaluation has reached a verdict yet: it may be withheld there all the same, and speak again."""

from __future__ import annotations

from dataclasses import dataclass

from cds.cards.phrasebook import Phrasebook
from cds.committee.actions import stopped_now
from cds.committee.charter import Charter
from cds.engine import Engine
from cds.errors import NothingThere
from cds.ledger.book import Book
from cds.ledger.standings import EVERYWHERE, Stop
from cds.ledger.verdicts import history
from cds.pages.committee.view import here, standing_stop, title_of


@dataclass(frozen=True)
class Unjudged:
    model: str
    title: str
    site: str
    """A client's name, or ``*``: verdicts are reached for each client by itself, stops for all of them, too."""
    stop: Stop | None

    @property
    def level(self) -> str:
        return "stopped" if self.stop is not None else ""


def is_judged(book: Book, model: str, site: str) -> bool:
    return bool(book.read(lambda c: history(c, model, site, most=1)))


def unjudged(engine: Engine, book: Book, charter: Charter, words: Phrasebook, model: str, site: str) -> Unjudged:
    """Raises NothingThere: no such model or client. One that is withheld is shown when it is installed no more."""
    stop = standing_stop(stopped_now(book, charter, here(engine)), model, site)
    known = model in engine.models.models and (site == EVERYWHERE or site in engine.settings.clients)
    if stop is None and not known:
        raise NothingThere("no such model at such a site")
    return Unjudged(model, title_of(engine, words, model), site, stop)
