"""Who somebody is beside a name: by the hospital's own sign-in, or by a local account of the console.

Written down with what members do, as one text each: ``ISSUER SUBJECT`` (OpenID Connect Core 5.7 has nothing else by
which one person is told from another), ``local account NAME``, or ``local account NAME = ISSUER SUBJECT`` where the
accounts' file says whose it is.
"""

from __future__ import annotations

_ACCOUNT, JOINED = "local account ", " = "


def by_sign_in(issuer: str, subject: str) -> str:
    return f"{issuer} {subject}"


def by_account(name: str, person: str | None = None) -> str:
    """``person``: whose it is, by the hospital's sign-in. ``name`` has no ``JOINED`` in it."""
    return f"{_ACCOUNT}{name}{JOINED}{person}" if person else f"{_ACCOUNT}{name}"


def in_hospital(told: str | None) -> str | None:
    """Issuer and subject; None: nobody knows who it is at the hospital's own sign-in, so the name alone has to do."""
    if told is None or not told.startswith(_ACCOUNT):
        return told
    return told.partition(JOINED)[2] or None
