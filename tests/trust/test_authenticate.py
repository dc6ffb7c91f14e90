"""Who may call: every rule of a CDS client's JWT, with real keys and signatures."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from service import Keys
from signing_hospital import CALLED, ISSUER, PUBLIC, Hospital

from cds.errors import LedgerError, NotAuthenticated, SettingsError
from cds.trust import Authenticator, KeyStore
from cds.trust.authenticate import is_loopback


def refused(hospital: Hospital, token: str, because: str, **client: Any) -> str:
    with pytest.raises(NotAuthenticated, match=because) as error:
        hospital.call(hospital.one_client(**client), token)
    return str(error.value)


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes, digest: str = "sha384") -> str:
    """A token put together by hand: libraries refuse to make these."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.new(secret, b".".join(parts), digest).digest() if secret else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@pytest.fixture
def claims(hospital: Hospital) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(hospital.token(), options={"verify_signature": False})
    return found


# a good call


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_a_signed_call_is_its_clients(hospital: Hospital, alg: str) -> None:
    caller = hospital.call(hospital.one_client(), hospital.token(alg))
    assert (caller.name, caller.client.issuer, caller.subject) == ("ehr", ISSUER, None)


def test_what_epic_sends_is_accepted(hospital: Hospital) -> None:
    at = int(hospital.now().timestamp())
    token = hospital.token(iat=at, nbf=at - 300, exp=at + 900, sub="a-client-id", header={"jku": "https://epic/keys"})
    assert hospital.keys.kids["RS384"] == "rsa+key/1=="
    assert hospital.call(hospital.one_client(), token).subject == "a-client-id"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_the_scheme_is_read_without_regard_to_case(hospital: Hospital, scheme: str) -> None:
    door = hospital.one_client()
    caller = door.authenticate(f"{scheme} {hospital.token()}", path=CALLED, remote_addr="192.0.2.1")
    assert caller.name == "ehr"


@pytest.mark.parametrize("subject", [7, ["a"], {"b": 1}, ""])
def test_a_strange_subject_is_ignored(hospital: Hospital, subject: Any) -> None:
    assert hospital.call(hospital.one_client(), hospital.token(sub=subject)).subject in (None, "")


# not a token at all


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer abc",
        "Bearer a.b",
        "Bearer a.b.c",
        "Bearer a.b.c.d",
        "Basic dXNlcjpwYXNz",
        "Bearer " + "a" * 20_000 + ".b.c",
        "Bearer e30.e30.e30, Bearer e30.e30.e30",
        "Bearer " + base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=").decode() + ".e30.e30",
        "Bearer e30." + base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=").decode() + ".e30",
        "Bearer e30." + base64.urlsafe_b64encode(b'{"iss":' + b"9" * 6000 + b"}").rstrip(b"=").decode() + ".e30",
        "Bearer e30.W10.e30",
        "Bearer W10.e30.e30",
    ],
)
@pytest.mark.threat("forged-token")
def test_anything_else_in_the_header_is_refused(hospital: Hospital, authorization: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        hospital.one_client().authenticate(authorization, path=CALLED, remote_addr="192.0.2.1")


# algorithms and keys


@pytest.mark.threat("forged-token")
def test_none_is_refused(hospital: Hospital, claims: dict[str, Any]) -> None:
    for alg in ("none", "None", "NONE", "", None):
        header = {"alg": alg, "typ": "JWT"}
        refused(hospital, forged(header, claims, b"any"), "alg")
        refused(hospital, forged(header, claims, b""), "holds no bearer JWT")


@pytest.mark.threat("algorithm-confusion")
def test_a_public_key_is_no_hmac_secret(hospital: Hospital, claims: dict[str, Any]) -> None:
    public = hospital.keys.rsa.public_key()
    for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1):
        secret = public.public_bytes(Encoding.PEM, form)
        token = forged({"alg": "HS384", "typ": "JWT", "kid": hospital.keys.kids["RS384"]}, claims, secret)
        refused(hospital, token, "alg 'HS384' is not one of RS384, ES384")


@pytest.mark.threat("algorithm-confusion")
def test_the_key_decides_the_algorithm(hospital: Hospital) -> None:
    refused(hospital, hospital.token("RS384", header={"kid": hospital.keys.kids["ES384"]}), "has no RS384 key")
    refused(hospital, hospital.token("ES384", header={"kid": hospital.keys.kids["RS384"]}), "has no ES384 key")


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS384"])
@pytest.mark.threat("algorithm-confusion")
def test_other_algorithms_of_a_good_key_are_refused(hospital: Hospital, alg: str) -> None:
    token = hospital.token(alg, header={"kid": hospital.keys.kids["RS384"]})
    refused(hospital, token, f"alg '{alg}'")


