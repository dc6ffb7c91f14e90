"""Which models are stopped where, and who said so. Each function takes a connection; none opens one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from cds.ledger.committee_tables import standings

EVERYWHERE = "*"
"""As a site: all clients."""
SYSTEM = "system"
"""As a person: the service itself."""

Action = Literal["stop", "resume", "confirm", "ask"]
"""``ask``: that the model may speak again; nothing changes before somebody else agrees."""
Cause = Literal["manual", "emergency", "input-failure", "floor"]


@dataclass(frozen=True)
class Standing:
    """One decision about one model at one site."""

    id: str
    at: datetime
    model: str
    site: str
    """A client's name, or ``*``."""
    action: Action
    cause: Cause
    """Of a stop; of what follows on one, the stop's."""
    reason: str
    """As a member of the committee wrote it: for the committee, not for cards."""
    person: str
    second: str | None
    """Who agreed; None: nobody has yet, or nobody had to."""
    about: str | None
    """The stop that is lifted or confirmed; of a stop by the service, the verdict behind it."""
    person_id: str | None = None
    """Who ``person`` is, as ``cds.committee.identity`` writes it; None: known by name alone."""
    second_id: str | None = None
    """Who ``second`` is; None also in rows from before that was kept."""


@dataclass(frozen=True)
class Stop:
    """A stop that holds."""

    standing: Standing
    confirmed: str | None
    """Who agreed, then or later; None: an emergency nobody else has looked at, or the service's own."""
    asked: Standing | None = None
    """Who asks that the model may speak again, and why; somebody else has to agree."""


def every(connection: sa.Connection) -> tuple[Standing, ...]:
    """All decisions, oldest first."""
    found = connection.execute(sa.select(standings).order_by(standings.c.at, standings.c.id))
    return tuple(Standing(**row) for row in found.mappings())


def stops(decisions: Iterable[Standing]) -> dict[tuple[str, str], Stop]:
    """By model and site: what is stopped now. The latest decision on a model and site holds; a resume lifts the stop
    that it names and no other, which may have been made since (or before, by another host's clock)."""
    found: dict[tuple[str, str], Stop] = {}
    for decision in decisions:
        key = (decision.model, decision.site)
        if decision.action == "stop":
            found[key] = Stop(decision, decision.second)
        elif decision.action == "resume":
            if key in found and decision.about in (None, found[key].standing.id):
                del found[key]
        elif decision.action == "ask":
            # an earlier version of the product takes it for a confirmation of no stop, since it names none
            if key in found:
                found[key] = replace(found[key], asked=decision)
        elif key in found and found[key].standing.id == decision.about:
            found[key] = replace(found[key], confirmed=decision.person)
    return found
