"""The first ``cds.toml`` of a site: a few answers in, a commented file out, checked as it will be read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import wrap
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from cds.addresses import loopback_address
from cds.errors import SettingsError
from cds.settings import BackendSettings, ClientSettings, PacsSettings, Settings, load
from cds.site.families import Profile
from cds.site.questions import checked, unsealed

_WIDTH = 110


@dataclass(frozen=True)
class Choices:
    """What was answered. ``sign_in``: how this service reads that EHR's FHIR server outside of a call."""

    profile: Profile
    public_url: str
    client: str
    fhir: str
    issuer: str
    jku: str
    """Empty: its keys come as a file."""
    timezone: str
    language: str
    postgres: bool
    sign_in: str = "none"
    client_id: str = ""
    user: str = ""
    pacs: str = ""
    """DICOMweb base address; empty: no scans are read."""
    more: Mapping[str, Any] = field(default_factory=dict)

    pacs_sign_in: str = "token"
    pacs_user: str = ""

    def __post_init__(self) -> None:
        """Raises SettingsError."""
        for key in ("public_url", "client", "fhir", "issuer", "jku", "timezone", "sign_in", "pacs", "pacs_sign_in"):
            checked(key, getattr(self, key))
        if unsealed(self.fhir) and not self.more.get("allow_plain_http"):
            raise SettingsError(
                f"fhir: records from {self.fhir} would travel unencrypted: write its https address, or answer "
                "plain_http=yes where something else encrypts (a VPN, a service mesh)"
            )
        for key, way in (("client_id", self.sign_in == "key"), ("user", self.sign_in == "password")):
            if way:
                checked(key, getattr(self, key))
        if self.pacs and self.pacs_sign_in == "password":
            checked("pacs_user", self.pacs_user)


def text(choices: Choices, folder: Path) -> str:
    """``folder``: where the file and its secrets are, as the service sees it."""
    return "\n".join([*_head(choices, folder), *_client(choices, folder), *_pacs(choices, folder), ""])


def _head(c: Choices, folder: Path) -> Iterator[str]:
    yield f"# Settings of the decision support service: {c.profile.title}."
    yield "# Every key and its default: docs/settings.md. Try it with `cds check`, then `cds site check --patient ID`."
    yield ""
    yield from _lines(Settings, {"public_url": c.public_url, **_listens(c.public_url)})
    own = {**c.profile.settings, "timezone": c.timezone, "language": c.language}
    if "concept_map" in own:
        own["concept_map"] = str(folder / str(own["concept_map"]))
    yield from _lines(Settings, own)
    yield from _lines(Settings, {"data_dir": str(folder / "data")})
    yield from _lines(Settings, {"ledger_key_file": str(folder / "secrets" / "ledger.key")})
    yield "# Keep that key for as long as the ledger: without it no patient of the past is recognised."
    if c.postgres:
        yield "# The database's address holds a password, so it comes from the environment:"
        yield "#   CDS_DATABASE_URL=postgresql://cds:PASSWORD@host/cds"
    else:
        yield "# Without database_url the ledger is SQLite in data_dir: right for one machine."
    if c.sign_in == "key":
        yield from _lines(Settings, {"signing_keys": [str(folder / "secrets" / "signing-key.pem")]})
    yield ""


def _listens(public_url: str) -> dict[str, Any]:
    """Behind a proxy everywhere; on one's own machine nowhere else."""
    if not loopback_address(public_url):
        return {"host": "0.0.0.0"}  # nosec B104 # behind the proxy that public_url names
    port = urlsplit(public_url).port
    return {"host": "127.0.0.1", **({"port": port} if port else {})}


