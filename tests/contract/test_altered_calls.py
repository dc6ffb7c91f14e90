"""Real calls with one thing altered, hundreds of ways: always an answer of the contract, never a 5xx.

Random bodies seldom get past the door. These do: a story's own request, in which any member at any depth is dropped,
doubled or replaced by something else.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from service import Json, StoryCalls, prefetcher

FILE = Path(__file__).resolve().parents[2] / "openapi.yaml"
STARTS = (
    ("new-diabetes", "pancreas-risk", "patient-view"),
    ("dutch-new-diabetes", "pancreas-risk", "encounter-start"),
    ("missing-data", "pancreas-first-line", "order-select"),
    ("folfirinox-falling", "pancreas-first-line", "order-sign"),
)
STATUSES = {200, 400, 403, 412}

Path_ = tuple[str | int, ...]


@pytest.fixture(scope="module")
def fire(app: Flask) -> StoryCalls:
    return StoryCalls(app.test_client(), prefetcher(app))


@pytest.fixture(scope="module")
def originals(fire: StoryCalls) -> list[tuple[str, Json, list[Path_]]]:
    """(service, request, every place in it)"""
    bodies = [(service, fire.body(story, service, hook)) for story, service, hook in STARTS]
    return [(service, body, list(places(body))) for service, body in bodies]


@pytest.fixture(scope="module")
def valid_answer() -> OAS31Validator:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    schema = {"$ref": "#/components/schemas/CdsResponse", "components": document["components"]}
    return OAS31Validator(schema)


def places(value: Any, here: Path_ = ()) -> Iterator[Path_]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        yield (*here, key)
        yield from places(member, (*here, key))


_ODD_TEXT = ("", "-1", "0001-01-01", "9999-12-31T23:59:59.999999999+14:00", "2026-02-30", "Patient/", "Patient/x/y")
_ODDER_TEXT = (
    "#a",
    "http://[",
    "%",
    "<5",
    "1e309",
    "entered-in-error",
    "urn:uuid:",
    "\0",
    "\ue000",
    "{{context.userId}}",
)
_ODD_NUMBERS = (1e308, -1e308, 2**63, -(2**63) - 1, 1e-320, -0.0)
_MEMBERS = ("resourceType", "code", "coding", "system", "value", "unit", "reference", "id", "status")

_LEAF = (
    st.sampled_from([*_ODD_TEXT, *_ODDER_TEXT])
    | st.sampled_from(_ODD_NUMBERS)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
)
JSON = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(_MEMBERS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def altered(body: Json, place: Path_, how: str, value: Any) -> Json:
    changed = copy.deepcopy(body)
    node: Any = changed
    for key in place[:-1]:
        node = node[key]
    last = place[-1]
    if how == "dropped":
        del node[last]
    elif how == "doubled" and isinstance(node, list):
        node.insert(int(last), copy.deepcopy(node[int(last)]))
    else:
        node[last] = value
    return changed


@seed(20261123)
@settings(max_examples=600, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), how=st.sampled_from(["dropped", "doubled", "replaced", "replaced"]), value=JSON)
@pytest.mark.threat("bad-input")
def test_an_altered_call_is_answered_within_the_contract(
    fire: StoryCalls,
    originals: list[tuple[str, Json, list[Path_]]],
    valid_answer: OAS31Validator,
    data: st.DataObject,
    how: str,
    value: Any,
) -> None:
    service, body, known = data.draw(st.sampled_from(originals), label="call")
    place = data.draw(st.sampled_from(known), label="place")
    changed = altered(body, place, how, value)
    answer = fire.client.post(f"/cds-services/{service}", data=json.dumps(changed), content_type="application/json")
    text = answer.get_data(as_text=True)
    assert answer.status_code in STATUSES, f"{place} {how}: {answer.status_code} {text}"
    if answer.status_code == 200:
        valid_answer.validate(json.loads(text))
        assert "service-failed" not in text, f"{place} {how} {value!r}: the service's own code failed"
    else:
        assert json.loads(text)["resourceType"] == "OperationOutcome"
