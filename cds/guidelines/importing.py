"""A published update, read: a FHIR Bundle or PlanDefinition becomes an edition of the guideline's rules, or a list of
what stands in the way, one sentence each with its element. Nothing is guessed and nothing is left out in silence: an
element that would change who is spoken of and is not understood is a fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cds.errors import GuidelineError
from cds.guidelines import library, reading
from cds.guidelines.resources import (
    LANGUAGE,
    MODEL,
    OTHERWISE,
    PLACE,
    REVIEW_BY,
    TRANSLATION,
    category_system,
)
from cds.inference.guideline import newer, wrong
from cds.inference.manifest import Condition, Manifest
from cds.record.inputs import Input
from cds.record.vocabulary import Vocabulary

Json = Mapping[str, Any]
MOST_BYTES = 2_000_000
_ACTION = frozenset(
    {"id", "prefix", "title", "_title", "description", "textEquivalent", "_textEquivalent", "code", "condition",
     "documentation", "reason"}
)  # fmt: skip
"""Elements of an action that are read, or that change nothing."""
_RESTRICTING = frozenset(
    {
        "modifierExtension",
        "implicitRules",
        "effectivePeriod",
        "useContext",
        "subjectCodeableConcept",
        "subjectReference",
    }
)
_ELEMENT = {
    "id": "prefix", "label": "title", "says": "textEquivalent", "gives": "code", "all": "condition", "any": "condition",
    "title": "title", "published": "approvalDate", "review_by": f"extension '{REVIEW_BY}'", "owner": "editor[0].name",
    "citation": "relatedArtifact", "url": "relatedArtifact", "released": "date", "otherwise": f"action '{OTHERWISE}'",
    "where": f"relatedArtifact extension '{PLACE}'",
}  # fmt: skip


@dataclass(frozen=True)
class Update:
    """What a resource says of one guideline."""

    model: str
    content: dict[str, Any]
    """An edition, as a policy holds it: plain text and numbers."""


@dataclass
class _Faults:
    found: list[str] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        self.found.append(f"{where}: {what}")


def read(text: str, guidelines: Mapping[str, Manifest], vocabulary: Vocabulary) -> Update:
    """``guidelines``: as installed, by model id. Raises GuidelineError with every fault, a line each."""
    plan, libraries = _resources(text)
    manifest = _meant(plan, guidelines)
    faults = _Faults()
    inputs = {spec.name: spec for spec in manifest.inputs}
    content = _head(plan, faults)
    content["rules"], otherwise = _rules(plan, manifest.id, inputs, faults)
    if otherwise is not None:
        content["otherwise"] = otherwise
    for where, given in libraries:
        for place, what in library.faults(where, given, inputs, vocabulary):
            faults.add(place, what)
    if not faults.found:
        for path, what in wrong(manifest, content):
            faults.add(_place(path), what)
        if not faults.found and not newer(content["version"], manifest.version):
            faults.add("PlanDefinition.version", f"{content['version']} is not above {manifest.version}, as installed")
    if faults.found:
        raise GuidelineError("\n".join(faults.found))
    return Update(manifest.id, content)


def _resources(text: str) -> tuple[Json, list[tuple[str, Json]]]:
    if len(text.encode()) > MOST_BYTES:
        raise GuidelineError(f"is larger than {MOST_BYTES // 1000} kB, which no guideline is")
    try:
        given = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise GuidelineError(f"is not FHIR in JSON: {error}") from error
    kind = given.get("resourceType") if isinstance(given, dict) else None
    if kind not in ("Bundle", "PlanDefinition"):
        raise GuidelineError(
            f"is a {kind or 'text without resourceType'}: a PlanDefinition is needed, or a Bundle of it"
        )
    entries = given.get("entry") if kind == "Bundle" else [{"resource": given}]
    plans: list[Json] = []
    libraries: list[tuple[str, Json]] = []
    for entry in entries if isinstance(entries, list) else []:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        if resource.get("resourceType") == "PlanDefinition":
            plans.append(resource)
        elif resource.get("resourceType") == "Library":
            libraries.append((f"Library '{resource.get('id', len(libraries))}'", resource))
    if len(plans) != 1:
        raise GuidelineError(f"holds {len(plans)} PlanDefinitions: one guideline is imported at a time")
    for resource in (plans[0], *(each for _, each in libraries)):
        _require_valid(resource)
    return plans[0], libraries


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a key given twice the second would win in silence, and FHIR knows no element that is null."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in [k for k, _ in pairs[:n]])
        raise ValueError(f"the key '{twice}' is given twice in one element")
    if empty := [key for key, value in pairs if value is None]:
        raise ValueError(f"the element '{empty[0]}' is null: leave it out")
    return found


def _require_valid(resource: Json) -> None:
    """Against FHIR's own definition. Raises GuidelineError."""
    from fhir.resources.R4B import get_fhir_model_class

    kind = str(resource["resourceType"])
    try:
        get_fhir_model_class(kind).model_validate(resource)
    except ValidationError as error:
        told = []
        for fault in error.errors():
            path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault["loc"])
            told.append(f"{kind}{path}: not valid FHIR: {str(fault['msg']).removeprefix('Value error, ')}")
        raise GuidelineError("\n".join(told)) from error