def test_a_client_may_be_held_to_one_algorithm(hospital: Hospital) -> None:
    refused(hospital, hospital.token("RS384"), "alg 'RS384' is not one of ES384", algorithms=["ES384"])
    assert hospital.call(hospital.one_client(algorithms=["ES384"]), hospital.token("ES384")).name == "ehr"


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
@pytest.mark.threat("forged-token")
def test_a_strangers_signature_is_refused(hospital: Hospital, alg: str) -> None:
    refused(hospital, hospital.token(alg, key=Keys().private(alg)), "signature not verified")


@pytest.mark.threat("forged-token")
def test_a_changed_claim_breaks_the_signature(hospital: Hospital, claims: dict[str, Any]) -> None:
    head, _, signature = hospital.token().split(".")
    payload = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "another"}).encode()).rstrip(b"=").decode()
    refused(hospital, f"{head}.{payload}.{signature}", "signature not verified: InvalidSignature")


@pytest.mark.threat("forged-token")
def test_one_clients_key_is_no_good_for_another(hospital: Hospital) -> None:
    other = Keys()
    door = hospital.authenticator(
        {
            "ehr": {"issuer": ISSUER, "jwks": hospital.keys.public_set()},
            "other": {"issuer": "https://other.example", "jwks": other.public_set()},
        }
    )
    with pytest.raises(NotAuthenticated, match="signature"):
        hospital.call(door, hospital.token(key=other.rsa))
    assert hospital.call(door, hospital.token(iss="https://other.example", key=other.rsa)).name == "other"


def test_a_token_names_its_key_unless_there_is_only_one(hospital: Hospital) -> None:
    both = hospital.keys.public_set()
    lone = {"keys": [key for key in both["keys"] if key["kty"] == "RSA"]}
    refused(hospital, hospital.token(header={"kid": None}), "names no kid")
    assert hospital.call(hospital.one_client(jwks=lone), hospital.token(header={"kid": None})).name == "ehr"
    refused(hospital, hospital.token(header={"kid": "another"}), "has no RS384 key with the kid", jwks=lone)
    del lone["keys"][0]["kid"]
    assert hospital.call(hospital.one_client(jwks=lone), hospital.token()).name == "ehr"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "Jwt", None])
def test_typ_is_jwt_or_left_out(hospital: Hospital, typ: str | None) -> None:
    assert hospital.call(hospital.one_client(), hospital.token(header={"typ": typ})).name == "ehr"


@pytest.mark.parametrize("typ", ["at+jwt", "JOSE", "JWS", "dpop+jwt", 7])
@pytest.mark.threat("wrong-audience")
def test_a_token_made_for_something_else_is_refused(hospital: Hospital, typ: Any) -> None:
    refused(hospital, hospital.token(header={"typ": typ}), "typ is not JWT")


@pytest.mark.threat("forged-token")
def test_critical_extensions_are_refused(hospital: Hospital) -> None:
    with pytest.raises(NotAuthenticated):
        hospital.call(hospital.one_client(), hospital.token(header={"crit": ["exp"], "exp": 1}))


# issuer, tenant, audience


@pytest.mark.parametrize("iss", [ISSUER + "/", ISSUER.upper(), ISSUER + " ", "https://elsewhere.example", "*", ""])
@pytest.mark.threat("wrong-audience")
def test_the_issuer_is_compared_exactly(hospital: Hospital, iss: str) -> None:
    refused(hospital, hospital.token(iss=iss), "iss")


def test_an_issuer_that_is_no_text_is_refused(hospital: Hospital, claims: dict[str, Any]) -> None:
    for iss in ([ISSUER], {"a": 1}, 7, None, True):
        refused(hospital, forged({"alg": "RS384", "kid": "k"}, {**claims, "iss": iss}, b"x"), "iss is missing")


def test_a_client_with_a_tenant_wants_it(hospital: Hospital) -> None:
    refused(hospital, hospital.token(), "tenant is not the client's", tenant="north")
    refused(hospital, hospital.token(tenant="south"), "tenant is not the client's", tenant="north")
    assert hospital.call(hospital.one_client(tenant="north"), hospital.token(tenant="north")).name == "ehr"
    assert hospital.call(hospital.one_client(), hospital.token(tenant="any")).name == "ehr"


