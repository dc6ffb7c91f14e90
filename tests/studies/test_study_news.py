"""News of studies: from an EHR's Subscription, from polls of archives and EHRs; and what became of them over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient
from sekmet_house import load, sekmet
from servers import FhirServer, fhir_server, gives, hangs, searchset, status
from study_house import Build, House
from study_scene import MODEL, STUDY, Archive, ct

from cds.errors import NotAuthenticated, SettingsError
from cds.jobs import Jobs
from cds.settings import Settings
from cds.studies.notify import Doorman
from cds.studies.poll import Poller

Json = dict[str, Any]
SECRET = "notification-secret-of-thirty-two-characters"
ADDRESS = "/studies/notifications"


def resource(uid: str = STUDY, **changed: Any) -> Json:
    return {
        "resourceType": "ImagingStudy",
        "id": "s1",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "subject": {"reference": "Patient/p1"},
        "started": "2026-11-20T09:00:00Z",
        "modality": [{"code": "CT"}],
        "description": "CT abdomen",
        **changed,
    }


@pytest.fixture
def told(build: Build, archive: Archive, tmp_path: Path) -> House:
    """A house that an EHR may notify."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    archive.holds()
    return build(client={"studies": {"notify_secret_file": tmp_path / "secret"}})


def notify(house: House, body: Json | bytes | None, secret: str | None = SECRET, path: str = ADDRESS) -> Any:
    client: FlaskClient = house.app.test_client()
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    kind = "application/fhir+json" if data else None
    way = client.put if path != ADDRESS else client.post
    return way(path, data=data, content_type=kind, headers=headers)


def test_a_subscription_that_sends_the_study_has_it_read(told: House) -> None:
    answer = notify(told, resource())
    [job] = told.jobs.newest()
    assert (answer.status_code, answer.get_json()) == (200, {"received": 1, "taken": 1, "studies": [job.item]})
    asked = told.app.test_client().get(f"/studies/{job.item}/analyses").get_json()
    assert [a["id"] for a in asked["analyses"]] == [job.id]
    assert (job.payload["why"], job.payload["model"], job.payload["scan"]) == ("notification", MODEL, "2026-11-20")
    assert job.subject == told.engine.ledger.patient_key("demo", "p1")


def test_a_bundle_and_a_put_below_the_address_are_read_as_well(told: House) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [
            {"resource": {"resourceType": "SubscriptionStatus", "status": "active"}},
            {"resource": resource("1.2.3.4")},
        ],
    }
    answer = notify(told, bundle).get_json()
    assert (answer["received"], answer["taken"], len(answer["studies"])) == (1, 1, 1)
    assert notify(told, resource("1.2.3.5"), path=f"{ADDRESS}/ImagingStudy/s1").status_code == 200
    assert {job.payload["study"] for job in told.jobs.newest()} == {"1.2.3.4", "1.2.3.5"}


def test_an_empty_message_and_one_of_something_else_ask_for_nothing(told: House) -> None:
    nothing = {"received": 0, "taken": 0, "studies": []}
    assert notify(told, None).get_json() == nothing
    assert notify(told, {"resourceType": "Patient", "id": "p1"}).get_json() == nothing
    assert told.jobs.newest() == []


def test_a_queue_that_is_away_has_the_notification_sent_again(told: House) -> None:
    away = Jobs("postgresql://nobody@127.0.0.1:1/none")
    told.intake._jobs = away
    answer = notify(told, resource())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    told.intake._jobs = told.jobs
    assert notify(told, resource()).status_code == 200
    away.close()


def test_a_full_queue_has_the_notification_sent_again_and_what_fitted_is_kept(
    build: Build, archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    house = build(client={"studies": {"notify_secret_file": tmp_path / "secret"}}, imaging={"queue_limit": 1})
    bundle = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"resource": resource(u)} for u in ("1.2.3", "1.2.4")],
    }
    answer = notify(house, bundle)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "send the notification again" in answer.get_json()["issue"][0]["details"]["text"]
    [kept] = house.jobs.newest()
    house.jobs.cancel(kept.id)
    assert notify(house, bundle).status_code == 200
    assert {job.payload["study"] for job in house.jobs.newest()} == {"1.2.3", "1.2.4"}


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x"])
def test_without_the_secret_nobody_is_heard(told: House, secret: str | None) -> None:
    answer = notify(told, resource(), secret=secret)
    assert answer.status_code == 401
    assert "secret" not in answer.text
    assert told.jobs.newest() == []


