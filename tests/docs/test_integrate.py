"""docs/integrate.md, followed to the letter: a new engineer gets a card.

On a FHIR server and an image archive somebody else wrote; and beside the demonstration, which the page offers to
whoever has no server.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
from orthanc import Orthanc
from sekmet_house import load as load_into
from sekmet_house import sekmet

from cds.settings import Settings, load
from hooks.stories import bundle, story, studies

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
_FHIR, _SERVICE = "http://127.0.0.1:8090/fhir", "http://127.0.0.1:8081"
_PACS, _PASSWORD, _STUDY = "http://127.0.0.1:8042/dicom-web", "PACS_PASSWORD=secret", "1.2.826.0.1.3680043.10.7.1"
_CARD_SEEN = "## 6"
_PATIENCE_S = 240


def blocks(*languages: str, page: str = PAGE) -> list[tuple[str, str]]:
    """(language, text), in order."""
    return [(kind, text) for kind, text in re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL) if kind in languages]


@dataclass
class Followed:
    folder: Path
    outputs: list[str]
    """One a block."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def without_settings() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}


def follow(folder: Path, page: str, here: dict[str, str]) -> Followed:
    """All boxes of ``page``, one after the other in one shell; ``here``: what stands for the page's own addresses."""
    script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    for number, (kind, text) in enumerate(blocks("sh", "python", page=page)):
        for there, address in here.items():
            text = text.replace(there, address)
        if kind == "python":
            (folder / f"{number}.py").write_text(text, encoding="utf-8")
            text = f"{sys.executable} {number}.py\n"
        script += [f"printf '\\n=== {number}\\n'", text]
    (folder / "page.sh").write_text("\n".join(script), encoding="utf-8")
    commands = folder / "bin"
    commands.mkdir()
    (commands / "cds").write_text(f'#!/bin/sh\nexec {sys.executable} -m cds "$@"\n', encoding="utf-8")
    (commands / "cds").chmod(0o755)
    path = {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        ["bash", "page.sh"],
        cwd=folder,
        env={**without_settings(), **path, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            told, complaints = shell.communicate(timeout=_PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):  # what the page put in the background, where it was broken off
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, told[-3000:] + complaints[-3000:]
    return Followed(folder, re.split(r"\n=== \d+\n", told)[1:])


@pytest.fixture(scope="module")
def study() -> tuple[str, list[bytes]]:
    """A CT that the demonstration's network reads: UID and images."""
    imaged, today = studies.IMAGED[0], date.today()
    scan = imaged.scans[-1]
    uid = studies.study_uid(studies.study_of(studies.record(imaged, today), scan, today))
    return uid, list(studies.instances(imaged, scan, today))


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory, orthanc_server: Orthanc, study: tuple[str, list[bytes]]
) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("integrate")
    orthanc_server.emptied()
    orthanc_server.store(study[1])
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load_into(base, [bundle(story("new-diabetes"), date.today())])
        here = {
            _FHIR: base,
            _SERVICE: f"http://127.0.0.1:{free_port()}",
            _PACS: orthanc_server.base,
            _PASSWORD: f"PACS_PASSWORD={orthanc_server.password}",
            _STUDY: study[0],
        }
        assert [address for address in here if address not in PAGE] == []
        yield follow(folder, PAGE, here)


@contextmanager
def demonstration(folder: Path) -> Iterator[dict[str, Any]]:
    """The settings of a `cds demo` that is up, as the page says to start it."""
    [line] = re.findall(r"`(cds demo [^`]+)` in another terminal", PAGE)
    words = ["--data-dir", str(folder)] + [word.replace("8090", str(free_port())) for word in shlex.split(line)[2:]]
    with (folder / "demo.err").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds", "demo", *words],
            cwd=folder,
            env={**without_settings(), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        found: dict[str, Any] | None = None
        deadline = time.monotonic() + 120
        while found is None:
            assert process.poll() is None and time.monotonic() < deadline, (folder / "demo.err").read_text()
            time.sleep(0.1)
            with suppress(OSError, KeyError, tomllib.TOMLDecodeError):
                settings = tomllib.loads((folder / "cds.toml").read_text(encoding="utf-8"))
                if requests.get(settings["clients"]["demo"]["fhir_servers"][0] + "/metadata", timeout=20).ok:
                    found = settings
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.mark.timeout(600)
def test_beside_the_demonstration_the_same_boxes_give_the_card(tmp_path: Path) -> None:
    """Its service has the port that any service has unless told otherwise, so the page's must have another."""
    (tmp_path / "demo").mkdir()
    with demonstration(tmp_path / "demo") as running:
        here = {
            _FHIR: running["clients"]["demo"]["fhir_servers"][0],
            f"http://127.0.0.1:{Settings.model_fields['port'].default}": running["public_url"],
            _SERVICE: f"http://127.0.0.1:{free_port()}",
        }
        found = follow(tmp_path, PAGE.split(_CARD_SEEN)[0], here)
    assert "(NICE NG12)" in of(found, "cds call")
    assert of(found, "import jwt").endswith("feedback taken\n")


def of(followed: Followed, words: str) -> str:
    """The output of the first box that holds these words."""
    index = next(n for n, (_, text) in enumerate(blocks("sh", "python")) if words in text)
    return followed.outputs[index]


def test_checks_find_nothing_at_fault(followed: Followed) -> None:
    told = of(followed, "site check")
    assert "fault" not in told
    assert "What models will be able to say: my-ehr" in told
    assert "Is this site ready?" in (followed.folder / "site.html").read_text(encoding="utf-8")


def test_discovery_lists_services(followed: Followed) -> None:
    assert '"id": "pancreas-risk"' in of(followed, "json.tool")


def test_the_patient_gets_a_card_with_and_without_prefetch_and_in_dutch(followed: Followed) -> None:
    told = of(followed, "cds call")
    assert told.count("pancreas-risk · patient-view") == 2
    assert "(NICE NG12)" in told
    assert "consider CT" in told and "overweeg" in told.lower()


def test_the_ehr_s_own_side_by_hand_gets_the_card_and_sends_what_was_done(followed: Followed) -> None:
    told = of(followed, "import jwt")
    assert re.match(r"(info|warning) \S", told)
    assert told.endswith("feedback taken\n")


def test_a_scan_comes_from_the_archive_and_its_reading_stays_in_the_ledger(
    followed: Followed, orthanc_server: Orthanc, study: tuple[str, list[bytes]]
) -> None:
    told = of(followed, "study analyse")
    assert "fault" not in told
    assert f"{len(study[1])} slices" in told
    assert "1 job(s) done or given back." in told
    assert re.search(r"pancreas-ct-demo +assessed .*high", told)
    series = requests.get(
        f"{orthanc_server.base}/studies/{study[0]}/series",
        auth=(orthanc_server.user, orthanc_server.password),
        timeout=10,
    )
    assert [row["00080060"]["Value"] for row in series.json()] == [["CT"]], "nothing was written beside the images"


def test_the_settings_shown_load(tmp_path: Path) -> None:
    [(_, text)] = blocks("toml")
    path = tmp_path / "cds.toml"
    path.write_text(text, encoding="utf-8")
    settings = load(path)
    assert settings.clients["main-ehr"].backend is not None
    assert tomllib.loads(text)["signing_keys"]


def test_every_box_is_run_or_loaded() -> None:
    kinds = {kind for kind, _ in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)}
    assert kinds == {"sh", "python", "toml"}
    assert PAGE.count("```") == 2 * len(blocks("sh", "python", "toml"))
