"""``cds models check`` and ``new``: verdict lines, exit status, and a scaffold that names what is left."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from command_line import cds

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A mounted folder with one good model, and its settings."""
    folder = tmp_path / "mine"
    shutil.copytree(MODELS / "nice-ng12", folder / "my-rules")
    shutil.copy(MODELS / "attributes.yaml", folder)
    manifest = folder / "my-rules" / "model.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("id: nice-ng12", "id: my-rules"), encoding="utf-8")
    settings = tmp_path / "cds.toml"
    settings.write_text(f'model_dirs = ["{folder}"]\n', encoding="utf-8")
    assert cds("models", "export", "my-rules", "-o", folder / "my-rules" / "card.md", settings=settings).exit_code == 0
    return folder


def test_a_good_folder_ends_well(mine: Path) -> None:
    result = cds("models", "check", mine)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["my-rules 1.0.3: good", "1 model, no faults"]


def test_without_a_path_every_model_of_the_site_is_checked(mine: Path) -> None:
    result = cds("models", "check", settings=mine.parent / "cds.toml")
    told = re.findall(r"^([\w-]+)(?: \d+\.\d+\.\d+)?: (?:good|\d+ faults?)", result.stdout, re.MULTILINE)
    assert set(told) == {p.parent.name for p in MODELS.glob("*/model.yaml")} | {"my-rules"}


def test_the_models_of_this_product_are_good() -> None:
    result = cds("models", "check", MODELS)
    assert result.exit_code == 0, result.output


def test_a_fault_is_a_line_with_its_place_and_the_exit_status_is_1(mine: Path) -> None:
    manifest = mine / "my-rules" / "model.yaml"
    text = manifest.read_text("utf-8")
    line = text[: text.index("licence:")].count("\n") + 1
    manifest.write_text(text.replace("licence:", "license:"), encoding="utf-8")
    result = cds("models", "check", mine)
    assert result.exit_code == 1
    assert f"model.yaml:{line}: license: unknown key" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 model, ")


def test_findings_as_json(mine: Path) -> None:
    (mine / "my-rules" / "card.md").unlink()
    result = cds("models", "check", mine, "--json")
    (report,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["model"], report["good"]) == ("my-rules", False)
    (finding,) = report["findings"]
    assert finding["file"].endswith("card.md")
    assert finding["line"] == 1


def test_a_folder_without_models_is_a_usage_error(tmp_path: Path) -> None:
    result = cds("models", "check", tmp_path)
    assert result.exit_code == 2
    assert "holds no model" in result.stderr


def test_a_refused_model_is_listed_with_its_reason(mine: Path) -> None:
    (mine / "my-rules" / "model.yaml").write_text("id: [", encoding="utf-8")
    result = cds("models", "list", settings=mine.parent / "cds.toml")
    assert result.exit_code == 0
    assert "refused: my-rules" in result.stdout
    assert "not valid YAML" in result.stdout


@pytest.mark.parametrize("task", ["risk", "survival", "response", "dosing", "eligibility", "finding", "triage"])
def test_a_scaffold_has_no_fault_but_the_places_it_names(tmp_path: Path, task: str) -> None:
    begun = cds("models", "new", "my-model", "--task", task, "--title", "Mine", "--in", tmp_path)
    assert begun.exit_code == 0, begun.output
    result = cds("models", "check", tmp_path, "--rebuild")
    faults = [line for line in result.stdout.splitlines() if re.search(r":\d+: ", line)]
    assert faults
    assert [line for line in faults if "TO DO" not in line] == []
    built = (tmp_path / "my-model" / "build.py").exists()
    assert built is (task in ("risk", "survival", "response"))
    assert ("rebuilt bit for bit" in result.stdout) is built


@pytest.mark.parametrize("task", ["survival", "triage"])
def test_what_a_scaffold_says_about_its_marks_is_no_place_that_waits(tmp_path: Path, task: str) -> None:
    """Else who has filled in everything is told of one place more, and has to delete a comment to be done."""
    assert cds("models", "new", "my-model", "--task", task, "--title", "Mine", "--in", tmp_path).exit_code == 0
    text = (tmp_path / "my-model" / "model.yaml").read_text("utf-8")
    first = 1 + text.splitlines().index("id: my-model")
    places = re.findall(r"my-model/model\.yaml:(\d+): TO DO", cds("models", "check", tmp_path).stdout)
    assert places
    assert [line for line in map(int, places) if line < first] == []
    assert all(re.search(r"TO DO(:|$|\")", text.splitlines()[int(line) - 1]) for line in places)


def test_new_asks_for_what_was_not_said(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from cds.cli import main

    told = CliRunner().invoke(main, ["models", "new", "mine", "--in", str(tmp_path)], input="triage\nMy triage\n")
    assert told.exit_code == 0
    assert 'en: "My triage"' in (tmp_path / "mine" / "model.yaml").read_text("utf-8")


@pytest.mark.parametrize(("identity", "told"), [("My_Model", "can't be an id"), ("endpac", "exists already")])
def test_new_overwrites_nothing_and_refuses_an_odd_id(tmp_path: Path, identity: str, told: str) -> None:
    (tmp_path / "endpac").mkdir()
    result = cds("models", "new", identity, "--task", "risk", "--title", "T", "--in", tmp_path)
    assert result.exit_code == 2
    assert told in result.stderr
    assert list((tmp_path / "endpac").iterdir()) == []
