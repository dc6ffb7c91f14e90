"""A hospital of real servers walked once: sekmet with stories' patients, Orthanc with a generated scan, a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ct_series import phantom, slices_of, stored
from orthanc import Orthanc
from sekmet_house import load as load_into
from sekmet_house import sekmet
from service import Keys

from cds.ledger.migrate import upgrade
from cds.settings import Settings, load
from cds.site.findings import Finding
from cds.site.walk import Site, Walk
from hooks.stories import bundle, story

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


@pytest.fixture(scope="module")
def fhir_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load_into(base, (bundle(story(name), NOW.date()) for name in (*US, *NL)))
        yield base


@pytest.fixture(scope="module")
def walked(
    tmp_path_factory: pytest.TempPathFactory, fhir_base: str, orthanc_server: Orthanc, client_keys: Keys
) -> Walked:
    folder = tmp_path_factory.mktemp("site")
    settings = site_settings(folder, fhir_base, client_keys, orthanc_server)
    orthanc_server.thaw()
    if not orthanc_server.running:
        orthanc_server.start()
    orthanc_server.forget()
    orthanc_server.store(map(stored, slices_of(phantom(12, 64), study_uid=STUDY, series_uid=SERIES)))
    upgrade(settings.ledger_url)
    steps: list[str] = []
    told: list[Finding] = []
    walk = Walk(settings, {"us": US, "nl": NL}, STUDY, lambda: NOW, lambda title, *_: steps.append(title), told.append)
    return Walked(walk.run(), settings, steps, told)


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
        clients={"us": client, "nl": {**client, "language": "nl"}},
        pacs={"main": {"url": orthanc.base, "user": orthanc.user, "password_file": folder / "password"}},
        imaging={"write_pacs": True},
    )


def as_text(site: dict[str, Any]) -> str:
    return json.dumps(site, ensure_ascii=False)