def _meant(plan: Json, guidelines: Mapping[str, Manifest]) -> Manifest:
    ids = [each.get("value") for each in plan.get("identifier", ()) if each.get("system") == MODEL]
    known = f"there are: {', '.join(sorted(guidelines))}"
    if len(ids) != 1:
        raise GuidelineError(f"PlanDefinition.identifier: needs one under '{MODEL}', the guideline it updates; {known}")
    if ids[0] not in guidelines:
        raise GuidelineError(f"PlanDefinition.identifier: no guideline here is called '{ids[0]}'; {known}")
    return guidelines[ids[0]]


def _head(plan: Json, faults: _Faults) -> dict[str, Any]:
    for name in sorted(_RESTRICTING & set(plan)):
        faults.add(f"PlanDefinition.{name}", "is not understood, and might change for whom or when the rules hold")
    if plan.get("status") != "active":
        faults.add("PlanDefinition.status", f"is '{plan.get('status')}': what may become policy is 'active'")
    review = [e.get("valueDate") for e in plan.get("extension", ()) if e.get("url") == REVIEW_BY]
    cited = [each for each in plan.get("relatedArtifact", ()) if each.get("type") == "citation"]
    found: dict[str, Any] = {
        "version": plan.get("version"),
        "released": str(plan.get("date", ""))[:10],
        "title": _texts(plan, "title"),
        "publisher": plan.get("publisher"),
        "published": plan.get("approvalDate"),
        "review_by": review[0] if review else None,
        "owner": next((each.get("name") for each in plan.get("editor", ())), None),
        "citation": _cited(cited[0]) if cited else None,
    }
    for key, value in found.items():
        if not value:
            faults.add(f"PlanDefinition.{_ELEMENT.get(key, key)}", f"is missing: it is the guideline's {_WORDS[key]}")
    if found["version"] and not re.fullmatch(r"\d+\.\d+\.\d+", found["version"]):
        faults.add("PlanDefinition.version", f"is '{found['version']}': write three numbers, such as 1.1.0")
    if found["released"] and len(found["released"]) < len("2026-11-23"):
        faults.add("PlanDefinition.date", f"is {found['released']}: write the whole day of this version")
    if cited and cited[0].get("url"):
        found["url"] = cited[0]["url"]
    if cited and (where := _in_languages(cited[0], PLACE)):
        found["where"] = where
    return found


_WORDS = {
    "version": "version", "released": "day of this version", "title": "name", "publisher": "publisher",
    "published": "day or year of publication", "review_by": "day by which it is to be reviewed",
    "owner": "owner, who reviews it", "citation": "source",
}  # fmt: skip


def _texts(holder: Json, element: str) -> dict[str, str]:
    """By language; the element itself is English."""
    found = {"en": holder[element]} if holder.get(element) else {}
    return found | _in_languages(holder.get(f"_{element}") or {}, TRANSLATION)


def _in_languages(holder: Json, url: str) -> dict[str, str]:
    """What extensions of this name say, one a language."""
    found: dict[str, str] = {}
    for extension in holder.get("extension", ()):
        if extension.get("url") == url:
            parts = {part.get("url"): part for part in extension.get("extension", ())}
            language = parts.get("lang", {}).get("valueCode")
            content = parts.get("content", {}).get("valueString")
            if language and content:
                found[language] = content
    return found