@pytest.mark.threat("wrong-audience")
def test_tenants_of_one_issuer_are_told_apart(hospital: Hospital) -> None:
    door = hospital.authenticator(
        {name: {"issuer": ISSUER, "tenant": name, "jwks": hospital.keys.public_set()} for name in ("north", "south")}
    )
    assert hospital.call(door, hospital.token(tenant="south")).name == "south"
    assert hospital.call(door, hospital.token(tenant="north")).name == "north"
    for tenant in (None, "west", ["north"], {"north": 1}):
        with pytest.raises(NotAuthenticated, match="no client has this issuer and tenant"):
            hospital.call(door, hospital.token(tenant=tenant))


@pytest.mark.parametrize("tenants", [(None, None), ("a", "a"), (None, "a"), ("a", None)])
def test_clients_that_cannot_be_told_apart_are_a_settings_error(
    hospital: Hospital, tenants: tuple[str | None, str | None]
) -> None:
    clients = {
        name: {"issuer": ISSUER, "tenant": tenant, "jwks": hospital.keys.public_set()}
        for name, tenant in zip(("one", "two"), tenants, strict=True)
    }
    with pytest.raises(SettingsError, match="'one' and 'two' have the same issuer"):
        hospital.authenticator(clients)


AUDIENCES = {
    "/cds-services": [f"{PUBLIC}/cds-services", f"{PUBLIC}/cds-services/"],
    "/cds-services/risk": [f"{PUBLIC}/cds-services/risk", f"{PUBLIC}/cds-services/risk/"],
    "/cds-services/risk/feedback": [f"{PUBLIC}/cds-services/risk", f"{PUBLIC}/cds-services/risk/feedback"],
}


@pytest.mark.parametrize(("path", "aud"), [(path, aud) for path, good in AUDIENCES.items() for aud in good])
def test_the_audience_is_the_address_called(hospital: Hospital, path: str, aud: str) -> None:
    door = hospital.one_client()
    assert hospital.call(door, hospital.token(aud=aud), path).name == "ehr"
    assert hospital.call(door, hospital.token(aud=["https://elsewhere.example", aud]), path).name == "ehr"


@pytest.mark.parametrize(
    ("path", "aud"),
    [
        (CALLED, "https://elsewhere.example/cds-services/risk"),
        (CALLED, PUBLIC),
        (CALLED, f"{PUBLIC}/cds-services"),
        (CALLED, f"{PUBLIC}/cds-services/other"),
        (CALLED, f"{PUBLIC}/cds-services/risk/feedback"),
        (CALLED, f"{PUBLIC}/cds-services/risk//"),
        (CALLED, f"{PUBLIC}/cds-services/risk?x=1"),
        (CALLED, "https://cds.hospital.example/cds-services/risk"),
        (CALLED, CALLED),
        (CALLED, ""),
        (CALLED, []),
        (CALLED, None),
        (CALLED, {"aud": f"{PUBLIC}{CALLED}"}),
        (CALLED, [f"{PUBLIC}{CALLED}", 7]),
        ("/cds-services", f"{PUBLIC}/cds-services/risk"),
        ("/cds-services/risk/feedback", f"{PUBLIC}/cds-services"),
    ],
)
@pytest.mark.threat("wrong-audience")
def test_a_token_for_another_address_is_refused(hospital: Hospital, path: str, aud: Any) -> None:
    with pytest.raises(NotAuthenticated, match="aud"):
        hospital.call(hospital.one_client(), hospital.token(aud=aud), path)


# time


@pytest.mark.parametrize(
    ("times", "because"),
    [
        ({"exp": -31, "iat": -300}, "expired 31 s ago"),
        ({"exp": -30, "iat": -300}, "expired"),
        ({"iat": 31, "exp": 300}, "issued in the future"),
        ({"nbf": 31}, "not valid yet"),
        ({"iat": 0, "exp": 3601}, "lives 3601 s"),
        ({"iat": -3000, "exp": 601}, "lives 3601 s"),
        ({"iat": 10, "exp": 5}, "lives -5 s"),
        ({"iat": 0, "exp": 0}, "lives 0 s"),
    ],
)
@pytest.mark.threat("wrong-audience")
def test_times_out_of_line_are_refused(hospital: Hospital, times: dict[str, int], because: str) -> None:
    at = int(hospital.now().timestamp())
    refused(hospital, hospital.token(**{name: at + offset for name, offset in times.items()}), because)


@pytest.mark.parametrize(
    "times", [{"exp": -29, "iat": -300}, {"iat": 30}, {"nbf": 30}, {"exp": 3600}, {"iat": -0.5, "exp": 60.25}]
)
def test_clocks_may_differ_by_half_a_minute(hospital: Hospital, times: dict[str, float]) -> None:
    at = int(hospital.now().timestamp())
    token = hospital.token(**{name: at + offset for name, offset in times.items()})
    assert hospital.call(hospital.one_client(), token).name == "ehr"


