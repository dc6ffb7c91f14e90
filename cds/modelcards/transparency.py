"""The model as FHIR: Device, Library and DocumentReference of HL7's *AI Transparency on FHIR* (1.0.0-ballot, R4).

The Device is the AI, the DocumentReference its model card (Markdown, and the CHAI card as XML), the Library what it
computes: inputs, outputs, sources and the manifest itself. Built with ``fhir.resources``, which refuses what R4 does
not allow. Ids are made from id and version, so the same model is the same resource everywhere.
"""

from __future__ import annotations

import base64
import uuid
from typing import Any

from cds.errors import ManifestError
from cds.inference.attributes import complete
from cds.inference.manifest import Manifest
from cds.inference.model import Model
from cds.modelcards import markdown, words
from cds.modelcards.chai.card import xml

IG = "http://hl7.org/fhir/uv/aitransparency"
MODEL_ID = "urn:cds:model"
_CARD = f"{IG}/CodeSystem/AImodelCardCS"
_KIND = f"{IG}/CodeSystem/AIdeviceTypeCS"


def bundle(model: Model) -> str:
    """A Bundle of the three as JSON text. Raises ManifestError for what FHIR can't hold."""
    from fhir.resources.R4B.bundle import Bundle
    from pydantic import ValidationError

    m = model.manifest
    said = {a.name: a.text for a in complete(m, model.shared)}
    entries = [_device(m, said), _library(model, said), _document(model)]
    content = {
        "resourceType": "Bundle",
        "id": _uuid(m, "Bundle"),
        "type": "collection",
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in entries],
    }
    try:
        return f"{Bundle.model_validate(content).model_dump_json(indent=2)}\n"
    except ValidationError as error:
        raise ManifestError(f"{m.id}: FHIR can't hold its card: {error.errors()[0]['msg']}") from error


def _uuid(m: Manifest, kind: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{MODEL_ID}:{m.id}:{m.version}:{kind}"))


def _identifier(m: Manifest) -> list[dict[str, str]]:
    return [{"system": MODEL_ID, "value": f"{m.id}|{m.version}"}]


def _device(m: Manifest, said: dict[str, str]) -> dict[str, Any]:
    rules = m.runtime.kind == "rules"
    kind: dict[str, Any] = {"text": "Declarative rules" if rules else "Fixed graph of points, equation or regression"}
    if not rules:
        kind["coding"] = [{"system": _KIND, "code": "Machine-Learning-Models", "display": "Machine Learning Models"}]
    versions: list[dict[str, Any]] = [{"value": m.version}]
    if m.runtime.sha256:
        versions.append({"type": {"text": "SHA-256 of the graph"}, "value": m.runtime.sha256})
    elif rules:
        versions.append({"type": {"text": "SHA-256 of the rules"}, "value": m.fingerprint})
    return {
        "resourceType": "Device",
        "id": _uuid(m, "Device"),
        "meta": {"profile": [f"{IG}/StructureDefinition/AI-Device"]},
        "extension": [
            {"url": f"{IG}/StructureDefinition/aitransparency.AIKind", "valueCodeableConcept": kind},
            {
                "url": f"{IG}/StructureDefinition/aitransparency.modelCardDescription",
                "valueReference": {"reference": f"urn:uuid:{_uuid(m, 'DocumentReference')}"},
            },
        ],
        "identifier": _identifier(m),
        "status": "active",
        "manufacturer": said["developer"] or "Not stated.",
        "deviceName": [{"name": words.pick(m.words.title), "type": "user-friendly-name"}],
        "modelNumber": m.id,
        "type": {
            "coding": [
                {
                    "system": _KIND,
                    "code": "Artificial-Intelligence",
                    "display": "All kinds of Artificial Intelligence",
                }
            ]
        },
        "version": versions,
        "note": [{"text": limit} for limit in m.words.limits.get("en", ())],
    }


def _library(model: Model, said: dict[str, str]) -> dict[str, Any]:
    m = model.manifest
    library = "http://terminology.hl7.org/CodeSystem/library-type"
    return {
        "resourceType": "Library",
        "id": _uuid(m, "Library"),
        "url": f"urn:uuid:{_uuid(m, 'Library')}",
        "identifier": _identifier(m),
        "version": m.version,
        "name": "".join(part.capitalize() for part in m.id.split("-")),
        "title": words.pick(m.words.title),
        "status": "active",
        "experimental": m.status.needs_enabling,
        "type": {"coding": [{"system": library, "code": "logic-library"}]},
        "date": m.released.isoformat(),
        "publisher": said["developer"] or "Not stated.",
        "description": words.pick(m.words.summary),
        "purpose": said["intended_use"] or "Not stated.",
        "usage": said["decision_role"] or "Not stated.",
        "copyright": m.licence.told,
        "relatedArtifact": [
            {"type": "citation", "citation": s.cited} | ({"url": s.url} if s.url else {}) for s in m.sources.values()
        ],
        "parameter": [
            *(_parameter(i.name, "in", i.is_flag, words.pick(i.label)) for i in m.inputs),
            *(_parameter(o.name, "out", False, words.pick(o.label)) for o in m.outputs),
        ],
        "content": [_attachment("application/yaml", (model.folder / "model.yaml").read_text(encoding="utf-8"))],
    }


def _parameter(name: str, use: str, flag: bool, told: str) -> dict[str, Any]:
    return {"name": name, "use": use, "type": "boolean" if flag else "decimal", "documentation": told or name}


def _document(model: Model) -> dict[str, Any]:
    m = model.manifest

    def coded(code: str, display: str) -> dict[str, Any]:
        return {"coding": [{"system": _CARD, "code": code, "display": display}]}

    return {
        "resourceType": "DocumentReference",
        "id": _uuid(m, "DocumentReference"),
        "meta": {"profile": [f"{IG}/StructureDefinition/AI-ModelCard"]},
        "identifier": _identifier(m),
        "status": "current",
        "type": coded("AIModelCard", "AI Model-Card"),
        "category": [
            coded("AImodelCardMarkdownFormat", "Markdown Format"),
            coded("AImodelCardCHAIformat", "CHAI Format"),
        ],
        "description": words.pick(m.words.title),
        "content": [
            {"attachment": _attachment("text/markdown", markdown.card(model))},
            {"attachment": _attachment("application/xml", xml(model))},
        ],
    }


def _attachment(kind: str, text: str) -> dict[str, str]:
    return {"contentType": kind, "language": "en", "data": base64.b64encode(text.encode()).decode()}
