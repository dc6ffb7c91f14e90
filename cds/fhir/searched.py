"""Is what an EHR searched as much as our query asks for? Told by the searchsets' ``self`` links (FHIR R4, "Search:
server conformance"): the search as the server understood it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

from cds.fhir.queries import Query

_CUTS = frozenset(
    (
        # of resources of any kind
        *("_content", "_filter", "_has", "_id", "_lastUpdated", "_list", "_profile", "_query", "_security", "_tag"),
        *("_text", "encounter", "context", "identifier", "date", "status", "category"),
        # Condition
        *("clinical-status", "verification-status", "recorded-date", "onset-date", "onset-age", "onset-info"),
        *("abatement-date", "abatement-age", "body-site", "severity", "stage", "asserter", "evidence"),
        # Observation
        *("combo-code", "component-code", "code-value-quantity", "value-quantity", "value-concept", "performer"),
        # medications
        *("intent", "authoredon", "effective-time", "effective", "medication", "requester", "priority"),
        # ServiceRequest, ImagingStudy, FamilyMemberHistory
        *("authored", "occurrence", "started", "modality", "bodysite", "dicom-class", "instance", "series"),
        *("relationship", "sex"),
    )
)
"""Search parameters that leave resources out, of the types we ask for (FHIR R4). A name that isn't among them may be a
page's mark of the server's own, and cuts nothing."""
_LONGEST_KEPT = 20_000
"""Characters of a search's codes that are remembered as read; ours have a tenth of it."""


def asks_all(query: Query, searches: Iterable[str | None]) -> bool:
    """Do the searches that were sent ask for all that ``query`` does? One of them by itself, or several that name each
    concept's codes between them. One that has no link, or none that says what was asked, is taken for the whole."""
    asked: set[str] = set()
    for url in searches:
        parts = (url or "").partition("?")[2].split("&")
        codes = [part for part in parts if part.startswith("code=")]
        # where codes are asked for, a category is the drawer they are kept in
        if any(_cuts(part) for part in parts if not (codes and part.startswith("category="))):
            continue
        named = [found for part in codes if (found := _read_codes(part))]
        if not named:
            return True
        asked.update(*named)
    return bool(query.asked) and all(asked & concept for concept in query.asked)


def _cuts(part: str) -> bool:
    name, _, value = part.partition("=")
    plain, _, modifier = unquote_plus(name).partition(":")
    if plain == "code":  # such as code:in: whatever value set that is
        return bool(modifier)
    return plain.partition(".")[0] in _CUTS and not (modifier == "not" and value == "entered-in-error")


def _read_codes(parameter: str) -> frozenset[str]:
    return _codes(parameter) if len(parameter) <= _LONGEST_KEPT else _codes.__wrapped__(parameter)


@lru_cache(maxsize=64)
def _codes(parameter: str) -> frozenset[str]:
    """``parameter``: "code=system|code,…" as it stands in an address. An EHR searches with the same few for all."""
    value = unquote_plus(parameter.partition("=")[2])
    return frozenset(code.rpartition("|")[2] for code in value.split(",") if code)
