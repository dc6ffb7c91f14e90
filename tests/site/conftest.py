"""A hospital of real servers walked once: sekmet with stories' patients, Orthanc with a generated scan, a ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ct_series import phantom, slices_of, stored
from orthanc import Orthanc
from ready_ledger import ready
from sekmet_house import load as load_into
from sekmet_house import sekmet
from service import Keys
from walked_site import NL, NOW, SERIES, STUDY, US, Walked, site_settings

from cds.site.findings import Finding
from cds.site.walk import Walk
from hooks.stories import bundle, story


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
    ready(settings.ledger_url)
    steps: list[str] = []
    told: list[Finding] = []
    walk = Walk(settings, {"us": US, "nl": NL}, STUDY, lambda: NOW, lambda title, *_: steps.append(title), told.append)
    return Walked(walk.run(), settings, steps, told)
