"""``cds call`` against servers of others: whatever they answer is shown, or said to be no answer, in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import Result
from command_line import cds, serving
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flask import Flask, Response, request


@dataclass
class Other:
    """A CDS server and a FHIR server in one, that answer as told."""

    address: str = ""
    services: Any = field(default_factory=lambda: [{"id": "s", "hook": "patient-view", "description": "d"}])
    answer: Any = field(default_factory=lambda: {"cards": []})
    status: int = 200
    calls: Any = None
    came: dict[str, Any] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)

    def call(self, *more: str | Path) -> Result:
        return cds("call", self.address, "--patient", "p", "--fhir", f"{self.address}/fhir", *more)


@pytest.fixture
def other() -> Iterator[Other]:
    app, told = Flask("other"), Other()

    def heard() -> None:
        told.tokens.append(request.headers.get("Authorization", "").removeprefix("Bearer "))

    @app.get("/cds-services")
    def discovery() -> Response:
        heard()
        return Response(json.dumps({"services": told.services}), content_type="application/json")

    @app.get("/calls/<instance>")
    def calls(instance: str) -> Response:
        return Response(json.dumps(told.calls), content_type="application/json")

    @app.post("/cds-services/<path:service>")
    def call(service: str) -> Response:
        heard()
        told.came = request.get_json()
        body = told.answer if isinstance(told.answer, str) else json.dumps(told.answer)
        return Response(body, status=told.status, content_type="application/json")

    @app.get("/fhir/<kind>/<id>")
    def read(kind: str, id: str) -> dict[str, str]:
        return {"resourceType": kind, "id": id}

    with serving(app) as told.address:
        yield told


@pytest.mark.parametrize("answer", ["<html>sign in</html>", "null", "[]", "{}", '{"cards": null}', '{"cards": {}}', ""])
def test_what_is_no_answer_of_cds_hooks_is_said_to_be_none(other: Other, answer: str) -> None:
    other.answer = answer
    result = other.call()
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert "s: 200: no answer of CDS Hooks, which is an object with an array of cards:" in result.stdout
    assert "nothing to say" not in result.stdout


@pytest.mark.parametrize("status", [204, 302])
def test_another_status_is_none_either(other: Other, status: int) -> None:
    other.status = status
    assert other.call().exit_code == 1


def test_a_card_that_is_odd_is_shown_as_far_as_it_can_be(other: Other) -> None:
    odd = {
        "summary": 5,
        "indicator": None,
        "source": "x",
        "suggestions": [{"label": None}, "y"],
        "overrideReasons": [{"code": "why"}, 7],
        "detail": ["a"],
        "links": "z",
    }
    good = {"summary": "[red]See[/red] this", "indicator": "hard-stop", "source": {"label": "[b]L", "topic": "t"}}
    other.answer = {
        "cards": ["x", odd, None, good],
        "systemActions": [{"type": "create", "description": "an order"}],
    }
    result = other.call()
    assert result.exit_code == 0, result.output
    for words in ("[red]See[/red] this", "[b]L", "HARD-STOP", "Override: why", "2 more that are no cards"):
        assert words in result.stdout
    assert "Done without being asked (systemActions): create: an order" in result.stdout


@pytest.mark.parametrize("answers", [True, False])
def test_what_a_terminal_would_act_on_is_shown_as_text(other: Other, answers: bool) -> None:
    """Colours and cursors of a server's own could hide what it says, and brackets are none of ours."""
    other.services = [{"id": "s[/b]", "hook": "patient-view"}]
    card = {"summary": "a\x1b[2Jb", "detail": "c\x1b]0;d\x07", "source": {"label": "\x9b31m"}}
    other.answer = {"cards": [card]} if answers else "\x1b[2J<html>"
    result = other.call()
    assert isinstance(result.exception, SystemExit | None)
    assert result.exit_code == (0 if answers else 1) and "s[/b]" in result.stdout
    assert re.findall(r"[^\n\x20-\x7e\xa0-\U0010ffff]", result.stdout) == []


def test_why_a_card_was_held_back_is_told_in_the_server_s_words(other: Other) -> None:
    other.calls = {"calls": [{"service": "s", "heldBack": [{"label": "Risk", "reason": "over {the} limit"}]}]}
    result = other.call()
    assert result.exit_code == 0, result.output
    assert "Held back: Risk (): over {the} limit." in result.stdout


def test_a_service_that_is_none_spoils_no_other(other: Other) -> None:
    other.services = [5, {"id": 7, "hook": "patient-view"}, *other.services, {"hook": "patient-view"}]
    result = other.call()
    assert result.exit_code == 0, result.output
    assert "No cards: nothing to say." in result.stdout


def test_prefetch_that_can_not_be_filled_in_is_left_out(other: Other) -> None:
    other.services[0]["prefetch"] = {
        "patient": "Patient/{{context.patientId}}",
        "user": "Practitioner/{{userPractitionerId}}",
        "none": 7,
    }
    assert other.call().exit_code == 0
    assert other.came["prefetch"] == {"patient": {"resourceType": "Patient", "id": "p"}}
    other.services[0]["prefetch"] = None
    assert other.call().exit_code == 0
    assert other.came["prefetch"] == {}


def test_discovery_is_signed_as_well_and_for_its_own_address(other: Other, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert other.call("--key", pem, "--issuer", "https://ehr.test").exit_code == 0
    claims = [jwt.decode(t, options={"verify_signature": False}) for t in other.tokens]
    assert [c["aud"] for c in claims] == [f"{other.address}/cds-services", f"{other.address}/cds-services/s"]
    assert claims[0]["jti"] != claims[1]["jti"]
