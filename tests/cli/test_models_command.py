"""``cds models`` prints what the manifests say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import cds

import models
from cds import yaml_lines

FOLDER = Path(models.__file__).parent
MANIFESTS = {p.parent.name: yaml_lines.plain(p.read_text(encoding="utf-8")) for p in FOLDER.glob("*/model.yaml")}


def words(text: str) -> str:
    """Tables wrap: compare without blanks and lines."""
    return "".join(c for c in text if c.isalnum())


def in_language(told: str | dict[str, str], language: str) -> str:
    return told if isinstance(told, str) else told[language]


def test_the_list_has_every_model_with_its_version_status_and_title() -> None:
    result = cds("models", "list")
    assert result.exit_code == 0
    rows = [line for line in result.stdout.splitlines() if any(i in line for i in MANIFESTS)]
    assert len(rows) == len(MANIFESTS)
    for identity, manifest in MANIFESTS.items():
        (row,) = (line for line in rows if re.match(rf"│{identity}[ │]", line))
        for told in (manifest["version"], manifest["status"], manifest["task"]):
            assert told in row
        assert manifest["words"]["title"]["en"][:10] in row


@pytest.mark.parametrize("identity", sorted(MANIFESTS))
@pytest.mark.parametrize("language", ["en", "nl"])
def test_one_model_is_shown_with_inputs_evidence_limits_sources_and_licence(identity: str, language: str) -> None:
    manifest = MANIFESTS[identity]
    result = cds("models", "show", identity, "--language", language)
    assert result.exit_code == 0
    told = words(result.stdout)
    for text in (
        manifest["words"]["title"][language],
        manifest["words"]["summary"][language],
        manifest["population"]["description"][language],
        *manifest["words"]["limits"][language],
        *(in_language(source["citation"], language) for source in manifest["sources"].values()),
        *(source["where"][language] for source in manifest["sources"].values() if "where" in source),
        in_language(manifest["licence"]["notice"], language),
    ):
        assert words(text) in told
    lines = [words(line) for line in result.stdout.splitlines()]
    for entry in manifest.get("inputs", ()):  # a network that reads scans has none
        first = words(entry["label"][language].split()[0])
        assert any(first in line for line in lines), entry["name"]
    for study in manifest.get("evidence", ()):
        assert study["stage"] in result.stdout
        if study.get("n"):
            assert str(study["n"]) in result.stdout


def test_an_unknown_model_is_a_usage_error_that_names_the_one_meant_or_all() -> None:
    near = cds("models", "show", "breast")
    assert near.exit_code == 2
    assert "there is no model 'breast'; did you mean 'breast-triage'?" in near.stderr
    result = cds("models", "show", "zzz")
    assert result.exit_code == 2
    assert "there is no model 'zzz'" in result.stderr
    for identity in MANIFESTS:
        assert identity in result.stderr


def test_a_broken_models_folder_is_a_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "cds.toml"
    settings.write_text('model_dirs = ["nowhere"]\n', encoding="utf-8")
    result = cds("models", "list", settings=settings)
    assert result.exit_code == 2
    assert result.stderr == "CDS-103: models folder nowhere does not exist\n"
