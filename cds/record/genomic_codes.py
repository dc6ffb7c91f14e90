"""The codes of genomic results: HL7 Genomics Reporting (STU3), mCODE STU4 and their LOINC answer lists.

Older senders use text where a code belongs: the words that count are listed here too, matched whole.
"""

from __future__ import annotations

from typing import Literal

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
GENES = frozenset(
    {
        "http://www.genenames.org",
        "http://www.genenames.org/geneId",
        "https://www.genenames.org",
        "urn:oid:2.16.840.1.113883.6.281",
    }
)
"""Addresses the HGNC gene identifiers are sent under."""
_REPORTING = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"

VARIANT = (LOINC, "69548-6")
GENOTYPE = (LOINC, "84413-4")
SIGNIFICANCE = (LOINC, "53037-8")
"""On the variant in older reports, on a diagnostic implication in newer; the oldest made it an Observation."""
IMPLICATION = (_REPORTING, "diagnostic-implication")
PATHOGENICITY = (_REPORTING, "inherited-disease-pathogenicity")

ASKED_FOR = (VARIANT, GENOTYPE, SIGNIFICANCE, IMPLICATION, PATHOGENICITY)
"""What a search has to ask for, whichever gene is meant."""

GENE_STUDIED = "48018-6"
CHANGES = frozenset({"48004-6", "48005-3", "81252-9"})
"""Components that name the change: c.HGVS, p.HGVS, a discrete variant's own code."""
SOURCE_CLASS = "48002-0"
ALLELIC_STATE = "53034-5"
KIND_OF_CHANGE = frozenset({"48019-4", "48006-1"})
FUSIONS = frozenset({"SO:0001565", "SO:0002086"})

PRESENT: dict[str, bool] = {
    "LA9633-4": True,
    "LA9634-2": False,
    # SNOMED CT
    "52101004": True,
    "10828004": True,
    "260373001": True,
    "2667000": False,
    "260385009": False,
    "260415000": False,
    # words
    "present": True,
    "positive": True,
    "detected": True,
    "absent": False,
    "negative": False,
    "not detected": False,
    "no mutation detected": False,
    "no variant detected": False,
    "wild type": False,
    "wild-type": False,
}
"""What is not in it (no call, indeterminate) is unknown, never negative."""

Origin = Literal["germline", "somatic"]
ORIGINS: dict[str, Origin] = {
    "LA6683-2": "germline",
    "LA6684-0": "somatic",
    "germline": "germline",
    "somatic": "somatic",
}
"""``Likely germline`` and its like are left out on purpose: they are a guess from tumour tissue."""

PATHOGENIC: dict[str, bool] = {
    "LA6668-3": True,
    "LA26332-9": True,
    "LA6669-1": True,
    "pathogenic": True,
    "likely pathogenic": True,
    "LA26333-7": False,
    "LA6682-4": False,
    "LA26334-5": False,
    "LA6674-1": False,
    "LA6675-8": False,
    "uncertain significance": False,
    "variant of uncertain significance": False,
    "vus": False,
    "likely benign": False,
    "benign": False,
}

COPIES: dict[str, int] = {
    "LA6706-1": 1,
    "LA6705-3": 2,
    "heterozygous": 1,
    "homozygous": 2,
}
