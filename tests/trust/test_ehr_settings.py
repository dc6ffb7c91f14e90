"""A way to sign in that can't be meant is refused with what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cds.errors import SettingsError
from cds.settings import load

FHIR = "https://ehr.example/fhir"


def settings(tmp_path: Path, backend: dict[str, Any], **client: Any) -> Any:
    empty = tmp_path / "cds.toml"
    empty.touch()
    given = {"issuer": FHIR, "jwks": {"keys": []}, "fhir_servers": [FHIR], "backend": backend, **client}
    return load(empty, clients={"ehr": given}, signing_keys=client.pop("keys", []))


@pytest.mark.parametrize(
    ("backend", "client", "said"),
    [
        ({}, {}, "give 'client_id', 'token_file', 'user' or, where mTLS is enough, 'certificate'"),
        ({"client_id": "a", "token_file": "t"}, {}, "give one of 'client_id', 'token_file' and 'user'"),
        ({"user": "u"}, {}, "'user' and a password belong together"),
        ({"user": "u", "password": "p", "password_file": "f"}, {}, "give 'password' or 'password_file', not both"),
        ({"token_file": "t", "certificate": "c"}, {}, "'certificate' and 'key' belong together"),
        ({"token_file": "t", "token_url": "https://x"}, {}, "'token_url' is asked with a 'client_id'"),
        ({"client_id": "a"}, {}, "needs 'signing_keys'; `cds site key FILE` makes one"),
        ({"token_file": "t"}, {"fhir_servers": ["http://ehr.example/fhir"]}, "must start with https://"),
        ({"token_file": "t"}, {"studies": {"token_file": "t"}}, "both say how to sign in; give one"),
    ],
)
def test_it_is_refused(tmp_path: Path, backend: dict[str, Any], client: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said.replace("(", r"\(")):
        settings(tmp_path, backend, **client)


def test_a_token_endpoint_without_tls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"backend.token_url: 'http://x' must start with https://"):
        settings(tmp_path, {"client_id": "a", "token_url": "http://x"})


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    assert "s3cret" not in repr(settings(tmp_path, {"user": "u", "password": "s3cret"}))
