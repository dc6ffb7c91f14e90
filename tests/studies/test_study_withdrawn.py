"""A study that the EHR takes back: nothing that was read of it stays on the chart, is compared with or written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from servers import FhirServer, fhir_server, gives, searchset
from study_calls import study
from study_charts import Json, cards, only, work
from study_house import Build, House
from study_scene import STUDY, Archive, ct, settings_of

from cds.imaging.reasons import Unusable
from cds.settings import load
from cds.studies.ehr import Ehrs

LATER = f"{STUDY[:-1]}2"


def taken_back(status: str = "entered-in-error", **said: str) -> Json:
    return study(status=status, **said)


@pytest.fixture
def read(house: House) -> House:
    cards(house, study())
    work(house)
    assert only(cards(house, study()))[0].endswith("suspicion high")
    return house


def test_its_reading_leaves_the_chart_which_says_why_until_the_ehr_gives_it_back(read: House) -> None:
    for status in ("entered-in-error", "cancelled"):
        for _ in range(2):
            summary, detail = only(cards(read, taken_back(status)))
            assert summary == "DEMONSTRATION: Could not be assessed: Tiny network"
            assert "The scan of 20 Nov 2026 is not counted. It has been withdrawn from the record" in detail
            assert "high" not in detail and "no reassurance" in detail
        assert read.jobs.newest()[0].subject is None, "no later scan of this patient is compared with it"
        _, detail = only(cards(read, taken_back(status), language="nl"))
        assert "De scan van 20 nov 2026 telt niet mee. Hij is in het dossier ingetrokken" in detail
        assert only(cards(read, study()))[0].endswith("suspicion high")
        [job] = read.jobs.newest()
        assert job.subject == read.engine.ledger.patient_key("demo", "p1")


def test_an_entry_of_it_that_stands_and_another_patients_reading_of_it_are_left_alone(read: House) -> None:
    assert only(cards(read, taken_back(id="double"), study()))[0].endswith("suspicion high")
    item = str(read.jobs.newest()[0].item)
    read.jobs.belong([item], "another")
    assert cards(read, taken_back()) == []
    assert read.jobs.leave([item], "the first") == 0
    assert read.jobs.newest()[0].subject == "another"


def test_one_that_nobody_read_or_that_is_old_is_no_card(build: Build, archive: Archive) -> None:
    archive.holds()
    house = build()
    assert cards(house, taken_back()) == []
    assert house.jobs.newest() == [], "nor is it asked for"
    house.ask(why="hand", day=date(2024, 1, 1))
    work(house)
    assert cards(house, taken_back()) == []


def test_what_was_read_beside_it_stands_without_the_comparison(read: House, archive: Archive) -> None:
    archive.holds(LATER, ct(LATER), t00080020="20261122")
    later = study(LATER, "2026-11-22")
    cards(read, study(), later)
    work(read)
    _, detail = only(cards(read, study(), later))
    assert "the scan of 22 Nov 2026" in detail and "20 Nov 2026" in detail
    _, detail = only(cards(read, taken_back(), later))
    assert "Read: the scan of 22 Nov 2026 (1 day old)." in detail and "20 Nov 2026" not in detail


def test_the_ehrs_own_answer_counts_no_withdrawn_study(tmp_path: Path, archive: Archive) -> None:
    (tmp_path / "cds.toml").touch()
    with fhir_server() as ehr:
        client = {"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}}
        ehrs = Ehrs(load(tmp_path / "cds.toml", **settings_of(tmp_path, archive, client=client)))
        ehr.on("ImagingStudy", gives(searchset([taken_back(patient="p2"), study()])))
        assert ehrs.owner("demo", STUDY) == "p1"
        ehr.on("ImagingStudy", gives(searchset([taken_back()])))
        with pytest.raises(Unusable, match="withdrawn from the record"):
            ehrs.owner("demo", STUDY)


@pytest.fixture
def ehr() -> Iterator[FhirServer]:
    with fhir_server() as server:
        server.on("ImagingStudy", gives(searchset([study()])))
        yield server


@pytest.fixture
def asking(build: Build, archive: Archive, ehr: FhirServer) -> House:
    """A worker that may ask the EHR itself, and a scan that waits."""
    archive.holds()
    house = build(client={"fhir_servers": (ehr.base,), "studies": {"fhir_base": ehr.base}})
    house.ask(why="hand", day=date(2026, 11, 20))
    return house


def test_one_that_the_ehr_withdraws_while_it_waits_is_not_read_until_it_is_given_back(
    asking: House, ehr: FhirServer
) -> None:
    ehr.on("ImagingStudy", gives(searchset([taken_back()])))
    job = asking.work()
    assert job is not None
    assert (job.state, job.reason, job.subject) == ("dead", "study-withdrawn", None)
    assert asking.predictions() == []
    ehr.on("ImagingStudy", gives(searchset([study()])))
    assert "withdrawn" not in only(cards(asking, study()))[1]
    work(asking)
    assert only(cards(asking, study()))[0].endswith("suspicion high")


@pytest.mark.parametrize(("entry", "owner"), [(taken_back(), None), (study(patient="p2"), "p2")])
def test_no_scan_is_compared_with_one_that_the_ehr_withdrew_or_moved_and_no_chart_told_of(
    asking: House, archive: Archive, ehr: FhirServer, entry: Json, owner: str | None
) -> None:
    work(asking)
    archive.holds(LATER, ct(LATER), t00080020="20261122")
    ehr.on("ImagingStudy", gives(searchset([entry, study(LATER, "2026-11-22")])))
    asking.ask(LATER, why="hand", day=date(2026, 11, 22))
    work(asking)
    later, earlier = asking.jobs.newest()
    assert later.result is not None and "comparison" not in later.result
    key = asking.engine.ledger.patient_key
    assert (later.subject, earlier.subject) == (key("demo", "p1"), owner and key("demo", owner))
