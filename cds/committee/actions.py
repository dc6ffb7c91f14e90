"""What the committee does to a model: stop, resume, confirm. Every act has a reason and people who answer for it.

Stopping is the safe direction, so in an emergency one person may do it and another looks at it afterwards. Resuming
always takes two, and never the same person twice.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from cds.committee.charter import Charter
from cds.committee.identity import in_hospital
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
    """Who ``person`` is, as ``cds.committee.identity`` writes it: names are neither unique nor for ever."""
    second_id: str | None = None


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
            f"{held.standing.person}",
            "stopped_already", model=model, site=site, at=held.standing.at, person=held.standing.person,
        )  # fmt: skip
    cause: Cause = "emergency" if emergency and signed.second is None else "manual"
    return _put(book, _made(model, site, "stop", cause, signed, now))


def resume(book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime) -> Standing:
    """Raises CommitteeError: signatures that don't do, or nothing to resume there."""
    _require_signed(charter, signed, now, two=True)
    return _lift(book, _held(book, model, site).standing, signed, now)


def ask_to_resume(book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime) -> Standing:
    """The first of two who each sign for themselves; nothing changes yet. Raises CommitteeError."""
    _require_signed(charter, signed, now, two=False)
    held = _held(book, model, site)
    if held.asked is not None and still_asked(charter, held, now) is not None:
        raise CommitteeError(
            f"{held.asked.person} has asked for that already: somebody else has to agree",
            "asked_already", person=held.asked.person,
        )  # fmt: skip
    return _put(book, _made(model, site, "ask", held.standing.cause, signed, now))


def agree_to_resume(
    book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime, asked: str
) -> Standing:
    """The second of the two. ``asked``: number of what this person has read. Raises CommitteeError."""
    _require_signed(charter, signed, now, two=False)
    held = _held(book, model, site)
    first = held.asked
    if first is None or first.id != asked:
        raise CommitteeError(
            f"nobody asks for '{model}' {_at(site)} as you have read it: look again",
            "not_asked",
            model=model,
            site=site,
        )
    if _one_person(signed, first):
        raise CommitteeError(
            f"{signed.person} asked for it: somebody else has to agree", "asked_it", person=signed.person
        )
    reason = f"{first.reason} ({signed.person.strip()}: {signed.reason.strip()})"
    both = Signatures(first.person, signed.person, reason, first.person_id, signed.person_id)
    _require_signed(charter, both, now, two=True)
    # of the stop that was asked about: one made meanwhile by others stays
    return _lift(book, held.standing, both, now)


def stopped_now(book: Book, charter: Charter, now: datetime) -> dict[tuple[str, str], Stop]:
    """By model and site: what is stopped, each with what a member of today asks of it. Of somebody who has left nothing
    is left to ask: nobody could agree with them."""
    held = stops(book.read(every))
    return {key: replace(stop, asked=still_asked(charter, stop, now)) for key, stop in held.items()}


def still_asked(charter: Charter, held: Stop, now: datetime) -> Standing | None:
    """What somebody who is still a member asks."""
    try:
        if held.asked is not None:
            require_member(charter, held.asked.person, now)
    except CommitteeError:
        return None
    return held.asked


def confirm(book: Book, charter: Charter, model: str, site: str, signed: Signatures, now: datetime) -> Standing:
    """The second person of an emergency, or the first of a stop by the service. Raises CommitteeError."""
    held = _held(book, model, site)
    if held.confirmed is not None:
        raise CommitteeError(
            f"this stop of '{model}' was confirmed by {held.confirmed} already",
            "confirmed_already", model=model, person=held.confirmed,
        )  # fmt: skip
    _require_signed(charter, signed, now, two=False)
    if _one_person(signed, held.standing):
        raise CommitteeError(
            f"{signed.person} stopped it: somebody else has to confirm that", "stopped_it", person=signed.person
        )
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
    raise CommitteeError(f"there is no model '{model}'; {hint}", "no_model", model=model)


def known_site(site: str, clients: Iterable[str]) -> str:
    """A client's name, or ``*`` for all. Raises CommitteeError."""
    names = sorted(clients)
    if site == EVERYWHERE or site in names:
        return site
    near = difflib.get_close_matches(site, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"the settings have: {', '.join(names) or 'none'}"
    raise CommitteeError(f"there is no client '{site}'; {hint}", "no_site", site=site)


def same(one: str, other: str) -> bool:
    """Whether two names are one person's, however they are written."""
    return _plain(one) == _plain(other)


def _one_person(signed: Signatures, before: Standing) -> bool:
    """By what the hospital's sign-in says of both; by their names where it has not told of one of them."""
    mine, theirs = in_hospital(signed.person_id), in_hospital(before.person_id)
    if mine is not None and theirs is not None:
        return mine == theirs
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
        raise CommitteeError(f"'{model}' is not stopped {_at(site)}{hint}", "not_stopped", model=model, site=site)
    return found


def _require_signed(charter: Charter, signed: Signatures, now: datetime, *, two: bool) -> None:
    if len(signed.reason.split()) < 2 or len(signed.reason.strip()) < _SHORTEST_REASON:
        raise CommitteeError("say why in a sentence: whoever looks back in a year reads nothing else", "reason")
    if two and signed.second is None:
        raise CommitteeError("a second person has to agree: name them with --second", "second")
    for name in (signed.person, signed.second):
        if name is not None:
            require_member(charter, name, now)
    if signed.second is not None and same(signed.person, signed.second):
        raise CommitteeError(
            f"the second person is {signed.second} again: it takes two different people", "same", person=signed.second
        )


def require_member(charter: Charter, name: str, now: datetime) -> None:
    """Raises CommitteeError for a name that is no name, that the charter does not list, or whose term is over."""
    if len(_plain(name)) < 2:
        raise CommitteeError("a person's name is missing", "no_name")
    if same(name, SYSTEM):
        raise CommitteeError(f"'{SYSTEM}' is the service's own name, not a person's", "service_name", person=SYSTEM)
    if not charter.members:
        return
    found = next((m for m in charter.members if same(m.name, name)), None)
    if found is None:
        listed = ", ".join(m.name for m in charter.members)
        raise CommitteeError(
            f"{name} is not a member of the committee; its charter lists: {listed}",
            "no_member", person=name, members=listed,
        )  # fmt: skip
    if found.until is not None and found.until < now.date():
        raise CommitteeError(
            f"{name} is a member until {found.until} only: renew the term in the charter first",
            "term_over", person=name, until=found.until,
        )  # fmt: skip


def _lift(book: Book, stopped: Standing, signed: Signatures, now: datetime) -> Standing:
    made = _made(stopped.model, stopped.site, "resume", stopped.cause, signed, now, about=stopped.id)
    return _put(book, made)


def _made(
    model: str, site: str, action: Action, cause: Cause, signed: Signatures, now: datetime, about: str | None = None
) -> Standing:
    second = signed.second.strip() if signed.second is not None else None
    return Standing(
        new_id(), now, model, site, action, cause, signed.reason.strip(), signed.person.strip(), second, about,
        signed.person_id, signed.second_id,
    )  # fmt: skip


def _put(book: Book, standing: Standing) -> Standing:
    book.put_all(standings, [dict(standing.__dict__)])
    return standing


def _at(site: str) -> str:
    return "everywhere" if site == EVERYWHERE else f"at '{site}'"
