"""docs/tune-the-policy.md, followed word for word in a hospital's folder."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest
from command_line import cds
from hospital import KEY, Hospital, populated
from service import TODAY

from hooks.stories import all_resources

PAGE = (Path(__file__).parents[2] / "docs/tune-the-policy.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
(CHANGE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def export(folder: Path) -> None:
    folder.mkdir()
    files: dict[str, list[str]] = defaultdict(list)
    for resource in all_resources(TODAY):
        files[resource["resourceType"]].append(json.dumps(resource))
    for kind, lines in files.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_page_works_as_written(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hospital.folder)
    populated(hospital, 300, outcomes=True)
    settings = Path("cds.toml")
    settings.write_text(
        f'environment = "production"\ndata_dir = {json.dumps(str(hospital.folder))}\n'
        f'ledger_key = {json.dumps(KEY.decode())}\n[approvers."B. Second"]\n'
        '[clients.north]\nissuer = "https://ehr.example"\njku = "https://ehr.example/jwks"\n'
    )
    Path("change.yaml").write_text(CHANGE, encoding="utf-8")
    export(Path("export"))
    told, version = {}, ""
    for command in COMMANDS:
        result = cds(*shlex.split(command.replace("VERSION", version))[1:], settings=settings)
        assert result.exit_code == 0, f"{command}\n{result.output}{result.stderr}"
        told[command] = " ".join(result.stdout.split())
        if found := re.search(r"Proposed as (\w+)", result.stdout):
            version = found[1]
    first, bulk, past, as_json = (text for command, text in told.items() if " preview " in command)
    assert "risk_at_least: 0.02 -> 0.01" in first and "not enough data" in first
    assert "patients of a bulk export" in bulk
    assert "Found and missed: pancreatic cancer" in past and "not enough data" in past
    assert json.loads(as_json)["window"]["patients"] == 300
    assert told["cds policy diff VERSION"].count("0.02 -> 0.01") == 1
    acts = ("rolled-back", "activated", "canary", "shadow", "approved", "proposed")
    assert all(act in told["cds policy history"] for act in acts)


def test_the_page_command_it_names_is_one() -> None:
    (line,) = re.findall(r"^    (cds policy preview .*)$", PAGE, re.MULTILINE)
    assert line.endswith("--page") and line.replace(" --page", "") in COMMANDS


def test_every_other_command_it_names_exists() -> None:
    for line in set(re.findall(r"`(cds [^`]+)`", PAGE)):
        assert cds(*shlex.split(line)[1:], "--help").exit_code == 0, line
