"""The web process answers 200 and is killed: what it said yes to is there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from study_scene import MODEL, STUDY, Archive, settings_of, write_model, write_toml

from cds.jobs import Jobs
from cds.settings import load

pytestmark = pytest.mark.system
SECRET = "notification-secret-of-thirty-two-characters"


@pytest.fixture
def toml(tmp_path: Path, archive: Archive) -> Path:
    write_model(tmp_path)
    (tmp_path / "secret").write_text(SECRET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    client = {"studies": {"notify_secret_file": tmp_path / "secret"}}
    given = settings_of(tmp_path, archive, client=client, port=port, host="127.0.0.1", workers=1)
    return write_toml(tmp_path / "cds.toml", given)


def test_a_study_told_of_is_in_the_queue_when_the_web_process_dies_right_after_its_answer(toml: Path) -> None:
    settings = load(toml)
    address = f"http://127.0.0.1:{settings.port}"
    news = {
        "resourceType": "ImagingStudy",
        "id": "s1",
        "status": "available",
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}],
        "subject": {"reference": "Patient/p1"},
    }
    with (toml.parent / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds", "--settings", str(toml), "serve"],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(address):
            assert process.poll() is None and time.monotonic() < deadline, (toml.parent / "log").read_text()[-3000:]
            time.sleep(0.1)
        headers = {"Authorization": f"Bearer {SECRET}"}
        answer = requests.post(f"{address}/studies/notifications", json=news, headers=headers, timeout=20)
    finally:
        # the session is this test's own: gunicorn's arbiter and its worker, at one blow
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert answer.status_code == 200
    jobs = Jobs(settings.ledger_url)
    assert MODEL in [job.payload["model"] for job in jobs.newest() if job.payload["study"] == STUDY]
    jobs.close()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=5).ok
    except requests.ConnectionError:
        return False
