"""From the archive to a stored reading: what is found, what can't be, what is tried again, what is never doubled."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest
from dicomweb_answers import drops, sends_series, truncates
from servers import fhir_server, hangs_up, sends, status
from service import Keys
from study_calls import study
from study_charts import cards, only
from study_house import Build, House
from study_scene import MODEL, STUDY, Archive, away, ct, graph

from cds.errors import SettingsError
from cds.imaging.reasons import Reason, Unusable
from cds.jobs import Job
from cds.ledger import tables
from cds.studies import pipeline
from cds.studies.again import kept
from cds.studies.analysed import Analysed
from cds.studies.view import analysis


def done(house: House) -> Job:
    found = house.work()
    assert found is not None
    return found


def test_a_study_is_fetched_analysed_and_stored_with_its_prediction(house: House) -> None:
    asked = house.ask(why="hand")
    job = done(house)
    assert job.state == "done" and job.result is not None
    assert job.result["outcome"] == "assessed"
    assert (job.result["category"], job.result["outputs"]["suspicion"]) == ("high", 1.0)
    assert job.result["likelihood"] > 0.5 and job.result["candidates"]
    assert job.result["series"] == f"{STUDY}.1"
    (row,) = house.predictions()
    assert (row["id"], row["model"], row["outcome"]) == (job.result["prediction"], MODEL, "predicted")
    assert row["inputs"]["scan"]["value"] == asked.study


def test_neither_patient_nor_study_is_named_in_the_ledger_but_in_the_jobs_own_payload(house: House) -> None:
    house.ask(why="hand", patient="Mrs-Example-1950")
    done(house)
    told = str(house.rows(tables.calls)) + str(house.rows(tables.predictions))
    jobs = [{k: v for k, v in row.items() if k not in ("payload", "result")} for row in house.rows(tables.jobs)]
    assert "Mrs-Example-1950" not in told + str(house.rows(tables.jobs))
    assert STUDY not in told + str(jobs)


def test_a_study_of_another_phase_or_without_ct_is_indeterminate_and_never_negative(
    build: Build, archive: Archive
) -> None:
    archive.holds(instances=ct(SeriesDescription="Abdomen native", ProtocolName="blanco"))
    house = build(model={"phase": ["portal-venous"]})
    house.ask(why="hand")
    job = done(house)
    assert job.state == "done" and job.result is not None
    assert (job.result["outcome"], job.result["reason"]) == ("indeterminate", "phase-conflict")
    assert "likelihood" not in job.result and "category" not in job.result
    (row,) = house.predictions()
    assert (row["outcome"], row["reason"], row["outputs"]) == ("not-assessed", "phase-conflict", {})


@pytest.mark.parametrize(
    ("instances", "reason"),
    [(ct(slices=12), "too-short"), (ct()[:10] + ct()[16:], "gap"), (ct(slices=2), "too-few-slices")],
)
def test_a_scan_that_can_not_be_used_is_indeterminate_with_its_reason(
    build: Build, archive: Archive, instances: list[bytes], reason: str
) -> None:
    archive.holds(instances=instances)
    house = build()
    house.ask(why="hand")
    job = done(house)
    assert job.result is not None
    assert (job.result["outcome"], job.result["reason"]) == ("indeterminate", reason)


def test_images_of_two_patients_are_no_result_of_anybody(build: Build, archive: Archive) -> None:
    archive.holds(instances=[*ct(slices=15), *ct(slices=15, PatientID="SOMEBODY-ELSE")])
    house = build()
    house.ask(why="hand")
    job = done(house)
    assert job.result is not None
    assert (job.result["outcome"], job.result["reason"]) == ("indeterminate", "several-patients")


def test_a_finding_that_rests_on_a_slice_made_from_its_neighbours_is_none(build: Build, archive: Archive) -> None:
    whole = ct()
    archive.holds(instances=whole[:15] + whole[16:])
    house = build()
    house.ask(why="hand")
    job = done(house)
    assert job.result is not None
    assert (job.result["outcome"], job.result["reason"]) == ("indeterminate", "missing-slices")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (truncates(ct()), "truncated"),
        (drops(ct()), "pacs-unreachable"),
        (away(), "pacs-failed"),
        (sends_series(ct()[:20]), "incomplete"),
    ],
)
def test_what_may_pass_is_tried_again_and_nothing_is_stored_meanwhile(
    house: House, behaviour: Any, reason: str
) -> None:
    house.archive.series_answers = behaviour
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason) == ("queued", reason)
    assert house.predictions() == []


@pytest.mark.parametrize(
    ("behaviour", "reason", "counts"),
    [
        (status(403), "pacs-refused", 1),
        (sends(b"<html>", content_type="text/html"), "pacs-malformed", 1),
        (drops(ct()), "pacs-unreachable", 1),
        (status(503), "pacs-failed", 0),
        (hangs_up(), "pacs-unreachable", 0),
    ],
)
def test_an_attempt_counts_when_it_is_this_study_that_the_archive_does_not_give(
    house: House, behaviour: Any, reason: str, counts: int
) -> None:
    house.archive.series_answers = behaviour
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason, job.attempts) == ("queued", reason, counts)


def test_an_archive_that_refuses_every_question_costs_no_attempt(house: House) -> None:
    house.archive.broken = status(401)
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason, job.attempts) == ("queued", "pacs-refused", 0)


@pytest.fixture
def second(house: House) -> Iterator[Archive]:
    """Another archive of the same hospital, which is asked after the first."""
    with fhir_server() as server:
        made = Archive(server)
        server.on("studies", made.answer)
        main = house.settings.pacs["main"]
        both = {"main": main, "second": main.model_copy(update={"url": made.base})}
        house.settings = house.intake._settings = house.settings.model_copy(update={"pacs": both})
        yield made


def test_an_archive_that_is_away_does_not_hide_the_study_in_the_next(house: House, second: Archive) -> None:
    house.archive.broken = away()
    second.holds()
    house.ask(why="hand")
    job = done(house)
    assert (job.state, (job.result or {}).get("outcome")) == ("done", "assessed")


def test_a_study_that_only_the_archive_that_is_away_can_have_waits_for_it(house: House, second: Archive) -> None:
    house.archive.broken = away()
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason, job.attempts) == ("queued", "pacs-failed", 0)


def test_an_archive_that_is_not_listed_is_a_fault_of_the_settings_and_not_tried_again(
    build: Build, archive: Archive
) -> None:
    house = build(pacs={"allowed": ("https://other.example/dicom-web",)})
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason) == ("dead", "pacs-not-listed")


@pytest.mark.parametrize("broken", ["not-a-number", "missing-file", "other-file"])
def test_a_network_that_fails_gives_no_result(build: Build, archive: Archive, broken: str) -> None:
    archive.holds()
    house = build(model={"onnx": graph(not_a_number=True)} if broken == "not-a-number" else {})
    path = house.settings.model_dirs[0] / MODEL / "look.onnx"
    if broken == "missing-file":
        path.unlink()
    elif broken == "other-file":
        path.write_bytes(graph(not_a_number=True))
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason) == ("queued", "model-failed")
    assert house.predictions() == []


def test_images_that_come_in_during_the_work_send_it_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pipeline.choose_volume

    def then_more_come(*given: Any, **named: Any) -> Any:
        found = real(*given, **named)
        house.archive.studies[STUDY][f"{STUDY}.2"] = ct(series=f"{STUDY}.2")
        return found

    monkeypatch.setattr(pipeline, "choose_volume", then_more_come)
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason) == ("queued", "images-arriving")


class Keeps:
    name = "keeps"

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.written = list(faults), list[str]()

    def write(self, analysed: Analysed) -> Mapping[str, Any]:
        if self.faults:
            raise self.faults.pop(0)
        self.written.append(analysed.study_uid)
        return {"objects": 1}


def test_a_result_is_written_back_before_it_is_stored_and_what_was_written_is_kept(house: House) -> None:
    writer = Keeps()
    house.writers = (writer,)
    house.ask(why="hand")
    job = done(house)
    assert job.result is not None
    assert writer.written == [STUDY]
    assert job.result["written"] == {"keeps": {"objects": 1}}


def test_a_write_that_fails_is_tried_again_and_at_the_last_does_not_cost_the_result(
    build: Build, archive: Archive
) -> None:
    archive.holds()
    house = build(imaging={"most_attempts": 2})
    fault = Unusable(Reason.PACS_FAILED)
    house.writers = (Keeps(fault, fault),)
    house.ask(why="hand")
    assert (done(house).state, done_reason(house)) == ("queued", "write-pacs-failed")
    house.move_up()
    job = done(house)
    assert job.state == "done" and job.result is not None
    assert job.result["written"] == {"keeps": {"reason": "pacs-failed"}}
    assert len(house.predictions()) == 1


def done_reason(house: House) -> str:
    return house.jobs.newest()[0].reason


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (OSError(errno.EIO, "I/O error"), "io-error"),
        (MemoryError(), "out-of-memory"),
        (SettingsError("a file of the settings is gone"), "settings"),
    ],
)
def test_a_full_disk_or_too_little_memory_loses_nothing(house: House, fault: Exception, reason: str) -> None:
    house.writers = (Keeps(fault),)
    house.ask(why="hand")
    job = done(house)
    assert (job.state, job.reason) == ("queued", reason)
    assert house.predictions() == []
    house.move_up()
    assert done(house).state == "done"


def test_a_network_that_is_not_for_clinical_use_does_not_run_unasked_in_production(
    build: Build, archive: Archive, client_keys: Keys
) -> None:
    archive.holds()
    client = {"authentication": "jwt", "issuer": "https://ehr.example", "jwks": client_keys.public_set()}
    house = build(environment="production", ledger_key="0123456789abcdef-imaging-tests-x", client=client)
    assert house.ask(why="call").declined == ((MODEL, "not-for-clinical-use"),)
    assert house.ask(why="hand").jobs


ORGAN = {"structures": {"lesion": {"code": {"value": "15776009", "meaning": "Pancreas"}, "role": "organ"}}}


@pytest.mark.parametrize("raised", [True, False])
def test_a_scan_that_ends_inside_the_organ_gives_a_finding_that_says_so_or_no_reading(
    build: Build, archive: Archive, raised: bool
) -> None:
    archive.holds()
    unlikely = {} if raised else {"calibration": {"intercept": -9, "slope": 0.1}}
    house = build(model={"legend": ORGAN, **unlikely})
    house.ask(why="hand", day=date(2026, 11, 20))
    result = done(house).result
    assert result is not None
    _, detail = only(cards(house, study()))
    if raised:
        assert (result["outcome"], result["category"], result["cut_off"]) == ("assessed", "high", True)
        assert (
            "The scan ends inside the organ the network looks at; what lies beyond, the network has not seen." in detail
        )
        assert result["findings"]["cut_off"] and analysis(house.jobs.newest()[0])["result"]["cut_off"]
    else:
        assert (result["outcome"], result["reason"], result["stage"]) == ("indeterminate", "cut-off", "look")
        assert (
            "The scan ends inside the organ the network looks at, and the network has not seen what lies beyond"
            in detail
        )
        assert "That is no reassurance" in detail


@pytest.mark.parametrize("cut", [True, False])
def test_no_scan_is_compared_with_one_that_ended_inside_the_organ(build: Build, archive: Archive, cut: bool) -> None:
    """As an earlier version stored it: beside the findings and not in them."""
    earlier = f"{STUDY[:-1]}0"
    archive.holds(earlier, ct(earlier), t00080020="20260105")
    archive.holds()
    house = build()
    house.ask(earlier, why="hand", day=date(2026, 1, 5))
    done(house)
    house.execute("UPDATE jobs SET result = json_remove(result, '$.findings.cut_off')")
    if cut:
        house.execute("UPDATE jobs SET result = json_set(result, '$.cut_off', json('true'))")
    house.ask(why="hand", day=date(2026, 11, 20))
    done(house)
    later = next(job for job in house.jobs.newest() if job.payload["study"] == STUDY)
    assert later.result is not None
    assert later.result["comparison"]["since"] == "20260105"
    assert (later.result["comparison"]["why_not"] == "cut-off") is cut
    _, detail = only(cards(house, study()))
    assert ("Not comparable with the scan of" in detail and "ends inside the organ." in detail) is cut


class Wall:
    """A writer, and the models whose results it was given."""

    name = "fhir"

    def __init__(self) -> None:
        self.wrote: list[str] = []

    def write(self, analysed: Analysed) -> dict[str, Any]:
        self.wrote.append(analysed.model.manifest.id)
        return {}


@pytest.mark.parametrize("production", [True, False])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_the_policy_has_not_enabled_is_read_by_hand_and_written_nowhere(
    build: Build, archive: Archive, client_keys: Keys, production: bool, enabled: bool
) -> None:
    archive.holds()
    wall = Wall()
    client = {"authentication": "jwt", "issuer": "https://ehr.example", "jwks": client_keys.public_set()}
    where = {"environment": "production", "ledger_key": "0123456789abcdef-imaging-tests-x", "client": client}
    house = build(model={"clinical_use": True}, named=enabled, **(where if production else {}))
    house.writers = (wall,)
    assert house.ask(why="hand").held == (() if enabled else ((MODEL, "policy-disabled"),))
    result = done(house).result
    assert result is not None and result["outcome"] == "assessed"
    assert result["written"] == {"fhir": {} if enabled else {"reason": "policy-disabled"}}
    assert wall.wrote == ([MODEL] if enabled else [])


def by_hand(build: Build) -> tuple[House, Wall]:
    """A study asked for by hand where the policy has not enabled the network."""
    house, wall = build(named=False), Wall()
    house.writers = (wall,)
    house.ask(why="hand")
    return house, wall


@pytest.mark.parametrize("why", ["hand", "call", "poll", "chart"])
def test_what_was_read_by_hand_is_written_once_the_policy_has_enabled_the_network(
    build: Build, archive: Archive, why: str
) -> None:
    archive.holds()
    before, wall = by_hand(build)
    first = done(before).result
    assert first is not None and first["written"] == {"fhir": {"reason": "policy-disabled"}}
    ((_, again),) = before.ask(why="hand").jobs
    assert not again, "as long as it is not enabled there is nothing to do"
    after = build()
    after.writers = (wall,)
    if why == "chart":
        assert only(cards(after, study())), "the reading stands"
        after.engine.studies.settle()
        job = after.jobs.newest()[0]
    else:
        ((job, new),) = after.ask(why=why).jobs
        assert new
    assert job.state == "queued" and kept(job) == first
    after.move_up()
    second = done(after).result
    assert second is not None and second["written"] == {"fhir": {}}
    assert wall.wrote == [MODEL]
    assert only(cards(after, study()))
    after.engine.studies.settle()
    assert after.jobs.newest()[0].state == "done"
    ((_, new),) = after.ask(why="call" if why == "chart" else why).jobs
    assert not new


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("images", [20, 45])
def test_of_a_scan_that_is_read_again_to_be_written_no_card_says_that_more_images_have_come(
    build: Build, archive: Archive, images: int, fails: bool
) -> None:
    """Unless the EHR tells of more."""
    archive.holds()
    before, _ = by_hand(build)
    assert done(before).state == "done"
    after = build()
    told = study(numberOfInstances=images)
    first = only(cards(after, told))
    assert after.jobs.newest()[0].state == "queued"
    if fails:
        after.move_up()
        claimed = after.jobs.claim("w", ["study"])
        assert claimed is not None
        after.jobs.fail(claimed, "model-failed", again=False)
    second = only(cards(after, told))
    assert ("more images of it have come in" in second[1]) is (images == 45)
    assert (second == first) is (images == 20)


def test_a_model_of_another_version_leaves_the_job_of_the_old_one_alone(build: Build, archive: Archive) -> None:
    archive.holds()
    house = build()
    house.ask(why="hand")
    renewed = build(model={"clinical_use": True})
    job = done(renewed)
    assert (job.state, job.reason) == ("dead", "model-replaced")
    _, new = renewed.ask(why="hand").jobs[0]
    assert new
