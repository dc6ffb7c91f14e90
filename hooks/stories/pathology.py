"""What the pathologist reported of a resected tumour, as coded observations."""

from __future__ import annotations

from hooks.stories.chart import Chart, concept
from hooks.stories.codes import AJCC, SNOMED
from hooks.stories.story import Dated

_T = ("21899-0", "Primary tumor.pathology Cancer")
_N = ("21900-6", "Regional lymph nodes.pathology [Class] Cancer")
_GRADE = ("33732-9", "Histology grade [Identifier] in Cancer specimen")

REPORTED: dict[str, tuple[tuple[str, str], tuple[str, str, str]]] = {
    "pt2": (_T, (AJCC, "pT2", "T2")),
    "pt3": (_T, (AJCC, "pT3", "T3")),
    "pn0": (_N, (AJCC, "pN0", "N0")),
    "pn1": (_N, (AJCC, "pN1", "N1")),
    "grade-2": (_GRADE, (SNOMED, "1663004", "G2 grade")),
    "grade-3": (_GRADE, (SNOMED, "61026006", "G3 grade")),
}


def add(chart: Chart, fact: Dated) -> None:
    (loinc, display), answer = REPORTED[fact.name]
    chart.coded(loinc, display, fact.when.days, concept(answer[2], answer))
