"""``cds site init`` answered wrongly: each answer is refused as it is given, with what to write; nothing is made."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cds.cli import main


def init(folder: Path, *arguments: str, input: str | None = None) -> Result:
    command = ["site", "init", str(folder), "--profile", "smart-generic", *arguments]
    return CliRunner().invoke(main, command, input=input, env={"COLUMNS": "200"}, prog_name="cds")


def told(folder: Path, *answers: str) -> Result:
    return init(folder, "--yes", *(part for answer in answers for part in ("--answer", answer)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("public_url=cds.hospital", "public_url: 'cds.hospital' is not an address: write one such as https://"),
        ("public_url=http://127.0.0.1:99999", "Port out of range"),
        ("fhir=https://ehr.example/fhir?x=1", "more than a server and a path"),
        ("fhir=http://ehr.example/fhir", "write its https address, or answer plain_http=yes"),
        ("jku=http://ehr.example/keys", "jku: 'http://ehr.example/keys' must start with https://"),
        ("pacs=pacs:8042", "pacs: 'pacs:8042' is not an address"),
        ("pacs=HTTPS://pacs.example/rs", "is not an address"),
        ("pacs=https://reader:hunter2@pacs.example/rs", "pacs: what was given has more than a server and a path"),
        ("pacs=https://reader:hunter2@pacs.example:x/rs", "pacs: what was given is not an address: write one such"),
        ("language=de", "language: 'de' is none of en, nl"),
        ("timezone=Mars", "timezone: 'Mars' is not a time zone"),
        ("issuer=", "issuer: the iss that the EHR's tokens have"),
    ],
)
def test_a_wrong_answer_is_named_with_what_to_write_and_leaves_nothing(tmp_path: Path, answer: str, said: str) -> None:
    result = told(tmp_path / "site", answer)
    assert result.exit_code == 2
    assert said in result.stderr and result.stderr.count("\n") == 1
    assert "hunter2" not in result.output
    assert not (tmp_path / "site").exists()


def test_in_a_terminal_it_is_asked_for_again(tmp_path: Path) -> None:
    typed = "cds\nhttps://cds.example\nMy EHR\nmy-ehr\nhttps://ehr.example/fhir/\n\n-\nMars\nUTC\nde\nnl\n\n\n"
    result = init(tmp_path / "site", input=typed + "https://pacs.example/rs\npassword\n\nreader\n")
    assert result.exit_code == 0, result.output
    settings = tomllib.loads((tmp_path / "site" / "cds.toml").read_text(encoding="utf-8"))
    client = settings["clients"]["my-ehr"]
    # a last slash is no part of the issuer, and "-" is an answer of nothing
    assert (client["issuer"], client["fhir_servers"]) == ("https://ehr.example/fhir", ["https://ehr.example/fhir"])
    assert "jku" not in client and settings["language"] == "nl"
    assert settings["pacs"]["main"]["user"] == "reader"
    assert "put the secret into" in result.output and "pacs.password" in result.output


def test_without_a_terminal_it_says_how_to_answer(tmp_path: Path) -> None:
    result = init(tmp_path / "site", input="https://cds.example\n")
    assert result.exit_code == 1
    assert "stopped at 'Short name for this EHR'; nothing was written" in result.output
    assert "--answer client=..." in result.output and "--yes" in result.output


def test_where_settings_are_nothing_is_asked(tmp_path: Path) -> None:
    (tmp_path / "cds.toml").write_text("# of before\n", encoding="utf-8")
    result = init(tmp_path, input="")
    assert result.exit_code == 2
    assert "is not overwritten: name another folder" in result.stderr and "Address" not in result.output


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = told(tmp_path / "file" / "site")
    assert result.exit_code == 2
    assert "can't be made: Not a directory" in result.stderr


def test_an_archive_and_a_server_without_tls_are_settings_a_hospital_may_choose(tmp_path: Path) -> None:
    result = told(tmp_path / "site", "fhir=http://ehr.example/fhir", "plain_http=yes", "pacs=http://pacs.example/rs")
    assert result.exit_code == 0, result.output
    assert "allow_plain_credentials in [pacs.main]" in result.output
    settings = tomllib.loads((tmp_path / "site" / "cds.toml").read_text(encoding="utf-8"))
    assert settings["clients"]["main-ehr"]["allow_plain_http"] is True
