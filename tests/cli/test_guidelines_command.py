"""A committee's update, from the file it publishes to the card of a patient: tried, approved by a second person, live
without a restart, and taken back."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from command_line import cds
from flask import Flask
from ledger_reading import last_call, rows
from service import MakeApp, StoryCalls, loopback, prefetcher

from cds.ledger import tables

STORY = ("new-diabetes", "pancreas-risk", "patient-view")
"""Over 60, weight loss and new diabetes."""
SETTINGS = """\
environment = "production"
ledger_key = "0123456789abcdef-guideline-tests"
[approvers."B. Second"]
"""


class House:
    """A service, its settings on disk, and a folder for a committee's files."""

    def __init__(self, make_app: MakeApp, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "cds.toml"
        self.settings.write_text(f"data_dir = {json.dumps(str(folder))}\n{SETTINGS}", encoding="utf-8")
        self.app: Flask = make_app(data_dir=folder, policy_poll_s=0.01, **loopback())
        self.fire = StoryCalls(self.app.test_client(), prefetcher(self.app))

    def run(self, *words: str | Path) -> Result:
        return cds(*words, settings=self.settings)

    def did(self, *words: str | Path) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def card(self) -> dict[str, Any]:
        time.sleep(0.03)
        (card,) = self.fire(*STORY).get_json()["cards"]
        found: dict[str, Any] = card
        return found

    def update(self, old: str = "%age >= 60", new: str = "%age >= 90", version: str = "1.1.0") -> Path:
        """The guideline as exported, with another limit."""
        path = self.folder / "update.json"
        text = self.did("guidelines", "export", "nice-ng12")
        path.write_text(
            re.sub(r'"version": "[\d.]+"', f'"version": "{version}"', text).replace(old, new), encoding="utf-8"
        )
        return path

    def imported(self, update: Path, name: str = "change.yaml") -> Path:
        target = self.folder / name
        self.did("guidelines", "import", update, "--by", "A. Lead", "--effective", "2026-01-01", "--output", target)
        return target

    def made_policy(self, change: Path) -> str:
        told = self.did("policy", "propose", change, "--by", "A. Lead")
        version = re.search(r"Proposed as ([0-9a-f]{12})", told)
        assert version is not None
        self.did("policy", "approve", version[1], "--by", "B. Second", "--why", "read with the publication")
        self.did("policy", "activate", version[1], "--by", "A. Lead", "--why", "from today")
        return version[1]


@pytest.fixture
def house(make_app: MakeApp, tmp_path: Path) -> House:
    return House(make_app, tmp_path)


def test_the_story_of_an_update(house: House) -> None:
    before = house.card()
    assert before["indicator"] == "warning"
    update = house.update()
    told = house.did("guidelines", "diff", update, "--days", "730")
    assert "- %age >= 60" in told and "+ %age >= 90" in told
    assert "fewer than 5" in told  # one patient is nobody's business
    change = house.imported(update)
    assert house.card()["indicator"] == "warning"
    proposed = re.search(r"Proposed as ([0-9a-f]{12})", house.did("policy", "propose", change, "--by", "A. Lead"))
    assert proposed is not None
    alone = house.run("policy", "approve", proposed[1], "--by", "A. Lead", "--why", "mine")
    assert alone.exit_code == 2 and "A. Lead" in alone.stderr
    house.did("policy", "approve", proposed[1], "--by", "B. Second", "--why", "read with the publication")
    assert house.card()["indicator"] == "warning"
    house.did("policy", "activate", proposed[1], "--by", "A. Lead", "--why", "from today")
    assert house.card()["indicator"] == "info"  # the guideline no longer asks for a scan; a score still does
    call = last_call(house.app)["id"]
    kept = {r["model"]: r for r in rows(house.app, tables.predictions) if r["call_id"] == call}
    assert kept["nice-ng12"]["model_version"] == "1.1.0" and not kept["nice-ng12"]["outputs"].get("rules")
    assert re.search(r"nice-ng12 *│1\.1\.0", house.did("guidelines", "list"))
    house.did("policy", "rollback", "--by", "A. Lead", "--why", "not meant so")
    assert house.card()["indicator"] == "warning"


def test_an_import_keeps_what_the_sites_change_sets_and_replaces_an_older_edition_whole(house: House) -> None:
    first = house.folder / "first.yaml"
    first.write_text(
        "name: Louder\nauthor: A. Lead\neffective: 2026-01-01\nreason: we want to see lower risks\n"
        "services:\n  pancreas-risk:\n    parameters: {risk_at_least: 0.002}\n",
        encoding="utf-8",
    )
    house.made_policy(first)
    house.made_policy(house.imported(house.update()))
    text = house.did("guidelines", "export", "nice-ng12")
    assert "%age >= 90" in text and '"version": "1.1.0"' in text
    without = json.loads(house.update("%age >= 90", "%age >= 70", "1.2.0").read_text(encoding="utf-8"))
    del without["entry"][0]["resource"]["relatedArtifact"][0]["url"]
    second = house.folder / "second.json"
    second.write_text(json.dumps(without), encoding="utf-8")
    change = house.imported(second, "later.yaml")
    content = yaml.safe_load(change.read_text(encoding="utf-8"))
    assert content["services"]["pancreas-risk"]["parameters"] == {"risk_at_least": 0.002}
    house.made_policy(change)
    shown = house.did("models", "show", "nice-ng12")
    assert "(nice-ng12 1.2.0" in shown
    exported = json.loads(house.did("guidelines", "export", "nice-ng12"))
    assert "url" not in exported["entry"][0]["resource"]["relatedArtifact"][0]


def test_an_edition_in_the_shadow_is_decided_and_shown_to_nobody(house: House) -> None:
    change = house.imported(house.update())
    told = house.did("policy", "propose", change, "--by", "A. Lead")
    version = re.search(r"Proposed as ([0-9a-f]{12})", told)
    assert version is not None
    house.did("policy", "activate", version[1], "--by", "A. Lead", "--why", "what would it do", "--shadow")
    assert house.card()["indicator"] == "warning"
    call = last_call(house.app)["id"]
    (shadow,) = (s for s in rows(house.app, tables.shadow_cards) if s["call_id"] == call)
    assert shadow["indicator"] == "info"
    kept = {r["id"]: r for r in rows(house.app, tables.predictions) if r["call_id"] == call}
    assert [r["model_version"] for r in kept.values() if r["model"] == "nice-ng12"] == ["1.0.3"]
    assert set(shadow["prediction_ids"]) <= set(kept)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """Settings without a service or a ledger."""
    path = tmp_path / "cds.toml"
    path.write_text(f"data_dir = {json.dumps(str(tmp_path))}\n{SETTINGS}", encoding="utf-8")
    return path


def test_refusals_name_the_file_and_the_element(alone: Path, tmp_path: Path) -> None:
    update = tmp_path / "update.json"
    text = cds("guidelines", "export", "nice-ng12", settings=alone).stdout
    update.write_text(text.replace("%age >= 40", "%age >").replace('"1.0.3"', '"1.1.0"', 1), encoding="utf-8")
    for command in (("diff", update), ("import", update, "--by", "A. Lead")):
        result = cds("guidelines", *command, settings=alone)
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            f"CDS-109: {update}: PlanDefinition.action[0].condition[0].expression: not valid FHIRPath at character 7: "
            "it ends where something has to follow"
        ]
    same = tmp_path / "same.json"
    same.write_text(text, encoding="utf-8")
    assert "1.0.3 is not above 1.0.3, as installed" in cds("guidelines", "diff", same, settings=alone).stderr


