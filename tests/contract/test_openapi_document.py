"""openapi.yaml is valid and says neither more nor less than the running application does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from service import MakeApp, loopback

from cds.committee.accounts import Accounts
from cds.engine import Engine
from cds.protocol import response as wire

FILE = Path(__file__).resolve().parents[2] / "openapi.yaml"
# answered by the framework on every address, or GET without its body
UNDOCUMENTED_METHODS = {"HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def app(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """With every page that a site can switch on."""
    file = tmp_path_factory.mktemp("console") / "accounts.yaml"
    Accounts(file).put("A. Bee", "correct-horse-battery", "member")
    return make_app(**loopback(), committee={"console": {"accounts_file": file}})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_documented_and_every_documented_route_exists(app: Flask, document: dict[str, Any]) -> None:
    running = {
        (re.sub(r"<(?:[^<>:]+:)?\w+>", "{}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - UNDOCUMENTED_METHODS
    }
    documented = {
        (re.sub(r"\{\w+\}", "{}", path), method.upper())
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert any(path.startswith("/committee/") for path, _ in running)
    assert running == documented


def test_the_services_named_are_the_services_declared(app: Flask, document: dict[str, Any]) -> None:
    engine: Engine = app.extensions["cds"]
    named = document["components"]["parameters"]["Service"]["schema"]["examples"]
    assert sorted(named) == sorted({service.id for service in engine.services.services.values()})


def test_the_hooks_named_are_the_hooks_answered(app: Flask, document: dict[str, Any]) -> None:
    engine: Engine = app.extensions["cds"]
    named = document["components"]["schemas"]["HookCall"]["properties"]["hook"]["enum"]
    assert sorted(named) == sorted({service.hook for service in engine.services.services.values()})


def test_the_document_is_served_as_it_is_in_the_repository(client: FlaskClient) -> None:
    answer = client.get("/openapi.yaml")
    assert answer.content_type.startswith("application/yaml")
    assert answer.get_data(as_text=True) == FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("schema", "struct"), [("Card", wire.Card), ("Coding", wire.Coding), ("CdsResponse", wire.Response)]
)
def test_a_schema_of_the_answer_has_the_members_of_its_type(document: dict[str, Any], schema: str, struct: Any) -> None:
    assert set(document["components"]["schemas"][schema]["properties"]) == set(struct.__struct_fields__)


@pytest.mark.parametrize(
    ("member", "struct"), [("suggestions", wire.Suggestion), ("links", wire.Link), ("source", wire.Source)]
)
def test_a_part_of_a_card_has_the_members_of_its_type(document: dict[str, Any], member: str, struct: Any) -> None:
    part = document["components"]["schemas"]["Card"]["properties"][member]
    documented = set(part.get("items", part)["properties"])
    # members the type could hold but this service never sends are left out of the contract
    assert documented <= set(struct.__struct_fields__)
    assert set(struct.__struct_fields__) - documented <= {"icon"}


def test_what_needs_no_jwt_is_marked_and_nothing_else(document: dict[str, Any]) -> None:
    open_to_all = {path for path, item in document["paths"].items() for op in item.values() if op.get("security") == []}
    report = {"/report/launch", "/report/start", "/report/callback"}
    report |= {"/report/-/charts.css", "/report/-/assets/{file}"}
    console = {"/committee/sign-in", "/committee/sign-out", "/committee/settings", "/committee/-/assets/{file}"}
    console |= {"/committee/oidc/start", "/committee/oidc/callback"}
    operations = {"/health", "/ready", "/metrics", "/openapi.yaml", "/.well-known/jwks.json"}
    assert open_to_all == {"/cds-services"} | operations | report | console
    assert document["security"] == [{"clientJwt": []}]


def test_every_operation_has_a_name_a_summary_and_a_tag_that_is_explained(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    operations = [op for item in document["paths"].values() for op in item.values()]
    assert len({op["operationId"] for op in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert set(operation["tags"]) <= tags
