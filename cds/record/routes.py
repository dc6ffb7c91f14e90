"""How a drug gets into the body: put on the skin, or into the eye or the bladder, it treats no disease elsewhere.

A code names the ingredient: fluorouracil in a cream has the code of fluorouracil in a drip (ATC L01BC02), and
bevacizumab for the macula that of bevacizumab against cancer. The route of the dosage tells them apart; without one, a
cream that says so by its form or its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from cds.fhir.resources import UNREADABLE, CodeableConcept
from cds.record.systems import SNOMED, canonical_system

_EDQM = "http://standardterms.edqm.eu"
_V3 = "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"
# local routes: SNOMED CT's, EDQM's standard terms (as in the Swiss value set edqm-route-of-administration) and HL7's
_CODES: dict[str, dict[str, str]] = {
    SNOMED: {
        "6064005": "topical",
        "448598008": "cutaneous",
        "448077001": "intraepidermal",
        "54485002": "ophthalmic",
        "446105004": "conjunctival",
        "372476004": "subconjunctival",
        "418401004": "intravitreal",
        "372468001": "intraocular",
        "418821007": "intracameral",
        "418608002": "intracorneal",
        "418321004": "retrobulbar",
        "418722009": "peribulbar",
        "10547007": "otic",
        "16857009": "vaginal",
        "372471009": "intravesical",
    },
    _EDQM: {
        "20003000": "cutaneous",
        "20010000": "epilesional",
        "20031500": "intraepidermal",
        "20051000": "ocular",
        "20065000": "subconjunctival",
        "20047000": "intravitreal",
        "20036000": "intraocular",
        "20025500": "intracameral",
        "20084000": "intracorneal",
        "20081000": "subretinal",
        "20061500": "retrobulbar",
        "20001000": "auricular",
        "20072000": "vaginal",
        "20046000": "intravesical",
    },
    _V3: {
        "SKIN": "skin",
        "TOPICAL": "topical",
        "OPTHALTA": "ophthalmic",
        "IVITINJ": "intravitreal",
        "BLADINJ": "urinary bladder",
        "BLADINSTL": "urinary bladder",
    },
}
_ALIASES = {
    "https://standardterms.edqm.eu": _EDQM,
    "urn:oid:0.4.0.127.0.16.1.1.2.1": _EDQM,
    "http://hl7.org/fhir/v3/RouteOfAdministration": _V3,
    "urn:oid:2.16.840.1.113883.5.112": _V3,
}
# a route in words, English and Dutch
_WORDS = re.compile(
    r"\btopi(?:cal|sch|caal)|\bcuta(?:n|an)|\bdermaal|\bop de huid|"
    r"\b(?:ophthalm|oftalm)|\bocul|\boogdr|\bin het oog|"
    r"\bintra-?(?:vitre|ocul|camer|vesi[ck])|\bconjunctiv|\bsubconjunctiv|\bin de blaas|\bvagina"
)
# of the whole body, whatever is said beside it: "sub-cutaan" and "trans dermaal" too, "IV of topicaal"
_SYSTEMIC = re.compile(
    r"\bintra-?(?:ven|musc)|\b(?:i\.?v|s\.?c|i\.?m)\b|\b(?:sub|per|trans)[\W_]*(?:cuta|derm)|\bor(?:al|aal)|\bper os\b|"
    r"\bparenter"
)
_SYSTEMIC_FORM = re.compile(
    r"\b(?:tab(?:l|let\w*)?|caps(?:ule\w*)?|inf(?:us\w*|vlst|pomp)?|inj(?:ect\w*|vlst)?|vials?|i\.?v)\b"
)
# what is put on the skin by its form, and brands of fluorouracil that are (Efudix, Tolak, Actikerall, Verrumal)
_APPLIED = re.compile(
    r"\bcr[e\u00e8]mes?\b|\bcremor(?:is)?\b|\bcreams?\b|\bzalf\b|\bointments?\b|\befud(?:ix|ex)\b|\btolak\b|\bactikerall\b|\bverrumal\b"
)


class _Dosage(msgspec.Struct, gc=False):
    route: CodeableConcept | None = None


_dosages = msgspec.json.Decoder(list[_Dosage] | _Dosage | None)
_form = msgspec.json.Decoder(CodeableConcept | None)


def local(dosage: bytes, form: bytes, texts: Iterable[str]) -> bool:
    """Whether every route that is given is a local one; where none is, whether form or name says so. ``dosage``: one or
    several, as sent; ``form``: of the Medication, as sent; what can't be read there says nothing."""
    routes = [route for route in _routes(dosage) if route.coding or route.text]
    if routes:
        return all(map(_is_local, routes))
    said = [text.lower() for text in (*_said(_read_form(form)), *texts)]
    # "capecitabine tablet, handen insmeren met crème"
    return any(map(_APPLIED.search, said)) and not any(map(_SYSTEMIC_FORM.search, said))


def _is_local(route: CodeableConcept) -> bool:
    known = [c.code in _CODES[system] for c in route.coding if (system := _system(c.system)) in _CODES and c.code]
    if known:
        return any(known)
    said = [text.lower() for text in _said(route)]
    return any(map(_WORDS.search, said)) and not any(map(_SYSTEMIC.search, said))


def _system(sent: str | None) -> str:
    return _ALIASES.get(sent or "", canonical_system(sent or ""))


def _said(concept: CodeableConcept) -> tuple[str, ...]:
    return tuple(text for text in (concept.text, *(c.display for c in concept.coding)) if text)


def _routes(sent: bytes) -> list[CodeableConcept]:
    try:
        read = _dosages.decode(sent) if sent else None
    except UNREADABLE:
        return []
    dosages = read if isinstance(read, list) else [read] if read is not None else []
    return [dosage.route for dosage in dosages if dosage.route is not None]


def _read_form(sent: bytes) -> CodeableConcept:
    try:
        return (_form.decode(sent) if sent else None) or CodeableConcept()
    except UNREADABLE:
        return CodeableConcept()
