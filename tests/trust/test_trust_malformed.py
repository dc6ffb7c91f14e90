"""Whatever a stranger or a key server sends, the answer is a refusal, never another error."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import example, given, settings
from hypothesis import strategies as st
from service import Keys
from signing_hospital import CALLED, ISSUER, Hospital

from cds.errors import NotAuthenticated, SettingsError
from cds.settings import load
from cds.trust import Authenticator
from cds.trust.keyset import KeySet, parse_key_set, read_key_set

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CLAIMS = ("iss", "aud", "exp", "iat", "nbf", "jti", "sub", "tenant")
# no deadline: how long one example takes says more about the machine than about the code
quick = settings(max_examples=100, deadline=None)
HEADERS = ("alg", "typ", "kid", "jku", "crit", "b64", "zip", "x5u", "jwk", "cty")


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def hospital(client_keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    empty = tmp_path_factory.mktemp("settings") / "cds.toml"
    empty.touch()

    def make(**given: Any) -> Any:
        return load(Path(empty), **{"public_url": "https://cds.hospital.example/prefix", **given})

    return Hospital(make, client_keys)


@pytest.fixture(scope="module")
def door(hospital: Hospital) -> Authenticator:
    return hospital.one_client()


def refuses(door: Authenticator, authorization: str) -> None:
    with pytest.raises(NotAuthenticated):
        door.authenticate(authorization, path=CALLED, remote_addr="192.0.2.1")


@given(st.text(st.characters(exclude_categories=()), max_size=60))
@example("Bearer \ud800.a.b")
@example("Bearer ٣.٣.٣")
@quick
@pytest.mark.threat("forged-token")
def test_any_text_as_a_header_is_refused(door: Authenticator, text: str) -> None:
    refuses(door, text)
    refuses(door, f"Bearer {text}")


@given(st.lists(st.text("AQIDewoifQ-_e30", max_size=40), min_size=3, max_size=3))
@example(["e30", "e30", "A"])
@example(["eyJhbGciOiJSUzM4NCJ9", "", "AA"])
@quick
@pytest.mark.threat("forged-token")
def test_any_three_parts_are_refused(door: Authenticator, parts: list[str]) -> None:
    refuses(door, f"Bearer {'.'.join(parts)}")


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
@quick
@pytest.mark.threat("forged-token")
def test_any_bytes_as_parts_are_refused(door: Authenticator, parts: list[bytes]) -> None:
    refuses(door, "Bearer " + ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts))


@given(
    st.dictionaries(st.sampled_from(HEADERS), JSON),
    st.dictionaries(st.sampled_from(CLAIMS), JSON),
    st.sampled_from(["RS384", "ES384"]),
)
@quick
@pytest.mark.threat("forged-token")
def test_a_token_that_nobody_signed_is_refused(
    door: Authenticator, header: dict[str, Any], claims: dict[str, Any], alg: str
) -> None:
    head = {"alg": alg, "kid": {"RS384": "rsa+key/1==", "ES384": "ec-key-1"}[alg], **header}
    refuses(door, f"Bearer {encoded(head)}.{encoded({'iss': ISSUER, **claims})}.AAAA")


@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, min_size=1))
@quick
def test_signed_claims_of_any_kind_are_accepted_or_refused(
    hospital: Hospital, door: Authenticator, claims: dict[str, Any]
) -> None:
    """The client's own faults, signed with its own key."""
    token = hospital.token("ES384").split(".")
    good = json.loads(base64.urlsafe_b64decode(token[1] + "=="))
    signed = f"{token[0]}.{encoded({**good, **claims})}"
    signature = jwt.algorithms.ECAlgorithm(hashes.SHA384).sign(signed.encode(), hospital.keys.ec)
    text = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    try:
        caller = hospital.call(door, text)
    except NotAuthenticated:
        return
    assert caller.name == "ehr" and set(claims) <= {"sub", "tenant", "jti", "nbf"}


# key sets

_KEY = st.dictionaries(
    st.sampled_from(["kty", "crv", "n", "e", "x", "y", "d", "kid", "alg", "use", "key_ops", "k", "x5c"]),
    JSON | st.sampled_from(["RSA", "EC", "oct", "P-384", "P-256", "AQAB", "sig", "RS384", "ES384", ["verify"]]),
)


@given(st.lists(_KEY, max_size=3))
@quick
def test_any_keys_are_read_or_left_out(keys: list[dict[str, Any]]) -> None:
    found = parse_key_set({"keys": keys})
    assert len(found.keys) + len(found.rejected) == len(keys)


@given(JSON | st.dictionaries(st.just("keys"), JSON))
@quick
def test_anything_is_a_key_set_or_a_settings_error(jwks: Any) -> None:
    try:
        assert isinstance(parse_key_set(jwks), KeySet)
    except SettingsError:
        return


@given(st.binary(max_size=60))
@example(b"\xff")
@example(b'{"keys":' + b"[" * 5000)
@quick
def test_any_bytes_are_a_key_set_or_a_settings_error(body: bytes) -> None:
    try:
        assert isinstance(read_key_set(body), KeySet)
    except SettingsError:
        return


@pytest.mark.parametrize(
    "change",
    [
        {"key_ops": None},
        {"key_ops": 5},
        {"key_ops": "verify"},
        {"key_ops": {}},
        {"use": None},
        {"alg": ["RS384"]},
        {"kty": ["RSA"]},
        {"e": "Ag"},
        {"e": "AA"},
        {"n": "AQAB" * 20_000},
        {"kid": ["a"]},
    ],
)
def test_one_odd_key_does_not_spoil_the_others(client_keys: Keys, change: dict[str, Any]) -> None:
    rsa, ec = client_keys.public_set()["keys"]
    found = parse_key_set({"keys": [{**rsa, **change}, ec]})
    assert found.kids == ("ec-key-1",)
    assert len(found.rejected) == 1 and found.rejected[0].startswith("key 1: ")


@pytest.mark.parametrize("kind", ["rsa", "ec"])
@pytest.mark.threat("foreign-key")
def test_a_private_key_in_a_set_is_not_used(client_keys: Keys, kind: str) -> None:
    alg = {"rsa": "RS384", "ec": "ES384"}[kind]
    private = jwt.algorithms.get_default_algorithms()[alg].to_jwk(client_keys.private(alg), as_dict=True)
    private.pop("key_ops", None)
    assert "d" in private
    found = parse_key_set({"keys": [{**private, "kid": "a"}]})
    assert found.keys == () and "private key" in found.rejected[0]
    assert private["d"] not in found.rejected[0]
