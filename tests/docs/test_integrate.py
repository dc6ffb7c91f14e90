"""docs/integrate.md, followed to the letter: a new engineer gets a card.

On a FHIR server somebody else wrote; and beside the demonstration, which the page offers to whoever has no server.
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
from sekmet_house import load as load_into
from sekmet_house import sekmet

from cds.settings import Settings, load
from hooks.stories import bundle, story

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
_FHIR, _SERVICE = "http://127.0.0.1:8090/fhir", "http://127.0.0.1:8081"
_CARD_SEEN = "## 6"


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
    done = subprocess.run(
        ["bash", "page.sh"],
        cwd=folder,
        env={**without_settings(), **path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Followed(folder, re.split(r"\n=== \d+\n", done.stdout)[1:])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("integrate")
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load_into(base, [bundle(story("new-diabetes"), date.today())])
        yield follow(folder, PAGE, {_FHIR: base, _SERVICE: f"http://127.0.0.1:{free_port()}"})


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
