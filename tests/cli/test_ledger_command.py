"""``cds ledger upgrade`` makes the schema ahead of the service, once, and says what it did."""

from __future__ import annotations

from pathlib import Path

from command_line import cds

from cds.ledger import migrate
from cds.ledger.tables import HEAD


def test_a_new_ledger_is_made_and_a_second_time_nothing_happens(tmp_path: Path) -> None:
    settings = tmp_path / "cds.toml"
    settings.write_text(f'data_dir = "{tmp_path}"\n', encoding="utf-8")
    first, second = cds("ledger", "upgrade", settings=settings), cds("ledger", "upgrade", settings=settings)
    assert (first.exit_code, first.stdout) == (0, f"The ledger went from nothing to {HEAD}.\n")
    assert (second.exit_code, second.stdout) == (0, f"The ledger is at {HEAD}.\n")
    assert migrate.check(f"sqlite:///{tmp_path}/ledger.db") == ()


def test_a_database_that_is_not_there_is_a_sentence_and_exit_code_2(tmp_path: Path) -> None:
    settings = tmp_path / "cds.toml"
    settings.write_text('database_url = "postgresql://cds:s3cret@127.0.0.1:1/cds"\n', encoding="utf-8")
    result = cds("ledger", "upgrade", settings=settings)
    assert result.exit_code == 2
    assert "CDS-800" in result.stderr and "check database_url" in result.stderr
    assert "s3cret" not in result.output
