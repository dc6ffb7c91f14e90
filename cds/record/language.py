"""The language a patient speaks: the committee asks whether a model is as right for its speakers as for others.

No more is kept of it than BCP-47's primary subtag (``tr``), and it decides nothing: no model reads it, and no card.
"""

from __future__ import annotations

import re

import msgspec
from babel.core import get_global

from cds.fhir.resources import CodeableConcept

_SYSTEMS = frozenset(
    {
        None,
        "",
        "urn:ietf:bcp:47",
        # IETF tags, ISO 639-1 and ISO 639-2 by their HL7 object identifiers
        "urn:oid:2.16.840.1.113883.6.121",
        "urn:oid:2.16.840.1.113883.6.99",
        "urn:oid:2.16.840.1.113883.6.100",
    }
)
"""Of another system two letters may as well be a country."""
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{1,8})*")
_MOST = 50
"""Entries, and codes of one: more say nothing of one patient, and to read them all would hold up calls."""
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx"})
"""ISO 639-2: undetermined, several, uncoded, none."""


class _Spoken(msgspec.Struct):
    language: CodeableConcept | None = None
    preferred: bool | None = None


def spoken(communication: bytes) -> str | None:
    """FHIR R4 ``Patient.communication`` as sent: the preferred language, else the only one. None: not said, said in no
    code, several and none of them preferred, or more than anybody speaks. Never raises: nobody goes without a card for
    it."""
    try:
        entries = msgspec.json.decode(communication, type=list[msgspec.Raw]) if communication else []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(entries) > _MOST:
        return None
    read = [found for entry in entries if (found := _read(entry)) is not None]
    preferred = {_primary(one.language) for one in read if one.preferred}
    chosen = preferred or {_primary(one.language) for one in read if len(entries) == 1}
    return chosen.pop() if len(chosen) == 1 else None


def _read(entry: msgspec.Raw) -> _Spoken | None:
    try:
        return msgspec.json.decode(entry, type=_Spoken)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _primary(language: CodeableConcept | None) -> str | None:
    """Lower case, the two-letter code where there is one (CLDR): ``nl`` for ``nl-BE`` and for ``dut``."""
    for coding in language.coding[:_MOST] if language is not None else ():
        match = _TAG.fullmatch(coding.code or "")
        if match is None or coding.system not in _SYSTEMS:
            continue
        code = match[1].lower()
        code = get_global("language_aliases").get(code, code).partition("_")[0]
        if code not in _NO_LANGUAGE:
            return str(code)
    return None
