"""Our own keys are published before they sign, named by themselves, and refused when they are weak or not private."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask.testing import FlaskClient
from joserfc.jwk import ECKey, RSAKey
from service import MakeApp, loopback

from cds.errors import SettingsError
from cds.trust.own_keys import OwnKeys

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENDPOINT = "https://ehr.example/token"
_SHORT = rsa.generate_private_key(65537, 1024).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def written(folder: Path, name: str, key: ECKey | RSAKey) -> Path:
    path = folder / name
    path.write_bytes(key.as_pem(private=True))
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The one that signs, and the one that will."""
    return [
        written(tmp_path, "first.pem", ECKey.generate_key("P-384")),
        written(tmp_path, "next.pem", RSAKey.generate_key(2048)),
    ]


def test_all_are_published_and_nothing_private_is(files: list[Path]) -> None:
    published = OwnKeys(files).jwks()["keys"]
    assert [key["alg"] for key in published] == ["ES384", "RS384"]
    assert len({key["kid"] for key in published}) == 2
    for key in published:
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)


def test_the_first_signs_and_whoever_has_the_published_set_can_check_it(files: list[Path]) -> None:
    for order in (files, files[::-1]):
        keys = OwnKeys(order)
        token = keys.assertion("cds", ENDPOINT, NOW)
        chosen = next(
            key
            for key in jwt.PyJWKSet.from_dict(keys.jwks()).keys
            if key.key_id == jwt.get_unverified_header(token)["kid"]
        )
        claims = jwt.decode(
            token, chosen, algorithms=["ES384", "RS384"], audience=ENDPOINT, options={"verify_exp": False}
        )
        assert claims["iss"] == claims["sub"] == "cds"
        assert claims["exp"] - claims["iat"] < 300
        assert chosen.key_id == keys.jwks()["keys"][0]["kid"]


def test_each_assertion_has_an_id_of_its_own(files: list[Path]) -> None:
    ids = {jwt.decode(OwnKeys(files).assertion("cds", ENDPOINT, NOW), options={"verify_signature": False})["jti"]}
    ids |= {jwt.decode(OwnKeys(files).assertion("cds", ENDPOINT, NOW), options={"verify_signature": False})["jti"]}
    assert len(ids) == 2


def test_a_replaced_file_signs_from_then_on(files: list[Path]) -> None:
    keys = OwnKeys(files)
    before = keys.jwks()["keys"][0]["kid"]
    files[0].write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    assert keys.jwks()["keys"][0]["kid"] != before


@pytest.mark.parametrize(
    "content",
    [
        ECKey.generate_key("P-384").as_pem(private=False),
        ECKey.generate_key("P-256").as_pem(private=True),
        _SHORT,
        b"no key",
    ],
    ids=["public", "a weaker curve", "short", "something else"],
)
def test_what_can_not_sign_is_refused_at_the_start(make_app: MakeApp, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"signing_keys: .* holds no private key that can be used"):
        make_app(**loopback(), signing_keys=[path])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"signing_keys: .*nowhere\.pem can't be read"):
        OwnKeys([tmp_path / "nowhere.pem"]).jwks()


def test_whoever_asks_gets_the_public_halves(make_app: MakeApp, files: list[Path]) -> None:
    answer = make_app(**loopback(), signing_keys=files).test_client().get("/.well-known/jwks.json")
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert json.loads(answer.data) == OwnKeys(files).jwks()
    assert answer.headers["Cache-Control"] == "max-age=300"


def test_where_there_are_none_the_set_is_empty(client: FlaskClient) -> None:
    assert client.get("/.well-known/jwks.json").get_json() == {"keys": []}
