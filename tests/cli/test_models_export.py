"""``cds models export`` writes each form of a card to a file or to standard output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cds

BEGINS = {"markdown": "# END-PAC", "html": "<!doctype html>", "chai": "<?xml", "hti1": "{", "fhir": "{"}


@pytest.mark.parametrize("kind", BEGINS)
def test_each_format_goes_to_standard_output_or_a_file_alike(tmp_path: Path, kind: str) -> None:
    printed = cds("models", "export", "endpac", "--format", kind)
    assert printed.exit_code == 0
    assert printed.stdout.startswith(BEGINS[kind])
    path = tmp_path / "card"
    written = cds("models", "export", "endpac", "--format", kind, "-o", path)
    assert (written.exit_code, written.stdout) == (0, "")
    assert path.read_text("utf-8") == printed.stdout


def test_the_json_formats_are_json() -> None:
    assert json.loads(cds("models", "export", "endpac", "--format", "fhir").stdout)["resourceType"] == "Bundle"
    assert len(json.loads(cds("models", "export", "endpac", "--format", "hti1").stdout)["attributes"]) == 31


def test_a_place_that_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    result = cds("models", "export", "endpac", "-o", tmp_path / "no" / "card.md")
    assert result.exit_code == 1
    assert "can't be written" in result.stderr


def test_a_model_that_is_not_there_is_a_usage_error() -> None:
    assert cds("models", "export", "breast").exit_code == 2