def test_what_is_no_guideline_of_rules_is_said(alone: Path) -> None:
    result = cds("guidelines", "export", "nice-ng21", settings=alone)
    assert result.exit_code == 2 and "did you mean 'nice-ng12'?" in result.stderr
    assert "no guideline of rules is called 'endpac'" in cds("guidelines", "export", "endpac", settings=alone).stderr


def test_no_ledger_is_made_by_looking(alone: Path, tmp_path: Path) -> None:
    assert cds("guidelines", "list", settings=alone).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["cds.toml"]


def test_the_list_is_there_for_a_program(alone: Path) -> None:
    found = json.loads(cds("guidelines", "list", "--json", settings=alone).stdout)
    (old,) = [each for each in found if each["state"] != "in date"]
    assert (old["model"], old["review_by"], old["runs"]) == ("scottish-referral", "2025-08-31", False)


def test_an_overdue_guideline_that_runs_is_a_note_of_the_check_and_stands_in_the_list(
    alone: Path, tmp_path: Path
) -> None:
    from cds.policy.packaged import packaged_policy
    from cds.services.declaration import installed_packages

    content = yaml.safe_load(packaged_policy(installed_packages()).read_text(encoding="utf-8"))
    content["models"]["scottish-referral"] = {"enabled": True}
    content["approver"] = "B. Second"
    policy = tmp_path / "policy.yaml"
    policy.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    alone.write_text(f"policy_file = {json.dumps(str(policy))}\n" + alone.read_text(encoding="utf-8"), encoding="utf-8")
    checked = " ".join(cds("check", "--offline", settings=alone).stdout.split())
    assert "note guideline: scottish-referral: no longer cited: its review was due by 2025-08-31" in checked
    assert "compare it with what Scottish Government says now" in checked
    listed = cds("models", "list", settings=alone).stdout
    assert re.search(r"scottish-referral.*2025-08-31 lapsed", listed)
    assert "no longer cited" in cds("models", "show", "scottish-referral", settings=alone).stdout
