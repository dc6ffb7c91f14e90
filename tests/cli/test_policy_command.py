"""``cds policy``: a clinical lead learns before the service does whether a file is good."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from command_line import cds

import hooks

PACKAGED = Path(hooks.__file__).parent / "policy.yaml"


def changed(folder: Path, old: str, new: str) -> tuple[Path, int]:
    """The packaged policy with one change, and the line of that change."""
    text = PACKAGED.read_text(encoding="utf-8")
    assert old in text
    path = folder / "policy.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path, text[: text.index(old)].count("\n") + 1


def test_a_good_file_is_told_with_the_version_cards_will_name() -> None:
    result = cds("policy", "check", PACKAGED)
    assert result.exit_code == 0
    assert hashlib.sha256(PACKAGED.read_bytes()).hexdigest()[:12] in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("risk_at_least:", "risk_atleast:", "did you mean 'risk_at_least'?"),
        ("endpac:", "endpak:", "did you mean 'endpac'?"),
        ("approver:", "aprover:", "did you mean 'approver'?"),
        ("snooze: 6m", "snooze: 6 months", "is not a duration"),
        ("risk_at_least: 0.02", "risk_at_least: 2", "less than 1"),
        ("guideline_indicator: warning", "guideline_indicator: critical", "'info' or 'warning'"),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_what_was_meant(tmp_path: Path, old: str, new: str, told: str) -> None:
    path, line = changed(tmp_path, old, new)
    result = cds("policy", "check", path)
    assert result.exit_code == 2
    assert f"{path}:{line}: " in result.stderr
    assert told in result.stderr
    assert "Traceback" not in result.output


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path, _ = changed(tmp_path, "risk_at_least: 0.02", "risk_at_least: 2")
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("endpac:", "endpak:"),
        ("  ct-pancreas:", "  ct-pancreass:"),
        ("[patient-view]", "[patient-vieuw]"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    told = cds("policy", "check", path).stderr
    assert "risk_at_least" in told
    for meant in ("endpac", "ct-pancreas", "patient-view"):
        assert f"did you mean '{meant}'?" in told


@pytest.mark.parametrize("content", [b"a: [", b"- 1\n- 2\n", b"", b"\xff\xfe\x00", b"a: &x [*x]\n"])
def test_what_is_no_policy_at_all_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    result = cds("policy", "check", path)
    assert result.exit_code == 2
    assert result.stderr.startswith("CDS-102: ")
    assert isinstance(result.exception, SystemExit)


def test_a_service_and_an_order_that_the_policy_does_not_name_are_noted(tmp_path: Path) -> None:
    text = PACKAGED.read_text(encoding="utf-8")
    (ct,) = [line + "\n" for line in text.splitlines() if line.startswith("  ct-pancreas:")]
    text = text.replace(ct, "")
    start, end = text.index("services:"), text.index("# What a card proposes")
    path = tmp_path / "policy.yaml"
    path.write_text(text[:start] + text[end:], encoding="utf-8")
    result = cds("policy", "check", path)
    assert result.exit_code == 0
    assert "note: service 'pancreas-risk' is not named" in result.stdout
    assert "note: the order 'ct-pancreas' has no code here; cards leave it out" in result.stdout
    assert "hba1c" not in result.stdout


def test_a_file_without_approver_is_a_change_and_is_refused_as_the_policy_itself(tmp_path: Path) -> None:
    text = PACKAGED.read_text(encoding="utf-8")
    (approver,) = [line + "\n" for line in text.splitlines() if line.startswith("approver:")]
    path, settings = tmp_path / "policy.yaml", tmp_path / "cds.toml"
    path.write_text(text.replace(approver, ""), encoding="utf-8")
    settings.touch()
    refused = f"{path}:1: approver: this key is required"
    change = cds("policy", "check", path, settings=settings)
    assert change.exit_code == 0
    good, note, why = change.stdout.splitlines()
    assert good.startswith(f"{path}: good as a change. Version ")
    assert note.endswith("as policy_file it would be refused:")
    assert why.strip() == refused
    settings.write_text(f'policy_file = "{path}"\n', encoding="utf-8")
    for words in (("policy", "check", path), ("check", "--offline")):  # as serving does
        served = cds(*words, settings=settings)
        assert served.exit_code != 0
        assert refused in served.output
        assert "good as a change" not in served.output


def test_show_prints_the_file_in_force(tmp_path: Path) -> None:
    assert cds("policy", "show").stdout == PACKAGED.read_text(encoding="utf-8") + "\n"
    path, _ = changed(tmp_path, "Packaged default", "Our own")
    settings = tmp_path / "cds.toml"
    settings.write_text(f'policy_file = "{path}"\n', encoding="utf-8")
    assert "Our own" in cds("policy", "show", settings=settings).stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name: Test\n\tauthor: us\n", ":2: not valid YAML: a tab stands before the first word"),
        (b"cards:\n \tmost: 3\n", ":2: not valid YAML: a tab stands before the first word"),
        ("name: Tëst\n".encode("latin-1"), "the policy is not UTF-8 text: save it as UTF-8"),
        ("name: Test\n".encode("utf-16"), "the policy is not UTF-8 text: save it as UTF-8"),
    ],
)
def test_what_an_editor_does_to_a_file_is_told_in_its_words(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_bytes(content)
    result = cds("policy", "check", path)
    assert result.exit_code == 2 and told in result.output


def test_a_policy_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "cds.toml"
    settings.write_text('policy_file = "/nowhere/policy.yaml"\n', encoding="utf-8")
    for words in (["policy", "show"], ["check", "--offline"]):
        result = cds(*words, settings=settings)
        assert result.exit_code in (1, 2)
        assert "the policy can't be read" in result.output
        assert isinstance(result.exception, SystemExit)
