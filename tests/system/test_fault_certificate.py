"""The certificate of the EHR's FHIR server expires: nothing is read from it, the card says so, a new one is enough."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest
import story_calls
from certificates import expiring
from faults import Seen
from ledger_rows import kept_once, sqlite_of
from running_service import Ehr, running
from servers import FhirServer
from toxic_proxy import toxic_proxy

from hooks import stories

pytestmark = pytest.mark.system


@pytest.mark.fault("FHIR server", "its certificate has expired")
def test_nothing_is_read_under_an_expired_certificate(tmp_path: Path, ehr: Ehr, fhir: FhirServer, seen: Seen) -> None:
    tls = expiring(tmp_path)
    fhir.holds(stories.build(story_calls.ALARMING, datetime.date.today()))
    sent = [story_calls.patient_view() for _ in range(2)]
    with toxic_proxy(fhir.port, tls.context) as front:
        base = f"https://127.0.0.1:{front.port}/fhir"
        for body in sent:
            del body["prefetch"]["observations"]
            body["fhirServer"] = base
        settings = {"ca_file": str(tls.authorities), "workers": 1}
        with running(tmp_path, ehr, fhir_servers=(base,), **settings) as service:
            during = service.call(sent[0])
            [line] = {
                line.lstrip("- ")
                for card in during.json()["cards"]
                for line in card["detail"].splitlines()
                if "could not be read (CDS-" in line
            }
            assert fhir.hits == []  # not a word was said to it
            tls.renew()
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
