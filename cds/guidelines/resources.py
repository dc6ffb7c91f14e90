"""A guideline as FHIR R4: a PlanDefinition whose actions are its rules, and the Library of the inputs they test.

| here | in the PlanDefinition |
|---|---|
| model id | ``identifier`` under ``urn:cds:model`` |
| version, day of this version | ``version``, ``date`` |
| title | ``title``, further languages as the translation extension |
| publisher, published | ``publisher``, ``approvalDate`` |
| review by, owner | extension ``urn:cds:review-by``, ``editor`` |
| source, place in it | ``relatedArtifact`` of type ``citation``: ``citation``, extension ``urn:cds:place`` |
| rule: number, label, sentence | ``action``: ``prefix``, ``title``, ``textEquivalent`` |
| rule: category | ``action.code`` |
| rule: tests | ``action.condition``: all must hold; a FHIRPath expression each |
| category when no rule holds | a last action with the prefix ``otherwise`` and no condition |

Actions stand in order: of several that apply the first decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cds.errors import GuidelineError
from cds.guidelines.expression import conditions, is_truth
from cds.inference.guideline import Edition, edition_of
from cds.inference.manifest import Manifest, Rule
from cds.record.inputs import Input
from cds.record.vocabulary import Vocabulary

MODEL, REVIEW_BY, UNIT = "urn:cds:model", "urn:cds:review-by", "urn:cds:unit"
PLACE = "urn:cds:place"
"""Of a citation; FHIR's ``display`` describes the artifact, and authoring tools fill it."""
INPUT, CHILDREN = "urn:cds:input", "urn:cds:and-children"
TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
OTHERWISE = "otherwise"
LANGUAGE = "text/fhirpath"
_MAIN = "en"

Json = dict[str, Any]


def bundle(manifest: Manifest, vocabulary: Vocabulary) -> Json:
    """PlanDefinition and Library. Raises GuidelineError for a model that is no guideline of rules."""
    try:
        edition = edition_of(manifest)
    except ValueError as error:
        raise GuidelineError(str(error)) from error
    entries = (plan_definition(manifest, edition), library(manifest, vocabulary))
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": each["url"], "resource": each} for each in entries],
    }


def text_of(resource: Json) -> str:
    return json.dumps(resource, ensure_ascii=False, indent=2) + "\n"


def category_system(model: str) -> str:
    return f"{MODEL}:{model}:category"


def plan_definition(manifest: Manifest, edition: Edition) -> Json:
    inputs = {spec.name: spec for spec in manifest.inputs}
    actions = [_action(manifest.id, rule, inputs) for rule in edition.rules]
    if edition.otherwise is not None:
        actions.append({"prefix": OTHERWISE, "code": _category(manifest.id, edition.otherwise)})
    return {
        "resourceType": "PlanDefinition",
        "id": manifest.id,
        "language": _MAIN,
        "extension": [{"url": REVIEW_BY, "valueDate": edition.review_by.isoformat()}],
        "url": f"urn:cds:guideline:{manifest.id}",
        "identifier": [{"system": MODEL, "value": manifest.id}],
        "version": edition.version,
        "name": _name(manifest.id),
        **_said("title", edition.title),
        "type": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"},
            ]
        },
        "status": "active",
        "experimental": manifest.status.needs_enabling,
        "date": edition.released.isoformat(),
        "publisher": edition.publisher,
        "copyright": manifest.licence.told,
        "approvalDate": edition.published,
        "editor": [{"name": edition.owner}],
        "relatedArtifact": [_source(edition)],
        "library": [f"{_library_url(manifest.id)}|{manifest.version}"],
        "action": actions,
    }


