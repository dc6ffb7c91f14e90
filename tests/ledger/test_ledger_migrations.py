"""The schema is made, checked and undone by the same revisions on both databases, however many start at once."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from cds.errors import LedgerError
from cds.ledger import migrate
from cds.ledger.database import make_engine, parse_url
from cds.ledger.tables import HEAD


def _tables(url: str) -> set[str]:
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    try:
        return set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _execute(url: str, sql: str) -> None:
    engine = make_engine(parse_url(url), statement_s=5, connect_s=5)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(sql))
    finally:
        engine.dispose()


def test_up_down_and_up_again(url: str) -> None:
    assert migrate.current(url) is None
    assert migrate.upgrade(url) == HEAD == migrate.current(url)
    assert {"calls", "predictions", "cards", "feedback", "jti", "policies"} <= _tables(url)
    assert migrate.downgrade(url, "base") == "base"
    assert _tables(url) == {"alembic_version"}
    assert migrate.upgrade(url) == migrate.upgrade(url) == HEAD


def test_the_revision_the_code_needs_is_the_last_one() -> None:
    assert ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).get_current_head() == HEAD


def test_the_revisions_make_exactly_the_tables_of_the_code(url: str) -> None:
    assert "holds no ledger" in migrate.check(url)[0]
    migrate.upgrade(url)
    assert migrate.check(url) == ()


def test_a_changed_table_is_found(url: str) -> None:
    migrate.upgrade(url)
    _execute(url, "DROP INDEX ix_feedback_card_id")
    assert len(migrate.check(url)) == 1 and "ix_feedback_card_id" in migrate.check(url)[0]


def test_a_ledger_of_a_later_version_is_left_alone(url: str) -> None:
    migrate.upgrade(url)
    _execute(url, "UPDATE alembic_version SET version_num = '9999'")
    assert migrate.upgrade(url) == "9999"
    assert migrate.check(url) == (f"the ledger's schema is at 9999, this version needs {HEAD}",)


def test_four_processes_upgrade_at_once(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(migrate.upgrade, [url] * 4, chunksize=1) == [HEAD] * 4
    assert migrate.check(url) == ()


def test_a_database_that_is_not_there_is_a_sentence_without_the_password() -> None:
    for step in (migrate.upgrade, migrate.current, migrate.check):
        with pytest.raises(LedgerError, match="check database_url") as caught:
            step("postgresql://cds:s3cret@127.0.0.1:9/none")
        assert "s3cret" not in str(caught.value)


def test_the_embedded_database_is_for_the_service_user_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    migrate.upgrade(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    engine = make_engine(parse_url(f"sqlite:///{path}"), statement_s=1, connect_s=1)
    with engine.connect() as connection:
        values = [connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "foreign_keys")]
    engine.dispose()
    assert values == ["wal", 1]
