"""Orders in the making of which no code here tells the drug: the reader is told the code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds.record.facts import Fact, Record
from cds.record.systems import ATC, RXNORM, SNOMED, canonical_system

_CALLED = {RXNORM: "RxNorm", ATC: "ATC", SNOMED: "SNOMED CT", "http://hl7.org/fhir/sid/ndc": "NDC"}
# a code is sent from outside, and cards are Markdown
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,29}")
_TOLD = 3


def drafted(drafts: Record) -> list[Fact]:
    """Those without any text. What a code of a system that is known whole tells to be another drug is not among
    them."""
    return [fact for fact in (*drafts.untold, *drafts.unrecognised) if not (fact.texts or fact.title)]


def codes(orders: Iterable[Fact]) -> tuple[str, ...]:
    """The first of their codes, each once, with the name of the code system where it is one that has a name."""
    told = ((canonical_system(system), code) for fact in orders for system, code in fact.codes)
    plain = (f"{_CALLED.get(system, '')} {code}".strip() for system, code in told if _PLAIN.fullmatch(code))
    return tuple(dict.fromkeys(plain))[:_TOLD]
