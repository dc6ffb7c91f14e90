"""The ledger's address as hospitals have it: several hosts, a line end after it. One that is none is a sentence."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ledger_entries
import psycopg
import pytest
from click.testing import CliRunner

from cds.cli import main
from cds.errors import SettingsError
from cds.ledger import Ledger, migrate
from cds.ledger.database import parse_url
from cds.settings import load

PASSWORD = "s3cr3t,word"


@pytest.fixture(params=["refuses", "silent"])
def dead(request: pytest.FixtureRequest) -> Iterator[str]:
    """host:port where nothing takes a connection, or something takes it and never says a word."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        if request.param == "silent":
            place.listen()
        yield f"127.0.0.1:{place.getsockname()[1]}"


def test_a_dead_first_host_is_passed_over_and_not_waited_for_again(
    dead: str, postgres_database: Callable[[], str], open_ledger: Callable[[str], Ledger]
) -> None:
    before, at, after = postgres_database().rpartition("@")
    host, slash, database = after.partition("/")
    url = f"{before}{at}{dead},{host}{slash}{database}?target_session_attrs=read-write\n"
    migrate.upgrade(url)
    ledger, entry = open_ledger(url), ledger_entries.call()
    assert ledger.record_call(entry)
    assert ledger.call(entry.id) is not None
    start = time.monotonic()
    ledger.close()
    assert ledger.ping() and time.monotonic() - start < 0.9


def test_a_session_that_may_not_write_is_no_host_to_write_to(postgres_database: Callable[[], str]) -> None:
    """As a standby's is; libpq asks each for it, ours as well."""
    url = postgres_database()
    with psycopg.connect(url, autocommit=True) as connection:
        database = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    before, at, after = url.rpartition("@")
    host, slash, name = after.partition("/")
    result = upgrade(f"{before}{at}{host},{host}{slash}{name}?target_session_attrs=read-write")
    assert "CDS-800" in result and "OperationalError" in result


def upgrade(url: str) -> str:
    result = CliRunner().invoke(main, ["ledger", "upgrade"], env={"CDS_DATABASE_URL": url}, prog_name="cds")
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.exception
    assert PASSWORD not in result.output and "s3cr3t" not in result.output
    return result.output


@pytest.mark.parametrize(
    "hosts",
    ["h1:5432,h2:x", "h1:x", "h1:5432:5433,h2", ",", "h1,h2/db?host=h3", "h1:5432,h2:5432,/x", "h1@h2:5432,h3:5432"],
)
def test_an_address_that_is_none_is_a_sentence_without_its_password(
    hosts: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = upgrade(f"postgresql://cds:{PASSWORD}@{hosts}")
    assert "CDS-101" in told and "postgresql://user:password@host1:5432,host2:5432/database" in told


@pytest.mark.parametrize(
    "query", ["host=h1,h2&port=1,2,3", "host=h1,h2,h3&port=1,2", "host=h1,h2&port=x", "host=h1:1&host=h2:2&port=3"]
)
def test_hosts_and_ports_that_can_not_be_paired_are_a_sentence(
    query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = upgrade(f"postgresql://cds:{PASSWORD}@/db?{query}")
    assert "CDS-101" in told and "hosts and ports do not go together" in told


def test_one_port_is_every_hosts(postgres_database: Callable[[], str]) -> None:
    """On a server: the second of the two is where it listens."""
    address, _, name = postgres_database().rpartition("/")
    user, _, at = address.rpartition("@")
    host, _, port = at.partition(":")
    url = f"{user}@/{name}?host=127.0.0.2,{host}&port={port}"
    migrate.upgrade(url)
    assert migrate.current(f"{user}@:{port}/{name}?host=127.0.0.2,{host}") == migrate.current(url) is not None


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://cds:a,b@h1:5432/db", "h1", 5432),
        ("postgresql://cds:a,b/c@h1:5432/db", "h1", 5432),
        ("postgresql://cds:a,b@h1:5433,[::1]/db?sslmode=require", "h1,::1", "5433,"),
        ("postgresql+psycopg://h1,h2", "h1,h2", ","),
        (" postgresql://cds@h1/db\n", "h1", None),
        ("postgresql://cds@/db?host=h1:1&host=h2:2", "h1,h2", "1,2"),
        ("postgresql:///db?host=h1,h2&port=5433", "h1,h2", "5433,5433"),
        ("postgresql://cds@:5433/db?host=h1,h2,h3", "h1,h2,h3", "5433,5433,5433"),
        ("postgresql://cds@/db?host=h1,h2&port=5433,5434", "h1,h2", "5433,5434"),
    ],
)
def test_hosts_are_read_and_a_comma_in_a_password_is_none(url: str, host: str, port: object) -> None:
    parsed = parse_url(url)
    _, given = parsed.get_dialect()().create_connect_args(parsed)
    assert (given["host"], given.get("port")) == (host, port)
    assert given.get("password") == (parsed.password if parsed.password else None)


def test_a_line_end_after_the_address_of_a_file_is_no_part_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "cds.toml").touch()
    settings = load(tmp_path / "cds.toml", database_url=f"sqlite:///{tmp_path}/ledger.db\n")
    migrate.upgrade(settings.ledger_url)
    assert [path.name for path in tmp_path.glob("*.db*")] == ["ledger.db"]
    with pytest.raises(SettingsError, match="database_url starts with"):
        parse_url("mysql://cds@h1/db\n")
