"""Local accounts of the console: made by a command, kept as hashes, and seen at once."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from command_line import cds

from cds.committee.accounts import Accounts
from cds.errors import CommitteeError, SettingsError

PASSWORD = "correct-horse-battery"

pytestmark = pytest.mark.usefixtures("_elsewhere")


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "cds.toml"
    path.write_text(f'[committee.console]\naccounts_file = "{tmp_path / "accounts.yaml"}"\n', encoding="utf-8")
    return path


def test_accounts_are_made_listed_and_removed(settings: Path, tmp_path: Path) -> None:
    account = ("committee", "account")
    assert "no accounts yet" in cds(*account, "list", settings=settings).stdout
    made = cds(*account, "put", "A. Bee", "--role", "member", "--password", PASSWORD, settings=settings)
    assert made.exit_code == 0, made.output
    assert cds(*account, "list", settings=settings).stdout == "A. Bee: member\n"
    file = tmp_path / "accounts.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text(encoding="utf-8") and "scrypt:32768:8:1$" in file.read_text(encoding="utf-8")
    assert cds(*account, "remove", "A. Bee", settings=settings).exit_code == 0
    assert "there is no account" in cds(*account, "remove", "A. Bee", settings=settings).stderr


def test_without_a_file_the_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").touch()
    result = cds("committee", "account", "list", settings=tmp_path / "empty.toml")
    assert result.exit_code == 2 and "committee.console.accounts_file names no file" in result.stderr


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "abababababababab"])
def test_a_password_that_is_easily_guessed_is_refused(tmp_path: Path, password: str) -> None:
    with pytest.raises(CommitteeError, match="too easy to guess"):
        Accounts(tmp_path / "a.yaml").put("A. Bee", password, "member")


def test_a_password_opens_its_own_account_alone(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "a.yaml")
    accounts.put("A. Bee", PASSWORD, "member")
    found = accounts.check("A. Bee", PASSWORD)
    assert found is not None and found.role == "member"
    assert accounts.check("A. Bee", PASSWORD + "x") is None
    assert accounts.check("C. Dee", PASSWORD) is None


def test_an_account_keeps_whose_it_is_when_its_password_changes(settings: Path, tmp_path: Path) -> None:
    put = ("committee", "account", "put", "A. Bee", "--role", "member", "--password", PASSWORD)
    refused = cds(*put, "--subject", "u1", settings=settings)
    assert refused.exit_code == 2 and "set committee.console.oidc first" in refused.stderr
    oidc = '[committee.console.oidc]\nissuer = "https://idp.example"\nclient_id = "c"\nmembers = ["m"]\n'
    settings.write_text(settings.read_text(encoding="utf-8") + oidc, encoding="utf-8")
    listed = ("committee", "account", "list")
    assert cds(*put, settings=settings).exit_code == 0
    assert "whoever has both is taken for two people" in cds(*listed, settings=settings).stdout
    accounts = Accounts(tmp_path / "accounts.yaml")
    before = accounts.named("A. Bee")
    assert cds(*put, "--subject", "u1", settings=settings).exit_code == 0
    assert cds(*listed, settings=settings).stdout == "A. Bee: member, u1 at the hospital's sign-in\n"
    assert cds(*put, settings=settings).exit_code == 0
    found = accounts.named("A. Bee")
    assert found is not None and before is not None and found.subject == "u1" and found.stamp != before.stamp
    assert cds(*put, "--subject", "", settings=settings).exit_code == 0
    ended = accounts.named("A. Bee")
    assert ended is not None and ended.subject is None


@pytest.mark.parametrize(("name", "subject"), [("A = B", None), ("A. Bee", "u" * 256), ("A. Bee", "u\n1")])
def test_a_name_or_subject_that_could_be_taken_for_another_is_refused(
    tmp_path: Path, name: str, subject: str | None
) -> None:
    with pytest.raises(CommitteeError):
        Accounts(tmp_path / "a.yaml").put(name, PASSWORD, "member", subject)


def test_a_file_that_is_none_is_named_without_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("A. Bee: {password: plain-text-secret, role: member}\n", encoding="utf-8")
    with pytest.raises(SettingsError) as found:
        Accounts(file).every()
    assert "plain-text-secret" not in str(found.value) and "cds committee account" in str(found.value)
