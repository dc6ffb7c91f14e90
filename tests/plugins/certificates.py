"""Certificates of a hospital's servers: for their names, and one that has expired with the one that takes its place."""

from __future__ import annotations

import datetime
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOUR = datetime.timedelta(hours=1)
_THIS_MACHINE = x509.IPAddress(ip_address("127.0.0.1"))


@dataclass(frozen=True)
class Expiring:
    """For a TLS server on this machine, whose certificate has expired until it is renewed."""

    context: ssl.SSLContext
    authorities: Path
    """Who signed both: what is wrong with the first is its time alone."""
    _valid: Path

    def renew(self) -> None:
        """For connections from now on."""
        self.context.load_cert_chain(self._valid)


class Authority:
    """A hospital's own: whom it signs for, and the file that says who believes it."""

    def __init__(self, folder: Path) -> None:
        self._key, self._folder = ec.generate_private_key(ec.SECP256R1()), folder
        self.file = folder / "authority.pem"
        self.file.write_bytes(_signed("authority", self._key, self._key, -HOUR, HOUR))

    def server(self, host: str) -> ssl.SSLContext:
        """For a TLS server of this name."""
        key, path = ec.generate_private_key(ec.SECP256R1()), self._folder / f"{host}.pem"
        certificate = _signed(host, key, self._key, -HOUR, HOUR, x509.DNSName(host))
        path.write_bytes(certificate + _secret(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def expiring(folder: Path) -> Expiring:
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    secret = _secret(server)
    paths = {name: folder / f"{name}.pem" for name in ("authority", "expired", "valid")}
    paths["authority"].write_bytes(_signed("authority", authority, authority, -3 * HOUR, HOUR))
    paths["expired"].write_bytes(_signed("hospital", server, authority, -2 * HOUR, -HOUR) + secret)
    paths["valid"].write_bytes(_signed("hospital", server, authority, -HOUR, HOUR) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths["expired"])
    return Expiring(context, paths["authority"], paths["valid"])


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    authority: ec.EllipticCurvePrivateKey,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
    host: x509.GeneralName = _THIS_MACHINE,
) -> bytes:
    """PEM; the times are from now. Who signs with their own key is the authority."""
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=key is authority, path_length=None), critical=True)
        .sign(authority, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _secret(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
