"""Guessing passwords gets slower, for whoever guesses.

Wrong passwords are counted for a name from one address, for an address, and for a name. The first slows one guesser
down more and more. The second and third, which others share (a hospital behind one address; everybody who means to sign
in under that name), cost a few seconds at most after many. A browser in which somebody has signed in under a name
before is counted apart from all of these for that name: whoever guesses elsewhere does not keep its owner out. What is
tried while it waits is not looked at, and does not make the wait longer. An attempt is counted before it is looked at,
and taken back where it was right: of many sent at once, no more are looked at than one after the other.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from cds.ledger import sign_in_attempts
from cds.ledger.book import Book
from cds.ledger.sign_in_attempts import Step
from cds.pages.committee.source import whose
from cds.trust.smart.secrets import derived

_WAIT_S = 30.0
_FADES = timedelta(hours=1)
"""After the last wait has been over for so long, the count begins anew."""
_PURPOSE = "console sign-in attempts"


@dataclass(frozen=True)
class Counted:
    """What wrong passwords are counted for."""

    key: str
    free: int
    """So many cost nothing."""
    longest_s: float


@dataclass(frozen=True)
class Attempt:
    wait_s: float
    """Until one may try again; the attempt must not be looked at then. 0: it is counted, look at it."""
    steps: Mapping[str, Step]
    """What was counted; shared, what others count, too."""
    own: tuple[str, ...]
    """Ids of what is counted for this one alone."""


def counted(name: str, source: str | None, browser: str | None) -> tuple[Counted, ...]:
    """``source``: the address; None: not known. ``browser``: its number, where this name has signed in with it."""
    name, source = name.casefold(), whose(source) if source is not None else None
    if browser is not None:
        return (Counted(f"browser:{browser}:{name}", 5, 900.0),)
    shared = Counted(f"name:{name}", 20, 5.0), Counted(f"from:{source or ''}", 20, 5.0)
    # whoever can't be told from everybody else must not make everybody wait
    return shared if source is None else (*shared, Counted(f"guess:{source}:{name}", 5, 900.0))


class Attempts:
    """Counted in the ledger, for every worker of every host. Raises LedgerError where it does not answer: then no page
    of the console opens either."""

    def __init__(self, url: str, key: bytes, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's; names and addresses are hashed under one derived from it."""
        self._url, self._now = url, now
        self._key = derived(key, _PURPOSE)

    def begin(self, counts: Iterable[Counted]) -> Attempt:
        """In one transaction: whether all of these may try now, and if so, counted as one that is wrong. Whoever is
        known to have to wait is told so before it: calls' rows wait for whoever writes."""
        now, given = self._now(), tuple(counts)
        counting = {self._id(c): partial(_more, c, now) for c in given}
        with Book(self._url) as book:
            steps: Mapping[str, Step] = {}
            if (until := book.read(lambda c: sign_in_attempts.until(c, counting, now))) <= now:
                until, steps = book.write(lambda c: sign_in_attempts.begin(c, counting, now, now - _FADES))
        own = tuple(self._id(c) for c in given if not c.key.startswith(("name:", "from:")))
        return Attempt((until - now).total_seconds(), steps, own)

    def succeeded(self, attempt: Attempt) -> None:
        """Forgets what was this one's alone: whoever has an account must not begin anew with others' by it. Of what is
        shared, it takes this attempt back."""
        with Book(self._url) as book:
            book.write(lambda c: sign_in_attempts.take_back(c, attempt.steps, attempt.own))

    def _id(self, counted: Counted) -> str:
        return hmac.digest(self._key, counted.key.encode(), "sha256").hex()


def _more(counted: Counted, now: datetime, held: tuple[int, datetime]) -> tuple[int, datetime]:
    before, until = held
    count = 1 if now - until > _FADES else before + 1
    pause = min(counted.longest_s, _WAIT_S * 2 ** min(count - counted.free, 30)) if count >= counted.free else 0.0
    return count, now + timedelta(seconds=pause)
