"""The questions of a first ``cds.toml``: each answer is looked at when it is given, not when all have been."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from cds.addresses import loopback_address, require_address, require_secure
from cds.errors import SettingsError

SIGN_INS = ("none", "key", "token", "password")
"""How this service reads an EHR's FHIR server outside of a call."""
PACS_SIGN_INS = ("none", "token", "password", "certificate")
CHOICES = {
    "language": ("en", "nl"),
    "postgres": ("yes", "no"),
    "plain_http": ("yes", "no"),
    "sign_in": SIGN_INS,
    "pacs_sign_in": PACS_SIGN_INS,
}
_LIKE = {
    "public_url": "https://cds.hospital.example",
    "fhir": "https://ehr.hospital.example/fhir",
    "jku": "https://ehr.hospital.example/oauth/jwks.json",
    "pacs": "https://pacs.hospital.example/dicom-web",
}
_MAY_BE_EMPTY = ("jku", "pacs")
_NEEDED = {
    "issuer": "the iss that the EHR's tokens have; its team knows it",
    "client_id": "is needed to sign in with a key; the EHR's administrator gives it",
    "user": "is needed to sign in with a password",
    "pacs_user": "is needed to sign in with a password; the archive's team gives it",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def checked(key: str, answer: str) -> str:
    """The answer as it is written into the settings: without blanks around it, an address without a last slash.

    Raises SettingsError that names the question, what is wrong and what to write.
    """
    answer = answer.strip()
    if key in _MAY_BE_EMPTY and answer == "-":
        answer = ""  # in a terminal, nothing at all takes what is offered
    try:
        return _checked(key, answer)
    except ValueError as error:
        raise SettingsError(f"{key}: {str(error).removeprefix(f'{key}: ')}") from error


def unsealed(address: str) -> bool:
    """Whether what is sent there can be read on the way."""
    return address.startswith("http://") and not loopback_address(address)


def _checked(key: str, answer: str) -> str:
    if key in CHOICES and answer not in CHOICES[key]:
        raise ValueError(f"'{answer}' is none of {', '.join(CHOICES[key])}")
    if key in _NEEDED and not answer:
        raise ValueError(_NEEDED[key])
    if key == "client" and not _NAME.fullmatch(answer):
        raise ValueError(f"'{answer}' should be a short name of a-z, 0-9 and -, such as main-ehr")
    if key == "timezone":
        try:
            ZoneInfo(answer)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"'{answer}' is not a time zone; write one such as Europe/Amsterdam") from error
    if key not in _LIKE or (not answer and key in _MAY_BE_EMPTY):
        return answer
    if key == "jku":  # it may have a query, and is used as it stands
        require_secure(key, answer)
        return answer
    return require_address(answer, _LIKE[key]).rstrip("/")
