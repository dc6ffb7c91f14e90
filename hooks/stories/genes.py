"""What a story's genes and tumour tissue show, as laboratories report it (HL7 Genomics Reporting)."""

from __future__ import annotations

from hooks.stories import codes
from hooks.stories.chart import Chart, Resource, concept

_LOINC_ANSWERS = {
    "present": ("LA9633-4", "Present"),
    "germline": ("LA6683-2", "Germline"),
    "somatic": ("LA6684-0", "Somatic"),
    "pathogenic": ("LA6668-3", "Pathogenic"),
    "msi-high": ("LA26203-2", "MSI-H"),
}

# Invented transcripts per million of one tumour: the genes of the basal-like type outweigh those of the classical one.
_EXPRESSION = {
    "GPR87": 31, "REG4": 2, "KRT6A": 88, "ANXA10": 1.5, "BCAR3": 24, "GATA6": 0.8, "PTGES": 41, "CLDN18": 3,
    "ITGA3": 210, "LGALS4": 5, "C16orf74": 19, "DDC": 0.7, "S100A2": 640, "SLC40A1": 9, "KRT5": 52, "CLRN3": 0.4,
}  # fmt: skip


def _answer(name: str) -> Resource:
    code, display = _LOINC_ANSWERS[name]
    return concept(display, (codes.LOINC, code, display))


def _component(code: str, display: str, value: Resource) -> Resource:
    return {"code": concept(display, (codes.LOINC, code, display)), "valueCodeableConcept": value}


def _gene(symbol: str, hgnc: str) -> Resource:
    return _component("48018-6", "Gene studied [ID]", concept(symbol, (codes.HGNC, hgnc, symbol)))


def _change(code: str, display: str, hgvs: str) -> Resource:
    return _component(code, display, concept(hgvs, ("http://varnomen.hgvs.org", hgvs, hgvs)))


def gbrca2(chart: Chart) -> None:
    components = [
        _gene("BRCA2", "HGNC:1101"),
        _change("48004-6", "DNA change (c.HGVS)", "NM_000059.4:c.5946del"),
        _component("48002-0", "Genomic source class [Type]", _answer("germline")),
        _component("53037-8", "Genetic variation clinical significance [Imp]", _answer("pathogenic")),
    ]
    offset = -395
    variant = chart.coded("69548-6", "Genetic variant assessment", offset, _answer("present"), component=components)
    chart.report(offset, "51969-4", "Genetic analysis report", [variant])
    chart.add(
        "FamilyMemberHistory",
        status="completed",
        patient=chart.subject,
        relationship=concept("mother", ("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "mother")),
        condition=[{"code": concept("Pancreatic cancer", (codes.SNOMED, "363418001", "Malignant tumor of pancreas"))}],
    )


def msi_high(chart: Chart) -> None:
    display = "Microsatellite instability [Interpretation] in Cancer specimen Qualitative"
    chart.coded("81695-9", display, -15, _answer("msi-high"))


def pharmacogenes(chart: Chart) -> None:
    """DPYD *1/*2A and UGT1A1 *28/*28."""
    results = [
        chart.coded(
            "84413-4",
            "Genotype display name",
            -9,
            {"text": f"{symbol} {diplotype}"},
            component=[_gene(symbol, hgnc)],
        )
        for symbol, hgnc, diplotype in (("DPYD", "HGNC:3012", "*1/*2A"), ("UGT1A1", "HGNC:12530", "*28/*28"))
    ]
    chart.report(-9, "51969-4", "Genetic analysis report", results)


def expression(chart: Chart) -> None:
    for symbol, level in _EXPRESSION.items():
        chart.expression(symbol, -30, level)


FINDINGS = {"gbrca2": gbrca2, "msi-high": msi_high, "pharmacogenes": pharmacogenes, "expression": expression}
