"""Cancer drugs and regimens as texts have them, in English and Dutch: read where no code tells the drug.

Never to make up a regimen: a word read wrongly can only hold an estimate back. What a code does not tell of irinotecan,
its formulation, only the texts do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PARTNER = "antineoplastic"
"""Any other anticancer drug: with one of these a combination is none of ours."""

# names of drugs as the WHO has them (INN) and as they end in Dutch, with the brands under which they are sold in the EU
_NAMES: dict[str, tuple[str, ...]] = {
    r"folfirinox": ("fluorouracil", "irinotecan", "oxaliplatin"),
    r"nalirifox": ("fluorouracil", "irinotecan-liposomal", "oxaliplatin"),
    r"folfiri(?!nox)": ("fluorouracil", "irinotecan"),
    r"folfox": ("fluorouracil", "oxaliplatin"),
    r"xelox|\bcapox": ("capecitabine", "oxaliplatin"),
    r"\bgemox": ("gemcitabine", "oxaliplatin"),
    r"\bgem[-/ ]?cap\b": ("gemcitabine", "capecitabine"),
    r"\bgem[-/ ]?cis\b": ("gemcitabine", PARTNER),
    r"\bsox\b": ("oxaliplatin", PARTNER),
    r"fluoro-?urac|\b5-?fu\b": ("fluorouracil",),
    r"irinotecan|onivyde|\bnal-?iri\b": ("irinotecan",),
    r"oxaliplatin": ("oxaliplatin",),
    r"gemcitabin|gemzar": ("gemcitabine",),
    r"paclitaxel|abraxane": ("paclitaxel",),
    r"capecitabin|xeloda": ("capecitabine",),
    r"tegafur|teysuno|\bt?s[-\u2010\u2011\u2013]1\b": (PARTNER,),
    r"cisplatin|carboplatin|docetaxel|(?:doxo|epi)rubicin|mitomycin|streptozo[ct]|trifluridin|lonsurf": (PARTNER,),
    r"erlotinib|tarceva|sunitinib|trametinib|dabrafenib|entrectinib|larotrectinib|sotorasib|adagrasib": (PARTNER,),
    r"olaparib|lynparza|niraparib|rucaparib": (PARTNER,),
    r"bevacizumab|cetuximab|panitumumab|trastuzumab|pembrolizumab|nivolumab|ipilimumab|durvalumab": (PARTNER,),
}
_COMPILED = tuple((re.compile(words), concepts) for words, concepts in _NAMES.items())
_ANY = re.compile("|".join(_NAMES))


def named(text: str) -> tuple[str, ...]:
    """Concepts of the cancer drugs that a text names, each once."""
    text = text.lower()
    if not _ANY.search(text):
        return ()
    return tuple(dict.fromkeys(name for words, concepts in _COMPILED if words.search(text) for name in concepts))


_LIPOSOMAL = re.compile(r"lipos|onivyde|\bnal-?iri\b")
_PLAIN = re.compile(r"\bconvention\w+")
# "not liposomal", "niet in liposomen": a short word may stand between
_DENIED = re.compile(r"\b(?:non|not|no|niet|geen)(?:[\s(-]+[a-z]{1,4})?[\s(-]*$|\bconvention\w+[\s(-]*$")


def liposomal(texts: Iterable[str]) -> bool | None:
    """What all texts of an order together say of its irinotecan: None where they contradict one another, False where
    none says anything."""
    said = set()
    for text in (text.lower() for text in texts):
        said |= {_DENIED.search(text, 0, match.start()) is None for match in _LIPOSOMAL.finditer(text)}
        if _PLAIN.search(text):
            said.add(False)
    return None if len(said) > 1 else said == {True}
