"""Discovery: what the service says of itself."""

from __future__ import annotations

import dataclasses
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, SignedClient, StoryCalls

from cds.engine import Engine
from cds.services import ServiceRegistry
from cds.web import cds_hooks

# hook -> its version in the CDS Hooks Library
PUBLISHED = {
    "patient-view": "1.0",
    "encounter-start": "1.0",
    "encounter-discharge": "1.0",
    "appointment-book": "1.0",
    "order-select": "1.0",
    "order-sign": "1.0",
    "order-dispatch": "1.1",
    "medication-refill": "0.1.0",
    "allergyintolerance-create": "0.1.0",
    "problem-list-item-create": "0.1.0",
}


@pytest.fixture
def services(client: FlaskClient) -> list[Json]:
    found: list[Json] = client.get("/cds-services").get_json()["services"]
    return found


@requirement(4)
def test_discovery_lists_the_services(app: Flask, client: FlaskClient) -> None:
    engine: Engine = app.extensions["cds"]
    answer = client.get("/cds-services")
    assert answer.status_code == 200
    assert list(answer.get_json()) == ["services"]
    listed = [(s["id"], s["hook"]) for s in answer.get_json()["services"]]
    assert sorted(listed) == sorted(engine.services.services)
    assert ("pancreas-risk", "patient-view") in listed


@requirement(4)
def test_without_services_discovery_is_an_empty_array(app: Flask) -> None:
    engine: Engine = app.extensions["cds"]
    bare = Flask("bare")
    bare.register_blueprint(cds_hooks.blueprint(dataclasses.replace(engine, services=ServiceRegistry({}))))
    answer = bare.test_client().get("/cds-services")
    assert answer.status_code == 200
    assert answer.get_json() == {"services": []}


@requirement(4)
def test_discovery_answers_head_as_get_without_the_body(client: FlaskClient) -> None:
    head, get = client.head("/cds-services"), client.get("/cds-services")
    assert (head.status_code, head.data) == (200, b"")
    assert head.content_length == len(get.data)


@requirement(5)
def test_each_service_states_hook_id_and_description(services: list[Json]) -> None:
    for service in services:
        for member in ("hook", "id", "description"):
            assert isinstance(service[member], str)
            assert service[member].strip()


@requirement(6)
def test_each_service_has_a_title_and_states_the_versions_it_speaks(services: list[Json]) -> None:
    for service in services:
        assert service["title"].strip()
        assert re.fullmatch(r"\d+\.\d+\.\d+", service["version"])
        assert service["hookVersion"] == PUBLISHED[service["hook"]]
        assert isinstance(service["usageRequirements"], str)


@requirement(7)
def test_no_service_is_listed_twice_and_one_id_answers_two_hooks(services: list[Json]) -> None:
    listed = [(s["id"], s["hook"]) for s in services]
    assert len(set(listed)) == len(listed)
    assert {hook for id, hook in listed if id == "pancreas-risk"} == {"patient-view", "encounter-start"}


@requirement(7)
def test_the_hook_in_the_request_chooses_among_the_services_of_one_id(fire: StoryCalls) -> None:
    assert fire("new-diabetes", "pancreas-risk", "patient-view").get_json()["cards"]
    ahead = fire("new-diabetes", "pancreas-risk", "encounter-start")
    assert (ahead.status_code, ahead.get_json()) == (200, {"cards": []})


@requirement(7)
def test_a_hook_that_the_id_does_not_answer_is_refused_and_the_right_ones_named(fire: StoryCalls) -> None:
    body = fire.body("new-diabetes", "pancreas-first-line", "order-sign")
    answer = fire.client.post("/cds-services/pancreas-risk", json=body)
    assert answer.status_code == 400
    text = answer.get_json()["issue"][0]["details"]["text"]
    assert "patient-view" in text
    assert "encounter-start" in text


@requirement(8)
@pytest.mark.parametrize("signed", [True, False])
def test_discovery_answers_with_and_without_a_jwt(signed_client: SignedClient, signed: bool) -> None:
    token = signed_client.sign("/cds-services")
    headers = {"Authorization": f"Bearer {token}"} if signed else {}
    assert signed_client.app.test_client().get("/cds-services", headers=headers).status_code == 200


@requirement(8)
def test_a_method_discovery_does_not_know_is_405_with_those_it_does(client: FlaskClient) -> None:
    answer = client.delete("/cds-services")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
    told = answer.get_json()["issue"][0]["details"]["text"]
    assert told.startswith("this address takes GET")


@requirement(9)
def test_ids_are_safe_in_an_address(services: list[Json]) -> None:
    for service in services:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", service["id"])


@requirement(9)
def test_every_discovered_service_answers_at_its_address(services: list[Json], client: FlaskClient) -> None:
    for service in services:
        # an empty call is malformed, which only a service that exists can say
        assert client.post(f"/cds-services/{service['id']}", json={}).status_code == 400


@requirement(9)
@pytest.mark.parametrize("id", ["unknown", "PANCREAS-RISK", "pancreas-risk%2F", "..", "%00", "pancreas-risk/"])
def test_an_address_that_was_not_discovered_is_404(client: FlaskClient, id: str) -> None:
    answer = client.post(f"/cds-services/{id}", json={})
    assert answer.status_code == 404
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert "/cds-services" in answer.get_json()["issue"][0]["details"]["text"]


@requirement(43)
def test_the_fhir_version_is_stated_where_integrators_read(services: list[Json]) -> None:
    for service in services:
        assert "FHIR R4" in service["usageRequirements"]
