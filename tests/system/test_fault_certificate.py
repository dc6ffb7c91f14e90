"""The certificate of the EHR's FHIR server expires: nothing is read from it, the card says so, a new one is enough."""

from __future__ import annotations

import datetime
import ssl
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
import story_calls
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from faults import Seen
from ledger_rows import kept_once, sqlite_of
from running_service import Ehr, running
from servers import FhirServer
from toxic_proxy import toxic_proxy

from hooks import stories

pytestmark = pytest.mark.system
HOUR = datetime.timedelta(hours=1)


def certificate(key: ec.EllipticCurvePrivateKey, begins: datetime.timedelta, ends: datetime.timedelta) -> bytes:
    """For this machine, its own authority; the times are from now."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospital")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.fault("FHIR server", "its certificate has expired")
def test_nothing_is_read_under_an_expired_certificate(tmp_path: Path, ehr: Ehr, fhir: FhirServer, seen: Seen) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    expired, valid = certificate(key, -2 * HOUR, -HOUR), certificate(key, -HOUR, HOUR)
    (tmp_path / "authorities.pem").write_bytes(expired + valid)
    (tmp_path / "expired.pem").write_bytes(expired + secret)
    (tmp_path / "valid.pem").write_bytes(valid + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "expired.pem")
    fhir.holds(stories.build(story_calls.ALARMING, datetime.date.today()))
    sent = [story_calls.patient_view() for _ in range(2)]
    with toxic_proxy(fhir.port, context) as front:
        base = f"https://127.0.0.1:{front.port}/fhir"
        for body in sent:
            del body["prefetch"]["observations"]
            body["fhirServer"] = base
        settings = {"ca_file": str(tmp_path / "authorities.pem"), "workers": 1}
        with running(tmp_path, ehr, fhir_servers=(base,), **settings) as service:
            during = service.call(sent[0])
            [line] = {
                line.lstrip("- ")
                for card in during.json()["cards"]
                for line in card["detail"].splitlines()
                if "could not be read (CDS-" in line
            }
            assert fhir.hits == []  # not a word was said to it
            context.load_cert_chain(tmp_path / "valid.pem")
            begun = time.monotonic()
            after = service.call(sent[1])
            recovery = time.monotonic() - begun
            assert fhir.asked("Observation")
            assert not any("could not be read (CDS-" in card["detail"] for card in after.json()["cards"])
            told = [body["hookInstance"] for body in sent]
            seen(
                "FHIR server",
                "its certificate has expired",
                during=[during],
                after=[after],
                also=line,
                of="calls in the ledger",
                owed=len(told),
                kept=kept_once(sqlite_of(service), told),
                recovery_s=recovery,
            )
