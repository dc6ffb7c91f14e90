"""What a card's link carries as ``appContext``: the card's id and until when, sealed, 64 characters.

It is a capability and no more than that: whoever holds one learns nothing from it, and the report still asks whether
the card is of the launching client and of the patient that the EHR names.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from cds.errors import LinkExpired, LinkInvalid
from cds.trust.smart.secrets import Seal, derived, from_text, to_text

_PURPOSE = "report link"
_VERSION = b"1"
_LENGTH = 64


class References:
    """Safe for threads and processes."""

    def __init__(self, key: bytes, now: Callable[[], datetime]) -> None:
        """``key``: the ledger's."""
        self._seal, self._now = Seal(derived(key, _PURPOSE)), now

    def make(self, card_id: str, hours: float) -> str:
        """``card_id`` is a UUID; the reference opens its report for ``hours`` from now."""
        until = int((self._now() + timedelta(hours=hours)).timestamp())
        return to_text(self._seal.close(uuid.UUID(card_id).bytes + until.to_bytes(4, "big"), _VERSION))

    def read(self, reference: str) -> str:
        """The card's id. Raises LinkInvalid for what we did not make, LinkExpired."""
        sealed = from_text(reference) if len(reference) == _LENGTH else None
        content = self._seal.open(sealed, _VERSION) if sealed is not None else None
        if content is None:
            raise LinkInvalid("appContext is none of ours, or was changed")
        if self._now().timestamp() >= int.from_bytes(content[16:], "big"):
            raise LinkExpired("the card's link has expired")
        return str(uuid.UUID(bytes=content[:16]))


def in_token_response(told: object) -> str | None:
    """The reference in a token response's ``appContext``; None where there is none.

    The specification passes the card's string on. Some servers hand out whatever JSON it could be, or wrap it in an
    object: then the one string in it counts. Raises LinkInvalid for anything else.
    """
    if told is None or told == "" or told == {}:
        return None
    if isinstance(told, dict):
        texts = [value for value in told.values() if isinstance(value, str)]
        told = texts[0] if len(texts) == 1 else None
    if not isinstance(told, str):
        raise LinkInvalid("appContext is neither a string nor an object with one")
    return told.strip().strip('"')
