"""A hospital of real servers, and what a walk through it found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orthanc import Orthanc
from service import Keys

from cds.settings import Settings, load
from cds.site.findings import Finding
from cds.site.walk import Site

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
US, NL = ("new-diabetes", "folfirinox-falling", "ipmn-followup"), ("dutch-new-diabetes",)
STUDY, SERIES = "1.2.826.0.1.3680043.10.7.1", "1.2.826.0.1.3680043.10.7.1.1"


@dataclass
class Walked:
    site: Site
    settings: Settings
    steps: list[str]
    told: list[Finding]
    """As they were found."""

    def of(self, part: str, what: str = "") -> Finding:
        [found] = [row for row in self.site.findings.rows if row.part == part and row.what == what]
        return found


def site_settings(folder: Path, fhir: str, keys: Keys, orthanc: Orthanc) -> Settings:
    (folder / "ledger.key").write_text("0123456789abcdef-of-the-site-tests")
    (folder / "ledger.key").chmod(0o600)
    (folder / "password").write_text(orthanc.password)
    (folder / "password").chmod(0o600)
    client: dict[str, Any] = {"issuer": fhir, "jwks": keys.public_set(), "fhir_servers": [fhir]}
    empty = folder / "cds.toml"
    empty.touch()
    return load(
        empty,
        data_dir=folder / "data",
        ledger_key_file=folder / "ledger.key",
        clients={"us": client, "nl": {**client, "issuer": f"{fhir}/nl", "language": "nl"}},
        pacs={"main": {"url": orthanc.base, "user": orthanc.user, "password_file": folder / "password"}},
        imaging={"write_pacs": True},
    )


def as_text(site: dict[str, Any]) -> str:
    return json.dumps(site, ensure_ascii=False)
