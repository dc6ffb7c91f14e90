"""``cds check``: one line each, good, note or fault; exit code 1 as soon as one is at fault."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import cds, serving
from flask import Flask, Response, jsonify
from service import Keys

from cds.ledger.migrate import upgrade
from cds.settings import load

WHAT = r"client \w+(?:: (?:keys|https?://[^ ]+))?|[^:]+"
LINE = re.compile(rf"^ ?(good|note|fault) +({WHAT}): (.*)$", re.MULTILINE)
KEY = 'ledger_key = "0123456789abcdef-of-the-check-tests"\n'


def verdicts(output: str) -> dict[str, tuple[str, str]]:
    """What -> (verdict, why)."""
    return {what: (verdict, why) for verdict, what, why in LINE.findall(output)}


def written(folder: Path, text: str) -> Path:
    path = folder / "cds.toml"
    path.write_text(f'data_dir = "{folder}"\n{text}', encoding="utf-8")
    return path


def demo(folder: Path, *bases: str) -> Path:
    return written(
        folder, f'environment = "demo"\n[clients.demo]\nauthentication = "loopback"\nfhir_servers = {list(bases)}\n'
    )


def test_offline_says_what_is_installed_is_good(tmp_path: Path) -> None:
    result = cds("check", "--offline", settings=written(tmp_path, KEY))
    assert result.exit_code == 0
    found = verdicts(result.stdout)
    assert {what for what, (verdict, _) in found.items() if verdict == "good"} == {
        *("settings", "ONNX Runtime", "models", "services", "report", "policy", "ledger key", "start", "guidelines"),
        *("files", "data_dir"),
    }
    folders = len(list((Path(__file__).parents[2] / "models").glob("*/model.yaml")))
    assert found["models"][1].startswith(f"{folders} loaded and run once")
    assert found["clients"] == ("note", "none is set: every call will be refused with 401")


def test_a_timeline_of_the_report_that_can_not_be_drawn_is_a_fault_with_its_place(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "report.yaml").write_text(
        "timeline:\n  lanes:\n    - {label: {en: x, nl: x}, concepts: [ca19-9], unit: parsecs}\n", encoding="utf-8"
    )
    result = cds("check", "--offline", settings=written(tmp_path, f'{KEY}hook_dirs = ["{hooks}"]\n'))
    assert result.exit_code == 1
    verdict, why = verdicts(result.stdout)["report"]
    assert verdict == "fault" and "'parsecs' is no unit of 'ca19-9'" in " ".join(why.split())


def test_offline_touches_no_network_and_no_database(tmp_path: Path) -> None:
    settings = written(
        tmp_path,
        KEY + 'database_url = "postgresql+psycopg://cds@192.0.2.1/cds"\n'
        '[clients.far]\nissuer = "x"\njku = "https://192.0.2.1/jwks"\nfhir_servers = ["https://192.0.2.1/fhir"]\n',
    )
    start = time.monotonic()
    result = cds("check", "--offline", settings=settings)
    assert result.exit_code == 0
    assert time.monotonic() - start < 5
    assert "192.0.2.1" not in result.output
    assert not list(tmp_path.glob("ledger.db*"))


def test_wrong_settings_are_the_one_fault_told(tmp_path: Path) -> None:
    result = cds("check", settings=written(tmp_path, "prot = 1\n"))
    assert result.exit_code == 1
    found = verdicts(result.stdout)
    assert found["settings"][0] == "fault"
    assert "did you mean 'port'?" in found["settings"][1]
    assert "models" not in found


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("timezone = 'Österreich'".encode("latin-1"), "not UTF-8 text; save it as UTF-8"),
        ("timezone = 'UTC'".encode("utf-16"), "not UTF-8 text; save it as UTF-8"),
        (b"\xef\xbb\xbfprot = 1", "'prot' is not a setting; did you mean 'port'?"),
    ],
)
def test_what_an_editor_does_to_the_file_is_told_or_put_up_with(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "cds.toml").write_bytes(content)
    result = cds("check", "--offline", settings=tmp_path / "cds.toml")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert told in " ".join(result.stdout.split())


def test_that_there_is_no_file_of_settings_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no cds.toml is in this folder" in " ".join(cds("check", "--offline").stdout.split())
    written(tmp_path, KEY)
    assert "no cds.toml is in this folder" not in " ".join(cds("check", "--offline").stdout.split())


def test_a_missing_ledger_key_is_a_fault_with_what_to_do(tmp_path: Path) -> None:
    result = cds("check", "--offline", settings=written(tmp_path, ""))
    assert result.exit_code == 1
    assert verdicts(result.stdout)["ledger key"][0] == "fault"
    assert "openssl rand -hex 32" in result.stdout


def test_a_ledger_key_with_a_line_end_is_noted(tmp_path: Path) -> None:
    result = cds("check", "--offline", settings=written(tmp_path, KEY.replace('tests"', 'tests\\n"')))
    assert result.exit_code == 0
    verdict, why = verdicts(result.stdout)["ledger key"]
    assert verdict == "note" and why.startswith("begins or ends with blanks or a line end, which are part of it")


def test_a_data_dir_that_can_not_be_one_is_a_fault_with_the_reason(tmp_path: Path) -> None:
    """Asked of the ledger, too, which lies in it."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    (tmp_path / "cds.toml").write_text(f'{KEY}data_dir = "{tmp_path / "taken"}"\n', encoding="utf-8")
    result = cds("check", settings=tmp_path / "cds.toml")
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    found = verdicts(result.stdout)
    assert found["data_dir"][0] == found["ledger"][0] == "fault"
    assert "is a file; name a folder" in " ".join(result.stdout.split())


