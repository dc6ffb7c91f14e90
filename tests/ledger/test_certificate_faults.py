"""A PostgreSQL with TLS, and each way its certificates and TLS can be wrong: said in words, with what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from click.testing import CliRunner
from postgres_server import PostgresServer

from cds.cli import main
from cds.ledger import migrate
from cds.ledger.certificate_faults import certificate_fault
from cds.ledger.tables import HEAD

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="cds-tls-", dir="/tmp"))
    # the server's user must reach its cluster in it
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[PostgresServer]:
    """Its certificate is for ``localhost``; whoever wants the database ``strict`` has to show one."""
    for name, host in (("hospital", "localhost"), ("stranger", "stranger")):
        (folder / name).mkdir()
        Authority(folder / name).server(host)
    for key in folder.glob("*/*.pem"):
        key.chmod(0o600)
    (folder / "cluster").mkdir()
    found = PostgresServer(folder / "cluster")
    data = folder / "cluster" / "data"
    for file, name in (("authority.pem", "ca.pem"), ("localhost.pem", "server.pem")):
        shutil.copy(folder / "hospital" / file, data / name)
        shutil.chown(data / name, (data / "postgresql.conf").owner())
    with (data / "postgresql.conf").open("a") as settings:
        settings.write("ssl=on\nssl_ca_file='ca.pem'\nssl_cert_file='server.pem'\nssl_key_file='server.pem'\n")
    rules = data / "pg_hba.conf"
    strict = "hostssl strict all 127.0.0.1/32 trust clientcert=verify-ca\nhostssl secret all 127.0.0.1/32 trust\n"
    strict += "hostssl locked all 127.0.0.1/32 scram-sha-256\nhostnossl locked all 127.0.0.1/32 reject\n"
    strict += "hostssl nobodys all 127.0.0.1/32 reject\nhostnossl secret,nobodys all 127.0.0.1/32 reject\n"
    rules.write_text(strict + rules.read_text())
    found.start()
    for name in ("strict", "secret", "nobodys"):
        found.create_database(name)
    shutil.copy(folder / "hospital" / "localhost.pem", folder / "hospital" / "open.pem")
    (folder / "hospital" / "open.pem").chmod(0o644)
    yield found
    found.stop()


TRUST = "sslrootcert={folder}/hospital/authority.pem"
OWN = "sslcert={folder}/%s&sslkey={folder}/%s"


@pytest.mark.parametrize(
    ("where", "query", "sentence"),
    [
        (
            "127.0.0.1",
            "sslrootcert={folder}/none.pem",
            "no root certificate is there; name its authority in database_url",
        ),
        ("localhost", "sslrootcert=system", "comes from another authority; name its authority"),
        (
            "localhost",
            "sslrootcert={folder}/stranger/authority.pem",
            "comes from another authority; name its authority",
        ),
        ("127.0.0.1", TRUST, "is for another host; write the host in database_url as its certificate has it"),
        ("localhost", TRUST, "the server wants a certificate of the client; give one in database_url"),
        (
            "localhost",
            f"{TRUST}&{OWN % (('stranger/stranger.pem',) * 2)}",
            "refuses the client's certificate; give one in database_url",
        ),
        ("localhost", f"{TRUST}&{OWN % ('hospital/localhost.pem', 'stranger/stranger.pem')}", "its key can't be used"),
        ("localhost", f"{TRUST}&{OWN % ('hospital/localhost.pem', 'none.pem')}", "its key can't be used"),
        (
            "localhost",
            f"{TRUST}&{OWN % ('hospital/localhost.pem', 'hospital/open.pem')}",
            "others than its owner may read the client's key, so it is not used; give the file of sslkey mode 0600",
        ),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    server: PostgresServer, folder: Path, where: str, query: str, sentence: str
) -> None:
    url = f"postgresql://cds:s3cret@{where}:{server.port}/strict?sslmode=verify-full&{query.format(folder=folder)}"
    refused(url, folder, sentence)


def refused(url: str, folder: Path, sentence: str) -> None:
    result = CliRunner().invoke(main, ["ledger", "upgrade"], env={"CDS_DATABASE_URL": url})
    assert result.exit_code == 2
    assert "CDS-800" in result.stderr and sentence in result.stderr
    assert "s3cret" not in result.output and str(folder) not in result.output


@pytest.mark.parametrize(
    ("database", "query", "sentence"),
    [
        ("secret", "sslmode=disable", "not in without TLS; write sslmode=verify-full in database_url"),
        ("nobodys", "sslmode=require", "not in with TLS either; it needs a line for them"),
        ("nobodys", "sslmode=prefer", "not in with TLS either; it needs a line for them"),
        ("secret", "sslmode=verify_full", "sslmode in database_url is none that there is; write verify-full"),
        ("secret", "sslmode=require&sslrootcert=system", "goes with sslmode=verify-full only"),
    ],
)
def test_what_is_wrong_with_tls_itself_is_said(
    server: PostgresServer, folder: Path, database: str, query: str, sentence: str
) -> None:
    refused(f"postgresql://cds:s3cret@localhost:{server.port}/{database}?{query}", folder, sentence)


@pytest.mark.parametrize("query", ["", "?sslmode=prefer", "?sslmode=allow"])
def test_a_password_that_is_refused_with_tls_is_not_taken_for_a_lack_of_it(
    server: PostgresServer, folder: Path, query: str
) -> None:
    """Without TLS it was tried as well, where nobody is let in."""
    refused(f"postgresql://cds:s3cret@localhost:{server.port}/locked{query}", folder, "check database_url, that")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("SSL error: ssl/tls alert handshake failure", "no version of TLS or no cipher that this machine takes"),
        ("SSL error: ssl/tls alert handshake failure", "or it wants a certificate of the client"),
        ("SSL error: tlsv1 alert protocol version", "have no version of TLS in common"),
        (
            'private key file "k" must be owned by the current user or root',
            "the client's key is another user's, so it is not used",
        ),
        ('no pg_hba.conf entry for host "h", user "u", database "d", SSL off', "not in without TLS"),
        ('password authentication failed for user "cds"', None),
    ],
)
def test_what_only_other_servers_say_is_understood(said: str, sentence: str | None) -> None:
    """Old ones, and such as this machine's PostgreSQL can't be made to be."""
    meaning = certificate_fault(Exception(f"connection failed: FATAL:  {said}"))
    assert (sentence in meaning) if meaning is not None and sentence is not None else meaning == sentence


def test_with_the_right_ones_the_ledger_is_made(server: PostgresServer, folder: Path) -> None:
    query = f"{TRUST}&{OWN % (('hospital/localhost.pem',) * 2)}".format(folder=folder)
    url = f"postgresql://cds:s3cret@localhost:{server.port}/strict?sslmode=verify-full&{query}"
    assert migrate.upgrade(url) == HEAD


def test_a_server_without_tls_is_told_from_one_with_the_wrong_certificate(postgres: PostgresServer) -> None:
    url = f"{postgres.url}?sslmode=verify-full&sslrootcert=system"
    result = CliRunner().invoke(main, ["ledger", "upgrade"], env={"CDS_DATABASE_URL": url})
    assert "CDS-800" in result.stderr and "the server speaks without TLS" in result.stderr
