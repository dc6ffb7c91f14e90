"""``cds site key`` makes a key that only its owner reads, and prints what the EHR has to know."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import cds

from cds.trust.own_keys import OwnKeys


def test_it_makes_a_key_that_signs_and_prints_its_public_half(tmp_path: Path) -> None:
    result = cds("site", "key", tmp_path / "key.pem")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    assert json.loads(result.stdout) == OwnKeys([tmp_path / "key.pem"]).jwks()
    assert "PRIVATE" not in result.stdout


def test_it_replaces_no_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("somebody's", encoding="utf-8")
    result = cds("site", "key", tmp_path / "key.pem")
    assert result.exit_code == 2
    assert "can't be made: File exists" in result.stderr
    assert (tmp_path / "key.pem").read_text(encoding="utf-8") == "somebody's"