@pytest.mark.parametrize("offline", ["--offline", ""])
def test_a_data_dir_that_is_not_there_yet_is_not_made_by_asking(tmp_path: Path, offline: str) -> None:
    """By root, say, and the service's own user could not write there."""
    (tmp_path / "cds.toml").write_text(f'{KEY}data_dir = "{tmp_path / "var" / "cds"}"\n', encoding="utf-8")
    result = cds("check", *filter(None, [offline]), settings=tmp_path / "cds.toml")
    verdict, why = verdicts(result.stdout)["data_dir"]
    assert verdict == "good" and "can be made in" in why
    assert [path.name for path in tmp_path.iterdir()] == ["cds.toml"]


def test_a_host_that_is_no_address_of_this_machine_is_a_fault(tmp_path: Path) -> None:
    result = cds("check", "--offline", settings=written(tmp_path, KEY + 'host = "192.0.2.1"\n'))
    assert result.exit_code == 1
    assert "address: `cds serve` does not start: CDS-101: 192.0.2.1:0" not in result.stdout
    assert "192.0.2.1 can't be listened on: no address of this machine" in " ".join(result.stdout.split())


@pytest.mark.parametrize("end", ["\\n", "\\r\\n", " \\n"])
def test_a_line_end_after_several_ledger_keys_is_none_of_them(tmp_path: Path, end: str) -> None:
    """So is the file that `cds ledger rekey` makes, as the environment hands it over; an editor may have changed it."""
    several = KEY.replace('tests"', f'tests{end}{"k" * 40}{end}"')
    found = cds("check", "--offline", settings=written(tmp_path, several))
    assert found.exit_code == 0 and verdicts(found.stdout)["ledger key"] == ("good", "strong enough")


@pytest.mark.parametrize(
    ("line", "what", "told"),
    [
        ('model_dirs = ["/nowhere"]\n', "models", "models folder /nowhere does not exist"),
        ('hook_dirs = ["/nowhere"]\n', "services", "hooks folder /nowhere does not exist"),
        ('policy_file = "/nowhere"\n', "policy", "the policy can't be read"),
        ('concept_map = "/nowhere"\n', "ConceptMap", "the ConceptMap can't be read"),
    ],
)
def test_each_room_answers_for_itself(tmp_path: Path, line: str, what: str, told: str) -> None:
    result = cds("check", "--offline", settings=written(tmp_path, KEY + line))
    assert result.exit_code == 1
    verdict, why = verdicts(result.stdout)[what]
    assert verdict == "fault"
    assert told in why


SPOILED = """\
[clients.a]
issuer = "x"
jwks_file = "{jwks}"
fhir_servers = ["https://a.example/fhir"]
studies.notify_secret_file = "{empty}"
smart = {{client_id = "x", secret_file = "{empty}"}}
backend = {{token_file = "{missing}"}}
[clients.b]
issuer = "x"
jwks_file = "{jwks}"
[tracing]
endpoint = "https://c.example/v1/traces"
authorization_file = "{missing}"
[committee]
charter_file = "{missing}"
console = {{accounts_file = "{missing}"}}
[inference]
url = "https://t.example"
token_file = "{missing}"
[pacs.m]
url = "https://p.example/dicom-web"
user = "u"
password_file = "{empty}"
"""


def test_what_serve_does_not_start_with_and_what_it_could_not_sign_in_with_is_a_fault(
    tmp_path: Path, client_keys: Keys
) -> None:
    empty, jwks, missing = tmp_path / "empty", tmp_path / "jwks.json", tmp_path / "missing"
    empty.write_text("\n")
    jwks.write_text(json.dumps(client_keys.public_set()))
    spoiled = 'language = "fr"\npublic_url = "https://cds.example"\n' + KEY
    spoiled += SPOILED.format(empty=empty, jwks=jwks, missing=missing)
    result = cds("check", "--offline", settings=written(tmp_path, spoiled))
    assert result.exit_code == 1
    told = [row for row in re.split(r"(?<!\w) ?(?=(?:good|note|fault) )", " ".join(result.stdout.split())) if row]
    for what, why in (
        ("services", "language: there are no words in 'fr'"),
        ("start: who calls", "have the same issuer"),
        ("start: news of studies", "clients.a.studies.notify_secret_file is empty"),
        ("start: traces", "tracing.authorization_file"),
        ("start: reports of a", "smart.secret_file is empty"),
        ("start: charter", "charter"),
        ("files: can't be read", "clients.a.backend.token_file"),
        ("files: can't be read", "inference.token_file"),
        ("files: empty", "pacs.m.password_file"),
        ("files: empty", "clients.a.smart.secret_file"),
    ):
        assert [row for row in told if row.startswith(f"fault {what}") and why in row], (what, told)
    assert not [row for row in told if row.startswith(("good start", "good files"))]


