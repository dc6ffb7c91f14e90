"""The image archive fails in each way a server can: the chart says that the scan is not read yet, and later it is."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import expiring
from dicomweb_answers import stalls_midway, truncates
from faults import Seen
from servers import Behaviour, Exchange, drips_headers, hangs, hangs_up, sends, status
from study_calls import body, study
from study_house import NOW, Build, House
from study_scene import STUDY, Archive, ct
from toxic_proxy import toxic_proxy

pytestmark = pytest.mark.system
HTML = b"<!doctype html><html><body>Please sign in</body></html>"
DRIPPING, HALF = "1.2.826.0.1.13", "1.2.826.0.1.18"
BAD: dict[str, tuple[str, str, Behaviour, str]] = {
    "1.2.826.0.1.11": ("hangs", "", hangs(), "pacs-timeout"),
    "1.2.826.0.1.12": ("drips (slow loris)", "headers", drips_headers(0.1), "pacs-timeout"),
    DRIPPING: ("drips (slow loris)", "images", stalls_midway(ct(DRIPPING), every=0.2), "pacs-timeout"),
    "1.2.826.0.1.14": ("closes the connection", "", hangs_up(), "pacs-unreachable"),
    "1.2.826.0.1.15": ("answers 500", "", status(500), "pacs-failed"),
    "1.2.826.0.1.16": ("answers 429", "", status(429, Retry_After="4"), "pacs-failed"),
    "1.2.826.0.1.17": ("answers something else", "HTML", sends(HTML, content_type="text/html"), "pacs-malformed"),
    HALF: ("answers something else", "half a series", truncates(ct(HALF)), "truncated"),
}
"""Study -> fault, kind of it, what is sent in place of its images, the reason that the job keeps."""


def patient_of(uid: str) -> str:
    """Each study is another patient's."""
    return f"p-{uid.rpartition('.')[2]}"


def card(house: House, uid: str) -> list[dict[str, str]]:
    told = json.dumps(body(study(uid))).replace("Patient/p1", f"Patient/{patient_of(uid)}")
    told = told.replace('"p1"', f'"{patient_of(uid)}"')
    answer = house.app.test_client().post("/cds-services/pancreas-imaging", json=json.loads(told))
    assert answer.status_code == 200
    house.engine.studies.settle()
    found: list[dict[str, str]] = answer.get_json()["cards"]
    assert found
    return found


@pytest.mark.fault("image archive", "hangs")
@pytest.mark.fault("image archive", "drips (slow loris)")
@pytest.mark.fault("image archive", "closes the connection")
@pytest.mark.fault("image archive", "answers 500")
@pytest.mark.fault("image archive", "answers 429")
@pytest.mark.fault("image archive", "answers something else")
def test_a_scan_that_can_not_be_fetched_is_said_to_be_unread_and_read_later(
    build: Build, archive: Archive, seen: Seen
) -> None:
    well = archive.answer

    def answer(exchange: Exchange) -> None:
        parts = exchange.hit.path.split("/")
        return BAD[parts[3]][2](exchange) if len(parts) > 5 else well(exchange)

    for uid in BAD:
        archive.holds(uid, ct(uid))
    archive.server.on("studies", answer)
    house = build(now=lambda: datetime.now(UTC), pacs={"idle_s": 0.5, "total_s": 1.5})
    for uid in BAD:
        house.ask(uid, why="hand", patient=patient_of(uid))
    for _ in BAD:
        assert house.work() is not None
    states = {job.payload["study"]: (job.state, job.reason) for job in house.jobs.newest()}
    assert states == {uid: ("queued", reason) for uid, (_, _, _, reason) in BAD.items()}
    assert house.predictions() == []
    during = {uid: card(house, uid) for uid in BAD}
    assert all("Being analysed" in shown["summary"] for cards in during.values() for shown in cards)
    assert all("has not succeeded so far" in shown["detail"] for cards in during.values() for shown in cards)
    archive.server.on("studies", well)
    begun = time.monotonic()
    read: dict[str, tuple[list[dict[str, str]], float]] = {}
    while len(read) < len(BAD):
        assert time.monotonic() - begun < 30.0, house.jobs.newest()
        if house.work() is None:
            time.sleep(0.1)
        done = {job.payload["study"] for job in house.jobs.newest() if job.state == "done"}
        for uid in done - read.keys():
            read[uid] = card(house, uid), time.monotonic() - begun
    stored = house.predictions()
    assert len(stored) == len(BAD)
    for uid, (what, case, *_) in BAD.items():
        after, seconds = read[uid]
        seen(
            "image archive",
            what,
            during=[during[uid]],
            after=[after],
            of="results, each stored once",
            owed=1,
            kept=sum(job.state == "done" and job.payload["study"] == uid for job in house.jobs.newest()),
            recovery_s=seconds,
            case=case,
        )