@pytest.mark.parametrize("claim", ["exp", "iat", "jti", "aud", "iss"])
def test_required_claims_are_required(hospital: Hospital, claim: str) -> None:
    refused(hospital, hospital.token(**{claim: None}), claim)


@pytest.mark.parametrize("value", ["1700000000", True, [], -1, 0, 10**30, 1e300])
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
def test_a_time_is_a_sensible_number(hospital: Hospital, claim: str, value: Any) -> None:
    refused(hospital, hospital.token(**{claim: value}), claim)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_time_that_json_does_not_know_is_refused(hospital: Hospital, value: float) -> None:
    refused(hospital, hospital.token(exp=value), "payload is not JSON|exp")


@pytest.mark.threat("forged-token")
def test_a_token_has_one_spelling_only(hospital: Hospital) -> None:
    """The last character of a part has bits that mean nothing; a token spelt otherwise is not the token."""
    head, body, signature = hospital.token().split(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = signature[:-1] + alphabet[alphabet.index(signature[-1]) ^ 1]  # 256 octets leave four bits over
    with pytest.raises(NotAuthenticated, match="signature is not base64url in canonical form"):
        hospital.call(hospital.one_client(), f"{head}.{body}.{other}")


@pytest.mark.parametrize("b64", [False, 0, None])
@pytest.mark.threat("forged-token")
def test_a_payload_that_is_not_encoded_is_refused(hospital: Hospital, claims: dict[str, Any], b64: Any) -> None:
    with pytest.raises(NotAuthenticated, match="extension"):
        hospital.call(hospital.one_client(), forged({"alg": "RS384", "kid": "k", "b64": b64}, claims, b"x"))


# used tokens


def test_a_token_is_good_for_one_call(hospital: Hospital) -> None:
    door, token = hospital.one_client(), hospital.token()
    hospital.call(door, token)
    with pytest.raises(NotAuthenticated, match="used before"):
        hospital.call(door, token)


@pytest.mark.threat("replayed-token")
def test_a_used_token_is_remembered_until_it_can_no_longer_be_sent(hospital: Hospital) -> None:
    at = int(hospital.now().timestamp())
    hospital.call(hospital.one_client(), hospital.token(exp=at + 300, jti="one"))
    assert hospital.book.used[ISSUER, "one"] == datetime.fromtimestamp(at, UTC) + timedelta(seconds=330)


def test_a_refused_token_does_not_use_up_its_jti(hospital: Hospital) -> None:
    door = hospital.one_client()
    for bad in (
        hospital.token(jti="one", key=Keys().rsa),
        hospital.token(jti="one", aud="https://elsewhere.example"),
        hospital.token(jti="one", exp=1),
    ):
        with pytest.raises(NotAuthenticated):
            hospital.call(door, bad)
    assert hospital.call(door, hospital.token(jti="one")).name == "ehr"


@pytest.mark.parametrize("jti", ["", 7, ["a"], "x" * 2000])
def test_a_jti_is_a_short_text(hospital: Hospital, jti: Any) -> None:
    refused(hospital, hospital.token(jti=jti), "jti")


@pytest.mark.threat("replayed-token")
def test_no_call_is_answered_when_replay_cannot_be_ruled_out(hospital: Hospital) -> None:
    def unknown(issuer: str, jti: str, expires: datetime) -> bool:
        raise LedgerError("no book can be written")

    made = hospital.make_settings(clients={"ehr": {"issuer": ISSUER, "jwks": hospital.keys.public_set()}})
    with pytest.raises(LedgerError):
        hospital.call(Authenticator(made, KeyStore(made), unknown, hospital.now), hospital.token())


# the log


def test_the_reason_names_issuer_kid_jti_and_a_wrong_aud_and_nothing_else_of_the_token(hospital: Hospital) -> None:
    token = hospital.token(sub="Jane Roe", secret="secret", aud="https://o\nther.example", jti="one\n2026 fake line")
    reason = refused(hospital, token, "aud")
    assert ISSUER in reason and "rsa+key/1==" in reason and "one\\n2026" in reason and "https://o\\nther" in reason
    assert "\n" not in reason and "Jane" not in reason and "secret" not in reason
    assert not any(part in reason for part in token.split("."))


@pytest.mark.threat("log-injection")
def test_a_long_name_does_not_flood_the_log(hospital: Hospital) -> None:
    assert len(refused(hospital, hospital.token(iss="x" * 9000), "no client has this issuer")) < 500


# loopback


def demo(hospital: Hospital, **more: Any) -> Authenticator:
    clients = {"demo": {"authentication": "loopback"}, "ehr": {"issuer": ISSUER, "jwks": hospital.keys.public_set()}}
    return hospital.authenticator({**clients, **more}, environment="demo")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_client_needs_no_token(hospital: Hospital, address: str) -> None:
    caller = demo(hospital).authenticate(None, path=CALLED, remote_addr=address)
    assert (caller.name, caller.subject) == ("demo", None)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "localhost", "", "unix:"])