def test_what_is_no_fhir_is_refused(told: House) -> None:
    assert notify(told, b"{").status_code == 400
    assert notify(told, b'{"resourceType": "ImagingStudy", "identifier": 7}').status_code == 400
    answer = told.app.test_client().post(
        ADDRESS, data=b"{}", content_type="text/plain", headers={"Authorization": f"Bearer {SECRET}"}
    )
    assert answer.status_code == 415


def test_where_no_secret_is_set_every_notification_is_refused(house: House) -> None:
    assert notify(house, resource()).status_code == 401


def test_a_secret_that_is_too_short_or_two_clients_is_refused_at_start(told: House, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("too short")
    client = told.settings.clients["demo"]

    def with_files(*files: Path) -> Settings:
        clients = {
            f"c{n}": client.model_copy(update={"studies": client.studies.model_copy(update={"notify_secret_file": f})})
            for n, f in enumerate(files)
        }
        return told.settings.model_copy(update={"clients": clients})

    with pytest.raises(SettingsError, match="shorter than 32"):
        Doorman(with_files(short))
    with pytest.raises(SettingsError, match="same secret"):
        Doorman(with_files(tmp_path / "secret", tmp_path / "secret"))
    with pytest.raises(SettingsError, match="can't be read"):
        Doorman(with_files(tmp_path / "none"))
    with pytest.raises(NotAuthenticated):
        Doorman(with_files(tmp_path / "secret")).client("Basic " + SECRET)


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    with fhir_server() as server:
        yield server


def poller(house: House, now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)) -> Poller:
    return Poller(house.settings, house.intake, lambda: now)


def read(house: House) -> list[str]:
    """UIDs of the studies that the tests' network was asked for."""
    return sorted(job.payload["study"] for job in house.jobs.newest() if job.payload["model"] == MODEL)


def test_a_poll_of_the_archive_finds_new_studies_once_and_again_when_images_came(
    build: Build, archive: Archive
) -> None:
    archive.holds()
    archive.holds("1.2.3.4", ct("1.2.3.4"), t00081030="CT knee")
    house = build(pacs={"poll": True}, imaging={"quiet_period_s": 300.0})
    asking = poller(house)
    assert asking.wanted
    asking.once()
    assert read(house) == [STUDY]
    [first] = house.jobs.newest(kind="study")
    asking.once()
    assert house.jobs.newest()[0].run_at == first.run_at
    archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
    house.move_up()
    asking.once()
    assert house.jobs.newest()[0].run_at == first.run_at, "the quiet period began anew"
    dates = {hit.query["StudyDate"][0] for hit in archive.server.hits if "StudyDate" in hit.query}
    assert dates == {"20261121-"}


