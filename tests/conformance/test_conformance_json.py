"""JSON: what goes out is strict and has no empty members; what comes in must be JSON."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from answers import Answered
from fhir.resources.R4B.servicerequest import ServiceRequest
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, StoryCalls

CALL = "/cds-services/pancreas-risk"


@requirement(1)
def test_every_answer_of_the_protocol_is_json(fire: StoryCalls) -> None:
    for answer in (fire("new-diabetes"), fire.client.get("/cds-services")):
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        json.loads(answer.data)


@requirement(1)
def test_resources_in_cards_are_valid_fhir_json(every_card: list[Json]) -> None:
    resources = [a["resource"] for c in every_card for s in c.get("suggestions", ()) for a in s["actions"]]
    assert resources
    for resource in resources:
        assert resource["resourceType"] == "ServiceRequest"
        ServiceRequest.model_validate(resource)


@requirement(1)
@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_json_is_refused_as_such(client: FlaskClient, content_type: str) -> None:
    answer = client.post(CALL, data=b"<call/>", content_type=content_type)
    assert answer.status_code == 415


@requirement(1)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "application/fhir+json"]
)
def test_json_is_read_under_each_of_its_names(fire: StoryCalls, content_type: str) -> None:
    body = json.dumps(fire.body("new-diabetes"))
    answer = fire.client.post(CALL, data=body, content_type=content_type)
    assert answer.status_code == 200


@requirement(1)
def test_a_byte_order_mark_before_the_json_is_no_part_of_it(fire: StoryCalls) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(fire.body("new-diabetes")).encode()
    assert fire.client.post(CALL, data=body, content_type="application/json").status_code == 200


@requirement(1)
def test_a_packed_body_is_refused_in_words_of_its_own(client: FlaskClient) -> None:
    answer = client.post(
        CALL, data=gzip.compress(b"{}"), content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert answer.status_code == 415
    assert "must not be compressed" in answer.get_json()["issue"][0]["details"]["text"]


def _empties(value: Any, path: str = "") -> Iterator[str]:
    if value in (None, "") or (value in ([], {}) and path not in (".cards", ".services")):
        yield path
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _empties(member, f"{path}.{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _empties(member, f"{path}[{index}]")


@requirement(2)
def test_no_answer_holds_an_empty_member(every_answer: list[Answered], client: FlaskClient) -> None:
    found = [(a.story, a.hook, path) for a in every_answer for path in _empties(a.body)]
    assert found == []
    assert list(_empties(client.get("/cds-services").get_json())) == []


@requirement(2)
def test_an_error_holds_no_empty_member(client: FlaskClient) -> None:
    assert list(_empties(client.post(CALL, json={}).get_json())) == []


def _no_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _no_duplicates(members: list[tuple[str, Any]]) -> Json:
    assert len({name for name, _ in members}) == len(members)
    return dict(members)


@requirement(3)
def test_what_goes_out_is_strict_json(every_answer: list[Answered]) -> None:
    for answer in every_answer:
        json.loads(answer.text, parse_constant=_no_constants, object_pairs_hook=_no_duplicates)


@requirement(3)
@pytest.mark.parametrize(
    "body",
    [
        b'{"hook": "patient-view",}',
        b'{"hook": "patient-view" /* opening a chart */}',
        b"{'hook': 'patient-view'}",
        b'{"hook": NaN}',
        b'{"hook": "x", "hookInstance": "1", "context": {}} trailing',
        b"\xff\xfe{",
        b"",
    ],
)
def test_what_is_not_json_is_refused_with_a_sentence(client: FlaskClient, body: bytes) -> None:
    answer = client.post(CALL, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "JSON" in answer.get_json()["issue"][0]["details"]["text"]
