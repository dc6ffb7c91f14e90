"""The image archives of the settings, opened with their credentials."""

from __future__ import annotations

import ssl
from pathlib import Path

from cds.errors import SettingsError
from cds.imaging.dicomweb import DicomWeb
from cds.imaging.pacs import Limits, Pacs
from cds.settings import PacsSettings, Settings


def serving(settings: Settings, client: str) -> list[str]:
    """Names of the archives that hold this client's studies, as listed."""
    return [name for name, pacs in settings.pacs.items() if not pacs.clients or client in pacs.clients]


def client_of(settings: Settings, pacs: str) -> str | None:
    """Whose patients an archive's studies are; None where that can't be told."""
    clients = settings.pacs[pacs].clients or tuple(settings.clients)
    return clients[0] if len(clients) == 1 else None


def opened(settings: Settings, name: str) -> DicomWeb:
    """Raises SettingsError for credentials that can't be read or are not as they must be, Unusable for an address
    that is not listed."""
    one = settings.pacs[name]
    return DicomWeb(_pacs(name, one), _limits(one))


def _pacs(name: str, one: PacsSettings) -> Pacs:
    password = one.password.get_secret_value() if one.password is not None else None
    if one.password_file is not None:
        password = secret_in(one.password_file, f"pacs.{name}.password_file")
    _certificates(name, one)
    return Pacs(
        base=one.url,
        listed=one.allowed or (one.url,),
        user=one.user,
        password=password,
        token=secret_in(one.token_file, f"pacs.{name}.token_file") if one.token_file is not None else None,
        ca_file=one.ca_file,
        certificate=one.certificate,
        key=one.key,
        allow_plain_credentials=one.allow_plain_credentials,
    )


def _limits(one: PacsSettings) -> Limits:
    return Limits(
        connect_s=one.connect_s,
        idle_s=one.idle_s,
        total_s=one.total_s,
        attempts=one.attempts,
        max_bytes=one.max_bytes,
        max_slices=one.max_slices,
        max_decoded_bytes=one.max_decoded_bytes,
        study_series=one.study_series,
        study_bytes=one.study_bytes,
        study_s=one.study_s,
    )


def _certificates(name: str, one: PacsSettings) -> None:
    """Raises SettingsError where those that the settings name can't be used."""
    if one.ca_file is None and one.certificate is None:
        return
    files = ", ".join(str(path) for path in (one.ca_file, one.certificate, one.key) if path is not None)
    try:
        context = ssl.create_default_context(cafile=str(one.ca_file) if one.ca_file else None)
        if one.certificate is not None:
            context.load_cert_chain(one.certificate, one.key)
    except OSError as error:
        why = "no PEM certificate, or a key of another" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"certificates of pacs.{name} ({files}) can't be used: {why}") from error


def secret_in(path: Path, key: str) -> str:
    """Raises SettingsError for a file that can't be read or is empty."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"{key} can't be read: {path}: {why}") from error
    if not found:
        raise SettingsError(f"{key} is empty: put the secret into {path}")
    return found
