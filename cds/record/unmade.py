"""Whether what stands where a result belongs says that there is none: not performed, not known, still to come.

In English and Dutch, matched from the first character to the last: "not tested for HapB3, *2A found" is a result.
"""

from __future__ import annotations

import re

from cds.fhir import resources as fhir

_REASONS = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/data-absent-reason",
        "http://hl7.org/fhir/data-absent-reason",
        "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    }
)
"""HL7's systems of why a value is absent."""
_SAYS_SOMETHING = frozenset({"as-text", "masked", "MSK", "OTH"})
"""Codes of theirs behind which there is a value."""

_TEST = "test|analysis|genotyping|bepaling|onderzoek|analyse"
_NOT = rf"(?:(?:{_TEST}) )?(?:was |is |has been |werd )?(?:not(?: yet)?|nog niet|niet)"
_MADE = (
    "performed|done|tested|determined|carried out|requested|ordered|assessed|"
    "verricht|uitgevoerd|gedaan|getest|bepaald|onderzocht|aangevraagd|beoordeeld|ingezet"
)
# behind these a reason may stand, which names no finding
_NONE_MADE = (
    rf"{_NOT} (?:{_MADE})|test (?:failed|cancelled|canceled)|(?:test|bepaling) (?:mislukt|geannuleerd|vervallen)|"
    r"failed|cancell?ed|mislukt|geannuleerd|vervallen|"
    r"(?:insufficient|not enough) (?:material|dna|sample)|(?:onvoldoende|te weinig) (?:materiaal|dna)"
)
# and these say it alone
_NONE_YET = (
    r"(?:result |uitslag )?(?:unknown|not known|not available|onbekend|niet bekend|niet beschikbaar)|"
    r"no result(?: yet| available)?|(?:nog )?geen uitslag(?: bekend| beschikbaar)?|n/?a|"
    r"(?:result |uitslag )?(?:is )?(?:still )?(?:pending|to follow|volgt(?: nog)?|nog niet bekend)|"
    r"in progress|in behandeling|requested|ordered|aangevraagd|ingezet"
)
_FINDING = r"[^\d*]*(?:metab|defici|tekort|activ|vari|mutat|zygo|carrier|drager|detect|aangetoond|gevonden|found)"
_OF_IT = r"genotyp\w*|phenotype|fenotype|test|result|uitslag|status"
_ABOUT = rf"(?:[a-z][a-z0-9]{{1,9}}(?:[ -](?:{_OF_IT}))?(?: ?[:=] ?| - | ))?"
_BECAUSE = r"\s*[,;:(-]|\s+(?:because|due to|since|wegens|vanwege|omdat|door|ivm|i\.v\.m\.)"
_REASON = rf"(?:(?:{_BECAUSE})(?!{_FINDING})[^\d*]{{0,60}})?"
_WHOLE = re.compile(rf"{_ABOUT}(?:(?:{_NONE_MADE}){_REASON}|(?:{_NONE_YET}))[.!]?")


def says(observation: fhir.Observation) -> bool:
    """False, too, where it says nothing at all."""
    value = observation.valueCodeableConcept
    codings = value.coding if value is not None else ()
    reasons = [c for c in codings if c.system in _REASONS and c.code and c.code not in _SAYS_SOMETHING]
    named = {c.display for c in reasons}
    texts = [observation.valueString, value.text if value else None, *(c.display for c in codings)]
    # "unknown" as a code beside "see the report" is a result that has no code
    told = [" ".join(text.casefold().split()) for text in texts if text and text not in named]
    return bool(told or reasons) and all(map(_WHOLE.fullmatch, told))
