"""The same chart opened twice and three times: through the service, with its ledger, as an EHR asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from ledger_reading import rows, suppressions
from service import NOW, Clock, MakeApp, StoryCalls, context_of, loopback, prefetcher

import hooks
from cds.ledger import tables

PACKAGED = (Path(hooks.__file__).parent / "policy.yaml").read_text(encoding="utf-8")
DAY = timedelta(days=1)


@dataclass
class Ward:
    """A service whose clock a test may move, and the doctors who open charts."""

    app: Flask
    clock: Clock
    fire: StoryCalls

    def opens(
        self, patient: str, user: str = "Practitioner/gp", *more: dict[str, Any], gender: str = ""
    ) -> list[dict[str, Any]]:
        """``more``: conditions that the chart holds, too; ``gender``: instead of the patient's own."""
        prefetch = self.fire.prefetch_of(patient)
        for bundle in prefetch.values():
            if gender and bundle["resourceType"] == "Patient":
                bundle["gender"] = gender
            if any(e["resource"]["resourceType"] == "Condition" for e in bundle.get("entry", ())):
                bundle["entry"] = [*bundle["entry"], *({"resource": one} for one in more)]
        context = context_of(patient, "patient-view") | {"userId": user}
        answer = self.fire(patient, context=context, prefetch=prefetch)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: list[dict[str, Any]] = answer.get_json()["cards"]
        return found


MakeWard = Callable[..., Ward]


@pytest.fixture
def make_ward(make_app: MakeApp, tmp_path: Path) -> MakeWard:
    def make(*changes: tuple[str, str], **settings: Any) -> Ward:
        text = PACKAGED
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
        clock = Clock(NOW)
        app = make_app(now=clock, policy_file=tmp_path / "policy.yaml", **loopback(), **settings)
        return Ward(app, clock, StoryCalls(app.test_client(), prefetcher(app)))

    return make


def condition(patient: str, code: str, display: str, recorded: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"{patient}-new-{code}",
        "subject": {"reference": f"Patient/{patient}"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]},
        "recordedDate": recorded,
    }


def test_a_second_and_a_third_opening_are_silent_and_the_ledger_says_why_and_keeps_the_card(
    make_ward: MakeWard,
) -> None:
    ward = make_ward()
    (card,) = ward.opens("jaundice-head")
    for days in (1, 30):
        ward.clock.now = NOW + days * DAY
        assert ward.opens("jaundice-head") == []
        assert suppressions(ward.app) == {"pancreas-risk/referral": "shown-before"}
    *_, held = rows(ward.app, tables.suppressions)
    assert held["until"] == date(2027, 2, 21)
    assert held["prediction_ids"]
    assert held["body"]["summary"] == card["summary"]
    assert "jaundice-head" not in str(held["body"])
    ward.clock.now = NOW + 91 * DAY
    assert len(ward.opens("jaundice-head")) == 1


def test_opened_again_within_the_hour_it_is_one_visit(make_ward: MakeWard) -> None:
    ward = make_ward()
    assert len(ward.opens("jaundice-head")) == 1
    ward.clock.now = NOW + timedelta(minutes=50)
    assert len(ward.opens("jaundice-head")) == 1
    ward.clock.now = NOW + timedelta(minutes=70)
    assert ward.opens("jaundice-head") == []


def test_a_colleague_is_shown_what_only_the_first_has_seen(make_ward: MakeWard) -> None:
    ward = make_ward()
    assert len(ward.opens("jaundice-head")) == 1
    ward.clock.now = NOW + DAY
    assert len(ward.opens("jaundice-head", "Practitioner/locum")) == 1
    assert ward.opens("jaundice-head") == []


def test_a_new_red_flag_speaks_once(make_ward: MakeWard) -> None:
    ward = make_ward()
    (first,) = ward.opens("new-diabetes")
    ward.clock.now = NOW + DAY
    assert ward.opens("new-diabetes") == []
    pain = condition("new-diabetes", "161891005", "Backache", "2026-11-24")
    (again,) = ward.opens("new-diabetes", "Practitioner/gp", pain)
    assert first["source"]["topic"] == again["source"]["topic"]
    ward.clock.now = NOW + 2 * DAY
    assert ward.opens("new-diabetes", "Practitioner/gp", pain) == []


