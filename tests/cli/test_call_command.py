"""``cds call``: an administrator is the EHR, over HTTP, against the real service and a real FHIR server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from command_line import cds, serving
from flask import Flask, jsonify
from service import TODAY

from hooks.stories import draft_orders, story

JAUNDICE = "jaundice-head"
RISK = "pancreas-risk"


@pytest.fixture
def drafts(tmp_path: Path) -> Path:
    path = tmp_path / "drafts.json"
    path.write_text(json.dumps(draft_orders(story("folfirinox-falling"), TODAY)), encoding="utf-8")
    return path


def test_it_prints_the_cards(service_url: str, hospital: str) -> None:
    result = cds("call", service_url, "--patient", JAUNDICE, "--fhir", hospital)
    assert result.exit_code == 0, result.output
    assert "pancreas-risk · patient-view ·" in result.stdout
    assert "WARNING" in result.stdout
    assert "suspected cancer pathway" in result.stdout
    assert "(NICE NG12)" in result.stdout
    assert "Override: " in result.stdout


def test_what_was_held_back_is_told_with_its_reason(service_url: str, hospital: str) -> None:
    words = ["call", service_url, "--patient", "chronic-pancreatitis", "--fhir", hospital, "--service", RISK]
    first = cds(*words, "--user", "Practitioner/thorough")
    (card,) = json.loads(cds(*words, "--user", "Practitioner/thorough", "--json").stdout)["cards"]
    assert "Held back" not in first.stdout
    reason = {"reason": {"code": "later", "system": "urn:cds:override-reason"}}
    item = {"card": card["uuid"], "outcome": "overridden", "overrideReason": reason}
    answer = requests.post(f"{service_url}/cds-services/{RISK}/feedback", json={"feedback": [item]}, timeout=10)
    assert answer.ok
    told = " ".join(cds(*words).stdout.split())
    assert (
        "Held back: Pancreatic cancer risk (pancreas-risk/risk): somebody gave a reason not to follow it (later)"
        in told
    )
    assert "What was held back can be read in the patient's report." in told


def test_a_patient_with_nothing_to_say_gets_that_said(service_url: str, hospital: str) -> None:
    result = cds("call", service_url, "--patient", "referred", "--fhir", hospital)
    assert result.exit_code == 0
    assert "No cards: nothing to say." in result.stdout


def test_json_is_the_answer_as_it_came(service_url: str, hospital: str) -> None:
    result = cds("call", service_url, "--patient", JAUNDICE, "--fhir", hospital, "--service", RISK, "--json")
    (card,) = json.loads(result.stdout)["cards"]
    assert card["indicator"] == "warning"
    assert card["source"]["topic"]["code"] == "pancreas-risk"


def test_without_prefetch_the_service_fetches_and_says_the_same(service_url: str, hospital: str) -> None:
    sent, fetched = (
        json.loads(
            cds(
                "call", service_url, "--patient", JAUNDICE, "--fhir", hospital, "--service", RISK, "--json", *more
            ).stdout
        )
        for more in ([], ["--no-prefetch"])
    )
    assert [c["summary"] for c in fetched["cards"]] == [c["summary"] for c in sent["cards"]]


def test_cards_come_in_the_language_asked_for(service_url: str, hospital: str) -> None:
    result = cds("call", service_url, "--patient", JAUNDICE, "--fhir", hospital, "--language", "nl")
    assert "geelzucht" in result.stdout.lower()


def test_signing_an_order_needs_the_orders(service_url: str, hospital: str, drafts: Path) -> None:
    words = ["call", service_url, "--hook", "order-sign", "--patient", "folfirinox-falling", "--fhir", hospital]
    without = cds(*words)
    assert without.exit_code == 2
    assert "order-sign needs --draft-orders" in without.stderr
    result = cds(*words, "--draft-orders", drafts)
    assert result.exit_code == 0, result.output
    assert "pancreas-first-line · order-sign" in result.stdout
    assert "Of 100 people like this" in result.stdout


def test_selecting_an_order_selects_all_of_them(service_url: str, hospital: str, drafts: Path) -> None:
    words = ["call", service_url, "--hook", "order-select", "--patient", "folfirinox-falling", "--fhir", hospital]
    assert cds(*words, "--draft-orders", drafts).exit_code == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"entry": [{}]}', '{"entry": "x"}'])
def test_a_file_that_holds_no_orders_is_a_sentence(
    service_url: str, hospital: str, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "drafts.json"
    path.write_text(content, encoding="utf-8")
    words = ["--hook", "order-sign", "--patient", "x", "--fhir", hospital, "--draft-orders", str(path)]
    result = cds("call", service_url, *words)
    assert result.exit_code == 2
    assert "is not a Bundle of orders" in result.stderr


def test_only_the_service_named_is_called(service_url: str, hospital: str) -> None:
    words = ["call", service_url, "--patient", JAUNDICE, "--fhir", hospital]
    assert cds(*words, "--service", "pancreas-risk").exit_code == 0
    result = cds(*words, "--service", "breast-risk")
    assert result.exit_code == 1
    assert "answers patient-view as 'breast-risk'" in result.stderr


def test_a_refusal_is_shown_with_its_sentence_and_exit_code_1(service_url: str, hospital: str) -> None:
    """A FHIR server that is not on the client's list."""
    with serving(Flask("stranger")) as elsewhere:
        result = cds("call", service_url, "--patient", JAUNDICE, "--fhir", f"{elsewhere}/fhir")
    assert result.exit_code == 1
    assert "pancreas-risk: 403: " in result.stdout


