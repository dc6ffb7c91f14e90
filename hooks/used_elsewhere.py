"""Cancer drugs that are in use for other diseases as well: on record before a first line, one may be no line of it.

ATC has one code for both uses (methotrexate in a low dose may have L04AX03 too, and is not always given it). What a
route or a form tells to be of the skin or the eye (``cds.record.routes``) is not on record at all.
"""

from __future__ import annotations

import re

from cds.record.facts import Fact
from cds.record.systems import ATC, canonical_system
from hooks import drug_names
from hooks.drug_names import PARTNER

# WHO ATC index, with the codes that antibodies had until 2021 (WHOCC, ATC level alterations, 2022)
_CODES = frozenset(
    {
        "L01AA01",  # cyclophosphamide: vasculitis, lupus nephritis
        "L01BA01",  # methotrexate: arthritis, psoriasis
        "L01BB02",  # mercaptopurine: Crohn's disease (Cochrane CD000067)
        "L01FA01",  # rituximab: arthritis, vasculitis
        "L01XC02",
        "L01FG01",  # bevacizumab: into the eye, for macular degeneration
        "L01XC07",
        "L01XX05",  # hydroxycarbamide: sickle-cell disease, thrombocythaemia
        "L01XX35",  # anagrelide: thrombocythaemia, and that alone
    }
)
_BEVACIZUMAB = re.compile("bevacizumab")


def used_elsewhere(drug: Fact) -> bool:
    """It may have been for another disease. Not where its text names a cancer drug beside it."""
    texts = [text.lower() for text in drug.texts or (drug.title,)]
    if drug.concept != PARTNER or any(drug_names.named(_BEVACIZUMAB.sub("", text)) for text in texts):
        return False
    coded = any(canonical_system(system) == ATC and code in _CODES for system, code in drug.codes)
    return coded or any(_BEVACIZUMAB.search(text) for text in texts)
