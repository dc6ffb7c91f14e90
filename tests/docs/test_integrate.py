"""docs/integrate.md, followed to the letter on a FHIR server somebody else wrote: a new engineer gets a card."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from sekmet_house import load as load_into
from sekmet_house import sekmet

from cds.settings import load
from hooks.stories import bundle, story

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")
_FHIR, _SERVICE = "http://127.0.0.1:8090/fhir", "http://127.0.0.1:8080"


def blocks(*languages: str) -> list[tuple[str, str]]:
    """(language, text), in order."""
    return [(kind, text) for kind, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL) if kind in languages]


@dataclass
class Followed:
    folder: Path
    outputs: list[str]
    """One a block."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """All boxes, one after the other in one shell, at addresses that are free here."""
    folder = tmp_path_factory.mktemp("integrate")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with sekmet(tmp_path_factory.mktemp("sekmet")) as base:
        load_into(base, [bundle(story("new-diabetes"), date.today())])
        script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
        for number, (kind, text) in enumerate(blocks("sh", "python")):
            here = text.replace(_FHIR, base).replace(_SERVICE, f"http://127.0.0.1:{port}")
            if kind == "python":
                (folder / f"{number}.py").write_text(here, encoding="utf-8")
                here = f"{sys.executable} {number}.py\n"
            script += [f"printf '\\n=== {number}\\n'", here]
        (folder / "page.sh").write_text("\n".join(script), encoding="utf-8")
        commands = folder / "bin"
        commands.mkdir()
        (commands / "cds").write_text(f'#!/bin/sh\nexec {sys.executable} -m cds "$@"\n', encoding="utf-8")
        (commands / "cds").chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
        environment = {**kept, "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        done = subprocess.run(
            ["bash", "page.sh"], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        yield Followed(folder, re.split(r"\n=== \d+\n", done.stdout)[1:])


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