def test_another_machine_is_no_loopback_client(hospital: Hospital, address: str) -> None:
    assert not is_loopback(address)
    with pytest.raises(NotAuthenticated, match="no Authorization header"):
        demo(hospital).authenticate(None, path=CALLED, remote_addr=address)


def test_a_token_from_this_machine_is_judged_as_a_token(hospital: Hospital) -> None:
    door = demo(hospital)
    good = f"Bearer {hospital.token()}"
    assert door.authenticate(good, path=CALLED, remote_addr="127.0.0.1").name == "ehr"
    with pytest.raises(NotAuthenticated):
        door.authenticate(good, path=CALLED, remote_addr="127.0.0.1")
    with pytest.raises(NotAuthenticated):
        door.authenticate("", path=CALLED, remote_addr="127.0.0.1")


def test_without_a_loopback_client_this_machine_needs_a_token_too(hospital: Hospital) -> None:
    with pytest.raises(NotAuthenticated, match="no Authorization header"):
        hospital.one_client().authenticate(None, path=CALLED, remote_addr="127.0.0.1")


def test_two_loopback_clients_are_a_settings_error(hospital: Hospital) -> None:
    with pytest.raises(SettingsError, match="only one client"):
        demo(hospital, second={"authentication": "loopback"})


# what a key set may hold


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"alg": "RS256"}, "its alg says 'RS256'"),
        ({"alg": "HS384"}, "its alg says"),
        ({"use": "enc"}, "not meant for signatures"),
        ({"key_ops": ["sign"]}, "not meant for signatures"),
        ({"kty": "oct", "k": "c2VjcmV0"}, "only RSA and EC P-384"),
        ({"kty": "EC", "crv": "P-256"}, "only RSA and EC P-384"),
        ({"d": "AQAB"}, "private key"),
        ({"n": None}, "can't be read"),
        ({"n": "%%%"}, "can't be read"),
        ({"kid": 7}, "kid is not a string"),
    ],
)
@pytest.mark.threat("algorithm-confusion")
def test_a_key_that_is_not_plainly_right_is_not_used(hospital: Hospital, change: dict[str, Any], because: str) -> None:
    key = {**hospital.keys.public_set()["keys"][0], **change}
    with pytest.raises(SettingsError, match=f"client 'ehr'.*no usable public key in it.*{because}"):
        hospital.one_client(jwks={"keys": [key]})


@pytest.mark.threat("algorithm-confusion")
def test_a_short_rsa_key_is_not_used(hospital: Hospital) -> None:
    numbers = rsa.generate_private_key(65537, 1024).public_key()
    key = jwt.algorithms.RSAAlgorithm.to_jwk(numbers, as_dict=True)
    with pytest.raises(SettingsError, match="an RSA key of 1024 bits"):
        hospital.one_client(jwks={"keys": [{**key, "kid": "a", "key_ops": ["verify"]}]})


@pytest.mark.threat("algorithm-confusion")
def test_a_curve_is_not_what_its_name_says(hospital: Hospital) -> None:
    small = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = jwt.algorithms.ECAlgorithm.to_jwk(small, as_dict=True)
    with pytest.raises(SettingsError, match="can't be read"):
        hospital.one_client(jwks={"keys": [{**key, "crv": "P-384", "kid": "a"}]})


def test_good_keys_of_a_set_work_beside_unusable_ones(hospital: Hospital, caplog: pytest.LogCaptureFixture) -> None:
    mixed = hospital.keys.public_set()
    mixed["keys"] += [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "okp"}, "rubbish", None]
    door = hospital.one_client(jwks=mixed)
    assert hospital.call(door, hospital.token()).name == "ehr"
    assert caplog.text.count("key left out") == 3


@pytest.mark.parametrize("jwks", [{}, {"keys": {}}, {"keys": []}, {"keys": [{}] * 101}])
def test_a_set_without_keys_is_a_settings_error(hospital: Hospital, jwks: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="client 'ehr'"):
        hospital.one_client(jwks=jwks)
