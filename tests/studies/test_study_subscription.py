"""The Subscription that docs/imaging.md shows, registered at a FHIR server that somebody else wrote, which delivers."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import serving
from fhir.resources.R4B.subscription import Subscription
from sekmet_house import load, sekmet
from study_calls import study
from study_house import Build
from study_scene import STUDY, Archive

PAGE = (Path(__file__).parents[2] / "docs" / "imaging.md").read_text(encoding="utf-8")


@pytest.mark.system
def test_the_subscription_of_the_page_has_a_new_study_read(build: Build, archive: Archive, tmp_path: Path) -> None:
    """As the page says, but for the addresses and the place of the secret."""
    [shown], [command] = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("json", "sh"))
    assert "${NOTIFY_SECRET}" in Subscription.model_validate_json(shown).channel.header[0]
    secret = tmp_path / "secret"
    secret.write_text("notification-secret-of-thirty-two-characters\n")
    archive.holds()
    house = build(client={"studies": {"notify_secret_file": secret}})
    (tmp_path / "ehr").mkdir()
    with sekmet(tmp_path / "ehr") as base, serving(house.app) as service:
        (tmp_path / "subscription.json").write_text(shown.replace("https://cds.hospital.example", service))
        command = command.replace("https://ehr.hospital.example/fhir", base)
        command = command.replace("/run/secrets/subscription", "secret")
        subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True, timeout=60)
        made = {"resource": study(subject={"display": "nobody"}), "request": {"method": "POST", "url": "ImagingStudy"}}
        load(base, [{"resourceType": "Bundle", "type": "transaction", "entry": [made]}])
        found = told(house.jobs)
    assert [(job.payload["study"], job.payload["why"]) for job in found] == [(STUDY, "notification")]


def told(jobs: Any) -> Any:
    """What was asked for, once something was."""
    deadline = time.monotonic() + 30
    while not (found := jobs.newest()):
        assert time.monotonic() < deadline, "nothing was delivered"
        time.sleep(0.05)
    return found