@pytest.mark.fault("image archive", "is away for hours")
def test_an_archive_that_is_away_for_hours_costs_no_study(build: Build, archive: Archive, seen: Seen) -> None:
    uids = ["1.2.826.0.1.21", "1.2.826.0.1.22"]
    moments = [NOW]
    house = build(now=lambda: moments[-1])
    for uid in uids:
        archive.holds(uid, ct(uid))
        house.ask(uid, why="poll", patient=patient_of(uid))
    archive.broken = status(503)
    tries = 0
    while moments[-1] < NOW + timedelta(hours=3):
        moments.append(min(job.run_at for job in house.jobs.newest()))
        tries += house.work() is not None
    assert tries > 2 * 10 > 2 * house.settings.imaging.most_attempts
    during = card(house, uids[0])
    assert "Being analysed" in during[0]["summary"] and "has not succeeded so far" in during[0]["detail"]
    archive.broken = None
    back = moments[-1]
    while any(job.state == "queued" for job in house.jobs.newest()):
        moments.append(max(moments[-1], min(job.run_at for job in house.jobs.newest() if job.state == "queued")))
        house.work()
    assert moments[-1] - back < timedelta(minutes=15)
    seen(
        "image archive",
        "is away for hours",
        during=[during],
        after=[card(house, uids[0])],
        of="results, each stored once",
        owed=len(uids),
        kept=len(house.predictions()),
        recovery_s=(moments[-1] - back).total_seconds(),
        case="three hours, by a clock that runs fast",
    )


def test_an_archive_that_is_away_for_longer_than_anybody_waits_is_asked_again_when_the_study_is(
    build: Build, archive: Archive
) -> None:
    archive.holds()
    moments = [NOW]
    house = build(now=lambda: moments[-1], imaging={"away_h": 2.0})
    house.ask(why="poll", patient=patient_of(STUDY))
    archive.broken = status(503, Retry_After="1800")
    while (job := house.jobs.newest()[0]).state == "queued":
        assert moments[-1] < NOW + timedelta(hours=3)
        moments.append(job.run_at)
        house.work()
    assert job.state == "dead" and len(moments) <= 8, "asked sooner than it said"
    assert "Could not be assessed" in card(house, STUDY)[0]["summary"]
    archive.broken = None
    [job] = house.jobs.newest()
    assert (job.state, job.asked_at) == ("queued", moments[-1]), "an open chart asks for it again"
    house.work()
    assert "suspicion high" in card(house, STUDY)[0]["summary"]


@pytest.mark.fault("image archive", "its certificate has expired")
def test_nothing_is_fetched_under_an_expired_certificate(
    build: Build, archive: Archive, tmp_path: Path, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    tls = expiring(tmp_path)
    archive.holds()
    with toxic_proxy(archive.server.port, tls.context) as front:
        secure = {"url": f"https://127.0.0.1:{front.port}/fhir", "ca_file": tls.authorities}
        house = build(now=lambda: datetime.now(UTC), pacs=secure)
        house.ask(why="hand", patient=patient_of(STUDY))
        assert house.work() is not None
        [job] = house.jobs.newest()
        assert (job.state, job.reason) == ("queued", "pacs-untrusted")
        [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith("job.failed")]
        assert "certificate has expired" in line
        assert archive.server.hits == []  # not a word was said to it
        during = card(house, STUDY)
        tls.renew()
        begun = time.monotonic()
        while (job := house.jobs.newest()[0]).state != "done":
            assert time.monotonic() - begun < 30.0, job
            if house.work() is None:
                time.sleep(0.1)
        recovery = time.monotonic() - begun
        seen(
            "image archive",
            "its certificate has expired",
            during=[during],
            after=[card(house, STUDY)],
            of="results, each stored once",
            owed=1,
            kept=len(house.predictions()),
            recovery_s=recovery,
        )


def test_when_the_certificate_stays_expired_the_card_says_so_and_the_open_chart_asks_for_the_study_again(
    build: Build, archive: Archive, tmp_path: Path
) -> None:
    tls = expiring(tmp_path)
    archive.holds()
    with toxic_proxy(archive.server.port, tls.context) as front:
        secure = {"url": f"https://127.0.0.1:{front.port}/fhir", "ca_file": tls.authorities}
        house = build(pacs=secure, imaging={"most_attempts": 1, "away_h": 0})
        house.ask(why="hand", patient=patient_of(STUDY))
        job = house.work()
        assert job is not None and job.state == "dead"
        [shown] = card(house, STUDY)
        assert "Could not be assessed" in shown["summary"]
        assert "certificate has expired or is not trusted" in shown["detail"]
        house.engine.studies.settle()
        asked = house.jobs.get(job.id)
        assert asked is not None and asked.state == "queued"
        tls.renew()
        house.work()
        assert "suspicion high" in card(house, STUDY)[0]["summary"]