def test_an_unknown_patient_is_a_refusal_too(service_url: str, hospital: str) -> None:
    result = cds("call", service_url, "--patient", "nobody", "--fhir", hospital)
    assert result.exit_code == 1
    assert "pancreas-risk: 412: " in result.stdout


@pytest.mark.parametrize("fhir", ["http://127.0.0.1:9/fhir", "nonsense"])
def test_a_fhir_server_that_is_not_there_is_one_sentence(service_url: str, fhir: str) -> None:
    result = cds("call", service_url, "--patient", JAUNDICE, "--fhir", fhir)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: the FHIR server {fhir} can't be read: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://[", "nonsense"])
def test_a_service_that_is_not_there_is_one_sentence(hospital: str, url: str) -> None:
    result = cds("call", url, "--patient", JAUNDICE, "--fhir", hospital)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1
    assert "Pool" not in result.stderr


@pytest.mark.parametrize("content", [{}, [], {"services": [{"id": "x"}]}, {"services": "x"}])
def test_what_is_no_discovery_document_is_one_sentence(hospital: str, content: object) -> None:
    app = Flask("other")
    app.add_url_rule("/cds-services", "discovery", lambda: jsonify(content))
    with serving(app) as address:
        result = cds("call", address, "--patient", JAUNDICE, "--fhir", hospital)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {address}/cds-services is no CDS Hooks discovery document\n"


def test_a_token_is_taken_from_the_environment_and_sent(hospital: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a command line anyone on the machine could read it."""
    from click.testing import CliRunner
    from flask import request

    from cds.cli import main

    seen: list[str | None] = []
    app = Flask("other")

    @app.get("/cds-services")
    def discovery() -> dict[str, Any]:
        return {"services": [{"id": "a", "hook": "patient-view", "title": "A", "description": "A"}]}

    @app.post("/cds-services/a")
    def answer() -> dict[str, Any]:
        seen.append(request.headers.get("Authorization"))
        return {"cards": []}

    with serving(app) as address:
        words = ["call", address, "--patient", JAUNDICE, "--fhir", hospital]
        assert CliRunner().invoke(main, words, env={"CDS_CALL_TOKEN": "secret.token.here"}).exit_code == 0
    assert seen == ["Bearer secret.token.here"]