def test_traces_without_the_extra_are_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    tracing = '[tracing]\nendpoint = "https://c.example/v1/traces"\n'
    result = cds("check", "--offline", settings=written(tmp_path, KEY + tracing))
    assert result.exit_code == 1
    assert "start: traces" in result.stdout and "'telemetry'" in result.stdout


def test_a_demonstration_in_order(tmp_path: Path, hospital: str) -> None:
    settings = demo(tmp_path, hospital)
    upgrade(load(settings).ledger_url)
    result = cds("check", settings=settings)
    assert result.exit_code == 0, result.stdout
    found = verdicts(result.stdout)
    assert found["ledger"] == ("good", "answers, and can be written")
    assert found[f"client demo: {hospital}"] == ("good", "FHIR 4.0.1")
    assert found["client demo"] == ("note", "authentication is off for this machine's own address (demo)")


def test_a_ledger_that_is_not_there_yet_is_told(tmp_path: Path, hospital: str) -> None:
    result = cds("check", settings=demo(tmp_path, hospital))
    assert verdicts(result.stdout)["ledger"][0] == "fault"
    assert "there is no ledger in the database yet: `cds ledger upgrade` makes it" in " ".join(result.stdout.split())
    assert result.exit_code == 1


def test_a_database_that_is_down_is_told_as_that_and_not_as_an_empty_one(tmp_path: Path) -> None:
    line = 'database_url = "postgresql+psycopg://cds:of-the-tests@127.0.0.1:9/cds"\n'
    result = cds("check", settings=written(tmp_path, KEY + line))
    told = " ".join(result.stdout.split())
    assert "ledger: CDS-800: the ledger's database can't be reached" in told
    assert "cds ledger upgrade" not in told and "of-the-tests" not in told


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database of any kind " * 100)
    told = " ".join(cds("check", settings=written(tmp_path, KEY)).stdout.split())
    assert "check data_dir or database_url" in told and f"{tmp_path}/ledger.db" in told


def test_a_fhir_server_that_is_down_is_a_fault(tmp_path: Path) -> None:
    result = cds("check", settings=demo(tmp_path, "http://127.0.0.1:9/fhir"))
    assert result.exit_code == 1
    verdict, why = verdicts(result.stdout)["client demo: http://127.0.0.1:9/fhir"]
    assert verdict == "fault"
    assert "nothing answers" in why


@pytest.fixture(scope="module")
def strange() -> Iterator[str]:
    """A server that answers everything but what is asked."""
    app = Flask("strange")

    def answer(body: Any) -> Any:
        return lambda: body

    app.add_url_rule("/text/metadata", "text", answer("<html>hello</html>"))
    app.add_url_rule("/list/metadata", "list", answer("[]"))
    app.add_url_rule("/old/metadata", "old", lambda: jsonify(fhirVersion="3.0.2"))
    app.add_url_rule("/away/metadata", "away", lambda: Response(status=302, headers={"Location": "/old/metadata"}))
    app.add_url_rule("/jwks", "jwks", lambda: jsonify(keys=[{"kty": "RSA"}, {"kty": "EC"}]))
    app.add_url_rule("/nokeys", "nokeys", lambda: jsonify(keys=[]))
    app.add_url_rule("/html", "html", answer("<html>login</html>"))
    with serving(app) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("text", "not JSON"),
        ("list", "another kind"),
        ("old", "3.0.2"),
        ("away", "answered 302"),
        ("none", "answered 404"),
    ],
)
def test_what_is_no_fhir_r4_server_is_a_fault(tmp_path: Path, strange: str, path: str, told: str) -> None:
    result = cds("check", settings=demo(tmp_path, f"{strange}/{path}"))
    assert result.exit_code == 1
    verdict, why = verdicts(result.stdout)[f"client demo: {strange}/{path}"]
    assert verdict == "fault"
    assert told in why


@pytest.mark.parametrize(
    ("path", "verdict", "told"),
    [
        ("jwks", "good", "2 key(s)"),
        ("nokeys", "fault", "no key set"),
        ("html", "fault", "not JSON"),
        ("missing", "fault", "answered 404"),
    ],
)
def test_the_clients_keys_are_looked_for(tmp_path: Path, strange: str, path: str, verdict: str, told: str) -> None:
    settings = written(tmp_path, f'{KEY}[clients.north]\nissuer = "x"\njku = "{strange}/{path}"\n')
    found = verdicts(cds("check", settings=settings).stdout)["client north: keys"]
    assert found[0] == verdict
    assert told in found[1]
