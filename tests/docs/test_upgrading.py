"""What docs/operate.md says an upgrade refuses is refused, by the command it names and by the setting's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds.cli import main

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8").split("## Upgrading")[1].split("\n## ")[0]
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ") and not line.startswith("| refused now")]

CLIENT = """
[clients.ehr]
issuer = "https://ehr.example.org"
jku = "https://ehr.example.org/keys"
fhir_servers = ["{base}"]
"""
PACS = '[pacs.main]\nurl = "{base}"\n'
REFUSED = {
    "longest_arrival_s": ["longest_arrival_s = 26"],
    "public_url": [f'public_url = "{bad}"' for bad in ("cds.example.org", "https://cds.example.org:port")],
    "fhir_servers": [
        CLIENT.format(base=bad) for bad in ("http://ehr.example.org/fhir", "https://me:secret@ehr.example.org", "ehr")
    ],
    "pacs.NAME.url": [
        PACS.format(base=bad) for bad in ("https://pacs.example.org/a?b=c", "https://pacs.example.org/#x")
    ],
    "inference.url": ['[inference]\nurl = "https://models example.org"'],
    "database_url": ['database_url = "sqlite:///file:ledger.db"'],
}


def check(folder: Path, settings: str, *flags: str) -> str:
    (folder / "cds.toml").write_text('environment = "production"\n' + settings, encoding="utf-8")
    secret = {"CDS_LEDGER_KEY": "0123456789abcdef0123456789abcdef", "CDS_DATA_DIR": str(folder)}
    done = CliRunner(env=secret).invoke(main, ["--settings", str(folder / "cds.toml"), "check", *flags])
    told = " ".join(done.output.split())
    assert "secret@" not in told
    return f"{done.exit_code} {told}"


def test_every_setting_of_the_table_is_tried() -> None:
    named = {name for row in ROWS for name in re.findall(r"`(\w[\w.]+)[` ]", row.split(" | ")[0])}
    assert named == set(REFUSED)


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_said_to_be_refused_is_named_by_the_command(tmp_path: Path, key: str) -> None:
    for settings in REFUSED[key]:
        told = check(tmp_path, settings, *(() if key == "database_url" else ("--offline",)))
        assert told[0] in "12", settings
        assert key.replace("NAME", "main").rpartition(".")[2] in told, told


def test_what_is_to_be_written_instead_is_accepted(tmp_path: Path) -> None:
    plain = CLIENT.format(base="http://ehr.example.org/fhir") + "allow_plain_http = true\n"
    good = (
        'longest_arrival_s = 25\npublic_url = "https://cds.example.org"\n'
        f'database_url = "sqlite:///{tmp_path}/ledger.db"\n'
        + plain
        + PACS.format(base="https://pacs.example.org/dicom")
    )
    assert "longest_arrival_s" not in (told := check(tmp_path, good, "--offline"))
    assert "environment production, 1 client(s)" in told
