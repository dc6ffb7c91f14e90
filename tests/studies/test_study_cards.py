"""What a chart says of a patient's scans: fresh, stale, running, not assessed; a broken model is never low risk."""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta

import pytest
from service import Keys, SignedClient
from study_calls import body, study
from study_charts import cards, only, work
from study_house import NOW, Build, House
from study_scene import MODEL, STUDY, Archive

from cds.errors import LedgerError
from cds.jobs import Jobs
from cds.ledger import tables
from cds.studies.view import analysis


def test_a_scan_nobody_has_read_is_said_and_asked_for_after_the_answer(house: House) -> None:
    summary, detail = only(cards(house, study()))
    assert summary == "DEMONSTRATION: Being analysed: Tiny network"
    assert "has not been analysed yet" in detail and "no reassurance" in detail
    [job] = house.jobs.newest()
    assert (job.state, job.payload["why"], job.payload["scan"]) == ("queued", "call", "2026-11-20")


def test_a_scan_being_read_says_since_when_and_is_not_asked_for_twice(build: Build, archive: Archive) -> None:
    moments = [NOW]
    archive.holds()
    house = build(now=lambda: moments[-1])
    cards(house, study())
    moments.append(NOW + timedelta(minutes=7))
    summary, detail = only(cards(house, study()))
    assert "Being analysed" in summary
    assert "The scan of 20 Nov 2026 is being analysed, asked for 7 minutes ago." in detail
    assert len(house.jobs.newest()) == 1


def test_a_scan_that_is_read_once_more_says_since_when_that_was_asked_for(build: Build, archive: Archive) -> None:
    moments = [NOW]
    archive.holds()
    house = build(now=lambda: moments[-1])
    house.ask(why="call", day=date(2026, 11, 20))
    house.jobs.cancel(house.jobs.newest()[0].id)
    moments.append(NOW + timedelta(hours=120))
    house.ask(why="hand")
    moments.append(moments[-1] + timedelta(minutes=4))
    _, detail = only(cards(house, study()))
    assert "is being analysed, asked for 4 minutes ago." in detail
    assert analysis(house.jobs.newest()[0])["asked"] == (NOW + timedelta(hours=120)).isoformat()


def test_a_fresh_reading_is_on_the_next_card_with_its_scan_and_its_label(house: House) -> None:
    cards(house, study())
    work(house)
    summary, detail = only(cards(house, study()))
    assert summary == "DEMONSTRATION: Tiny network: suspicion high"
    assert "Read: the scan of 20 Nov 2026 (3 days old)." in detail
    assert "Not for clinical use" in detail and "newer scan" not in detail
    assert "newest data 20 Nov 2026" in detail


def test_the_card_rests_on_the_prediction_the_job_stored_and_stores_no_other(house: House) -> None:
    cards(house, study())
    work(house)
    cards(house, study())
    [stored] = house.predictions()
    links = house.rows(tables.card_predictions)
    assert links[-1]["prediction_id"] == stored["id"]
    assert [row["id"] for row in house.rows(tables.predictions)].count(stored["id"]) == 1


def test_an_old_reading_is_stale_with_its_age(build: Build, archive: Archive) -> None:
    moments = [NOW]
    archive.holds()
    house = build(now=lambda: moments[-1])
    cards(house, study())
    work(house)
    moments.append(NOW + timedelta(days=120))
    _, detail = only(cards(house, study()))
    assert "(123 days old)" in detail and "The scan is old" in detail


def test_a_reading_beside_a_newer_scan_says_that_the_newer_one_is_not_counted(house: House) -> None:
    cards(house, study())
    work(house)
    newer = study(STUDY[:-1] + "2", "2026-11-22")
    _, detail = only(cards(house, study(), newer))
    assert "A newer scan, of 22 Nov 2026, is not counted here." in detail
    _, detail = only(cards(house, study(), newer))
    assert "A newer scan, of 22 Nov 2026, is being analysed and is not counted here." in detail


def test_what_could_not_be_assessed_says_why_and_never_low(build: Build, archive: Archive) -> None:
    from study_scene import ct

    archive.holds(instances=ct(slices=12))
    house = build()
    cards(house, study())
    work(house)
    summary, detail = only(cards(house, study()))
    assert summary == "DEMONSTRATION: Could not be assessed: Tiny network"
    assert "covers too little of the body" in detail and "no reassurance" in detail
    assert "low" not in (summary + detail).lower().replace("below", "")


