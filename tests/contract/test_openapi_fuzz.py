"""The contract, fuzzed: whatever is sent, the answer is one that openapi.yaml describes, and never a 5xx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from flask import Flask
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from service import MakeApp, loopback

FILE = Path(__file__).resolve().parents[2] / "openapi.yaml"

# the same inputs in every run: a failure can be repeated
CONFIG: dict[str, Any] = {
    "seed": 20261123,
    "generation": {"with-security-parameters": False, "deterministic": True, "max-examples": 150, "database": "none"},
}

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


schema = schemathesis.openapi.from_dict(
    yaml.safe_load(FILE.read_text(encoding="utf-8")), config=SchemathesisConfig.from_dict(CONFIG)
)


SECRET = "the-fuzzer-knows-the-notification-secret"


@pytest.fixture(scope="module")
def app(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """One whose notifications the fuzzer may send."""
    path = tmp_path_factory.mktemp("secret") / "secret"
    path.write_text(SECRET, encoding="utf-8")
    return make_app(**loopback(studies={"notify_secret_file": path}))


def from_this_machine(app: Flask) -> Any:
    """As a loopback client calls it: the fuzzer does not say where it is, and a stranger gets no further than 401."""
    return lambda environ, start: app.wsgi_app({**environ, "REMOTE_ADDR": "127.0.0.1"}, start)


@schema.parametrize()
@pytest.mark.threat("bad-input")
def test_every_answer_is_one_the_contract_describes(case: schemathesis.Case[Any], app: Flask) -> None:
    called = from_this_machine(app)
    known = {"Authorization": f"Bearer {SECRET}"} if "/notifications" in case.path else {}
    answer = case.call(app=called, headers=known)
    # a report opens with its own cookie alone
    assert answer.status_code != 401 or case.path.startswith("/report/"), "the fuzzer stands before the door"
    case.validate_response(answer, checks=CHECKS, transport_kwargs={"app": called})
