"""``cds study`` and ``cds worker`` from a terminal: asked for, done, shown, tried again, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from study_scene import MODEL, STUDY, Archive, ct, settings_of, write_model, write_toml

from cds.cli import main
from cds.jobs import Job, Jobs
from cds.settings import load


@pytest.fixture
def toml(tmp_path: Path, archive: Archive) -> Path:
    archive.holds()
    write_model(tmp_path)
    return write_toml(tmp_path / "cds.toml", settings_of(tmp_path, archive, imaging={"most_attempts": 1}))


def cds(toml: Path, *words: str, code: int = 0) -> str:
    done = CliRunner(env={"COLUMNS": "160", "NO_COLOR": "1"}).invoke(main, ["--settings", str(toml), *words])
    assert done.exit_code == code, done.output
    return done.output


def work(toml: Path) -> str:
    """What waits, by a worker of its own: its process gets other priorities and other signals."""
    done = subprocess.run(
        [sys.executable, "-m", "cds", "--settings", str(toml), "worker", "--once"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(toml: Path, *more: str) -> int:
    """The job's id."""
    told = cds(toml, "study", "analyse", STUDY, "--model", MODEL, "--patient", "p1", *more)
    [line] = [line for line in told.splitlines() if MODEL in line]
    return int(line.split()[1])


def test_from_asking_to_the_result(toml: Path, archive: Archive) -> None:
    assert "No analysis has been asked for." in cds(toml, "study", "list")
    job = asked(toml)
    assert asked(toml) == job
    assert "queued" in cds(toml, "study", "list")
    assert "No analysis is dead." in cds(toml, "study", "list", "--state", "dead")
    assert "1 job(s)" in work(toml)
    told = cds(toml, "study", "list")
    assert "assessed" in told and "high (" in told
    shown = cds(toml, "study", "show", str(job))
    assert "high, likelihood" in shown and "by hand" in shown
    [one] = json.loads(cds(toml, "study", "list", "--json"))
    assert one["state"] == "assessed"
    assert cds(toml, "study", "id", STUDY).strip() == one["study"]
    assert "assessed" in cds(toml, "study", "show", str(job), "--json")
    assert STUDY not in told + shown
    assert "has ended: assessed" in cds(toml, "study", "cancel", str(job), code=1)


def test_a_finding_on_a_scan_that_ends_inside_the_organ_is_shown_with_that(toml: Path, tmp_path: Path) -> None:
    lesion = {"code": {"value": "15776009", "meaning": "Pancreas"}, "role": "organ"}
    write_model(tmp_path, legend={"structures": {"lesion": lesion}})
    job = asked(toml)
    work(toml)
    assert "the scan ends inside the organ, and the network has not seen what lies beyond" in cds(
        toml, "study", "show", str(job)
    )


def test_who_asks_for_what_the_policy_has_not_enabled_is_told_that_nobody_else_will_see_it(
    tmp_path: Path, archive: Archive, toml: Path
) -> None:
    only = "Its result is stored for you to see, and reaches no card, no archive and no patient's record."
    assert only not in cds(toml, "study", "analyse", STUDY, "--model", MODEL)
    write_toml(toml, settings_of(tmp_path, archive, named=False))
    told = " ".join(cds(toml, "study", "analyse", STUDY, "--model", MODEL).split())
    assert f"{MODEL}: The policy has switched the model off. {only}" in told


@pytest.mark.parametrize("uid", ["not-a-uid", "", "../../studies", "1..2", "1." * 40 + "1"])
def test_what_is_no_uid_is_asked_of_no_archive(uid: str, toml: Path) -> None:
    for words in (("analyse", uid, "--model", MODEL), ("id", uid)):
        assert "is no Study Instance UID" in " ".join(cds(toml, "study", *words, code=2).split())
    assert "No analysis has been asked for." in cds(toml, "study", "list")


def test_a_model_that_is_not_there_is_named_with_those_that_are(toml: Path) -> None:
    told = " ".join(cds(toml, "study", "analyse", STUDY, "--model", MODEL, "--model", "nope", code=2).split())
    assert f"no model that reads scans is called 'nope'; there are: pancreas-ct-demo, {MODEL}." in told
    assert "No analysis has been asked for." in cds(toml, "study", "list")


@pytest.mark.parametrize("written", [{"fhir": {"reason": "policy-disabled"}}, {"fhir": {}}])
def test_more_images_have_come_where_a_scan_is_not_read_again_only_to_be_written(
    toml: Path, written: dict[str, dict[str, str]]
) -> None:
    job = asked(toml)
    work(toml)
    database = sa.create_engine(load(toml).ledger_url)
    with database.begin() as connection:
        again = "json_set(payload, '$.before', json_set(result, '$.written', json(:written)))"
        connection.execute(
            sa.text(f"UPDATE jobs SET state = 'queued', result = NULL, payload = {again}"),
            {"written": json.dumps(written)},
        )
    database.dispose()
    shown = cds(toml, "study", "show", str(job))
    assert "high, likelihood" in shown
    assert ("more images have come since" in shown) is (written == {"fhir": {}})