def test_a_higher_band_speaks(make_ward: MakeWard) -> None:
    """The same story and findings; only the risk has risen: chronic pancreatitis is none of the guideline's flags."""
    changes = [
        ("nice-ng12: {enabled: true}", "nice-ng12: {enabled: false}"),
        ("endpac: {enabled: true}", "endpac: {enabled: false}"),
        ("risk_at_least: 0.02", "risk_at_least: 0.0005"),
    ]
    ward = make_ward(*changes, ("risk_bands: [0.03, 0.05, 0.1]", "risk_bands: [0.99]"))
    (card,) = ward.opens("new-diabetes")
    assert card["source"]["topic"]["code"] == "pancreas-risk"
    ward.clock.now = NOW + DAY
    pancreatitis = condition("new-diabetes", "235494005", "Chronic pancreatitis", "2026-11-24")
    assert ward.opens("new-diabetes", "Practitioner/gp", pancreatitis) == []
    low, high = (
        p["outputs"]["risk"] for p in rows(ward.app, tables.predictions) if p["model"] == "qcancer-2013-pancreas"
    )
    assert low < high
    ward = make_ward(*changes, ("risk_bands: [0.03, 0.05, 0.1]", f"risk_bands: [{(low + high) / 2:.6f}]"))
    assert len(ward.opens("new-diabetes")) == 1
    ward.clock.now = NOW + DAY
    assert ward.opens("new-diabetes") == []
    assert len(ward.opens("new-diabetes", "Practitioner/gp", pancreatitis)) == 1


def test_a_scan_that_is_due_whatever_the_sex_is_asked_for_once_and_again_for_what_is_new(make_ward: MakeWard) -> None:
    ward = make_ward()
    told = [card["summary"] for card in ward.opens("chronic-pancreatitis", gender="other")]
    assert [text.partition("at least")[0] for text in told] == ["Pancreatic cancer risk "]
    ward.clock.now = NOW + DAY
    assert ward.opens("chronic-pancreatitis", gender="other") == []
    assert suppressions(ward.app) == {"pancreas-risk-not-assessed/risk": "shown-before"}
    pain = condition("chronic-pancreatitis", "161891005", "Backache", "2026-11-24")
    assert len(ward.opens("chronic-pancreatitis", "Practitioner/gp", pain, gender="other")) == 1


def test_over_a_clinicians_day_a_warning_still_goes_out_and_the_rest_is_kept(make_ward: MakeWard) -> None:
    ward = make_ward(("per_clinician_day: 30", "per_clinician_day: 1"))
    assert [c["indicator"] for c in ward.opens("jaundice-head")] == ["warning"]
    assert ward.opens("chronic-pancreatitis") == []
    assert suppressions(ward.app)["pancreas-risk/risk"] == "over-clinician-budget"
    *_, held = rows(ward.app, tables.suppressions)
    assert held["until"] == date(2026, 11, 24)
    assert held["body"]["suggestions"]
    assert [c["indicator"] for c in ward.opens("cholestasis")] == ["warning"]
    assert len(ward.opens("chronic-pancreatitis", "Practitioner/colleague")) == 1
    ward.clock.now = NOW + DAY
    assert len(ward.opens("chronic-pancreatitis")) == 1


def test_a_patients_topic_is_shown_to_so_many_clinicians(make_ward: MakeWard) -> None:
    ward = make_ward(("per_patient_topic: 6", "per_patient_topic: 2"))
    for doctor in ("Practitioner/a", "Practitioner/b"):
        assert len(ward.opens("chronic-pancreatitis", doctor)) == 1
    assert ward.opens("chronic-pancreatitis", "Practitioner/c") == []
    assert suppressions(ward.app)["pancreas-risk/risk"] == "over-patient-budget"
    assert len(ward.opens("jaundice-head", "Practitioner/c")) == 1


def test_while_the_database_is_down_the_card_is_shown(make_ward: MakeWard, tmp_path: Path) -> None:
    ward = make_ward()
    assert len(ward.opens("jaundice-head")) == 1
    ward.clock.now = NOW + DAY
    assert ward.opens("jaundice-head") == []
    ledger = ward.app.extensions["cds"].ledger
    database = Path(ward.app.extensions["cds"].settings.ledger_url.removeprefix("sqlite:///"))
    ledger.close()
    for file in database.parent.glob(f"{database.name}*"):
        file.rename(tmp_path / file.name)
    database.mkdir()  # nothing can be opened there
    assert len(ward.opens("jaundice-head")) == 1
    assert ledger.spooled() == 1


def test_what_was_held_back_is_told_to_the_client_that_called(make_ward: MakeWard) -> None:
    ward = make_ward()
    ward.opens("jaundice-head")
    ward.clock.now = NOW + DAY
    body = ward.fire.body("jaundice-head")
    answer = ward.app.test_client().post("/cds-services/pancreas-risk", json=body)
    assert answer.get_json() == {"cards": []}
    told = ward.app.test_client().get(f"/calls/{body['hookInstance']}").get_json()
    assert told["calls"][0]["heldBack"] == [
        {
            "topic": "pancreas-risk/referral",
            "label": "Pancreatic cancer risk",
            "reason": "shown-before",
            "until": "2027-02-21",
        }
    ]
