"""The contract, fuzzed: whatever is sent, the answer is one that openapi.yaml describes, and never a 5xx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
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

from cds import yaml_lines
from cds.committee.accounts import Accounts

FILE = Path(__file__).resolve().parents[2] / "openapi.yaml"

# the same inputs in every run: a failure can be repeated
CONFIG: dict[str, Any] = {
    "seed": 20261123,
    "generation": {"with-security-parameters": False, "deterministic": True, "max-examples": 150, "database": "none"},
    # pages and sheets are drawn for each, and what is sent decides little of them
    "operations": [{"include-path-regex": "^/committee/", "generation": {"max-examples": 6}}],
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
    yaml_lines.plain(FILE.read_text(encoding="utf-8")), config=SchemathesisConfig.from_dict(CONFIG)
)


SECRET = "the-fuzzer-knows-the-notification-secret"
MEMBER = {"name": "A. Bee", "password": "correct-horse-battery"}


@pytest.fixture(scope="module")
def app(make_app: MakeApp, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """One whose notifications the fuzzer may send, and whose console it may enter."""
    folder = tmp_path_factory.mktemp("secret")
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    Accounts(folder / "accounts.yaml").put(**MEMBER, role="member")
    console = {"accounts_file": folder / "accounts.yaml"}
    return make_app(**loopback(studies={"notify_secret_file": folder / "secret"}), committee={"console": console})


@pytest.fixture(scope="module")
def session(app: Flask) -> str:
    """Of a member, as a browser sends it."""
    answer = app.test_client().post("/committee/sign-in", data=MEMBER)
    assert answer.status_code == 303, answer.text
    return answer.headers["Set-Cookie"].split(";")[0]


def from_this_machine(app: Flask, **more: str) -> Any:
    """As a loopback client calls it: the fuzzer does not say where it is, and a stranger gets no further than 401."""
    return lambda environ, start: app.wsgi_app({**environ, "REMOTE_ADDR": "127.0.0.1", **more}, start)


@schema.parametrize()
@pytest.mark.threat("bad-input")
def test_every_answer_is_one_the_contract_describes(case: schemathesis.Case[Any], app: Flask, session: str) -> None:
    # who signs out does so with a session of nobody's, or all that follow would stand before the door
    inside = case.path.startswith("/committee/") and case.path != "/committee/sign-out"
    called = from_this_machine(app, **({"HTTP_COOKIE": session} if inside else {}))
    known = {"Authorization": f"Bearer {SECRET}"} if "/notifications" in case.path else {}
    answer = case.call(app=called, headers=known)
    led_away = answer.headers.get("location", [""])[0].endswith("/committee/sign-in")
    assert not (inside and led_away), "the fuzzer stands before the console's door"
    # a report opens with its own cookie alone
    assert answer.status_code != 401 or case.path.startswith("/report/"), "the fuzzer stands before the door"
    case.validate_response(answer, checks=CHECKS, transport_kwargs={"app": called})
