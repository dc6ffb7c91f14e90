"""A hospital's own package, written to a folder: another disease's model by rules, a service, its words."""

from __future__ import annotations

import textwrap
from pathlib import Path

HOOK = '''
from collections.abc import Iterable

from cds.services import CardDraft, Case, Finding, service


@service(
    id="sepsis-watch",
    hook="patient-view",
    title="Sepsis: is there reason to look?",
    description="Two signs of sepsis from the record.",
    models=("sepsis-signs",),
)
def sepsis_watch(case: Case) -> Iterable[Finding]:
    """Signs met, as one card."""
    found = case.prediction("sepsis-signs")
    if found is not None and found.rules:
        yield CardDraft(
            topic="sepsis",
            rank="safety",
            indicator="warning",
            summary=case.words("sepsis.summary", rules=case.words.join(found.rules)),
            detail=case.words("sepsis.detail"),
            source_label=case.words("sepsis.source"),
            models=("sepsis-signs",),
        )
'''

CATALOGUE = {
    "en": """
        sepsis:
          summary: "Signs of sepsis: {rules}"
          detail: Take blood cultures and lactate now.
          source: The hospital's sepsis protocol
        topic:
          sepsis: Sepsis
    """,
    "nl": """
        sepsis:
          summary: "Tekenen van sepsis: {rules}"
          detail: Neem nu bloedkweken en lactaat af.
          source: Het sepsisprotocol van het ziekenhuis
        topic:
          sepsis: Sepsis
    """,
}

MODEL = """
    id: sepsis-signs
    version: 1.0.0
    released: 2026-01-01
    task: triage
    status: established
    words:
      title: {en: Signs of sepsis, nl: Tekenen van sepsis}
    population:
      description: {en: Adults in hospital}
    inputs:
      - name: crp
        label: {en: C-reactive protein, nl: CRP}
        concepts: [c-reactive-protein]
        reduce: latest
        within: 2d
        unit: mg/L
      - name: lactate
        label: {en: lactate, nl: lactaat}
        concepts: [lactate]
        reduce: latest
        within: 2d
        unit: mmol/L
    outputs:
      - {name: signs, kind: score}
    runtime:
      kind: rules
      rules:
        - id: inflamed-and-acid
          label: {en: A high CRP with a raised lactate}
          all:
            - {input: crp, at_least: 100}
            - {input: lactate, at_least: 2}
          gives: sepsis
          says: {en: A high CRP with a raised lactate}
    sources:
      protocol: {citation: The hospital's own protocol}
    licence: {name: own, notice: The hospital's own}
"""

VOCABULARY = """
    c-reactive-protein:
      resource: Observation
      label: {en: C-reactive protein, nl: CRP}
      unit: mg/L
      codes:
        - {system: "http://loinc.org", code: 1988-5}
    lactate:
      resource: Observation
      label: {en: lactate, nl: lactaat}
      unit: mmol/L
      codes:
        - {system: "http://loinc.org", code: 2524-7}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def write_models(folder: Path) -> Path:
    """The folder as ``model_dirs`` takes it."""
    write(folder / "sepsis-signs" / "model.yaml", MODEL)
    write(folder / "vocabulary" / "vitals.yaml", VOCABULARY)
    return folder


def write_hooks(folder: Path) -> Path:
    """The folder as ``hook_dirs`` takes it."""
    write(folder / "sepsis_watch.py", HOOK)
    for language, text in CATALOGUE.items():
        write(folder / "catalogue" / f"{language}.yaml", text)
    return folder


def install(site: Path) -> Path:
    """As pip leaves a package behind: two packages and the entry points that announce them."""
    write_models(site / "hospital_models")
    write_hooks(site / "hospital_hooks")
    for package in ("hospital_models", "hospital_hooks"):
        write(site / package / "__init__.py", '"""The hospital\'s own."""\n')
    info = site / "hospital_cds-1.0.dist-info"
    write(info / "METADATA", "Metadata-Version: 2.1\nName: hospital-cds\nVersion: 1.0\n")
    write(
        info / "entry_points.txt",
        "[cds.hooks]\nhospital = hospital_hooks\n\n[cds.models]\nhospital = hospital_models\n",
    )
    return site


def observation(code: str, value: float, unit: str, when: str, patient: str) -> dict[str, object]:
    return {
        "resourceType": "Observation",
        "id": f"{patient}-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
        "valueQuantity": {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }
