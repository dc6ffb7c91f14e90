"""Each of our guidelines goes out as FHIR and comes back as the very same rules; what is written means what they do."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fhirpathpy
import pytest
from fhir.resources.R4B.library import Library
from fhir.resources.R4B.plandefinition import PlanDefinition
from hypothesis import given, settings
from hypothesis import strategies as st

from cds import yaml_lines
from cds.guidelines.expression import conditions, is_truth, number
from cds.guidelines.importing import read
from cds.guidelines.reading import joined, understood
from cds.guidelines.resources import bundle, text_of
from cds.inference.guideline import Edition, edition_of, with_edition
from cds.inference.manifest import Condition, Manifest, Rule
from cds.inference.registry import Registry
from cds.inference.rules import fires
from cds.record.feature import Feature
from cds.record.inputs import Input

MODELS = Path(__file__).resolve().parents[2] / "models"
RULES = sorted(
    path.parent.name
    for path in MODELS.glob("*/model.yaml")
    if yaml_lines.plain(path.read_text(encoding="utf-8"))["runtime"]["kind"] == "rules"
)


def exported(manifest: Manifest, shipped: Registry, version: str = "9.0.0") -> str:
    resource = bundle(manifest, shipped.vocabulary)
    resource["entry"][0]["resource"]["version"] = version
    return text_of(resource)


def test_every_model_of_rules_says_whose_guideline_it_is_and_who_looks_again(guidelines: dict[str, Manifest]) -> None:
    assert sorted(guidelines) == RULES
    assert len(RULES) == 9


@pytest.mark.parametrize("id", RULES)
def test_out_and_in_again_gives_the_same_rules_to_the_last_bit(
    id: str, guidelines: dict[str, Manifest], shipped: Registry
) -> None:
    before = guidelines[id]
    update = read(exported(before, shipped), guidelines, shipped.vocabulary)
    after = with_edition(before, Edition.model_validate(update.content))
    assert update.model == id
    assert [r.model_dump_json() for r in after.runtime.rules] == [r.model_dump_json() for r in before.runtime.rules]
    assert after.runtime == before.runtime
    assert edition_of(after) == edition_of(before).model_copy(update={"version": "9.0.0"})


def test_what_a_publishers_tool_says_of_a_source_is_not_its_place(
    guidelines: dict[str, Manifest], shipped: Registry
) -> None:
    """``display`` describes the artifact, in one language: no ground to refuse a plan, nor words for a report."""
    resource = bundle(guidelines["nice-ng12"], shipped.vocabulary)
    plan = resource["entry"][0]["resource"] | {"version": "9.0.0"}
    resource["entry"][0]["resource"] = plan
    plan["relatedArtifact"][0]["display"] = "Suspected cancer guideline (web page)"
    before = read(text_of(resource), guidelines, shipped.vocabulary)
    assert before.content["where"] == guidelines["nice-ng12"].sources["ng12"].where
    del plan["relatedArtifact"][0]["extension"]
    assert "where" not in read(text_of(resource), guidelines, shipped.vocabulary).content


@pytest.mark.parametrize("id", RULES)
def test_what_goes_out_is_valid_fhir(id: str, guidelines: dict[str, Manifest], shipped: Registry) -> None:
    plan, library = (e["resource"] for e in bundle(guidelines[id], shipped.vocabulary)["entry"])
    PlanDefinition.model_validate(plan)
    Library.model_validate(library)
    assert plan["library"] == [f"{library['url']}|{library['version']}"]
    assert not any(c["code"].endswith("*") for d in library.get("dataRequirement", ()) for c in _codes(d))


def _codes(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [code for chosen in asked.get("codeFilter", ()) for code in chosen["code"]]


def somebody(draw: random.Random, spec: Input, limits: list[float]) -> float | None:
    """A value near a limit of the rules, or none."""
    if draw.random() < 0.25:
        return None
    if is_truth(spec):
        return float(draw.random() < 0.5)
    return draw.choice([*(limit + step for limit in limits for step in (-1.0, 0.0, 1.0)), 0.0])


@pytest.mark.parametrize("id", RULES)
def test_another_fhirpath_engine_comes_to_the_same_answer(id: str, guidelines: dict[str, Manifest]) -> None:
    """fhirpathpy evaluates what is exported for made-up people, values missing among them; the oracle of the words."""
    manifest, draw = guidelines[id], random.Random(id)
    inputs = {spec.name: spec for spec in manifest.inputs}
    rules = manifest.runtime.rules
    said = [limit for r in rules for c in (*r.all, *r.any) if (limit := _limit(c)) is not None]
    limits = sorted(set(said))
    compiled = {r.id: [fhirpathpy.compile(text) for text in conditions(r, inputs)] for r in rules}
    fired = 0
    for _ in range(60):
        people = {name: _feature(spec, somebody(draw, spec, limits)) for name, spec in inputs.items()}
        bound = {name: _bound(feature) for name, feature in people.items()}
        for rule in rules:
            theirs = all(asked({}, bound) == [True] for asked in compiled[rule.id])
            assert theirs is fires(rule, people), (rule.id, bound)
            fired += theirs
    assert fired


def _limit(test: Condition) -> float | None:
    return next((v for v in (test.at_least, test.at_most, test.below, test.above) if v is not None), None)


def _feature(spec: Input, value: float | None) -> Feature:
    return Feature(spec, value, "missing" if value is None else "found")


def _bound(feature: Feature) -> Any:
    """As the Library says an input is given: a boolean or a decimal, empty where absent, unless a value stands in."""
    value = feature.value if feature.value is not None else feature.input.absent.value
    if value is None:
        return []
    return bool(value) if is_truth(feature.input) else value


AGE, MARKER = (
    Input.model_validate({"name": name, "label": {"en": name}, "source": "patient.age", "unit": "a"})
    for name in ("age", "marker")
)
FLAG = Input.model_validate(
    {"name": "flag", "label": {"en": "flag"}, "concepts": ["x"], "reduce": "presence", "within": "12m"}
)
INPUTS = {spec.name: spec for spec in (AGE, MARKER, FLAG)}
TEST = st.one_of(
    st.builds(
        lambda name, minus, key, limit: Condition.model_validate({"input": name, "minus": minus, key: limit}),
        st.sampled_from(["age", "marker"]),
        st.sampled_from([None, "marker"]),
        st.sampled_from(["at_least", "at_most", "below", "above"]),
        st.floats(allow_nan=False, allow_infinity=False, width=64).map(lambda x: x + 0.0),
    ),
    st.builds(
        lambda name, present: Condition(input=name, present=present), st.sampled_from(["age", "flag"]), st.booleans()
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(TEST, max_size=3), st.lists(TEST, max_size=4), st.data())
def test_any_rule_comes_back_as_it_was(all: list[Condition], any: list[Condition], data: st.DataObject) -> None:
    needs = data.draw(st.integers(1, len(any))) if any else 1
    rule = Rule(id="r", label={}, all=tuple(all), any=tuple(any), needs=needs, gives="x", says={})
    found = joined(understood(text, INPUTS, "here") for text in conditions(rule, INPUTS))
    assert (found.all, found.any, found.needs) == (rule.all, rule.any, rule.needs)


def test_a_number_is_written_without_an_exponent() -> None:
    assert [number(v) for v in (40.0, -10.0, 0.1, 1e-7, 1e22)] == [
        *("40", "-10", "0.1", "0.0000001", "10000000000000000000000"),
    ]