def test_what_failed_is_shown_in_words_and_tried_again(toml: Path, archive: Archive) -> None:
    network = toml.parent / "models" / MODEL / "look.onnx"
    content = network.read_bytes()
    network.unlink()
    job = asked(toml)
    work(toml)
    told = cds(toml, "study", "show", str(job))
    assert "The network could not run" in told and "That is no reassurance." in told
    assert "failed" in cds(toml, "study", "list", "--state", "dead")
    network.write_bytes(content)
    assert "waits again" in cds(toml, "study", "retry", str(job))
    work(toml)
    assert "assessed" in cds(toml, "study", "show", str(job))
    assert "only one without a reading" in cds(toml, "study", "retry", str(job), code=1)


def test_after_an_outage_one_word_has_everything_tried_again(toml: Path, archive: Archive) -> None:
    job = asked(toml)
    jobs = Jobs(load(toml).ledger_url)
    lost, _ = jobs.enqueue("study", "other", {"study": "1.2.3"}, item="x")
    for reason in ("disk-full", "pacs-failed"):
        claimed = jobs.claim("w", ["study"])
        assert claimed is not None
        patience = timedelta(hours=1)
        jobs.fail(claimed, reason, again=claimed.id == job, patience=patience, after=patience)
    assert (at(jobs, job).state, at(jobs, lost.id).state) == ("queued", "dead")
    assert "0 job(s) wait again" in cds(toml, "study", "retry", "--all", "--reason", "pacs-timeout")
    assert "1 job(s) wait again" in cds(toml, "study", "retry", "--all", "--reason", "pacs-failed")
    assert (at(jobs, lost.id).state, at(jobs, lost.id).reason) == ("queued", "")
    assert "tried again" in cds(toml, "study", "show", str(job))
    assert "1 job(s) wait again" in cds(toml, "study", "retry", "--all")
    assert at(jobs, job).run_at <= datetime.now(UTC)
    for words in ([], [str(job), "--all"], [str(job), "--reason", "x"]):
        assert "give the number of one JOB, or --all" in cds(toml, "study", "retry", *words, code=2)
    jobs.close()


def at(jobs: Jobs, id: int) -> Job:
    found = jobs.get(id)
    assert found is not None
    return found


def test_a_scan_that_can_not_be_used_is_no_reassurance(toml: Path, archive: Archive) -> None:
    archive.holds(instances=ct(slices=12))
    job = asked(toml)
    work(toml)
    told = cds(toml, "study", "show", str(job))
    assert "indeterminate" in told and "covers too little of the body" in told and "That is no reassurance." in told
    archive.holds()
    assert "waits again" in cds(toml, "study", "retry", str(job))
    work(toml)
    assert "assessed" in cds(toml, "study", "show", str(job))


def test_a_cancelled_job_is_not_done(toml: Path) -> None:
    job = asked(toml)
    cds(toml, "study", "cancel", str(job))
    assert "0 job(s)" in work(toml)
    assert "cancelled" in cds(toml, "study", "show", str(job))


def test_what_is_wrong_is_a_sentence(toml: Path) -> None:
    assert "CDS-404: there is no study job 7" in cds(toml, "study", "show", "7", code=2)
    assert "known: demo" in cds(toml, "study", "analyse", STUDY, "--client", "nobody", code=1)
    assert "known: main" in cds(toml, "study", "analyse", STUDY, "--pacs", "nowhere", code=1)


def test_without_an_archive_nothing_is_asked_for(toml: Path, archive: Archive) -> None:
    settings = settings_of(toml.parent, archive)
    del settings["pacs"]
    write_toml(toml, settings)
    told = cds(toml, "study", "analyse", STUDY, "--model", MODEL, code=1)
    assert f"{MODEL}: not asked for." in told and "Nothing was asked for." in told


def test_waiting_shows_the_progress_and_ends_with_the_work(toml: Path) -> None:
    environment = {**os.environ, "COLUMNS": "160"}
    command = [sys.executable, "-m", "cds", "--settings", str(toml)]
    with subprocess.Popen([*command, "worker"], env=environment, stderr=subprocess.PIPE) as worker:
        told = cds(toml, "study", "analyse", STUDY, "--model", MODEL, "--wait")
        worker.terminate()
        _, errors = worker.communicate(timeout=30)
    assert "job 1" in told and "assessed" in told
    assert worker.returncode == 0
    assert STUDY.encode() not in errors and b"GENERATED" not in errors
    jobs = Jobs(load(toml).ledger_url)
    assert jobs.depth("study")["done"] == 1
    jobs.close()


@pytest.mark.parametrize(("given", "steps"), [("", 10), ("nice = 3\n", 3)])
def test_a_worker_gives_way_to_those_who_answer_calls(toml: Path, given: str, steps: int) -> None:
    toml.write_text(toml.read_text(encoding="utf-8").replace("nice = 0\n", given), encoding="utf-8")
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + steps)
    worker = subprocess.Popen([sys.executable, "-m", "cds", "--settings", str(toml), "worker"])
    try:
        until = time.monotonic() + 60
        while (found := os.getpriority(os.PRIO_PROCESS, worker.pid)) != wanted and time.monotonic() < until:
            assert worker.poll() is None
            time.sleep(0.05)
        assert found == wanted
    finally:
        worker.terminate()
        worker.wait(timeout=60)
