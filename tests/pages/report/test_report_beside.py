"""What a card tells of and no model read stands under the data used, with its value and date."""

from __future__ import annotations

from typing import Any

import pytest
from report_house import USER, Opened, Reports
from service import FHIR, context_of, prefetcher
from service import request as hook_request
from test_report_page import plain, section

from cds.web.report_cookie import cookie_name, report_path

QUIET = "no-complaints"


def bilirubin(umol: float, day: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"bilirubin-{day}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "14631-6"}]},
        "subject": {"reference": f"Patient/{QUIET}"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": umol, "unit": "umol/L", "system": "http://unitsofmeasure.org", "code": "umol/L"},
    }


def opened(reports: Reports, *chart: dict[str, Any], without_conditions: bool = False) -> Opened:
    prefetch = prefetcher(reports.app)(QUIET, "pancreas-risk", "patient-view")
    prefetch["observations"].setdefault("entry", []).extend({"resource": resource} for resource in chart)
    if without_conditions:  # more pages, which nobody can fetch
        prefetch["conditions"]["link"] = [{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]
    answer = reports.app.test_client().post(
        "/cds-services/pancreas-risk",
        json=hook_request("patient-view", context_of(QUIET, "patient-view"), prefetch),
        headers={"Accept-Language": "en"},
    )
    (card,) = answer.get_json()["cards"]
    session, secret = reports.engine.reports.open(
        "demo", QUIET, card_id=card["uuid"], fhir_server=FHIR, access_token="t", user=USER
    )
    settings = reports.engine.settings
    return Opened(reports.url, session, secret, cookie_name(settings), report_path(settings, session.rid), card)


@pytest.mark.parametrize(
    ("language", "row"),
    [
        ("en", "Total bilirubin 205 µmol/L 18 Nov 2026 Observation/bilirubin-2026-11-18"),
        ("nl", "Totaal bilirubine 205 µmol/L 18 nov 2026 Observation/bilirubin-2026-11-18"),
    ],
)
def test_a_bilirubin_that_leads_the_card_is_among_the_data_used(reports: Reports, language: str, row: str) -> None:
    found = opened(reports, bilirubin(205, "2026-11-18"), bilirubin(12, "2026-10-01"))
    assert found.card["summary"].startswith("Bilirubin 205 umol/L")
    told = plain(section(found.get(language=language).text, "provenance"))
    assert row in told and "2026-10-01" not in told


def test_a_card_that_tells_of_nothing_beside_its_models_lists_what_they_read(reports: Reports) -> None:
    assert "bilirubin" not in plain(section(reports.open("new-diabetes").get().text, "provenance")).lower()


def test_one_on_a_card_of_what_could_not_be_assessed_is_too(reports: Reports) -> None:
    found = opened(reports, bilirubin(205, "2026-11-18"), without_conditions=True)
    assert found.card["summary"].startswith("Bilirubin 205 umol/L: look for jaundice")
    assert "Total bilirubin 205 µmol/L 18 Nov 2026" in plain(section(found.get().text, "provenance"))
