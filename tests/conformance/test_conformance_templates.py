"""Prefetch templates: what every client can fill."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from requirements import requirement
from service import Json, filled, read

# hook -> context fields marked "Prefetch Token: Yes" in the CDS Hooks Library
TOKENS = {
    "patient-view": {"userId", "patientId", "encounterId"},
    "encounter-start": {"userId", "patientId", "encounterId"},
    "appointment-book": {"userId", "patientId", "encounterId"},
    "order-select": {"userId", "patientId", "encounterId"},
    "order-sign": {"userId", "patientId", "encounterId"},
}
USER_TOKENS = {"userPractitionerId", "userPractitionerRoleId", "userPatientId", "userRelatedPersonId"}

# FHIR R4 search parameters of the common subset, by kind
REFERENCES = {"patient", "subject"}
SEARCH_TOKENS = {"code", "status", "category"}
CONTROLS = {"_count", "_sort"}


@pytest.fixture
def templates(client: FlaskClient) -> list[tuple[str, str, str]]:
    """(hook, key, template)"""
    services: list[Json] = client.get("/cds-services").get_json()["services"]
    found = [(s["hook"], key, template) for s in services for key, template in s["prefetch"].items()]
    assert found
    return found


@requirement(10)
def test_prefetch_is_keys_with_relative_reads_and_searches(templates: list[tuple[str, str, str]]) -> None:
    for _, key, template in templates:
        assert re.fullmatch(r"[a-z][a-zA-Z]*", key)
        parts = urlsplit(template)
        assert (parts.scheme, parts.netloc, parts.fragment) == ("", "", "")
        assert re.fullmatch(r"[A-Z][A-Za-z]+(/\{\{[^{}]+\}\})?", parts.path)
        assert bool(parts.query) != ("/" in parts.path), f"{template} is neither a read nor a search"


@requirement(10)
def test_every_template_can_be_asked_of_a_strict_fhir_server(templates: list[tuple[str, str, str]]) -> None:
    for _, key, template in templates:
        found = read("new-diabetes", filled(template, {"patientId": "new-diabetes"}))
        assert found["resourceType"] == ("Patient" if key == "patient" else "Bundle")


@requirement(11)
def test_tokens_are_context_fields_the_hook_allows(templates: list[tuple[str, str, str]]) -> None:
    for hook, _, template in templates:
        tokens = re.findall(r"\{\{(.*?)\}\}", template)
        assert tokens
        for token in tokens:
            assert token in USER_TOKENS or token.removeprefix("context.") in TOKENS[hook]
            assert token in USER_TOKENS or token.startswith("context.")
        assert "{" not in re.sub(r"\{\{.*?\}\}", "", template)


@requirement(12)
def test_searches_keep_to_the_common_subset(templates: list[tuple[str, str, str]]) -> None:
    for _, _, template in templates:
        for name, value in _parameters(template):
            assert name in REFERENCES | SEARCH_TOKENS | CONTROLS, f"{name} in {template}"
            if name in REFERENCES:
                assert value == "{{context.patientId}}"
            elif name == "_count":
                assert value.isdigit()
            elif name == "_sort":
                assert value == "-date"
            else:
                assert all(re.fullmatch(r"(https?://[^|]+|urn:[^|]+)\|[^|]+", token) for token in value.split(","))


@requirement(12)
def test_every_search_is_about_the_patient(templates: list[tuple[str, str, str]]) -> None:
    for _, _, template in templates:
        if "?" in template:
            assert REFERENCES & {name for name, _ in _parameters(template)}


@requirement(12)
def test_templates_are_short_enough_for_a_get(templates: list[tuple[str, str, str]]) -> None:
    for _, _, template in templates:
        assert len(template) < 3000


@requirement(13)
def test_no_template_needs_what_only_the_ballot_has(templates: list[tuple[str, str, str]]) -> None:
    for _, _, template in templates:
        for beyond in ("today()", "ofType", "resolve", "%", "{{context.draftOrders", " "):
            assert beyond not in template


def _parameters(template: str) -> list[tuple[str, str]]:
    query = template.partition("?")[2]
    return [(name, value) for name, _, value in (p.partition("=") for p in query.split("&") if p)]