def _client(c: Choices, folder: Path) -> Iterator[str]:
    yield "# What the EHR's team has to do:"
    for line in c.profile.register_:
        yield from wrap(line, _WIDTH, initial_indent="#   - ", subsequent_indent="#     ")
    keys = {"jku": c.jku} if c.jku else {"jwks_file": str(folder / f"{c.client}.jwks.json")}
    own = {"issuer": c.issuer, **keys, **c.profile.client, "fhir_servers": [c.fhir], **c.more}
    yield f"[clients.{c.client}]"
    yield from _lines(ClientSettings, own)
    yield ""
    if c.sign_in == "none":
        return
    ways: dict[str, dict[str, Any]] = {
        "key": {"client_id": c.client_id},
        "token": {"token_file": str(folder / "secrets" / "fhir.token")},
        "password": {"user": c.user, "password_file": str(folder / "secrets" / "fhir.password")},
    }
    yield f"[clients.{c.client}.backend]"
    yield from _lines(BackendSettings, ways[c.sign_in])
    yield ""


def _pacs(c: Choices, folder: Path) -> Iterator[str]:
    if not c.pacs:
        return
    yield "# Scans are read by `cds worker`: docs/imaging.md."
    yield "[pacs.main]"
    ways: dict[str, dict[str, Any]] = {
        "none": {},
        "token": {"token_file": str(folder / "secrets" / "pacs.token")},
        "password": {"user": c.pacs_user, "password_file": str(folder / "secrets" / "pacs.password")},
        "certificate": {
            "certificate": str(folder / "secrets" / "pacs.crt"),
            "key": str(folder / "secrets" / "pacs.key"),
        },
    }
    yield from _lines(PacsSettings, {"url": c.pacs, **ways[c.pacs_sign_in]})
    yield from _lines(PacsSettings, {"poll": True})
    yield ""


def _lines(block: type[BaseModel], values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        why = (block.model_fields[key].description or "").replace("`", "'")
        yield from wrap(why, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        # a JSON text, list, number or truth value is TOML's too
        yield f"{key} = {json.dumps(value, ensure_ascii=False)}"


def refuse_second(folder: Path) -> None:
    """Raises SettingsError for a folder that has settings."""
    target = folder.resolve() / "cds.toml"
    if target.exists():
        raise SettingsError(
            f"{target} is there already, and is not overwritten: name another folder, or move that file away"
        )


def make(choices: Choices, folder: Path) -> list[Path]:
    """Write the settings and the secrets that can be made here; what was written. Nothing is overwritten.

    Raises SettingsError for a folder that has settings or can't be written, and for answers that the service would
    refuse; then nothing was written.
    """
    from cds.trust.own_keys import make_key  # only where one is wanted

    refuse_second(folder)
    folder = folder.resolve()
    target = folder / "cds.toml"
    written = text(choices, folder)
    _accepted(written)
    try:
        (folder / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} can't be made: {error.strerror}") from error
    made: list[Path] = []
    if _once(folder / "secrets" / "ledger.key", os.urandom(32).hex().encode()):
        made.append(folder / "secrets" / "ledger.key")
    signing = folder / "secrets" / "signing-key.pem"
    if choices.sign_in == "key" and not signing.exists():
        make_key(signing)
        made.append(signing)
    codes = choices.profile.settings.get("concept_map")
    empty = {"resourceType": "ConceptMap", "status": "draft", "group": []}
    if codes and _once(folder / str(codes), (json.dumps(empty, indent=1) + "\n").encode(), 0o644):
        made.append(folder / str(codes))
    _once(target, written.encode(), 0o644)
    return [target, *made]


def _accepted(written: str) -> None:
    """Raises SettingsError, of the answers and not of a file that is then gone."""
    with tempfile.TemporaryDirectory() as place:
        tried = Path(place) / "cds.toml"
        tried.write_text(written, encoding="utf-8")
        try:
            load(tried)
        except SettingsError as error:
            raise SettingsError(str(error).replace(f"{tried}: ", "")) from error


def _once(path: Path, content: bytes, mode: int = 0o600) -> bool:
    """False: there was one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsError(f"{path} can't be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    return True