def test_a_model_killed_in_the_worker_is_a_card_that_says_so(build: Build, archive: Archive) -> None:
    """The file of its network is gone: every attempt fails, and the chart says that nothing was assessed."""
    archive.holds()
    house = build(imaging={"most_attempts": 1})
    (house.settings.model_dirs[0] / MODEL / "look.onnx").unlink()
    cards(house, study())
    job = house.work()
    assert job is not None and (job.state, job.reason) == ("dead", "model-failed")
    summary, detail = only(cards(house, study()))
    assert "Could not be assessed" in summary
    assert "The network could not run" in detail and "no reassurance" in detail


def test_a_model_whose_folder_can_not_be_read_is_a_card_that_says_so(build: Build, archive: Archive) -> None:
    archive.holds()
    house = build()
    manifest = house.settings.model_dirs[0] / MODEL / "model.yaml"
    text = manifest.read_text()
    shutil.rmtree(manifest.parent)
    manifest.parent.mkdir()
    manifest.write_text(text.replace("sha256:", "sha257:"))
    from cds.app import create_app

    app = create_app(house.settings, now=lambda: NOW)
    found = cards(House(app, house.settings, archive), study())
    [card] = [c for c in found if "Tiny network" in c["summary"]]
    assert card["summary"] == "Could not be assessed: Tiny network"
    assert "no reassurance" in card["detail"]
    app.extensions["cds"].ledger.close()


def test_a_queue_that_does_not_answer_is_a_card_that_says_so_and_holds_up_no_second_one(house: House) -> None:
    lookup = house.engine.studies._lookup
    lookup._jobs = Jobs("postgresql://nobody@127.0.0.1:1/none")
    _, detail = only(cards(house, study()))
    assert "could not be looked up" in detail
    with pytest.raises(LedgerError, match="a moment ago"):
        lookup._asked("x", [])


def test_without_a_scan_or_with_an_old_one_alone_there_is_nothing_to_say(house: House) -> None:
    assert cards(house) == []
    assert cards(house, study(day="2024-01-01")) == []
    assert cards(house, study(description="CT knee")) == []
    assert house.jobs.newest() == []


def test_a_study_of_another_patient_is_none_of_this_ones(house: House) -> None:
    assert cards(house, study(patient="p2")) == []
    assert house.jobs.newest() == []


def test_another_patients_reading_is_on_no_card_of_this_one(house: House) -> None:
    house.ask(patient="p2", day=date(2026, 11, 20))
    work(house)
    assert cards(house) == []


@pytest.mark.parametrize(
    ("hook", "why"), [("encounter-start", "encounter-start"), ("appointment-book", "appointment-book")]
)
def test_a_visit_that_begins_or_is_booked_has_the_scan_read_ahead_without_a_card(
    house: House, hook: str, why: str
) -> None:
    assert cards(house, study(), hook=hook) == []
    [job] = house.jobs.newest()
    assert job.payload["why"] == why


def test_a_patient_and_the_relatives_of_a_deceased_one_are_shown_nothing(house: House) -> None:
    cards(house, study())
    work(house)
    assert cards(house, study(), user="Patient/p1") == []
    assert cards(house, study(), deceasedBoolean=True) == []


def test_the_card_speaks_dutch(house: House) -> None:
    cards(house, study())
    work(house)
    summary, detail = only(cards(house, study(), language="nl"))
    assert summary == "DEMONSTRATIE: Klein netwerk: verdenking hoog"
    assert "Beoordeeld: de scan van 20 nov 2026 (3 dagen oud)." in detail


def test_outside_a_demonstration_its_reading_reaches_no_card_whatever_the_configuration_says(
    build: Build, archive: Archive, client_keys: Keys
) -> None:
    archive.holds()
    client = {"authentication": "jwt", "issuer": "https://ehr.hospital.example/fhir", "jwks": client_keys.public_set()}
    house = build(
        environment="production",
        ledger_key="0123456789abcdef-imaging-tests-x",
        public_url="https://cds.hospital.example",
        client=client,
    )
    house.ask(why="hand", day=date(2026, 11, 20))
    work(house)
    signed = SignedClient(house.app, client_keys, lambda: NOW)  # type: ignore[arg-type]
    answer = signed.post("/cds-services/pancreas-imaging", body(study()))
    assert answer.get_json() == {"cards": []}
    [stored] = house.predictions()
    assert stored["outcome"] == "predicted"


def test_a_call_does_not_wait_for_the_queue_to_take_the_work(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    gate = threading.Event()
    real = house.intake.ask
    monkeypatch.setattr(house.intake, "ask", lambda *a, **k: (gate.wait(30), real(*a, **k))[1])
    begun = datetime.now()
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=body(study()))
    assert answer.status_code == 200
    assert (datetime.now() - begun).total_seconds() < 10
    assert house.jobs.newest() == []
    gate.set()
    house.engine.studies.settle()
    assert len(house.jobs.newest()) == 1