def test_a_poll_of_the_ehr_knows_the_patient(build: Build, archive: Archive, ehr: FhirServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("worker-token")
    ehr.on("ImagingStudy", gives(searchset([resource(), resource("1.2.3.4", status="cancelled")])))
    archive.holds()
    source = {"poll": True, "fhir_base": ehr.base, "token_file": tmp_path / "token"}
    house = build(client={"fhir_servers": (ehr.base,), "studies": source})
    assert poller(house).once() >= 1
    assert read(house) == [STUDY]
    [job] = [job for job in house.jobs.newest() if job.payload["model"] == MODEL]
    assert job.subject == house.engine.ledger.patient_key("demo", "p1")
    [hit] = ehr.hits
    assert hit.headers["authorization"] == "Bearer worker-token"
    assert hit.query["_lastUpdated"] == ["ge2026-11-21T12:00:00Z"]


@pytest.mark.parametrize(
    ("zone", "hour", "day"), [("Asia/Tokyo", 20, 22), ("America/New_York", 3, 20), ("Europe/Amsterdam", 23, 22)]
)
def test_a_poll_asks_an_archive_by_the_hospital_s_day_and_an_ehr_by_an_instant(
    build: Build, archive: Archive, ehr: FhirServer, zone: str, hour: int, day: int
) -> None:
    """Two days back: UTC's day is the 23rd at each of these hours."""
    ehr.on("ImagingStudy", gives(searchset([])))
    source = {"poll": True, "fhir_base": ehr.base}
    client = {"fhir_servers": (ehr.base,), "studies": source}
    house = build(client=client, pacs={"poll": True}, timezone=zone)
    # by the hospital's clock: the instant is told in UTC all the same
    poller(house, datetime(2026, 11, 23, hour, 30, 5, 900_000, tzinfo=UTC).astimezone(ZoneInfo(zone))).once()
    assert {h.query["StudyDate"][0] for h in archive.server.hits if "StudyDate" in h.query} == {f"202611{day}-"}
    assert [hit.query["_lastUpdated"] for hit in ehr.hits] == [[f"ge2026-11-21T{hour:02}:30:05Z"]]


@pytest.mark.system
def test_a_server_somebody_else_wrote_tells_what_changed_since_the_instant(build: Build, tmp_path: Path) -> None:
    """Minutes decide: with a bare day the study would be found both times, at most hours."""
    with sekmet(tmp_path) as base:
        entry = {
            "resource": resource(subject={"display": "nobody"}),
            "request": {"method": "POST", "url": "ImagingStudy"},
        }
        load(base, [{"resourceType": "Bundle", "type": "transaction", "entry": [entry]}])
        house = build(client={"fhir_servers": (base,), "studies": {"poll": True, "fhir_base": base}})
        stored = datetime.now(UTC)
        assert poller(house, stored + timedelta(days=2, minutes=5)).once() == 0
        assert poller(house, stored + timedelta(days=2, minutes=-5)).once() == 1


def test_a_poll_signs_in_as_the_client_s_settings_say(
    build: Build, archive: Archive, ehr: FhirServer, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("pass:word")
    ehr.on("ImagingStudy", gives(searchset([resource()])))
    archive.holds()
    backend = {"user": "cds", "password_file": tmp_path / "password"}
    source = {"poll": True, "fhir_base": ehr.base}
    house = build(client={"fhir_servers": (ehr.base,), "studies": source, "backend": backend})
    assert poller(house).once() >= 1
    [hit] = ehr.hits
    assert hit.headers["authorization"] == "Basic Y2RzOnBhc3M6d29yZA=="


@pytest.fixture
def pinged(build: Build, archive: Archive, ehr: FhirServer, tmp_path: Path) -> House:
    """A house whose EHR sends notifications without payload, and is never polled unasked."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    archive.holds()
    studies = {"notify_secret_file": tmp_path / "secret", "fhir_base": ehr.base}
    return build(client={"fhir_servers": (ehr.base,), "studies": studies})


def test_a_notification_without_payload_has_the_ehr_asked_once_for_what_is_new(pinged: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", gives(searchset([resource()])))
    told = notify(pinged, None).get_json()
    assert (told["received"], told["taken"], len(told["studies"])) == (0, 1, 1)
    assert read(pinged) == [STUDY]
    assert len(ehr.hits) == 1
    assert notify(pinged, b" ").get_json() == {"received": 0, "taken": 0, "studies": []}
    assert len(read(pinged)) == 1


def test_an_ehr_that_can_not_be_asked_says_it_again(pinged: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", status(500))
    answer = notify(pinged, None)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert read(pinged) == []
    ehr.on("ImagingStudy", gives(searchset([resource()])))
    assert notify(pinged, None).get_json()["taken"] == 1


def test_while_the_ehr_is_being_asked_no_other_thread_waits_for_it(pinged: House, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", hangs())
    answers: list[int] = []
    slow = threading.Thread(target=lambda: answers.append(notify(pinged, None).status_code))
    slow.start()
    deadline = time.monotonic() + 10
    while not ehr.hits:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    begun = time.monotonic()
    assert notify(pinged, None).status_code == 503
    assert time.monotonic() - begun < 3
    ehr.closing.set()
    slow.join(timeout=20)
    assert answers == [503]


def test_a_source_that_fails_keeps_nobody_from_the_others(build: Build, archive: Archive, ehr: FhirServer) -> None:
    ehr.on("ImagingStudy", status(500))
    archive.holds()
    house = build(
        pacs={"poll": True},
        client={"fhir_servers": (ehr.base,), "studies": {"poll": True, "fhir_base": ehr.base}},
    )
    asking = poller(house)
    asking.once()
    assert read(house) == [STUDY]
    archive.broken = status(503)
    ehr.on("ImagingStudy", gives(searchset([resource("1.2.3.9")])))
    asking.once()
    assert read(house) == [STUDY, "1.2.3.9"] or read(house) == ["1.2.3.9", STUDY]


def test_what_a_full_queue_did_not_take_is_news_again_at_the_next_poll(build: Build, archive: Archive) -> None:
    for number in range(3):
        archive.holds(f"1.2.3.{number}", [])
    house = build(pacs={"poll": True}, imaging={"queue_limit": 2})
    asking = poller(house)
    asking.once()
    assert len(read(house)) == 2
    taken = house.jobs.newest()[0]
    assert house.jobs.cancel(taken.id)
    asking.once()
    assert len(read(house)) == 3


def test_an_archive_of_several_hospitals_is_not_polled_for_anybody(build: Build, archive: Archive) -> None:
    archive.holds()
    house = build(pacs={"poll": True})
    other = house.settings.clients["demo"].model_copy(update={"authentication": "jwt"})
    several = house.settings.model_copy(update={"clients": {**house.settings.clients, "other": other}})
    asking = Poller(several, house.intake, house.engine.now)
    assert asking.once() == 0
    assert read(house) == []


def analyses(house: House, study: str) -> Any:
    return house.app.test_client().get(f"/studies/{study}/analyses")


def test_the_analyses_of_a_study_are_read_by_its_opaque_id(house: House) -> None:
    asked = house.ask(why="hand")
    waiting = analyses(house, asked.study).get_json()
    assert waiting["study"] == asked.study
    [one] = waiting["analyses"]
    assert (one["model"], one["state"], one["progress"]) == (MODEL, "queued", 0.0)
    house.work()
    answer = analyses(house, asked.study)
    [one] = answer.get_json()["analyses"]
    assert (one["state"], one["result"]["category"], one["result"]["demonstration"]) == ("assessed", "high", True)
    assert answer.headers["Cache-Control"] == "no-store"
    lesion = one["result"]["measures"]["lesions"][0]
    assert lesion["longest_mm"] > 10 and lesion["volume_ml"] > 1 and len(lesion["position"]) == 3
    assert STUDY not in answer.text and "1.2.826" not in answer.text and "2.25." not in answer.text


def test_an_analysis_without_a_reading_says_why(build: Build, archive: Archive) -> None:
    archive.holds(instances=ct(slices=12))
    house = build()
    asked = house.ask(why="hand")
    house.work()
    [one] = analyses(house, asked.study).get_json()["analyses"]
    assert (one["state"], one["reason"]["code"]) == ("indeterminate", "too-short")
    assert "too little of the body" in one["reason"]["text"]
    assert "result" not in one


@pytest.mark.parametrize("study", ["0" * 32, "x", STUDY, "%27"])
def test_an_unknown_study_is_not_found(house: House, study: str) -> None:
    assert analyses(house, study).status_code == 404


def test_another_hospitals_study_is_not_even_there(house: House) -> None:
    asked = house.ask(why="hand")
    house.execute("""UPDATE jobs SET payload = replace(payload, '"client":"demo"', '"client":"other"')""")
    assert house.jobs.newest()[0].payload["client"] == "other"
    assert analyses(house, asked.study).status_code == 404


def test_how_much_waits_is_a_metric_and_a_queue_that_is_away_is_none(house: House) -> None:
    house.ask(why="call")
    client = house.app.test_client()
    assert 'cds_study_jobs{state="queued"} 1.0' in client.get("/metrics").text
    house.engine.studies._lookup._jobs = Jobs("postgresql://nobody@127.0.0.1:1/none")
    assert "cds_study_jobs{" not in client.get("/metrics").text