def library(manifest: Manifest, vocabulary: Vocabulary) -> Json:
    """The inputs by name, as conditions name them with ``%``: type, unit, and the codes they are read from."""
    reads = [_data(spec, vocabulary) for spec in manifest.inputs if spec.concepts]
    return {
        "resourceType": "Library",
        "id": f"{manifest.id}-inputs",
        "url": _library_url(manifest.id),
        "identifier": [{"system": MODEL, "value": manifest.id}],
        "version": manifest.version,
        "name": f"{_name(manifest.id)}Inputs",
        "title": f"Inputs of {manifest.words.title.get(_MAIN, manifest.id)}",
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}]},
        "date": manifest.released.isoformat(),
        "parameter": [_parameter(spec) for spec in manifest.inputs],
        **({"dataRequirement": reads} if reads else {}),
    }


def _action(model: str, rule: Rule, inputs: Mapping[str, Input]) -> Json:
    try:
        written = conditions(rule, inputs)
    except GuidelineError as error:
        raise GuidelineError(f"{model}: rule '{rule.id}': {error}") from error
    given = [{"kind": "applicability", "expression": {"language": LANGUAGE, "expression": text}} for text in written]
    return {
        "prefix": rule.id,
        **_said("title", rule.label),
        **_said("textEquivalent", rule.says),
        "code": _category(model, rule.gives),
        **({"condition": given} if given else {}),
    }


def _source(edition: Edition) -> Json:
    """A title as it was published has no language of its own here; a model's own words have theirs."""
    cited = edition.citation if isinstance(edition.citation, dict) else {_MAIN: edition.citation}
    place = {"extension": [_in_language(PLACE, *each) for each in edition.where.items()]} if edition.where else {}
    found = {**place, "type": "citation", **_said("citation", cited)}
    return found | ({"url": edition.url} if edition.url else {})


def _category(model: str, name: str) -> list[Json]:
    return [{"coding": [{"system": category_system(model), "code": name}]}]


def _said(element: str, texts: Mapping[str, str]) -> Json:
    """A text in its main language, the others as translations of it."""
    others = [_in_language(TRANSLATION, lang, text) for lang, text in texts.items() if lang != _MAIN]
    main = {element: texts[_MAIN]} if _MAIN in texts else {}
    return main | ({f"_{element}": {"extension": others}} if others else {})


def _in_language(url: str, language: str, text: str) -> Json:
    return {
        "url": url,
        "extension": [{"url": "lang", "valueCode": language}, {"url": "content", "valueString": text}],
    }


def _parameter(spec: Input) -> Json:
    kind = "boolean" if is_truth(spec) else "decimal"
    told = spec.label.get(_MAIN, spec.name)
    if spec.unit != "1":
        told += f", in {spec.unit}"
    if spec.within:
        told += f"; of the last {spec.within}"
    if spec.absent.does == "assume":
        told += f"; absent counts as {spec.absent.value:g}"
    unit = {"extension": [{"url": UNIT, "valueCode": spec.unit}]} if kind == "decimal" else {}
    return unit | {"name": spec.name, "use": "in", "min": 0, "max": "1", "type": kind, "documentation": told}


def _data(spec: Input, vocabulary: Vocabulary) -> Json:
    concepts = [name for name in spec.concepts if name in vocabulary.concepts]
    keys = dict.fromkeys(key for name in concepts for key in vocabulary.codes_of(name))
    codes = [_coding(*key) for key in keys]
    kinds = [vocabulary.concepts[name].resource for name in concepts]
    return {
        "extension": [{"url": INPUT, "valueCode": spec.name}],
        "type": kinds[0] if kinds else "Observation",
        **({"codeFilter": [{"path": "code", "code": codes}]} if codes else {}),
    }


def _coding(system: str, code: str) -> Json:
    """A code whose children count, too, carries an extension: FHIR knows no ``C25*``."""
    children = {"extension": [{"url": CHILDREN, "valueBoolean": True}]} if code.endswith("*") else {}
    return children | {"system": system, "code": code.removesuffix("*")}


def _library_url(model: str) -> str:
    return f"urn:cds:guideline:{model}:inputs"


def _name(model: str) -> str:
    """FHIR's machine-friendly name: letters, digits and underscores, a capital first."""
    return "".join(part.capitalize() for part in model.split("-"))
