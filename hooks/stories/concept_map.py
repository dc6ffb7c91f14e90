"""The Dutch example hospital's ConceptMap: its laboratory's own codes, each mapped to LOINC."""

from __future__ import annotations

from typing import Any

from hooks.stories.codes import ANALYTES, LOCAL_LABS, LOINC


def concept_map() -> dict[str, Any]:
    """FHIR R4 ConceptMap, as ``concept_map`` in the settings takes it."""
    return {
        "resourceType": "ConceptMap",
        "id": "example-ziekenhuis-labcodes",
        "status": "active",
        "title": "Laboratory codes of the example hospital",
        "group": [
            {
                "source": LOCAL_LABS,
                "target": LOINC,
                "element": [
                    {
                        "code": analyte.local,
                        "display": analyte.local_display,
                        "target": [{"code": analyte.loinc, "equivalence": "equivalent"}],
                    }
                    for analyte in ANALYTES.values()
                    if analyte.local
                ],
            }
        ],
    }