def _cited(artifact: Json) -> str | dict[str, str]:
    """By language where there are translations; a title as it was published has none."""
    texts = _texts(artifact, "citation")
    return texts if set(texts) - {"en"} else texts.get("en", "")


def _rules(
    plan: Json, model: str, inputs: Mapping[str, Input], faults: _Faults
) -> tuple[list[dict[str, Any]], str | None]:
    rules: list[dict[str, Any]] = []
    otherwise: str | None = None
    actions = plan.get("action", ())
    if not actions:
        faults.add("PlanDefinition.action", "there is none: a guideline without a rule says nothing")
    for position, action in enumerate(actions):
        where = f"PlanDefinition.action[{position}]"
        for name in sorted(set(action) - _ACTION):
            faults.add(f"{where}.{name}", "is not understood, and might change who is spoken of")
        category = _category(action, model, where, faults)
        if action.get("prefix") == OTHERWISE:
            if action.get("condition") or position != len(actions) - 1:
                faults.add(where, f"'{OTHERWISE}' comes last and has no condition: it is what holds when no rule does")
            otherwise = category
            continue
        rules.append(_rule(action, category, where, inputs, faults))
    return rules, otherwise


def _rule(action: Json, category: str, where: str, inputs: Mapping[str, Input], faults: _Faults) -> dict[str, Any]:
    if not action.get("prefix"):
        faults.add(f"{where}.prefix", "is missing: it is the rule's number, by which cards and the ledger name it")
    if not action.get("condition"):
        faults.add(f"{where}.condition", "there is none: the rule would hold for everybody")
    parts = []
    for number, condition in enumerate(action.get("condition", ())):
        try:
            parts.append(_condition(condition, f"{where}.condition[{number}]", inputs))
        except GuidelineError as error:
            faults.found.append(str(error))
    try:
        made = reading.joined(parts)
    except GuidelineError as error:
        faults.add(f"{where}.condition", str(error))
        made = reading.Tests()
    found: dict[str, Any] = {"id": action.get("prefix", ""), "label": _texts(action, "title")}
    found |= {"all": [_plain(test) for test in made.all]} if made.all else {}
    found |= {"any": [_plain(test) for test in made.any]} if made.any else {}
    found |= {"needs": made.needs} if made.needs != 1 else {}
    return found | {"gives": category, "says": _texts(action, "textEquivalent")}


def _plain(test: Condition) -> dict[str, Any]:
    return test.model_dump(mode="json", exclude_none=True)


def _condition(condition: Json, where: str, inputs: Mapping[str, Input]) -> reading.Tests:
    if condition.get("kind") != "applicability":
        raise GuidelineError(f"{where}.kind: '{condition.get('kind')}' is not understood; a rule has 'applicability'")
    for name in sorted(set(condition) - {"id", "extension", "kind", "expression"}):
        raise GuidelineError(f"{where}.{name}: is not understood, and might change who is spoken of")
    expression = condition.get("expression", {})
    language = expression.get("language")
    if language != LANGUAGE:
        raise GuidelineError(f"{where}.expression.language: '{language}' is not understood; write {LANGUAGE}")
    text = expression.get("expression")
    if not text:
        raise GuidelineError(f"{where}.expression.expression: is missing; one that lies elsewhere is not fetched")
    return reading.understood(str(text), inputs, f"{where}.expression")


def _category(action: Json, model: str, where: str, faults: _Faults) -> str:
    """What the rule gives."""
    codings = [coding for code in action.get("code", ()) for coding in code.get("coding", ())]
    mine = [c.get("code") for c in codings if c.get("system") == category_system(model)]
    if len(mine) != 1 or not mine[0]:
        faults.add(f"{where}.code", f"needs one code of '{category_system(model)}': what the rule gives")
        return ""
    return str(mine[0])


def _place(path: tuple[int | str, ...]) -> str:
    """Of a fault in an edition, the resource's element."""
    match path:
        case ("rules", int(position), *rest):
            inner = f".{_ELEMENT.get(str(rest[0]), str(rest[0]))}" if rest else ""
            return f"PlanDefinition.action[{position}]{inner}"
        case (name, *_):
            return f"PlanDefinition.{_ELEMENT.get(str(name), str(name))}"
        case _:
            return "PlanDefinition"
