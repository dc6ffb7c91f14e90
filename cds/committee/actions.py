"""What the committee does to a model: stop, resume, confirm. Every act has a reason and people who answer for it.

Stopping is the safe direction, so in an emergency one person may do it and another looks at it afterwards. Resuming
always takes two, and never the same person twice.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cds.committee.charter import Charter
from cds.errors import CommitteeError
from cds.ids import new_id
from cds.ledger.book import Book
from cds.ledger.committee_tables import standings
from cds.ledger.standings import EVERYWHERE, SYSTEM, Action, Cause, Standing, Stop, every, stops

_SHORTEST_REASON = 10


@dataclass(frozen=True)
class Signatures:
    """Who acts, who agrees, and why."""

    person: str
    second: str | None
    reason: str
    person_id: str | None = None
    """Issuer and subject of ``person``, where the hospital's own sign-in told them: names are neither unique nor for
    ever."""


def stop(
    book: Book,
    charter: Charter,
    model: str,
    site: str,
    signed: Signatures,
    now: datetime,
    *,
    emergency: bool = False,
) -> Standing:
    """Raises CommitteeError: signatures that don't do, or a model that is stopped there already."""
    _require_signed(charter, signed, now, two=not emergency)
    if (held := stops(book.read(every)).get((model, site))) is not None:
        raise CommitteeError(
            f"'{model}' is stopped {_at(site)} already, since {held.standing.at:%Y-%m-%d %H:%M} UTC by "
            f"{held.standing.person}"
        )
    cause: Cause = "emergency" if emergency and signed.second is None else "manual"
    return _put(book, _made(model, site, "stop", cause, signed, now))


def resume(book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime) -> Standing:
    """Raises CommitteeError: signatures that don't do, or nothing to resume there."""
    _require_signed(charter, signed, now, two=True)
    held = _held(book, model, site)
    return _put(book, _made(model, site, "resume", held.standing.cause, signed, now, about=held.standing.id))


def confirm(book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime) -> Standing:
    """The second person of an emergency, or the first of a stop by the service. Raises CommitteeError."""
    held = _held(book, model, site)
    if held.confirmed is not None:
        raise CommitteeError(f"this stop of '{model}' was confirmed by {held.confirmed} already")
    _require_signed(charter, signed, now, two=False)
    if _one_person(signed, held.standing):
        raise CommitteeError(f"{signed.person} stopped it: somebody else has to confirm that")
    return _put(book, _made(model, site, "confirm", held.standing.cause, signed, now, about=held.standing.id))


def stop_by_service(
    book: Book, model: str, site: str, cause: Cause, reason: str, verdict_id: str, now: datetime
) -> Standing | None:
    """None when it is stopped there already."""
    if (model, site) in (held := stops(book.read(every))) or (model, EVERYWHERE) in held:
        return None
    return _put(book, Standing(new_id(), now, model, site, "stop", cause, reason, SYSTEM, None, verdict_id))


def known_model(model: str, models: Iterable[str]) -> str:
    """Raises CommitteeError for a name nobody has: a slip of the hand must not stop nothing in silence."""
    names = sorted(models)
    if model in names:
        return model
    near = difflib.get_close_matches(model, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names)}"
    raise CommitteeError(f"there is no model '{model}'; {hint}")


def known_site(site: str, clients: Iterable[str]) -> str:
    """A client's name, or ``*`` for all. Raises CommitteeError."""
    names = sorted(clients)
    if site == EVERYWHERE or site in names:
        return site
    near = difflib.get_close_matches(site, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the settings have: {', '.join(names) or 'none'}"
    raise CommitteeError(f"there is no client '{site}'; {hint}")


def same(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return _plain(one) == _plain(other)


def _one_person(signed: Signatures, before: Standing) -> bool:
    """By what the sign-in says of both; by their names where one of them is known by that alone."""
    if signed.person_id is not None and before.person_id is not None:
        return signed.person_id == before.person_id
    return same(signed.person, before.person)


def _plain(name: str) -> str:
    kept = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in kept if c.isalnum())


def _held(book: Book, model: str, site: str) -> Stop:
    held = stops(book.read(every))
    found = held.get((model, site))
    if found is None:
        where = [other for (name, other) in held if name == model]
        hint = f"; it is stopped {', '.join(_at(s) for s in sorted(where))}" if where else ""
        raise CommitteeError(f"'{model}' is not stopped {_at(site)}{hint}")
    return found


def _require_signed(charter: Charter, signed: Signatures, now: datetime, *, two: bool) -> None:
    if len(signed.reason.split()) < 2 or len(signed.reason.strip()) < _SHORTEST_REASON:
        raise CommitteeError("say why in a sentence: whoever looks back in a year reads nothing else")
    if two and signed.second is None:
        raise CommitteeError("a second person has to agree: name them with --second")
    for name in (signed.person, signed.second):
        if name is not None:
            require_member(charter, name, now)
    if signed.second is not None and same(signed.person, signed.second):
        raise CommitteeError(f"the second person is {signed.second} again: it takes two different people")


def require_member(charter: Charter, name: str, now: datetime) -> None:
    """Raises CommitteeError for a name that is no name, that the charter does not list, or whose term is over."""
    if len(_plain(name)) < 2:
        raise CommitteeError("a person's name is missing")
    if same(name, SYSTEM):
        raise CommitteeError(f"'{SYSTEM}' is the service's own name, not a person's")
    if not charter.members:
        return
    found = next((m for m in charter.members if same(m.name, name)), None)
    if found is None:
        raise CommitteeError(
            f"{name} is not a member of the committee; its charter lists: {', '.join(m.name for m in charter.members)}"
        )
    if found.until is not None and found.until < now.date():
        raise CommitteeError(f"{name} is a member until {found.until} only: renew the term in the charter first")


def _made(
    model: str, site: str, action: Action, cause: Cause, signed: Signatures, now: datetime, about: str | None = None
) -> Standing:
    second = signed.second.strip() if signed.second is not None else None
    return Standing(
        new_id(), now, model, site, action, cause, signed.reason.strip(), signed.person.strip(), second, about,
        signed.person_id,
    )  # fmt: skip


def _put(book: Book, standing: Standing) -> Standing:
    book.put_all(standings, [dict(standing.__dict__)])
    return standing


def _at(site: str) -> str:
    return "everywhere" if site == EVERYWHERE else f"at '{site}'"
