"""What can't be taken is refused with a sentence and its place: a condition half understood would speak for the wrong
patients."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cds.errors import GuidelineError
from cds.guidelines.importing import read
from cds.guidelines.resources import TRANSLATION, bundle
from cds.inference.guideline import Edition
from cds.inference.manifest import Manifest
from cds.inference.registry import Registry

Json = dict[str, Any]
Refusal = Callable[[Callable[[Json, Json], object]], str]
FIRST = "PlanDefinition.action[0].condition[0].expression"


@pytest.fixture
def refusal(guidelines: dict[str, Manifest], shipped: Registry) -> Refusal:
    """The sentences about NG12 with one thing spoiled, in its plan or its library."""
    made = bundle(guidelines["nice-ng12"], shipped.vocabulary)

    def refused(spoil: Callable[[Json, Json], object]) -> str:
        resource = copy.deepcopy(made)
        plan, library = (entry["resource"] for entry in resource["entry"])
        plan["version"] = "99.0.0"
        spoil(plan, library)
        with pytest.raises(GuidelineError) as caught:
            read(json.dumps(resource), guidelines, shipped.vocabulary)
        return str(caught.value)

    return refused


def saying(text: str) -> Callable[[Json, Json], object]:
    return lambda plan, _: plan["action"][0]["condition"][0]["expression"].update(expression=text)


HINT = "write comparisons of inputs with numbers, joined by 'and' or 'or' (docs/guidelines.md)"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("%age >", "not valid FHIRPath at character 7: it ends where something has to follow"),
        ("%age >= 40 %jaundice", "not valid FHIRPath at character 12: '%' can't stand here"),
        ("%age >= 40 and\n) = true", "not valid FHIRPath in line 2 at character 1: ')' can't stand here"),
        ("%age >= 40 ;", "not valid FHIRPath at character 12: token recognition error at: ';'"),
        ("%age.exists()", f"the function 'exists()' is not understood: {HINT}"),
        ("%age >= 40 implies true", f"'implies' is not understood: {HINT}"),
        ("%age ~ 40", f"'~' is not understood: {HINT}"),
        ("%age = 40", "a number is compared by order; '=' is for 0 alone"),
        ("%age * 2 >= 80", f"a comparison without an input such as '%age': {HINT}"),
        ("Patient.gender = 'male'", f"a comparison without an input such as '%age': {HINT}"),
        ("%age >= %jaundice", f"'%jaundice' is no number: {HINT}"),
        ("%age >= 480 'mo'", "'%age' is in a, and the limit in mo: write it in a"),
        ("%jaundice >= 1", "'%jaundice' is yes or no: write '%jaundice = true'"),
        ("%age = true", "'%age' is a number, not yes or no"),
        (
            "(%age >= 40 and %jaundice = true) or %nausea = true",
            "'and' inside 'or' is not understood: make it two rules",
        ),
        ("iif(%age >= 40, 1, 0) >= 2", "2 of 1 tests can never hold"),
        ("iif(%age >= 40, 2, 0) >= 1", "'iif' is understood as 'iif(test, 1, 0)' only"),
        ("(" * 400 + "%age >= 40" + ")" * 400, "nested too deeply to be reviewed"),
        ("%age >= 40 and " * 200 + "%age >= 40", "longer than 2000 characters, which nobody can review"),
    ],
)
def test_an_expression(refusal: Refusal, text: str, told: str) -> None:
    assert refusal(saying(text)) == f"{FIRST}: {told}"


def test_an_input_that_the_guideline_does_not_read(refusal: Refusal) -> None:
    assert refusal(saying("%agee >= 40")).startswith(f"{FIRST}: '%agee' is no input of this guideline; it reads: age, ")


def test_two_choices_in_one_rule(refusal: Refusal) -> None:
    twice = saying("(%age >= 40 or %nausea = true) and (%diarrhoea or %vomiting)")
    assert "a second choice ('or') in one rule is not understood: make it two rules" in refusal(twice)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda p, _: p["action"][0].update(trigger=[{"type": "named-event", "name": "x"}]),
         "PlanDefinition.action[0].trigger: is not understood, and might change who is spoken of"),
        (lambda p, _: p["action"][0].pop("condition"),
         "PlanDefinition.action[0].condition: there is none: the rule would hold for everybody"),
        (lambda p, _: p["action"][0]["condition"][0].update(kind="start"),
         "PlanDefinition.action[0].condition[0].kind: 'start' is not understood; a rule has 'applicability'"),
        (lambda p, _: p["action"][0]["condition"][0]["expression"].update(language="text/cql"),
         f"{FIRST}.language: 'text/cql' is not understood; write text/fhirpath"),
        (lambda p, _: p["action"][1].update(prefix="NG12-1.2.4"),
         "PlanDefinition.action[1]: two rules are called 'NG12-1.2.4'"),
        (lambda p, _: p["action"][0].pop("_title"),
         "PlanDefinition.action[0].title: rule 'NG12-1.2.4' has no words in 'nl', in which cards are read"),
        (lambda p, _: p["action"][0]["code"][0]["coding"][0].update(system="urn:other"),
         "PlanDefinition.action[0].code: needs one code of 'urn:cds:model:nice-ng12:category': what the rule gives"),
        (lambda p, _: p.pop("extension"),
         "PlanDefinition.extension 'urn:cds:review-by': is missing: it is the guideline's day by which it is to be "
         "reviewed"),
        (lambda p, _: p.pop("editor"),
         "PlanDefinition.editor[0].name: is missing: it is the guideline's owner, who reviews it"),
        (lambda p, _: p["relatedArtifact"][0]["extension"].pop(),
         "PlanDefinition.relatedArtifact extension 'urn:cds:place': has no words in 'nl', in which cards are read"),
        (lambda p, _: p.update(version="1.0.0"),
         "PlanDefinition.version: 1.0.0 is not above 1.0.3, as installed"),
        (lambda p, _: p.update(version="two"),
         "PlanDefinition.version: is 'two': write three numbers, such as 1.1.0"),
        (lambda p, _: p.update(date="2026-12"), "PlanDefinition.date: is 2026-12: write the whole day of this version"),
        (lambda p, _: p.update(status="draft"),
         "PlanDefinition.status: is 'draft': what may become policy is 'active'"),
        (lambda p, _: p.update(effectivePeriod={"start": "2030-01-01"}),
         "PlanDefinition.effectivePeriod: is not understood, and might change for whom or when the rules hold"),
        (lambda p, _: p["identifier"][0].update(value="nice-ng13"),
         "PlanDefinition.identifier: no guideline here is called 'nice-ng13'; there are: breast-triage"),
        (lambda p, _: p.update(action=[]), "PlanDefinition.action: there is none: a guideline without a rule says"),
        (lambda p, _: p.pop("status"), "PlanDefinition"),
        (lambda _, b: b["parameter"].append({"name": "bmi", "use": "in", "type": "decimal"}),
         "Library 'nice-ng12-inputs'.parameter[12]: 'bmi' is no input of this guideline; it reads: age"),
        (lambda _, b: b["parameter"][0]["extension"][0].update(valueCode="mo"),
         "Library 'nice-ng12-inputs'.parameter[0].extension: 'age' is in a here, not in mo"),
        (lambda _, b: b["parameter"][1].update(type="decimal"),
         "Library 'nice-ng12-inputs'.parameter[1].type: 'jaundice' is a boolean here, not a decimal"),
        (lambda _, b: b["dataRequirement"][0]["codeFilter"][0]["code"].insert(0, {"system": "urn:x", "code": "9"}),
         "Library 'nice-ng12-inputs'.dataRequirement[0].codeFilter[0].code[0]: urn:x|9 is not among the codes that "
         "'jaundice' is read from; a new code belongs in the vocabulary or in the site's ConceptMap"),
    ],
)  # fmt: skip
def test_a_resource(refusal: Refusal, spoil: Callable[[Json, Json], object], told: str) -> None:
    assert refusal(spoil).startswith(told)


def test_every_fault_is_told_at_once(refusal: Refusal) -> None:
    def spoil(plan: Json, library: Json) -> None:
        saying("%agee >= 40")(plan, library)
        plan["action"][1]["condition"][0]["expression"]["expression"] = "%age >"
        library["parameter"][1]["type"] = "decimal"

    assert len(refusal(spoil).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not FHIR in JSON: "),
        ("[]", "is a text without resourceType: a PlanDefinition is needed, or a Bundle of it"),
        ('{"resourceType": "Patient"}', "is a Patient: a PlanDefinition is needed, or a Bundle of it"),
        ('{"resourceType": "Bundle", "type": "collection"}', "holds 0 PlanDefinitions: one guideline is imported"),
        (
            '{"resourceType": "PlanDefinition", "status": "active", "status": "draft"}',
            "is not FHIR in JSON: the key 'status'",
        ),
        (
            '{"resourceType": "PlanDefinition", "status": null}',
            "is not FHIR in JSON: the element 'status' is null: leave it",
        ),
        ('{"resourceType": "PlanDefinition", "status": NaN}', "is not FHIR in JSON: NaN is no number"),
        ("[" * 100_000, "is not FHIR in JSON: "),
        ('"' + "x" * 2_000_001 + '"', "is larger than 2000 kB, which no guideline is"),
    ],
)
def test_a_file_that_is_none(text: str, told: str, guidelines: dict[str, Manifest], shipped: Registry) -> None:
    with pytest.raises(GuidelineError) as caught:
        read(text, guidelines, shipped.vocabulary)
    assert str(caught.value).startswith(told)


def test_a_spoiled_resource_is_refused_in_words_or_taken_as_it_reads(
    guidelines: dict[str, Manifest], shipped: Registry
) -> None:
    """Any element gone or replaced by anything: never another error, and what is taken is a whole edition."""
    made = bundle(guidelines["ugt1a1-dosing"], shipped.vocabulary)
    made["entry"][0]["resource"]["version"] = "99.0.0"
    draw, taken = random.Random(11), 0
    places = list(_places(made))
    for _ in range(150):
        spoiled = copy.deepcopy(made)
        *path, last = draw.choice(places)
        node: Any = spoiled
        for step in path:
            node = node[step]
        if draw.random() < 0.5:
            del node[last]
        else:
            node[last] = draw.choice([None, 1, -1.5, "x", "", [], {}, [{}], True, {"url": "x"}, "%star6 >= 1"])
        try:
            update = read(json.dumps(spoiled), guidelines, shipped.vocabulary)
        except GuidelineError as error:
            assert str(error)
            continue
        assert Edition.model_validate(update.content).rules
        taken += 1
    assert 0 < taken < 75


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield (*path, key)
        yield from _places(value, (*path, key))


def test_a_text_may_carry_more_languages(guidelines: dict[str, Manifest], shipped: Registry) -> None:
    resource = bundle(guidelines["nice-ng12"], shipped.vocabulary)
    plan = resource["entry"][0]["resource"] | {"version": "99.0.0"}
    french = [{"url": "lang", "valueCode": "fr"}, {"url": "content", "valueString": "Ictère à 40 ans ou plus"}]
    plan["action"][0]["_title"]["extension"].append({"url": TRANSLATION, "extension": french})
    update = read(json.dumps(plan), guidelines, shipped.vocabulary)
    assert update.content["rules"][0]["label"]["fr"] == "Ictère à 40 ans ou plus"
