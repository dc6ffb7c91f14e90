"""The news of a study becomes one job a model, after a quiet period, and not without limit."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from study_house import NOW, Build, House
from study_scene import MODEL, STUDY, Archive

from cds.fhir.decoding import decode
from cds.jobs import Jobs
from cds.record.moments import parse
from cds.studies.about import About, from_resource, from_row
from cds.studies.plan import study_id


def test_asking_twice_whoever_asks_is_asking_once(house: House) -> None:
    first, second = house.ask(why="poll"), house.ask(why="call")
    ((job, new),), ((again, not_new),) = first.jobs, second.jobs
    assert (new, not_new, job.id) == (True, False, again.id)
    assert again.priority > job.priority


def test_a_new_version_of_the_model_is_new_work(build: Build, archive: Archive) -> None:
    archive.holds()
    ((first, _),) = build().ask().jobs
    ((second, new),) = build(model={"phase": ["portal-venous"]}).ask().jobs
    assert new and first.id != second.id


def test_images_that_keep_coming_restart_the_quiet_period_and_a_call_does_not(build: Build, archive: Archive) -> None:
    archive.holds()
    moments = [NOW]
    house = build(imaging={"quiet_period_s": 300.0}, now=lambda: moments[-1])
    ((first, _),) = house.ask(why="notification").jobs
    assert first.run_at == NOW + timedelta(seconds=300)
    moments.append(NOW + timedelta(seconds=200))
    ((called, _),) = house.ask(why="call").jobs
    assert called.run_at == NOW + timedelta(seconds=300)
    ((late, _),) = house.ask(why="notification").jobs
    assert late.run_at == NOW + timedelta(seconds=500)
    ((by_hand, _),) = house.ask(why="hand").jobs
    assert by_hand.run_at == NOW + timedelta(seconds=200)


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        ({"modalities": frozenset({"MR"})}, "other-modality"),
        ({"texts": ("CT knee",)}, "other-region"),
        ({"age": 9}, "age-outside-range"),
        ({"texts": ("CT BOVENBUIK met contrast",), "age": 60, "modalities": frozenset({"CT", "SR"})}, ""),
        ({}, ""),
    ],
)
def test_a_study_a_model_is_not_for_is_declined_with_the_reason(house: House, known: dict, reason: str) -> None:  # type: ignore[type-arg]
    asked = house.ask(**known)
    assert asked.declined == (((MODEL, reason),) if reason else ())
    assert len(asked.jobs) == (0 if reason else 1)


def test_a_model_the_policy_does_not_name_reads_nothing_unasked(build: Build, archive: Archive) -> None:
    archive.holds()
    house = build(named=False)
    assert house.ask().declined == ((MODEL, "policy-disabled"),)


def test_a_full_queue_takes_what_people_ask_for_and_says_that_the_rest_waits(build: Build, archive: Archive) -> None:
    house = build(imaging={"queue_limit": 2})
    for number in range(2):
        assert house.ask(f"1.2.3.{number}", why="poll").jobs
    waits = house.ask("1.2.3.7", why="poll")
    assert (waits.waits, waits.jobs, waits.declined) == (True, (), ((MODEL, "queue-full"),))
    assert house.ask("1.2.3.7", why="encounter-start").waits
    assert house.ask("1.2.3.7", why="call").jobs
    assert house.ask("1.2.3.8", why="hand").jobs
    order = [house.jobs.claim("w", ["study"]) for _ in range(2)]
    assert [job.payload["why"] if job else None for job in order] == ["hand", "call"]


def test_what_waits_for_an_archive_that_is_away_keeps_no_news_of_another_out_but_not_without_end(
    build: Build, archive: Archive
) -> None:
    house = build(imaging={"queue_limit": 1})
    for number in range(10):
        assert house.ask(f"1.2.3.{number}", why="poll").jobs, f"{number} failed before"
        job = house.jobs.claim("w", ["study"])
        assert job is not None
        house.jobs.fail(job, "pacs-unreachable", again=True, patience=timedelta(hours=24))
    assert house.ask("1.2.4.1", why="notification").waits
    assert house.jobs.cancel(house.jobs.newest()[0].id)
    assert house.ask("1.2.4.1", why="notification").jobs
    assert house.jobs.cancel(house.jobs.newest()[2].id)
    assert house.ask("1.2.4.2", why="notification").waits, "one waits that nobody has tried"


def test_by_hand_what_failed_is_tried_again(house: House) -> None:
    ((job, _),) = house.ask(why="call").jobs
    assert house.jobs.cancel(job.id)
    assert house.ask(why="call").jobs[0][0].state == "cancelled"
    ((again, new),) = house.ask(why="hand").jobs
    assert (again.id, again.state, new) == (job.id, "queued", True)


def test_what_an_archive_that_was_away_cost_is_asked_for_again_by_itself_once_a_day_and_by_hand_always(
    build: Build, archive: Archive
) -> None:
    moments = [NOW]
    house = build(now=lambda: moments[-1])

    def fails() -> None:
        job = house.jobs.claim("w", ["study"])
        assert job is not None and house.jobs.fail(job, "pacs-failed", again=False) == "dead"

    def renewed(why: str) -> bool:
        return house.ask(why=why).jobs[0][1]

    assert renewed("call")
    fails()
    assert renewed("call"), "its first time is waited for nothing"
    fails()
    moments.append(NOW + timedelta(hours=23))
    assert not renewed("call") and not renewed("notification")
    assert renewed("hand")
    fails()
    assert not renewed("call")
    moments.append(NOW + timedelta(hours=48))
    assert renewed("call")


def test_by_hand_what_waits_after_a_failure_is_tried_now(house: House) -> None:
    house.ask(why="call")
    job = house.jobs.claim("w", ["study"])
    assert job is not None
    assert house.jobs.fail(job, "disk-full", again=True, after=timedelta(hours=1)) == "queued"
    assert house.ask(why="call").jobs[0][0].run_at > NOW
    ((again, new),) = house.ask(why="hand").jobs
    assert (again.run_at, again.attempts, new) == (NOW, 1, False)


def test_a_patient_who_is_named_later_is_found_then(house: House) -> None:
    ((job, _),) = house.ask(why="poll", patient=None).jobs
    assert job.subject is None
    ((known, _),) = house.ask(why="call", patient="p1").jobs
    assert known.subject == house.engine.ledger.patient_key("demo", "p1")


def test_a_studys_name_leads_back_to_nobody_and_differs_between_hospitals(house: House) -> None:
    ledger = house.engine.ledger
    one, other = study_id(ledger, "demo", STUDY), study_id(ledger, "other", STUDY)
    assert len(one) == 32 and one != other
    assert STUDY not in one


def test_a_queue_that_is_away_is_said(house: House) -> None:
    from cds.errors import LedgerError

    house.intake._jobs = Jobs("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(LedgerError):
        house.ask()


STUDY_JSON = b"""{"resourceType": "ImagingStudy", "id": "s1", "status": "available",
 "identifier": [{"system": "http://hospital/accession", "value": "A1"},
  {"system": "urn:dicom:uid", "value": "urn:oid:1.2.840.1"}],
 "subject": {"reference": "Patient/p1"}, "started": "2026-11-20T09:00:00Z", "numberOfInstances": 30,
 "modality": [{"code": "CT"}], "description": "CT abdomen",
 "series": [{"uid": "1.2.840.1.1", "modality": {"code": "SR"}, "bodySite": {"display": "Abdomen"}}]}"""


def test_an_imaging_study_is_read_as_fhir_writes_it() -> None:
    [study] = decode(STUDY_JSON).resources
    about = from_resource(study, 61)
    assert about == About(
        "1.2.840.1",
        frozenset({"CT", "SR"}),
        ("CT abdomen", "Abdomen"),
        date(2026, 11, 20),
        61,
        30,
        "p1",
        parse("2026-11-20T09:00:00Z"),
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [(b'"available"', b'"entered-in-error"'), (b"urn:oid:1.2.840.1", b"../../1"), (b"urn:dicom:uid", b"urn:other")],
)
@pytest.mark.threat("path-traversal")
def test_a_study_without_a_uid_or_never_made_is_none(old: bytes, new: bytes) -> None:
    [study] = decode(STUDY_JSON.replace(old, new, 1)).resources
    assert from_resource(study) is None


def test_an_archives_row_gives_age_and_region() -> None:
    from cds.imaging.dicomweb import StudyRow

    about = from_row(StudyRow("1.2.3", "20261120", "", "A1", ("CT",), "CT abdomen", "19601121", 30))
    assert (about.age, about.day, about.images, about.texts) == (65, date(2026, 11, 20), 30, ("CT abdomen",))
