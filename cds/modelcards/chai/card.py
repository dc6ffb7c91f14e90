"""The Applied Model Card v0.2 of one model, and whether a card is one."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cds.errors import ManifestError
from cds.inference.attributes import complete
from cds.inference.manifest import Evidence, Manifest
from cds.inference.model import Model
from cds.modelcards import words

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
_FOLDER = Path(__file__).parent
_NOT_STATED = "Not stated."


def xml(model: Model) -> str:
    """The card as XML text. Checked against the schema by ``faults``, which needs lxml."""
    m = model.manifest
    said = {a.name: a.text or _NOT_STATED for a in complete(m, model.shared)}
    root = ET.Element(f"{{{NAMESPACE}}}AppliedModelCard")
    for name, content in _content(m, said).items():
        _add(root, name, content)
    ET.register_namespace("", NAMESPACE)
    ET.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ET.tostring(root, encoding='unicode')}\n"


def faults(text: str) -> list[str]:
    """What the schema has against a card, empty for a valid one. Raises ManifestError when lxml is not installed."""
    try:
        from lxml import etree
    except ImportError as error:
        raise ManifestError("checking a CHAI card needs lxml: pip install lxml") from error

    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    document = etree.parse(str(_FOLDER / "schema.xsd"), parser)
    for imported in document.iter("{http://www.w3.org/2001/XMLSchema}import"):
        imported.set("schemaLocation", str(_FOLDER / "signature.xsd"))
    schema = etree.XMLSchema(document)
    try:
        tree = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        return [str(error)]
    return [] if schema.validate(tree) else [f"line {e.line}: {e.message}" for e in schema.error_log]


def _add(parent: ET.Element, name: str, content: Any) -> None:
    if isinstance(content, list):
        for item in content:
            _add(parent, name, item)
        return
    element = ET.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if isinstance(content, dict):
        for inner, value in content.items():
            _add(element, inner, value)
    else:
        element.text = content


def _content(m: Manifest, said: dict[str, str]) -> dict[str, Any]:
    """Element by element, in the schema's order."""
    return {
        "BasicInfo": {
            "ModelName": words.pick(m.words.title),
            "ModelDeveloper": said["developer"],
            "DeveloperContact": said["developer"],
        },
        "ReleaseInfo": {
            "ReleaseStage": words.STATUSES[m.status.value],
            "ReleaseDate": m.released.isoformat(),
            "ReleaseVersion": m.version,
            "GlobalAvailability": m.licence.told,
            "RegulatoryApproval": "None.",
        },
        "ModelSummary": {
            "Summary": words.pick(m.words.summary),
            "Keywords": {"Keyword": [m.task.value, *dict.fromkeys(i.modality.value for i in m.inputs)]},
        },
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": said["intended_use"],
            "PrimaryIntendedUsers": said["intended_users"],
            "HowToUse": said["decision_role"],
            "TargetedPatientPopulation": said["intended_population"],
            "CautionedOutOfScopeSettings": said["cautioned_use"],
        },
        "Warnings": {
            "KnownRisksAndLimitations": said["known_risks"],
            "KnownBiasesOrEthicalConsiderations": f"{said['training_representativeness']} {said['bias_management']}",
            "ClinicalRiskLevel": "Not classified. It informs a clinician's decision; it orders nothing.",
        },
        "TrustIngredients": {
            "AISystemFacts": {
                "OutcomesAndOutputs": said["output_value"],
                "ModelType": "Declarative rules" if m.runtime.kind == "rules" else "Fixed computation graph (ONNX)",
                "InputDataSource": "HL7 FHIR resources of the patient's electronic record",
                "OutputAndInputDataTypes": _types(m),
                "DevelopmentDataCharacterization": said["training_criteria"],
                "BiasMitigationApproaches": f"{said['fairness_approach']} {said['bias_management']}",
                "OngoingMaintenance": f"{said['update_schedule']} {said['correction_process']}",
                "Transparency": "Every answer names its inputs, their sources and dates, and the version that gave it.",
            },
            "TransparencyInformation": {
                "FundingSource": said["funding"],
                "ThirdPartyInformation": m.licence.told,
                "StakeholdersConsulted": _NOT_STATED,
            },
        },
        "KeyMetrics": _metrics(m, said),
        "Resources": {
            "EvaluationReferences": said["outcome_references"],
            "PeerReviewedPublications": _citations(m),
            "PatientConsentOrDisclosure": "Decided by the hospital that uses it.",
        },
        "Bibliography": _citations(m),
    }


def _metrics(m: Manifest, said: dict[str, str]) -> dict[str, Any]:
    cohorts = "; ".join(dict.fromkeys(words.pick(e.cohort) for e in m.evidence)) or _NOT_STATED
    notes = " ".join(dict.fromkeys(words.pick(e.note) for e in m.evidence if e.note)) or _NOT_STATED
    return {
        "UsefulnessUsabilityEfficacy": _metric(
            "How well it tells patients apart, and whether its figures are true",
            [(f"{words.pick(e.metric)}: {words.pick(e.cohort)}", _value(e)) for e in m.evidence],
            notes,
            ", ".join(dict.fromkeys(words.STAGES[e.stage] for e in m.evidence)) or _NOT_STATED,
            cohorts,
            said["external_process"],
        ),
        "FairnessEquity": _metric(
            "Whether it serves all groups alike",
            [("In data of the same source", said["fairness_same_source"]), ("Elsewhere", said["fairness_external"])],
            said["fairness_approach"],
            _NOT_STATED,
            said["external_representativeness"],
            said["bias_management"],
        ),
        "SafetyReliability": _metric(
            "No answer where none can be given",
            [
                ("Outside its population, or without an input it needs", "It says nothing, and why."),
                ("A value that can't be true, or a survival curve that rises", "The answer is not used."),
            ],
            said["known_risks"],
            "Automatic checks of every answer",
            "Test vectors with known answers, kept in the model's folder",
            said["correction_process"],
        ),
    }


def _metric(goal: str, results: Iterable[tuple[str, Any]], *rest: str) -> dict[str, Any]:
    found = [{"Label": label, "ValueJson": json.dumps(value, ensure_ascii=False)} for label, value in results]
    found = found or [{"Label": _NOT_STATED, "ValueJson": "null"}]
    names = ("Interpretation", "TestType", "TestingDataDescription", "ValidationProcessAndJustification")
    return {"MetricGoal": goal, "Results": {"MetricResult": found}, **dict(zip(names, rest, strict=True))}


def _value(e: Evidence) -> dict[str, Any]:
    told = {"value": e.value, "interval": e.interval, "n": e.n, "events": e.events, "stage": e.stage}
    return {name: value for name, value in told.items() if value is not None}


def _types(m: Manifest) -> str:
    taken = ", ".join(f"{i.name} ({i.unit})" if i.unit != "1" else i.name for i in m.inputs)
    given = ", ".join(f"{o.name} ({o.kind})" for o in m.outputs)
    return f"In: {taken}. Out: {given}."


def _citations(m: Manifest) -> str:
    return "\n".join(f"{s.cited} {s.url or ''}".strip() for s in m.sources.values())
