"""The ``smart`` block: what would be unsafe or ambiguous stops the start, with a sentence that says how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds.errors import SettingsError
from cds.settings import load
from cds.trust.smart import bases

BASE = "https://ehr.example/fhir"


def settings(tmp_path: Path, smart: dict[str, Any] | None = None, **changes: Any) -> Any:
    empty = tmp_path / "cds.toml"
    empty.touch()
    client = {"issuer": "https://iss.example/x", "jku": "https://ehr.example/keys", "fhir_servers": [BASE]}
    north = {**client, "smart": {"client_id": "report", **(smart or {})}, **changes.pop("client", {})}
    others = changes.pop("others", {})
    return load(empty, **{"public_url": "https://cds.example", "clients": {"north": north, **others}, **changes})


def test_the_defaults_are_safe(tmp_path: Path) -> None:
    found = settings(tmp_path)
    smart = found.clients["north"].smart
    assert smart.scopes == ("launch", "openid", "fhirUser", "patient/*.read")
    assert (smart.link_hours, smart.session_minutes, smart.embedded) == (72, 60, False)
    assert bases(found.clients["north"]) == ("https://ehr.example", "https://iss.example")
    assert not found.bare_cookies


def test_what_is_allowed_is_what_is_written(tmp_path: Path) -> None:
    found = settings(tmp_path, {"allowed": ["https://login.example/oauth"]})
    assert bases(found.clients["north"]) == ("https://login.example/oauth",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"smart": {"secret": "a", "key_file": "b"}}, "give one of"),
        ({"smart": {"key_id": "k"}}, "'key_id' names the key"),
        ({"smart": {"client_id": ""}}, "client_id"),
        (
            {"smart": {"allowed": ["http://login.example"]}},
            "smart.allowed: 'http://login.example' must start with https",
        ),
        ({"public_url": "http://cds.example"}, "public_url: 'http://cds.example' must start with https"),
        ({"client": {"fhir_servers": ["http://ehr.example/fhir"]}}, "fhir_servers: 'http://ehr.example/fhir'"),
        ({"client": {"fhir_servers": []}}, "'fhir_servers' must be listed"),
        ({"smart": {"scope": []}}, "did you mean 'scopes'"),
        ({"smart": {"link_hours": 0}}, "link_hours"),
    ],
)
def test_what_would_be_unsafe_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, **changes)


def test_two_clients_on_one_server_are_refused(tmp_path: Path) -> None:
    south = {"issuer": "https://s.example", "jku": "https://s.example/keys", "fhir_servers": [BASE + "/"]}
    with pytest.raises(SettingsError, match="list the same FHIR server"):
        settings(tmp_path, others={"south": south})


@pytest.mark.parametrize(
    ("environment", "url", "bare"),
    [
        ("demo", "http://127.0.0.1:8080", True),
        ("demo", "https://127.0.0.1:8080", False),
        ("demo", "https://cds.example", False),
        ("production", "http://127.0.0.1:8080", False),
    ],
)
def test_cookies_go_bare_in_a_demonstration_on_this_machine_only(
    tmp_path: Path, environment: str, url: str, bare: bool
) -> None:
    assert settings(tmp_path, environment=environment, public_url=url).bare_cookies is bare
