"""Cancer drugs and regimens as texts have them, in English and Dutch: read where no code tells the drug.

Never to make up a regimen: a word read wrongly can only hold an estimate back. What a code does not tell of irinotecan,
its formulation, only the texts do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cds.services import names_drugs
from hooks import not_given

PARTNER = "antineoplastic"
"""Any other anticancer drug: with one of these a combination is none of ours."""

# names of drugs as the WHO has them (INN) and as they end in Dutch, with the brands under which they are sold in the EU
# (EMA: the generics of Abraxane are Pazenir, Apexelsin and Naveruclif, one of Xeloda is Ecansya; Fluracedyl and
# Fluroblastin(e) are older names of fluorouracil, Adrucil one in the US). Taxol and Apealea are paclitaxel that is not
# bound to albumin. Of the regimens FFX is FOLFIRINOX and LV5FU2 de Gramont's fluorouracil; FLOT and GTX have docetaxel,
# CAPTEM temozolomide, PAXG and PEXG cisplatin
_NAMES: dict[str, tuple[str, ...]] = {
    r"folfirinox|\bm?ffx\b|folfoxiri": ("fluorouracil", "irinotecan", "oxaliplatin"),
    r"nalirifox": ("fluorouracil", "irinotecan-liposomal", "oxaliplatin"),
    r"folfiri(?!nox)": ("fluorouracil", "irinotecan"),
    r"folfox": ("fluorouracil", "oxaliplatin"),
    r"\bflot\b": ("fluorouracil", "oxaliplatin", PARTNER),
    r"xelox|\bcape?ox": ("capecitabine", "oxaliplatin"),
    r"xeliri|\bcapiri|\bcapoxiri": ("capecitabine", "irinotecan"),
    r"\bcap[-/ ]?tem\b": ("capecitabine", PARTNER),
    r"\bp[ae]xg\b|\bgtx\b": ("gemcitabine", "capecitabine", PARTNER),
    r"\bgemox": ("gemcitabine", "oxaliplatin"),
    r"\bgem[-/ ]?cap\b": ("gemcitabine", "capecitabine"),
    r"\bgem[-/ ]?cis\b": ("gemcitabine", PARTNER),
    r"\bsox\b": ("oxaliplatin", "tegafur"),
    r"\bgem[-/+ ]+nab\b|\bnab[-/+ ]+gem\b": ("gemcitabine", "paclitaxel"),
    r"fluoro?-?urac|\b5[- ]?fu\b|\blv-?5fu2?\b|\bfu[-/+ ]+lv\b|de gramont": ("fluorouracil",),
    r"fluracedyl|fluroblastin|adrucil": ("fluorouracil",),
    r"irinotecan|onivyde|\bnal-?iri\b|\bcampto(?:sar)?\b": ("irinotecan",),
    r"oxaliplatin|eloxatin": ("oxaliplatin",),
    r"gemcitabin|gemzar": ("gemcitabine",),
    r"paclitaxel|abraxane|pazenir|apexelsin|naveruclif|\btaxol\b|apealea": ("paclitaxel",),
    r"capecitabin|xeloda|ecansya": ("capecitabine",),
    # not the unit mL.s-1
    r"tegafur|teysuno|\buft\b|(?<![.\u00b7*])\bt?s-1\b": ("tegafur",),
    r"cisplatin|carboplatin|docetaxel|taxotere|(?:doxo|epi)rubicin|mitomycin|streptozo[ct]|trifluridin|lonsurf": (
        PARTNER,
    ),
    r"erlotinib|tarceva|sunitinib|trametinib|dabrafenib|entrectinib|larotrectinib|sotorasib|adagrasib": (PARTNER,),
    r"olaparib|lynparza|niraparib|rucaparib": (PARTNER,),
    r"bevacizumab|cetuximab|panitumumab|trastuzumab|pembrolizumab|nivolumab|ipilimumab|durvalumab": (PARTNER,),
}
_COMPILED = tuple((re.compile(words), concepts) for words, concepts in _NAMES.items())
_ANY = re.compile("|".join(_NAMES))

# as word processors write a hyphen (hyphen, non-breaking hyphen, figure and en dash, minus; the soft one is none) and a
# space that no line ends at
_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"), "\u00ad": "", "\u00a0": " ", "\u202f": " "}
)


def _written(text: str) -> str:
    return text.lower().translate(_TYPOGRAPHY)


def named(text: str) -> tuple[str, ...]:
    """Concepts of the cancer drugs that a text names, each once."""
    text = _written(text)
    if not _ANY.search(text):
        return ()
    return tuple(dict.fromkeys(name for words, concepts in _COMPILED if words.search(text) for name in concepts))


@names_drugs
def ordered(text: str) -> tuple[str, ...]:
    """Concepts of the cancer drugs that a text names as to be given, each once: neither what it denies, stops, pauses
    or replaces, nor what another drug is given beside."""
    text = _written(text)
    if not _ANY.search(text):
        return ()
    given = (
        names
        for words, names in _COMPILED
        for match in words.finditer(text)
        if not not_given.said(text, *match.span(), _ANY)
    )
    return tuple(dict.fromkeys(name for names in given for name in names))


_LIPOSOMAL = re.compile(r"lipos|onivyde|\bnal-?iri\b")
_PLAIN = re.compile(r"\bconvention\w+")
# "not liposomal", "niet in liposomen": a short word may stand between
_DENIED = re.compile(r"\b(?:non|not|no|niet|geen|without|zonder)(?:[\s(-]+[a-z]{1,4})?[\s(-]*$|\bconvention\w+[\s(-]*$")
# "not interchangeable with liposomal irinotecan", "in plaats van Onivyde": of which of the two it is said, nobody knows
_APART = re.compile(r"\b(?:not|no|niet|geen|instead|plaats|ipv|i\.p\.v)\b[^.,;:]*$|\bi\.p\.v\.\s*$")


def liposomal(texts: Iterable[str]) -> bool | None:
    """What all texts of an order together say of its irinotecan: None where they contradict one another or can be read
    either way, False where none says anything."""
    said = set()
    for text in map(_written, texts):
        for match in _LIPOSOMAL.finditer(text):
            before = max(0, match.start() - not_given.FAR), match.start()
            denied = _DENIED.search(text, *before) is not None
            said.add(not denied)
            if not denied and _APART.search(text, *before):
                said.add(False)
        if _PLAIN.search(text):
            said.add(False)
    return None if len(said) > 1 else said == {True}


_ALBUMIN_BOUND = re.compile(r"\bnab\b|\bnab-?pac|albumin|abraxane|pazenir|apexelsin|naveruclif")
_NOT_BOUND = re.compile(r"\btaxol\b|apealea")


def solvent_based(texts: Iterable[str]) -> bool:
    """Whether the texts of an order of paclitaxel name it by a brand that is not bound to albumin, and by no other."""
    written = [_written(text) for text in texts]
    return any(map(_NOT_BOUND.search, written)) and not any(map(_ALBUMIN_BOUND.search, written))
