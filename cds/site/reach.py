"""Every server of the settings as a connection: its certificate, and its clock beside ours."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from cds.errors import CdsError
from cds.settings import Settings
from cds.site.asking import TIMEOUT_S, Asker
from cds.site.findings import Findings
from cds.trust.claims import LEEWAY_S
from cds.trust.smart import certificate_of

_SOON_DAYS = 30
_NAMES = "it is made out to another name; write the one it has into the address"
_MENDS = {
    9: "it does not hold yet; compare its clock and ours",
    10: "its team has to renew it",
    62: _NAMES,
    64: _NAMES,
}
"""What to do, by OpenSSL's X509_V_ERR codes: not yet valid, expired, another host, another address."""
_SKEW_NOTE_S = 5.0


def look(settings: Settings, findings: Findings) -> frozenset[tuple[str, str]]:
    """(part, host and port) of each to which there is no connection: it need not be asked anything further."""
    without: set[tuple[str, str]] = set()
    for part, address, ca_file, certificate in _servers(settings):
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        if parts.scheme == "https":
            if not _tls(part, host, port, ca_file, certificate, findings):
                without.add((part, parts.netloc))
                continue  # its clock can't be asked either, and that is no second fault
        elif host not in ("127.0.0.1", "::1", "localhost"):
            findings.fault(part, f"{host} is spoken to without TLS: patients' data can be read on the way", "TLS")
        if not _clock(part, address, Asker(ca_file, certificate), findings):
            without.add((part, parts.netloc))
    return frozenset(without)


def _servers(settings: Settings) -> Iterator[tuple[str, str, Path | None, tuple[Path, Path] | None]]:
    """(part, address, authorities, our certificate), a host once."""
    seen: set[tuple[str, str]] = set()

    def new(part: str, address: str) -> bool:
        host = urlsplit(address).netloc
        if (part, host) in seen:
            return False
        seen.add((part, host))
        return True

    for name, client in settings.clients.items():
        for address in (*client.fhir_servers, *filter(None, [client.jku])):
            if new(f"client {name}", address):
                yield f"client {name}", address, settings.ca_file, certificate_of(client.backend)
    for name, one in settings.pacs.items():
        shown = (one.certificate, one.key) if one.certificate is not None and one.key is not None else None
        yield f"image archive {name}", one.url, one.ca_file, shown


def _tls(
    part: str,
    host: str,
    port: int,
    ca_file: Path | None,
    certificate: tuple[Path, Path] | None,
    findings: Findings,
) -> bool:
    """Whether there is a connection."""
    what = f"TLS with {host}"
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        if certificate is not None:
            context.load_cert_chain(*certificate)
    except OSError as error:
        named = ", ".join(str(path) for path in (ca_file, *(certificate or ())) if path is not None)
        why = "no PEM certificate, or a key of another" if isinstance(error, ssl.SSLError) else error.strerror
        findings.fault(part, f"certificates ({named}) can't be used: {why}", what)
        return False
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            shown, version = secure.getpeercert() or {}, secure.version()
    except ssl.SSLCertVerificationError as error:
        do = _MENDS.get(error.verify_code, "name the authority it comes from in ca_file")
        findings.fault(part, f"its certificate is not believed ({error.verify_message.rstrip('.')}): {do}", what)
        return False
    except ssl.SSLError as error:
        why = f"no TLS ({error.reason}): is that its port for https, and does it ask for a certificate of ours?"
        findings.fault(part, why, what)
        return False
    except OSError as error:
        findings.fault(part, f"no connection to port {port}: {_mend(error)}", what)
        return False
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    days = (expires - datetime.now(UTC)).days
    said = f"{version}, certificate until {expires:%Y-%m-%d}"
    if days < _SOON_DAYS:
        findings.note(part, f"{said}: in {days} days it is no longer believed", what)
    else:
        findings.good(part, said, what)
    return True


def _mend(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "no server has that name; is it right, and known to this machine's DNS?"
    if isinstance(error, TimeoutError):
        return "nothing came back in time; does a firewall swallow what is sent?"
    return "is it on, is the port right, does a firewall let this machine through?"


def _clock(part: str, address: str, asker: Asker, findings: Findings) -> bool:
    """Whether it answered."""
    what = f"clock of {urlsplit(address).hostname}"
    try:
        answer = asker.get(address, "*/*")
    except CdsError as error:
        findings.fault(part, str(error), f"connection with {urlsplit(address).hostname}")
        return False
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        findings.note(part, "it does not say what time it is", what)
        return True
    # the header counts whole seconds, and was written some time before it came
    off = abs((datetime.now(UTC) - theirs).total_seconds() - 0.5 - answer.ms / 2000)
    if off > LEEWAY_S:
        findings.fault(part, f"{off:.0f} s from ours: tokens are refused; have both follow one time server", what)
    elif off > _SKEW_NOTE_S:
        findings.note(part, f"{off:.0f} s from ours; have both follow one time server", what)
    else:
        findings.good(part, "less than 5 s from ours", what)
    return True
